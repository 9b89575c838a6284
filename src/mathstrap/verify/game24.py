"""Grade an answer to a Game of 24 (paper, App. D): one expression of the given numbers, each used once, that makes n.

Numbers are exact fractions. The expression is read by a parser of its own and never evaluated as code, so the checker
is safe on a model's output.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal

from mathstrap.patterns import regex
from mathstrap.verify.record import Grade

Hand = tuple[int, ...]
Fault = Literal["", "unreadable", "other_numbers", "wrong_value"]

# Longer replies are not read: four numbers and three signs need far less, and brackets nest at most this deep.
MAX_CHARS = 200
_TOKEN = regex(r"\s*(?:([0-9]{1,4})|([-+*/()×÷−]))")
_SIGNS = {"×": "*", "÷": "/", "−": "-"}
_PUZZLE = regex(r"\s*(\d{1,4}(?:[\s,]+\d{1,4}){1,7})\s*=\s*(\d{1,4})\s*", re.ASCII)
_REASONS: dict[Fault, str] = {
    "": "the expression uses each number once and makes the target",
    "unreadable": "not an expression of numbers, + - * / and brackets",
    "other_numbers": "the expression does not use each given number exactly once",
    "wrong_value": "the expression does not make the target",
}


def compare_game24(gold: str, got: str) -> Grade:
    """Grade an expression; the gold is the puzzle itself, its numbers and what they have to make: `3 3 8 8 = 24`."""
    puzzle = _PUZZLE.fullmatch(gold)
    if puzzle is None:
        return Grade("undecided", "game24", "the gold is not a puzzle such as `3 3 8 8 = 24`", got, gold)
    fault = check(got, tuple(map(int, re.findall(r"\d+", puzzle[1]))), int(puzzle[2]))
    return Grade("wrong" if fault else "correct", "game24", _REASONS[fault], got, gold)


def check(reply: str, hand: Hand, target: int = 24) -> Fault:
    """Return "" where a reply is a solution, else the reason: `unreadable`, `other_numbers` or `wrong_value`.

    A reply is one expression, with or without `= 24` behind it; nothing else may stand there. Never raises.
    """
    text = reply.strip()
    if len(text) > MAX_CHARS:
        return "unreadable"
    left, equals, right = text.partition("=")
    if equals and right.strip() != str(target):
        return "unreadable"
    try:
        value, numbers = _Reader(left).whole()
    except (ValueError, ZeroDivisionError):
        return "unreadable"
    if sorted(numbers) != sorted(hand):
        return "other_numbers"
    return "" if value == target else "wrong_value"


class _Reader:
    """Reads one expression by recursive descent: sum, product, number or bracket. No sign before a number."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        place = 0
        text = text.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise ValueError("a character that no expression has")
            token = match[1] or match[2]
            self.tokens.append(_SIGNS.get(token, token))
            place = match.end()
        self.place = 0
        self.numbers: list[int] = []

    def whole(self) -> tuple[Fraction, list[int]]:
        value = self._sum()
        if self.place != len(self.tokens):
            raise ValueError("text behind the expression")
        return value, self.numbers

    def _accept(self, signs: str) -> str:
        token = self.tokens[self.place] if self.place < len(self.tokens) else ""
        if token and token in signs:
            self.place += 1
            return token
        return ""

    def _sum(self) -> Fraction:
        value = self._product()
        while sign := self._accept("+-"):
            value = value + self._product() if sign == "+" else value - self._product()
        return value

    def _product(self) -> Fraction:
        value = self._atom()
        while sign := self._accept("*/"):
            value = value * self._atom() if sign == "*" else value / self._atom()
        return value

    def _atom(self) -> Fraction:
        if self._accept("("):  # at most MAX_CHARS deep, far below Python's limit
            value = self._sum()
            if not self._accept(")"):
                raise ValueError("a bracket is not closed")
            return value
        token = self.tokens[self.place] if self.place < len(self.tokens) else ""
        if not token.isdigit():
            raise ValueError("a number is missing")
        self.place += 1
        self.numbers.append(int(token))
        return Fraction(int(token))
