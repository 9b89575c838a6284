"""Find the numbers of a question that can be hidden, and hide one behind a variable. Knows nothing of prompts.

A mask is a span of the question. Currency signs, percent signs, units and punctuation are outside it, so the text
around the number survives, and putting the number back restores the question byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from mathstrap.augment.latex import find_formula_numbers, find_zones
from mathstrap.augment.quantities import PERCENT, WrittenNumber, find_quantities
from mathstrap.patterns import regex
from mathstrap.types import Style

Kind = Literal["int", "comma", "decimal", "money", "percent", "fraction", "mixed", "word"]


@dataclass(frozen=True, kw_only=True)
class Mask:
    """A number of the question, from `start` to `end`; `answer` is its value as a gold answer.

    `needs_dollars` says that the number is in the prose of a MATH question, so that the variable needs dollar signs.
    """

    start: int
    end: int
    text: str
    kind: Kind
    answer: str
    needs_dollars: bool = False


# Numbers that are parts of something else: #5, 10:30, 3:2, 5-7, 1/2/2020, 1.2.3, 9th, 5kg, 10 am. Hiding one would
# leave an unnatural text, or ask for half of a clock time.
_JOINED_BEFORE = regex(r"(?:[#^_\\]|[A-Za-z][-–]|\d[-–:/.,])\Z")
_CLOCK_AFTER = regex(r"\s?(?:[ap]\.?m\b|o['’]clock)", re.IGNORECASE)
_GLUED_AFTER = regex(r"[A-Za-z_]|:\d|[-–]\d|[/,.]\d")
_DECADE_AFTER = regex(r"['’]?s\b")
_ORDINAL_AFTER = regex(r"-(?:first|second|third|\w+th)\b", re.IGNORECASE)

# "One" is a quantity in "one hour", not in "one of them", "each one", "one another" or "One day, ...".
_NOT_ONE_BEFORE = regex(
    r"\b(?:each|every|the|this|that|no|which|any|another|other|last|next)[ -]\Z", re.IGNORECASE
)
_NOT_ONE_AFTER = regex(
    r"[.,;:!?)]|['’]| (?:of|another|by|on|at|or|and|time|way|who|that|which|is|was|has|had|else|to)\b"
    r"|-(?!(?:second|minute|hour|day|week|month|year|inch|foot|yard|mile|ounce|pound|gallon|liter|cup|dollar)\b)",
    re.IGNORECASE,
)
_PART_AFTER = regex(r" (?:of|as)\b", re.IGNORECASE)
_NOT_HALF_BEFORE = regex(
    r"\b(?:other|first|second|last|latter|each|every|the|this|that|his|her|their|its|remaining|and a)[ -]\Z",
    re.IGNORECASE,
)


def find_masks(question: str, style: Style) -> list[Mask]:
    """Return every number of the question that can be hidden, left to right; spans never overlap.

    A MATH question with unpaired dollar signs has none, because its formulas cannot be told from its prose.
    """
    if style == "gsm8k":
        return _find_text_masks(question, 0, len(question), needs_dollars=False)
    zones = find_zones(question)
    masks: list[Mask] = []
    at = 0
    for zone in zones or []:
        masks += _find_text_masks(question, at, zone.start, needs_dollars=True)
        for number in find_formula_numbers(question, zone):
            kind: Kind = number.kind
            masks.append(Mask(start=number.start, end=number.end, text=number.text, kind=kind, answer=number.answer))
        at = zone.end
    if zones is not None:
        masks += _find_text_masks(question, at, len(question), needs_dollars=True)
    return masks


def _find_text_masks(question: str, start: int, end: int, *, needs_dollars: bool) -> list[Mask]:
    masks = []
    for quantity in find_quantities(question, start, end):
        kind = _kind_of(question, quantity)
        if kind is None:
            continue
        begin, value = quantity.start, quantity.value
        if re.search(r"(?:^|[\s($£€])-\Z", question[max(start, begin - 2) : begin]):
            begin, value = begin - 1, -value
        text = question[begin : quantity.end]
        answer = format_answer(value, text)
        masks.append(
            Mask(start=begin, end=quantity.end, text=text, kind=kind, answer=answer, needs_dollars=needs_dollars)
        )
    return masks


def _kind_of(question: str, quantity: WrittenNumber) -> Kind | None:
    """Return the kind of a number that can be hidden; None for one that cannot."""
    before, after = question[max(quantity.start - 24, 0) : quantity.start], question[quantity.end : quantity.end + 24]
    text, form = quantity.text, quantity.form
    if _JOINED_BEFORE.search(before[-2:]) or _CLOCK_AFTER.match(after):
        return None
    if form in ("words", "dozen", "half", "part", "mixed_words"):
        return "word" if _is_word_quantity(quantity, before, after) else None
    if _GLUED_AFTER.match(after) or re.match(r"0\d", text) or (len(text) == 4 and _DECADE_AFTER.match(after)):
        return None
    if form in ("mixed", "glyph", "fraction"):
        is_day_and_night = text == "24/7"
        return None if is_day_and_night else "mixed" if form == "mixed" else "fraction"
    if PERCENT.match(question, quantity.end):
        return "percent"
    if before.rstrip("-").endswith(("$", "€", "£", "¥")) or after.startswith("¢"):
        return "money"
    return "decimal" if "." in text else "comma" if "," in text else "int"


def _is_word_quantity(quantity: WrittenNumber, before: str, after: str) -> bool:
    text = quantity.text.lower()
    if quantity.value == 0 or before.endswith("-") or _ORDINAL_AFTER.match(after):
        return False
    if quantity.form == "half":
        return text == "half" and bool(_PART_AFTER.match(after)) and not _NOT_HALF_BEFORE.search(before)
    if quantity.form == "part":
        # "a third of" and "two thirds" are quantities; "a quarter" and "three quarters" alone may be coins.
        needs_of = text.startswith(("a ", "an ")) or ("quarter" in text and "-" not in text)
        return bool(_PART_AFTER.match(after)) or not needs_of
    if quantity.form == "dozen":
        return not before.lower().endswith("half ")
    if text == "one":
        is_story = quantity.text == "One" and after.startswith(" day")
        return not (is_story or _NOT_ONE_BEFORE.search(before[-12:]) or _NOT_ONE_AFTER.match(after))
    # A capital inside a sentence, with another behind it, is a name: "the Seven Dwarfs".
    is_name = quantity.text[0].isupper() and re.match(r" [A-Z]", after) and re.search(r"[a-z,] \Z", before[-2:])
    return not is_name


def format_answer(value: Fraction, text: str) -> str:
    """Return a value as a gold answer: no separators, no bare leading dot; a fraction a/b stays as it is written."""
    if "/" in text and " " not in text and "-" not in text.lstrip("-"):
        return text
    if value.denominator == 1:
        return str(value.numerator)
    local = re.fullmatch(r"(-?[\d. \u00a0\u202f]*),(\d{1,2}|\d{4,})", text)
    if local:
        return f"{re.sub(r'[^-0-9]', '', local[1])}.{local[2]}".rstrip("0").rstrip(".")
    if re.fullmatch(r"-?[\d,]*\.\d+", text):
        digits = text.replace(",", "").rstrip("0").rstrip(".")
        return re.sub(r"^(-?)\.", r"\g<1>0.", digits)
    return f"{value.numerator}/{value.denominator}"


def hide(question: str, mask: Mask, variable: str) -> str:
    """Return the question with the variable in the number's place."""
    return question[: mask.start] + stand_in(mask, variable) + question[mask.end :]


def stand_in(mask: Mask, variable: str) -> str:
    """Return the text that replaces the number."""
    return f"${variable}$" if mask.needs_dollars else variable


def variable_text(variable: str, style: Style) -> str:
    """Return the variable as a question of this style writes it."""
    return variable if style == "gsm8k" else f"${variable}$"


def choose_variable(question: str, style: Style) -> str:
    """Return the first letter the question does not use yet: x and its neighbours, for MATH in capitals.

    MATH hides numbers behind capitals because lower-case x is a variable of most of its questions.
    """
    prose = re.sub(r"\\[A-Za-z]+", " ", question)
    letters = "xyzwnkmtuvpqrs" if style == "gsm8k" else "XYZWNKMTUVPQRS"
    for letter in letters:
        either = f"[{letter}{letter.upper()}]" if style == "gsm8k" else letter
        if not re.search(rf"(?<![A-Za-z]){either}(?![A-Za-z])|(?<![a-z]){letter.upper()}(?![a-z])", prose):
            return letter
    return letters[0]
