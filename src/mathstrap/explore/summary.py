"""Count a run once per change, so that its page opens fast whatever its size."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mathstrap.stats import ANSWER_STAGES
from mathstrap.types import METHODS

# In the order of the index `answers_facets`, so that the rows are counted in one pass over it.
_GROUPS = """
select method, outcome, dataset, level, kept, sum(n) from
  (select method, outcome, reason, dataset, level, kept, count(*) n from answers group by 1, 2, 3, 4, 5, 6)
group by 1, 2, 3, 4, 5
"""
_PARSED = ("correct", "wrong", "undecided")


@dataclass(frozen=True, kw_only=True)
class Group:
    """The number of answers that agree in every column by which the run page counts."""

    method: str
    outcome: str
    dataset: str
    level: str
    kept: str
    rows: int


def write_summary(connection: sqlite3.Connection, *, reading: float | None = None) -> None:
    """Count the tables and store the counts in `about`; `reading` is the share of the replies loaded so far."""
    connection.row_factory = sqlite3.Row
    text = json.dumps(summarise(connection) | {"reading": reading})
    connection.row_factory = None
    connection.execute("insert or replace into about values ('summary', ?)", (text,))


def summarise(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return the counts of the run page."""

    def rows(sql: str) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.execute(sql).fetchall()]

    groups = [
        Group(method=method, outcome=outcome, dataset=dataset, level=level, kept=kept, rows=number)
        for method, outcome, dataset, level, kept, number in connection.execute(_GROUPS)
    ]
    outcomes = Counter[str]()
    for group in groups:
        outcomes[group.outcome] += group.rows
    methods = _stages(groups, lambda group: group.method)
    order = {method: place for place, method in enumerate(METHODS)}
    methods.sort(key=lambda row: (order.get(row["name"], 9), row["name"]))
    return {
        "all": next(iter(_stages(groups, lambda _: 1)), dict.fromkeys(ANSWER_STAGES, 0)),
        "methods": methods,
        "levels": _stages(groups, lambda group: group.level),
        "datasets": _stages(groups, lambda group: group.dataset),
        "outcomes": [{"outcome": name, "rows": number} for name, number in outcomes.most_common()],
        "rejects": rows("select stage, reason, count(*) rows from rejects group by stage, reason order by rows desc"),
        "questions": rows("select method, status, count(*) rows from questions group by method, status"),
        "kind": "".join(row["value"] for row in rows("select value from about where name = 'kind'")),
        "seeds": rows("select count(*) n from questions where status = 'seed'")[0]["n"],
        "flags": rows("select count(*) n from flags")[0]["n"],
    }


def _stages(groups: Sequence[Group], by: Callable[[Group], Any]) -> list[dict[str, Any]]:
    """Return the number of answers that reached each of ANSWER_STAGES for each value of `by`, in the values' order."""
    found: dict[Any, dict[str, Any]] = {}
    for group in groups:
        row = found.setdefault(by(group), {"name": by(group), **dict.fromkeys(ANSWER_STAGES, 0)})
        row["asked"] += group.rows
        row["answered"] += group.rows * (group.outcome != "unanswered")
        row["parsed"] += group.rows * (group.outcome in _PARSED)
        row["correct"] += group.rows * (group.outcome == "correct")
        row["kept"] += group.rows * (group.kept == "yes")
    return [found[name] for name in sorted(found)]
