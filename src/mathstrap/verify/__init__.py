"""Check answers: find the final answer of a completion and decide whether it equals the gold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import overload

from mathstrap.called import call_by_name
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
    "verify",
]


def answers_agree(a: str, b: str) -> Outcome:
    """Compare two bare answers with the default grader; `a` plays the gold."""
    return grade(a, b, form="answer").outcome


@overload
def verify(  # type: ignore[overload-overlap]  # a text is an iterable of texts too
    gold: str | float,
    prediction: str | float,
    *,
    grader: str = ...,
    form: Form = ...,
    mode: Mode = ...,
    question: str = ...,
) -> Grade: ...
@overload
def verify(
    gold: Iterable[str | float],
    prediction: Iterable[str | float],
    *,
    grader: str = ...,
    form: Form = ...,
    mode: Mode = ...,
    question: str = ...,
) -> list[Grade]: ...
def verify(
    gold: str | float | Iterable[str | float],
    prediction: str | float | Iterable[str | float],
    *,
    grader: str = "math",
    form: Form = "auto",
    mode: Mode = "strict",
    question: str = "",
) -> Grade | list[Grade]:
    r"""Decide whether an answer or a whole reply equals its gold; of two lists or columns, pair by pair.

    `form` says what a prediction is: "answer", "completion", or "auto" to tell the two apart. A reply that only repeats
    sentences of the `question`, which all pairs share, holds no answer. Raises nothing for what a model wrote;
    ValueError where two columns have different lengths.

    >>> verify(r"\frac{3}{4}", "0.75").outcome
    'correct'
    >>> verify("1,250", "So the total is $1250. The answer is 1250 dollars.").outcome
    'correct'
    >>> [grade.outcome for grade in verify(["7", "8"], ["The answer is: 7", "The answer is: 9"])]
    ['correct', 'wrong']
    """
    if isinstance(gold, str | int | float):
        if not isinstance(prediction, str | int | float):
            raise ValueError("verify: found one gold and several predictions; expected as many golds.")
        return grade(str(gold), str(prediction), grader=grader, form=form, mode=mode, question=question)
    if isinstance(prediction, str | int | float):
        raise ValueError("verify: found several golds and one prediction; expected as many predictions.")
    pairs = zip(gold, prediction, strict=True)
    return [grade(str(one), str(other), grader=grader, form=form, mode=mode, question=question) for one, other in pairs]


call_by_name(__name__)
