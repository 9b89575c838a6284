"""Put a run's records into SQLite and update them while the run goes on. Reads the run, writes only the database.

A running stage appends replies, so these are read from the byte where the last refresh ended. Derived files are written
whole; when one of them changes, all tables are filled again in one transaction, so readers never see half of them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.explore.follow import look, remember, script, seen_before, states, tail
from mathstrap.explore.questions import UNKNOWN, FamilyFacts, Seeds, add_drafts, load_questions, seeds_of
from mathstrap.explore.schema import FILTER_INDEXES, INDEXES, QUESTION_INDEXES, TABLES
from mathstrap.explore.summary import write_summary
from mathstrap.files.append_log import open_for_writing
from mathstrap.files.private import private_folder
from mathstrap.files.rundir import RunDir
from mathstrap.stats import count_steps, method_of
from mathstrap.types import Reject, Verdict, is_check, problem_of, root_of

VERSION = "9"
DERIVED = ("problems", "verdicts", "draws", "rejects", "samples")
LARGE_BYTES = 32 << 20  # of replies, read in about three seconds; a larger run is shown while it loads
FIRST_PART = 5_000  # replies; each further part is three times as large, because each shown part counts all rows again
# Characters of a table's cell; the whole value is in the run's files.
MAX_CELL = 500
MAX_THOUGHT = 20_000  # characters, the most that a page shows of one text


class GradedDraw(msgspec.Struct, frozen=True, gc=False):
    """The fields that the explorer needs of a graded draw of an evaluation."""

    id: str
    outcome: str
    reason: str = ""
    tier: str = ""
    got: str = ""
    expected: str = ""


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """The only field that the explorer needs of a sample."""

    id: str


# What the derived files say of an answer: outcome, reason, kept, tier, got and expected, as the table has them.
Grade = tuple[str, str, str, str, str, str]
UNGRADED: Grade = ("not graded", "", "no", "", "", "")


def database_path(run: Path, cache: Path) -> Path:
    """Return the path of a run's database: named after the run and a hash of its location."""
    place = blake2b(str(run.resolve()).encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
    name = "".join(char if char.isalnum() or char in "-_" else "-" for char in run.resolve().name)[:60]
    return cache / f"{name}-{place}.sqlite"


def connect(path: Path) -> sqlite3.Connection:
    """Open a database for writing while others read it."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = off")  # the data is derived, so a corrupt database is simply built again
    connection.execute("pragma cache_size = -200000")
    connection.execute("pragma temp_store = memory")
    return connection


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a run's database for writing; a new one is readable by its owner alone."""
    private_folder(path.parent)
    os.close(open_for_writing(path, os.O_RDWR))
    connection = connect(path)
    try:
        yield connection
    finally:
        connection.close()


def reply_files(run: Path) -> dict[str, Path]:
    """Return the files of replies, by stage."""
    return {stage: run / f"completions-{stage}.jsonl" for stage in ("rewrite", "solve")}


def prepare(run: RunDir, path: Path) -> None:
    """Create empty tables for a large run without a database, so that pages open before the run is loaded."""
    if sum(look(file).size for file in reply_files(run.path).values()) < LARGE_BYTES:
        refresh(run, path)
        return
    with opened(path) as connection:
        if seen_before(connection).get("version") == VERSION:
            return  # pages show the last state while new replies are loaded
        with connection:
            connection.execute("begin")
            make_tables(connection)
            show_part(connection, 0)


def refresh(run: RunDir, path: Path) -> bool:
    """Bring the database at `path` up to date with the run; returns whether anything changed."""
    with opened(path) as connection:
        seen = seen_before(connection)
        derived = {f"{name}.jsonl": look(run.path / f"{name}.jsonl") for name in DERIVED}
        flags = look(run.path / "flags.jsonl")
        replies = reply_files(run.path)
        shrunk = any(look(file).size < int(seen.get(file.name, 0)) for file in replies.values())
        if seen.get("version") != VERSION or shrunk or seen.get("derived") != states(derived):
            # Pages that show a complete version keep showing it until the new one is complete.
            fill(connection, run, replies, in_parts="reading" in seen)
        elif not _follow(connection, replies, seen) and seen.get("flags") == states({"flags": flags}):
            _index_filters(connection, seen)  # an explorer that was stopped while it made them
            return False
        _load_flags(connection, run)
        write_summary(connection)
        remember(connection, "derived", states(derived))
        remember(connection, "flags", states({"flags": flags}))
        remember(connection, "version", VERSION)
        next_revision(connection)
        _index_filters(connection, seen_before(connection))
        return True


def _index_filters(connection: sqlite3.Connection, seen: dict[str, str]) -> None:
    """Make the indexes that pages can do without, once for each filling of the tables."""
    if "indexed" in seen:
        return
    script(connection, FILTER_INDEXES)
    analyse(connection)
    connection.execute("pragma wal_checkpoint(truncate)")
    remember(connection, "indexed", "yes")


def analyse(connection: sqlite3.Connection) -> None:
    """Have SQLite look at the values of each index, by which it chooses among them."""
    connection.execute("pragma analysis_limit = 1000")
    connection.execute("analyze")


def next_revision(connection: sqlite3.Connection) -> None:
    """Increase the revision, by which pages notice a change."""
    connection.execute(
        "insert into about values ('revision', '1') on conflict (name) do update set value = cast(value as int) + 1"
    )


def show_part(connection: sqlite3.Connection, share: float) -> None:
    """Show readers the rows so far, and their share of the replies."""
    write_summary(connection, reading=share)
    remember(connection, "reading", f"{share:.2f}")
    next_revision(connection)


def make_tables(connection: sqlite3.Connection) -> None:
    """Create all tables, empty; the revision is kept, or pages would miss the change."""
    revision = seen_before(connection).get("revision", "0")
    for (name,) in connection.execute(
        "select name from sqlite_master where type = 'table' and name in"
        " ('questions_fts', 'answers_fts', 'questions', 'answers', 'rejects', 'thoughts', 'flags', 'about')"
        " order by name desc"
    ).fetchall():
        connection.execute(f'drop table if exists "{name}"')
    script(connection, TABLES)
    remember(connection, "revision", revision)


def fill(connection: sqlite3.Connection, run: RunDir, replies: dict[str, Path], *, in_parts: bool = False) -> None:
    """Fill all tables from the run's files in one transaction, or with `in_parts` in several that readers see."""
    with connection:  # commits, or rolls back on any exception
        connection.execute("begin")
        make_tables(connection)
        seeds = load_questions(connection, run)
        drafted = add_drafts(connection, replies["rewrite"], 0, seeds)
        _insert_rejects(connection, run)
        with ThreadPoolExecutor(1) as pool:  # SQLite leaves the interpreter to the other thread meanwhile
            reading = pool.submit(grades_of, run)
            script(connection, QUESTION_INDEXES)
            connection.execute("insert into questions_fts(questions_fts) values ('rebuild')")
            grades = reading.result()
        # The newest reply to a request counts, so inserts replace rows and need the index from the start.
        connection.execute("create unique index answers_id on answers(id)")
        size = look(replies["solve"]).size

        def show(reached: int) -> None:
            show_part(connection, reached / size)
            connection.execute("commit")
            connection.execute("begin")

        if in_parts:
            connection.execute("create index answers_seed on answers(seed)")  # family pages need it while rows load
        offset = _insert_answers(connection, replies["solve"], 0, seeds, grades, show=show if in_parts else None)
        connection.execute("delete from about where name = 'reading'")
        remember(connection, replies["solve"].name, str(offset))
        remember(connection, replies["rewrite"].name, str(drafted))
        _insert_unanswered(connection, run, seeds)
        script(connection, INDEXES)
        script(connection, COUNT_ANSWERS)
        connection.execute("insert into answers_fts(answers_fts) values ('rebuild')")
    analyse(connection)


COUNT_ANSWERS = """
drop table if exists temp.counted;
create temp table counted (problem text primary key, n, c, k) without rowid;
insert into counted
  select problem, count(*), sum(outcome = 'correct'), sum(kept = 'yes') from answers group by problem;
update questions set answers = n, correct = c, kept = k from counted where counted.problem = questions.id
"""


def grades_of(run: RunDir) -> dict[str, Grade]:
    """Return what verdicts, graded draws, rejects and samples say of each answer, by its id."""
    grades: dict[str, Grade] = {}
    # The answers to one question mostly get the same grade: one tuple for all of them keeps the memory small.
    same: dict[Grade, Grade] = {}

    def grade(name: str, row: Verdict | GradedDraw) -> None:
        reason = "" if row.outcome == "correct" else row.reason[:MAX_CELL]
        found = (row.outcome, reason, "no", row.tier, row.got[:MAX_CELL], row.expected[:MAX_CELL])
        grades[name] = same.setdefault(found, found)

    for verdict in run.read_records("verdicts", Verdict) if run.has("verdicts") else ():
        grade(verdict.candidate, verdict)
    for draw in run.read_records("draws", GradedDraw) if run.has("draws") else ():
        grade(draw.id, draw)
    for reject in run.read_records("rejects", Reject) if run.has("rejects") else ():
        if "#" in reject.id:
            _, _, kept, tier, got, expected = before = grades.get(reject.id, UNGRADED)
            outcome = "rejected" if before is UNGRADED else before[0]
            grades[reject.id] = (outcome, reject.reason, kept, tier, got, expected)
    chosen: dict[Grade, Grade] = {}
    for sample in run.read_records("samples", Chosen) if run.has("samples") else ():
        found = grades.get(sample.id, UNGRADED)
        if found not in chosen:
            chosen[found] = (*found[:2], "yes", *found[3:])
        grades[sample.id] = chosen[found]
    return grades


def _insert_rejects(connection: sqlite3.Connection, run: RunDir) -> None:
    rejects = run.read_records("rejects", Reject) if run.has("rejects") else ()
    connection.executemany(
        "insert into rejects select ?1, ?2, (select dataset from questions where id = ?2), ?3, ?4, ?5, ?6",
        ((row.id, root_of(row.id), _fallen_method(row), row.stage, row.reason, row.detail) for row in rejects),
    )


def _fallen_method(reject: Reject) -> str:
    return "seed" if reject.stage == "seeds" else method_of(reject.id)


def _method(request: str, facts: FamilyFacts) -> str:
    return method_of(request) if "/" in request else facts.direct


_INSERT_ANSWER = f"insert or replace into answers values ({', '.join('?' * 23)})"  # noqa: S608 marks only


def _insert_answers(
    connection: sqlite3.Connection,
    path: Path,
    offset: int,
    seeds: Seeds,
    grades: Mapping[str, Grade],
    *,
    show: Callable[[int], None] | None = None,
) -> int:
    """Insert the replies after `offset` and return the new offset; `show` is called after each part."""
    reached = offset

    @lru_cache(maxsize=10_000)  # the answers to one question stand close together
    def family(problem: str) -> tuple[str, ...]:
        """Return the columns that all answers to a question share, from seed to subject."""
        seed = root_of(problem)
        facts = seeds.get(seed, UNKNOWN)
        return seed, problem, facts.dataset, facts.style, _method(problem, facts), facts.level, facts.subject

    def rows() -> Iterator[tuple[Any, ...]]:
        nonlocal reached
        for reply, reached in tail(path, offset):  # noqa: B007 the last offset is the result
            if is_check(reply.request):
                continue
            problem, _, number = reply.request.rpartition("#")
            if reply.reasoning:
                thought = reply.reasoning[:MAX_THOUGHT].encode("utf-8", "replace").decode("utf-8")
                connection.execute("insert or replace into thoughts values (?, ?)", (reply.request, thought))
            draw = int(number) if number.isascii() and number.isdecimal() and len(number) < 9 else 0
            outcome, reason, kept, tier, got, expected = grades.get(reply.request, UNGRADED)
            yield (
                reply.request, *family(problem or reply.request), outcome, reason, kept, reply.finish_reason, tier,
                reply.model, draw, reply.tokens_in, reply.tokens_out, round(reply.seconds, 3),
                len(reply.text.split()), count_steps(reply.text), got, expected,
                reply.text.encode("utf-8", "replace").decode("utf-8"),
            )  # fmt: skip

    waiting, size = rows(), FIRST_PART
    while show is not None and (row := next(waiting, None)):
        show(reached)
        connection.executemany(_INSERT_ANSWER, chain([row], islice(waiting, size)))
        size *= 3
    connection.executemany(_INSERT_ANSWER, waiting)
    return reached


def _insert_unanswered(connection: sqlite3.Connection, run: RunDir, seeds: Seeds) -> None:
    def rows() -> Iterator[tuple[Any, ...]]:
        for failure in run.failures():
            if "#" in failure.id:
                seed = root_of(failure.id)
                facts = seeds.get(seed, UNKNOWN)
                yield (
                    failure.id, seed, problem_of(failure.id), facts.dataset, facts.style, _method(failure.id, facts),
                    facts.level, facts.subject, "unanswered", failure.kind or "error", "no", "", "", "",
                    failure.error[:MAX_CELL],
                )  # fmt: skip

    connection.executemany(
        "insert or ignore into answers (id, seed, problem, dataset, style, method, level, subject, outcome, reason,"
        " kept, finish_reason, tier, model, text) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows(),
    )


def _follow(connection: sqlite3.Connection, replies: dict[str, Path], seen: dict[str, str]) -> bool:
    """Add the replies since the last refresh; returns whether there were any."""
    offsets = {stage: int(seen.get(path.name, 0)) for stage, path in replies.items()}
    if all(look(path).size == offsets[stage] for stage, path in replies.items()):
        return False
    seeds = seeds_of(connection, is_evaluation=seen.get("kind") == "evaluation")
    with connection:
        connection.execute("begin")
        reached = {}
        with _indexed(connection, "questions", "question"):
            reached["rewrite"] = add_drafts(connection, replies["rewrite"], offsets["rewrite"], seeds)
        with _indexed(connection, "answers", "text"):
            reached["solve"] = _insert_answers(connection, replies["solve"], offsets["solve"], seeds, {})
        for stage, path in replies.items():
            remember(connection, path.name, str(reached[stage]))
    return reached != offsets


@contextmanager
def _indexed(connection: sqlite3.Connection, table: str, column: str) -> Iterator[None]:
    """Add the rows that are inserted inside the block to the table's full-text index."""
    last = connection.execute(f"select coalesce(max(rowid), 0) from {table}").fetchone()[0]  # noqa: S608 constants
    yield
    connection.execute(
        f"insert into {table}_fts(rowid, {column}) select rowid, {column} from {table} where rowid > ?",  # noqa: S608
        (last,),
    )


def _load_flags(connection: sqlite3.Connection, run: RunDir) -> None:
    marks = run.marks()
    with connection:
        connection.execute("begin")
        connection.execute("delete from flags")
        connection.executemany(
            "insert into flags values (?, ?, ?, ?, ?, ?)",
            ((name, root_of(name), mark.action, mark.note, mark.reviewer, mark.text) for name, mark in marks.items()),
        )
