"""Read a line of arithmetic into a tree and evaluate it exactly. No eval: the text comes from data files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TypeVar

_TOKEN = re.compile(r"\s*(?:(\d[\d,]*\.?\d*|\.\d+)|([-+*/()%×÷x·]))")
_SPELLED = {"×": "*", "x": "*", "·": "*", "÷": "/"}
_MAX_TOKENS = 200
_MAX_DIGITS = 40


@dataclass(frozen=True)
class Number:
    """A number as written; `slot` counts the numbers of the expression from the left."""

    value: Fraction
    slot: int


@dataclass(frozen=True)
class Operation:
    """Two operands and one of + - * /."""

    sign: str
    left: Node
    right: Node


Node = Number | Operation


@dataclass
class _Reader:
    tokens: list[str]
    at: int = 0
    slot: int = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def sum(self) -> Node | None:
        left = self.product()
        while left is not None and self.peek() in ("+", "-"):
            sign = self.peek()
            self.at += 1
            right = self.product()
            left = Operation(sign, left, right) if right is not None else None
        return left

    def product(self) -> Node | None:
        left = self.factor()
        while left is not None and (self.peek() in ("*", "/", "(")):
            sign = "*" if self.peek() == "(" else self.peek()
            self.at += self.peek() != "("
            right = self.factor()
            left = Operation(sign, left, right) if right is not None else None
        return left

    def factor(self) -> Node | None:
        if self.peek() == "-":
            self.at += 1
            inner = self.factor()
            return Operation("*", Number(Fraction(-1), -1), inner) if inner is not None else None
        value = self.atom()
        while value is not None and self.peek() == "%":
            self.at += 1
            value = Operation("/", value, Number(Fraction(100), -1))
        return value

    def atom(self) -> Node | None:
        here = self.peek()
        self.at += 1
        if here == "(":
            inner = self.sum()
            if inner is None or self.peek() != ")":
                return None
            self.at += 1
            return inner
        if not here or not (here[0].isdigit() or here[0] == "."):
            return None
        self.slot += 1
        return Number(Fraction(here), self.slot - 1)


def parse_expression(text: str) -> Node | None:
    """Return the tree of numbers, + - * / %, and brackets (x, ×, ÷ too); None if it is anything else."""
    tokens: list[str] = []
    at = 0
    text = text.replace("$", "").strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or len(tokens) > _MAX_TOKENS or len(match[0].lstrip()) > _MAX_DIGITS:
            return None
        tokens.append(_SPELLED.get(match[2], match[2]) if match[2] else match[1].replace(",", ""))
        at = match.end()
    reader = _Reader(tokens)
    tree = reader.sum()
    return tree if reader.at == len(tokens) else None


def numbers_in(node: Node) -> list[Fraction]:
    """Return the numbers written in an expression, from the left; the index is the number's slot."""
    if isinstance(node, Number):
        return [node.value] if node.slot >= 0 else []
    return numbers_in(node.left) + numbers_in(node.right)


T = TypeVar("T", float, Fraction)


def evaluate(node: Node, values: Sequence[T]) -> T | None:
    """Return the value with `values` as the numbers written in it, from the left; None where it divides by zero.

    Fractions give an exact fraction, floats a float.
    """
    if isinstance(node, Number):
        return values[node.slot] if node.slot >= 0 else type(values[0])(node.value)
    left, right = evaluate(node.left, values), evaluate(node.right, values)
    if left is None or right is None:
        return None
    if node.sign == "+":
        return left + right
    if node.sign == "-":
        return left - right
    if node.sign == "*":
        return left * right
    return left / right if right else None


@dataclass(frozen=True, kw_only=True)
class Step:
    """One calculation of a solution: its expression, the numbers in it from the left, and the result behind it."""

    expression: Node
    numbers: tuple[Fraction, ...]
    result: Fraction


_ANNOTATION = re.compile(r"<<([^<>=]{1,200})=([^<>=]{1,40})>>")
_EQUALS = re.compile(r"= *[$€£]?(-?\d[\d,]*(?:\.\d+)?)")
_LEFT_SIDE = re.compile(r"[\d.,()$%+*/×÷x -]*\Z")
_MAX_LEFT_SIDE = 120


@lru_cache(maxsize=4096)
def read_steps(solution: str, *, plain: bool = True) -> tuple[Step, ...]:
    """Return the calculations of a solution, in order; none at all when an annotation cannot be read.

    Without annotations, calculations in the running text are read if `plain` is set.
    """
    annotated = _ANNOTATION.findall(solution)
    steps = []
    for left, right in annotated or (_written_steps(solution) if plain else []):
        expression, result = parse_expression(left), as_fraction(right)
        if result is not None and isinstance(expression, Operation):
            steps.append(Step(expression=expression, numbers=tuple(numbers_in(expression)), result=result))
        elif annotated:
            return ()
    return tuple(steps)


_UNKNOWN = re.compile(r"\A\s*[xX]\s*=|=\s*[xX]\s*\Z")


@lru_cache(maxsize=4096)
def read_equation(equation: str) -> tuple[Step, ...]:
    """Return an equation such as `( 290.0 / 2.0 )`, `7+2=9` or `x=(11-1)*2` as one step; none where it is not one."""
    if len(equation) > _MAX_LEFT_SIDE:
        return ()
    left, _, right = _UNKNOWN.sub("", equation).partition("=")
    expression = parse_expression(left)
    if not isinstance(expression, Operation):
        return ()
    numbers = tuple(numbers_in(expression))
    result = as_fraction(right) if right.strip() else evaluate(expression, numbers)
    return () if result is None else (Step(expression=expression, numbers=numbers, result=result),)


def _written_steps(solution: str) -> Iterator[tuple[str, str]]:
    """Yield what stands on both sides of each equals sign, as far as it can be arithmetic."""
    at = 0
    for match in _EQUALS.finditer(solution):
        before = solution[max(at, match.start() - _MAX_LEFT_SIDE) : match.start()]
        left = _LEFT_SIDE.search(before)
        if left is not None:
            yield left[0].strip(), match[1]
        at = match.start() + 1


def plain_number(text: str) -> Fraction | None:
    """Return a plain decimal number, thousands separators and a money sign allowed; None for anything else."""
    bare = text.strip().replace(",", "").replace("$", "").removesuffix(".")
    if len(bare) > 20 or not re.fullmatch(r"-?(?:\d+\.?\d*|\.\d+)", bare):
        return None
    return Fraction(bare)


def as_fraction(text: str) -> Fraction | None:
    """Return the value of a number as answers write it (1,200; $3.50; 20%; 3/4), None for anything else or too long."""
    above, slash, below = re.sub(r"[,$€£\s]", "", text).rstrip("%.").partition("/")
    value = plain_number(above)
    if value is None or (slash and not re.fullmatch(r"[1-9]\d{0,11}", below)):
        return None
    return value / int(below or 1)
