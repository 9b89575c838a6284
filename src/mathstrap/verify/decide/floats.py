"""Evaluate an expression with doubles, where they can be trusted: quick enough to look before 30 digits are computed.

A value is good to about nine digits. Where that cannot be promised (a sum that cancels, a large angle, a step function)
there is none, and the caller has to compute with more digits.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Mapping

from mathstrap.verify.decide.effort import spend
from mathstrap.verify.read.nodes import Add, Call, Mul, Node, Num, Pow, Sym

MAX_ANGLE = 1e4
MAX_COMPLEX = 100.0
MAX_EXPONENT = 300.0
_CANCELS = 1e-5  # a sum this much smaller than its largest term has lost too many digits
_MAX_BITS = 900

Value = float | complex


class NoFloatError(ArithmeticError):
    """There is no double for this value, or none that is good to nine digits."""


def float_value(node: Node, values: Mapping[str, Value], *, real: bool) -> Value:
    """Return a double, or a complex one, near the value of an expression; raises ArithmeticError or ValueError.

    With `real`, every part has to be real: the root of a negative number has no value.
    """
    spend(1)
    if type(node) is Num:
        value = node.value
        top, bottom = value.numerator, value.denominator
        if bottom == 1 and -(2**53) < top < 2**53:
            return float(top)
        if top.bit_length() > _MAX_BITS or bottom.bit_length() > _MAX_BITS:
            raise NoFloatError("a number is too large")
        return float(value)
    if type(node) is Sym:
        return _symbol(node.name, values, real)
    if type(node) is Add:
        total: Value = 0.0
        largest = 0.0
        for term in node.terms:
            part = float_value(term, values, real=real)
            largest = max(largest, abs(part))
            total += part
        if abs(total) < largest * _CANCELS:
            raise NoFloatError("a sum cancels")
        return total
    if type(node) is Mul:
        product: Value = 1.0
        for factor in node.factors:
            product *= float_value(factor, values, real=real)
        return product
    if type(node) is Pow:
        base = float_value(node.base, values, real=real)
        exponent = float_value(node.exponent, values, real=real)
        return _power(base, exponent, real)
    if type(node) is Call:
        return _call(node, values, real)
    raise NoFloatError("a structure has no value")


def _symbol(name: str, values: Mapping[str, Value], real: bool) -> Value:
    if name in values:
        return values[name]
    if name == "pi":
        return math.pi
    if name == "e":
        return math.e
    if name == "i" and not real:
        return 1j
    raise NoFloatError("a name has no value")


def _power(base: Value, exponent: Value, real: bool) -> Value:
    if not base:
        if isinstance(exponent, float) and exponent > 0:
            return 0.0
        raise NoFloatError("a divisor is zero")
    if abs(exponent) > MAX_EXPONENT or abs(exponent) * abs(math.log(abs(base))) > MAX_EXPONENT:
        raise NoFloatError("a power is too large")
    if isinstance(base, float) and isinstance(exponent, float) and (base > 0 or exponent.is_integer()):
        return float(base**exponent)
    if real:
        raise NoFloatError("a root of a negative number")
    return cmath.exp(exponent * cmath.log(base))


_COMPLEX: dict[str, Callable[[complex], complex]] = {
    name: getattr(cmath, name) for name in ("sin", "cos", "sinh", "cosh")
}
_REAL: dict[str, Callable[[float], float]] = {
    **{name: getattr(math, name) for name in ("sin", "cos", "sinh", "cosh", "tanh")},
    "arctan": math.atan,
    "arcsin": math.asin,
    "arccos": math.acos,
    "ln": math.log,
}


def _call(node: Call, values: Mapping[str, Value], real: bool) -> Value:
    spend(2)
    if len(node.args) != 1:
        raise NoFloatError("more than one argument")
    argument = float_value(node.args[0], values, real=real)
    name = node.name
    if name == "abs":
        return abs(argument)
    if name == "percent":
        return argument / 100
    if name == "deg":
        return argument * math.pi / 180
    if type(argument) is complex and name in _COMPLEX and abs(argument) < MAX_COMPLEX:
        return _COMPLEX[name](argument)
    function = _REAL.get(name)
    if function is None or not isinstance(argument, float) or abs(argument) > MAX_ANGLE:
        raise NoFloatError("not with doubles")
    if name in ("arcsin", "arccos") and abs(argument) > 0.999:
        raise NoFloatError("steep there")
    if name == "ln" and argument <= 0:
        raise NoFloatError("a logarithm of a negative number")
    result = function(argument)
    if name in ("sin", "cos", "ln") and abs(result) < _CANCELS:
        raise NoFloatError("a value close to zero has lost its digits")
    return result
