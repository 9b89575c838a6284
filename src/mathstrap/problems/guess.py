"""Guess which columns of a table hold question, answer, solution and id where their names are not known. Pure.

A guess is for a person to look at: `mathstrap init` writes it into the recipe, where it can be changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mathstrap.patterns import regex
from mathstrap.problems.columns import as_text

Row = Mapping[str, Any]
ENOUGH = 50  # rows that are looked at

_NAMES = {
    "question": r"question|problem|prompt|query|task|exercise|text|stem|frage|aufgabe|pregunta|enunciado|probl[eè]me",
    "answer": r"answer|gold|final|result|target|label|truth|correct|\bkey\b|antwort|ergebnis|respuesta|r[eé]ponse",
    "solution": r"solution|rationale|explanation|working|steps|reasoning|derivation|l(?:[oö]|oe)sung|soluci[oó]n",
    "id": r"^(?:.*[ _-])?(?:id|uid|nr|no|num|number|key|index|#)\.?$",
}
_VALUE = regex(r"\d|\\[a-z]+|^(?:yes|no|true|false|[A-E])$", re.IGNORECASE)


def guess_fields(rows: Sequence[Row]) -> dict[str, str]:
    """Return a map of part to column with at least a question and an answer or solution; empty where unclear."""
    columns = {name: [as_text(row.get(name)) or "" for row in rows[:ENOUGH]] for name in rows[0]}
    texts = {name: cells for name, cells in columns.items() if any(cells)}
    question = best(texts, "question", lambda cells: words_of(cells) >= 4)
    rest = {name: cells for name, cells in texts.items() if name != question}
    answer = best(rest, "answer", is_short, by_name=True)
    # In a teacher's sheet "Solution" is the result; the name is better evidence than being the only column of numbers.
    answer = answer or best(rest, "solution", is_short, by_name=True) or best(rest, "answer", is_short)
    rest.pop(answer, None)
    solution = best(rest, "solution", lambda cells: words_of(cells) >= 4, by_name=True)
    ident = best(rest, "id", lambda cells: len({*cells}) == len(cells) and all(cells), by_name=True)
    parts = {"question": question, "answer": answer, "solution": solution, "id": ident}
    if not question or not (answer or solution):
        return {}
    return {part: column for part, column in parts.items() if column}


def best(
    columns: Mapping[str, list[str]], part: str, fits: Callable[[list[str]], bool], *, by_name: bool = False
) -> str:
    """Return the column that fits a part, preferring a matching name; empty where none or several fit."""
    fitting = [name for name, cells in columns.items() if fits([cell for cell in cells if cell])]
    named = [name for name in fitting if re.search(_NAMES[part], name.strip(), re.IGNORECASE)]
    if named:
        return named[0]
    if by_name:
        return ""
    if part == "question" and fitting:  # the questions are the longest texts
        return max(fitting, key=lambda name: words_of(columns[name]))
    # Numbers that count the rows are an id and not an answer.
    others = [name for name in fitting if not is_count(columns[name])]
    return others[0] if len(others) == 1 else ""


def is_short(cells: list[str]) -> bool:
    """Say whether cells are short results and not texts."""
    return words_of(cells) <= 8 and share(cells, _VALUE) > 0.5


def words_of(cells: Sequence[str]) -> float:
    """Return the mean number of words."""
    return sum(len(cell.split()) for cell in cells) / len(cells) if cells else 0.0


def share(cells: Sequence[str], pattern: re.Pattern[str]) -> float:
    """Return the share of cells in which a pattern is found."""
    return sum(bool(pattern.search(cell)) for cell in cells) / len(cells) if cells else 0.0


def is_count(cells: Sequence[str]) -> bool:
    """Say whether cells are numbers that go up by one."""
    numbers = [int(cell) for cell in cells if cell.isdecimal() and len(cell) < 10]
    if len(numbers) != len(cells) or len(numbers) < 2:
        return False
    return numbers == [*range(numbers[0], numbers[0] + len(numbers))]
