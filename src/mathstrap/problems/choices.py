r"""Read the choices of a question: from a column, from lettered columns, or out of the question itself.

Knows nothing of golds or formats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mathstrap.patterns import regex
from mathstrap.problems.presets import Row, json_value, value_at

LETTERS = "ABCDEFGHIJ"
_LABELLED = regex(r"\A\W{0,2}([A-Ja-j])\s*[).:、．]\s*(.*)\Z", re.DOTALL)
_IN_LINE = regex(
    r"(?:\A|[,;\n]|\s)\s*+\(?([A-Ja-j])\s*+[).:]\s*+(.*?)"
    r"(?=\s*+(?:[,;\n]?\s*+\(?[A-Ja-j]\s*+[).:]\s|\Z))",
    re.DOTALL,
)


def choices_of(row: Row, columns: tuple[str, ...], lettered: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the choices of a row by letter: from a list, a text with letters, lists of labels and texts, or columns.

    `lettered` are columns with one choice each. Empty where there are fewer than two choices.
    """
    value = next((cell for name in columns if (cell := value_at(row, name)) not in (None, "", [])), None)
    if value is None:
        return {letter: text for letter, name in zip(LETTERS, lettered, strict=False) if (text := _as_text(row[name]))}
    if isinstance(value, str) and value[:1] in ("[", "{"):
        value = json_value(value)
    if isinstance(value, Mapping):
        texts = value.get("text")
        labels = value.get("label")
        if isinstance(texts, list):
            letters = labels if isinstance(labels, list) and len(labels) == len(texts) else LETTERS
            return _lettered({str(letter): _as_text(text) for letter, text in zip(letters, texts, strict=False)})
        return _lettered({str(letter): _as_text(text) for letter, text in value.items()})
    if isinstance(value, str):
        return _lettered(dict(_IN_LINE.findall(value)))
    if not isinstance(value, list) or not 2 <= len(value) <= 10:
        return {}
    by_letter: dict[str, str] = {}
    for place, item in enumerate(value):
        item = item[0] if isinstance(item, list) and len(item) == 1 else item
        letter = LETTERS[place]
        if isinstance(item, Mapping):
            label = next((str(item[name]) for name in ("label", "aoVal", "key", "id") if name in item), letter)
            text = next((_as_text(item[name]) for name in ("content", "text", "value") if name in item), "")
            by_letter[label] = text
            continue
        text = _as_text(item)
        labelled = _LABELLED.match(text)
        by_letter[letter] = labelled[2].strip() if labelled and labelled[1].upper() == letter else text
    return _lettered(by_letter)


def _lettered(choices: Mapping[str, str]) -> dict[str, str]:
    if len(choices) < 2 or not any(choices.values()):
        return {}
    if all(re.fullmatch(r"[A-Ja-j]", label.strip()) for label in choices):
        return {label.strip().upper(): text.strip() for label, text in choices.items()}
    return {letter: text.strip() for letter, text in zip(LETTERS, choices.values(), strict=False)}


def _as_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return "" if value is None or isinstance(value, (list, Mapping)) else str(value).strip()


def with_choices(question: str, choices: Mapping[str, str]) -> str:
    """Return a question with its choices below it, one per line; unchanged where it has them already."""
    if all(text and text in question for text in choices.values()) and re.search(r"\(?[AB]\s*[).:]", question):
        return question
    return question + "\n" + "\n".join(f"({letter}) {text}" for letter, text in choices.items())


def label_of(row: Row, columns: tuple[str, ...], answer: str) -> str:
    """Return the letter of an answer that is one of the row's own labels, as ARC's 1 to 4; else empty."""
    for name in columns:
        value = value_at(row, name)
        labels: Any = value.get("label") if isinstance(value, Mapping) else None
        if isinstance(value, list):
            labels = [item.get("label", item.get("key")) for item in value if isinstance(item, Mapping)]
        if isinstance(labels, list) and len(labels) > 1:
            plain = [str(label).strip() for label in labels]
            return LETTERS[plain.index(answer.strip())] if answer.strip() in plain[: len(LETTERS)] else ""
    return ""


def choice_named(
    row: Row, columns: tuple[str, ...], raw: Any, choices: Mapping[str, str], *, by_place: bool
) -> str:
    """Return the letter of the choice that an answer names by another label or by its place; else empty."""
    raw = raw[0] if isinstance(raw, list) and len(raw) == 1 else raw
    if isinstance(raw, str | int) and not isinstance(raw, bool) and (letter := label_of(row, columns, str(raw))):
        return letter
    if by_place and is_place(raw, choices):
        return list(choices)[int(raw)]
    is_number = isinstance(raw, str) and raw.strip().isdecimal() and len(raw.strip()) < 4
    if is_number and raw.strip() not in choices.values() and int(raw) < len(choices):
        return list(choices)[int(raw)]
    return ""


def is_place(value: Any, choices: Mapping[str, str]) -> bool:
    """Say whether an answer is the place of a choice: a whole number, counting from 0."""
    is_whole = (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and value.is_integer()
    )
    return is_whole and 0 <= value < len(choices)


# How a choice begins inside a question: `(A)`, `A)`, `A.`, `A、`, `\textbf{(A)}`, after a space or a line's start.
_MARK = regex(
    r"(?:(?<=[\s,;$?:：？。)）}])|^)(?:\\(?:text|textbf|mathrm|mathbf|rm|bf)\s*\{?\s*)?"
    r"(?:[(（]\s*([A-J])\s*[)）]|([A-J])\s?[).:、．：])\}?(?=\s|\\|~|\$|[^\sA-Za-z.,])",
    re.MULTILINE,
)
_SECOND = regex(r"B\s{0,3}[)）.:、．：]")
_AROUND = regex(r"(?:\s|\\(?:qquad|quad|hfill|hspace\{[^{}]*\}|newline)(?![A-Za-z])|\\[\\,;:! ]|~|&)+")
# A longer text after a letter is a part of a problem, not a choice.
MAX_CHOICE = 200


def choices_in(question: str) -> dict[str, str]:
    """Return the choices at the end of a question, by letter; empty where they cannot be told apart reliably.

    The letters must run from A without a gap, and there must be at least three.
    """
    if not _SECOND.search(question):  # a cheap test that nearly all questions fail
        return {}
    marks = list(_MARK.finditer(question))
    for first in range(len(marks) - 3, -1, -1):
        listed = marks[first:]
        letters = [mark[1] or mark[2] for mark in listed]
        if letters[0] != "A":
            continue
        if letters != list(LETTERS[: len(letters)]):
            return {}
        ends = [*(mark.start() for mark in listed[1:]), len(question)]
        texts = [_bare(question[mark.end() : end]) for mark, end in zip(listed, ends, strict=True)]
        is_plain = all(text and len(text) <= MAX_CHOICE and "\n\n" not in text for text in texts)
        return dict(zip(LETTERS, texts, strict=False)) if is_plain and len(set(texts)) == len(texts) else {}
    return {}


def _bare(text: str) -> str:
    """Return a choice without the LaTeX spaces around it, an unpaired dollar sign and the comma after it."""
    for _ in range(3):
        opening = _AROUND.match(text)
        text = text[opening.end() :] if opening else text
        closing = re.search(r"(?:\s|\\(?:qquad|quad|hfill)|\\[\\,;:! ]|[;,~&])+\Z", text[-40:])
        text = text[: len(text) - len(closing[0])] if closing else text
        if text.count("$") % 2 and text[:1] == "$" and text[-1:] != "$":
            text = text[1:]
        elif text.count("$") % 2 and text[-1:] == "$":
            text = text[:-1]
        elif text.count("$") % 2 or text.count("{") != text.count("}"):
            return ""
    return text.strip()
