"""The graders by name, and `grade`, which picks one and prepares its input."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType

from mathstrap.types import Outcome
from mathstrap.verify.extract import extract_answer
from mathstrap.verify.record import Form, Grade, Mode

Grader = Callable[[str, str], Grade]

_NUMBER = re.compile(r"[+-]?(?:\d{1,400}(?:,\d{3}){0,99}(?:\.\d{0,400})?|\.\d{1,400})(?:/[1-9]\d{0,400})?")


def _number(text: str) -> Fraction | None:
    text = text.strip().replace("\\$", "").strip("$").removesuffix("%").removesuffix("\\").strip()
    if not _NUMBER.fullmatch(text):
        return None
    top, _, bottom = text.replace(",", "").partition("/")
    return Fraction(top) / (Fraction(bottom) if bottom else 1)


def _math(gold: str, got: str) -> Grade:
    expected_value, got_value = _number(gold), _number(got)
    if expected_value is not None and got_value is not None:
        outcome: Outcome = "correct" if expected_value == got_value else "wrong"
        return Grade(outcome, "number", "compared as exact numbers", got, gold)
    same = "".join(gold.split()) == "".join(got.split())
    return Grade("correct" if same and got.strip() else "wrong", "text", "compared as text", got, gold)


GRADERS: Mapping[str, Grader] = MappingProxyType(
    dict.fromkeys(("math", "gsm8k", "metamath-2024-gsm8k", "metamath-2024-math", "hendrycks", "minerva"), _math)
)


def grade(gold: str, prediction: str, *, grader: str = "math", form: Form = "answer", mode: Mode = "strict") -> Grade:
    """Decide whether `prediction` (a bare answer or a whole completion, see `form`) equals `gold`. Never raises."""
    if form == "completion" or (form == "auto" and "\n" in prediction):
        extraction = extract_answer(prediction, mode)
        if extraction is None:
            return Grade("wrong", "extraction", "no final answer is stated", "", gold)
        prediction = extraction.answer
    return GRADERS[grader](gold, prediction)
