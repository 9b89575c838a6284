"""Read LaTeX commands for the parser: fractions, roots, functions, matrices, sets. Names are read in `names.py`."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from mathstrap.verify.nodes import (
    EMPTY,
    HALF,
    INFINITY,
    Call,
    Group,
    Matrix,
    Mul,
    Node,
    NotMathError,
    Num,
    Pow,
    Relation,
    Sym,
    divide,
)
from mathstrap.verify.tokens import Token

if TYPE_CHECKING:
    from mathstrap.verify.parse import Parser

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
