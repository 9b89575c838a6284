"""Recompute a worked solution from its `<<expression=result>>` marks with other numbers put in. Executes nothing.

The marks of GSM8K's solutions make a chain: a number in an expression is a number of the question, an earlier result,
or a constant (7 days, 60 minutes). Knowing which is which tells what the answer would be for other numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

_MARK = re.compile(r"<<([^<>=]{1,200})=([^<>=]{1,60})>>")
_TOKEN = re.compile(r"\s*(?:(\d[\d,]*\.?\d*|\.\d+)|([-+*/()%]))")
MAX_DEPTH = 40


class Leaf(msgspec.Struct, frozen=True):
    """A number in an expression: its value, and the earlier step it is the result of, if it is one.

    `num_sources` counts the earlier steps with that result; the last of them is taken.
    """

    value: Fraction
    step: int | None
    num_sources: int = 0


class Step(msgspec.Struct, frozen=True):
    """One `<<expression=result>>`: tokens with the numbers as leaves, and the result the solution states."""

    tokens: tuple[Leaf | str, ...]
    result: Fraction


class Chain(msgspec.Struct, frozen=True):
    """The steps of a solution whose every expression gives the stated result, and whose last one is the answer."""

    steps: tuple[Step, ...]

    def constants(self) -> list[Fraction]:
        """Return the values of the leaves that are no earlier result, in order of appearance."""
        return [
            token.value
            for step in self.steps
            for token in step.tokens
            if isinstance(token, Leaf) and token.step is None
        ]  # fmt: skip

    def results_used(self) -> list[Leaf]:
        """Return the leaves that are earlier results, in order of appearance."""
        leaves = (token for step in self.steps for token in step.tokens if isinstance(token, Leaf))
        return [leaf for leaf in leaves if leaf.step is not None]

    def run(self, replaced: Mapping[Fraction, Fraction]) -> list[Fraction] | None:
        """Return every step's result with leaf values replaced; None where a division by zero comes up."""
        results: list[Fraction] = []
        for step in self.steps:
            tokens: list[Fraction | str] = []
            for token in step.tokens:
                if isinstance(token, str):
                    tokens.append(token)
                else:
                    tokens.append(replaced.get(token.value, token.value) if token.step is None else results[token.step])
            value = calculate(tokens)
            if value is None:
                return None
            results.append(value)
        return results


def read_chain(solution: str, answer: str) -> Chain | None:
    """Return the chain of a solution; None where a mark cannot be read, does not add up or misses the answer."""
    gold = number(answer)
    steps: list[Step] = []
    for expression, stated in _MARK.findall(solution):
        tokens = tokenize(expression)
        result = number(stated)
        if tokens is None or result is None:
            return None
        linked: list[Leaf | str] = []
        for token in tokens:
            if isinstance(token, str):
                linked.append(token)
            else:
                earlier = [index for index, step in enumerate(steps) if step.result == token]
                linked.append(Leaf(token, earlier[-1] if earlier else None, len(earlier)))
        value = calculate(tokens)
        if value is None or abs(value - result) > Fraction(1, 200):
            return None
        steps.append(Step(tuple(linked), result))
    if not steps or gold is None or steps[-1].result != gold:
        return None
    return Chain(tuple(steps))


def number(text: str) -> Fraction | None:
    """Return a plain decimal number, thousands separators and money signs allowed; None for anything else."""
    bare = text.strip().replace(",", "").replace("$", "").removesuffix(".")
    if len(bare) > 40 or not re.fullmatch(r"-?(?:\d+\.?\d*|\.\d+)", bare):
        return None
    return Fraction(bare)


def tokenize(expression: str) -> list[Fraction | str] | None:
    """Split an expression into numbers and operators; None where something else stands in it."""
    tokens: list[Fraction | str] = []
    position = 0
    text = expression.replace("$", "").replace("x", "*").replace("×", "*").replace("÷", "/").rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return None
        digits = number(match[1]) if match[1] else None
        if match[1] and digits is None:
            return None
        tokens.append(digits if digits is not None else match[2])
        position = match.end()
    return tokens or None


def calculate(tokens: Sequence[Fraction | str]) -> Fraction | None:
    """Evaluate numbers with + - * / % and brackets, exactly; None where that is not possible."""
    try:
        value, position = _sum(tokens, 0, 0)
    except (ZeroDivisionError, IndexError, RecursionError):
        return None
    if value is None or position != len(tokens) or abs(value.numerator) > 10**30 or value.denominator > 10**30:
        return None
    return value


def _sum(tokens: Sequence[Fraction | str], position: int, depth: int) -> tuple[Fraction | None, int]:
    total, position = _product(tokens, position, depth)
    while total is not None and position < len(tokens) and tokens[position] in ("+", "-"):
        sign = 1 if tokens[position] == "+" else -1
        value, position = _product(tokens, position + 1, depth)
        total = None if value is None else total + sign * value
    return total, position


def _product(tokens: Sequence[Fraction | str], position: int, depth: int) -> tuple[Fraction | None, int]:
    total, position = _atom(tokens, position, depth)
    while total is not None and position < len(tokens) and (tokens[position] in ("*", "/") or tokens[position] == "("):
        operator = tokens[position]
        value, position = _atom(tokens, position if operator == "(" else position + 1, depth)
        if value is None:
            return None, position
        total = total / value if operator == "/" else total * value
    return total, position


def _atom(tokens: Sequence[Fraction | str], position: int, depth: int) -> tuple[Fraction | None, int]:
    item = tokens[position]
    if depth > MAX_DEPTH:
        return None, position
    value: Fraction | None
    if item == "-":
        value, position = _atom(tokens, position + 1, depth + 1)
        return (None if value is None else -value), position
    if item == "(":
        value, position = _sum(tokens, position + 1, depth + 1)
        if position >= len(tokens) or tokens[position] != ")":
            return None, position
        position += 1
    elif isinstance(item, Fraction):
        value, position = item, position + 1
    else:
        return None, position
    while position < len(tokens) and tokens[position] == "%":
        value, position = (None if value is None else value / 100), position + 1
    return value, position
