"""Put questions into the explorer's database: seeds, derived questions, rejects, and drafts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.explore.follow import remember, tail
from mathstrap.files.rundir import RunDir
from mathstrap.stats import difficulty_of, method_of
from mathstrap.types import Problem, Reject, root_of

_INSERT = (
    "insert or replace into questions (id, seed, parent, dataset, style, method, level, subject, status, reason,"
    " detail, answer, masked, tags, question) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# The texts of rejected questions stand in the rewrites alone; a prompt that changed leaves several: the newest counts.
_INSERT_DRAFT = _INSERT.replace("or replace", "") + (
    " on conflict (id) do update set question = excluded.question where status = 'rejected'"
)


@dataclass(frozen=True, kw_only=True)
class FamilyFacts:
    """The fields that every row of a family shares; `direct` is the method name of answers to the seed itself."""

    dataset: str = ""
    style: str = "gsm8k"
    level: str = ""
    subject: str = ""
    direct: str = "ans_aug"


Seeds = dict[str, FamilyFacts]
UNKNOWN = FamilyFacts()


def load_questions(connection: sqlite3.Connection, run: RunDir) -> Seeds:
    """Insert seeds, usable and rejected questions, the last without a text, and return the facts of each family."""
    seeds: Seeds = {}
    is_evaluation = run.manifest.get("kind") == "evaluation"
    remember(connection, "kind", "evaluation" if is_evaluation else "")
    connection.execute("create unique index questions_id on questions(id)")
    problems = run.read_records("problems", Problem) if run.has("problems") else iter(())
    connection.executemany(_INSERT, (_row(problem, seeds, is_evaluation) for problem in problems))
    rejects = run.read_records("rejects", Reject) if run.has("rejects") else iter(())
    fallen = {reject.id: reject for reject in rejects if reject.stage in ("rewrite", "filter")}
    connection.executemany(_INSERT, (_fallen_row(reject, seeds) for reject in fallen.values()))
    return seeds


def add_drafts(connection: sqlite3.Connection, rewrites: Path, offset: int, seeds: Seeds) -> int:
    """Insert the rewrites after `offset` that are not derived yet, and return the new offset.

    From the beginning of the file on, rejected questions get their texts too.
    """
    reached = offset

    def rows() -> Iterator[tuple[Any, ...]]:
        nonlocal reached
        for reply, reached in tail(rewrites, offset):  # noqa: B007 the last offset is the result
            seed = root_of(reply.request)
            facts = seeds.get(seed, UNKNOWN)
            yield (
                reply.request, seed, seed, facts.dataset, facts.style, method_of(reply.request), facts.level,
                facts.subject, "draft", "", "", "", "", "{}", reply.text,
            )  # fmt: skip

    connection.executemany(_INSERT.replace("or replace", "or ignore") if offset else _INSERT_DRAFT, rows())
    return reached


def seeds_of(connection: sqlite3.Connection, *, is_evaluation: bool) -> Seeds:
    """Return the facts of each family, from the rows of the seeds."""
    rows = connection.execute("select id, dataset, style, level, subject from questions where status = 'seed'")
    return {
        row[0]: FamilyFacts(
            dataset=row[1], style=row[2], level=row[3], subject=row[4], direct=row[1] if is_evaluation else "ans_aug"
        )
        for row in rows
    }


def _row(problem: Problem, seeds: Seeds, is_evaluation: bool) -> tuple[Any, ...]:
    tags, seed = problem.tags, root_of(problem.id)
    is_seed = problem.method == "seed"
    if is_seed:
        seeds[problem.id] = FamilyFacts(
            dataset=problem.dataset,
            style=problem.style,
            level=difficulty_of(problem),
            subject=str(tags.get("subject") or tags.get("type") or ""),
            direct=problem.dataset if is_evaluation else "ans_aug",
        )
    facts = seeds.get(seed) or FamilyFacts(dataset=problem.dataset, style=problem.style)
    return (
        problem.id, seed, problem.parent, facts.dataset, facts.style, problem.method, facts.level, facts.subject,
        "seed" if is_seed else "usable", "", problem.solution, problem.answer, str(tags.get("mask_text") or ""),
        msgspec.json.encode(tags).decode(), problem.question,
    )  # fmt: skip


def _fallen_row(reject: Reject, seeds: Seeds) -> tuple[Any, ...]:
    seed = root_of(reject.id)
    facts = seeds.get(seed, UNKNOWN)
    return (
        reject.id, seed, seed, facts.dataset, facts.style, method_of(reject.id), facts.level, facts.subject,
        "rejected", reject.reason, reject.detail, "", "", "{}", "",
    )  # fmt: skip
