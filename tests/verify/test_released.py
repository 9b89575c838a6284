"""Behaviour tables of the graders kept for comparability: the released MetaMath scorers, Hendrycks, Minerva's style."""

from __future__ import annotations

import pytest

from mathstrap.errors import InputError
from mathstrap.verify import GRADERS, grade
from mathstrap.verify.released import released_number

NUMBERS = [
    ("1.8", 2), ("2.5", 2), ("3.5", 4), ("0.5", 0), ("1/2", 0), ("3/2", 2), ("7/0", 7), ("1,234,567", 1234),
    ("1,450,000", 1450), ("1,450", 1450), ("\\frac{3}{4}", 3), ("1e3", 1), ("10 to 12", 10), ("2 1/2", 2), ("-5", -5),
    ("+5", 5), (".5", 0), ("$70000", 70000), ("about 12 cats", 12), ("no number", None), ("", None), ("9" * 500, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_the_released_gsm8k_scorer_reads_and_rounds_the_first_number(text: str, value: int | None) -> None:
    assert released_number(text) == value


GSM8K = [
    ("2", "The answer is: 1.8", "correct"),
    ("2", "The answer is: 5. The answer is: 2", "correct"),
    ("1450000", "The answer is: 1,450,000", "wrong"),
    ("1450000", "The answer is: 1450000", "correct"),
    ("1,000", "The answer is: 1000 dollars", "correct"),
    ("5", "The answer is 5", "wrong"),
    ("5", "The answer is:5", "wrong"),
    ("5", "\\boxed{5}", "wrong"),
    ("5", "#### 5", "wrong"),
]


@pytest.mark.parametrize(("gold", "completion", "outcome"), GSM8K)
def test_the_released_gsm8k_scorer_needs_its_exact_anchor(gold: str, completion: str, outcome: str) -> None:
    assert grade(gold, completion, grader="metamath-2024-gsm8k", form="completion").outcome == outcome


STRINGS = [
    ("0.5", "\\frac{1}{2}", "correct"), ("\\frac{1}{4}", "0.25", "wrong"), ("5", "5.0", "wrong"),
    ("1000", "1,000", "wrong"), ("2\\sqrt3", "\\sqrt{12}", "wrong"), ("x+1", "1+x", "wrong"),
    ("\\{1,2\\}", "\\{2,1\\}", "wrong"), ("5", "5 cm", "wrong"), ("\\text{Evelyn}", "Evelyn", "wrong"),
    ("5", "5\\text{ cm}", "correct"), ("90", "90^\\circ", "correct"), ("10", "10\\%", "correct"), ("10", "10%",
    "wrong"),
    ("\\frac{1}{2}", "\\frac12", "correct"), ("\\frac{1}{2}", "1/2", "correct"), ("\\frac{1}{2}", "\\tfrac{1}{2}",
    "correct"),
    ("\\sqrt{3}", "\\sqrt3", "correct"), ("5", "x=5", "correct"), ("5", "xyz=5", "wrong"), ("0.5", ".5", "correct"),
    ("(1,2)", "\\left( 1,2 \\right)", "correct"), ("18", "\\$18", "correct"), ("a/b", "\\frac{a}{b}", "wrong"),
    ("\\frac", "\\frac", "correct"), ("5\\text{ a}\\text{ b}", "5", "wrong"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "got", "outcome"), STRINGS)
def test_the_released_math_scorer_compares_normalised_strings(gold: str, got: str, outcome: str) -> None:
    assert grade(gold, got, grader="metamath-2024-math").outcome == outcome
    assert grade(gold, got, grader="hendrycks").outcome == outcome


def test_the_released_math_scorer_cuts_at_a_full_stop_before_a_line_end() -> None:
    completion = "So it is.\nThe answer is: \\frac{1}{2}.\nI am sure."
    assert grade("\\frac{1}{2}", completion, grader="metamath-2024-math", form="completion").outcome == "correct"
    assert grade("5", "The answer is: 5 apples", grader="metamath-2024-math", form="completion").outcome == "wrong"


def test_minerva_style_reads_its_closing_phrase() -> None:
    text = "Final Answer: The final answer is $5$ cm. I hope it is correct."
    assert grade("5", text, grader="minerva", form="completion").outcome == "correct"
    assert grade("5", "so \\boxed{x = 5 \\text{ units}}", grader="minerva", form="completion").outcome == "correct"
    assert grade("5", "no box", grader="minerva", form="completion").outcome == "wrong"


def test_gsm8k_asks_for_a_number() -> None:
    assert grade("5", "5 apples", grader="gsm8k").outcome == "correct"
    assert grade("5", "x + 5 - x", grader="gsm8k").outcome == "wrong"
    assert grade("5", "all of them", grader="gsm8k").outcome == "wrong"
    assert grade("Monday", "Monday", grader="gsm8k").outcome == "undecided"


def test_an_unknown_grader_is_named_with_a_suggestion() -> None:
    with pytest.raises(InputError, match='Did you mean "minerva"'):
        grade("1", "1", grader="minervaa")
    assert set(GRADERS) == {
        "math", "gsm8k", "metamath-2024-gsm8k", "metamath-2024-math", "hendrycks", "minerva", "game24",
    }  # fmt: skip
