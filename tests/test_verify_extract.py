"""Tables of completions and the answers they state."""

from __future__ import annotations

import pytest

from mathstrap.verify import extract_all, extract_answer, grade
from mathstrap.verify.extract import looks_like_completion

STATED = [
    ("She has 2+3=5 apples. The answer is: 5", "5", "stated"),
    ("The answer is: 5 apples.", "5 apples", "stated"),
    ("The answer is $70,000.00 profit.", "$70,000.00 profit", "stated"),
    ("Therefore, the final answer is $\\frac{1}{2}$.", "$\\frac{1}{2}$", "stated"),
    ("**Answer:** 5", "5", "stated"),
    ("**Final Answer**: 12", "12", "stated"),
    ("Answer: 5", "5", "stated"),
    ("The answers are: 2 and 3.", "2 and 3", "stated"),
    ("The answer is:\n\n\\[ \\frac{3}{4} \\]", "\\frac{3}{4}", "stated"),
    (
        "The answer is: \\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}",
        "\\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}",
        "stated",
    ),
    ("The answer is: 12. Check: 12/4=3.", "12", "stated"),
    ("The answer is 5 because 2+3=5.", "5", "stated"),
    ("The answer is: 1,234.", "1,234", "stated"),
    ("The answer is: 6\nThe answer is: 5", "5", "stated"),
    ("The final answer is $[2,5)$. I hope it is correct.", "$[2,5)$", "stated"),
    ("Final Answer: The volume of $ABCD$ is 120. I hope it is correct.", "120", "stated"),
    ("Steps\n#### 5", "5", "hash"),
    ("#### 2,800 ", "2,800", "hash"),
    ("so \\boxed{\\frac{1}{2}} it is", "\\frac{1}{2}", "boxed"),
    ("\\boxed{5} ... wait, no: \\boxed{4}", "4", "boxed"),
    ("\\boxed 7", "7", "boxed"),
    ("$\\boxed{28}$ percent", "28 percent", "boxed"),
    ("\\boxed{(2, 2)} \\quad \\text{and} \\quad \\boxed{(6, 2)}", "(2, 2), (6, 2)", "boxed"),
    ("The answer is \\boxed{3}", "3", "boxed"),
    ("\\boxed{44}. We check, so our answer is correct.", "44", "boxed"),
    ("we get: x = $50.\nThe value of x is $50.", "$50", "value_of"),
    ("The value of x is $1. Each fish needs $1 worth of food per day.", "$1", "value_of"),
    ("The value of unknown variable x is 25.", "25", "value_of"),
    ("28 percent", "28 percent", "bare"),
    ("-\\frac{10}{9}", "-\\frac{10}{9}", "bare"),
    ("We add them.\nSo she has 3+4 = 7 apples left.", "7", "closing"),
    ("print(x)\n```\n```output\n2\n```\nTwo people accept the position.", "Two", "closing"),
    ("Therefore $x \\gt 5$ is the solution.", "x \\gt 5", "closing"),
    ("<think>The answer is: 3, or \\boxed{4}.</think>The answer is: 5.", "5", "stated"),
    ("The answer is: 5 <|im_end|><|im_start|>user The answer is: 6", "5", "stated"),
]

SILENT = [
    "",
    "I cannot solve this problem.",
    "The answer is:",
    "The answer is: \\boxed{}",
    "f = \\boxed{\\frac{14}{3}",
    "def f():\n    return 5\n```",
    "There were 3 cats, 5 dogs and then 2 more",
]


@pytest.mark.parametrize(("text", "answer", "extractor"), STATED)
def test_the_last_stated_answer_is_found(text: str, answer: str, extractor: str) -> None:
    extraction = extract_answer(text)
    assert extraction is not None
    assert (extraction.answer, extraction.extractor) == (answer, extractor)


@pytest.mark.parametrize("text", SILENT)
def test_no_answer_is_made_up_in_strict_mode(text: str) -> None:
    assert extract_answer(text) is None


def test_flexible_mode_falls_back_to_the_last_number() -> None:
    text = "There were 3 cats, 5 dogs and then 2 more"
    extraction = extract_answer(text, "flexible")
    assert extraction is not None
    assert (extraction.answer, extraction.extractor) == ("2", "last_number")


def test_all_rules_are_shown_side_by_side() -> None:
    found = {each.extractor: each.answer for each in extract_all("\\boxed{4}\nThe answer is: 5\n#### 6")}
    assert found == {"hash": "6", "stated": "5", "boxed": "4", "last_number": "6"}


@pytest.mark.parametrize("hedged", ["The answer is: 4 or 5", "\\boxed{4} or \\boxed{5}", "The answer is: not 5"])
def test_a_hedge_is_no_answer(hedged: str) -> None:
    assert grade("5", hedged, form="completion").outcome == "wrong"


def test_a_completion_without_an_answer_says_so() -> None:
    verdict = grade("0", "I cannot solve this problem.", form="completion")
    assert (verdict.outcome, verdict.tier, verdict.got) == ("wrong", "extraction", "")


@pytest.mark.parametrize(
    ("text", "is_completion"),
    [
        ("5", False), ("\\frac{1}{2}", False), ("5 apples", False), ("#### 5", True), ("The answer is 5", True),
        ("First we add 2 and 3 and then we find that it is 5.", True), ("2 + 3 = 5\nso it is 5", False),
        ("\\begin{pmatrix} 1 & 2 \\\\\n 3 & 4 \\end{pmatrix}, that is all", False), ("\\boxed{5}", False),
    ],
)  # fmt: skip
def test_auto_tells_answers_and_completions_apart(text: str, is_completion: bool) -> None:
    assert looks_like_completion(text) is is_completion
