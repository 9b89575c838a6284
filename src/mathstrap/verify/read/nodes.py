"""The tree an answer is parsed into: expressions, and the structures answers are given in. Knows no text."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Literal

import msgspec

BoundKind = Literal["sum", "prod", "int", "lim"]


class NotMathError(ValueError):
    """The text is not mathematics this parser reads, or is larger than it accepts."""


class Node(msgspec.Struct, frozen=True):
    """The base of every node; nodes are values: equal trees are equal and hashable."""


class Num(Node, frozen=True):
    """An exact rational number; decimals are exact too. `decimals` counts the digits written after the point."""

    value: Fraction
    decimals: int = 0


class Sym(Node, frozen=True):
    """A variable, a named constant (`pi`, `e`, `i`, `oo`) or a name such as `x_1`."""

    name: str


class Add(Node, frozen=True):
    """A sum of two or more terms."""

    terms: tuple[Node, ...]


class Mul(Node, frozen=True):
    """A product of two or more factors; a quotient is a factor to the power -1."""

    factors: tuple[Node, ...]


class Pow(Node, frozen=True):
    """A power, principal branch."""

    base: Node
    exponent: Node


class Call(Node, frozen=True):
    """A function applied to arguments: known ones (`sin`, `root`, `factorial`) and unknown ones (`f`)."""

    name: str
    args: tuple[Node, ...]


class PlusMinus(Node, frozen=True):
    """`left + right` and `left - right`; `lower_first` for a minus-plus sign."""

    left: Node
    right: Node
    lower_first: bool = False


class Group(Node, frozen=True):
    """Items in brackets: a tuple, an interval or a set, told apart by `opening` and `closing`; "" for a bare list.

    `joined` is the word between the items of a bare list where every one of them is the same word.
    """

    opening: Literal["", "(", "[", "{"]
    items: tuple[Node, ...]
    closing: Literal["", ")", "]", "}"]
    joined: Literal["", "and", "or"] = ""


class Union(Node, frozen=True):
    """A union of sets or intervals."""

    parts: tuple[Node, ...]


class Matrix(Node, frozen=True):
    """Rows of cells."""

    rows: tuple[tuple[Node, ...], ...]


class Relation(Node, frozen=True):
    """A chain `items[0] signs[0] items[1] ...`; the signs are = < > <= >= != ~ and "in"."""

    items: tuple[Node, ...]
    signs: tuple[str, ...]


class Ratio(Node, frozen=True):
    """Numbers joined by colons: a ratio or a time of day."""

    items: tuple[Node, ...]


class Based(Node, frozen=True):
    """A numeral written in a stated base."""

    digits: str
    base: int


class Quantity(Node, frozen=True):
    """A value with a unit, a phrase of words as written; a currency sign is the first word of its unit."""

    value: Node
    unit: str


class Bound(Node, frozen=True):
    """A sum, product or integral of `body` over `name` from `low` to `high`, or its limit for `name` to `low`."""

    kind: BoundKind
    body: Node
    name: str
    low: Node
    high: Node


def numeral(text: str) -> Num:
    """Return the number that digits, with or without a point, spell."""
    whole, _, decimals = text.partition(".")
    if not decimals:
        return Num(Fraction(int(whole)))
    return Num(Fraction(int(whole + decimals), 10 ** len(decimals)), len(decimals))


MINUS_ONE = Num(Fraction(-1))
HALF = Num(Fraction(1, 2))
INFINITY = Sym("oo")
EMPTY = Sym("emptyset")


def negate(node: Node) -> Node:
    """Return -node; a number stays a number."""
    if type(node) is Num:
        return Num(-node.value, node.decimals)
    if type(node) is Mul:
        return Mul((MINUS_ONE, *node.factors))
    return Mul((MINUS_ONE, node))


def divide(top: Node, bottom: Node) -> Node:
    """Return top / bottom; a quotient of whole numbers becomes a number. Raises NotMathError for a divisor of zero."""
    if type(bottom) is Num and not bottom.value:
        raise NotMathError("a divisor is zero")
    if type(top) is Num and type(bottom) is Num:
        return Num(top.value / bottom.value)
    return Mul((top, Pow(bottom, MINUS_ONE)))


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct parts of a node, in order; leaves have none."""
    parts = _PARTS.get(type(node))
    return parts(node) if parts else ()


# A table rather than a match: trees are walked for every verdict, and most of their nodes are leaves.
_PARTS: dict[type[Node], Callable[[Any], tuple[Node, ...]]] = {
    Add: lambda node: node.terms,
    Mul: lambda node: node.factors,
    Pow: lambda node: (node.base, node.exponent),
    Call: lambda node: node.args,
    Group: lambda node: node.items,
    Union: lambda node: node.parts,
    Relation: lambda node: node.items,
    Ratio: lambda node: node.items,
    PlusMinus: lambda node: (node.left, node.right),
    Matrix: lambda node: tuple(cell for row in node.rows for cell in row),
    Quantity: lambda node: (node.value,),
    Bound: lambda node: (node.body, node.low, node.high),
}
CONSTANTS = frozenset(
    {"pi", "e", "i", "oo", "emptyset", "...", "reals", "integers", "naturals", "rationals", "complexes",
     "positive integers", "integers >= 0", "otherwise"}
)  # fmt: skip


def symbols(node: Node) -> frozenset[str]:
    """Return the names of the free variables in a tree, constants left out."""
    names: set[str] = set()
    _collect(node, names)
    return frozenset(names)


def _collect(node: Node, names: set[str]) -> None:
    if type(node) is Num:
        return
    if type(node) is Sym:
        if node.name not in CONSTANTS:
            names.add(node.name)
    elif type(node) is Bound:
        inner: set[str] = set()
        _collect(node.body, inner)
        names |= inner - {node.name}
        _collect(node.low, names)
        _collect(node.high, names)
    else:
        for child in children(node):
            _collect(child, names)


def rebuild(node: Node, change: Callable[[Node], Node]) -> Node:
    """Return the node with `change` applied to each of its direct parts; leaves, sets and matrices stay as they are."""

    def all_of(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        return tuple(change(each) for each in nodes)

    match node:
        case Add():
            return Add(all_of(node.terms))
        case Mul():
            return Mul(all_of(node.factors))
        case Pow():
            return Pow(change(node.base), change(node.exponent))
        case Call():
            return Call(node.name, all_of(node.args))
        case Quantity():
            return Quantity(change(node.value), node.unit)
        case Relation():
            return Relation(all_of(node.items), node.signs)
        case Group():
            return Group(node.opening, all_of(node.items), node.closing, node.joined)
    return node


def replace(node: Node, name: str, value: Node) -> Node:
    """Return the node with every Sym `name` replaced by `value`, but for the variable a sum or an integral binds."""
    if type(node) is Sym:
        return value if node.name == name else node
    if type(node) is Bound:
        inner = node.body if node.name == name else replace(node.body, name, value)
        return Bound(node.kind, inner, node.name, replace(node.low, name, value), replace(node.high, name, value))
    return rebuild(node, lambda part: replace(part, name, value))
