"""Bring answers to a canonical shape: solved equations to name and value, inequalities to intervals, signs expanded."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from mathstrap.verify.decide.identity import same_expression, strip_marks
from mathstrap.verify.decide.numeric import real_value
from mathstrap.verify.read.nodes import (
    CONSTANTS,
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
    Quantity,
    Relation,
    Sym,
    Union,
    children,
    negate,
    rebuild,
    symbols,
)

MINUS_INFINITY = Mul((MINUS_ONE, INFINITY))
MAX_RELATIONS = 40  # joined by and, or or commas, that are worked out as one region
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


_CALCULATED = frozenset(
    {"factorial", "percent", "deg", "abs", "floor", "ceil", "root", "binom", "permutations", "double_factorial", "cap",
     "setminus", "piecewise", "max", "min", "gcd", "lcm", "residue"}
)  # fmt: skip


def is_head(node: Node) -> bool:
    """Say whether a side of an equation only names a value: `x`, `f(x)`, `P(X = 2)`, `AB`, `(p, q)`."""
    if isinstance(node, Sym):
        return node.name not in CONSTANTS or node.name in ("e", "i")
    if isinstance(node, Call):
        if node.name == "abs":
            return all(type(arg) is Sym for arg in node.args)
        if node.name in _CALCULATED:
            return False
        return all(type(arg) in (Sym, Num) for arg in node.args) or (len(node.name) == 1 and node.name.isupper())
    if isinstance(node, Mul):
        names = [factor.name for factor in node.factors if isinstance(factor, Sym)]
        is_named = bool(names) and (names[0].isupper() or "angle" in names or "triangle" in names)
        return is_named and len(names) == len(node.factors)
    if isinstance(node, Group):
        return node.opening == "(" and all(isinstance(item, Sym) for item in node.items)
    if isinstance(node, Quantity):
        return is_head(node.value)
    return False


def canonical(node: Node) -> Node:
    """Return the canonical shape of a parsed answer; what has none is returned as it is."""
    if type(node) is Num:
        return node
    if isinstance(node, Relation):
        return _canonical_relation(node)
    if isinstance(node, Group):
        items: list[Node] = []
        for item in node.items:
            items += (canonical(each) for each in expand_signs(item)) if node.opening in ("", "{") else (item,)
        if node.opening == "" and len(items) > 1 and (region := _region_of_relations(items, node.joined)) is not None:
            return region
        return Group(node.opening, tuple(items), node.closing, node.joined)
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
    if not isinstance(whole, Group) or not isinstance(removed, Group) or len(whole.items) != 2:
        return node
    low_end, high_end = real_value(whole.items[0]), real_value(whole.items[1])
    if low_end is None or high_end is None:
        return node
    if removed.opening in ("(", "[") and len(removed.items) == 2:
        start, end = real_value(removed.items[0]), real_value(removed.items[1])
        if start is None or end is None or not low_end < start < end < high_end:
            return node
        below = Group(whole.opening, (whole.items[0], removed.items[0]), ")" if removed.opening == "[" else "]")
        return Union(
            (below, Group("(" if removed.closing == "]" else "[", (removed.items[1], whole.items[1]), whole.closing))
        )
    if removed.opening != "{":
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
    kind = type(node)
    if kind is Num or kind is Sym:
        return False
    return kind is PlusMinus or any(_has_plus_minus(child) for child in children(node))


def _choose(node: Node, *, upper: bool) -> Node:
    if isinstance(node, PlusMinus):
        value = _choose(node.right, upper=upper)
        return Add((_choose(node.left, upper=upper), value if upper != node.lower_first else negate(value)))
    return rebuild(node, lambda part: _choose(part, upper=upper))


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
    if len(signs) == 1 and signs[0] in ("<", "<=") and (region := _absolute(items, signs[0])) is not None:
        return region
    if len(signs) == 1 and signs[0] in ("<", "<=") and (turned := _without_minus(items)) is not None:
        items = turned
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


def _without_minus(items: tuple[Node, ...]) -> tuple[Node, ...] | None:
    """Write `-x <= 3` as `-3 <= x`; None if neither side is a name with a minus sign."""
    for item in items:
        if (
            isinstance(item, Mul)
            and len(item.factors) == 2
            and item.factors[0] == MINUS_ONE
            and isinstance(item.factors[1], Sym)
        ):
            return negated(items[1]), negated(items[0])
    return None


def negated(node: Node) -> Node:
    """Return -node, without a double minus."""
    if isinstance(node, Mul) and node.factors[0] == MINUS_ONE and len(node.factors) == 2:
        return node.factors[1]
    return negate(node)


def _absolute(items: tuple[Node, ...], sign: str) -> Node | None:
    """Return the values that `|x - a| <= b` or `b <= |x - a|` allows; None for other forms."""
    inner, bound = items
    is_within = isinstance(inner, Call) and inner.name == "abs"
    if not is_within:
        inner, bound = bound, inner
    if not (isinstance(inner, Call) and inner.name == "abs") or len(symbols(inner)) != 1 or symbols(bound):
        return None
    center = _center(inner.args[0])
    size = real_value(bound)
    if center is None or size is None or size < 0 or real_value(center) is None:
        return None
    low, high = Add((center, negate(bound))), Add((center, bound))
    if is_within:
        closed = sign == "<="
        return Group("[" if closed else "(", (low, high), "]" if closed else ")")
    closing: Literal[")", "]"] = "]" if sign == "<=" else ")"
    opening: Literal["(", "["] = "[" if sign == "<=" else "("
    return Union((Group("(", (MINUS_INFINITY, low), closing), Group(opening, (high, INFINITY), ")")))


def _center(node: Node) -> Node | None:
    """Return a for `x`, `x - a`, `a - x`, `-x`; None for anything else."""
    if isinstance(node, Sym):
        return Num(Fraction(0))
    terms = node.terms if isinstance(node, Add) else (node,)
    variable = [term for term in terms if symbols(term)]
    constant = tuple(term for term in terms if not symbols(term))
    rest = Add(constant) if len(constant) > 1 else constant[0] if constant else Num(Fraction(0))
    if len(variable) != 1:
        return None
    if isinstance(variable[0], Sym):
        return negate(rest)
    return rest if isinstance(negated(variable[0]), Sym) else None


_Piece = tuple[float, bool, float, bool, Node, Node]  # low, is open, high, is closed, and the two ends


def _region_of_relations(items: list[Node], joined: str) -> Node | None:
    """Return the values that inequalities in one name allow together: `or` joins them, anything else intersects.

    Conditions that exclude each other are meant as alternatives whatever the word between them; two that say the same
    twice, as `x > 1, x > 2`, are left alone.
    """
    items = _repeated_excluded(items) if len(items) <= MAX_RELATIONS else []
    if len({relation_name(item) for item in items if isinstance(item, Relation)}) != 1:
        return None
    if not all(isinstance(item, Relation) and set(item.signs) <= {"<", "<=", "!="} for item in items):
        return None
    regions = [as_interval(item) for item in items]
    parts = tuple(region for region in regions if region is not None)
    if len(parts) != len(items):
        return None
    excludes = all(isinstance(item, Relation) and item.signs == ("!=",) for item in items)
    if joined == "or" and not excludes:
        return _merged(tuple(piece for part in parts for piece in (part.parts if isinstance(part, Union) else (part,))))
    pieces = [_pieces(part) for part in parts]
    known = [each for each in pieces if each is not None]
    if len(known) != len(pieces):
        return None if joined or excludes else _merged(parts)
    common = known[0]
    for other in known[1:]:
        common = _intersected(common, other)
    if not common:
        return _merged(parts)
    if not joined and any(common == each for each in known):
        return None
    return _merged(tuple(_group(piece) for piece in common))


def _repeated_excluded(items: list[Node]) -> list[Node]:
    """Write `x != 1, 2` as `x != 1, x != 2`."""
    first = items[0]
    if not (isinstance(first, Relation) and first.signs == ("!=",)):
        return items
    return [item if isinstance(item, Relation) else Relation((first.items[0], item), ("!=",)) for item in items]


def _pieces(node: Node) -> list[_Piece] | None:
    """Return the intervals of a union with numbers for their ends, or None if an end is not a number."""
    pieces: list[_Piece] = []
    for part in node.parts if isinstance(node, Union) else (node,):
        if not (isinstance(part, Group) and len(part.items) == 2 and part.opening in ("(", "[")):
            return None
        low, high = real_value(part.items[0]), real_value(part.items[1])
        if low is None or high is None:
            return None
        pieces.append((low, part.opening == "(", high, part.closing == "]", part.items[0], part.items[1]))
    return pieces


def _intersected(left: list[_Piece], right: list[_Piece]) -> list[_Piece]:
    common: list[_Piece] = []
    for mine in left[:50]:
        for theirs in right[:50]:
            low = max((mine[0], mine[1], mine[4]), (theirs[0], theirs[1], theirs[4]), key=lambda end: end[:2])
            high = min((mine[2], mine[3], mine[5]), (theirs[2], theirs[3], theirs[5]), key=lambda end: end[:2])
            if low[0] < high[0] or (low[0] == high[0] and not low[1] and high[1]):
                common.append((low[0], low[1], high[0], high[1], low[2], high[2]))
    return common


def _group(piece: _Piece) -> Group:
    return Group("(" if piece[1] else "[", (piece[4], piece[5]), "]" if piece[3] else ")")


def _merged(parts: tuple[Node, ...]) -> Node:
    """Sort the intervals of a union and join those that touch; symbolic ends leave the union as it is."""
    if all(isinstance(part, Group) and part.opening == "{" for part in parts):
        return Group("{", tuple(item for part in parts for item in children(part)), "}")
    pieces: list[_Piece] = []
    others: list[Node] = []
    for part in parts:
        if isinstance(part, Union):
            return Union(parts)
        if isinstance(part, Group) and len(part.items) == 2 and part.opening in ("(", "["):
            piece = _pieces(part)
            if piece is None or piece[0][0] > piece[0][2]:
                return Union(parts)
            pieces += piece
        else:
            others.append(part)
    pieces.sort(key=lambda piece: piece[:4])
    joined: list[_Piece] = []
    for each in pieces:
        last = joined[-1] if joined else None
        if last and (each[0] < last[2] or (each[0] == last[2] and (last[3] or not each[1]))):
            end = max((last[2], last[3], last[5]), (each[2], each[3], each[5]), key=lambda tail: tail[:2])
            joined[-1] = (last[0], last[1], end[0], end[1], last[4], end[2])
        else:
            joined.append(each)
    groups: list[Node] = [_group(each) for each in joined]
    both = (*groups, *others)
    return both[0] if len(both) == 1 else Union(both)
