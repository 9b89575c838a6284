"""Recompute a worked solution from its `<<expression=result>>` marks with other numbers put in. Executes nothing.

The marks of GSM8K's solutions make a chain: a number in an expression is a number of the question, an earlier result,
or a constant (7 days, 60 minutes). Knowing which is which tells what the answer would be for other numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

from mathstrap.augment.arithmetic import Node, evaluate, numbers_in, parse_expression

_MARK = re.compile(r"<<([^<>=]{1,200})=([^<>=]{1,60})>>")
# Larger numbers are no word problem's; exact fractions of them would cost time.
_LARGEST = 10**30


class Leaf(msgspec.Struct, frozen=True):
    """A number in an expression: its value, and the earlier step it is the result of, if it is one.

    `num_sources` counts the earlier steps with that result; the last of them is taken.
    """

    value: Fraction
    step: int | None
    num_sources: int = 0


class Step(msgspec.Struct, frozen=True):
    """One `<<expression=result>>`: the expression, its numbers from the left, and the result the solution states."""

    expression: Node
    leaves: tuple[Leaf, ...]
    result: Fraction


class Chain(msgspec.Struct, frozen=True):
    """The steps of a solution whose every expression gives the stated result, and whose last one is the answer."""

    steps: tuple[Step, ...]

    def constants(self) -> list[Fraction]:
        """Return the values of the leaves that are no earlier result, in order of appearance."""
        return [leaf.value for step in self.steps for leaf in step.leaves if leaf.step is None]

    def results_used(self) -> list[Leaf]:
        """Return the leaves that are earlier results, in order of appearance."""
        return [leaf for step in self.steps for leaf in step.leaves if leaf.step is not None]

    def run(self, replaced: Mapping[Fraction, Fraction]) -> list[Fraction] | None:
        """Return every step's result with leaf values replaced; None where a division by zero comes up."""
        results: list[Fraction] = []
        for step in self.steps:
            values = [
                replaced.get(leaf.value, leaf.value) if leaf.step is None else results[leaf.step]
                for leaf in step.leaves
            ]
            value = calculate(step.expression, values)
            if value is None:
                return None
            results.append(value)
        return results


def read_chain(solution: str, answer: str) -> Chain | None:
    """Return the chain of a solution; None where a mark cannot be read, does not add up or misses the answer."""
    gold = number(answer)
    steps: list[Step] = []
    for text, stated in _MARK.findall(solution):
        expression, result = parse_expression(text), number(stated)
        if expression is None or result is None:
            return None
        values = numbers_in(expression)
        value = calculate(expression, values)
        if value is None or abs(value - result) > Fraction(1, 200):
            return None
        sources = [[index for index, step in enumerate(steps) if step.result == leaf] for leaf in values]
        leaves = [
            Leaf(leaf, earlier[-1] if earlier else None, len(earlier))
            for leaf, earlier in zip(values, sources, strict=True)
        ]
        steps.append(Step(expression, tuple(leaves), result))
    if not steps or gold is None or steps[-1].result != gold:
        return None
    return Chain(tuple(steps))


def number(text: str) -> Fraction | None:
    """Return a plain decimal number, thousands separators and money signs allowed; None for anything else."""
    bare = text.strip().replace(",", "").replace("$", "").removesuffix(".")
    if len(bare) > 40 or not re.fullmatch(r"-?(?:\d+\.?\d*|\.\d+)", bare):
        return None
    return Fraction(bare)


def calculate(expression: Node, values: Sequence[Fraction]) -> Fraction | None:
    """Return the exact value of an expression with these numbers; None where it has none or is huge."""
    value = evaluate(expression, values)
    return None if value is None or max(abs(value.numerator), value.denominator) > _LARGEST else value
