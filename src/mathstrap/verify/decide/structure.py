"""Bring answers to a canonical shape: solved equations to name and value, inequalities to intervals, signs expanded."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from mathstrap.verify.decide.identity import same_expression, strip_marks
from mathstrap.verify.decide.numeric import real_value
from mathstrap.verify.read.nodes import (
    INFINITY,
    MINUS_ONE,
    Add,
    Call,
    Group,
    Matrix,
    Mul,
    Node,
    Num,
    PlusMinus,
    Pow,
    Quantity,
    Relation,
    Sym,
    Union,
    children,
    negate,
    symbols,
)

MINUS_INFINITY = Mul((MINUS_ONE, INFINITY))
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def is_head(node: Node) -> bool:
    """Say whether a side of an equation only names a value: `x`, `f(x)`, `AB`, `(p, q)`."""
    if isinstance(node, Sym):
        return node.name not in ("pi", "oo", "emptyset", "reals", "...")
    if isinstance(node, Call):
        return all(type(arg) in (Sym, Num) for arg in node.args) and node.name not in ("factorial", "percent", "deg")
    if isinstance(node, Mul):
        names = [factor.name for factor in node.factors if isinstance(factor, Sym)]
        return len(names) == len(node.factors) and (names[0].isupper() or names[0] in ("angle", "triangle"))
    if isinstance(node, Group):
        return node.opening == "(" and all(isinstance(item, Sym) for item in node.items)
    if isinstance(node, Quantity):
        return is_head(node.value)
    return False


def canonical(node: Node) -> Node:
    """Return the canonical shape of a parsed answer; what has none is returned as it is."""
    if isinstance(node, Relation):
        return _canonical_relation(node)
    if isinstance(node, Group):
        items: list[Node] = []
        for item in node.items:
            items += (canonical(each) for each in expand_signs(item)) if node.opening in ("", "{") else (item,)
        if node.opening == "" and len(items) > 1 and (union := _union_of_relations(items)) is not None:
            return union
        return Group(node.opening, tuple(items), node.closing)
    if isinstance(node, Union):
        return _merged(tuple(canonical(part) for part in node.parts))
    if isinstance(node, Call) and node.name == "setminus":
        return _without_points(node)
    if isinstance(node, Mul) and sum(isinstance(factor, Matrix) for factor in node.factors) == 1:
        return _scaled(node)
    if node == Sym("reals"):
        return Group("(", (MINUS_INFINITY, INFINITY), ")")
    expanded = expand_signs(node)
    return Group("", expanded, "") if len(expanded) > 1 else node


def _without_points(node: Call) -> Node:
    """Write an interval without some points as a union of intervals; anything else stays as it is."""
    whole, removed = canonical(node.args[0]), node.args[1]
    if (
        not isinstance(whole, Group)
        or not isinstance(removed, Group)
        or removed.opening != "{"
        or len(whole.items) != 2
    ):
        return node
    low_end, high_end = real_value(whole.items[0]), real_value(whole.items[1])
    if low_end is None or high_end is None:
        return node
    inside: list[tuple[float, Node]] = []
    for item in removed.items:
        value = real_value(item)
        if value is None or not low_end < value < high_end:
            return node
        inside.append((value, item))
    inside.sort(key=lambda point: point[0])
    parts: list[Node] = []
    opening, low = whole.opening, whole.items[0]
    for _, item in inside:
        parts.append(Group(opening, (low, item), ")"))
        opening, low = "(", item
    return Union((*parts, Group(opening, (low, whole.items[1]), whole.closing)))


def _scaled(node: Mul) -> Node:
    matrix = next(factor for factor in node.factors if isinstance(factor, Matrix))
    others = tuple(factor for factor in node.factors if factor is not matrix)
    return Matrix(tuple(tuple(Mul((*others, cell)) for cell in row) for row in matrix.rows))


def expand_signs(node: Node) -> tuple[Node, ...]:
    """Return the node, or the two values a plus-minus sign in it stands for."""
    if not _has_plus_minus(node):
        return (node,)
    return (_choose(node, upper=True), _choose(node, upper=False))


def _has_plus_minus(node: Node) -> bool:
    return type(node) is PlusMinus or any(_has_plus_minus(child) for child in children(node))


def _choose(node: Node, *, upper: bool) -> Node:
    match node:
        case PlusMinus(left=left, right=right, lower_first=lower_first):
            value = _choose(right, upper=upper)
            return Add((_choose(left, upper=upper), value if upper != lower_first else negate(value)))
        case Add(terms=terms):
            return Add(tuple(_choose(term, upper=upper) for term in terms))
        case Mul(factors=factors):
            return Mul(tuple(_choose(factor, upper=upper) for factor in factors))
        case Pow(base=base, exponent=exponent):
            return Pow(_choose(base, upper=upper), _choose(exponent, upper=upper))
        case Call(name=name, args=args):
            return Call(name, tuple(_choose(arg, upper=upper) for arg in args))
        case Quantity(value=value, unit=unit):
            return Quantity(_choose(value, upper=upper), unit)
        case Relation(items=items, signs=signs):
            return Relation(tuple(_choose(item, upper=upper) for item in items), signs)
        case Group(opening=opening, items=items, closing=closing):
            return Group(opening, tuple(_choose(item, upper=upper) for item in items), closing)
    return node


def _canonical_relation(node: Relation) -> Node:
    items, signs = node.items, node.signs
    if "~" in signs:  # an approximation adds nothing to an exact value before it
        cut = signs.index("~")
        if cut > 0 or not is_head(items[0]):
            items, signs = items[: cut + 1], signs[:cut]
        else:
            signs = tuple("=" if sign == "~" else sign for sign in signs)
        if not signs:
            return canonical(items[0])
    if signs == ("in",):
        return canonical(items[1])
    if set(signs) == {"="}:
        return _solved(items)
    if all(sign in (">", ">=") for sign in signs):
        items, signs = items[::-1], tuple(_FLIPPED[sign] for sign in reversed(signs))
    return Relation(items, signs)


def _solved(items: tuple[Node, ...]) -> Node:
    heads = [item for item in items if is_head(item)]
    values = [item for item in items if not is_head(item)]
    if len(items) == 2 and not heads and not symbols(items[0]) and same_expression(*map(strip_marks, items)):
        return items[1]
    if not heads and len(items) > 2 and len(values) > 2:
        heads, values = [values[0]], values[1:]
    if not heads or not values:
        return Relation(items, ("=",) * (len(items) - 1))
    constant = [value for value in values if not symbols(value)]
    chosen = constant or values
    if not all(same_expression(strip_marks(chosen[0]), strip_marks(other)) for other in chosen[1:]):
        return Relation(items, ("=",) * (len(items) - 1))
    return Relation((heads[0], canonical(chosen[-1])), ("=",))


def as_interval(node: Node) -> Node | None:
    """Return the set of values an inequality in one name allows, or the node itself if it is an interval or a union."""
    if isinstance(node, Union) or (isinstance(node, Group) and len(node.items) == 2 and node.opening in ("(", "[")):
        return node
    if not isinstance(node, Relation):
        return None
    items, signs = node.items, node.signs
    if signs == ("!=",) and isinstance(items[0], Sym):
        point = items[1]
        below, above = Group("(", (MINUS_INFINITY, point), ")"), Group("(", (point, INFINITY), ")")
        return Union((below, above))
    if not all(sign in ("<", "<=") for sign in signs):
        return None
    names = [index for index, item in enumerate(items) if isinstance(item, Sym) and item.name not in ("oo", "pi", "e")]
    if len(names) != 1 or len(items) > 3 or (len(items) == 3 and names[0] != 1):
        return None
    where = names[0]
    low, high = (MINUS_INFINITY, items[1]) if where == 0 else (items[0], items[2] if len(items) == 3 else INFINITY)
    opening: Literal["(", "["] = "[" if where > 0 and signs[0] == "<=" else "("
    closing: Literal[")", "]"] = "]" if where < len(items) - 1 and signs[-1] == "<=" else ")"
    return Group(opening, (low, high), closing)


def relation_name(node: Node) -> str:
    """Return the name an inequality or a solved equation speaks of, "" if there is none."""
    if isinstance(node, Relation):
        return next((item.name for item in node.items if isinstance(item, Sym) and item.name != "oo"), "")
    return ""


def _union_of_relations(items: list[Node]) -> Node | None:
    if len({relation_name(item) for item in items if isinstance(item, Relation)}) != 1:
        return None
    if not all(isinstance(item, Relation) and set(item.signs) <= {"<", "<="} for item in items):
        return None
    parts = [as_interval(item) for item in items]
    found = tuple(part for part in parts if part is not None)
    return _merged(found) if len(found) == len(items) else None


def _merged(parts: tuple[Node, ...]) -> Node:
    """Sort the intervals of a union and join those that touch; symbolic ends leave the union as it is."""
    if all(isinstance(part, Group) and part.opening == "{" for part in parts):
        return Group("{", tuple(item for part in parts for item in children(part)), "}")
    pieces: list[tuple[float, bool, float, bool, Node, Node]] = []
    others: list[Node] = []
    for part in parts:
        if isinstance(part, Union):
            return Union(parts)
        if isinstance(part, Group) and len(part.items) == 2 and part.opening in ("(", "["):
            low, high = real_value(part.items[0]), real_value(part.items[1])
            if low is None or high is None or low > high:
                return Union(parts)
            pieces.append((low, part.opening == "(", high, part.closing == "]", part.items[0], part.items[1]))
        else:
            others.append(part)
    pieces.sort(key=lambda piece: piece[:4])
    joined: list[tuple[float, bool, float, bool, Node, Node]] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last and (piece[0] < last[2] or (piece[0] == last[2] and (last[3] or not piece[1]))):
            end = max((last[2], last[3], last[5]), (piece[2], piece[3], piece[5]), key=lambda tail: tail[:2])
            joined[-1] = (last[0], last[1], end[0], end[1], last[4], end[2])
        else:
            joined.append(piece)
    groups: list[Node] = [
        Group("(" if low_open else "[", (low, high), "]" if high_closed else ")")
        for _, low_open, _, high_closed, low, high in joined
    ]
    both = (*groups, *others)
    return both[0] if len(both) == 1 else Union(both)


__all__ = ["Fraction", "as_interval", "canonical", "expand_signs", "is_head", "relation_name"]
