"""The explorer's tables: one row per question and one per requested answer, whatever its outcome.

Facets count over an index that covers every facet column (`answers_facets`), so that they read no text; each facet
column also has a separate index, in which the rows of one value are in page order.

The full-text indexes collect 64 MiB of words before they write: with the default of 1 MiB, merging what was written
took two thirds of the time of indexing 600,000 answers.
"""

from __future__ import annotations

ANSWER_FACETS = ("method", "outcome", "reason", "dataset", "level", "kept", "subject", "finish_reason", "tier", "model")
QUESTION_FACETS = ("method", "status", "reason", "dataset", "level", "subject")
REJECT_FACETS = ("stage", "reason", "method", "dataset")

TABLES = """
create table questions (
  id text not null, seed text not null, parent text, dataset text, style text, method text, level text, subject text,
  status text, reason text, detail text, answer text, answers integer default 0, correct integer default 0,
  kept integer default 0, masked text, tags text, question text
);
create table answers (
  id text not null, seed text not null, problem text not null, dataset text, style text, method text, level text,
  subject text, outcome text, reason text, kept text, finish_reason text, tier text, model text, draw integer,
  tokens_in integer, tokens_out integer, seconds real, words integer, steps integer, got text, expected text, text text
);
create table rejects (id text, seed text, dataset text, method text, stage text, reason text, detail text);
create table thoughts (id text primary key, thought text) without rowid;
create table flags (id text, seed text, action text, note text, reviewer text, text text);
create table about (name text primary key, value text);
create virtual table questions_fts using fts5(question, content='questions', detail='column');
create virtual table answers_fts using fts5(text, content='answers', detail='column', columnsize=0);
insert into questions_fts(questions_fts, rank) values ('hashsize', 67108864);
insert into answers_fts(answers_fts, rank) values ('hashsize', 67108864);
"""

# Created after the rows; the unique indexes on ids exist from the start, because rows replace and look up each other.
QUESTION_INDEXES = "\n".join(
    [
        "create index questions_seed on questions(seed);",
        f"create index questions_facets on questions({', '.join(QUESTION_FACETS)});",
        *(f"create index questions_{name} on questions({name});" for name in QUESTION_FACETS),
    ]
)
INDEXES = "\n".join(
    [
        "create index if not exists answers_seed on answers(seed);",
        # With outcome and kept, so that the answers to each question are counted in the order of the index.
        "create index answers_problem on answers(problem, outcome, kept);",
        "create index rejects_id on rejects(id);",
        "create index rejects_seed on rejects(seed);",
        "create index flags_id on flags(id);",
        f"create index answers_facets on answers({', '.join(ANSWER_FACETS)});",
        *(f"create index rejects_{name} on rejects({name});" for name in REJECT_FACETS),
    ]
)
# A filter finds the same rows without these, only later in a large run: pages show all rows while these are made.
FILTER_INDEXES = "\n".join(f"create index if not exists answers_{name} on answers({name});" for name in ANSWER_FACETS)

# Internal tables.
HIDDEN = ("about", "thoughts")
