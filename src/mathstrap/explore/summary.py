"""Count a run once per change, so that its page opens fast whatever its size."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from mathstrap.stats import ANSWER_STAGES
from mathstrap.types import METHODS

_STAGES = """
select [[by]] name, count(*) asked, coalesce(sum(outcome <> 'unanswered'), 0) answered,
  coalesce(sum(outcome in ('correct', 'wrong', 'undecided')), 0) parsed,
  coalesce(sum(outcome = 'correct'), 0) correct, coalesce(sum(kept = 'yes'), 0) kept
from answers group by 1 order by 1
"""


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

    def stages(by: str) -> list[dict[str, Any]]:
        return rows(_STAGES.replace("[[by]]", by))

    methods = stages("method")
    order = {method: place for place, method in enumerate(METHODS)}
    methods.sort(key=lambda row: (order.get(row["name"], 9), row["name"]))
    return {
        "all": stages("1")[0] if rows("select 1 from answers limit 1") else dict.fromkeys(ANSWER_STAGES, 0),
        "methods": methods,
        "levels": stages("level"),
        "datasets": stages("dataset"),
        "outcomes": rows("select outcome, count(*) rows from answers group by outcome order by rows desc"),
        "rejects": rows("select stage, reason, count(*) rows from rejects group by stage, reason order by rows desc"),
        "questions": rows("select method, status, count(*) rows from questions group by method, status"),
        "kind": "".join(row["value"] for row in rows("select value from about where name = 'kind'")),
        "seeds": rows("select count(*) n from questions where status = 'seed'")[0]["n"],
        "flags": rows("select count(*) n from flags")[0]["n"],
    }
