"""The explorer's lists beside tables: families with their yields, one search over everything, rejects as cards."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mathstrap.explore.diff import diff_html
from mathstrap.render import TimeBudget, render
from mathstrap.types import Style, root_of

PAGE = 50
HITS_SHOWN = 8  # of each kind; the table's own search shows the others
# The order by its name in the address; a missing yield (no answer yet) comes last.
SORTS = {
    "lowest": "yield is null, yield, answers desc, seed",
    "highest": "yield is null, yield desc, answers desc, seed",
    "kept": "kept desc, seed",
    "answers": "answers desc, seed",
    "id": "seed",
}
SHOWS = {
    "all": "",
    "unsolved": "where answers > 0 and correct = 0",
    "mixed": "where correct between 1 and answers - 1",
}
_FAMILIES = """
select seed, count(*) - 1 questions, sum(answers) answers, sum(correct) correct, sum(kept) kept,
  1.0 * sum(correct) / nullif(sum(answers), 0) yield
from questions where status in ('seed', 'usable') group by seed
"""


@dataclass(frozen=True, kw_only=True)
class Families:
    """One page of families, each a mapping with seed, question, questions, answers, correct, kept and yield."""

    rows: list[dict[str, Any]]
    num_families: int
    page: int
    sort: str
    show: str

    @property
    def num_pages(self) -> int:
        """The number of pages."""
        return -(-self.num_families // PAGE)


def read_families(connection: sqlite3.Connection, *, sort: str, show: str, page: int) -> Families:
    """Return a page of families; an unknown order or choice means the first."""
    sort, show = sort if sort in SORTS else "lowest", show if show in SHOWS else "all"
    # A subquery, because inside it "answers" would be the column of one question and not the sum.
    chosen = f"select * from ({_FAMILIES}) {SHOWS[show]}"  # noqa: S608 constants
    count = connection.execute(f"select count(*) from ({chosen})").fetchone()[0]  # noqa: S608 constants
    sql = f"{chosen} order by {SORTS[sort]} limit {PAGE} offset ?"
    rows = named(connection.execute(sql, (page * PAGE,)))
    texts = texts_of(connection, [row["seed"] for row in rows])
    for row in rows:
        row.update(texts.get(row["seed"], {}))
    return Families(rows=rows, num_families=count, page=page, sort=sort, show=show)


def texts_of(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return question and style of questions, by id."""
    marks = ", ".join("?" for _ in ids)
    sql = f"select id, question, style, method from questions where id in ({marks})"  # noqa: S608 marks only
    return {row["id"]: row for row in named(connection.execute(sql, list(ids)))}


def neighbours(connection: sqlite3.Connection, seed: str) -> tuple[str, str]:
    """Return the seeds before and after one, in the order of ids; empty at the ends."""
    before = "select id from questions where id < ? and status = 'seed' order by id desc limit 1"
    after = "select id from questions where id > ? and status = 'seed' order by id limit 1"
    ids = [connection.execute(sql, (seed,)).fetchone() for sql in (before, after)]
    return (ids[0][0] if ids[0] else ""), (ids[1][0] if ids[1] else "")


@dataclass(frozen=True, kw_only=True)
class SearchHits:
    """The hits of a search: the first of each kind, and the number of all."""

    questions: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    counts: dict[str, int]


def search_all(connection: sqlite3.Connection, words: str) -> SearchHits:
    """Return questions, replies and rejects that contain all the words; a reject matches by its text or its id."""
    query = fts_query(words)
    like = f"%{words.strip()[:200]}%"
    counts, rows = {}, {}
    for table, column in (("questions", "question"), ("answers", "text")):
        where = f"from {table} where rowid in (select rowid from {table}_fts where {table}_fts match ?)"  # noqa: S608 constants
        if table == "questions":
            where += " and status != 'rejected'"
        counts[table] = connection.execute(f"select count(*) {where}", (query,)).fetchone()[0] if query else 0
        sql = f"select id, seed, method, style, {column} text {where} limit {HITS_SHOWN}"
        rows[table] = named(connection.execute(sql, (query,))) if query else []
    where = (
        "from rejects where id like ?2 or detail like ?2 or id in (select id from questions where status = 'rejected'"
        " and rowid in (select rowid from questions_fts where questions_fts match ?1))"
    )
    counts["rejects"] = connection.execute(f"select count(*) {where}", (query, like)).fetchone()[0] if query else 0
    sql = f"select id, seed, method, stage, reason, detail {where} limit {HITS_SHOWN}"
    rows["rejects"] = named(connection.execute(sql, (query, like))) if query else []
    return SearchHits(questions=rows["questions"], answers=rows["answers"], rejects=rows["rejects"], counts=counts)


def fts_query(words: str) -> str:
    """Return an FTS query that matches all the words, whatever punctuation is between them.

    The index stores no positions, so it cannot match phrases: a token it would split is split here.
    """
    return " ".join(f'"{word}"' for word in re.findall(r"[^\W_]+", words)[:30])


def read_fallen(
    connection: sqlite3.Connection, ids: Sequence[str], *, budget: TimeBudget | None = None
) -> dict[str, dict[str, Any]]:
    """Return the details of rejects by id: the question as safe HTML, with differences marked, and the reply."""
    budget = budget or TimeBudget()
    answers_sql = "select id, problem, style, text from answers where id in ({})"
    marks = ", ".join("?" for _ in ids)
    answers = {row["id"]: row for row in named(connection.execute(answers_sql.format(marks), list(ids)))}
    questions = texts_of(connection, [*ids, *(row["problem"] for row in answers.values())])
    seeds = texts_of(connection, [root_of(row_id) for row_id in ids])
    fallen: dict[str, dict[str, Any]] = {}
    for row_id in ids:
        answer = answers.get(row_id)
        question = questions.get(answer["problem"] if answer else row_id) or {}
        style: Style = "math" if (question or answer or {}).get("style") == "math" else "gsm8k"
        text, original = question.get("question") or "", (seeds.get(root_of(row_id)) or {}).get("question") or ""
        is_rewritten = answer is None and question.get("method") in ("rephrase", "self_verification") and original
        html = diff_html(original, text, style, budget=budget) if is_rewritten else render(text, style, budget=budget)
        fallen[row_id] = {
            "html": html if text else "",
            "is_diff": bool(is_rewritten and text),
            "reply": answer["text"] if answer else "",
            "style": style,
        }
    return fallen


def named(rows: sqlite3.Cursor) -> list[dict[str, Any]]:
    """Return rows as mappings, whatever the connection's row factory."""
    names = [column[0] for column in rows.description]
    return [dict(zip(names, tuple(row), strict=True)) for row in rows]
