"""Parse an answer into nodes by recursive descent over tokens. Nothing is evaluated and nothing is executed.

Loosest to tightest: list, relation, ratio, union, sum, product, power, postfix, atom. Names, numerals and LaTeX
commands are part of the same grammar, in the second half of this file, since each of them reads arguments through it.
Depth, tokens and digits are capped, so the work is bounded by the length of the text.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Literal

from mathstrap.verify.read.nodes import (
    EMPTY,
    HALF,
    INFINITY,
    Add,
    Based,
    Call,
    Group,
    Matrix,
    Mul,
    Node,
    NotMathError,
    Num,
    PlusMinus,
    Pow,
    Quantity,
    Ratio,
    Relation,
    Sym,
    Union,
    divide,
    negate,
)
from mathstrap.verify.read.tokens import END, Token, tokenize
from mathstrap.verify.read.words import DEGREE_WORDS, MAGNITUDES, NOT_A_UNIT, NUMBER_WORDS, PERCENT_WORDS, UNITS

MAX_DEPTH = 50
_RELATIONS = {"=": "=", "<": "<", ">": ">", "lt": "<", "gt": ">", "le": "<=", "leq": "<=", "leqslant": "<=",
              "ge": ">=", "geq": ">=", "geqslant": ">=", "ne": "!=", "neq": "!=", "approx": "~", "in": "in",
              "simeq": "~", "doteq": "~", "leqq": "<=", "geqq": ">="}  # fmt: skip
_TIMES = frozenset({"*", "cdot", "times", "ast"})
_STOPS = frozenset({"cup", "cupdot", "sqcup", "cap", "setminus", "pm", "mp", "colon", "mid", "}", "rangle", "rvert",
                    "rfloor", "rceil", "rbrace", "rbrack", "end", "div", "\\", "%", "circ", "degree", "&", "iff",
                    "vee", "wedge", "implies", "Rightarrow", "to", "rightarrow", "equiv", "sim", "cong"})  # fmt: skip
_CLOSERS = frozenset({")", "]", "}", "rangle", "rbrace", "rbrack", "end", "&", "\\", "|"})
_CLOSING: dict[str, Literal[")", "]", "}"]] = {")": ")", "]": "]", "rangle": ")", "rbrack": "]"}


MAX_CACHED_CHARS = 300  # golds are graded many times over; long texts are not worth their memory


def parse(text: str, *, join_thousands: bool = True) -> Node:
    """Parse a whole answer; several items outside brackets become a Group without brackets. Raises NotMathError."""
    return (_cached if len(text) <= MAX_CACHED_CHARS else _parse)(text, join_thousands)


def _parse(text: str, join_thousands: bool) -> Node:
    parser = Parser(tokenize(text, join_thousands=join_thousands))
    items = parser.items()
    if parser.peek() is not END:
        raise NotMathError(f"cannot read what starts with {parser.peek().text[:20]!r}")
    return items[0] if len(items) == 1 else Group("", items, "")


_cached = lru_cache(maxsize=4096)(_parse)


class Parser:
    """A cursor over tokens with one method per level of the grammar."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0
        self.bar_closes = False

    def peek(self, ahead: int = 0) -> Token:
        """Return a token without consuming it; END past the last."""
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else END

    def take(self) -> Token:
        """Consume one token."""
        token = self.peek()
        self.position += 1
        return token

    def accept(self, *texts: str) -> bool:
        """Consume the next token if it is a sign or command with one of these texts."""
        token = self.peek()
        if token.text in texts and token.kind in ("sign", "command"):
            self.position += 1
            return True
        return False

    def expect(self, text: str) -> None:
        """Consume this sign or raise."""
        if not self.accept(text):
            raise NotMathError(f"expected {text!r}, found {self.peek().text[:20]!r}")

    def items(self) -> tuple[Node, ...]:
        """Read items separated by commas, semicolons, `and` or `or`, up to a closing sign or the end."""
        found = [self.item()]
        while self._separator():
            if self.peek().kind == "end" or self.peek().text in _CLOSERS:
                break
            found.append(self.item())
        return tuple(found)

    def _separator(self) -> bool:
        seen = False
        while True:
            token = self.peek()
            if (token.kind == "sign" and token.text in ",;") or (token.kind == "name" and token.text in ("and", "or")):
                self.position += 1
                seen = True
            else:
                return seen

    def item(self) -> Node:
        """Read a relation chain, or a single value with its unit."""
        if not self.accept("="):  # `=5`
            self.accept("approx")
        items = [read_quantity(self)]
        signs: list[str] = []
        while True:
            token = self.peek()
            sign = _RELATIONS.get(token.text) if token.kind in ("sign", "command") else None
            if sign is None:
                break
            self.position += 1
            if sign in "<>" and self.accept("="):
                sign += "="
            elif sign == "=" and self.peek().text in ("<", ">"):  # `=<`
                sign = self.take().text + "="
            signs.append(sign)
            items.append(read_quantity(self))
        return Relation(tuple(items), tuple(signs)) if signs else items[0]

    def ratio(self) -> Node:
        """Read values joined by colons."""
        first = self.union()
        if not (self.peek().text in (":", "colon") and self.peek().kind in ("sign", "command")):
            return first
        items = [first]
        while self.accept(":", "colon"):
            items.append(self.union())
        if len(items) == 2 and type(first) is Sym and len(first.name) > 1:  # `Paolo: 18`
            return Relation((first, items[1]), ("=",))
        return Ratio(tuple(items))

    def union(self) -> Node:
        """Read sets joined by union, intersection or difference."""
        node = self.sum()
        parts = [node]
        while True:
            if self.accept("cup", "cupdot", "sqcup"):
                parts.append(self.sum())
            elif self.accept("cap"):
                parts[-1] = Call("cap", (parts[-1], self.sum()))
            elif self.accept("setminus"):
                parts[-1] = Call("setminus", (parts[-1], self.sum()))
            else:
                return Union(tuple(parts)) if len(parts) > 1 else parts[0]

    def sum(self) -> Node:
        """Read terms joined by plus, minus or plus-minus."""
        terms: list[Node] = []
        if self.peek().text in ("pm", "mp") and self.peek().kind == "command":
            terms.append(Num(Fraction(0)))
        else:
            terms.append(self._signed())
        while True:
            if self.accept("+"):
                terms.append(self._signed())
            elif self.accept("-"):
                terms.append(negate(self._signed()))
            elif self.peek().text in ("pm", "mp") and self.peek().kind == "command":
                lower_first = self.take().text == "mp"
                terms = [PlusMinus(_add(terms), self._signed(), lower_first)]
            else:
                return _add(terms)

    def _signed(self) -> Node:
        minus = False
        while True:
            if self.accept("-"):
                minus = not minus
            elif not self.accept("+"):
                break
        node = self._product()
        if not minus:
            return node
        if type(node) is Call and node.name in ("percent", "deg"):
            return Call(node.name, (negate(node.args[0]),))
        return negate(node)

    def _product(self) -> Node:
        node = self.power()
        factors = [node]
        while True:
            token = self.peek()
            if token.text in _TIMES and token.kind in ("sign", "command"):
                self.position += 1
                factors.append(self._signed_power())
            elif (token.text == "/" and token.kind == "sign") or token.text == "div":
                if self.peek(1).kind == "text" or self.peek(1).text in UNITS:
                    break
                self.position += 1
                bottom = self._signed_power()
                top = factors[0] if len(factors) == 1 else Mul(tuple(factors))
                factors = [divide(top, bottom)]
            elif self.starts_factor():
                factors.append(self.power())
            else:
                break
        return factors[0] if len(factors) == 1 else Mul(tuple(factors))

    def _signed_power(self) -> Node:
        if self.accept("-"):
            return negate(self._signed_power())
        self.accept("+")
        return self.power()

    def starts_factor(self) -> bool:
        """Say whether the next token continues a product without a sign between."""
        token = self.peek()
        if token.kind == "name":
            if token.text in ("and", "or") or (
                token.text in UNITS and (token.spaced or self.peek(-1).kind == "number")
            ):
                return False
            return len(token.text) <= 3 or token.text in FUNCTIONS
        if token.kind == "command":
            return token.text not in _STOPS and token.text not in _RELATIONS and token.text not in _TIMES
        if token.kind == "number":
            if self.peek(-1).kind == "number":
                raise NotMathError("two numbers stand side by side")
            return True
        return token.kind == "sign" and (token.text in "([{" or (token.text == "|" and not self.bar_closes))

    def power(self) -> Node:
        """Read a postfix expression and its exponents, right to left."""
        base = self._postfix()
        while True:
            if self.accept("^") or (
                self.peek().text == "*" and self.peek(1).text == "*" and not self.peek(1).spaced and self._skip_two()
            ):
                mark = read_mark(self)
                if mark == "deg":
                    base = Call("deg", (base,))
                elif mark == "prime" and type(base) is Sym:
                    base = Sym(base.name + "'")
                elif mark != "ordinal":
                    base = Pow(base, self._exponent())
                continue
            after = self._after(base)
            if after is None:
                return base
            base = after

    def _skip_two(self) -> bool:
        self.position += 2
        return True

    def _exponent(self) -> Node:
        self.descend()
        try:
            if self.accept("-"):
                return negate(self._exponent())
            self.accept("+")
            if self.peek().kind == "name" and self.peek().text not in FUNCTIONS:
                split_name(self)  # a^bc is a^b times c
            node = self._postfix()
            return Pow(node, self._exponent()) if self.accept("^") else node
        finally:
            self.depth -= 1

    def _postfix(self) -> Node:
        node = self.atom()
        while (after := self._after(node)) is not None:
            node = after
        return node

    def _after(self, node: Node) -> Node | None:
        token = self.peek()
        if token.kind == "sign" and token.text in "!%'_":
            if token.text == "_":
                return read_subscript(self, node)
            self.position += 1
            if token.text == "'":
                if type(node) is not Sym:
                    raise NotMathError("a prime stands after a value")
                return Sym(node.name + "'")
            return Call("factorial" if token.text == "!" else "percent", (node,))
        if token.kind == "command" and token.text in ("%", "circ", "degree"):
            self.position += 1
            return Call("percent" if token.text == "%" else "deg", (node,))
        return None

    def descend(self) -> None:
        """Count one level of nesting; raises NotMathError beyond the cap."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotMathError("the answer is nested more than 50 levels deep")

    def atom(self) -> Node:
        """Read a number, a name, a command or something in brackets."""
        self.descend()
        try:
            token = self.take()
            if token.kind == "number":
                return read_number(self, token)
            if token.kind == "name":
                return read_name(self, token)
            if token.kind == "command":
                return read_command(self, token.text)
            if token.kind == "sign" and token.text in "([{|":
                return self._bar() if token.text == "|" else self.bracket(token.text)
            raise NotMathError(f"cannot read {token.text[:20]!r} here")
        finally:
            self.depth -= 1

    def bracket(self, opening: str) -> Node:
        """Read what follows an opening bracket; a single item in round brackets or braces is that item."""
        before, self.bar_closes = self.bar_closes, False
        items = self.items()
        self.bar_closes = before
        if opening == "{":
            self.expect("}")
            return items[0] if len(items) == 1 else Group("{", items, "}")
        closing = _CLOSING.get(self.take().text)
        if closing is None:
            raise NotMathError(f"{opening!r} is not closed")
        if len(items) == 1 and (opening + closing in ("()", "[]")) and not (opening == "[" and type(items[0]) is Group):
            return items[0]
        return Group("(" if opening == "(" else "[", items, closing)

    def _bar(self) -> Node:
        before, self.bar_closes = self.bar_closes, True
        inner = self.sum()
        self.bar_closes = before
        self.expect("|")
        return Call("abs", (inner,))


def _add(terms: list[Node]) -> Node:
    return terms[0] if len(terms) == 1 else Add(tuple(terms))


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


_TRIG = ("sin", "cos", "tan", "cot", "sec", "csc")
_ARCS = tuple(f"arc{name}" for name in _TRIG)
_OTHERS = "sinh cosh tanh log ln lg exp sqrt pi infty gcd lcm max min frac abs factorial det"
FUNCTIONS = frozenset((*_TRIG, *_ARCS, *_OTHERS.split()))
_ARGUMENT_ENDS = FUNCTIONS - {"pi", "sqrt", "frac", "infty"} | {"(", "|"}  # sin 2x cos x is sin(2x) times cos(x)
_GREEK = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi
    omega Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega ell hbar angle triangle star perp parallel partial
    nabla Re Im aleph bullet spadesuit heartsuit forall exists mho bigstar"""
_SYMBOLS: dict[str, Sym] = {name: Sym(name) for name in _GREEK.split()} | {
    "pi": Sym("pi"), "infty": INFINITY, "emptyset": EMPTY, "varnothing": EMPTY, "ldots": Sym("..."), "dots": Sym("..."),
    "cdots": Sym("..."), "varphi": Sym("phi"), "varepsilon": Sym("epsilon"), "vartheta": Sym("theta"),
    "imath": Sym("i"), "infin": INFINITY, "square": Sym("square"), "Box": Sym("square"),
}  # fmt: skip
_ACCENTS = frozenset({"overline", "bar", "vec", "hat", "widehat", "overrightarrow", "tilde", "widetilde",
                      "mathbb", "mathcal", "mathfrak", "mathscr", "dot", "ddot", "overleftrightarrow"})  # fmt: skip
_MATRICES = frozenset({"matrix", "pmatrix", "bmatrix", "Bmatrix", "array", "smallmatrix", "psmallmatrix"})


def raw_group(parser: Parser) -> str:
    """Consume `{...}` or one token and return its text without spaces."""
    first = parser.take()
    if first.text != "{":
        return first.text
    parts: list[str] = []
    depth = 1
    while True:
        token = parser.take()
        if token.kind == "end":
            raise NotMathError("a brace is not closed")
        depth += (token.text == "{") - (token.text == "}")
        if depth == 0:
            return "".join(parts)
        parts.append(token.text)


def _argument(parser: Parser) -> Node:
    """Read a LaTeX argument: a braced group, one digit, or one atom."""
    token = parser.peek()
    if token.kind == "number" and len(token.text) > 1:
        parser.tokens[parser.position] = Token("number", token.text[1:], False)
        return Num(Fraction(token.text[0])) if token.text[0] != "." else _fail("a fraction has no top")
    return parser.atom()


def _fail(message: str) -> Node:
    raise NotMathError(message)


def read_fraction(parser: Parser) -> Node:
    r"""Read the two arguments of `\frac`."""
    top = _argument(parser)
    return divide(top, _argument(parser))


def read_command(parser: Parser, name: str) -> Node:
    """Read what follows a command or a function's name; raises NotMathError for commands that are not known."""
    symbol = _SYMBOLS.get(name)
    if symbol is not None:
        return symbol
    if name in ("frac", "dfrac", "tfrac", "cfrac"):
        if parser.peek().text == "(":
            raise NotMathError("frac needs braces")
        return read_fraction(parser)
    if name == "sqrt":
        return _read_root(parser)
    if name in ("binom", "dbinom", "tbinom"):
        return Call("binom", (_argument(parser), _argument(parser)))
    if name in FUNCTIONS:
        return _read_function(parser, name)
    if name in ("{", "lbrace"):
        return _read_set(parser)
    if name in ("langle", "lbrack"):
        return parser.bracket("(" if name == "langle" else "[")
    if name in ("lvert", "vert", "lfloor", "lceil"):
        inner = parser.sum()
        parser.expect({"lvert": "rvert", "vert": "vert", "lfloor": "rfloor", "lceil": "rceil"}[name])
        return Call({"lfloor": "floor", "lceil": "ceil"}.get(name, "abs"), (inner,))
    if name in _ACCENTS:
        text = raw_group(parser)
        return Sym("reals") if name == "mathbb" and text == "R" else Sym(f"{name}:{text}")
    if name == "begin":
        return _read_matrix(parser)
    if name in ("boxed", "fbox", "mathop", "mathrm", "text", "underline"):
        return parser.atom()
    raise NotMathError(f"the command \\{name[:20]} is not known")


def _read_root(parser: Parser) -> Node:
    if parser.peek().text == "[":
        parser.position += 1
        degree = parser.sum()
        parser.expect("]")
        return Call("root", (parser.atom(), degree))
    return Pow(parser.atom(), HALF)


def _ends_argument(parser: Parser) -> bool:
    """Say whether the next factor is outside the argument of a function written without brackets."""
    token = parser.peek()
    return token.text in _ARGUMENT_ENDS or (token.text == "e" and parser.peek(1).text == "^")


def _read_function(parser: Parser, name: str) -> Node:
    power: Node | None = None
    base: Node | None = None
    if parser.accept("_"):
        base = parser.atom()
    if parser.accept("^"):
        power = parser.power() if parser.peek().text != "-" else parser.bracket("{")
    nxt = parser.peek()
    if nxt.text in ("(", "{", "["):
        parser.position += 1
        args = parser.items()
        parser.expect({"(": ")", "{": "}", "[": "]"}[nxt.text])
    else:
        factors = [parser.power()]
        while parser.starts_factor() and not _ends_argument(parser):
            factors.append(parser.power())
        args = (factors[0] if len(factors) == 1 else Mul(tuple(factors)),)
    if name == "exp":
        return Pow(Sym("e"), args[0])
    node: Node
    if name in ("log", "ln", "lg"):
        log = Call("ln", args)
        base = base or (Num(Fraction(10)) if name == "lg" else None)
        node = log if base is None else divide(log, Call("ln", (base,)))
    elif base is not None:
        raise NotMathError(f"{name} takes no subscript")
    elif power == Num(Fraction(-1)) and name in _TRIG:
        return Call(f"arc{name}", args)
    else:
        node = Call(name, args)
    return node if power is None else Pow(node, power)


def _read_set(parser: Parser) -> Node:
    before, parser.bar_closes = parser.bar_closes, True
    if parser.accept("}", "rbrace"):
        return EMPTY
    items = parser.items()
    if parser.accept("|", "mid", "vert", ":"):
        items = parser.items()  # a set given by a condition is that condition
        parser.bar_closes = before
        parser.expect("}") if parser.peek().text == "}" else parser.expect("rbrace")
        if not all(isinstance(item, Relation) for item in items):
            raise NotMathError("cannot read the condition of a set")
        return items[0] if len(items) == 1 else Group("", items, "")
    parser.bar_closes = before
    if not parser.accept("}", "rbrace"):
        raise NotMathError("a set is not closed")
    return Group("{", items, "}")


def _read_matrix(parser: Parser) -> Node:
    kind = raw_group(parser).rstrip("*")
    if kind not in _MATRICES:
        raise NotMathError(f"the environment {kind[:20]} is not an answer")
    if kind == "array" and parser.peek().text == "{":
        raw_group(parser)
    rows: list[tuple[Node, ...]] = []
    row: list[Node] = []
    while True:
        row.append(parser.item())
        if parser.accept("&"):
            continue
        rows.append(tuple(row))
        row = []
        ended = not parser.accept("\\")
        if parser.accept("end"):
            break
        if ended:
            raise NotMathError("a matrix is not closed")
    if raw_group(parser).rstrip("*") != kind or len({len(cells) for cells in rows}) != 1:
        raise NotMathError("the rows of a matrix differ in length")
    return Matrix(tuple(rows))
