"""Read one seed's family from the explorer's database: its questions, their answers, and the rejects."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mathstrap.explore.browse import neighbours
from mathstrap.explore.diff import NumberDiff, diff_html, masked_html, number_diff, unknown_html
from mathstrap.render import TimeBudget, render
from mathstrap.types import METHODS, Problem, Style, root_of

# More than any sensible recipe makes from one seed; they bound the size of a page.
MAX_QUESTIONS, MAX_ANSWERS = 400, 1_500


@dataclass(frozen=True, kw_only=True)
class Member:
    """One question of a family, ready to show; `html` is safe, the other fields are the stored texts."""

    id: str
    method: str
    status: str
    reason: str
    detail: str
    answer: str
    masked: str
    html: str
    origin_html: str
    numbers: NumberDiff | None
    answers: list[dict[str, Any]]
    mark: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class FamilyPage:
    """A seed with everything made from it."""

    seed: str
    style: Style
    facts: dict[str, Any]
    html: str
    solution_html: str
    members: list[Member]
    own_answers: list[dict[str, Any]]
    mark: dict[str, Any] | None
    other_rejects: list[dict[str, Any]]
    is_cut: bool
    before: str
    after: str


def read_family(connection: sqlite3.Connection, row_id: str, *, budget: TimeBudget | None = None) -> FamilyPage | None:
    """Return the family that a seed, question or answer id belongs to; None where the run has none of that id."""
    budget = budget or TimeBudget()
    seed_id = root_of(row_id)
    connection.row_factory = sqlite3.Row
    rows = _rows(connection, "select * from questions where seed = ? order by id limit ?", seed_id, MAX_QUESTIONS)
    answers = _rows(
        connection, "select * from answers where seed = ? order by problem, draw limit ?", seed_id, MAX_ANSWERS
    )
    if not rows and not answers:
        return None
    rejects = _rows(connection, "select * from rejects where seed = ? order by id limit ?", seed_id, MAX_QUESTIONS)
    marks = {row["id"]: row for row in _rows(connection, "select * from flags where seed = ?", seed_id)}
    before, after = neighbours(connection, seed_id)
    sql = "select id, thought from thoughts where id in (select id from answers where seed = ?)"
    thoughts = {row["id"]: row["thought"] for row in _rows(connection, sql, seed_id)}
    by_problem: dict[str, list[dict[str, Any]]] = {}
    details = {row["id"]: row["detail"] for row in rejects}
    for answer in answers:
        answer["mark"] = marks.get(answer["id"])
        answer["thought"] = thoughts.get(answer["id"], "")
        answer["detail"] = details.get(answer["id"], "")
        by_problem.setdefault(answer["problem"], []).append(answer)
    seed = next((row for row in rows if row["id"] == seed_id), None) or _stand_in(seed_id)
    style: Style = "math" if seed["style"] == "math" else "gsm8k"
    members = [_member(row, seed, style, by_problem, marks, budget) for row in rows if row["id"] != seed_id]
    order = {method: place for place, method in enumerate(METHODS)}
    members.sort(key=lambda member: (order.get(member.method, len(order)), member.id))
    shown = {row["id"] for row in rows} | {row["id"] for row in answers}
    return FamilyPage(
        seed=seed_id,
        style=style,
        facts=seed,
        html=render(seed["question"] or "", style, budget=budget),
        solution_html=render(seed["detail"] or "", style, budget=budget),
        members=members,
        own_answers=by_problem.get(seed_id, []),
        mark=marks.get(seed_id),
        other_rejects=[row for row in rejects if row["id"] not in shown],
        before=before,
        after=after,
        is_cut=len(rows) == MAX_QUESTIONS or len(answers) == MAX_ANSWERS,
    )


def problems_of(connection: sqlite3.Connection, row_id: str) -> list[Problem]:
    """Return the seed and the questions of a family as records, without those that were rejected."""
    connection.row_factory = sqlite3.Row
    sql = "select * from questions where seed = ? and status in ('seed', 'usable') order by id limit ?"
    return [
        Problem(
            id=row["id"], dataset=row["dataset"] or "", style="math" if row["style"] == "math" else "gsm8k",
            question=row["question"] or "", answer=row["answer"] or "", solution=row["detail"] or "",
            method=row["method"], parent=row["parent"], tags=_tags(row["tags"]),
        )
        for row in _rows(connection, sql, root_of(row_id), MAX_QUESTIONS)
    ]  # fmt: skip


def _member(
    row: Mapping[str, Any],
    seed: Mapping[str, Any],
    style: Style,
    answers: Mapping[str, list[dict[str, Any]]],
    marks: Mapping[str, dict[str, Any]],
    budget: TimeBudget,
) -> Member:
    tags = _tags(row["tags"])
    question, original = row["question"] or "", seed["question"] or ""
    numbers, origin = None, ""
    if row["method"] == "rephrase" and question and original:
        html = diff_html(original, question, style, budget=budget)
        numbers = number_diff(original, question)
    elif row["method"] in ("fobar", "self_verification"):
        html = unknown_html(question, str(tags.get("variable") or "x"), style, budget=budget)
        start, end = tags.get("mask_start"), tags.get("mask_end")
        if isinstance(start, int) and isinstance(end, int):
            origin = masked_html(original, start, end, style, budget=budget)
    else:
        html = "" if question == original else render(question, style, budget=budget)
    return Member(
        id=row["id"],
        method=row["method"],
        status=row["status"],
        reason=row["reason"] or "",
        detail=row["detail"] or "" if row["status"] == "rejected" else "",
        answer=row["answer"] or "",
        masked=row["masked"] or "",
        html=html,
        origin_html=origin,
        numbers=numbers,
        answers=answers.get(row["id"], []),
        mark=marks.get(row["id"]),
    )


def _rows(connection: sqlite3.Connection, sql: str, *values: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sql, values)]


def _stand_in(seed_id: str) -> dict[str, Any]:
    """Return an empty seed row, for a seed whose stage has not written it yet."""
    names = ("dataset", "style", "level", "subject", "answer", "detail", "question", "method", "status")
    return {"id": seed_id, **dict.fromkeys(names, "")}


def _tags(text: str | None) -> dict[str, Any]:
    try:
        tags = json.loads(text or "{}")
    except json.JSONDecodeError:
        return {}
    return tags if isinstance(tags, dict) else {}
