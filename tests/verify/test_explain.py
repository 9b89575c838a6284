"""The lines of `mathstrap verify --explain`: words a user knows, no names of our own classes."""

from __future__ import annotations

import re

import pytest

from mathstrap.verify.describe import describe
from mathstrap.verify.explain import explain
from mathstrap.verify.read import nodes
from mathstrap.verify.read.parse import parse

READ_AS = [
    ("\\frac{1}{2}", "the number 1/2"),
    ("0.50", "the number 0.50"),
    ("-3", "the number -3"),
    ("x^2+2x+1", "an expression: x^2 + 2*x + 1"),
    ("\\frac{\\sqrt{3}}{2}", "an expression: sqrt(3)/2"),
    ("(1, 2)", "2 values in this order: 1, 2"),
    ("[1, 3)", "an interval from 1 (with it) to 3 (without it)"),
    ("\\{1, 2\\}", "a set of 2: 1, 2"),
    ("1, 2, 3", "a list of 3: 1, 2, 3"),
    ("x = 5", "an equation: x = 5"),
    ("1 \\le x < 3", "a condition: 1 <= x < 3"),
    ("2:3", "a ratio: 2 : 3"),
    ("\\pi", "the constant pi"),
    ("\\infty", "infinity"),
    ("\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}", "a matrix with 2 rows and 2 columns"),
    ("5\\text{ kg}", "5 with the unit kg"),
    ("1011_2", "the digits 1011 in base 2"),
]


@pytest.mark.parametrize(("text", "words"), READ_AS)
def test_what_was_read_is_said_in_words(text: str, words: str) -> None:
    assert describe(parse(text)).startswith(words)


PAIRS = [
    ("\\frac{1}{2}", "So we get: The answer is: $0.5$."),
    ("x^2+C", "\\int 2x\\,dx"),
    ("(2,3)", "x=2, y=3"),
    ("\\{x : x > 2\\}", "(2, \\infty)"),
    ("5", "<think>The answer is 5."),
    ("12", "\\foo{12}\x07"),
    ("1 \\pm \\sqrt{2}", "1+\\sqrt2, 1-\\sqrt2"),
    ("9^{9^{9}}", "9^{9^9}+1"),
    ("\\begin{cases}x&x>0\\\\-x&x\\le0\\end{cases}", "|x|"),
]


@pytest.mark.parametrize(("gold", "prediction"), PAIRS)
def test_no_name_of_our_own_appears(gold: str, prediction: str) -> None:
    text = "\n".join(explain(gold, prediction))
    names = [name for name, kind in vars(nodes).items() if isinstance(kind, type) and issubclass(kind, nodes.Node)]
    assert not re.search(rf"\b(?:{'|'.join(names)}|Fraction)\(", text)
    assert text.isprintable() or all(line.isprintable() for line in text.splitlines())
    assert "verdict" in text


def test_the_steps_before_the_deciding_one_say_why_they_passed_on() -> None:
    lines = explain("[1,3)", "1 \\le x < 3")
    steps = [line.split()[0] for line in lines if "passed on" in line or line.endswith("decided")]
    assert steps == ["empty", "number", "text", "structure"]


def test_a_withdrawn_answer_and_a_solution_as_gold_are_explained() -> None:
    text = "\n".join(explain("9 * 2 = 18\n#### 18", "The answer is 18. Wait, that's wrong."))
    assert "the line after its last #### is the answer: 18" in text
    assert "no answer is taken: the stated answer is withdrawn" in text
    assert "decided before any comparison" in text
