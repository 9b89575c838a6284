"""Find where two runs differ: requests that one run answered rightly and the other did not."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathstrap.explore.limits import processor_limit

PAGE = 20
_SETS = {
    "lost": "a.outcome = 'correct' and b.outcome <> 'correct'",
    "won": "a.outcome <> 'correct' and b.outcome = 'correct'",
    "kept": "a.kept <> b.kept",
}
_COLUMNS = "outcome, reason, got, expected, text, kept"


@dataclass(frozen=True, kw_only=True)
class Flips:
    """One page of the requests whose outcome differs between runs a and b, and how many there are of each kind."""

    kind: str
    counts: dict[str, int]
    common: int
    rows: list[dict[str, Any]]
    page: int
    num_pages: int


def read_flips(a: Path, b: Path, *, kind: str, page: int) -> Flips:
    """Return page `page` (from 0) of one kind of flip: "lost", "won" or "kept"; both databases are only read."""
    kind = kind if kind in _SETS else "lost"
    connection = sqlite3.connect(f"file:{_quoted(a)}?mode=ro", uri=True)
    try:
        with processor_limit(connection):
            connection.row_factory = sqlite3.Row
            connection.execute("attach ? as other", (f"file:{_quoted(b)}?mode=ro",))
            counts = dict(
                connection.execute(
                    "select count(*) common, coalesce(sum(a.outcome = 'correct' and b.outcome <> 'correct'), 0) lost,"
                    " coalesce(sum(a.outcome <> 'correct' and b.outcome = 'correct'), 0) won,"
                    " coalesce(sum(a.kept <> b.kept), 0) kept"
                    " from main.answers a join other.answers b using (id)"
                ).fetchone()
            )
            common = counts.pop("common")
            num_pages = max(1, -(-counts[kind] // PAGE))
            page = max(0, min(page, num_pages - 1))
            columns = ", ".join(
                f"{side}.{name.strip()} {side}_{name.strip()}" for side in "ab" for name in _COLUMNS.split(",")
            )
            sql = (
                f"select a.id id, a.problem problem, a.style style, a.method method, q.question question, {columns}"  # noqa: S608 constants
                f" from main.answers a join other.answers b using (id) left join main.questions q on q.id = a.problem"
                f" where {_SETS[kind]} order by a.id limit ? offset ?"
            )
            rows = [dict(row) for row in connection.execute(sql, (PAGE, page * PAGE))]
    finally:
        connection.close()
    return Flips(kind=kind, counts=counts, common=common, rows=rows, page=page, num_pages=num_pages)


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path.resolve()))
