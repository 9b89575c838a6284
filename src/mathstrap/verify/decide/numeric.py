"""Compare two expressions by their values at several points, with 30 digits and more; never by a float.

Points have both signs, or lie in every quadrant: a test on positive numbers alone would take sqrt(x^2) for x.
Magnitudes are guarded before anything is raised to a power, so a tower of exponents costs nothing. Each thread has its
own mpmath context.
"""

from __future__ import annotations

import threading
from fractions import Fraction
from functools import lru_cache
from typing import Any

from mathstrap.verify.decide.effort import spend
from mathstrap.verify.decide.exact import bound_range
from mathstrap.verify.decide.floats import float_value
from mathstrap.verify.decide.residue import element
from mathstrap.verify.read.nodes import Add, Bound, Call, Mul, Node, Num, Pow, Sym, children, symbols
from mathstrap.verify.read.words import TRIGONOMETRIC

DIGITS = 30
CHECK_DIGITS = 60
LIMIT_DIGITS = 160
SMALL_SIZE = 30.0  # digits of the numbers of two expressions that 60 digits tell apart
MAX_SIZE = 800.0  # beyond, agreeing values are not taken for equal ones
POINTS = 4
MAX_POINTS = 10
MAX_MAGNITUDE = 10**7  # the largest natural logarithm a value may have
MAX_GAMMA = 10**6
MAX_SPECIAL = 50  # the largest argument of zeta and of the error function
_local = threading.local()


class NoValueError(ArithmeticError):
    """The expression has no value at this point, or one beyond the guard."""


def _context(digits: int) -> Any:
    contexts: dict[int, Any] = _local.__dict__.setdefault("contexts", {})
    if digits not in contexts:
        import mpmath

        contexts[digits] = mpmath.ctx_mp.MPContext()
        contexts[digits].dps = digits
    return contexts[digits]


def same_values(left: Node, right: Node) -> bool | None:
    """Say whether two expressions agree at every test point; None when there are too few points to tell.

    Without the imaginary unit, points are real and of both signs, and only those count where both sides are real all
    the way: sqrt(xy) is sqrt(x) sqrt(y), but sqrt(x^2) is not x. Otherwise points are complex, one in each quadrant.
    """
    names = sorted(symbols(left) | symbols(right))
    if _differ_as_floats(left, right, names):
        return False
    if not names:
        # An integral has no more digits than 30; constants are compared with 60 at once, doubles having been asked.
        if _has_bound(left) or _has_bound(right):
            return _agree(left, right, {}, DIGITS, real=False)
        agreed = _agree(left, right, {}, CHECK_DIGITS, real=False)
        size = _written_size(left) + _written_size(right) if agreed else 0.0
        if size <= SMALL_SIZE:
            return agreed
        # sqrt(2) and sqrt(2) + 10^-70 agree to 60 digits: as many are compared as the numbers in them can hide.
        if size > MAX_SIZE:
            return None
        return _agree(left, right, {}, CHECK_DIGITS + 200 * (1 + int(size) // 100), real=False)
    if not (_mentions_i(left) or _mentions_i(right)):
        agreed = _agree_at_points(left, right, names, real=True)
        if agreed is not None:
            return agreed
    return _agree_at_points(left, right, names, real=False)


def _written_size(node: Node) -> float:
    """Return about how many decimal digits the numbers of an expression have, its powers and factorials worked out."""
    if type(node) is Num:
        return (node.value.numerator.bit_length() + node.value.denominator.bit_length() - 2) * 0.301
    if type(node) is Pow and type(node.exponent) is Num:
        power = max(1, min(abs(node.exponent.value.numerator), 10 * int(MAX_SIZE)))
        return min(_written_size(node.base) * power, 2.0 * MAX_SIZE)
    if type(node) is Call and node.name in ("factorial", "binom", "permutations", "double_factorial"):
        return min(float(10.0 ** min(_written_size(node.args[0]), 4.0)) * 4, 2.0 * MAX_SIZE)
    size = 0.0
    for child in children(node):
        size += _written_size(child)
    return size


def _agree_at_points(left: Node, right: Node, names: list[str], *, real: bool) -> bool | None:
    context = _context(DIGITS)
    agreeing = 0
    for point in range(MAX_POINTS if real else POINTS):
        values = {name: _coordinate(context, name, index, point, real) for index, name in enumerate(names)}
        agreed = _agree(left, right, values, DIGITS, real=real)
        if agreed is False:
            return False
        agreeing += agreed is True
        if agreeing == POINTS and point >= MAX_POINTS // 2:
            break
    return True if agreeing >= (2 if real else 1) else None


def fingerprint(node: Node) -> tuple[complex, ...] | None:
    """Return the values of an expression at one or two fixed points, to tell members of a set apart; None for none.

    Equal expressions have equal fingerprints, up to noise, where both have a value and neither is a root of a product.
    """
    names = sorted(symbols(node))
    context = _context(DIGITS)
    prints: list[complex] = []
    for point in range(2 if names else 1):
        try:
            near = {name: _complex_coordinate(name, index, point) for index, name in enumerate(names)}
            prints.append(complex(float_value(node, near, real=False)))
            continue
        except (ArithmeticError, ValueError):
            pass
        values = {name: _coordinate(context, name, index, point, False) for index, name in enumerate(names)}
        value = _value_or_none(_Values(context, values), node)
        if value is None:
            return None
        try:
            prints.append(complex(value))
        except OverflowError:
            return None
    return tuple(prints) if names else (prints[0], prints[0])


def _differ_as_floats(left: Node, right: Node, names: list[str]) -> bool:
    """Say whether doubles show a difference far beyond their noise; False means that more digits have to tell."""
    is_real = bool(names) and not (_mentions_i(left) or _mentions_i(right))
    if names and not is_real:
        return False
    try:
        for point in range(2 if names else 1):
            values = {name: _float_coordinate(name, point) for name in names}
            first, second = (float_value(node, values, real=is_real) for node in (left, right))
            if abs(first - second) > 1e-6 * max(abs(first), abs(second)):
                return True
    except (ArithmeticError, ValueError):
        return False
    return False


def _float_coordinate(name: str, point: int) -> float:
    """Return a coordinate between 0.5 and 1.75 for a name, with no more bits than a double keeps."""
    return (element(name + str(point)) % 10**9 + 4 * 10**8) / (8 * 10**8)


@lru_cache(maxsize=4096)
def _complex_coordinate(name: str, index: int, point: int) -> complex:
    return complex(_coordinate(_context(DIGITS), name, index, point, False))


def _has_bound(node: Node) -> bool:
    return type(node) is Bound or any(_has_bound(child) for child in children(node))


def _mentions_i(node: Node) -> bool:
    return node == Sym("i") or any(_mentions_i(child) for child in children(node))


def real_value(node: Node) -> float | None:
    """Return a float near the value of a real constant, for ordering interval ends; None if it is not one."""
    if type(node) is Sym and node.name == "oo":
        return float("inf")
    if type(node) is Mul and len(node.factors) == 2 and node.factors[1] == Sym("oo"):
        sign = node.factors[0]
        return float("-inf") if type(sign) is Num and sign.value < 0 else float("inf")
    if symbols(node):
        return None
    try:
        value = _Values(_context(DIGITS), {}).of(node)
        if abs(value.imag) > 1e-20:
            return None
        return float(value.real)
    except (ArithmeticError, ValueError, TypeError, OverflowError):
        return None


def decimal_value(node: Node, digits: int) -> Fraction | None:
    """Return a real constant to about `digits` significant digits as a fraction; None if it is not one."""
    try:
        value = _Values(_context(DIGITS if digits <= DIGITS - 10 else CHECK_DIGITS), {}).of(node)
        if symbols(node) or value.imag or not _context(DIGITS).isfinite(value.real):
            return None
        sign, mantissa, exponent, _ = value.real._mpf_
        if abs(exponent) > 5_000:
            return None
        size = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
        return -size if sign else size
    except (ArithmeticError, ValueError, TypeError, OverflowError):
        return None


def _agree(left: Node, right: Node, values: dict[str, Any], digits: int, *, real: bool) -> bool | None:
    context = _context(digits)
    evaluation = _Values(context, values, real=real)
    first = _value_or_none(evaluation, left)
    second = None if first is None else _value_or_none(evaluation, right)
    if first is None or second is None:
        return None
    size = max(abs(first), abs(second))
    near = max(size * context.mpf(10) ** (10 - digits), evaluation.scale * context.mpf(10) ** (4 - digits))
    return bool(abs(first - second) <= near)


def _value_or_none(evaluation: _Values, node: Node) -> Any:
    try:
        return evaluation.of(node)
    except (ArithmeticError, ValueError, TypeError, OverflowError):
        return None


def _coordinate(context: Any, name: str, index: int, point: int, real: bool) -> Any:
    seed = element(name + str(point))
    size = context.mpf(seed % 10**12 + 4 * 10**11) / (4 * 10**11) / 2  # 0.5 to 1.75
    if real:  # signs in turn, magnitudes up to 14: conditions such as x > 2 hold at some points
        sign = 1 if point < 2 or seed >> 64 & 1 else -1
        return sign * size * (1, 1, 1, 4, 1, 2, 8, 4, 1, 2)[point % 10]
    other = context.mpf(seed // 10**12 % 10**12 + 2 * 10**11) / (8 * 10**11)
    quadrant = (point + index) % 4
    return context.mpc(size if quadrant in (0, 3) else -size, other if quadrant < 2 else -other)


class _Values:
    """Evaluates nodes at one point; `scale` is the largest term ever added, which bounds the rounding noise."""

    def __init__(self, context: Any, values: dict[str, Any], *, real: bool = False) -> None:
        self.real = real
        self.context = context
        self.values = values
        self.scale = context.mpf(0)
        self.weight = 1 + context.dps // 40  # what a step costs, next to one with 30 digits
        self.tiny_is_zero = False

    def of(self, node: Node) -> Any:
        spend(self.weight)
        context = self.context
        if isinstance(node, Num):
            value = context.mpf(node.value.numerator)
            return value if node.value.denominator == 1 else value / node.value.denominator
        if isinstance(node, Sym):
            return self._symbol(node.name)
        if isinstance(node, Add):
            total = context.mpf(0)
            for term in node.terms:
                value = self.of(term)
                self.scale = max(self.scale, abs(value))
                total += value
            return total
        if isinstance(node, Mul):
            product = context.mpf(1)
            for factor in node.factors:
                product *= self.of(factor)
            return product
        if isinstance(node, Pow):
            return self._power(self.of(node.base), self.of(node.exponent))
        if isinstance(node, Call):
            return self._call(node.name, [self.of(arg) for arg in node.args])
        if isinstance(node, Bound):
            return self._bound(node)
        raise NoValueError("a structure has no value")

    def _symbol(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        match name:
            case "pi":
                return +self.context.pi
            case "e":
                return +self.context.e
            case "i":
                return self.context.mpc(0, 1)
        raise NoValueError(f"{name} has no value")

    def _at(self, node: Bound, value: Any, context: Any) -> Any:
        """Evaluate the body of a bound expression where its variable has this value."""
        spend(8)
        inner = _Values(context, {**self.values, node.name: value}, real=self.real)
        inner.tiny_is_zero = node.kind == "int"  # e^{-x^2} far out
        return inner.of(node.body)

    def _bound(self, node: Bound) -> Any:
        if node.kind == "int":
            return self._integral(node)
        if node.kind == "lim":
            return self._limit(node)
        places = bound_range(node)
        if places is None:
            raise NoValueError("a sum without end")
        total = self.context.mpf(0 if node.kind == "sum" else 1)
        for place in places:
            value = self._at(node, self.context.mpf(place), self.context)
            total = total + value if node.kind == "sum" else total * value
        return total

    def _end(self, node: Node) -> Any:
        context = self.context
        if node == Sym("oo"):
            return context.inf
        if isinstance(node, Mul) and node.factors[-1] == Sym("oo") and len(node.factors) == 2:
            return -context.inf
        return self.of(node)

    def _integral(self, node: Bound) -> Any:
        context = self.context
        low, high = self._end(node.low), self._end(node.high)
        value, error = context.quad(lambda place: self._at(node, place, context), [low, high], error=True, maxdegree=6)
        if not context.isfinite(value) or error > context.mpf(10) ** (8 - DIGITS) * (1 + abs(value)):
            raise NoValueError("an integral is not certain")
        return value

    def _limit(self, node: Bound) -> Any:
        """Return the value near the limit's place, if it moves there as a smooth function does; else raise."""
        context = _context(LIMIT_DIGITS)
        ten = context.mpf(10)
        place = self._end(node.low)
        if context.isinf(place):
            sign = 1 if place > 0 else -1
            near, far, other = self._at(node, sign * ten**15, context), self._at(node, sign * ten**30, context), None
        else:
            near, far, other = (self._at(node, place + step, context) for step in (ten**-15, ten**-30, -(ten**-30)))
        if abs(near - far) > ten**-13 * (1 + abs(far)) or (
            other is not None and abs(far - other) > ten**-22 * (1 + abs(far))
        ):
            raise NoValueError("a limit is not certain")
        self.scale = max(self.scale, self.context.convert(abs(far)) + 1)
        return self.context.convert(far)

    def _power(self, base: Any, exponent: Any) -> Any:
        if base == 0:
            if exponent.real > 0:
                return self.context.mpf(0)
            raise NoValueError("a divisor is zero")
        size = abs(base)
        if abs(exponent) > MAX_MAGNITUDE or abs(exponent) * abs(self.context.mag(size)) > MAX_MAGNITUDE:
            if self.tiny_is_zero and (size > 2) == (exponent.real < 0) and not 0.5 < size < 2:
                return self.context.mpf(0)
            # (1 + 1/n)^n for a large n: the logarithm is below twice the distance from 1
            if not (size > 0.5 and abs(exponent) * abs(base - 1) * 2 <= MAX_MAGNITUDE):
                raise NoValueError("a power is too large")
        if self.real and base < 0 and exponent != int(exponent):
            raise NoValueError("a root of a negative number")
        return self.context.power(base, exponent)

    def _call(self, name: str, args: list[Any]) -> Any:
        context = self.context
        spend(60 if name in ("factorial", "binom", "permutations", "double_factorial") else 10 * self.weight)
        first = args[0]
        if self.real and (
            (name == "ln" and first <= 0)
            or (name in ("arcsin", "arccos") and abs(first) > 1)
            or (name in ("arcsec", "arccsc") and abs(first) < 1)
        ):
            raise NoValueError("not real here")
        if name in ("factorial", "binom", "permutations", "double_factorial", "Gamma") and any(
            abs(arg) > MAX_GAMMA for arg in args
        ):
            raise NoValueError("a factorial is too large")
        if name in ("Gamma", "zeta", "erf"):
            return self._special(name, first)
        if name in ("factorial", "binom"):
            return context.factorial(first) if name == "factorial" else context.binomial(*args)
        if name in _OF_ANGLES and abs(first) > 10**6:
            raise NoValueError("an angle is too large")
        if name in _FUNCTIONS:
            return getattr(context, _FUNCTIONS[name])(first)
        match name:
            case "ln":
                return context.ln(first)
            case "abs" | "norm":
                return abs(first)
            case "sign":
                return context.sign(first)
            case "permutations":
                return context.binomial(*args) * context.factorial(args[1])
            case "double_factorial":
                return context.fac2(first)
            case "percent":
                return first / 100
            case "deg":
                return first * context.pi / 180
            case "root":
                return self._root(first, args[1])
            case "floor" | "ceil":
                return getattr(context, name)(first.real)
            case "max" | "min":
                return (max if name == "max" else min)(arg.real for arg in args)
        # An unknown function is one fixed function of its arguments, rounded so that noise does not change it.
        rounded = [context.nstr(arg, 15) for arg in args]
        return context.mpf(element(f"{name} {rounded}") % 10**15) / 10**15 + 1

    def _special(self, name: str, argument: Any) -> Any:
        """Return gamma, zeta or the error function of a small real number; far out they cost more than they tell."""
        spend(200 * self.weight)
        if argument.imag or abs(argument) > (MAX_GAMMA if name == "Gamma" else MAX_SPECIAL):
            raise NoValueError(f"{name} is not worked out there")
        return getattr(self.context, name.lower())(argument)

    def _root(self, base: Any, degree: Any) -> Any:
        whole = int(degree.real)
        if whole != degree or whole == 0:
            return self._power(base, 1 / degree)
        if base.imag == 0 and base.real < 0 and whole % 2:
            return -self._power(-base.real, self.context.mpf(1) / whole)
        return self._power(base, self.context.mpf(1) / whole)


_OF_ANGLES = frozenset((*TRIGONOMETRIC, "sinh", "cosh", "tanh", "sech", "csch", "coth"))
_FUNCTIONS = {name: name for name in _OF_ANGLES} | {f"arc{name}": f"a{name}" for name in TRIGONOMETRIC}
