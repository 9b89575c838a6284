"""Read a value with its unit for the parser."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from mathstrap.verify.latex import raw_group
from mathstrap.verify.nodes import Call, Mul, Node, NotMathError, Num, Quantity, Sym
from mathstrap.verify.words import DEGREE_WORDS, MAGNITUDES, NOT_A_UNIT, PERCENT_WORDS, UNITS

if TYPE_CHECKING:
    from mathstrap.verify.parse import Parser


def read_quantity(parser: Parser) -> Node:
    """Read a value and the words after it: a unit, a magnitude, percent or degrees. Raises NotMathError for others."""
    value = parser.ratio()
    unit = _unit_phrase(parser)
    if not unit:
        return value
    first = unit.split()[0]
    if first in MAGNITUDES:
        value, unit = Mul((Num(Fraction(MAGNITUDES[first])), value)), unit[len(first) :].strip()
    words = set(unit.split())
    if not words <= UNITS and _is_letters(value):
        raise NotMathError("words follow a word")  # "red blue" is no red with a unit
    if words & NOT_A_UNIT:
        raise NotMathError("the words after the value say more than a unit")
    if words & PERCENT_WORDS:
        return Call("percent", (value,))
    if unit in DEGREE_WORDS:
        return Call("deg", (value,))
    return Quantity(value, unit) if unit else value


def _unit_phrase(parser: Parser) -> str:
    words: list[str] = []
    while True:
        token = parser.peek()
        if token.kind == "text" or (token.kind == "name" and token.text not in ("and", "or")):
            if len(token.text) == 1 and not token.spaced and words and parser.peek(-1).kind == "sign":
                words[-1] += token.text  # the s of m/s
            else:
                words += token.text.lower().replace(".m.", "m").replace(",", " ").replace(".", " ").split()
        elif words and token.text == "^" and (parser.peek(1).text == "{" or parser.peek(1).kind == "number"):
            parser.position += 1
            words[-1] += "^" + raw_group(parser)
            parser.position -= 1
        elif not (token.text == "/" and token.kind == "sign"):
            if words and token.kind == "number":
                raise NotMathError("a number stands among the words after the value")
            return " ".join(words)
        parser.position += 1


def _is_letters(value: Node) -> bool:
    if isinstance(value, Mul):
        return all(isinstance(factor, Sym) for factor in value.factors)
    return isinstance(value, Sym)
