"""Say which columns of a dataset made elsewhere hold the question, the response and the gold. Knows no file format."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from mathstrap.errors import InputError, suggest

Row = Mapping[str, Any]

# Usual names of each column, likeliest first. MetaMathQA has type, query, original_question and response.
USUAL: dict[str, tuple[str, ...]] = {
    "query": ("query", "question", "problem", "instruction", "input", "prompt", "Question"),
    "response": ("response", "output", "completion", "generated_solution", "solution", "rationale", "answer"),
    "original": ("original_question", "seed_question", "original"),
    "gold": ("expected_answer", "gold", "gold_answer", "ground_truth", "answer", "target", "Answer"),
    "type": ("type", "kind", "method"),
    "id": ("id", "idx", "ID"),
    "context": ("body", "Body", "context"),
}
CHATS = ("messages", "conversations")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The name of the column that holds each part; empty where there is none; `chat` holds turns instead."""

    query: str = ""
    response: str = ""
    original: str = ""
    gold: str = ""
    type: str = ""
    id: str = ""
    context: str = ""
    chat: str = ""


def find_columns(row: Row, given: Mapping[str, str] | None = None, *, where: str = "the file") -> Columns:
    """Return the columns of a dataset from one of its rows and the user's own `given` map of part to column.

    Raises InputError if a given part or column does not exist, or if no column holds the question.
    """
    known = [part.name for part in fields(Columns)]
    for part, column in (given or {}).items():
        if part not in known:
            raise InputError(f'fields: no such part "{part}".{suggest(part, known)}')
        if column not in row:
            raise InputError(
                f'{where}: no column "{column}" for the {part}.{suggest(column, [str(key) for key in row])}'
            )
    columns = Columns(**{part: _first(row, names) for part, names in USUAL.items()})
    columns = replace(columns, chat=_first(row, CHATS))
    if columns.response and columns.response == columns.gold:
        # One column `answer`: the whole solution if it reads like one, as in GSM8K, else the bare gold.
        is_solution = len(str(row[columns.response])) > 40 or "####" in str(row[columns.response])
        columns = replace(columns, gold="") if is_solution else replace(columns, response="")
    columns = replace(columns, **dict(given or {}))
    if not columns.query and not columns.chat:
        have = ", ".join(sorted(map(str, row))[:12]) or "nothing"
        raise InputError(f"{where}: no column holds the question (the rows have: {have}). Name it: query=COLUMN.")
    return columns


def _first(row: Row, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in row), "")


def question_of(row: Row, columns: Columns) -> str | None:
    """Return the question of a row, with its context before it; None where there is no text."""
    if columns.chat and not columns.query:
        return chat_text(row, columns.chat, ("user", "human"), last=False)
    question = text_of(row, columns.query)
    if not question or not question.strip():
        return None
    context = text_of(row, columns.context)
    return f"{context} {question}" if context else question


def response_of(row: Row, columns: Columns) -> str | None:
    """Return the response of a row; None where there is no text."""
    if columns.chat and not columns.response:
        return chat_text(row, columns.chat, ("assistant", "gpt"), last=True)
    return text_of(row, columns.response)


def text_of(row: Row, column: str) -> str | None:
    """Return a column's text; a finite number is text too, a missing, null, NaN or nested value is None."""
    value = row.get(column) if column else None
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return None


def chat_text(row: Row, column: str, roles: tuple[str, ...], *, last: bool) -> str | None:
    """Return the first or last turn of a role from a column of turns ({role, content} or {from, value})."""
    turns = row.get(column)
    if not isinstance(turns, list):
        return None
    found = [
        turn.get("content", turn.get("value"))
        for turn in turns
        if isinstance(turn, Mapping) and turn.get("role", turn.get("from")) in roles
    ]
    text = found[-1 if last else 0] if found else None
    return text if isinstance(text, str) and text.strip() else None
