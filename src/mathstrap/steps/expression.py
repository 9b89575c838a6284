"""Parse a line of arithmetic into a tree and evaluate it exactly. Every size is capped and nothing is executed.

The text comes from data files and models. Numbers are fractions; a root or pi makes a float, good to about nine digits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TypeVar

import msgspec

from mathstrap.patterns import regex

TOKEN = regex(
    r"\s*(?:(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+\.?\d*|\.\d+)|(?P<name>[A-Za-z]+|π)|(?P<mark>[-+*/^()%!]))"
)
# Limits on hostile text: without them, one power or factorial would take minutes and gigabytes.
MAX_CHARS = 300
MAX_TOKENS = 200
MAX_DEPTH = 20
MAX_DIGITS = 40
MAX_EXPONENT = 64
MAX_BITS = 2_000
MAX_FACTORIAL = 60
CACHED = 50_000
CONSTANTS = {"pi": math.pi, "π": math.pi}
NEGATIVE_ONE = Fraction(-1)
HUNDRED = Fraction(100)


class NoArithmeticError(ArithmeticError):
    """The text is not arithmetic, is too large, or divides by zero."""


class DividesByZeroError(NoArithmeticError):
    """The text divides by zero."""


class Number(msgspec.Struct, frozen=True):
    """A number as written; `slot` is its place among the expression's numbers from the left, -1 if it is implied."""

    value: Fraction
    slot: int
    decimals: int = 0


class Operation(msgspec.Struct, frozen=True):
    """Two operands and one of + - * / ^."""

    sign: str
    left: Node
    right: Node


class FunctionCall(msgspec.Struct, frozen=True):
    """A square root, a factorial or a binomial coefficient: `sqrt`, `!`, `binom`."""

    name: str
    operands: tuple[Node, ...]


class Name(msgspec.Struct, frozen=True):
    """A constant or a variable."""

    name: str


Node = Number | Operation | FunctionCall | Name


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """The value of an expression; `decimals` is the number of decimals of a single bare number, else None.

    `other` is its value in the second usual reading of a quotient: `1/2x` and `6/2*3` divide by all that follows.
    """

    exact: Fraction | float
    decimals: int | None
    is_percent: bool = False
    tree: Node
    other: Fraction | float | None = None

    @property
    def is_bare(self) -> bool:
        """Whether it is one number and not a calculation."""
        return self.decimals is not None


@dataclass
class _Parser:
    """Recursive descent over tokens; a bracket, a root or a name without an operator before it multiplies.

    `doubtful` is set for expressions with two common readings: `50 + 20%`, `12 / 3 / 2`.
    """

    tokens: Sequence[str]
    tight: bool = False
    at: int = 0
    slot: int = 0
    depth: int = 0
    doubtful: bool = False
    divides_on: bool = False

    def peek(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def sum(self) -> Node:
        left = self.product()
        while self.peek() in ("+", "-"):
            sign = self.take()
            right = self.product()
            if self.tokens[self.at - 1] == "%" and not self.all_percent():
                self.doubtful = True
            left = Operation(sign, left, right)
        return left

    def all_percent(self) -> bool:
        """Say whether every number of the expression is a percentage: `100% - 20%`."""
        tokens = self.tokens
        return all(tokens[i + 1 : i + 2] == ["%"] for i, token in enumerate(tokens) if token[0].isdigit())

    def product(self) -> Node:
        left = self.factor()
        num_divisions = 0
        while True:
            mark = self.peek()
            if mark in ("*", "/"):
                self.at += 1
            elif not (mark == "(" or mark[:1].isalpha()):
                return left
            if mark == "/":
                num_divisions += 1
                self.doubtful |= num_divisions > 1
                left = Operation("/", left, self.denominator())
            else:
                self.divides_on |= num_divisions > 0
                left = Operation("*", left, self.factor())

    def denominator(self) -> Node:
        """Read the denominator after a slash: one factor, or in the tight reading the whole product after it."""
        right = self.factor()
        while self.tight and (self.peek() in ("*", "(") or self.peek()[:1].isalpha()):
            self.at += self.peek() == "*"
            right = Operation("*", right, self.factor())
        return right

    def nested(self, level: Callable[[], Node]) -> Node:
        """Read one level deeper; raises beyond MAX_DEPTH."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NoArithmeticError("nested too deeply")
        node = level()
        self.depth -= 1
        return node

    def factor(self) -> Node:
        if self.peek() == "-":
            self.at += 1
            return Operation("*", Number(NEGATIVE_ONE, -1), self.nested(self.factor))
        if self.peek() == "+":
            self.at += 1
            return self.nested(self.factor)
        node = self.atom()
        if self.peek() == "!":
            self.at += 1
            node = FunctionCall("!", (node,))
            if self.peek() == "!":
                raise NoArithmeticError("a double factorial")
        if self.peek() == "^":
            self.at += 1
            node = Operation("^", node, self.nested(self.factor))
        while self.peek() == "%":
            self.at += 1
            node = Operation("/", node, Number(HUNDRED, -1))
        return node

    def bracket(self) -> Node:
        """Read the content of an opened bracket, and the sign that closes it."""
        node = self.nested(self.sum)
        if self.take() != ")":
            raise NoArithmeticError("a bracket is open")
        return node

    def atom(self) -> Node:
        token = self.take()
        if token == "(":  # noqa: S105 - a bracket
            return self.bracket()
        if token in ("sqrt", "binom"):
            return self.call(token)
        if token[:1].isalpha():
            return Name(token)
        if not token or not (token[0].isdigit() or token[0] == "."):
            raise NoArithmeticError("expected a number")
        number = self.number(token)
        if token.isdigit() and self.peek().isdigit() and self.peek(1) == "/" and self.peek(2).isdigit():
            top, _, bottom = self.take(), self.take(), self.take()  # a mixed number: 1 1/2
            if int(bottom) <= int(top):
                raise NoArithmeticError("two numbers side by side")
            return Operation("+", number, Operation("/", self.number(top), self.number(bottom)))
        return number

    def call(self, name: str) -> Node:
        """Read the operands of a root, `sqrt(2)`, or of a binomial coefficient, `binom(5)(2)`."""
        operands = []
        for _ in range(2 if name == "binom" else 1):
            if self.take() != "(":
                raise NoArithmeticError("a function of what?")
            operands.append(self.bracket())
        return FunctionCall(name, tuple(operands))

    def number(self, token: str) -> Number:
        self.slot += 1
        return number_of(token, self.slot - 1)


def number_of(token: str, slot: int) -> Number:
    """Return a number as it is written, without separators: `12`, `1.50`, `.5`."""
    if token.isdigit() and token.isascii():  # takes a third of the time of Fraction's own parser
        return Number(Fraction(int(token)), slot)
    whole, _, part = token.partition(".")
    return Number(Fraction(int(whole + part), 10 ** len(part)), slot, len(part))


def tokenize(text: str) -> list[str]:
    """Return the numbers (without separators), names and marks of an expression; empty if it has anything else."""
    tokens: list[str] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None or len(tokens) >= MAX_TOKENS:
            return []
        number = match["number"]
        if number is not None:
            if len(number) > MAX_DIGITS:
                return []
            tokens.append(number.replace(",", ""))
        else:
            tokens.append(match["name"] or match["mark"])
        position = match.end()
    return tokens


_SPELLED = str.maketrans({"×": "*", "·": "*", "÷": "/", "$": None})
_TIMES = regex(r"(?<=[\d)%])\s*x\s*(?=[\d($.])")


def parse_expression(text: str) -> Node | None:
    """Return the tree of numbers, + - * / %, and brackets (x, ×, ÷ too); None if it is anything else."""
    if len(text) > 10 * MAX_CHARS:
        return None
    tokens = tokenize(_TIMES.sub("*", text.translate(_SPELLED)))
    if not tokens or any(mark in "^!" or mark[0].isalpha() for mark in tokens):
        return None
    parser = _Parser(tokens)
    try:
        tree = parser.sum()
    except NoArithmeticError:
        return None
    return tree if parser.at == len(tokens) else None


def numbers_in(node: Node) -> list[Fraction]:
    """Return the numbers written in an expression, from the left; the index is the number's slot."""
    return [number.value for number in written_numbers(node)]


def written_numbers(node: Node) -> list[Number]:
    """Return the numbers written in an expression as leaves of its tree, from the left."""
    if isinstance(node, Number):
        return [node] if node.slot >= 0 else []
    if isinstance(node, Operation):
        return written_numbers(node.left) + written_numbers(node.right)
    operands = node.operands if isinstance(node, FunctionCall) else ()
    return [number for part in operands for number in written_numbers(part)]


T = TypeVar("T", float, Fraction)


def evaluate(node: Node, values: Sequence[T]) -> T | None:
    """Return the value with `values` for its written numbers, from the left; None if it divides by zero.

    Fractions give an exact fraction, floats a float. Only + - * / are evaluated; anything else gives None.
    """
    if isinstance(node, Number):
        return values[node.slot] if node.slot >= 0 else type(values[0])(node.value)
    if not isinstance(node, Operation):
        return None
    left, right = evaluate(node.left, values), evaluate(node.right, values)
    if left is None or right is None or node.sign == "^":
        return None
    if node.sign == "+":
        return left + right
    if node.sign == "-":
        return left - right
    if node.sign == "*":
        return left * right
    return left / right if right else None


Known = Mapping[str, Fraction | float]
NOTHING: Known = {}


def compute(node: Node, known: Known = NOTHING, moved: Mapping[int, Fraction] | None = None) -> Fraction | float:
    """Return the value of a tree, exact if possible; `known` gives variables, `moved` replaces numbers by slot.

    Raises NoArithmeticError for an unknown name, a division by zero, or a value of thousands of digits.
    """
    if isinstance(node, Number):
        return node.value if moved is None else moved.get(node.slot, node.value)
    if isinstance(node, Name):
        value = known.get(node.name, CONSTANTS.get(node.name))
        if value is None:
            raise NoArithmeticError(f"{node.name} is not known")
        return value
    if isinstance(node, FunctionCall):
        return _call(node.name, [compute(part, known, moved) for part in node.operands])
    left, right = compute(node.left, known, moved), compute(node.right, known, moved)
    if node.sign == "+":
        return _capped(left + right)
    if node.sign == "-":
        return _capped(left - right)
    if node.sign == "*":
        return _capped(left * right)
    if node.sign == "/":
        if not right:
            raise DividesByZeroError("division by zero")
        return _capped(left / right)
    return _power(left, right)


def _power(base: Fraction | float, exponent: Fraction | float) -> Fraction | float:
    if isinstance(exponent, float) or abs(exponent) > MAX_EXPONENT or (base == 0 and exponent < 0):
        raise NoArithmeticError("not a small rational power")
    try:
        if exponent.denominator == 1:
            return _capped(base ** int(exponent))
        if base < 0:
            raise NoArithmeticError("a root of a negative number")
        return _real(float(base) ** float(exponent))
    except OverflowError:
        raise NoArithmeticError("too large") from None


def _call(name: str, operands: list[Fraction | float]) -> Fraction | float:
    first = operands[0]
    if name == "sqrt":
        if first < 0:
            raise NoArithmeticError("a root of a negative number")
        if isinstance(first, Fraction):
            top, bottom = math.isqrt(first.numerator), math.isqrt(first.denominator)
            if top * top == first.numerator and bottom * bottom == first.denominator:
                return Fraction(top, bottom)
        return _real(math.sqrt(first))
    if any(isinstance(value, float) or value.denominator != 1 or not 0 <= value <= MAX_FACTORIAL for value in operands):
        raise NoArithmeticError("not a small whole number")
    whole = [int(value) for value in operands]
    return Fraction(math.factorial(whole[0]) if name == "!" else math.comb(whole[0], whole[1]))


def _real(value: float) -> float:
    if not math.isfinite(value):
        raise NoArithmeticError("too large")
    return value


def _capped(value: Fraction | float) -> Fraction | float:
    if isinstance(value, float):
        return _real(value)
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise NoArithmeticError("too large")
    return value


def value_of(text: str) -> Value | None:
    """Return the value of an expression in numbers, + - * / ^ % !, brackets, roots and pi; None for anything else.

    Also None for expressions with two common readings: `50 + 20%`, `12 / 3 / 2`.
    """
    return None if len(text) > MAX_CHARS else _value_of(text)


# A number, or an operator between two: most sides are one of these, so this fast path avoids the parser.
_USUAL = regex(r"(\d{1,18}(?:\.\d{1,12})?)(?:([-+*/])(\d{1,18}(?:\.\d{1,12})?))?", re.ASCII)


@lru_cache(maxsize=CACHED)
def _value_of(text: str) -> Value | None:
    usual = _USUAL.fullmatch(text)
    if usual is not None:
        left = number_of(usual[1], 0)
        if usual[2] is None:
            return Value(exact=left.value, decimals=left.decimals, tree=left)
        tree = Operation(usual[2], left, number_of(usual[3], 1))
        try:
            return Value(exact=compute(tree), decimals=None, tree=tree)
        except NoArithmeticError:
            return None
    tokens = tokenize(text)
    parsed = parse_tokens(tokens)
    if parsed is None:
        return None
    node, divides_on = parsed
    try:
        exact = compute(node)
        other = None
        if divides_on:
            tight = parse_tokens(tokens, tight=True)
            other = compute(tight[0]) if tight is not None else None
    except NoArithmeticError:
        return None
    except (OverflowError, ZeroDivisionError):
        return None
    bare, is_percent = tokens, False
    while len(bare) > 1:
        if bare[0] == "(" and bare[-1] == ")":
            bare = bare[1:-1]
        elif bare[0] == "-":
            bare = bare[1:]
        elif bare[-1] == "%" and not is_percent:
            bare, is_percent = bare[:-1], True
        else:
            break
    decimals = len(bare[0].partition(".")[2]) if len(bare) == 1 and bare[0][0] in "0123456789." else None
    return Value(exact=exact, decimals=decimals, is_percent=is_percent, tree=node, other=other)


def parse_tokens(tokens: Sequence[str], *, tight: bool = False) -> tuple[Node, bool] | None:
    """Return the tree of tokens, and whether a product follows a slash; None if the reading is doubtful."""
    if not tokens:
        return None
    parser = _Parser(tokens, tight)
    try:
        tree = parser.sum()
    except NoArithmeticError:
        return None
    return None if parser.at < len(tokens) or parser.doubtful else (tree, parser.divides_on)


def plain_number(text: str) -> Fraction | None:
    """Return a plain decimal number, with optional thousands separators and dollar sign; None for anything else."""
    bare = text.strip().replace(",", "").replace("$", "").removesuffix(".")
    if len(bare) > 20 or not re.fullmatch(r"-?(?:\d+\.?\d*|\.\d+)", bare):
        return None
    return Fraction(bare)


def as_fraction(text: str) -> Fraction | None:
    """Return the value of a number as answers write it (1,200; $3.50; 20%; 3/4); None for any other or longer text."""
    above, slash, below = re.sub(r"[,$€£\s]", "", text).rstrip("%.").partition("/")
    value = plain_number(above)
    if value is None or (slash and not re.fullmatch(r"[1-9]\d{0,11}", below)):
        return None
    return value / int(below or 1)


def canonical_number(text: str) -> str:
    """Return a number without separators and superfluous zeros: `1,250.50` and `1250.5` are the same."""
    text = text.replace(",", "")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
        return "0" + text if text.startswith(".") else text or "0"
    return text.lstrip("0") or "0" if text[0] == "0" else text
