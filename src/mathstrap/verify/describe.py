"""Say in words and plain notation what an answer was read as. Knows every node, decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from mathstrap.verify.read.nodes import (
    Add,
    Based,
    Bound,
    Call,
    Group,
    Matrix,
    Mul,
    Node,
    Num,
    PlusMinus,
    Pow,
    Quantity,
    Ratio,
    Relation,
    Sym,
    Union,
)

MAX_DIGITS = 60
MAX_DEPTH = 12
_NAMED = {"oo": "infinity", "pi": "the constant pi", "e": "the constant e", "i": "the imaginary unit i"}
_BOUNDS = {"sum": "sum", "prod": "product", "int": "integral", "lim": "limit"}


def describe(node: Node) -> str:
    """Return what a node is, in words a reader of the answer would use: "the number 1/2", "a list of 2: 1, 2"."""
    match node:
        case Num():
            return f"the number {notation(node)}"
        case Sym():
            return _NAMED.get(node.name, f"the symbol {node.name}")
        case Quantity():
            return f"{notation(node.value)} with the unit {node.unit}"
        case Based():
            return f"the digits {node.digits} in base {node.base}"
        case Group():
            return _group(node)
        case Union():
            return f"a union of {len(node.parts)} sets: {_joined(node.parts)}"
        case Matrix():
            return f"a matrix with {len(node.rows)} rows and {max(map(len, node.rows), default=0)} columns"
        case Relation():
            kind = "an equation" if set(node.signs) == {"="} else "a condition"
            return f"{kind}: {notation(node)}"
        case Ratio():
            return f"a ratio: {notation(node)}"
    return f"an expression: {notation(node)}"


def _group(node: Group) -> str:
    count = len(node.items)
    items = _joined(node.items)
    if node.opening == "{":
        return f"a set of {count}: {items}"
    if not node.opening:
        return f"a list of {count}: {items}" + (f" (joined by {node.joined})" if node.joined else "")
    if count == 2 and (node.opening == "[" or node.closing == "]"):
        ends = ("with" if node.opening == "[" else "without", "with" if node.closing == "]" else "without")
        low, high = notation(node.items[0]), notation(node.items[1])
        return f"an interval from {low} ({ends[0]} it) to {high} ({ends[1]} it)"
    return f"{count} values in this order: {items}"


def _joined(items: Sequence[Node]) -> str:
    shown = ", ".join(notation(item) for item in items[:8])
    return shown + (", ..." if len(items) > 8 else "")


def notation(node: Node, depth: int = 0) -> str:
    """Return a node in plain notation: `2*x^2 + 1`, `sqrt(3)/2`; what is nested deeper than 12 levels is `...`."""
    if depth > MAX_DEPTH:
        return "..."

    def inner(part: Node) -> str:
        text = notation(part, depth + 1)
        return f"({text})" if isinstance(part, Add | PlusMinus | Relation) else text

    match node:
        case Num():
            return _number(node)
        case Sym():
            return {"oo": "infinity"}.get(node.name, node.name)
        case Add():
            return " + ".join(notation(term, depth + 1) for term in node.terms).replace("+ -", "- ")
        case Mul():
            return _product(node, inner)
        case Pow():
            base = inner(node.base)
            if node.exponent == Num(value=Fraction(1, 2)):
                return f"sqrt({notation(node.base, depth + 1)})"
            return f"{f'({base})' if isinstance(node.base, Mul | Pow) else base}^{_exponent(node.exponent, inner)}"
        case Call():
            return f"{node.name}({', '.join(notation(each, depth + 1) for each in node.args)})"
        case PlusMinus():
            return f"{inner(node.left)} ± {inner(node.right)}"
        case Relation():
            text = notation(node.items[0], depth + 1)
            for sign, item in zip(node.signs, node.items[1:], strict=True):
                text += f" {sign} {notation(item, depth + 1)}"
            return text
        case Ratio():
            return " : ".join(inner(item) for item in node.items)
        case Quantity():
            return f"{inner(node.value)} {node.unit}"
        case Based():
            return f"{node.digits} (base {node.base})"
        case Bound():
            ends = f"{node.name} from {inner(node.low)} to {inner(node.high)}"
            return f"{_BOUNDS[node.kind]}({notation(node.body, depth + 1)}, {ends})"
        case Matrix():
            return "[" + "; ".join(", ".join(notation(cell, depth + 1) for cell in row) for row in node.rows) + "]"
        case Group():
            items = ", ".join(notation(each, depth + 1) for each in node.items)
            return f"{node.opening or '('}{items}{node.closing or ')'}"
        case Union():
            return " or ".join(notation(part, depth + 1) for part in node.parts)
    return type(node).__name__.lower()


def _number(node: Num) -> str:
    value = node.value
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > 3 * MAX_DIGITS:
        return "(a number with very many digits)"
    if node.decimals and node.decimals <= MAX_DIGITS:
        scaled = value * 10**node.decimals
        if scaled.denominator == 1:
            digits = f"{abs(scaled.numerator):0{node.decimals + 1}d}"
            return f"{'-' if value < 0 else ''}{digits[: -node.decimals]}.{digits[-node.decimals :]}"
    return str(value)


def _product(node: Mul, inner: object) -> str:
    assert callable(inner), "how a factor is written"
    above = [inner(part) for part in node.factors if not _is_inverse(part)]
    below = [inner(part.base) for part in node.factors if isinstance(part, Pow) and _is_inverse(part)]
    if above and above[0] == "-1" and len(above) > 1:
        above = [f"-{above[1]}", *above[2:]]
    top = "*".join(above) or "1"
    return top if not below else f"{top}/{below[0] if len(below) == 1 else '(' + '*'.join(below) + ')'}"


def _is_inverse(node: Node) -> bool:
    return isinstance(node, Pow) and isinstance(node.exponent, Num) and node.exponent.value == Fraction(-1)


def _exponent(node: Node, inner: object) -> str:
    assert callable(inner), "how an exponent is written"
    text = str(inner(node))
    return text if text.isalnum() or text.startswith("(") else f"({text})"
