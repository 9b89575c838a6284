"""Compare two single values: units, percent, degrees, and the rounding a decimal gold asks for. Knows no structures."""

from __future__ import annotations

import math
from fractions import Fraction

from mathstrap.verify.decide.exact import rational
from mathstrap.verify.decide.identity import same_expression, strip_marks
from mathstrap.verify.decide.numeric import decimal_value
from mathstrap.verify.read.nodes import Add, Call, Mul, Node, Num, Pow, Quantity, Sym, divide, symbols
from mathstrap.verify.read.words import unit_power, unit_scale

_HUNDRED = Num(Fraction(100))


def same_value(gold: Node, got: Node) -> bool | None:
    """Say whether two values are the same, whatever units, percent or degree signs they carry; None if unsure."""
    if units_differ(gold, got):
        return False
    if isinstance(gold, Quantity) and isinstance(got, Quantity):
        mine, theirs = unit_scale(gold.unit), unit_scale(got.unit)
        if mine and theirs:
            if mine[0] != theirs[0]:
                return False
            return same_expression(
                Mul((Num(Fraction(mine[1])), gold.value)), Mul((Num(Fraction(theirs[1])), got.value))
            )
    mark_gold, mark_got = _mark(gold), _mark(got)
    left, right = strip_marks(gold), strip_marks(got)
    answer = _same_numbers(left, right)
    if mark_gold and mark_got and mark_gold != mark_got:
        return False
    if answer or mark_gold == mark_got:
        return answer
    if mark_gold == "percent" and not mark_got:
        hundredth = divide(left, _HUNDRED)
        if isinstance(left, Num) and left.decimals:
            hundredth = Num(left.value / 100, left.decimals + 2)
        return _same_numbers(hundredth, right)
    if mark_got == "percent" and not mark_gold:
        value = rational(left)
        return same_expression(left, divide(right, _HUNDRED)) if value is None or value.denominator != 1 else False
    if "deg" in (mark_gold, mark_got) and "" in (mark_gold, mark_got) and _has_pi(left) != _has_pi(right):
        return same_expression(gold, got)
    return answer


def units_differ(gold: Node, got: Node) -> bool:
    """Say whether two units measure different things by their power or by the half of the day."""
    if not isinstance(gold, Quantity) or not isinstance(got, Quantity):
        return False
    if gold.unit in ("am", "pm") and got.unit in ("am", "pm"):
        return gold.unit != got.unit
    powers = [unit_power(unit) for unit in (gold.unit, got.unit)]
    return 0 not in powers and powers[0] != powers[1]


def _mark(node: Node) -> str:
    while isinstance(node, Quantity):
        node = node.value
    return node.name if isinstance(node, Call) and node.name in ("percent", "deg") else ""


def _has_pi(node: Node) -> bool:
    parts: tuple[Node, ...] = ()
    if isinstance(node, Add):
        parts = node.terms
    elif isinstance(node, Mul):
        parts = node.factors
    elif isinstance(node, Pow):
        parts = (node.base, node.exponent)
    return node == Sym("pi") or any(_has_pi(part) for part in parts)


def _same_numbers(gold: Node, got: Node) -> bool | None:
    """Compare two values exactly, then as a float's digits or as the rounding a decimal gold asks for."""
    answer = same_expression(gold, got)
    if answer or symbols(gold) or symbols(got):
        return answer
    decimals = gold.decimals if isinstance(gold, Num) else 0
    if isinstance(gold, Num) and isinstance(got, Num) and (_is_float_noise(gold, got) or _is_float_noise(got, gold)):
        return True
    if isinstance(gold, Num) and decimals >= 2 and not (isinstance(got, Num) and got.decimals):
        return _rounds_to(got, gold.value, decimals)
    if isinstance(got, Num) and got.decimals and _digits(got) >= 10 and not _terminates(gold):
        value = decimal_value(gold, _digits(got))
        if value is not None and abs(value - got.value) < Fraction(1, 10**got.decimals):
            return True
    return answer


def _rounds_to(node: Node, gold: Fraction, decimals: int) -> bool | None:
    if decimals < 3 and len(str(abs(gold.numerator * 10**decimals // gold.denominator))) < 4:
        return False
    value = rational(node)
    if value is not None and value.denominator == 1:
        return False
    value = decimal_value(node, decimals + 10) if value is None else value
    return value is not None and abs(value - gold) <= Fraction(1, 2 * 10**decimals)


def _digits(number: Num) -> int:
    return len(str(abs(number.value.numerator * 10**number.decimals // number.value.denominator)))


def _terminates(node: Node) -> bool:
    value = rational(node)
    if value is None:
        return False
    bottom = value.denominator
    for prime in (2, 5):
        while bottom % prime == 0:
            bottom //= prime
    return bottom == 1


def _is_float_noise(exact: Num, noisy: Num) -> bool:
    """Say whether `noisy` is how a double near `exact` prints: 16 or 17 digits, a few units in the last place away."""
    if not noisy.decimals or not 16 <= _digits(noisy) <= 17 or abs(exact.value) > 10**15:
        return False
    return abs(noisy.value - exact.value) <= 4 * Fraction(math.ulp(float(exact.value)))
