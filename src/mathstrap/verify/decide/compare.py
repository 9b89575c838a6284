"""Decide whether two parsed answers are equal, by their structure first and by their expressions at the leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from mathstrap.verify.decide.exact import rational
from mathstrap.verify.decide.identity import same_expression, strip_marks
from mathstrap.verify.decide.residue import PRIME, NoResidueError, Residue
from mathstrap.verify.decide.structure import as_interval, canonical, is_head, relation_name
from mathstrap.verify.decide.values import same_value, units_differ
from mathstrap.verify.read.nodes import (
    Add,
    Based,
    Call,
    Group,
    Matrix,
    Node,
    Num,
    Quantity,
    Ratio,
    Relation,
    Sym,
    Union,
    divide,
    negate,
    replace,
    symbols,
)

Answer = bool | None
_STRUCTURES = (Group, Matrix, Union, Relation, Ratio)
MAX_UNORDERED = 200


def same_answer(gold: Node, got: Node) -> Answer:
    """Say whether `got` is the gold answer; None when the rules could not tell."""
    if gold == got:
        return True
    return _same(canonical(gold), canonical(got))


def _same(gold: Node, got: Node) -> Answer:
    if gold == got:
        return True
    if isinstance(gold, Relation) or isinstance(got, Relation):
        return _same_relations(gold, got)
    if isinstance(gold, Matrix) or isinstance(got, Matrix):
        return _same_matrices(gold, got)
    if isinstance(gold, Union) or isinstance(got, Union):
        return _same_unions(gold, got)
    if isinstance(gold, Group) or isinstance(got, Group):
        return _same_groups(gold, got)
    if isinstance(gold, Ratio) or isinstance(got, Ratio):
        return _same_ratios(gold, got)
    if isinstance(gold, Based) or isinstance(got, Based):
        return False
    inner, other = strip_marks(gold), strip_marks(got)
    if isinstance(inner, _STRUCTURES) or isinstance(other, _STRUCTURES):
        if units_differ(gold, got) or type(inner) is not type(other):
            return False
        return _same_ratios(gold, got) if isinstance(inner, Ratio) else _same(inner, other)
    return same_value(gold, got)


def _on_24_hours(node: Node) -> Node:
    """Return a time of day with a.m. or p.m. as hours of 24; anything else without its unit."""
    clock = strip_marks(node)
    if isinstance(node, Quantity) and node.unit in ("am", "pm") and isinstance(clock, Ratio):
        hours = clock.items[0]
        if isinstance(hours, Num) and 1 <= hours.value <= 12:
            value = hours.value % 12 + (12 if node.unit == "pm" else 0)
            return Ratio((Num(value), *clock.items[1:]))
    return clock


def _ordered(gold: Sequence[Node], got: Sequence[Node]) -> Answer:
    if len(gold) != len(got):
        return False
    found: Answer = True
    for left, right in zip(gold, got, strict=True):
        answer = _same(canonical(left), canonical(right))
        if answer is False:
            return False
        found = found and answer
    return found


def _unordered(gold: Sequence[Node], got: Sequence[Node]) -> Answer:
    if len(gold) != len(got):
        return False
    in_order = _ordered(gold, got)
    if in_order or Sym("...") in gold:
        return in_order
    common = Counter(gold) & Counter(got)
    left = list((Counter(got) - common).elements())
    if len(left) > MAX_UNORDERED:
        return None
    unsure = False
    for item in (Counter(gold) - common).elements():
        for index, other in enumerate(left):
            answer = _same(canonical(item), canonical(other))
            if answer:
                del left[index]
                break
            unsure = unsure or answer is None
        else:
            return None if unsure else False
    return True


def _same_groups(gold: Node, got: Node) -> Answer:
    if not isinstance(gold, Group) or not isinstance(got, Group):
        group, other = (gold, got) if isinstance(gold, Group) else (got, gold)
        if isinstance(group, Group) and len(group.items) == 1 and group.opening in ("", "{"):
            return _same(*((group.items[0], other) if group is gold else (other, group.items[0])))
        if group is got and isinstance(group, Group) and group.opening == "" and len(group.items) <= 3:
            # one value written twice, as in "15 39/40, or 639/40"
            return _all_same(group.items) and _same(gold, group.items[0])
        return False
    loose = ("", "{")
    if gold.opening in loose and got.opening in loose:
        return _same_lists(_distinct(gold), _distinct(got))
    if (gold.opening, gold.closing) != (got.opening, got.closing):
        return False
    return _ordered(gold.items, got.items)


def _all_same(items: Sequence[Node]) -> bool:
    return all(_same(items[0], item) for item in items[1:])


def _distinct(group: Group) -> Sequence[Node]:
    """Return the items of a set without repetitions; a bare list keeps them."""
    if group.opening != "{" or len(group.items) > MAX_UNORDERED:
        return group.items
    return list(dict.fromkeys(group.items))


def _same_lists(gold: Sequence[Node], got: Sequence[Node]) -> Answer:
    named_gold, named_got = _names(gold), _names(got)
    if (named_gold and not named_got) or (named_got and not named_gold):
        names = named_gold or named_got
        plain_gold = [item.items[1] if isinstance(item, Relation) else item for item in gold]
        plain_got = [item.items[1] if isinstance(item, Relation) else item for item in got]
        by_order = len(set(names)) == len(names) and not all(len(name) > 3 and name.isalpha() for name in names)
        return _ordered(plain_gold, plain_got) if by_order else _unordered(plain_gold, plain_got)
    return _unordered(gold, got)


def _names(items: Sequence[Node]) -> list[str]:
    """Return the names of `a = 1, b = 2`, or nothing unless every item has one."""
    names: list[str] = []
    for item in items:
        if not (isinstance(item, Relation) and item.signs == ("=",)):
            return []
        head = item.items[0]
        names.append(head.name if isinstance(head, Sym) else repr(head))
    return names


def _same_matrices(gold: Node, got: Node) -> Answer:
    if isinstance(gold, Matrix) and isinstance(got, Matrix):
        if len(gold.rows) != len(got.rows) or len(gold.rows[0]) != len(got.rows[0]):
            return False
        return _ordered([cell for row in gold.rows for cell in row], [cell for row in got.rows for cell in row])
    matrix, other = (gold, got) if isinstance(gold, Matrix) else (got, gold)
    if not isinstance(matrix, Matrix) or not isinstance(other, Group) or other.opening not in ("(", "["):
        return False
    if other.opening == "[" and all(isinstance(item, Group) and item.opening == "[" for item in other.items):
        rows = [item.items for item in other.items if isinstance(item, Group)]
        if [len(row) for row in rows] != [len(row) for row in matrix.rows]:
            return False
        cells = [cell for row in rows for cell in row]
    elif other.opening == "(" and other.closing == ")" and 1 in (len(matrix.rows), len(matrix.rows[0])):
        cells = list(other.items)
    else:
        return False
    mine = [cell for row in matrix.rows for cell in row]
    return _ordered(mine, cells) if matrix is gold else _ordered(cells, mine)


def _same_unions(gold: Node, got: Node) -> Answer:
    left = gold.parts if isinstance(gold, Union) else (gold,)
    right = got.parts if isinstance(got, Union) else (got,)
    return _unordered(left, right)


def _same_ratios(gold: Node, got: Node) -> Answer:
    mine, theirs = strip_marks(gold), strip_marks(got)
    if isinstance(mine, Ratio) and isinstance(theirs, Ratio):
        return _ordered(mine.items, theirs.items) or _on_24_hours(gold) == _on_24_hours(got)
    ratio, other = (gold, got) if isinstance(gold, Ratio) else (got, gold)
    if isinstance(ratio, Ratio) and len(ratio.items) == 2:
        value = rational(other)
        if value is not None and value.denominator != 1:
            quotient = divide(*ratio.items)
            return same_value(*((quotient, other) if ratio is gold else (other, quotient)))
    return False


def _same_relations(gold: Node, got: Node) -> Answer:
    gold, got = _one_by_one(gold, got), _one_by_one(got, gold)
    if isinstance(gold, Group) and isinstance(got, Group):
        return _same_groups(gold, got)
    if isinstance(gold, Relation) and isinstance(got, Relation):
        if set(gold.signs) == {"="} == set(got.signs):
            return _same_equations(gold, got)
        if gold.signs == got.signs and (answer := _ordered(gold.items, got.items)):
            return answer
        if gold.signs == got.signs == ("!=",):
            return _unordered(gold.items, got.items)
        if relation_name(gold) != relation_name(got):
            return False
    relation, other = (gold, got) if isinstance(gold, Relation) else (got, gold)
    if isinstance(relation, Relation) and set(relation.signs) == {"="} and not isinstance(other, Relation):
        return _same_as_equation(gold, got)
    left, right = as_interval(gold), as_interval(got)
    if left is None or right is None:
        return False
    if isinstance(left, Group) and isinstance(right, Group):
        return _same_groups(left, right)
    return _same_unions(canonical(left), canonical(right))


def _one_by_one(node: Node, other: Node) -> Node:
    """Write `(x, y) = (1, 2)` as `x = 1, y = 2` when the other answer is written so."""
    if isinstance(node, Relation) and isinstance(other, Group) and _names(other.items):
        names, values = node.items[0], node.items[-1]
        if isinstance(names, Group) and isinstance(values, Group) and len(names.items) == len(values.items):
            pairs = zip(names.items, values.items, strict=True)
            return Group("", tuple(Relation(pair, ("=",)) for pair in pairs), "")
    return node


def _is_solved(node: Relation) -> bool:
    return len(node.items) == 2 and is_head(node.items[0]) and not is_head(node.items[1])


def _same_as_equation(gold: Node, got: Node) -> Answer:
    """Compare `name = value` with a bare value."""
    equation, other = (gold, got) if isinstance(gold, Relation) else (got, gold)
    assert isinstance(equation, Relation), "one side is a relation here"
    if _is_solved(equation):
        value = equation.items[1]
        return _same(*((value, other) if equation is gold else (other, value)))
    if equation is gold and len(equation.items) == 2 and symbols(other):
        # `y + 1 = 2x` answered by the right-hand side for y alone: put it in and see whether the equation holds.
        difference = Add((equation.items[0], negate(equation.items[1])))
        if "y" in symbols(difference) and "y" not in symbols(other):
            return same_expression(replace(difference, "y", other), Num(Fraction(0)))
    return False


def _same_equations(gold: Relation, got: Relation) -> Answer:
    if _is_solved(gold) and _is_solved(got):
        head, other = gold.items[0], got.items[0]
        if head == other:
            return _same(gold.items[1], got.items[1])
        if isinstance(head, Call) and isinstance(other, Call) and head.name == other.name:
            value = got.items[1]
            for mine, theirs in zip(head.args, other.args, strict=False):
                if isinstance(theirs, Sym):
                    value = replace(value, theirs.name, mine)
            return _same(gold.items[1], value) if len(head.args) == len(other.args) else False
        if not (symbols(gold.items[1]) or symbols(got.items[1])):
            word = any(not isinstance(name, Sym) or len(name.name) > 2 for name in (head, other))
            return _same(gold.items[1], got.items[1]) if word else False
    elif _is_solved(gold) != _is_solved(got) and len(symbols(gold.items[0]) | symbols(gold.items[1])) < 2:
        return False
    if len(gold.items) != 2 or len(got.items) != 2:
        return _ordered(gold.items, got.items)
    return _proportional(gold, got)


def _proportional(gold: Relation, got: Relation) -> Answer:
    """Say whether one equation is the other times a constant."""
    left = Add((gold.items[0], negate(gold.items[1])))
    right = Add((got.items[0], negate(got.items[1])))
    if symbols(left) != symbols(right):
        return False
    residues: list[tuple[int, int]] = []
    has_atoms = False
    try:
        for salt in ("", " first", " second"):
            residue = Residue(salt)
            residues.append((residue.of(left), residue.of(right)))
            has_atoms = has_atoms or residue.has_atoms
    except NoResidueError:
        return None
    first = residues[0]
    if first[0] == 0 or first[1] == 0:
        return None
    if all((first[0] * b - a * first[1]) % PRIME == 0 for a, b in residues[1:]):
        return True
    return same_expression(left, right) if has_atoms else False
