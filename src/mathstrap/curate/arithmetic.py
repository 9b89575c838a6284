"""Evaluate plain arithmetic exactly. Made for text a model wrote: every size is capped and nothing is executed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

TOKEN = re.compile(r"\s*(?:(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*|\.\d+)|(?P<mark>[-+*/^()%]))")
MAX_CHARS = 300
MAX_TOKENS = 80
MAX_DEPTH = 20
MAX_DIGITS = 40
MAX_EXPONENT = 64
MAX_BITS = 2_000


class NoValueError(ArithmeticError):
    """The text is not arithmetic, is too large, or divides by zero."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """What an expression comes to; `decimals` is how many it shows if it is one bare number, else None."""

    exact: Fraction
    decimals: int | None
    is_percent: bool = False


def evaluate(text: str) -> Value | None:
    """Return the exact value of numbers, + - * / ^, brackets, percentages and mixed numbers; None for all else."""
    return None if len(text) > MAX_CHARS else _evaluate(text)


@lru_cache(maxsize=50_000)
def _evaluate(text: str) -> Value | None:
    tokens = tokenize(text)
    if not tokens:
        return None
    parser = Parser(tokens)
    try:
        exact = parser.sum()
    except NoValueError:
        return None
    if parser.position < len(tokens):
        return None
    signless = tokens[1:] if tokens[0] == "-" else tokens
    is_percent = signless[-1] == "%"
    bare = signless[:-1] if is_percent else signless
    decimals = len(bare[0].partition(".")[2]) if len(bare) == 1 else None
    return Value(exact=exact, decimals=decimals, is_percent=is_percent)


def tokenize(text: str) -> list[str]:
    """Return the numbers (no separators) and marks of an expression; empty if it holds anything else or is too long."""
    tokens: list[str] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None or len(tokens) >= MAX_TOKENS:
            return []
        number = match["number"]
        if number is not None and len(number) > MAX_DIGITS:
            return []
        tokens.append(match["mark"] if number is None else number.replace(",", ""))
        position = match.end()
    return tokens


def agree(left: Value, right: Value) -> bool:
    """Say whether two sides of an equation are equal, as exactly as the shorter one is written.

    `10/3 = 3.33` and `10/3 = 3.34` are true to their last decimal; `10/3 = 3` is not, because nothing says that it
    is rounded. A percent sign on one side may be the unit: `5/20*100 = 25%` is true.
    """
    if left.exact == right.exact:
        return True
    pairs = [(left.exact, right.exact)]
    if left.is_percent != right.is_percent:
        scaled, other = (left, right) if left.is_percent else (right, left)
        pairs.append((scaled.exact * 100, other.exact))
    for shown in (left, right):
        unit = Fraction(1, 10**shown.decimals) if shown.decimals else Fraction(0)
        for first, second in pairs:
            scale = 100 if shown.is_percent and (first, second) == pairs[0] else 1
            if abs(first - second) * scale <= unit:
                return True
    return False


class Parser:
    """Recursive descent over tokens; a bracket or a power without a sign before it multiplies."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0

    def peek(self, ahead: int = 0) -> str:
        """Return a coming token, or nothing at the end."""
        place = self.position + ahead
        return self.tokens[place] if place < len(self.tokens) else ""

    def take(self) -> str:
        """Return the next token and move past it."""
        token = self.peek()
        self.position += 1
        return token

    def sum(self) -> Fraction:
        """Read terms joined by + and -; `50 + 20%` has two readings and no value."""
        value = self.product()
        while self.peek() in ("+", "-"):
            sign = 1 if self.take() == "+" else -1
            term = self.product()
            if self.tokens[self.position - 1] == "%" and not self.all_percent():
                raise NoValueError("a percentage of what?")
            value = capped(value + sign * term)
        return value

    def all_percent(self) -> bool:
        """Say whether every number of the expression is a percentage: `100% - 20%`."""
        tokens = self.tokens
        return all(tokens[i + 1 : i + 2] == ["%"] for i, token in enumerate(tokens) if token[0].isdigit())

    def product(self) -> Fraction:
        """Read factors joined by *, / or a bracket; `3 / 1/4` has two readings and no value."""
        value = self.factor()
        num_divisions = 0
        while self.peek() in ("*", "/", "("):
            mark = self.peek()
            if mark != "(":
                self.take()
            num_divisions += mark == "/"
            if num_divisions > 1:
                raise NoValueError("divided by what?")
            factor = self.factor()
            if mark == "/" and factor == 0:
                raise NoValueError("division by zero")
            value = capped(value / factor if mark == "/" else value * factor)
        return value

    def factor(self) -> Fraction:
        """Read a signed number or bracket, its percent sign and its power."""
        if self.peek() in ("-", "+"):
            sign = -1 if self.take() == "-" else 1
            return sign * self.nested()
        value = self.atom()
        if self.peek() == "^":
            self.take()
            value = power(value, self.nested())
        if self.peek() == "%":
            self.take()
            value /= 100
        return value

    def nested(self) -> Fraction:
        """Read a factor one level down."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NoValueError("nested too deeply")
        value = self.factor()
        self.depth -= 1
        return value

    def atom(self) -> Fraction:
        """Read a number, a mixed number such as `1 1/2`, or a bracket."""
        token = self.take()
        if token == "(":  # noqa: S105 - a bracket
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise NoValueError("nested too deeply")
            value = self.sum()
            self.depth -= 1
            if self.take() != ")":
                raise NoValueError("a bracket is open")
            return value
        if not token or not (token[0].isdigit() or token[0] == "."):
            raise NoValueError("expected a number")
        value = Fraction(token)
        if token.isdigit() and self.peek().isdigit() and self.peek(1) == "/" and self.peek(2).isdigit():
            top, _, bottom = self.take(), self.take(), self.take()
            if int(bottom) <= int(top):
                raise NoValueError("two numbers side by side")
            value += Fraction(int(top), int(bottom))
        return value


def power(base: Fraction, exponent: Fraction) -> Fraction:
    """Return an integer power; raises NoValueError for others and for large ones."""
    if exponent.denominator != 1 or abs(exponent) > MAX_EXPONENT or (base == 0 and exponent < 0):
        raise NoValueError("not an integer power")
    return capped(base ** int(exponent))


def capped(value: Fraction) -> Fraction:
    """Return the value, or raise NoValueError if it has thousands of digits."""
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise NoValueError("too large")
    return value
