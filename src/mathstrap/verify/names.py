"""Read numerals, names, subscripts and what follows a caret, for the parser."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from mathstrap.verify.latex import FUNCTIONS, raw_group, read_command, read_fraction
from mathstrap.verify.nodes import INFINITY, Based, Call, Mul, Node, NotMathError, Num, Pow, Sym
from mathstrap.verify.tokens import Token
from mathstrap.verify.words import NUMBER_WORDS

if TYPE_CHECKING:
    from mathstrap.verify.parse import Parser

_NOT_MATHS_NAMES = frozenset({"nan", "NaN", "yes", "no", "Yes", "No", "odd", "all", "any", "if", "NA"})
MAX_EXPONENT = 2000
_ARC_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}


def read_number(parser: Parser, token: Token) -> Node:
    """Read a numeral with what belongs to it: exponent, repeating digits, space-grouped thousands, a mixed fraction."""
    text = token.text
    nxt = parser.peek()
    while nxt.kind == "number" and nxt.spaced and len(nxt.text) == 3 and nxt.text.isdigit() and _is_group(text):
        text += nxt.text
        parser.position += 1
        nxt = parser.peek()
    if nxt.kind == "sign" and nxt.text == "." and not nxt.spaced:
        following = parser.peek(1)
        if following.text in ("overline", "dot") and not following.spaced:
            parser.position += 1
            nxt = following
        elif following.kind == "end" or following.spaced or following.kind == "command":
            parser.position += 1  # the full stop of `5.`
            nxt = parser.peek()
    if nxt.text in ("overline", "bar", "dot") and not nxt.spaced:
        return _read_repeating(parser, text)
    value = Num(Fraction(text), len(text.partition(".")[2]))
    if nxt.kind == "name" and not nxt.spaced and nxt.text in ("st", "nd", "rd", "th") and text.isdigit():
        parser.position += 1
        return Num(Fraction(text))
    if nxt.kind == "name" and not nxt.spaced and nxt.text in ("e", "E"):
        return _read_scientific(parser, value)
    if text.isdigit():
        return _read_mixed(parser, value)
    return value


def _is_group(text: str) -> bool:
    return (
        text.isdigit() and (len(text) <= 3 or len(text) % 3 == 0 or len(text) % 3 + 3 <= len(text)) and len(text) < 30
    )


def _read_repeating(parser: Parser, text: str) -> Node:
    parser.position += 1
    digits = raw_group(parser)
    if not digits.isdigit() or len(digits) > 50:
        raise NotMathError("the repeating part of a decimal must be digits")
    whole, _, decimals = text.partition(".")
    scale = 10 ** len(decimals)
    return Num(Fraction(int(whole + decimals), scale) + Fraction(int(digits), scale * (10 ** len(digits) - 1)))


def _read_scientific(parser: Parser, value: Num) -> Node:
    sign, offset = 1, 1
    if parser.peek(1).text in ("-", "+") and not parser.peek(1).spaced:
        sign, offset = (-1 if parser.peek(1).text == "-" else 1), 2
    digits = parser.peek(offset)
    after = parser.peek(offset + 1)
    if digits.kind != "number" or digits.spaced or not digits.text.isdigit() or len(digits.text) > 12:
        return value
    if after.kind == "name" and not after.spaced:  # 4e+7p is a sum of two products
        return value
    parser.position += offset + 1
    exponent = sign * int(digits.text)
    if abs(exponent) > MAX_EXPONENT:
        return Mul((value, Pow(Num(Fraction(10)), Num(Fraction(exponent)))))
    return Num(value.value * Fraction(10) ** exponent, max(value.decimals - exponent, 0))


def _read_mixed(parser: Parser, whole: Num) -> Node:
    r"""Read `2\frac{1}{2}` and `2 1/2` as two and a half; anything else leaves the cursor and the number alone."""
    first = parser.peek()
    if first.kind == "command" and first.text in ("frac", "dfrac", "tfrac", "cfrac"):
        start = parser.position
        after = start >= 2 and parser.tokens[start - 2].text in ("^", "/", "*")
        if not after and _is_digits_fraction(parser):
            parser.position += 1
            part = read_fraction(parser)
            if isinstance(part, Num) and 0 < part.value < 1 and parser.peek().text not in ("^", "_"):
                return Num(whole.value + part.value)
            parser.position = start
    elif first.kind == "number" and first.spaced and first.text.isdigit() and parser.peek(1).text == "/":
        bottom = parser.peek(2)
        if bottom.kind == "number" and bottom.text.isdigit() and 0 < int(first.text) < int(bottom.text):
            parser.position += 3
            return Num(whole.value + Fraction(int(first.text), int(bottom.text)))
    return whole


def _is_digits_fraction(parser: Parser) -> bool:
    r"""Say whether `\frac` is followed by numerals alone; looking ahead only, so that nothing is parsed twice."""
    ahead = 1
    for _ in range(2):
        braced = parser.peek(ahead).text == "{"
        token = parser.peek(ahead + braced)
        if token.kind != "number" or (braced and parser.peek(ahead + 2).text != "}"):
            return False
        if not braced and len(token.text) == 2 and ahead == 1:  # `\frac12`
            return token.text.isdigit()
        ahead += 3 if braced else 1
    return True


def read_name(parser: Parser, token: Token) -> Node:
    """Read a run of letters: a function, a constant, a label before `=` or `:`, or a product of variables."""
    name = token.text
    if name in FUNCTIONS or name in _ARC_NAMES:
        return read_command(parser, _ARC_NAMES.get(name, name))
    nxt = parser.peek()
    if len(name) == 1:
        mark = _function_mark(parser) if name in "fghFGH" else ""
        if mark:
            name, nxt = name + mark, parser.peek()
        if nxt.text == "(" and not nxt.spaced and (name[0] in "fghFGH" or _is_head(parser)):
            parser.position += 1
            args = parser.items()
            parser.expect(")")
            return Call(name, args)
        return Sym(name)
    if nxt.text in ("=", ":") and nxt.kind == "sign":
        return Sym(name)
    number = NUMBER_WORDS.get(name.lower()) if len(parser.tokens) == 1 else None
    if number is not None:
        return Num(Fraction(number))
    if name == "oo" or name.lower() in ("inf", "infinity"):
        return INFINITY
    if nxt.text == "_" and name.isupper():
        return Sym(name)
    if len(name) > 3 or name in _NOT_MATHS_NAMES:
        raise NotMathError(f"cannot read the word {name[:20]!r}")
    parser.position -= 1
    split_name(parser)
    return read_name(parser, parser.take())


def split_name(parser: Parser) -> None:
    """Replace the next token, a run of letters, by one token per letter: `xy^2` is x times y^2."""
    token = parser.peek()
    letters = [Token("name", letter, token.spaced and not index) for index, letter in enumerate(token.text)]
    parser.tokens[parser.position : parser.position + 1] = letters


def _function_mark(parser: Parser) -> str:
    """Consume the primes of `f''(x)` or the minus one of `f^{-1}(x)`, if an argument follows; return them."""
    texts = [parser.peek(ahead).text for ahead in range(6)]
    if texts == ["^", "{", "-", "1", "}", "("]:
        parser.position += 5
        return "^-1"
    primes = next(index for index, text in enumerate([*texts, ""]) if text != "'")
    if primes and primes < 6 and texts[primes] == "(":
        parser.position += primes
        return "'" * primes
    return ""


def _is_head(parser: Parser) -> bool:
    """Say whether `(`, one name or number, `)`, `=` comes next, as in `T(10) = 2`."""
    return (
        parser.peek(1).kind in ("name", "number")
        and parser.peek(2).text == ")"
        and parser.peek(3).text == "="
        and parser.peek(3).kind == "sign"
    )


def read_subscript(parser: Parser, node: Node) -> Node:
    """Read `_...` after a node: a base after a numeral, else a part of the name."""
    start = parser.position
    parser.position += 1
    subscript = raw_group(parser)
    if type(node) is Num:
        base = NUMBER_WORDS.get(subscript.lower(), int(subscript) if subscript.isdigit() and len(subscript) < 3 else 0)
        if not 2 <= base <= 36 or parser.tokens[start - 1].kind != "number":
            raise NotMathError("the base of a numeral must be from 2 to 36")
        digits = parser.tokens[start - 1].text
        return Based(digits.lstrip("0") or "0", base)
    if type(node) is Sym:
        return Sym(f"{node.name}_{subscript}")
    raise NotMathError("a subscript stands after something that is not a name")


def read_mark(parser: Parser) -> str:
    r"""Read what stands after `^` and is no exponent: `deg`, `prime`, `ordinal`; "" leaves the cursor alone."""
    first = parser.peek()
    braced = first.text == "{" and first.kind == "sign"
    inner = parser.peek(1) if braced else first
    mark = ""
    if (inner.kind == "command" and inner.text in ("circ", "degree")) or (
        inner.kind == "name" and inner.text == "o" and parser.peek(-2).kind == "number"
    ):
        mark = "deg"
    elif inner.kind == "command" and inner.text == "prime":
        mark = "prime"
    elif inner.kind in ("text", "name") and inner.text in ("th", "st", "nd", "rd"):
        mark = "ordinal"
    if mark and braced:
        if parser.peek(2).text != "}":
            return ""
        parser.position += 3
    elif mark:
        parser.position += 1
    return mark
