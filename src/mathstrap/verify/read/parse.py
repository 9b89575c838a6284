"""Parse an answer into nodes by recursive descent over tokens. Nothing is evaluated and nothing is executed.

Loosest to tightest: list, relation, quantity, ratio, union, sum, product, power, postfix, atom; then what an atom may
be: a number, a name, a command, something in brackets. Depth, tokens and digits are capped and nothing is read twice
but a few tokens ahead, so the work is bounded by the length of the text.
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
    Bound,
    BoundKind,
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
    numeral,
)
from mathstrap.verify.read.tokens import END, Token, tokenize
from mathstrap.verify.read.units import is_smaller, is_unit_word, read_unit
from mathstrap.verify.read.words import (
    ACCENTS,
    ARC_NAMES,
    BINOMIALS,
    CHANGES_VALUE,
    DEGREE_WORDS,
    FRACTIONS,
    FUNCTION_LETTERS,
    FUNCTIONS,
    MAGNITUDES,
    MATRICES,
    NOT_A_FACTOR,
    NOT_A_UNIT,
    NUMBER_SETS,
    NUMBER_WORDS,
    OPERATORS,
    PERCENT_WORDS,
    RELATIONS,
    SET_SIGNS,
    SHORT_NOUNS,
    TASK_WORDS,
    TRANSPARENT,
    TRIGONOMETRIC,
    UNITS,
    is_foreign_unit,
)

MAX_DEPTH = 50
MAX_EXPONENT = 2000
MAX_INTEGRAND = 300  # tokens looked through for the end of an integrand
MAX_CACHED_CHARS = 300  # golds are graded many times over; long texts are not worth their memory
_TIMES = frozenset({"*", "cdot", "times", "ast", "bullet"})
_AFTER_VALUE = frozenset({"!", "%", "'", "_", "circ", "degree"})
_AFTER_BASE = _AFTER_VALUE | {"^", "*"}
_SUM_SIGNS = frozenset(("+", "-", "pm", "mp"))
_NO_UNIT = frozenset({",", ")", "]", "}", "=", "<", ">"})
_ITEM_ENDS = frozenset((",", ";", "&", ""))
_CLOSERS = frozenset({")", "]", "}", "rangle", "rbrace", "rbrack", "end", "&", "\\", "|"})
_CLOSING: dict[str, Literal[")", "]", "}"]] = {")": ")", "]": "]", "rangle": ")", "rbrack": "]"}
_BARS = {"lvert": "rvert", "vert": "vert", "lfloor": "rfloor", "lceil": "rceil", "lVert": "rVert", "Vert": "Vert"}
_BAR_NAMES = {"lfloor": "floor", "lceil": "ceil", "lVert": "norm", "Vert": "norm"}
_ARGUMENT_ENDS = FUNCTIONS - {"pi", "sqrt", "frac", "infty"} | {"(", "|"}  # sin 2x cos x is sin(2x) times cos(x)
_NOT_MATHS_NAMES = frozenset({"nan", "NaN", "yes", "no", "Yes", "No", "odd", "all", "any", "if", "NA", "the", "is"})
_NUMERIC_SIGNS = frozenset(("-", ",", "/", "+", "{", "}")) | FRACTIONS
_ORDINALS = ("st", "nd", "rd", "th")
_BOUND_KINDS: dict[str, BoundKind] = {"sum": "sum", "prod": "prod", "int": "int", "lim": "lim"}
_GREEK = """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi
    omega Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega ell hbar angle triangle star perp parallel partial
    nabla Re Im aleph spadesuit heartsuit forall exists mho bigstar measuredangle odot"""
_SYMBOLS: dict[str, Sym] = {name: Sym(name) for name in _GREEK.split()} | {
    "pi": Sym("pi"), "infty": INFINITY, "emptyset": EMPTY, "varnothing": EMPTY, "ldots": Sym("..."), "dots": Sym("..."),
    "cdots": Sym("..."), "varphi": Sym("phi"), "varepsilon": Sym("epsilon"), "vartheta": Sym("theta"),
    "dotsc": Sym("..."),
    "imath": Sym("i"), "infin": INFINITY, "square": Sym("square"), "Box": Sym("square"), "uppi": Sym("pi"),
    "varpi": Sym("pi"), "textellipsis": Sym("..."), "dotsb": Sym("..."),
}  # fmt: skip
_SET_NAMES = frozenset(NUMBER_SETS.values())
_HALF_LINES = {">": (False, False), ">=": (True, False), "<": (False, True), "<=": (True, True)}


class ChangedValueError(NotMathError):
    """The words after a value make another value of it, which is not read: `5 times the price` is not 5."""

    def __init__(self, value: Node) -> None:
        super().__init__("the words after the value change it")
        self.value = value


def parse(text: str, *, join_thousands: bool = True) -> Node:
    """Parse a whole answer; several items outside brackets become a Group without brackets. Raises NotMathError."""
    return (_cached if len(text) <= MAX_CACHED_CHARS else _parse)(text, join_thousands)


def _parse(text: str, join_thousands: bool) -> Node:
    parser = Parser(tokenize(text, join_thousands=join_thousands))
    node = parser.whole()
    if parser.peek() is not END:
        raise NotMathError(f"cannot read what starts with {parser.peek().text[:20]!r}")
    return node


_cached = lru_cache(maxsize=4096)(_parse)


class Parser:
    """A cursor over tokens with one method per level of the grammar."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = 0
        self.bar_closes = False  # inside |...| and {x | ...} a bar ends what is read
        self.colon_closes = False  # before the colon of {x : ...}

    # --- the cursor ---

    def peek(self, ahead: int = 0) -> Token:
        """Return a token without consuming it; END past the last."""
        try:
            return self.tokens[self.position + ahead]
        except IndexError:
            return END

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

    def descend(self) -> None:
        """Count one level of nesting; raises NotMathError beyond the cap."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise NotMathError("the answer is nested more than 50 levels deep")

    # --- lists and relations ---

    def whole(self) -> Node:
        """Read items up to a closing sign or the end; several become a Group without brackets."""
        items, joined = self._joined_items()
        return items[0] if len(items) == 1 else Group("", items, "", joined)

    def items(self) -> tuple[Node, ...]:
        """Read items separated by commas, semicolons, `and` or `or`, up to a closing sign or the end."""
        return self._joined_items()[0]

    def _joined_items(self) -> tuple[tuple[Node, ...], Literal["", "and", "or"]]:
        if self.peek().kind in ("name", "text") and self.peek().text.lower() in ("both", "either"):
            self.position += 1
        items = [self.item()]
        separators: set[str] = set()
        while separator := self._separator():
            if self.peek().kind == "end" or self.peek().text in _CLOSERS:
                break
            item = self.item()
            last = items[-1]
            if (
                separator in ("and", ",")
                and type(last) is type(item) is Quantity
                and is_smaller(item.unit, than=last.unit)
                and (whole := _compound(last, item)) is not None
            ):
                items[-1] = whole  # 2 hours and 30 minutes
                continue
            separators.add(separator)
            items.append(item)
        joined: Literal["", "and", "or"] = ""
        if "or" in separators:
            joined = "or"  # "1, 2 or 3"
        elif "and" in separators:
            joined = "and"
        return tuple(items), joined

    def _separator(self) -> str:
        seen = ""
        while True:
            token = self.peek()
            if token.kind == "sign" and token.text in ",;":
                seen = seen or ","
            elif (token.kind == "name" and token.text in ("and", "or")) or token.text in (
                "lor",
                "vee",
                "land",
                "wedge",
            ):
                seen = "and" if token.text in ("and", "land", "wedge") else "or"
            else:
                return seen
            self.position += 1

    def item(self) -> Node:
        """Read a relation chain, or a single value with its unit."""
        first, following = self.peek(), self.peek(1)
        if first.kind == "number" and following.text in _ITEM_ENDS and following.kind in ("sign", "end"):
            self.position += 1  # most items of long lists and matrices
            return numeral(first.text)
        if not self.accept("="):  # `=5`
            self.accept("approx")
        items = [self._label() or self.quantity()]
        signs: list[str] = []
        while True:
            token = self.peek()
            sign = RELATIONS.get(token.text) if token.kind in ("sign", "command") else None
            if sign is None:
                sign = self._long_sign(token)
                if sign is None:
                    break
            else:
                self.position += 1
            if sign in "<>" and self.accept("="):
                sign += "="
            elif sign == "=" and self.peek().text in ("<", ">"):  # `=<`
                sign = self.take().text + "="
            signs.append(sign)
            items.append(self.quantity())
        if self.peek().text == "pmod" and self.peek().kind == "command":
            self.position += 1
            items[-1] = Call("residue", (items[-1], self.atom()))
        return Relation(tuple(items), tuple(signs)) if signs else items[0]

    def _long_sign(self, token: Token) -> str | None:
        r"""Consume a relation written with several tokens: `\not=`, `\not\in`, `!=`."""
        if token.text in ("not", "!") and token.kind in ("command", "sign") and self.peek(1).text == "=":
            self.position += 2
            return "!="
        if token.text == "equiv" and token.kind == "command":
            self.position += 1
            return "="
        return None

    def _label(self) -> Node | None:
        r"""Consume words that name the value after `=` or `:`, as in `\text{Total cost} = 5`; None for none."""
        first = self.peek()
        if first.kind not in ("text", "name") or (first.kind == "name" and len(first.text) < 2):
            return None
        words: list[str] = []
        ahead = 0
        while (token := self.peek(ahead)).kind in ("text", "name") and ahead < 8:
            words += token.text.split()
            ahead += 1
        token = self.peek(ahead)
        if token.kind != "sign" or token.text not in ("=", ":") or self.colon_closes or not FUNCTIONS.isdisjoint(words):
            return None
        if not TASK_WORDS.isdisjoint(word.lower().strip(".,") for word in words):
            raise NotMathError("a task, not an answer")
        if first.kind == "name" and ahead == 1 and len(first.text) <= 3:
            return None  # a product of variables, or a segment
        self.position += ahead
        if token.text == ":":
            self.tokens[self.position] = Token("sign", "=", token.spaced)
        return Sym(" ".join(words).strip(".").lower() if len(words) > 1 else words[0])

    # --- quantities ---

    def quantity(self) -> Node:
        """Read a value and the words after it: a unit, a magnitude, percent or degrees; raises for others."""
        currency = self._currency()
        value = self.ratio()
        unit = self._unit_phrase()
        if currency:
            first = unit.split()[0] if unit else ""
            is_money = first and any(name != "length" for name, _ in _dimensions(first)) and first not in MAGNITUDES
            unit = unit if is_money and first.lower() not in ("per", "/") else f"{currency} {unit}".strip()
            magnitude = unit.split()[1] if len(unit.split()) > 1 else ""
            if magnitude in MAGNITUDES:  # $5 million
                value, unit = _times(value, MAGNITUDES[magnitude]), unit.replace(f" {magnitude}", "", 1)
        if not unit:
            return value
        node = self._with_unit(value, unit)
        while self.peek().kind == "number":  # 2 hours 30 minutes
            rest = self.quantity()
            whole = _compound(node, rest) if type(node) is type(rest) is Quantity else None
            if whole is None:
                raise NotMathError("a number stands among the words after the value")
            node = whole
        return node

    def _currency(self) -> str:
        """Consume a currency sign before a value, leaving a minus sign that stands before it in place; "" for none."""
        ahead = 1 if self.peek().text == "-" else 0
        token = self.peek(ahead)
        if token.kind != "currency":
            return ""
        del self.tokens[self.position + ahead]
        return token.text

    def _with_unit(self, value: Node, unit: str) -> Node:
        words = unit.split()
        if len(words) > 1 and words[0] == "per" and words[1] == "cent":
            words[:2] = ["percent"]
        first = words[0].lower()
        if first in MAGNITUDES and not (first in ("ten", "gross", "mil", "mille") and len(words) > 1):
            value, words = _times(value, MAGNITUDES[first]), words[1:]
            if not words:
                return value
            if words[0] in ("of", "de", "d'"):
                words = words[1:]
        lowered = {word.lower() for word in words}
        if not lowered <= UNITS and _is_letters(value):
            raise NotMathError("words follow a word")  # "red blue" is not a red with a unit
        changing = lowered & CHANGES_VALUE
        if changing and not _is_power_of_unit(words, changing):
            raise ChangedValueError(value)
        if not all(word.isascii() or is_foreign_unit(word) for word in words):
            raise NotMathError("the words after the value are not read")
        if lowered & NOT_A_UNIT - CHANGES_VALUE:
            raise NotMathError("the words after the value say more than a unit")
        if lowered & PERCENT_WORDS:
            return Call("percent", (value,))
        if len(words) == 1 and words[0].lower() in DEGREE_WORDS:
            return Call("deg", (value,))
        if (type(value) is Call and value.name == "deg") or words[0].lower() in DEGREE_WORDS:
            name = " ".join(word for word in words if word.lower() not in DEGREE_WORDS)
            if any(dimension == "temperature" for dimension, _ in _dimensions(name)):
                return Quantity(value.args[0] if type(value) is Call else value, _TEMPERATURE_LETTERS.get(name, name))
        return Quantity(value, " ".join(words))

    def _unit_phrase(self) -> str:
        if self.peek().kind == "end" or self.peek().text in _NO_UNIT:
            return ""
        words: list[str] = []
        while True:
            token = self.peek()
            if token.kind == "text" or (token.kind == "name" and token.text not in ("and", "or")):
                text = (
                    token.text.replace(".m.", "m").replace(".M.", "M").replace(",", " ").replace(". ", " ").rstrip(".")
                )
                words += text.replace("/", " / ").split()
            elif token.kind == "currency":
                words.append(token.text)
            elif token.text == "Omega" and token.kind == "command":
                words.append("ohm")
            elif words and token.text == "^" and (self.peek(1).text == "{" or self.peek(1).kind == "number"):
                self.position += 1
                words[-1] += "^" + self.raw_group()
                self.position -= 1
            elif token.text in ("/", "per") and token.kind == "sign":
                words.append("/")
            elif token.text == "cdot" and words and self.peek(1).kind in ("text", "name"):
                pass
            elif token.text == "-" and words and not token.spaced and self.peek(1).kind in ("text", "name"):
                pass  # hair-clips
            else:
                return " ".join(words)
            self.position += 1

    # --- ratios, sets, sums ---

    def ratio(self) -> Node:
        """Read values joined by colons."""
        first = self.union()
        if self.colon_closes or not (self.peek().text in (":", "colon") and self.peek().kind in ("sign", "command")):
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
        while self.peek().text in SET_SIGNS:
            if self.accept("cup", "cupdot", "sqcup", "bigcup"):
                parts.append(self.sum())
            elif self.accept("cap"):
                parts[-1] = Call("cap", (parts[-1], self.sum()))
            elif self.accept("setminus", "backslash", "smallsetminus"):
                parts[-1] = Call("setminus", (parts[-1], self.sum()))
            else:
                break
        return Union(tuple(parts)) if len(parts) > 1 else parts[0]

    def sum(self) -> Node:
        """Read terms joined by plus, minus or plus-minus."""
        terms: list[Node] = []
        if self.peek().text in ("pm", "mp") and self.peek().kind == "command":
            terms.append(Num(Fraction(0)))
        else:
            terms.append(self._signed())
        while self.peek().text in _SUM_SIGNS:
            if self.accept("+"):
                terms.append(self._signed())
            elif self.accept("-"):
                terms.append(negate(self._signed()))
            elif self.peek().text in ("pm", "mp") and self.peek().kind == "command":
                lower_first = self.take().text == "mp"
                terms = [PlusMinus(_add(terms), self._signed(), lower_first)]
            else:
                break
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

    # --- products and powers ---

    def _product(self) -> Node:
        factors = [self.power()]
        while True:
            token = self.peek()
            if (token.text in _TIMES and token.kind in ("sign", "command")) or (
                token.text == "times" and token.kind in ("name", "text") and self._starts_value(1)
            ):
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

    def _starts_value(self, ahead: int) -> bool:
        """Say whether a number, a variable or a formula stands there, rather than words."""
        token = self.peek(ahead)
        following = self.peek(ahead + 1)
        if token.kind == "name" and (
            following.kind in ("name", "text") or (len(token.text) > 1 and token.text not in FUNCTIONS)
        ):
            return False
        return token.kind in ("number", "name", "command") or token.text == "("

    def _signed_power(self) -> Node:
        if self.accept("-"):
            return negate(self._signed_power())
        self.accept("+")
        return self.power()

    def starts_factor(self) -> bool:
        """Say whether the next token continues a product without a sign between."""
        token = self.peek()
        if token.kind == "name":
            return self._name_is_factor(token)
        if token.kind == "command":
            if token.text == "Omega" and self.peek(-1).kind == "number" and self.peek(1) is END:
                return False
            return token.text not in NOT_A_FACTOR and token.text not in RELATIONS and token.text not in _TIMES
        if token.kind == "number":
            if self.peek(-1).kind == "number":
                raise NotMathError("two numbers stand side by side")
            return True
        return token.kind == "sign" and (token.text in "([{" or (token.text == "|" and not self.bar_closes))

    def _name_is_factor(self, token: Token) -> bool:
        if token.text in ("and", "or"):
            return False
        before = self.peek(-1)
        if token.text in ("C", "F") and (before.text in ("circ", "degree") or self.peek(-2).text == "circ"):
            return self.peek(1) is not END and self.peek(1).kind not in ("sign", "name")  # degrees Celsius
        if token.text in UNITS and (token.spaced or before.kind == "number"):
            return False
        if before.kind == "number":
            if token.spaced and (token.text in SHORT_NOUNS or (self.peek(1).kind == "name" and self.peek(1).spaced)):
                return len(token.text) == 1 and not is_unit_word(token.text)  # 5 red blocks
            if token.text in _ORDINALS:
                return False
        return len(token.text) <= 3 or token.text in FUNCTIONS

    def power(self) -> Node:
        """Read a postfix expression and its exponents, right to left."""
        base = self._postfix()
        while True:
            if self.peek().text not in _AFTER_BASE:
                return base
            if self.accept("^") or (
                self.peek().text == "*" and self.peek(1).text == "*" and not self.peek(1).spaced and self._skip_two()
            ):
                if type(base) is Sym and base.name in _SET_NAMES and self._plus_sign():
                    base = _positive(base)
                    continue
                mark = self._mark()
                if mark == "deg":
                    base = Call("deg", (base,))
                elif mark == "prime" and type(base) is Sym:
                    base = Sym(base.name + "'")
                elif mark == "star" and base == Sym("reals"):
                    base = Call("setminus", (base, Group("{", (Num(Fraction(0)),), "}")))
                elif mark == "star" and type(base) is Sym:
                    base = Sym(base.name + "*")
                elif mark != "ordinal":
                    base = Pow(base, self._exponent())
                continue
            after = self._after(base)
            if after is None:
                return base
            base = after

    def _plus_sign(self) -> bool:
        r"""Consume the plus of `\mathbb{R}^+` and `\mathbb{R}^{+}`."""
        braced = self.peek().text == "{"
        if self.peek(braced).text != "+" or (braced and self.peek(2).text != "}"):
            return False
        self.position += 3 if braced else 1
        return True

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
                self._split_name()  # a^bc is a^b times c
            node = self._postfix()
            return Pow(node, self._exponent()) if self.accept("^") else node
        finally:
            self.depth -= 1

    def _mark(self) -> str:
        r"""Read a mark after `^`: `deg`, `prime`, `star`, `ordinal`; "" for an exponent, which is left alone."""
        first = self.peek()
        braced = first.text == "{" and first.kind == "sign"
        inner = self.peek(1) if braced else first
        mark = ""
        if (inner.kind == "command" and inner.text in ("circ", "degree")) or (
            inner.kind == "name" and inner.text == "o" and self.peek(-2).kind == "number"
        ):
            mark = "deg"
        elif inner.kind == "command" and inner.text == "prime":
            mark = "prime"
        elif inner.text in ("*", "ast", "star") and (not braced or self.peek(2).text == "}"):
            mark = "star"
        elif inner.kind in ("text", "name") and inner.text in _ORDINALS:
            mark = "ordinal"
        if mark and braced:
            if self.peek(2).text != "}":
                return ""
            self.position += 3
        elif mark:
            self.position += 1
        return mark

    def _postfix(self) -> Node:
        node = self.atom()
        if type(node) is Sym and self.peek().text in ("(", "_") and (applied := self._applied(node)) is not None:
            node = applied
        while self.peek().text in _AFTER_VALUE and (after := self._after(node)) is not None:
            node = after
        return node

    def _applied(self, name: Sym) -> Node | None:
        r"""Read `\Gamma(5)`, `\phi(10)` or `J_0(2)`: a letter that stands for a function, before numbers in brackets.

        Before anything else in brackets the letter is a factor: None leaves the cursor alone.
        """
        start = self.position
        called = name.name
        if self.peek().text == "_" and called in FUNCTION_LETTERS | {"J", "I", "Y", "H", "T", "U", "L"}:
            self.position += 1
            called = f"{called}_{self.raw_group()}"
        elif called not in FUNCTION_LETTERS:
            return None
        if self.peek().text == "(" and not self.peek().spaced and self._holds_numbers():
            self.position += 1
            args = self._arguments()
            if self.accept(")"):
                return Call(called, args)
        self.position = start
        return None

    def _holds_numbers(self) -> bool:
        """Say whether the brackets that open here hold numerals and signs alone."""
        for ahead in range(1, 16):
            token = self.peek(ahead)
            if token.text == ")":
                return ahead > 1
            if token.kind != "number" and token.text not in _NUMERIC_SIGNS:
                return False
        return False

    def _after(self, node: Node) -> Node | None:
        token = self.peek()
        if token.kind == "sign" and token.text in "!%'_":
            if token.text == "_":
                return self._subscript(node)
            following = self.peek(1)
            if token.text == "!" and following.text == "=" and not following.spaced and type(node) is not Num:
                return None  # x != 2, but 5! = 120
            self.position += 1
            if token.text == "'":
                if type(node) is not Sym:
                    raise NotMathError("a prime stands after a value")
                return Sym(node.name + "'")
            if token.text == "!" and self.peek().text == "!" and not self.peek().spaced:
                self.position += 1
                if self.peek().text == "!":
                    raise NotMathError("a factorial with more than two marks")
                return Call("double_factorial", (node,))
            return Call("factorial" if token.text == "!" else "percent", (node,))
        if token.kind == "command" and token.text in ("%", "circ", "degree"):
            self.position += 1
            return Call("percent" if token.text == "%" else "deg", (node,))
        return None

    # --- atoms ---

    def atom(self) -> Node:
        """Read a number, a name, a command or something in brackets."""
        self.descend()
        try:
            token = self.take()
            if token.kind == "number":
                return self._based(token) or self._number(token)
            if token.kind == "name":
                return self._based(token) or self._name(token)
            if token.kind == "command":
                return self._command(token.text)
            if token.kind == "currency":
                return self.atom()  # \$3 + \$4
            if token.kind == "text" and self.peek().text == "_":
                based = self._based(token)
                if based is not None:
                    return based
            if token.kind == "sign" and token.text in "([{|":
                return self._bar() if token.text == "|" else self._bracket(token.text)
            if token.text in ("^", "_") and (counted := self._counting(self.position - 1)) is not None:
                return counted
            raise NotMathError(f"cannot read {token.text[:20]!r} here")
        finally:
            self.depth -= 1

    def _bracket(self, opening: str) -> Node:
        """Read what follows an opening bracket; a single item in round brackets or braces is that item."""
        if opening == "{" and self.peek().text == "}" and (counted := self._counting(self.position + 1)) is not None:
            return counted  # {}_{10}P_3
        before, self.bar_closes = self.bar_closes, False
        colon, self.colon_closes = self.colon_closes, False
        items = self.items()
        self.bar_closes, self.colon_closes = before, colon
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

    def _argument(self) -> Node:
        """Read a LaTeX argument: a braced group, one digit, or one atom."""
        token = self.peek()
        if token.kind == "number" and len(token.text) > 1:
            self.tokens[self.position] = Token("number", token.text[1:], False)
            if token.text[0] == ".":
                raise NotMathError("a fraction has no top")
            return Num(Fraction(token.text[0]))
        return self.atom()

    def raw_group(self) -> str:
        """Consume `{...}` or one token and return its text without spaces."""
        first = self.take()
        if first.text != "{":
            return first.text
        parts: list[str] = []
        depth = 1
        while True:
            token = self.take()
            if token.kind == "end":
                raise NotMathError("a brace is not closed")
            depth += (token.text == "{") - (token.text == "}")
            if depth == 0:
                return "".join(parts)
            parts.append(token.text)

    # --- numbers ---

    def _number(self, token: Token) -> Node:
        """Read a numeral with what belongs to it: exponent, repeating digits, grouped thousands, a mixed fraction."""
        text = token.text
        following = self.peek()
        while (
            following.kind == "number"
            and following.spaced
            and len(following.text) == 3
            and following.text.isdigit()
            and _is_group(text)
        ):
            text += following.text
            self.position += 1
            following = self.peek()
        if following.kind == "sign" and following.text == "." and not following.spaced:
            second = self.peek(1)
            if second.text in ("overline", "dot", "bar") and not second.spaced:
                self.position += 1
                following = second
            elif (
                second.text == "(" and not second.spaced and self.peek(2).kind == "number" and self.peek(3).text == ")"
            ):
                self.position += 1
                return self._repeated_in_brackets(text)
            elif second.kind == "end" or second.spaced or second.kind == "command":
                self.position += 1  # the full stop of `5.`
                following = second
        if following.text in ("overline", "dot", "bar") and following.kind == "command" and not following.spaced:
            return self._repeating(text)
        if "." in text and self._skips_dots():
            return _continued(text)
        if "." in text and following.text == "(" and not following.spaced and self._is_whole_numeral():
            return self._repeated_in_brackets(text)
        value = numeral(text)
        if following.kind == "name" and not following.spaced and following.text in _ORDINALS and text.isdigit():
            self.position += 1
            return Num(Fraction(text))
        if following.kind == "name" and not following.spaced and following.text in ("e", "E"):
            return self._scientific(value)
        return self._mixed(value) if text.isdigit() else value

    def _skips_dots(self) -> bool:
        """Consume the dots of `0.333...`, if the number ends with some."""
        if self.peek().text in ("ldots", "dots", "cdots") and self.peek().kind == "command":
            self.position += 1
            return True
        count = 0
        while self.peek(count).text == "." and self.peek(count).kind == "sign":
            count += 1
        if count < 2:
            return False
        self.position += count
        return True

    def _is_whole_numeral(self) -> bool:
        """Say whether `(digits)` and nothing else follows: 0.1(6) is a sixth, but 2.5(4)x a product."""
        return (
            self.peek(1).kind == "number" and self.peek(2).text == ")" and self.peek(3) is END and len(self.tokens) <= 5
        )

    def _repeated_in_brackets(self, text: str) -> Node:
        self.position += 1
        digits = self.take().text
        self.expect(")")
        return _repeating(text, digits)

    def _repeating(self, text: str) -> Node:
        mark = self.take().text
        digits = self.raw_group()
        while mark == "dot" and self.peek().kind in ("number", "command") and not self.peek().spaced:
            token = self.take()  # 0.\dot{1}4285\dot{7}
            if token.kind == "number":
                digits += token.text
            elif token.text == "dot":
                digits += self.raw_group()
                break
            else:
                self.position -= 1
                break
        return _repeating(text, digits)

    def _scientific(self, value: Num) -> Node:
        sign, offset = 1, 1
        if self.peek(1).text in ("-", "+") and not self.peek(1).spaced:
            sign, offset = (-1 if self.peek(1).text == "-" else 1), 2
        digits = self.peek(offset)
        after = self.peek(offset + 1)
        if digits.kind != "number" or digits.spaced or not digits.text.isdigit() or len(digits.text) > 12:
            return value
        if after.kind == "name" and not after.spaced:  # 4e+7p is a sum of two products
            return value
        self.position += offset + 1
        exponent = sign * int(digits.text)
        if abs(exponent) > MAX_EXPONENT:
            return Mul((value, Pow(Num(Fraction(10)), Num(Fraction(exponent)))))
        return Num(value.value * Fraction(10) ** exponent, max(value.decimals - exponent, 0))

    def _mixed(self, whole: Num) -> Node:
        r"""Read `2\frac{1}{2}` and `2 1/2` as two and a half; anything else leaves the cursor and the number alone."""
        first = self.peek()
        if first.kind == "command" and first.text in FRACTIONS:
            start = self.position
            after = start >= 2 and self.tokens[start - 2].text in ("^", "/", "*")
            if not after and self._is_digits_fraction():
                self.position += 1
                part = self._fraction()
                if isinstance(part, Num) and 0 < part.value < 1 and self.peek().text not in ("^", "_"):
                    return Num(whole.value + part.value)
                self.position = start
        elif first.kind == "number" and first.spaced and first.text.isdigit() and self.peek(1).text == "/":
            bottom = self.peek(2)
            if bottom.kind == "number" and bottom.text.isdigit() and 0 < int(first.text) < int(bottom.text):
                self.position += 3
                return Num(whole.value + Fraction(int(first.text), int(bottom.text)))
        return whole

    def _is_digits_fraction(self) -> bool:
        r"""Say whether `\frac` is followed by numerals alone; looking ahead only, so that nothing is parsed twice."""
        ahead = 1
        for _ in range(2):
            braced = self.peek(ahead).text == "{"
            token = self.peek(ahead + braced)
            if token.kind != "number" or (braced and self.peek(ahead + 2).text != "}"):
                return False
            if not braced and len(token.text) == 2 and ahead == 1:  # `\frac12`
                return token.text.isdigit()
            ahead += 3 if braced else 1
        return True

    def _based(self, first: Token) -> Node | None:
        """Read a numeral with letters for digits and its base, as in `2A3_{16}`; None leaves the cursor alone."""
        digits, ahead = first.text, 0
        while (token := self.peek(ahead)).kind in ("number", "name") and not token.spaced and ahead < 40:
            digits += token.text
            ahead += 1
        if first.kind == "number" and not ahead and token.text != "_":
            return None
        if token.text != "_" or not digits.isalnum() or not digits.isascii():
            prefix = {"0x": 16, "0b": 2, "0o": 8}.get(digits[:2])
            if prefix and first.text == "0" and len(digits) > 2 and _is_numeral(digits[2:], prefix):
                self.position += ahead
                return Based(digits[2:].upper().lstrip("0") or "0", prefix)
            return None
        start = self.position
        self.position += ahead + 1
        base = _base_of(self.raw_group())
        if base is None or not _is_numeral(digits, base) or (digits.isalpha() and (len(digits) < 2 or base < 11)):
            self.position = start
            return None
        return Based(digits.upper().lstrip("0") or "0", base)

    # --- names ---

    def _name(self, token: Token) -> Node:
        """Read a run of letters: a function, a constant, a label before `=` or `:`, or a product of variables."""
        name = token.text
        if name in FUNCTIONS or name in ARC_NAMES:
            return self._command(ARC_NAMES.get(name, name))
        following = self.peek()
        if len(name) == 1:
            mark = self._function_mark() if name in "fghFGH" else ""
            if mark:
                name, following = name + mark, self.peek()
            is_call = name[0] in "fghFGH" or self._is_head() or self._is_counting(name)
            if following.text == "(" and not following.spaced and is_call:
                self.position += 1
                before, self.bar_closes = self.bar_closes, True
                args = self._arguments()
                self.bar_closes = before
                self.expect(")")
                return Call(name, args)
            if name in "ACP" and following.text in ("_", "^") and (counted := self._chosen(name)) is not None:
                return counted
            return Sym(name)
        if following.text in ("=", ":") and following.kind == "sign":
            return Sym(name)
        number = NUMBER_WORDS.get(name.lower()) if len(self.tokens) == 1 else None
        if number is not None:
            return Num(Fraction(number))
        if name == "oo" or name.lower() in ("inf", "infinity"):
            return INFINITY
        if following.text == "_" and name.isupper():
            return Sym(name)
        if name in ("nCr", "nPr") and self.accept("("):
            args = self._arguments()
            self.expect(")")
            return Call("binom" if name == "nCr" else "permutations", args)
        if len(name) > 3 or name in _NOT_MATHS_NAMES:
            raise NotMathError(f"cannot read the word {name[:20]!r}")
        if name in OPERATORS and (following.text in ("(", "_") or following.kind == "name"):
            raise NotMathError(f"the function {name} is not worked out")
        self.position -= 1
        self._split_name()
        return self._name(self.take())

    def _split_name(self) -> None:
        """Replace the next token, a run of letters, by one token per letter: `xy^2` is x times y^2."""
        token = self.peek()
        letters = [Token("name", letter, token.spaced and not index) for index, letter in enumerate(token.text)]
        self.tokens[self.position : self.position + 1] = letters

    def _function_mark(self) -> str:
        """Consume the primes of `f''(x)` or the minus one of `f^{-1}(x)`, if an argument follows; return them."""
        texts = [self.peek(ahead).text for ahead in range(6)]
        if texts == ["^", "{", "-", "1", "}", "("]:
            self.position += 5
            return "^-1"
        primes = next(index for index, text in enumerate([*texts, ""]) if text != "'")
        if primes and primes < 6 and texts[primes] == "(":
            self.position += primes
            return "'" * primes
        return ""

    def _is_head(self) -> bool:
        """Say whether brackets and then `=` come next, as in `T(10) = 2` and `P(X = 2) = 0.1`."""
        if self.peek().text != "(":
            return False
        depth = 0
        for ahead in range(24):
            token = self.peek(ahead)
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                following = self.peek(ahead + 1)
                return following.text in ("=", "approx") and ahead > 1
            if token.kind == "end":
                return False
        return False

    def _is_counting(self, name: str) -> bool:
        """Say whether `(n, k)` with two values comes next after C or P, or a label's coordinates at the start."""
        return name.isupper() and (self.position == 1 or name in "CP") and self.peek().text == "(" and self._has_comma()

    def _has_comma(self) -> bool:
        depth = 0
        for ahead in range(60):
            token = self.peek(ahead)
            depth += (token.text in ("(", "{", "[")) - (token.text in (")", "}", "]"))
            if depth == 1 and token.text in (",", ";"):
                return True
            if depth == 0 or token.kind == "end":
                return False
        return False

    def _arguments(self) -> tuple[Node, ...]:
        """Read what stands in the brackets of a function, also an event or `A | B`."""
        items = [self.whole()]
        if self.accept("|", "mid"):
            items.append(self.whole())
        return (
            items[0].items if len(items) == 1 and type(items[0]) is Group and items[0].opening == "" else tuple(items)
        )

    def _subscript(self, node: Node) -> Node:
        """Read `_...` after a node: a base after a numeral, else a part of the name."""
        start = self.position
        self.position += 1
        if type(node) is Num:
            base = _base_of(self.raw_group())
            token = self.tokens[start - 1]
            digits = token.text if token.kind == "number" else self.tokens[start - 2].text
            if base is None or not digits.isdigit() or not _is_numeral(digits, base):
                raise NotMathError("the base of a numeral must be from 2 to 36")
            return Based(digits.lstrip("0") or "0", base)
        if type(node) is Sym and node.name in _SET_NAMES:
            return self._part_of_set(node)
        subscript = self.raw_group()
        if type(node) is Sym:
            return Sym(f"{node.name}_{subscript}")
        raise NotMathError("a subscript stands after something that is not a name")

    def _part_of_set(self, node: Sym) -> Node:
        r"""Read `\mathbb{R}_{>0}` and `\mathbb{Z}_{\ge 0}` after their underscore."""
        text = self.raw_group()
        if text == "+":
            return _positive(node)
        sign = next(
            (
                sign
                for sign in (">=", "geqslant", "geq", "ge", ">", "<=", "leqslant", "leq", "le", "<")
                if text.startswith(sign)
            ),
            "",
        )
        if not sign or text[len(sign) :] != "0":
            return Sym(f"{node.name}_{text}")
        relation = RELATIONS.get(sign, sign)
        if node.name == "reals":
            closed, below = _HALF_LINES[relation]
            zero = Num(Fraction(0))
            if below:
                return Group("(", (negate(INFINITY), zero), "]" if closed else ")")
            return Group("[" if closed else "(", (zero, INFINITY), ")")
        if node.name == "integers" and relation in (">", ">="):
            return Sym("positive integers" if relation == ">" else "integers >= 0")
        return Sym(f"{node.name} {relation} 0")

    # --- commands ---

    def _command(self, name: str) -> Node:
        """Read what follows a command or a function's name; raises NotMathError for commands that are not known."""
        symbol = _SYMBOLS.get(name)
        if symbol is not None:
            return symbol
        if name in FRACTIONS:
            if self.peek().text == "(":
                raise NotMathError("frac needs braces")
            return self._fraction()
        if name == "sqrt":
            return self._root()
        if name in BINOMIALS:
            return Call("binom", (self._argument(), self._argument()))
        if name in _BOUND_KINDS:
            return self._bound(_BOUND_KINDS[name])
        if name in FUNCTIONS or name in ARC_NAMES:
            return self._function(ARC_NAMES.get(name, name))
        if name in ("{", "lbrace"):
            return self._set()
        if name in ("langle", "lbrack"):
            return self._bracket("(" if name == "langle" else "[")
        if name in _BARS:
            inner = self.sum()
            self.expect(_BARS[name])
            return Call(_BAR_NAMES.get(name, "abs"), (inner,))
        if name == "mathbb":
            text = self.raw_group()
            return Sym(NUMBER_SETS.get(text, f"mathbb:{text}"))
        if name in ACCENTS:
            return Sym(f"{name}:{self.raw_group()}")
        if name == "begin":
            return self._environment()
        if name in TRANSPARENT:
            return self.atom()
        if name == "not" and self.peek().text in ("exists", "ni"):
            raise NotMathError("a negated relation")
        raise NotMathError(f"the command \\{name[:20]} is not known")

    def _fraction(self) -> Node:
        r"""Read the two arguments of `\frac`; a derivative such as `\frac{d}{dx}` is not a quotient."""
        ahead = 1 + (self.peek().text == "{")
        if self.peek(ahead - 1).text in ("d", "partial") and (
            self.peek(ahead).text in ("}", "^", "d", "dx") or self.peek(ahead).text[:1] == "d"
        ):
            raise NotMathError("a derivative is not worked out")
        top = self._argument()
        return divide(top, self._argument())

    def _root(self) -> Node:
        if self.peek().text == "[":
            self.position += 1
            degree = self.sum()
            self.expect("]")
            return Call("root", (self.atom(), degree))
        return Pow(self.atom(), HALF)

    def _ends_argument(self) -> bool:
        """Say whether the next factor is outside the argument of a function written without brackets."""
        token = self.peek()
        return token.text in _ARGUMENT_ENDS or (token.text == "e" and self.peek(1).text == "^")

    def _function(self, name: str) -> Node:
        power: Node | None = None
        base: Node | None = None
        if self.accept("_"):
            base = self.atom()
        if self.accept("^"):
            power = self.power() if self.peek().text != "-" else self._bracket("{")
        following = self.peek()
        if following.text in ("(", "{", "["):
            self.position += 1
            args = self.items()
            self.expect({"(": ")", "{": "}", "[": "]"}[following.text])
        else:
            factors = [self.power()]
            while self.starts_factor() and not self._ends_argument():
                factors.append(self.power())
            args = (factors[0] if len(factors) == 1 else Mul(tuple(factors)),)
        if name in ("max", "min", "gcd", "lcm") and len(args) < 2 and following.text not in ("(", "{", "["):
            raise NotMathError(f"{name} of one value")
        if name == "exp":
            return Pow(Sym("e"), args[0])
        if name == "cis":
            return Pow(Sym("e"), Mul((Sym("i"), args[0])))
        node: Node
        if name in ("log", "ln", "lg"):
            log = Call("ln", args)
            base = base or (Num(Fraction(10)) if name == "lg" else None)
            node = log if base is None else divide(log, Call("ln", (base,)))
        elif base is not None:
            raise NotMathError(f"{name} takes no subscript")
        elif power == Num(Fraction(-1)) and name in TRIGONOMETRIC:
            return Call(f"arc{name}", args)
        else:
            node = Call(name, args)
        return node if power is None else Pow(node, power)

    def _chosen(self, name: str) -> Node | None:
        """Read `C_{10}^3` and `P_5^2`: choices and arrangements of a number; None leaves the cursor alone."""
        start = self.position
        first = self.take().text
        low = self._small_argument()
        if low is not None and self.peek().text == ("^" if first == "_" else "_"):
            self.position += 1
            high = self._small_argument()
            if high is not None:
                count, size = (low, high) if first == "_" else (high, low)
                # `A_5^2` counts arrangements too; `A_1^2` and `A_n^2` are squares of something named A.
                is_square = not (isinstance(count, Num) and isinstance(size, Num) and 1 < size.value <= count.value)
                if name == "A" and (first != "_" or is_square):
                    self.position = start
                    return None
                return Call("binom" if name == "C" else "permutations", (count, size))
        self.position = start
        return None

    def _counting(self, start: int) -> Node | None:
        """Read `^{10}C_3` and `_{10}P_3` from the token that raises or lowers the first number."""
        before, self.position = self.position, start
        if self.accept("^", "_"):
            count = self._small_argument()
            name = self.take().text
            if count is not None and name in ("C", "P") and self.accept("_"):
                size = self._small_argument()
                if size is not None:
                    return Call("binom" if name == "C" else "permutations", (count, size))
        self.position = before
        return None

    def _small_argument(self) -> Node | None:
        """Read a whole number or one letter, in braces or not; None if something else stands there."""
        braced = self.accept("{")
        token = self.take()
        if braced and not self.accept("}"):
            return None
        if token.kind == "number" and token.text.isdigit() and len(token.text) < 7:
            return Num(Fraction(token.text))
        return Sym(token.text) if token.kind == "name" and len(token.text) == 1 else None

    def _bound(self, kind: BoundKind) -> Node:
        r"""Read a sum, a product, a definite integral or a limit after its command."""
        low: Node = Sym("?")
        high: Node = Sym("?")
        name = ""
        for _ in range(2):
            if self.accept("_"):
                if kind == "int":
                    low = self.atom()
                else:
                    name, low = self._bound_start(kind)
            elif self.accept("^"):
                high = self.atom() if self.peek().text != "-" else negate(self._bracket("{"))
        if kind == "int":
            return self._integral(low, high)
        if not name or (kind != "lim" and high == Sym("?")):
            raise NotMathError(f"the bounds of \\{kind} are not read")
        return Bound(kind, self._product(), name, low, high)

    def _bound_start(self, kind: str) -> tuple[str, Node]:
        self.expect("{")
        name = self.take()
        if name.kind not in ("name", "command") or not self.accept("=", "to", "rightarrow"):
            raise NotMathError(f"the bounds of \\{kind} are not read")
        low = self.sum()
        self.expect("}")
        return name.text, low

    def _integral(self, low: Node, high: Node) -> Node:
        """Read the integrand up to its `dx`."""
        end = self.position
        last = min(len(self.tokens), end + MAX_INTEGRAND)
        while end < last and not (_is_differential(self.tokens[end]) or self._is_parted_differential(end)):
            end += 1
        if end < last and self._is_parted_differential(end):  # \\mathrm{d}x
            self.tokens[end : end + 2] = [Token("name", "d" + self.tokens[end + 1].text, True)]
            last = min(last, len(self.tokens))
        is_in_top = end < last and end + 1 < len(self.tokens) and self.tokens[end + 1].text == "}"
        if is_in_top and self.peek().text in FRACTIONS:
            return self._integral_of_fraction(low, high, end)
        if end >= last or low == Sym("?") or high == Sym("?"):
            raise NotMathError("only definite integrals are read")
        name = self.tokens[end].text[-1]
        rest = self.tokens[end].text[:-2]
        inner = Parser([*self.tokens[self.position : end], *([Token("name", rest, False)] if rest else [])])
        inner.depth = self.depth
        body = inner.sum() if inner.tokens else Num(Fraction(1))
        if inner.peek() is not END:
            raise NotMathError("the integrand is not read")
        self.position = end + 1
        return Bound("int", body, name, low, high)

    def _is_parted_differential(self, place: int) -> bool:
        if self.tokens[place].text != "d" or place + 1 >= len(self.tokens):
            return False
        following = self.tokens[place + 1]
        return following.kind == "name" and len(following.text) == 1 and not following.spaced

    def _integral_of_fraction(self, low: Node, high: Node, place: int) -> Node:
        r"""Read `\int_1^2 \frac{dx}{x}`, whose differential stands in the top."""
        name = self.tokens[place].text
        if low == Sym("?") or high == Sym("?") or len(name) != 2:
            raise NotMathError("only definite integrals are read")
        is_alone = self.tokens[place - 1].text == "{"
        self.tokens[place : place + 1] = [Token("number", "1", False)] if is_alone else []
        return Bound("int", self.power(), name[1], low, high)

    def _set(self) -> Node:
        before, self.bar_closes = self.bar_closes, True
        colon = self.colon_closes
        self.colon_closes = self.peek().kind in ("name", "command") and self.peek(1).kind != "number"
        if self.accept("}", "rbrace"):
            self.bar_closes, self.colon_closes = before, colon
            return EMPTY
        items = self.items()
        self.colon_closes = False
        if self.accept("|", "mid", "vert", ":", "colon"):
            condition = self.whole()  # a set given by a condition is that condition
            self.bar_closes, self.colon_closes = before, colon
            self.expect("}") if self.peek().text == "}" else self.expect("rbrace")
            return _set_of(items, condition)
        self.bar_closes, self.colon_closes = before, colon
        if not self.accept("}", "rbrace"):
            raise NotMathError("a set is not closed")
        return Group("{", items, "}")

    # --- environments ---

    def _environment(self) -> Node:
        kind = self.raw_group().rstrip("*")
        if kind not in MATRICES and kind not in ("cases", "rcases", "dcases", "vmatrix"):
            raise NotMathError(f"the environment {kind[:20]} is not an answer")
        if kind in ("array", "tabular") and self.peek().text == "{":
            self.raw_group()
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while True:
            row.append(self._cell(is_condition=kind.endswith("cases") and bool(row)))
            if self.accept("&"):
                continue
            rows.append(tuple(row))
            row = []
            ended = not self.accept("\\")
            if self.accept("end"):
                break
            if ended:
                raise NotMathError("a matrix is not closed")
        if self.raw_group().rstrip("*") != kind or len({len(cells) for cells in rows}) != 1:
            raise NotMathError("the rows of a matrix differ in length")
        if kind.endswith("cases"):
            if len(rows[0]) != 2:
                raise NotMathError("the rows of a function by cases are not a value and a condition")
            return Call("piecewise", tuple(Group("(", cells, ")") for cells in rows))
        if kind == "vmatrix":
            return Call("det", (Matrix(tuple(rows)),))
        if (
            kind == "array"
            and len(rows[0]) == 1
            and (len(rows) == 1 or all(type(cells[0]) is Relation for cells in rows))
        ):
            cells = tuple(cells[0] for cells in rows)
            return cells[0] if len(cells) == 1 else Group("", cells, "")
        return Matrix(tuple(rows))

    def _cell(self, *, is_condition: bool) -> Node:
        if not is_condition:
            node = self.item()
            self.accept(",")
            return node
        while self.peek().kind in ("text", "name") and self.peek().text.lower().strip(":,") in (
            "if",
            "for",
            "when",
            "where",
        ):
            self.position += 1
        token = self.peek()
        if token.kind in ("text", "name") and token.text.lower().strip(".,") in ("otherwise", "else", "if otherwise"):
            self.position += 1
            return Sym("otherwise")
        start, depth = self.position, self.depth
        try:
            node = self.whole()
            self.accept(".")
            if self.peek().text in ("&", "\\", "end"):
                return node
        except NotMathError:
            pass
        self.position, self.depth = start, depth
        words: list[str] = []  # "n is even": compared as words
        while (
            (token := self.peek()).kind in ("text", "name", "number", "sign") and token.text != "&" and len(words) < 12
        ):
            words += token.text.lower().strip(".,").split()
            self.position += 1
        if self.peek().text not in ("\\", "end"):
            raise NotMathError("the condition of a case is not read")
        return Sym("case " + " ".join(word for word in words if word not in _CASE_FILLERS))


_CASE_FILLERS = frozenset({"if", "is", "are", "an", "a", "the", "for", "when", "where", "number", "integer", ""})
_TEMPERATURE_LETTERS = {"C": "celsius", "F": "fahrenheit", "K": "kelvin"}


def _is_differential(token: Token) -> bool:
    """Say whether a token is `dx`, or the `xdx` of an integrand written without a space."""
    return token.kind == "name" and token.text[-2:-1] == "d" and token.text[:-2] in ("", "x", "y", "t", "u")


def _add(terms: list[Node]) -> Node:
    return terms[0] if len(terms) == 1 else Add(tuple(terms))


def _times(value: Node, factor: int) -> Node:
    if type(value) is Num:
        return Num(value.value * factor)
    return Mul((Num(Fraction(factor)), value))


def _dimensions(unit: str) -> tuple[tuple[str, int], ...]:
    """Return all dimensions the readings of a unit have."""
    return tuple(pair for measure in read_unit(unit).measures for pair in measure.dimensions)


def _is_power_of_unit(words: list[str], changing: set[str]) -> bool:
    """Say whether `squared` and `cubed` belong to the unit before them, as in `5 metres squared`."""
    return changing <= {"squared", "cubed"} and is_unit_word(words[0]) and len(words) > 1


def _compound(large: Node, small: Node) -> Quantity | None:
    """Return `2 hours` and `30 minutes` as 150 minutes, or None if the second does not continue the first."""
    if not (isinstance(large, Quantity) and isinstance(small, Quantity)):
        return None
    if type(large.value) is not Num or type(small.value) is not Num or large.value.decimals or small.value.value < 0:
        return None
    for big in read_unit(large.unit).measures:
        for little in read_unit(small.unit).measures:
            if big.dimensions == little.dimensions and little.scale < big.scale:
                if small.value.value * little.scale >= big.scale:
                    return None
                sign = -1 if large.value.value < 0 else 1
                return Quantity(
                    Num(large.value.value * big.scale / little.scale + sign * small.value.value), small.unit
                )
    return None


def _is_letters(value: Node) -> bool:
    if isinstance(value, Mul):
        return all(isinstance(factor, Sym) for factor in value.factors)
    return isinstance(value, Sym)


def _is_group(text: str) -> bool:
    return (
        text.isdigit() and (len(text) <= 3 or len(text) % 3 == 0 or len(text) % 3 + 3 <= len(text)) and len(text) < 30
    )


def _repeating(text: str, digits: str) -> Node:
    """Return the number whose decimals after `text` are `digits` without end."""
    if not digits.isdigit() or len(digits) > 50:
        raise NotMathError("the repeating part of a decimal must be digits")
    whole, _, decimals = text.partition(".")
    scale = 10 ** len(decimals)
    return Num(Fraction(int(whole + decimals), scale) + Fraction(int(digits), scale * (10 ** len(digits) - 1)))


def _continued(text: str) -> Node:
    """Read `0.333...` and `0.1666...`: the shortest period seen at least twice and three digits long goes on."""
    whole, _, decimals = text.partition(".")
    for period in range(1, len(decimals) // 2 + 1):
        part = decimals[-period:]
        count = 1
        while decimals[: len(decimals) - period * count].endswith(part):
            count += 1
        if count >= 2 and period * count >= 3:
            return _repeating(f"{whole}.{decimals[: len(decimals) - period * count]}", part)
    raise NotMathError("the digits after the dots are not known")


def _base_of(text: str) -> int | None:
    """Return the base a subscript states: `2`, `(2)`, `two`, `base 2`."""
    text = text.strip("()").lower().removeprefix("base").strip(" ()")
    base = NUMBER_WORDS.get(text, int(text) if text.isdigit() and len(text) < 3 else 0)
    return base if 2 <= base <= 36 else None


def _is_numeral(digits: str, base: int) -> bool:
    return all((ord(char.lower()) - 87 if char.isalpha() else int(char)) < base for char in digits)


def _positive(node: Sym) -> Node:
    if node.name == "reals":
        return Group("(", (Num(Fraction(0)), INFINITY), ")")
    return Sym("positive integers" if node.name == "integers" else f"positive {node.name}")


def _set_of(items: tuple[Node, ...], condition: Node) -> Node:
    """Return the set of all `items` with a condition: the condition itself for one real variable."""
    conditions = condition.items if type(condition) is Group and condition.opening == "" else (condition,)
    if not all(isinstance(each, Relation) for each in conditions) or len(items) != 1:
        raise NotMathError("cannot read the condition of a set")
    variable = items[0]
    if type(variable) is Relation and variable.signs == ("in",):
        if variable.items[1] != Sym("reals"):
            raise NotMathError("a set over something else than the real numbers")
        variable = variable.items[0]
    if type(variable) is not Sym:
        raise NotMathError("a set of values of a formula")
    kept = tuple(
        each
        for each in conditions
        if not (type(each) is Relation and each.signs == ("in",) and each.items[1] == Sym("reals"))
    )
    if not kept:
        return Sym("reals")
    if len(kept) == 1:
        return kept[0]
    return Group("", kept, "", condition.joined or "and" if type(condition) is Group else "and")
