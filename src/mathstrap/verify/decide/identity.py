"""Decide whether two expressions are equal: as trees, as exact rationals, in a prime field, then by values."""

from __future__ import annotations

from mathstrap.verify.decide.effort import spend
from mathstrap.verify.decide.exact import rational
from mathstrap.verify.decide.numeric import same_values
from mathstrap.verify.decide.residue import NoResidueError, Residue
from mathstrap.verify.read.nodes import Call, Node, Num, Quantity, Sym, children, symbols
from mathstrap.verify.read.words import SIGNS, WORKED_OUT


def same_expression(left: Node, right: Node) -> bool | None:
    """Say whether two expressions are equal; None when neither equality nor a difference could be established.

    A function that is not worked out (`f(3)`, `phi(10)`) differs from no value of the other side, unless that side
    speaks of the same function.
    """
    same = _same_expression(left, right)
    if same is False and not (type(left) is Num and type(right) is Num):
        return None if not_worked_out(left) != not_worked_out(right) else False
    return same


def not_worked_out(node: Node) -> frozenset[str]:
    """Return the names in an expression whose value is not known to the checker: functions and signs, no variables."""
    kind = type(node)
    if kind is Num:
        return _NONE
    if type(node) is Sym:
        is_accented = ":" in node.name and not node.name.rpartition(":")[2].isalpha()
        return frozenset((node.name,)) if node.name in SIGNS or is_accented else _NONE
    names = frozenset((node.name,)) if type(node) is Call and node.name not in WORKED_OUT else _NONE
    for child in children(node):
        names |= not_worked_out(child)
    return names


_NONE: frozenset[str] = frozenset()


def _same_expression(left: Node, right: Node) -> bool | None:
    spend(5)
    if left == right:
        return True
    if type(left) is Num and type(right) is Num:
        return left.value == right.value
    left_value, right_value = rational(left), rational(right)
    if left_value is not None and right_value is not None:
        return left_value == right_value
    if (type(left) is Sym and left.name == "oo") or (type(right) is Sym and right.name == "oo"):
        return False
    residue = Residue()
    try:
        same = residue.of(left) == residue.of(right)
    except NoResidueError:
        return same_values(left, right)
    if not same and not residue.has_atoms:
        return False
    if same and (symbols(left) or symbols(right)):
        return True
    return same_values(left, right)


def strip_marks(node: Node) -> Node:
    """Return the bare value of a quantity: without its unit, percent sign or degree sign."""
    while True:
        if type(node) is Quantity:
            node = node.value
        elif type(node) is Call and node.name in ("percent", "deg"):
            node = node.args[0]
        else:
            return node
