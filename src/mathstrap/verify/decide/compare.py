"""Decide whether two parsed answers are equal, by their structure first and by their expressions at the leaves."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations, product

from mathstrap.verify.decide.effort import spend
from mathstrap.verify.decide.exact import rational
from mathstrap.verify.decide.identity import not_worked_out, same_expression, strip_marks
from mathstrap.verify.decide.numeric import fingerprint
from mathstrap.verify.decide.residue import PRIME, NoResidueError, Residue
from mathstrap.verify.decide.structure import as_interval, canonical, expand_signs, is_head, relation_name
from mathstrap.verify.decide.values import same_value, stated_unit, units_differ
from mathstrap.verify.read.nodes import (
    Add,
    Based,
    Call,
    Group,
    Matrix,
    Mul,
    Node,
    Num,
    Pow,
    Quantity,
    Ratio,
    Relation,
    Sym,
    Union,
    children,
    divide,
    negate,
    replace,
    symbols,
)
from mathstrap.verify.read.units import read_unit

Answer = bool | None
_PLAIN = frozenset({Num, Sym, Add, Mul, Pow})
_STRUCTURES = (Group, Matrix, Union, Relation, Ratio)
MAX_CASES = 20
MAX_CONSTANTS = 3  # of a function, tried in every order
MAX_UNORDERED = 200  # members without a value are compared pair by pair up to here
# Fewer are compared pair by pair. Two equal sets of 188 surds took 5 s in pairs, and 0.1 s by their values.
_MEMBERS_WITH_FINGERPRINTS = 6
_GENERIC_NAMES = frozenset(
    {"answer", "result", "total", "value", "solution", "ans", "final answer", "total number", "output"}
)
_CONSTANTS_OF_INTEGRATION = frozenset({"C", "c", "K", "k", "C_1", "c_1", "C_0", "c_0", "C'", "const"})
_PARAMETERS = frozenset({"k", "n", "m", "l", "j", "t", "s", "p", "q", "ell"})
_LETTERS_OF_UNKNOWNS = frozenset("abcdkmnprtuvwxyz")
_COORDINATES = ("xyz", "abcdefg", "mno", "pqrs", "rstuvw", "hk", "uvw", "ijk", "klmn", "AB", "ABC")


def same_answer(gold: Node, got: Node, *, integers: frozenset[str] = frozenset()) -> Answer:
    """Say whether `got` is the gold answer; None when the rules could not tell.

    `integers` are the names that one of the answers declares to be any integer.
    """
    if gold == got:
        return True
    left, right = _without_accents(gold, got)
    left, right = _split_label(left, right), _split_label(right, left)
    left, right = canonical(_counted(left, right)), canonical(_counted(right, left))
    answer = _same(left, right)
    if answer:
        return True
    renamed = _renamed(left, right, integers)
    if renamed is not None and _same(left, renamed):
        return True
    if not integers and renamed is not None:
        integers = symbols(left) & _PARAMETERS  # a general solution, by its period
    if (independent := _independent_signs(got)) is not None and _same(left, canonical(independent)):
        return True
    if integers and (shifted := _same_progressions(left, right if renamed is None else renamed, integers)):
        return shifted
    return answer


def _same(gold: Node, got: Node) -> Answer:
    if gold == got:
        return True
    if type(gold) in _PLAIN and type(got) in _PLAIN:
        return same_value(gold, got)
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
        return _same_numerals(gold, got)
    inner, other = strip_marks(gold), strip_marks(got)
    if isinstance(inner, _STRUCTURES) or isinstance(other, _STRUCTURES):
        if isinstance(inner, Ratio) or isinstance(other, Ratio):
            return False if units_differ(gold, got) else _same_ratios(gold, got)
        if units_differ(gold, got) or type(inner) is not type(other):
            return False
        return _same(inner, other)
    if isinstance(gold, Call) and isinstance(got, Call) and gold.name == got.name == "piecewise":
        return _same_cases(gold.args, got.args)
    if (isinstance(gold, Call) and gold.name == "residue") or (isinstance(got, Call) and got.name == "residue"):
        return _same_residues(gold, got)
    return same_value(gold, got)


# --- two ways of writing one thing ---


def _without_accents(gold: Node, got: Node) -> tuple[Node, Node]:
    r"""Write the segment `\overline{AB}` as AB where the other answer does."""
    for node, other in ((gold, got), (got, gold)):
        if isinstance(node, Sym) and node.name.startswith("overline:") and not isinstance(other, Sym):
            letters = node.name.removeprefix("overline:")
            if len(letters) == 2 and letters.isupper() and letters.isalpha():
                plain = Mul(tuple(Sym(letter) for letter in letters))
                return (plain, got) if node is gold else (gold, plain)
    return gold, got


def _independent_signs(node: Node) -> Node | None:
    """Write `(±1, ±2)` as its four points; None for a point with at most one coordinate of two signs."""
    if not isinstance(node, Group) or node.opening != "(" or len(node.items) > 4:
        return None
    choices = [expand_signs(item) for item in node.items]
    if sum(len(values) > 1 for values in choices) < 2:
        return None
    return Group("", tuple(Group("(", point, node.closing) for point in product(*choices)), "")


def _split_label(node: Node, other: Node) -> Node:
    """Read the `xy` of `xy = 1` as a product where the other answer speaks of x or y."""
    name = node.items[0] if isinstance(node, Relation) else None
    if not isinstance(name, Sym) or not 1 < len(name.name) <= 3 or not (name.name.islower() and name.name.isalpha()):
        return node
    if symbols(other).isdisjoint(name.name) or not isinstance(node, Relation):
        return node
    return Relation((Mul(tuple(Sym(letter) for letter in name.name)), *node.items[1:]), node.signs)


def _counted(node: Node, other: Node) -> Node:
    """Read `C(10, 3)` as a number of choices and `A(2, 3)` as a point, by what the other answer is."""
    if not isinstance(node, Call) or len(node.name) != 1 or not node.name.isupper() or len(node.args) < 2:
        return node
    if isinstance(other, Group) and other.opening in ("", "(") and len(other.items) == len(node.args):
        return Group("(", node.args, ")")
    if isinstance(other, Relation) and isinstance(other.items[0], Group):
        return Group("(", node.args, ")")  # (x, y) = (1, 2)
    if node.name in "CP" and len(node.args) == 2:
        return Call("binom" if node.name == "C" else "permutations", node.args)
    return node


def _renamed(gold: Node, got: Node, integers: frozenset[str]) -> Node | None:
    """Return `got` with its integer parameter or constant of integration named as in the gold; None for neither."""
    mine, theirs = symbols(gold), symbols(got)
    if isinstance(gold, Relation) != isinstance(got, Relation):  # x = k pi and n pi: the head is not renamed
        mine, theirs = symbols(_value_of(gold)), symbols(_value_of(got))
    ours, other = mine - theirs, theirs - mine
    if len(ours) != 1 or len(other) != 1:
        return None
    name, old = next(iter(ours)), next(iter(other))
    if {name, old} <= _PARAMETERS and (
        name in integers or (_has_period(gold, name) and (old in integers or _has_period(got, old)))
    ):
        return replace(got, old, Sym(name))
    family = {name, old} <= _CONSTANTS_OF_INTEGRATION and (name[0] in "CK" or old[0] in "CK")
    if family and len(mine) > 1 and _is_loose(gold, name) and _is_loose(got, old):
        return replace(got, old, Sym(name))
    return None


def _has_period(node: Node, name: str) -> bool:
    """Say whether a name counts periods, as the k of `pi/4 + k pi` and of `30 degrees + 360 degrees k` does."""
    if isinstance(node, Mul) and Sym(name) in node.factors:
        return any(
            factor == Sym("pi") or (isinstance(factor, Call) and factor.name == "deg") for factor in node.factors
        )
    return any(_has_period(child, name) for child in children(node))


def _is_loose(node: Node, name: str) -> bool:
    """Say whether a constant is added to a formula or is a factor of it, as a constant of integration is."""
    if isinstance(node, Relation):
        return _is_loose(node.items[-1], name)
    parts = node.terms if isinstance(node, Add) else node.factors if isinstance(node, Mul) else ()
    return Sym(name) in parts


def _same_progressions(gold: Node, got: Node, integers: frozenset[str]) -> Answer:
    """Say whether two values that are linear in one integer run through the same values: `2kπ + π` and `2kπ - π`."""
    left, right = _value_of(gold), _value_of(got)
    names = symbols(left) & symbols(right) & integers
    if len(names) != 1 or isinstance(left, _STRUCTURES) or isinstance(right, _STRUCTURES):
        return None
    name = next(iter(names))
    first, second = _line(left, name), _line(right, name)
    if first is None or second is None:
        return None
    ratio = Add((first[1], negate(second[1]))), first[0]
    if not (same_expression(first[0], second[0]) or same_expression(first[0], negate(second[0]))):
        return None
    for shift in range(-3, 4):
        if same_expression(ratio[0], Mul((Num(Fraction(shift)), ratio[1]))):
            return True
    return None


def _value_of(node: Node) -> Node:
    return node.items[1] if isinstance(node, Relation) and _is_solved(node) else node


def _line(node: Node, name: str) -> tuple[Node, Node] | None:
    """Return slope and intercept of an expression that is linear in a name."""
    at = [replace(node, name, Num(Fraction(place))) for place in (0, 1, 2)]
    slope = Add((at[1], negate(at[0])))
    if not same_expression(Add((at[2], negate(at[1]))), slope):
        return None
    return slope, at[0]


# --- lists, sets, tuples ---


def _on_24_hours(node: Node) -> Node:
    """Return a time of day with a.m. or p.m. as hours and minutes of 24; anything else without its unit."""
    clock = strip_marks(node)
    if isinstance(node, Quantity) and node.unit.lower() in ("am", "pm") and isinstance(clock, Ratio | Num):
        hours = clock.items[0] if isinstance(clock, Ratio) else clock
        minutes = clock.items[1:] if isinstance(clock, Ratio) else (Num(Fraction(0)),)
        if isinstance(hours, Num) and 1 <= hours.value <= 12:
            return Ratio((Num(hours.value % 12 + (12 if node.unit.lower() == "pm" else 0)), *minutes))
    return clock


def _full_hour(node: Node) -> Fraction | None:
    """Return the hour of `2:00 pm`; None for a time with minutes or without its half of the day."""
    clock = strip_marks(node)
    if not isinstance(node, Quantity) or node.unit.lower() not in ("am", "pm") or not isinstance(clock, Ratio):
        return None
    hour, *rest = clock.items
    return hour.value if isinstance(hour, Num) and all(part == Num(Fraction(0)) for part in rest) else None


def _ordered(gold: Sequence[Node], got: Sequence[Node]) -> Answer:
    if len(gold) != len(got):
        return False
    together: Answer = True
    for left, right in zip(gold, got, strict=True):
        answer = _same(canonical(left), canonical(right))
        if answer is False:
            return False
        together = together and answer
    return together


def _unordered(gold: Sequence[Node], got: Sequence[Node]) -> Answer:
    if len(gold) != len(got):
        return False
    in_order = _ordered(gold, got) if len(gold) < _MEMBERS_WITH_FINGERPRINTS or gold[0] == got[0] else False
    if in_order or Sym("...") in gold:
        return in_order if in_order is not False else _ordered(gold, got)
    common = Counter(gold) & Counter(got)
    mine = list((Counter(gold) - common).elements())
    theirs = list((Counter(got) - common).elements())
    if len(mine) >= _MEMBERS_WITH_FINGERPRINTS:
        mine, theirs = _without_twins(mine, theirs)
    if len(theirs) > MAX_UNORDERED:
        return False if all(type(item) is Num for item in (*mine, *theirs)) else None
    unsure = False
    for item in mine:
        for index, other in enumerate(theirs):
            spend(10)
            answer = _same(canonical(item), canonical(other))
            if answer:
                del theirs[index]
                break
            unsure = unsure or answer is None
        else:
            return None if unsure else False
    return True


def _without_twins(gold: Sequence[Node], got: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """Take out the members that have an equal one on the other side, evaluating each member once.

    What is left is at most what no value could pair: a long list that agrees costs one pass, not every pair.
    """
    prints = sorted(
        ((mark, index) for index, item in enumerate(got) if (mark := _fingerprint(item)) is not None),
        key=lambda pair: pair[0][0].real,
    )
    keys = [mark[0].real for mark, _ in prints]
    taken: set[int] = set()
    left: list[Node] = []
    for item in gold:
        mark = _fingerprint(item)
        twin = None if mark is None else _twin(mark, item, prints, keys, taken, got)
        if twin is None:
            left.append(item)
        else:
            taken.add(twin)
    return left, [item for index, item in enumerate(got) if index not in taken]


def _fingerprint(item: Node) -> tuple[complex, ...] | None:
    """Return the values of one member, or of the members of a tuple; None for one with a unit or without value."""
    if isinstance(item, Group) and item.opening in ("(", "["):
        parts = [_fingerprint(part) for part in item.items]
        return tuple(value for part in parts if part is not None for value in part) if None not in parts else None
    if isinstance(item, Quantity) and len(measures := read_unit(item.unit).measures) == 1 and not measures[0].zero:
        value = fingerprint(item.value)
        return None if value is None else tuple(part * float(measures[0].scale) for part in value)
    return None if stated_unit(item) else fingerprint(item)


def _twin(
    mark: tuple[complex, ...],
    item: Node,
    prints: list[tuple[tuple[complex, ...], int]],
    keys: list[float],
    taken: set[int],
    got: Sequence[Node],
) -> int | None:
    near = 1e-9 * (1 + abs(mark[0]))
    start = bisect_left(keys, mark[0].real - near)
    for other, index in prints[start : start + 8]:
        if index in taken or len(other) != len(mark):
            continue
        if all(abs(mine - theirs) <= 1e-9 * (1 + abs(mine)) for mine, theirs in zip(mark, other, strict=True)):
            if symbols(item) and symbols(got[index]) and not isinstance(item, Group):
                return index  # equal at two complex points, to more digits than chance allows
            if _same(canonical(item), canonical(got[index])):
                return index
    return None


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
        gold, got = _as_points(gold, got), _as_points(got, gold)
        return _same_lists(_distinct(gold), _distinct(got))
    if gold.opening == "(" and got.opening == "":
        return _same_coordinates(gold, got)
    if got.opening == "(" and gold.opening == "":
        return _same_coordinates(got, gold)
    if (gold.opening, gold.closing) != (got.opening, got.closing):
        return False
    return _ordered(gold.items, got.items)


def _as_points(node: Group, other: Group) -> Group:
    """Write `x = 1, y = 2 or x = 3, y = 4` as two points where the other answer is points."""
    names = _names(node.items)
    size = len(set(names))
    if size < 2 or len(names) <= size or len(names) % size or not all(isinstance(item, Group) for item in other.items):
        return node
    if any(names[start : start + size] != names[:size] for start in range(0, len(names), size)):
        return node
    ordered = (
        sorted(range(size), key=lambda place: names[place]) if "".join(sorted(names[:size])) in "xyzw" else range(size)
    )
    values = [item.items[1] for item in node.items if isinstance(item, Relation)]
    rows = [values[start : start + size] for start in range(0, len(values), size)]
    return Group(
        node.opening, tuple(Group("(", tuple(row[place] for place in ordered), ")") for row in rows), node.closing
    )


def _same_coordinates(point: Group, named: Group) -> Answer:
    """Compare `(1, 2)` with `x = 1, y = 2`, in the order of the names where they follow each other."""
    names = _names(named.items)
    if point.closing != ")" or len(names) < 2 or len(set(names)) != len(names) or len(names) != len(point.items):
        return False
    values = {name: item.items[1] for name, item in zip(names, named.items, strict=True) if isinstance(item, Relation)}
    ordered = "".join(sorted(names))
    if any(ordered in letters for letters in _COORDINATES):
        return _ordered(point.items, [values[name] for name in ordered])
    return _ordered(point.items, list(values.values())) or None


def _all_same(items: Sequence[Node]) -> bool:
    return all(_same(items[0], item) for item in items[1:])


def _distinct(group: Group) -> Sequence[Node]:
    """Return the items of a set without repetitions; a bare list keeps them."""
    return list(dict.fromkeys(group.items)) if group.opening == "{" else group.items


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


def _same_residues(gold: Node, got: Node) -> Answer:
    """Compare `2 (mod 5)` with another class, or with a number: the one that is written, or the least of its class."""
    classes = [node.args if isinstance(node, Call) and node.name == "residue" else (node, None) for node in (gold, got)]
    values = [rational(strip_marks(value)) for value, _ in classes if value is not None]
    moduli = [rational(modulus) for _, modulus in classes if modulus is not None]
    if len(values) < 2 or None in values or None in moduli or not moduli[0]:
        return None
    first, second = values
    assert first is not None, "a number"
    assert second is not None, "a number"
    if len(moduli) == 2 and moduli[0] != moduli[1]:
        return False
    if (first - second) % moduli[0]:
        return False
    bare = second if classes[1][1] is None else first
    return True if len(moduli) == 2 or first == second or 0 <= bare < moduli[0] else None


def _same_cases(gold: Sequence[Node], got: Sequence[Node]) -> Answer:
    """Compare two functions by cases: the same values under the same conditions, in any order."""
    if len(gold) != len(got):
        return False
    if len(gold) > MAX_CASES:
        return True if Counter(gold) == Counter(got) else None
    left = list(got)
    for row in gold:
        for index, other in enumerate(left):
            if isinstance(row, Group) and isinstance(other, Group) and _same_case(row, other, is_last=len(left) == 1):
                answer = _same(canonical(row.items[0]), canonical(other.items[0]))
                if not answer:
                    return answer
                del left[index]
                break
        else:
            return None
    return True


def _same_case(row: Group, other: Group, *, is_last: bool) -> bool:
    """Say whether two cases have the same condition."""
    conditions = canonical(row.items[1]), canonical(other.items[1])
    return (is_last and Sym("otherwise") in conditions) or bool(_same(*conditions))


def _same_matrices(gold: Node, got: Node) -> Answer:
    if isinstance(gold, Matrix) and isinstance(got, Matrix):
        if len(gold.rows) != len(got.rows) or len(gold.rows[0]) != len(got.rows[0]):
            return False
        return _ordered([cell for row in gold.rows for cell in row], [cell for row in got.rows for cell in row])
    matrix, other = (gold, got) if isinstance(gold, Matrix) else (got, gold)
    if (
        isinstance(matrix, Matrix)
        and len(matrix.rows) == len(matrix.rows[0]) == 1
        and not isinstance(other, _STRUCTURES)
    ):
        return _same(*((matrix.rows[0][0], other) if matrix is gold else (other, matrix.rows[0][0])))
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
    if stated_unit(gold).lower() in ("am", "pm") and stated_unit(got).lower() in ("am", "pm"):
        return _on_24_hours(gold) == _on_24_hours(got)  # 3 pm and 3:00 pm
    ratio, other = (gold, got) if isinstance(gold, Ratio) else (got, gold)
    if type(gold) is Num and (clock := _full_hour(got)) is not None:
        return None if gold.value == clock else False  # 2:00 pm for a gold of 2
    if type(other) is Num and isinstance(ratio, Ratio) and len(ratio.items) == 2 and ratio.items[1] == Num(Fraction(0)):
        return None if ratio.items[0] == other else False  # 3:00 may be a time of day
    if isinstance(other, Quantity) and any(
        name == "time" for measure in read_unit(other.unit).measures for name, _ in measure.dimensions
    ):
        return None  # 1:20 may be an hour and twenty minutes
    if isinstance(ratio, Ratio) and len(ratio.items) == 2:
        value = rational(other)
        if value is not None and value.denominator != 1:
            quotient = divide(*ratio.items)
            return same_value(*((quotient, other) if ratio is gold else (other, quotient)))
    return False


def _same_numerals(gold: Node, got: Node) -> Answer:
    """Compare numerals of which one states its base; the same digits without a base may be meant in that base."""
    is_stated = isinstance(gold, Based) and isinstance(got, Based)
    gold, got = _in_base_ten(gold), _in_base_ten(got)
    if type(gold) is Num and type(got) is Num:
        return gold.value == got.value
    based, other = (gold, got) if isinstance(gold, Based) else (got, gold)
    if isinstance(based, Based) and type(other) is Num and str(other.value) == based.digits and not is_stated:
        return None
    return gold == got


def _in_base_ten(node: Node) -> Node:
    return Num(Fraction(node.digits)) if isinstance(node, Based) and node.base == 10 else node


# --- equations and inequalities ---


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
        if relation_name(got) == "value" and relation_name(gold) in _LETTERS_OF_UNKNOWNS:
            return _same_relations(gold, _renamed_value(got, relation_name(gold)))
        if relation_name(gold) != relation_name(got) and symbols(gold) != symbols(got):
            return False
    relation, other = (gold, got) if isinstance(gold, Relation) else (got, gold)
    if isinstance(relation, Relation) and set(relation.signs) == {"="} and not isinstance(other, Relation):
        return _same_as_equation(gold, got)
    left, right = as_interval(gold), as_interval(got)
    if left is None or right is None:
        return _same_half_planes(gold, got)
    if isinstance(left, Group) and isinstance(right, Group):
        return _same_groups(left, right)
    return _same_unions(canonical(left), canonical(right))


def _renamed_value(node: Relation, name: str) -> Relation:
    """Give the bound that words state ("at least 5") the gold's name, as in `x >= 5`."""
    items = tuple(Sym(name) if item == Sym("value") else item for item in node.items)
    renamed = canonical(Relation(items, node.signs))
    assert isinstance(renamed, Relation), "a bound stays a relation"
    return renamed


def _same_half_planes(gold: Node, got: Node) -> Answer:
    """Say whether one inequality is the other times a positive number; None for those that are not solved."""
    if not (isinstance(gold, Relation) and isinstance(got, Relation)):
        solved = gold if isinstance(got, Relation) else got
        return None if isinstance(solved, Group | Union) else False
    if len(gold.signs) != 1 or gold.signs != got.signs or gold.signs[0] not in ("<", "<="):
        return None if symbols(gold) == symbols(got) else False
    left = Add((gold.items[0], negate(gold.items[1])))
    right = Add((got.items[0], negate(got.items[1])))
    if symbols(left) != symbols(right) or len(symbols(left)) < 2:
        return None if symbols(left) == symbols(right) else False
    if not _proportional(gold, got):
        return None
    mine, theirs = fingerprint(left), fingerprint(right)
    if mine is None or theirs is None:
        return None
    return bool((mine[0] / theirs[0]).real > 0) if theirs[0] else None


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
    if len(equation.items) != 2:
        return False
    named, value = equation.items
    if is_head(named) and not is_head(value):
        return _same(*((value, other) if equation is gold else (other, value)))
    if equation is gold and symbols(other):
        # `y + 1 = 2x` answered by the right-hand side for y alone: put it in and see whether the equation holds.
        difference = Add((named, negate(value)))
        if "y" in symbols(difference) and "y" not in symbols(other):
            return same_expression(replace(difference, "y", other), Num(Fraction(0)))
        return False
    if symbols(value) or isinstance(value, _STRUCTURES):
        return False
    # A quotient of names is asked for and stated as it stands; a sum only answers a gold that is the number itself.
    if _is_quotient_of_names(named) or (equation is got and _is_sum_of_names(named)):
        return _same(*((value, other) if equation is gold else (other, value)))
    same = _same(*((value, other) if equation is gold else (other, value)))
    return None if same is not False else False


def _is_quotient_of_names(node: Node) -> bool:
    if not (isinstance(node, Mul) and any(isinstance(factor, Pow) for factor in node.factors)):
        return False
    parts = [
        factor.base if isinstance(factor, Pow) and factor.exponent == Num(Fraction(-1)) else factor
        for factor in node.factors
    ]
    return all(isinstance(part, Sym) or (isinstance(part, Mul | Call) and is_head(part)) for part in parts)


def _is_sum_of_names(node: Node) -> bool:
    if not isinstance(node, Add):
        return False
    plain = [term.factors[1] if _is_negative(term) and isinstance(term, Mul) else term for term in node.terms]
    return all(is_head(term) and isinstance(term, Sym | Call | Mul) for term in plain)


def _is_negative(node: Node) -> bool:
    return isinstance(node, Mul) and len(node.factors) == 2 and node.factors[0] == Num(Fraction(-1))


def _same_equations(gold: Relation, got: Relation) -> Answer:
    if _is_solved(gold) and _is_solved(got):
        answer = _same_solved(gold, got)
        is_function = (isinstance(gold.items[0], Call) or gold.items[0] == Sym("y")) and gold.items[0] == got.items[0]
        if answer is not None or is_function or not (symbols(gold.items[1]) or symbols(got.items[1])):
            return answer
    elif _is_solved(gold) != _is_solved(got):
        if len(symbols(gold.items[0]) | symbols(gold.items[1])) < 2:
            return False if not_worked_out(gold) == not_worked_out(got) else None
        if _holds_when_solved(gold, got) or _holds_when_solved(got, gold):
            return True
    if len(gold.items) != 2 or len(got.items) != 2:
        return _ordered(gold.items, got.items)
    return _proportional(gold, got)


def _same_solved(gold: Relation, got: Relation) -> Answer:
    """Compare two named values: the names are part of the answer. None when they may or may not be one thing."""
    head, other = gold.items[0], got.items[0]
    value = got.items[1]
    if head == other:
        return (
            _same_family(gold.items[1], value, symbols(head) | _VARIABLES)
            if isinstance(head, Call) or head == Sym("y")
            else _same(gold.items[1], value)
        )
    if isinstance(head, Call) and isinstance(other, Call):
        if head.name != other.name or len(head.args) != len(other.args):
            return False
        for mine, theirs in zip(head.args, other.args, strict=True):
            if mine == theirs:
                continue
            if (
                not (isinstance(mine, Sym) and _is_variable(mine))
                or not _is_variable(theirs)
                or not isinstance(theirs, Sym)
                or head.name in _NO_DEFINITIONS
            ):
                return False if same_expression(mine, theirs) is not True else _same(gold.items[1], value)
            if mine.name not in symbols(gold.items[1]) and theirs.name not in symbols(value):
                # f(t) = 5 may hold for every t or at one of them, and f(s) = 5 at another.
                return None if _same(gold.items[1], value) else False
            value = replace(value, theirs.name, mine)  # f(x) = x^2 and f(t) = t^2
        return _same_family(gold.items[1], value, symbols(head))
    if _is_value_of_function(head, other, gold, got) or _is_value_of_function(other, head, got, gold):
        return _same(gold.items[1], value)
    if symbols(gold.items[1]) or symbols(value):
        return None
    same = _same(gold.items[1], value)
    if not same or _names_agree(head, other):
        return same
    first, second = _name(head), _name(other)
    if len(first) == 1 and len(second) > 2 and second[0].lower() == first.lower():
        return None  # A = 12 and Area = 12
    return None if len(second) == 1 and len(first) > 2 and second.lower() == first[0].lower() else False


def _same_family(gold: Node, got: Node, arguments: frozenset[str]) -> Answer:
    """Compare the values of two functions; None where they agree with constants renamed: `cx` and `kx`."""
    answer = _same(gold, got)
    if answer is not False or isinstance(gold, _STRUCTURES) or isinstance(got, _STRUCTURES):
        return answer
    mine, theirs = sorted(symbols(gold) - arguments), sorted(symbols(got) - arguments)
    if not 0 < len(mine) == len(theirs) <= MAX_CONSTANTS or not all(map(_is_constant, mine + theirs)):
        return False
    # Renamed to names that neither side has, so that a and b may change places.
    plain = got
    for index, name in enumerate(theirs):
        plain = replace(plain, name, Sym(f"constant {index}"))
    for order in permutations(mine):
        renamed = plain
        for index, name in enumerate(order):
            renamed = replace(renamed, f"constant {index}", Sym(name))
        if _same(gold, renamed):
            return None
    return False


def _is_constant(name: str) -> bool:
    return (len(name) == 1 and name not in "xyz") or name[1:2] == "_"


_VARIABLES = frozenset({"x", "t"})
_NO_DEFINITIONS = frozenset({"sin", "cos", "tan", "cot", "sec", "csc", "ln", "P", "E"})


def _is_variable(node: Node) -> bool:
    return isinstance(node, Sym) and node.name.islower()


def _is_value_of_function(name: Node, call: Node, first: Relation, second: Relation) -> bool:
    """Say whether `y = 2x` and `f(x) = 2x` name the same thing."""
    if name != Sym("y") or not isinstance(call, Call) or call.name not in "fgh" or len(call.args) != 1:
        return False
    argument = call.args[0]
    return (
        isinstance(argument, Sym) and argument != name and "y" not in symbols(first.items[1]) | symbols(second.items[1])
    )


def _name(node: Node) -> str:
    return node.name if isinstance(node, Sym) else ""


def _names_agree(head: Node, other: Node) -> bool:
    """Say whether two names surely mean the same: the same words, a general name such as `answer`, one segment."""
    first, second = _name(head).lower(), _name(other).lower()
    if first in _GENERIC_NAMES or second in _GENERIC_NAMES:
        return True
    if len(first) > 2 and len(second) > 2 and "_" not in first + second:
        mine, theirs = set(first.split()), set(second.split())
        return mine <= theirs or theirs <= mine
    mine_letters, their_letters = _letters(head), _letters(other)
    return bool(mine_letters) and their_letters in (mine_letters, mine_letters[::-1])


def _letters(node: Node) -> list[str]:
    """Return the letters of a segment, an angle or a triangle."""
    if isinstance(node, Sym) and node.name.isupper() and node.name.isalpha():
        return list(node.name) if len(node.name) > 1 else []
    if not isinstance(node, Mul):
        return []
    return [
        factor.name
        for factor in node.factors
        if isinstance(factor, Sym) and factor.name not in ("m", "angle", "triangle")
    ]


def _holds_when_solved(equation: Relation, solved: Relation) -> bool:
    """Say whether `y = ...` is an equation solved for y: the equation is linear in y, and holds for that value."""
    if not (_is_solved(solved) and isinstance(solved.items[0], Sym)) or len(equation.items) != 2:
        return False
    name = solved.items[0].name
    difference = Add((equation.items[0], negate(equation.items[1])))
    if name not in symbols(difference) or name in symbols(solved.items[1]):
        return False
    line = _line(difference, name)
    return line is not None and bool(same_expression(replace(difference, name, solved.items[1]), Num(Fraction(0))))


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
