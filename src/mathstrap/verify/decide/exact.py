"""Evaluate a constant to an exact rational number, or say that it is not one. Sizes are capped; floats never appear."""

from __future__ import annotations

import math
from fractions import Fraction

from mathstrap.verify.decide.effort import spend
from mathstrap.verify.read.nodes import Add, Bound, Call, Matrix, Mul, Node, Num, Pow, replace

MAX_BITS = 60_000
MAX_FACTORIAL = 3_000
MAX_TERMS = 1_000  # of a sum or product written with its bounds


def rational(node: Node) -> Fraction | None:
    """Return the value of a constant expression of rationals, whole powers, exact roots and factorials; else None."""
    if isinstance(node, Num):
        return node.value
    if isinstance(node, Add):
        total = Fraction(0)
        for term in node.terms:
            value = rational(term)
            if value is None:
                return None
            total += value
            if _capped(total) is None:
                return None
        return total
    if isinstance(node, Mul):
        product = Fraction(1)
        for factor in node.factors:
            value = rational(factor)
            if value is None:
                return None
            product *= value
            if _capped(product) is None:
                return None
        return product
    if isinstance(node, Pow):
        base = rational(node.base)
        exponent = rational(node.exponent) if base is not None else None
        return None if base is None or exponent is None else _power(base, exponent)
    if isinstance(node, Call):
        return _call(node)
    if isinstance(node, Bound) and node.kind in ("sum", "prod"):
        return _sum(node)
    return None


def bound_range(node: Bound) -> range | None:
    """Return the whole numbers a sum or product runs over, or None if its bounds are not whole or too far apart."""
    low, high = rational(node.low), rational(node.high)
    if (
        low is None
        or high is None
        or low.denominator != 1
        or high.denominator != 1
        or not -1 <= high - low <= MAX_TERMS
    ):
        return None
    return range(low.numerator, high.numerator + 1)


def _sum(node: Bound) -> Fraction | None:
    places = bound_range(node)
    if places is None:
        return None
    total = Fraction(0 if node.kind == "sum" else 1)
    for place in places:
        spend(15)
        value = rational(replace(node.body, node.name, Num(Fraction(place))))
        if value is None:
            return None
        total = total + value if node.kind == "sum" else total * value
        if _capped(total) is None:
            return None
    return total


def _determinant(matrix: Matrix) -> Fraction | None:
    """Return the determinant of a square matrix of rationals by elimination."""
    rows: list[list[Fraction]] = []
    for cells in matrix.rows:
        row = [rational(cell) for cell in cells]
        if len(cells) != len(matrix.rows) or any(cell is None for cell in row) or len(cells) > 8:
            return None
        rows.append([cell for cell in row if cell is not None])
    product = Fraction(1)
    while rows:
        pivot = next((index for index, row in enumerate(rows) if row[0]), None)
        if pivot is None:
            return Fraction(0)
        first = rows.pop(pivot)
        product *= first[0] * (-1) ** pivot
        rows = [[cell - row[0] / first[0] * top for cell, top in zip(row[1:], first[1:], strict=True)] for row in rows]
    return product


def _capped(value: Fraction) -> Fraction | None:
    spend((value.numerator.bit_length() + value.denominator.bit_length()) // 100)
    return value if value.numerator.bit_length() + value.denominator.bit_length() <= MAX_BITS else None


def _power(base: Fraction, exponent: Fraction) -> Fraction | None:
    if exponent.denominator == 1:
        count = exponent.numerator
        if base == 0:
            return Fraction(0) if count > 0 else None
        if abs(base) == 1:
            return base if count % 2 else Fraction(1)
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        return base**count if bits * abs(count) <= MAX_BITS else None
    if base < 0 or exponent.denominator > 64:
        return None
    top = _root(base.numerator, exponent.denominator)
    bottom = _root(base.denominator, exponent.denominator)
    if top is None or bottom is None:
        return None
    return _power(Fraction(top, bottom), Fraction(exponent.numerator))


def _root(value: int, degree: int) -> int | None:
    """Return the whole `degree`-th root of a non-negative whole number, or None if it has none."""
    if degree == 2:
        root = math.isqrt(value)
        return root if root * root == value else None
    if value.bit_length() > 2_000:
        return None
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high) // 2
        if middle**degree < value:
            low = middle + 1
        else:
            high = middle
    return low if low**degree == value else None


def _call(node: Call) -> Fraction | None:
    if node.name == "det" and isinstance(node.args[0], Matrix):
        return _determinant(node.args[0])
    args = [rational(arg) for arg in node.args]
    if any(arg is None for arg in args):
        return None
    values = [arg for arg in args if arg is not None]
    first = values[0]
    match node.name:
        case "percent":
            return first / 100
        case "abs":
            return abs(first)
        case "sign":
            return Fraction((first > 0) - (first < 0))
        case "floor":
            return Fraction(math.floor(first))
        case "ceil":
            return Fraction(math.ceil(first))
        case "max":
            return max(values)
        case "min":
            return min(values)
        case "root" if len(values) == 2 and values[1].denominator == 1 and 0 < values[1] <= 64:
            sign = -1 if first < 0 and values[1] % 2 else 1
            root = _power(sign * first, 1 / values[1])
            return None if root is None else sign * root
    if any(value.denominator != 1 or value < 0 for value in values):
        return None
    counts = [value.numerator for value in values]
    if node.name in ("gcd", "lcm"):
        return Fraction(math.gcd(*counts) if node.name == "gcd" else math.lcm(*counts))
    if counts[0] > MAX_FACTORIAL:
        return None
    match node.name, counts:
        case "Gamma", [count] if count > 0:
            return Fraction(math.factorial(count - 1))
        case "factorial", [count]:
            return Fraction(math.factorial(count))
        case "double_factorial", [count]:
            return Fraction(math.prod(range(count, 0, -2)))
        case "permutations", [count, size]:
            return Fraction(math.perm(count, size))
        case "binom", [count, size]:
            return Fraction(math.comb(count, size))
    return None
