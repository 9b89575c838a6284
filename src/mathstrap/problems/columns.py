"""Find the columns of another tool's dataset that hold question, response and gold. Knows nothing of file formats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mathstrap.errors import InputError, check_name, suggest
from mathstrap.problems.choices import choice_named, choices_of, with_choices
from mathstrap.problems.golds import BadGold, read_gold
from mathstrap.problems.presets import chat_of, has_value, json_value, layout_of, value_at
from mathstrap.problems.questions import join_context
from mathstrap.problems.wrappers import bare_question

Row = Mapping[str, Any]
# In samples of older versions `gold` is the origin of the gold, which `gold_source` is in newer ones.
_NOT_GOLDS = ("given", "voted")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The column, or path, of each part; empty where there is none; `chat` is a column of turns instead.

    `options` holds all choices, or the columns `lettered` one each; `by_place` says that a whole number is the place of
    the right choice. `extra` goes below the question (Alpaca's `input`); `preset` is the recognised format.
    """

    query: str = ""
    response: str = ""
    original: str = ""
    gold: str = ""
    type: str = ""
    id: str = ""
    context: str = ""
    chat: str = ""
    options: str = ""
    extra: str = ""
    lettered: tuple[str, ...] = ()
    by_place: bool = False
    preset: str = field(default="", compare=False)


def find_columns(
    row: Row, fields_given: Mapping[str, str] | None = None, *, where: str = "the file", needs_question: bool = True
) -> Columns:
    """Return the columns of a dataset from one of its rows and the user's map `fields_given` of part to column.

    Raises InputError if one of those parts or columns does not exist, or if a needed question has no column.
    """
    known = [part.name for part in fields(Columns) if part.name not in ("extra", "lettered", "by_place", "preset")]
    for part, column in (fields_given or {}).items():
        check_name("fields: ", "part", part, known)
        if not has_value(row, column):
            raise InputError(
                f'{where}: no column "{column}" for the {part}.{suggest(column, [str(key) for key in row])}'
            )
    layout = layout_of(row)
    chat = layout.chat or next((name for name in ("messages", "conversations") if name in row), "")
    first = {part: next(iter(names), "") for part, names in layout.columns.items()}
    gold = next((name for name in layout.columns["answer"] if _may_be_gold(row, name, layout.preset)), "")
    response = next((name for name in layout.columns["response"] if name != first["question"]), "")
    columns = Columns(
        query=first["question"], response=response, original=first["original"], gold=gold, type=first["type"],
        id=first["id"], context=first["context"], chat=chat, preset=layout.preset, options=first["options"],
        lettered=layout.lettered if set(layout.lettered).isdisjoint((fields_given or {}).values()) else (),
        by_place=layout.by_place,
        extra="input" if first["question"] == "instruction" and text_of(row, "input") else "",
    )  # fmt: skip
    if columns.response and columns.response == columns.gold:
        # One column `answer`: the whole solution if it reads like one, as in GSM8K, else the bare gold.
        is_solution = len(str(row[columns.response])) > 40 or "####" in str(row[columns.response])
        columns = replace(columns, gold="") if is_solution else replace(columns, response="")
    named: dict[str, Any] = dict(fields_given or {})
    columns = replace(columns, **named)
    if columns.response and columns.response == columns.gold and "gold" not in named:
        columns = replace(columns, gold="")  # the user named it as the response, so it is not the bare gold
    if needs_question and not columns.query and not columns.chat:
        have = ", ".join(sorted(map(str, row))[:12]) or "nothing"
        raise InputError(f"{where}: no column holds the question (the rows have: {have}). Name it: query=COLUMN.")
    return columns


def _may_be_gold(row: Row, name: str, preset: str) -> bool:
    value = value_at(row, name)
    is_verdict = name == "label" and not preset  # in a file of replies, a label judges the reply
    return not (is_verdict or isinstance(value, bool) or (isinstance(value, str) and value in _NOT_GOLDS))


def question_of(row: Row, columns: Columns) -> str | None:
    """Return the question of a row without the prompt around it; None without text.

    Its context comes before it, its choices below it.
    """
    if columns.chat and not columns.query:
        chat = chat_of(row, columns.chat)
        return bare_question(chat.question) if chat else None
    question = text_of(row, columns.query)
    if not question or not question.strip():
        return None
    if extra := (text_of(row, columns.extra) or "").strip():
        question = f"{question.rstrip()}\n{extra}"
    context = (text_of(row, columns.context) or "").strip()
    question = bare_question(join_context(context, question) if context else question)
    choices = choices_in_columns(row, columns)
    return with_choices(question, choices) if choices else question


def choices_in_columns(row: Row, columns: Columns) -> dict[str, str]:
    """Return the choices of a row by letter; empty without a column of choices."""
    if not columns.options and not columns.lettered:
        return {}
    return choices_of(row, (columns.options,) if columns.options else (), columns.lettered)


def gold_of(row: Row, columns: Columns) -> str:
    """Return the gold of a row in the form that is graded, `(C) its text` for a choice; empty without a gold.

    A value that no answer can match, such as `N/A` or a proof, is not a gold.
    """
    answer = text_of(row, columns.gold)
    if not answer or not answer.strip():
        return ""
    choices = choices_in_columns(row, columns)
    if choices:
        options = (columns.options,) if columns.options else ()
        answer = choice_named(row, options, value_at(row, columns.gold), choices, by_place=columns.by_place) or answer
    gold = read_gold(answer, "", choices=choices)
    return "" if isinstance(gold, BadGold) else gold.answer


def response_of(row: Row, columns: Columns) -> str | None:
    """Return the response of a row; None where there is no text."""
    if columns.chat and not columns.response:
        chat = chat_of(row, columns.chat)
        return chat.response or None if chat else None
    return text_of(row, columns.response)


def text_of(row: Row, column: str) -> str | None:
    """Return the value of a column or path as text; a list of one item counts as the item.

    A finite number becomes text; a missing, null, NaN or nested value is None.
    """
    return as_text(value_at(row, column)) if column else None


def as_text(value: Any) -> str | None:
    """Return a cell as text; see `text_of`."""
    if isinstance(value, str):
        if value.startswith("[") and value.endswith("]") and ('"' in value or "'" in value):
            inner = json_value(value)
            if isinstance(inner, list) and len(inner) == 1 and isinstance(inner[0], str):
                return inner[0]
        return value
    if isinstance(value, list) and len(value) == 1:
        return as_text(value[0])
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
    said = [
        turn.get("content", turn.get("value"))
        for turn in turns
        if isinstance(turn, Mapping) and turn.get("role", turn.get("from")) in roles
    ]
    text = said[-1 if last else 0] if said else None
    return text if isinstance(text, str) and text.strip() else None
