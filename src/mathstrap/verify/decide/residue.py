"""Evaluate an expression in a prime field: a fast test that two expressions are one rational function.

Variables, pi and e become fixed field elements. A root, a logarithm or an unknown function becomes an element made from
its name and the residues of its arguments, so equal residues mean equal up to field arithmetic. Unequal residues decide
only where no such element was needed.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from mathstrap.verify.decide.effort import spend
from mathstrap.verify.decide.exact import rational
from mathstrap.verify.read.nodes import Add, Based, Bound, Call, Mul, Node, Num, Pow, Sym, replace

PRIME = 2**127 - 39  # 1 modulo 4, so that -1 has a square root in the field
IMAGINARY = 155782814877520920072798144727220504337
MAX_POWER = 10**9
MAX_BITS = 100  # larger coefficients could be built to coincide in the field


class NoResidueError(ArithmeticError):
    """The expression has no residue: a zero divisor, a coefficient too large, or a structure inside it."""


class Residue:
    """Evaluates nodes at the point named by `salt`; `has_atoms` tells whether more than rational arithmetic was met."""

    def __init__(self, salt: str = "") -> None:
        self.salt = salt
        self.has_atoms = False

    def of(self, node: Node) -> int:
        """Return the residue of an expression; raises NoResidueError."""
        spend(1)
        if isinstance(node, Num):
            top, bottom = node.value.numerator, node.value.denominator
            if top.bit_length() > MAX_BITS or bottom.bit_length() > MAX_BITS:
                raise NoResidueError("a number is too large")
            return top % PRIME if bottom == 1 else top * pow(bottom, -1, PRIME) % PRIME
        if isinstance(node, Sym):
            return IMAGINARY if node.name == "i" else element(node.name + self.salt)
        if isinstance(node, Add):
            return sum(self.of(term) for term in node.terms) % PRIME
        if isinstance(node, Mul):
            product = 1
            for factor in node.factors:
                product = product * self.of(factor) % PRIME
            return product
        if isinstance(node, Pow):
            return self._power(node)
        if isinstance(node, Call):
            if node.name == "percent":
                return self.of(node.args[0]) * pow(100, -1, PRIME) % PRIME
            self.has_atoms = True
            return element(f"{node.name} {[self.of(arg) for arg in node.args]}")
        if isinstance(node, Based):
            return element(f"{node.digits}_{node.base}")
        if isinstance(node, Bound):
            self.has_atoms = True
            body = replace(node.body, node.name, Sym("bound variable"))
            return element(f"{node.kind} {self.of(body)} {self.of(node.low)} {self.of(node.high)}")
        raise NoResidueError("a structure has no residue")

    def _power(self, node: Pow) -> int:
        exponent = rational(node.exponent)
        base = self.of(node.base)
        if exponent is None or abs(exponent.numerator) > MAX_POWER:
            self.has_atoms = True
            return element(f"^ {base} {self.of(node.exponent)}")
        if base == 0 and exponent <= 0:
            raise NoResidueError("a divisor is zero")
        if exponent.denominator == 1:
            return pow(base, exponent.numerator, PRIME)
        self.has_atoms = True
        return pow(element(f"root {base} {exponent.denominator}"), exponent.numerator, PRIME)


def element(name: str) -> int:
    """Return the field element that stands for a name: the same in every process."""
    return _known(name) if len(name) < 200 else _digest(name)


def _digest(name: str) -> int:
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(digest) % PRIME


_known = lru_cache(maxsize=4096)(_digest)
