"""Decide whether two expressions are equal: as trees, as exact rationals, in a prime field, then by values."""

from __future__ import annotations

from mathstrap.verify.decide.effort import spend
from mathstrap.verify.decide.exact import rational
from mathstrap.verify.decide.numeric import same_values
from mathstrap.verify.decide.residue import NoResidueError, Residue
from mathstrap.verify.read.nodes import Call, Node, Num, Quantity, Sym, symbols


def same_expression(left: Node, right: Node) -> bool | None:
    """Say whether two expressions are equal; None when neither equality nor a difference could be established."""
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
