"""The grader of the Game of 24: it reads an expression of the given numbers, exactly, and runs nothing."""

from __future__ import annotations

import pytest

from mathstrap.verify import grade
from mathstrap.verify.game24 import check


@pytest.mark.parametrize(
    ("reply", "want"),
    [
        ("8 / (3 - 8 / 3)", ""),
        ("8/(3-8/3) = 24", ""),
        ("8 ÷ (3 − 8 ÷ 3)", ""),
        ("8 / (3 - 8 / 3) = 25", "unreadable"),
        ("3 * 8", "other_numbers"),
        ("3 * 8 * 3 / 8", "wrong_value"),
        ("24", "other_numbers"),
        ("(3 - 3) * 8 / (8 - 8)", "unreadable"),  # a division by zero
        ("8 / (3 - 8 / 3", "unreadable"),
        ("__import__('os').system('x')", "unreadable"),
        ("9**9**9", "unreadable"),
        ("(" * 100_000, "unreadable"),
        ("-3 + 3 + 8 + 8", "unreadable"),  # no sign before the first number
        ("", "unreadable"),
        ("8 / (3 - 8 / 3)" + " " * 300 + "+ 1", "unreadable"),  # what is not read must not count as read
        ("٨ / (3 - 8 / 3)", "unreadable"),
        ("8 / (3 - 8 / 3) = 24 = 24", "unreadable"),
    ],
)
def test_the_checker_reads_an_expression_and_nothing_else(reply, want):
    assert check(reply, (3, 3, 8, 8)) == want


@pytest.mark.parametrize(
    ("gold", "reply", "want"),
    [
        ("3 3 8 8 = 24", "8 - 8 = 0, no. 8 / 3 = 8/3. The answer is: 8 / (3 - 8 / 3)", "correct"),
        ("3 3 8 8 = 24", "The answer is: 8 / (3 - 8 / 3) = 24.", "correct"),
        ("3, 3, 8, 8 = 24", "8 / (3 - 8 / 3)", "correct"),
        ("3 3 8 8 = 24", "The answer is: 3 * 8", "wrong"),
        ("3 3 8 8 = 24", "The answer is: 24", "wrong"),
        ("3 8 8 24 = 3", "The answer is: 8 / 24 + 8 / 3", "correct"),  # a Game of n
        ("3 8 8 24 = 3", "The answer is: 3 + 24 - 8 - 8", "wrong"),
        ("24", "The answer is: 24", "undecided"),  # the gold has to be the puzzle, or nothing is checked
    ],
)
def test_the_gold_is_the_puzzle(gold, reply, want):
    assert grade(gold, reply, grader="game24").outcome == want
