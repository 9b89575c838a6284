"""Parse an answer into nodes by recursive descent over tokens. Nothing is evaluated and nothing is executed.

Loosest to tightest: list, relation, ratio, union, sum, product, power, postfix, atom. Names and LaTeX commands are read
by `latex.py`. Depth, tokens and digits are capped, so the work is bounded by the length of the text.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Literal

from mathstrap.verify import latex, names
from mathstrap.verify.nodes import (
    Add,
    Call,
    Group,
    Mul,
    Node,
    NotMathError,
    Num,
    PlusMinus,
    Pow,
    Ratio,
    Relation,
    Sym,
    Union,
    divide,
    negate,
)
from mathstrap.verify.quantity import read_quantity
from mathstrap.verify.tokens import END, Token, tokenize
from mathstrap.verify.words import UNITS

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
            return len(token.text) <= 3 or token.text in latex.FUNCTIONS
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
                mark = names.read_mark(self)
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
            if self.peek().kind == "name" and self.peek().text not in latex.FUNCTIONS:
                names.split_name(self)  # a^bc is a^b times c
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
                return names.read_subscript(self, node)
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
                return names.read_number(self, token)
            if token.kind == "name":
                return names.read_name(self, token)
            if token.kind == "command":
                return latex.read_command(self, token.text)
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
