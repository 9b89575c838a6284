"""Find the false equations, judged to the precision in which they are written.

Roundings, carried roundings, converted units, run-on chains and labels are not false, nor is an equation that the text
takes back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from mathstrap.numerals import SCALES
from mathstrap.patterns import regex
from mathstrap.steps.expression import (
    DividesByZeroError,
    NoArithmeticError,
    Node,
    Number,
    Operation,
    Value,
    compute,
    parse_tokens,
    tokenize,
    value_of,
    written_numbers,
)
from mathstrap.steps.read import MAGNITUDE, Equation, Side

ROUNDED = regex(
    r"\bround|approx|\babout\b|\broughly|\bnearest|\baround\b|\bestimat|\bwhole\b|\bfull\b|\bcomplete\b|\bfloor|\bceil"
    r"|\bremainder|\bleft over|\bleftover|\binteger|quotient|truncat|remaining\b|\bat (?:most|least)\b|\bfraction of\b",
    re.IGNORECASE,
)
# Words after an equation by which its author says that it is false, or takes it back.
TAKEN_BACK = regex(
    r"incorrect|\bnot (?:true|equal|correct|possible|valid|consistent|satisf|work|match)|\bfalse\b|contradict"
    r"|impossible|undefined|infinit|limit|does(?:n['’]?t| not)|isn['’]?t\b|wrong|no solution|\bwait\b|oops|mistake"
    r"|\berror\b|let me (?:re|correct)|re-?check|re-?calculat|≠|✗|\bcorrection|\bactually\b|adjust",
    re.IGNORECASE,
)
# Clocks, remainders and other bases, where 11 + 3 may be 2.
OTHER_ARITHMETIC = regex(
    r"\bmod\b|\bmodulo\b|\\pmod|\\bmod|≡|\\equiv|\d_\{?\d|\bin base\b|\bbase-(?:\d+|\$)"
    r"|\bbase \$?\d+\$? (?:number|repres|digit|expan|system|arith)|o['’]clock|\d ?[ap]\.?m\b"
    r"|\bbinary\b|\bhexadecimal\b|\boctal\b",
    re.IGNORECASE,
)
OWN_SIGN = regex(
    r"[a-zA-Z}]\s*(?:\\\s*)?(?:\*|\\(?:ast|star|diamond|circ|oplus|otimes|heartsuit|spadesuit|clubsuit|bullet|#|@)\b)\s*[a-zA-Z]\s*="
)
# A box to which the question gives its own meaning.
OWN_BOX = regex(r"\\boxed\{[^{}]{1,20}\}\S{0,2} (?:mean|denote|stand|represent|be the|is the)")
DEGREES = regex(r"\\circ|°|degree")
# Factors between two units of time, length, mass, money or volume.
RATIOS = frozenset(
    Fraction(ratio)
    for ratio in (
        2, 3, 4, 5, 7, 8, 9, 10, 12, 14, 16, 20, 24, 25, 27, 28, 30, 32, 36, 50, 52, 60, 100, 128, 144, 168, 360, 365,
        1000, 1440, 1760, 2000, 3600, 5280, 10_000, 86_400, 1_000_000,
    )
)  # fmt: skip


def rounds(equation: Equation) -> bool:
    """Say whether the text around an equation mentions rounding."""
    if "≈" in equation.relations:
        return True
    return ROUNDED.search(equation.line) is not None or ROUNDED.search(equation.behind) is not None


def is_disowned(equation: Equation) -> bool:
    """Say whether the text says that an equation is wrong, takes it back, or divides with a remainder."""
    return TAKEN_BACK.search(equation.behind) is not None or "remainder" in equation.line or "quotient" in equation.line


def false_steps(noted: Sequence[Equation], plain: Sequence[Equation], question: str = "", text: str = "") -> list[str]:
    """Return the false equations as written, each once; none if the text may use another arithmetic."""
    rounded: set[Fraction] = set()
    # In order, because `rounded` collects results that later equations use.
    false = [equation for equation in (*noted, *plain) if is_false(equation, rounded) and not is_disowned(equation)]
    if not false or uses_own_arithmetic(text, question):
        return []
    if "\\ast" in text or "\\star" in text or OWN_SIGN.search(question) or OWN_SIGN.search(text):
        false = [equation for equation in false if equation.noted]
    return list(dict.fromkeys(map(str, false)))


def uses_own_arithmetic(text: str, question: str = "") -> bool:
    """Say whether a solution may use another arithmetic than that of numbers: clocks, bases, boxes with a meaning."""
    if OTHER_ARITHMETIC.search(text) is not None or OTHER_ARITHMETIC.search(question) is not None:
        return True
    return OWN_BOX.search(question) is not None


def early_rounding(equations: Sequence[Equation], text: str) -> str:
    """Return how a result was rounded before its last use, where the answer is then no whole number but should be.

    `160/60 = 2.67`, `2.67 * 6 = 16.02` and "16.02 hours" are each true, but the hours are 16. Empty where it is not so.
    """
    carried: dict[Fraction, Fraction] = {}
    found = ""
    for equation in equations:
        for left, right in pairwise(equation.sides):
            last = value_of(right.text)
            if last is None or not last.is_bare or not last.decimals or not isinstance(last.exact, Fraction):
                continue
            first = value_of(left.text)
            if first is None or first.is_bare or not isinstance(first.exact, Fraction) or first.other is not None:
                continue
            moved = {number.slot: carried[number.value] for number in written_numbers(first.tree)
                     if number.value in carried}  # fmt: skip
            try:
                exact = compute(first.tree, moved=moved)
            except NoArithmeticError:
                continue
            if exact == last.exact or not isinstance(exact, Fraction) or not agree(first, last):
                continue
            carried[last.exact] = exact
            is_whole = exact.denominator == 1 and last.exact.denominator != 1
            if moved and is_whole and abs(exact - last.exact) * 20 < exact and right.shown.strip("$ ") in text[-200:]:
                found = f"{left.shown} = {right.shown}, but {exact} without rounding"
    return found


def is_false(equation: Equation, rounded: set[Fraction] | None = None) -> bool:
    """Say whether two neighbouring sides have values that differ. `rounded` collects results that were rounded."""
    result = False
    for (left, right), relation in zip(pairwise(equation.sides), equation.relations, strict=True):
        verdict = judge(left, right, relation, equation, rounded)
        result |= verdict is False
    return result


def judge(
    left: Side, right: Side, relation: str, equation: Equation, rounded: set[Fraction] | None = None
) -> bool | None:
    """Say whether two sides are equal to the precision in which they are written; None if they cannot be compared."""
    if _is_plainly_true(left.text, right.text):
        return True
    first, second = value_of(left.text), value_of(right.text)
    if first is None or second is None:
        return False if _divides_by_zero(left, first, right, second, relation) else None
    if first.is_bare and "%" in right.text and not first.is_percent:
        return None
    if _is_same(first.exact, second.exact):
        return True
    is_plain = first.is_bare or _is_fraction(left.text) or not re.search(r"\d", left.text)
    if first.is_bare and ((second.is_bare and not equation.noted) or left.labelled or first.is_percent):
        return None
    if is_plain and (
        (left.has_units and not second.is_bare) or ((left.labelled or not second.is_bare) and "(" in left.text)
    ):
        return None
    if _LABEL.fullmatch(left.shown) and left.labelled:
        return None
    if relation == "is" and (first.is_bare or not second.is_bare):
        return None
    if "," in left.text or _is_pair(left.shown) or _is_pair(right.shown):
        return None
    if agree(first, second, approximates=relation == "≈"):
        if rounded is not None and second.is_bare and first.exact != second.exact:
            rounded.add(Fraction(second.exact))
        return True
    if rounded is not None and _agree_rounded(first, second, rounded):
        if second.is_bare:
            rounded.add(Fraction(second.exact))
        return True
    shown = left.shown + right.shown
    if (left.has_units or right.has_units or "$" in shown or equation.noted or MAGNITUDE.search(shown)) and _converts(
        first, second, left, right
    ):
        return True
    if ("π" in left.text or "π" in right.text) and DEGREES.search(equation.line):
        return None
    if _is_close(first, second, left, right) or _mixes_units(left) or _mixes_units(right):
        return None
    if first.exact * 1000 == second.exact and "thousand" in equation.line:
        return True  # losing 5 thousand a day: 5 * 3 = 15,000
    if _POINTS_OF_THOUSANDS.search(shown) and _agree_with_points(left, right):
        return None
    if _DIVIDES_BY_PERCENT.search(left.text) or _is_measured_apart(left, equation.line):
        return None
    if not second.is_bare and (_goes_on(first, right) or " of " in right.shown):
        return None
    if _counts(first, second, left, right) or (rounds(equation) and agree(first, second, approximates=True)):
        if rounded is not None and second.is_bare:
            rounded.add(Fraction(second.exact))
        return True
    return False


# Two whole numbers and their result: the most common equation, judged without a tree.
_TWO_NUMBERS = regex(r"(\d{1,12})([-+*/])(\d{1,12})", re.ASCII)


def _is_plainly_true(left: str, right: str) -> bool:
    """Say whether a side of two whole numbers is exactly the whole number on the other; False may still be true."""
    if not (right.isdigit() and right.isascii()) or len(right) > 25:
        return False
    match = _TWO_NUMBERS.fullmatch(left)
    if match is None:
        return False
    first, sign, second = int(match[1]), match[2], int(match[3])
    if sign == "+":
        return first + second == int(right)
    if sign == "-":
        return first - second == int(right)
    if sign == "*":
        return first * second == int(right)
    return second != 0 and first == second * int(right)


def _is_same(first: Fraction | float, second: Fraction | float) -> bool:
    """Say whether two values are equal; a fast path for fractions, whose own comparison first checks types."""
    if type(first) is Fraction and type(second) is Fraction:
        return first.numerator == second.numerator and first.denominator == second.denominator
    return first == second


def _divides_by_zero(left: Side, first: Value | None, right: Side, second: Value | None, relation: str) -> bool:
    """Say whether one side divides by zero and the other is a number."""
    if relation != "=" or (first is None) == (second is None):
        return False
    parsed = parse_tokens(tokenize((left if first is None else right).text))
    try:
        if parsed is not None:
            compute(parsed[0])
    except DividesByZeroError:
        return True
    except (NoArithmeticError, OverflowError):
        return False
    return False


_LABEL = regex(r"\d+-\d+")
_FRACTION = regex(r"-?\(*(?:\d+|sqrt\(\d+\)|π)\)*/\(*(?:\d+|sqrt\(\d+\)|π)\)*")


def _is_fraction(text: str) -> bool:
    """Say whether a side is a single fraction of two numbers, which may be a value as well as a division."""
    return _FRACTION.fullmatch(text) is not None


def _is_pair(shown: str) -> bool:
    return re.fullmatch(r"\(\s*\d+,\d+\s*\)", shown) is not None


def agree(left: Value, right: Value, *, approximates: bool = False) -> bool:
    """Say whether two sides of an equation are equal, to the precision of the shorter one.

    `10/3 = 3.33` and `10/3 = 3.34` are true to their last decimal; `10/3 = 3` is not, unless the text rounds. A percent
    sign on one side may be the unit: `5/20*100 = 25%` is true.
    """
    if left.exact == right.exact:
        return True
    pairs = [(left.exact, right.exact)]
    if left.other is not None:
        pairs.append((left.other, right.exact))
    if right.other is not None:
        pairs.append((left.exact, right.other))
    if left.is_percent != right.is_percent:
        scaled, other = (left, right) if left.is_percent else (right, left)
        pairs.append((scaled.exact * 100, other.exact))
    for number, (first, second) in enumerate(pairs):
        gap, size = _float(first - second), max(_float(first), _float(second))
        # Roots and pi are floats, good to about nine digits; ≈ allows one percent.
        if gap <= size * 1e-9 or (approximates and gap <= size / 100):
            return True
        for shown in (left, right):
            if shown.decimals is None:
                continue
            unit = 10.0**-shown.decimals if shown.decimals or approximates else 0.0
            if not approximates and _is_whole_at(right if shown is left else left, shown.decimals):
                continue
            if shown.is_percent and number == 0:
                unit /= 100
            if gap <= unit * (1 + 1e-6):
                return True
    return False


def _is_whole_at(value: Value, decimals: int) -> bool:
    """Say whether a sum or product of short decimals is exact at this precision: 0.4 + 0.3 + 0.3 is not 0.9."""
    exact = value.exact
    if value.is_bare or value.is_percent or isinstance(exact, float) or (exact * 10**decimals).denominator != 1:
        return False
    # A number with as many decimals as the result may itself be rounded, and a quotient is rounded before it is used.
    return all(number.decimals < max(2, decimals) for number in written_numbers(value.tree)) and _only_adds(value.tree)


def _only_adds(node: Node) -> bool:
    """Say whether an expression adds, subtracts and multiplies numbers, nothing else."""
    if isinstance(node, Operation):
        return node.sign in "+-*" and _only_adds(node.left) and _only_adds(node.right)
    return isinstance(node, Number)


def _float(value: Fraction | float) -> float:
    """Return the size of a value as a float; infinite where it is too large for one."""
    try:
        return abs(float(value))
    except OverflowError:
        return float("inf")


def _agree_rounded(left: Value, right: Value, rounded: set[Fraction]) -> bool:
    """Say whether two sides agree within the error of numbers that were rounded before."""
    slack = 0.0
    for value in (left, right):
        if value.is_bare:
            continue
        for number in written_numbers(value.tree):
            if not (number.value in rounded or number.decimals >= 3):
                continue
            step = Fraction(1, 10**number.decimals)
            try:
                moved = compute(value.tree, moved={number.slot: number.value + step})
            except (NoArithmeticError, OverflowError, ZeroDivisionError):
                return True
            slack += _float(moved - value.exact)
    if not slack:
        return False
    unit = max((10.0**-shown.decimals for shown in (left, right) if shown.decimals is not None), default=0.0)
    return _float(left.exact - right.exact) <= slack + (unit if unit < 1 else 0.5)


def _converts(first: Value, second: Value, left: Side, right: Side) -> bool:
    """Say whether the sides have units and differ by a factor between two units."""
    if not first.exact or not second.exact:
        return False
    if isinstance(first.exact, float) or isinstance(second.exact, float):
        return False
    ratio = abs(first.exact / second.exact)
    ratio = max(ratio, 1 / ratio)
    if ratio in SCALES.values() and MAGNITUDE.search(left.shown + " " + right.shown):
        return True
    if ratio in (100, 10000):
        return True
    return (
        left.has_units and right.has_units and _unit_words(left.shown) != _unit_words(right.shown) and ratio in RATIOS
    )


def _unit_words(shown: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]{2,}", shown.lower()))


def _counts(first: Value, second: Value, left: Side, right: Side) -> bool:
    """Say whether a result counts things: a whole number next to the exact value, which is not whole."""
    if not right.has_units or second.decimals != 0 or not ("/" in left.text or "." in left.text or "%" in left.text):
        return False
    return _float(first.exact - second.exact) < 1


def _is_close(first: Value, second: Value, left: Side, right: Side) -> bool:
    """Say whether two sides with decimals differ so little that one of the numbers may be rounded."""
    gap, size = _float(first.exact - second.exact), _float(second.exact)
    return gap <= size / 1000 and ("." in left.text or "." in right.text) and not (first.is_bare or second.is_bare)


_MEASURES = regex(
    r"\b(?:pound|ounce|feet|foot|inch|inche|yard|mile|hour|minute|second|day|week|month|year|meter|metre|centimeter"
    r"|kilometer|kilogram|gram|dollar|cent|quarter|dime|nickel|gallon|quart|pint|cup|lb|oz|ft|in|yd|km|cm|mm|kg|hr|min|sec)s?\b"
)


def _mixes_units(side: Side) -> bool:
    """Say whether a side adds measures of different units, such as pounds and ounces."""
    return side.has_units and len({name.rstrip("s") for name in _MEASURES.findall(side.shown)}) > 1


# 1.250 + 750 = 2.000, as German, Spanish and Portuguese write thousands.
_POINTS_OF_THOUSANDS = regex(r"(?<![\d.,])[1-9]\d{0,2}(?:\.\d{3})+(?![\d])")


def _agree_with_points(left: Side, right: Side) -> bool:
    """Say whether two sides agree if points in their numbers separate thousands."""
    values = [value_of(_POINTS_OF_THOUSANDS.sub(lambda match: match[0].replace(".", ""), side.text))
              for side in (left, right)]  # fmt: skip
    return values[0] is not None and values[1] is not None and agree(values[0], values[1])


# 1 % is 7500/75% = 100.
_DIVIDES_BY_PERCENT = regex(r"/\d+(?:\.\d+)?%")


def _is_measured_apart(left: Side, line: str) -> bool:
    """Say whether a sum mixes measures: `4 pounds - 6 ounces = 58 ounces`."""
    if not left.has_units or not ("+" in left.text or "-" in left.text):
        return False
    behind = line[line.find(left.shown) + len(left.shown) :][:20].split("=")[0]
    names = {name.rstrip("s") for name in _MEASURES.findall(left.shown + behind)}
    return len(names) > 1


_FIRST_NUMBER = regex(r"\(*(\d+(?:\.\d+)?)")


def _goes_on(first: Value, right: Side) -> bool:
    """Say whether a chain runs on: `3 + 4 = 7 * 2 = 14` means that 3 + 4 is 7 and that 7 * 2 is 14."""
    match = _FIRST_NUMBER.match(right.text)
    start = value_of(match[1]) if match is not None else None
    return start is not None and agree(first, start)
