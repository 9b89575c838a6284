"""Check answers: find the final answer of a completion and decide whether it equals the gold."""

from __future__ import annotations

from mathstrap.types import Outcome
from mathstrap.verify.find.extract import extract_all, extract_answer
from mathstrap.verify.graders import GRADERS, Grader, compare_math, grade, grader_named
from mathstrap.verify.record import Extraction, Form, Grade, Mode

__all__ = [
    "GRADERS",
    "Extraction",
    "Form",
    "Grade",
    "Grader",
    "Mode",
    "answers_agree",
    "compare_math",
    "extract_all",
    "extract_answer",
    "grade",
    "grader_named",
]


def answers_agree(a: str, b: str) -> Outcome:
    """Compare two bare answers with the default grader; `a` plays the gold."""
    return grade(a, b, form="answer").outcome
