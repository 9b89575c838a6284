"""Read the calculations of a solution as trees over the numbers written in them, to compute them for other numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from mathstrap.patterns import regex
from mathstrap.steps.expression import Node, Operation, as_fraction, evaluate, numbers_in, parse_expression


@dataclass(frozen=True, kw_only=True)
class Step:
    """One calculation of a solution: its expression, the numbers in it from the left, and the result behind it."""

    expression: Node
    numbers: tuple[Fraction, ...]
    result: Fraction


_ANNOTATION = regex(r"<<([^<>=]{1,200})=([^<>=]{1,40})>>")
_EQUALS = regex(r"= *[$€£]?(-?\d[\d,]*(?:\.\d+)?)")
_LEFT_SIDE = regex(r"[\d.,()$%+*/×÷x -]*\Z")
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


_UNKNOWN = regex(r"\A\s*[xX]\s*=|=\s*[xX]\s*\Z")


@lru_cache(maxsize=4096)
def read_equation(equation: str) -> tuple[Step, ...]:
    """Return an equation such as `( 290.0 / 2.0 )`, `7+2=9` or `x=(11-1)*2` as one step; empty if it is not one."""
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
    """Yield both sides of each equals sign, as far as they can be arithmetic."""
    at = 0
    for match in _EQUALS.finditer(solution):
        before = solution[max(at, match.start() - _MAX_LEFT_SIDE) : match.start()]
        left = _LEFT_SIDE.search(before)
        if left is not None:
            yield left[0].strip(), match[1]
        at = match.start() + 1
