"""Compare two single values: units, percent, degrees, and the rounding a decimal gold asks for. Knows no structures."""

from __future__ import annotations

import math
from fractions import Fraction

from mathstrap.verify.decide.exact import rational
from mathstrap.verify.decide.identity import same_expression, strip_marks
from mathstrap.verify.decide.numeric import decimal_value
from mathstrap.verify.read.nodes import Add, Call, Mul, Node, Num, Pow, Quantity, Sym, divide, symbols
from mathstrap.verify.read.units import Measure, conversions, match_units, read_unit

_HUNDRED = Num(Fraction(100))
_MONTH = Fraction(2_629_746)  # seconds, on average
_HALVES_OF_DAY = frozenset({"am", "pm"})


def same_value(gold: Node, got: Node) -> bool | None:
    """Say whether two values are the same, whatever units, percent or degree signs they carry; None if unsure.

    A stated unit agrees with a bare number, and with another unit only where the two convert without doubt.
    """
    mark_gold, mark_got = stated_unit(gold), stated_unit(got)
    left, right = strip_marks(gold), strip_marks(got)
    if not (mark_gold and mark_got):
        return _same_with_one_mark(gold, got, left, right)
    if "%" in (mark_gold, mark_got):
        return _same_numbers(left, right) if mark_gold == mark_got else False
    return _same_quantities(left, mark_gold, right, mark_got)


def stated_unit(node: Node) -> str:
    """Return the unit a value states: `%`, `degree` for an angle, the words of a quantity, "" for a bare value."""
    if type(node) is Quantity:
        return stated_unit(node.value) or node.unit
    if type(node) is Call:
        return {"percent": "%", "deg": "degree"}.get(node.name, "")
    return ""


def units_differ(gold: Node, got: Node) -> bool:
    """Say whether both values state a unit and the two cannot be the same."""
    mark_gold, mark_got = stated_unit(gold), stated_unit(got)
    if not mark_gold or not mark_got or mark_gold == mark_got:
        return False
    if "%" in (mark_gold, mark_got):
        return True
    first, second = mark_gold.lower(), mark_got.lower()
    if first in _HALVES_OF_DAY and second in _HALVES_OF_DAY:
        return first != second
    return match_units(mark_gold, mark_got) == "different"


def _same_quantities(left: Node, gold_unit: str, right: Node, got_unit: str) -> bool | None:
    if gold_unit == got_unit:
        return _same_numbers(left, right)
    if {gold_unit.lower(), got_unit.lower()} == _HALVES_OF_DAY:
        return False
    match match_units(gold_unit, got_unit):
        case "different":
            if "degree" in (gold_unit, got_unit):
                return _same_angle(left, gold_unit, right, got_unit)
            return False
        case "same":
            return _same_numbers(left, right)
        case "unclear":
            if read_unit(gold_unit).measures and read_unit(got_unit).measures:
                return None if _nearly_as_long(left, gold_unit, right, got_unit) else False
            return False if _same_numbers(left, right) is False else None
    answers = [_converted(left, mine, right, theirs) for mine, theirs in conversions(gold_unit, got_unit)]
    if True in answers:
        return True
    return None if None in answers else False


def _nearly_as_long(left: Node, gold_unit: str, right: Node, got_unit: str) -> bool:
    """Say whether months or years may be meant by a number of weeks or days: 52 weeks are nearly a year."""
    sizes: list[Fraction] = []
    for value, unit in ((rational(left), gold_unit), (rational(right), got_unit)):
        measure = read_unit(unit).measures[0]
        if value is None:
            return True
        sizes.append(value * measure.scale * (_MONTH if measure.dimensions[0][0] == "months" else 1))
    return abs(sizes[0] - sizes[1]) * 15 <= abs(sizes[0])


def _same_angle(left: Node, gold_unit: str, right: Node, got_unit: str) -> bool | None:
    """Compare degrees with radians; degrees alone may be of another scale than a temperature, or an angle."""
    other = got_unit if gold_unit == "degree" else gold_unit
    dimensions = {name for measure in read_unit(other).measures for name, _ in measure.dimensions}
    if "temperature" in dimensions:
        return None if _same_numbers(left, right) is not False else False
    if dimensions == {"angle"}:
        first, second = (Call("deg", (left,)), right) if gold_unit == "degree" else (left, Call("deg", (right,)))
        return same_expression(first, second)
    return False


def _converted(left: Node, mine: Measure, right: Node, theirs: Measure) -> bool | None:
    if mine == theirs:
        return _same_numbers(left, right)
    values = [rational(left), rational(right)]
    if values[0] is not None and values[1] is not None:
        sizes = [
            value * measure.scale + measure.zero
            for value, measure in zip(values, (mine, theirs), strict=True)
            if value is not None
        ]
        if sizes[0] == sizes[1]:
            return True
        # 5 miles are 8.05 km only when rounded, so nothing is said of values as near as that.
        ratio = mine.scale / theirs.scale
        is_rounded = ratio.numerator > 1 and ratio.denominator > 1 and abs(sizes[0] - sizes[1]) * 100 < abs(sizes[0])
        return None if is_rounded else False
    if mine.zero or theirs.zero:
        return None
    return same_expression(Mul((Num(mine.scale), left)), Mul((Num(theirs.scale), right)))


def _same_with_one_mark(gold: Node, got: Node, left: Node, right: Node) -> bool | None:
    mark_gold, mark_got = _mark(gold), _mark(got)
    answer = _same_numbers(left, right)
    if answer or mark_gold == mark_got:
        return answer
    if mark_gold == "percent":
        hundredth = divide(left, _HUNDRED)
        if isinstance(left, Num) and left.decimals:
            hundredth = Num(left.value / 100, left.decimals + 2)
        return _same_numbers(hundredth, right)
    if mark_got == "percent":
        value = rational(left)
        return same_expression(left, divide(right, _HUNDRED)) if value is None or value.denominator != 1 else False
    if _has_pi(left) != _has_pi(right):
        return same_expression(gold, got)
    return answer


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
    """Say whether an exact value is what a decimal gold of three digits and more was rounded from."""
    digits = len(str(abs(gold.numerator * 10**decimals // gold.denominator)))
    value = rational(node)
    if value is not None and value.denominator == 1:
        return False
    if digits < 3 or (value is not None and abs(gold) < 1 and decimals < 3):
        return False  # 0.33 may be 33 of 100, and then a third is another value
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
