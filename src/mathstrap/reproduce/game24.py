"""The Game of 24 (paper, App. D) by exact enumeration: which hands can be solved, and every solution.

Numbers are exact fractions throughout. The checker is `mathstrap.verify.game24`.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement

from mathstrap.verify.game24 import Hand

LARGEST = 13  # cards: ace to king
NUM_CARDS = 4
TARGET = 24


def puzzles(target: int = TARGET, *, largest: int = LARGEST) -> list[Hand]:
    """Return every multiset of four numbers from 1 to `largest` that makes `target`, each sorted, in order.

    Of the 1,820 multisets of 1 to 13, 1,362 make 24: the paper's number of puzzles.
    """
    hands = combinations_with_replacement(range(1, largest + 1), NUM_CARDS)
    return [hand for hand in hands if is_solvable(hand, target)]


def is_solvable(hand: Hand, target: int = TARGET) -> bool:
    """Say whether the numbers, each used exactly once, make `target` with + - * / and brackets."""
    wanted = Fraction(target)
    hand = tuple(sorted(hand))
    if len(hand) == 1:
        return wanted == hand[0]
    for left, right in _splits(hand):
        partners = _values(right)
        for a in _values(left):
            # Looking up the other half's needed value avoids computing all values of the whole hand.
            needed = [wanted - a, a - wanted, wanted + a]
            if a:
                needed += [wanted / a, wanted * a]
            if wanted:
                needed.append(a / wanted)
            if not partners.isdisjoint(needed) and any(_makes(a, b, wanted) for b in partners.intersection(needed)):
                return True
    return False


def _makes(a: Fraction, b: Fraction, wanted: Fraction) -> bool:
    straight = wanted in (a + b, a - b, b - a, a * b)
    return straight or (b != 0 and a / b == wanted) or (a != 0 and b / a == wanted)


def game_of_n(hand: Hand, target: int = TARGET) -> list[tuple[Hand, int]]:
    """Return the puzzles made by swapping each number with the target: (the other three and 24, that number).

    This is the paper's bootstrapping of the Game of 24: four puzzles from one. An equation can be solved for any of its
    numbers, so each of these puzzles has a solution too.
    """
    swapped = []
    for place, number in enumerate(hand):
        rest = (*hand[:place], *hand[place + 1 :], target)
        swapped.append((tuple(sorted(rest)), number))
    return swapped


@cache
def _values(hand: Hand) -> frozenset[Fraction]:
    if len(hand) == 1:
        return frozenset({Fraction(hand[0])})
    values: set[Fraction] = set()
    for left, right in _splits(hand):
        for a in _values(left):
            for b in _values(right):
                values |= {a + b, a - b, b - a, a * b}
                if b:
                    values.add(a / b)
                if a:
                    values.add(b / a)
    return frozenset(values)


def _splits(hand: Hand) -> Iterator[tuple[Hand, Hand]]:
    """Yield the ways to split a hand in two, each once: the first number stays on the left."""
    seen = set()
    for mask in range(2 ** (len(hand) - 1) - 1):
        left = (hand[0], *(number for place, number in enumerate(hand[1:]) if mask >> place & 1))
        right = tuple(number for place, number in enumerate(hand[1:]) if not mask >> place & 1)
        if (left, right) not in seen:
            seen.add((left, right))
            yield left, right


def solutions(hand: Hand, target: int = TARGET) -> list[str]:
    """Return every distinct solution of a hand, in a fixed order.

    Two expressions are one solution where they differ only in the order of terms or factors or in brackets that sums
    and products do not need; `a * 1` and `a / 1` are two solutions.
    """
    return sorted({_write(tree) for tree in _trees(tuple(sorted(hand))) if tree[-1] == target})


@cache
def written(hand: Hand, target: int = TARGET) -> tuple[str, ...]:
    """Return every spelling of a solution with two operands per sign, `( 13 - 9 ) * ( 9 - 3 )`, in a fixed order.

    Another order of terms or factors, or other brackets, is another spelling: these are answers to train on, whereas
    `solutions` counts distinct ideas.
    """
    texts: set[str] = set()
    for left, right in _deals(tuple(sorted(hand))):
        by_value: dict[Fraction, list[str]] = {}
        for value, text in _expressions(right):
            by_value.setdefault(value, []).append(text)
        for a, text in _expressions(left):
            wanted = [(" + ", target - a), (" - ", a - target)]
            if a:
                wanted += [(" * ", target / a), (" / ", a / target)]
            for sign, b in wanted:
                texts.update(text + sign + other for other in by_value.get(Fraction(b), ()))
    return tuple(sorted(texts))


@cache
def _expressions(hand: Hand) -> tuple[tuple[Fraction, str], ...]:
    """Return every expression of all numbers with its value; an expression of several numbers is in brackets."""
    if len(hand) == 1:
        return ((Fraction(hand[0]), str(hand[0])),)
    values: dict[str, Fraction] = {}
    for left, right in _deals(hand):
        for a, first in _expressions(left):
            for b, second in _expressions(right):
                for sign, value in (("+", a + b), ("-", a - b), ("*", a * b)):
                    values[f"( {first} {sign} {second} )"] = value
                if b:
                    values[f"( {first} / {second} )"] = a / b
    return tuple((value, text) for text, value in values.items())


def _deals(hand: Hand) -> list[tuple[Hand, Hand]]:
    """Return the ways to split a hand into a first and a second part, each once."""
    masks = range(1, 2 ** len(hand) - 1)
    deals = {
        (
            tuple(number for place, number in enumerate(hand) if mask >> place & 1),
            tuple(number for place, number in enumerate(hand) if not mask >> place & 1),
        )
        for mask in masks
    }
    return sorted(deals)


# A tree is a number, a sum (added terms, subtracted terms) or a product (factors, divisors); its value comes last. Flat
# sums and products with sorted parts make equal expressions equal trees.
Tree = tuple[str, tuple["Tree", ...], tuple["Tree", ...], Fraction]


@cache
def _trees(hand: Hand) -> frozenset[Tree]:
    if len(hand) == 1:
        return frozenset({("n", (), (), Fraction(hand[0]))})
    trees: set[Tree] = set()
    for left, right in _splits(hand):
        for a in _trees(left):
            for b in _trees(right):
                trees |= {_join("+", a, b), _join("+", a, b, inverse=True), _join("+", b, a, inverse=True)}
                trees.add(_join("*", a, b))
                if b[-1]:
                    trees.add(_join("*", a, b, inverse=True))
                if a[-1]:
                    trees.add(_join("*", b, a, inverse=True))
    return frozenset(trees)


def _join(kind: str, a: Tree, b: Tree, *, inverse: bool = False) -> Tree:
    straight, turned = (a[1], a[2]) if a[0] == kind else ((a,), ())
    others, other_turned = (b[1], b[2]) if b[0] == kind else ((b,), ())
    if inverse:
        others, other_turned = other_turned, others
    if kind == "+":
        value = a[-1] - b[-1] if inverse else a[-1] + b[-1]
    else:
        value = a[-1] / b[-1] if inverse else a[-1] * b[-1]
    return (kind, tuple(sorted(straight + others)), tuple(sorted(turned + other_turned)), value)


def _write(tree: Tree) -> str:
    kind, straight, turned, value = tree
    if kind == "n":
        return str(value)
    plus, minus, start = (" + ", " - ", "0") if kind == "+" else (" * ", " / ", "1")

    def part(inner: Tree) -> str:
        return f"({_write(inner)})" if kind == "*" and inner[0] == "+" else _write(inner)

    text = plus.join(part(inner) for inner in straight) or start
    return text + "".join(minus + part(inner) for inner in turned)
