"""The graders by name, and `grade`, which picks one and prepares its input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from mathstrap.verify.equal import decide
from mathstrap.verify.extract import extract_answer
from mathstrap.verify.record import Form, Grade, Mode

Grader = Callable[[str, str], Grade]


def _math(gold: str, got: str) -> Grade:
    decision = decide(gold, got)
    return Grade(decision.outcome, decision.tier, decision.reason, got, gold)


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
