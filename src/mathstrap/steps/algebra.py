r"""Find the false steps of a solution in one letter: `2x + 6 = 14`, then `x = 5`. Judged by substituting the value.

A step is false only where no reading saves it: an equation in one letter, and after it, with nothing between the two
but words like "divide both sides by 2", a value of the letter for which the equation does not hold. A word of a case,
of a choice or of another equation ends the derivation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from string import ascii_letters

import msgspec

from mathstrap.patterns import regex
from mathstrap.steps.check import TAKEN_BACK
from mathstrap.steps.expression import (
    MAX_CHARS,
    Known,
    NoArithmeticError,
    Node,
    Number,
    Operation,
    compute,
    parse_tokens,
    tokenize,
)
from mathstrap.steps.plain import BREAK, to_plain
from mathstrap.steps.words import REWRITING_WORDS, STEP_WORDS

# Limits on hostile text.
MAX_TEXT = 20_000
MAX_FORMULAS = 150
MAX_GAP = 160
CACHED = 10_000

SPAN = regex(
    r"\\\[(?P<display>[^\[\]]{1,600})\\\]|\\\((?P<inline>[^\n()]{0,80}(?:\([^\n()]{0,80}\)[^\n()]{0,80}){0,4})\\\)"
    r"|\\begin\{align\*?\}(?P<align>(?:[^\\]|\\(?!end\{)){1,1500})\\end\{align"
    r"|\$\$(?P<dollars>[^$]{1,600})\$\$|\$(?P<dollar>[^$\n]{1,300})\$"
    r"|^[ \t]{0,8}(?P<line>[-+*/^().=\d ²³−×·]*[a-zA-Z][-+*/^().=\d ²³−×·a-zA-Z]{0,100})$",
    re.MULTILINE,
)
INDEX = regex(r"(?<![A-Za-z\\])[A-Za-z]_(?:\{(?:[0-9a-zA-Z]|\\text\{[a-z]{1,10}\})\}|[0-9a-zA-Z](?![0-9a-zA-Z]))")
# A line of words, numbers and signs: `5 × Width = 125 / Width`.
NAME = regex(r"[A-Z][a-z]{2,14}")
NAMED_LINE = regex(
    r"^[ \t]{0,8}(?=[A-Z(\d])(?:[A-Z][a-z]{2,14}|[-+*/×÷().\d \t])+=(?:[A-Z][a-z]{2,14}|[-+*/×÷().\d \t])+$",
    re.MULTILINE,
)
LETTERS = regex(r"[A-Za-z]+")
ABSOLUTE = regex(r"\|([^|=]{1,60})\|")
# A single letter, or behind the sign a named quantity, near an equals sign: without one nothing is derived.
NEAR = 17
# `a` and `I` are words unless they are beside a sign or a number.
LETTER = regex(
    r"(?<![A-Za-z\\])(?:[b-zB-HJ-Z](?![A-Za-z'’])|[aAI](?=\s?(?:[-+*/^)_&]|\Z))|(?<=\d)[aAI](?![A-Za-z'’]))"
)
LETTER_OR_NAME = regex(LETTER.pattern + r"|(?<![A-Za-z\\])(?:[aAI]\s?[-+*/^=)]|[A-Z][a-z]{2})")
ALIGN = regex(r"\\(?:begin|end)\{align(?:ed|\*)?\}")
SIGNS = regex(r"\\(?:pm|mp)(?![a-z])")
# Commands and signs whose meaning is not arithmetic in one letter.
UNKNOWN = regex(
    r"(?<![a-zA-Z])[fghpqFGPQT]\(|[a-zA-Z]\( ?-?[\d.]+\)|"
    r"\\(?!frac|dfrac|tfrac|cfrac|sqrt|cdot|times|div|left|right|pm|mp|implies|Rightarrow|Longrightarrow|Leftrightarrow"
    r"|iff|quad|qquad|begin\{align|end\{align|\\|,|;|!|:| |boxed|displaystyle|pi(?![a-z])|\{,\}|approx)"
    r"|[<>≤≥≠°'’′…]|\.\.\.|\|[^|]*\|[^|]*\|"
)
# Words that list one equation beside another.
OTHER_CASE = regex(r"\b(?:or|and)\b")


class Formula(msgspec.Struct, frozen=True):
    """An equation: its sides in plain signs, none if it is not understood; its letters; its place in the text."""

    sides: tuple[str, ...]
    letters: frozenset[str]
    shown: str
    start: int
    end: int


# Those of a formula that is not understood.
NO_LETTERS: frozenset[str] = frozenset()


def false_derivations(text: str, question: str = "") -> list[str]:
    """Return the steps in letters that are false, each once: `2x = 8, then x = 5`, `(x+1)(x+2) = x^2+3x+3`."""
    if text.count("=") < 2 or not _has_letter_equation(text[:MAX_TEXT]):
        return []
    text = _with_letters(text[:MAX_TEXT])
    false: list[str] = []
    before: Formula | None = None
    previous: Formula | None = None
    last_end = 0
    for formula in formulas(text):
        # The form that is asked for stands between two steps.
        if formula.shown == "y = mx + b":
            continue
        gap = text[last_end : formula.start].replace("y = mx + b", "")
        if before is not None and not _leads_on(gap, before, formula):
            before = None
        last_end = formula.end
        follows = previous if previous is not None and not gap.strip("$ \n&\\[]().,;") else None
        expansions = list(_false_expansions(formula, follows))
        if expansions and not (len(formula.letters) > 1 and _is_given(formula.letters, question)):
            false += expansions
        rewritten = _false_rewriting(previous, formula, gap) if previous is not None else ""
        if rewritten:
            false.append(rewritten)
        previous = formula
        if before is not None and before.letters == formula.letters:
            values = solutions(formula)
            has_decimals = "." in before.shown + formula.shown
            is_false = [holds(before, value, has_decimals=has_decimals) is False for value in values]
            if is_false and all(is_false) and TAKEN_BACK.search(text, last_end, last_end + 100) is None:
                false.append(f"{before.shown}, then {formula.shown}")
        if len(formula.letters) != 1 or len(formula.sides) < 2 or formula.letters == {"i"}:
            # The general formula of a quadratic equation stands between the equation and its solutions.
            before = before if "±" in formula.shown and len(formula.letters) > 2 else None
        elif OTHER_CASE.search(gap[-16:]) is not None:
            before = None
        elif not _is_solved(formula) or "±" in formula.shown:
            before = formula
    return list(dict.fromkeys(false))


def num_equations(text: str) -> int:
    """Return how many equations with letters are read in a text, both sides of each."""
    read = formulas(_with_letters(text[:MAX_TEXT])) if "=" in text else ()
    return sum(len(found.sides) > 1 and None not in map(_tree, found.sides[:2]) for found in read)


def _has_letter_equation(text: str) -> bool:
    """Say whether a letter stands near an equals sign; cheap, because most texts end here."""
    for left, right in pairwise(text.split("=")):
        before = left[-NEAR:].rpartition("\n")[2]
        after = right[:NEAR].partition("\n")[0].partition(">")[0]
        if LETTER.search(before) is not None or LETTER_OR_NAME.search(after) is not None:
            return True
    return False


def _is_given(letters: frozenset[str], question: str) -> bool:
    """Say whether a question relates letters: where x - y = 1 is given, (x-y)^2 + 2xy may be 1 + 2xy."""
    given = formulas(_with_letters(question[:MAX_TEXT]))
    return any(len(found.sides) > 1 and found.letters <= letters for found in given)


def _false_expansions(formula: Formula, previous: Formula | None) -> Iterator[str]:
    """Yield the products that are written out wrongly: within a chain, or in a line where the other side stays."""
    sides = formula.sides
    if not sides:
        return
    for left, right in pairwise(sides[1:]):
        if is_wrong_expansion(left, right):
            yield f"{left} = {right}"
    if len(sides) > 2:
        chain = sides[1:] if sides[0] in formula.letters else sides
        yield from (f"{left} = {right}" for left, right in pairwise(chain) if is_wrong_multiple(left, right))
    if previous is None or len(sides) != 2 or len(previous.sides) != 2:
        return
    for here, other in ((0, 1), (1, 0)):
        same = sides[other]
        if same == previous.sides[other] and same != "0" and is_wrong_expansion(previous.sides[here], sides[here]):
            yield f"{previous.sides[here]} = {sides[here]}"


# A bracket with a letter that is multiplied or raised to a power.
PRODUCT = regex(r"[\da-zA-Z)] ?\*? ?\([^()]*[a-zA-Z][^()]*[-+][^()]*\)|\([^()]*[a-zA-Z][^()]*[-+][^()]*\) ?[\^(]")
# The points at which two expressions are compared, a value for each letter in turn.
POINTS = (Fraction(3, 7), Fraction(-5, 3), Fraction(11, 2), Fraction(2, 13), Fraction(-7, 4))


@lru_cache(maxsize=CACHED)
def is_wrong_expansion(left: str, right: str) -> bool:
    """Say whether `right` has no products of sums, `left` has, and they differ although they have the same letters."""
    if PRODUCT.search(left) is None or PRODUCT.search(right) is not None or "(" in right or "/" in left + right:
        return False
    letters = _letters_in(left)
    if not 0 < len(letters) <= len(POINTS) or letters != _letters_in(right) or "±" in left + right:
        return False
    trees = _tree(left), _tree(right)
    if trees[0] is None or trees[1] is None:
        return False
    # Fewer terms come from a substitution: (x-y)^2 + 2xy = 1 + 2xy.
    if len(letters) > 1 and 5 * num_terms(trees[1]) < 3 * num_terms(trees[0]):
        return False
    known = dict(zip(sorted(letters), POINTS, strict=False))
    first, second = _value(left, known), _value(right, known)
    return first is not None and second is not None and first != second


def _false_rewriting(previous: Formula, formula: Formula, gap: str) -> str:
    """Return how an equation in letters is rewritten falsely by the next one, or ""; judged at one point.

    `-3y + 2x = 6` does not become `y = -2x/3 + 2`, and `D^2 = x^2 - 12x + 3x` does not become `D^2 = x^2 - 3x`.
    """
    if len(previous.sides) != 2 or len(formula.sides) != 2 or "±" in previous.shown + formula.shown:
        return ""
    words = re.findall(r"[a-z']+", gap.lower())
    if len(gap) > MAX_GAP or not all(word in STEP_WORDS for word in words):
        return ""
    (name, right), (earlier_name, earlier) = formula.sides, previous.sides
    letters = _letters_in(right)
    point: Known = dict(zip(sorted(formula.letters | previous.letters), POINTS, strict=False))
    shown = f"{previous.shown}, then {formula.shown}"
    # i is the square root of -1 and e a number where they are not letters of a word problem.
    if "." in shown or len(formula.letters) > len(POINTS) or formula.letters & {"i", "e"}:
        return ""
    if name == earlier_name != "0" or right == earlier != "0":
        first, second = (earlier, right) if name == earlier_name else (earlier_name, name)
        is_named = name == earlier_name and len(name) > 1 and name[0].isalpha() and letters == _letters_in(earlier)
        is_rewriting = not REWRITING_WORDS.isdisjoint(words) and len(formula.letters) == 1
        if not (is_named and letters and not letters & _letters_in(name)) and not is_rewriting:
            return ""
        return shown if _differ(first, second, point) else ""
    is_solved = name in previous.letters and name not in letters and letters == previous.letters - {name}
    if not is_solved or len(previous.letters) < 2 or earlier_name in previous.letters:
        return ""
    value = _value(right, point)
    return shown if value is not None and _differ(earlier_name, earlier, {**point, name: value}) else ""


def _differ(left: str, right: str, known: Known) -> bool:
    """Say whether two expressions have exact values at a point, and different ones."""
    first, second = _value(left, known), _value(right, known)
    return isinstance(first, Fraction) and isinstance(second, Fraction) and first != second


def is_wrong_multiple(left: str, right: str) -> bool:
    """Say whether two sides are different multiples of the same letters: `M - 1/4 M = 2/3 M`."""
    letters = _letters_in(left)
    if not letters or letters != _letters_in(right) or len(letters) > len(POINTS):
        return False
    ratios = []
    for turn in range(3):
        known = dict(zip(sorted(letters), POINTS[turn:] + POINTS[:turn], strict=False))
        first, second = _value(left, known), _value(right, known)
        if not isinstance(first, Fraction) or not isinstance(second, Fraction) or not second:
            return False
        ratios.append(first / second)
    return len(set(ratios)) == 1 and ratios[0] != 1


def num_terms(tree: Node) -> int:
    """Return how many terms an expression has when its products are written out one by one, at most 1,000."""
    if not isinstance(tree, Operation):
        return 1
    left, right = num_terms(tree.left), num_terms(tree.right)
    if tree.sign in "+-":
        return min(left + right, 1_000)
    if tree.sign == "^":
        is_power = isinstance(tree.right, Number) and 0 < tree.right.value <= 9
        return min(left ** int(tree.right.value), 1_000) if is_power and isinstance(tree.right, Number) else 1
    return min(left * right, 1_000)


def formulas(text: str) -> Iterator[Formula]:
    """Yield the equations of a text in LaTeX, or alone in a line, in order, at most MAX_FORMULAS."""
    number = 0
    for match in SPAN.finditer(text):
        content = match[match.lastgroup or 0]
        if "=" not in content:
            # A term, as in "subtract $4y$ from both sides", stands between two steps; a longer one is another subject.
            if len(content) <= 12 or match.lastgroup == "line":
                continue
            yield Formula((), NO_LETTERS, content, match.start(), match.end())
            continue
        for formula in _of_span(content, match.start(), match.end()):
            yield formula
            number += 1
            if number >= MAX_FORMULAS:
                return


def _of_span(content: str, start: int, end: int) -> Iterator[Formula]:
    if UNKNOWN.search(content) is not None:
        yield Formula((), NO_LETTERS, content, start, end)
        return
    for shown in _parts(content):
        letters = {letter for run in LETTERS.findall(shown) if run not in ("sqrt", "binom") for letter in run}
        sides = tuple(side.strip() for side in shown.split("="))
        is_whole = not any(sign in shown for sign in (BREAK, ",", "≈", "$")) and len(shown) <= MAX_CHARS
        yield Formula(sides if is_whole else (), frozenset(letters), shown, start, end)


@lru_cache(maxsize=CACHED)
def _parts(content: str) -> tuple[str, ...]:
    """Return the equations of one formula in plain signs: of each line, before and after each implication."""
    content = SIGNS.sub("±", ALIGN.sub("", content))
    parts: list[str] = []
    if "|" in content:
        content = ABSOLUTE.sub(r"\\sqrt{(\1)^2}", content)
    for part in re.split(r"[;\n]", to_plain(content)):
        shown = part.strip().rstrip(".").strip()
        if shown.startswith("=") and parts:
            parts[-1] += " " + shown
        elif shown:
            parts.append(shown)
    return tuple(parts)


def _with_letters(text: str) -> str:
    """Give each letter with an index, `v_1`, and each word of a line like `5 × Width = 125` a letter of its own."""
    has_words = NAMED_LINE.search(text) is not None
    if "_" not in text and not has_words:
        return text
    names = [match[0] for match in INDEX.finditer(text)]
    if has_words:
        names += [name for line in NAMED_LINE.finditer(text) for name in NAME.findall(line[0])]
    used = set(re.findall(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])", text)) | {"e", "i"}
    free = [letter for letter in reversed(ascii_letters) if letter not in used]
    letters = dict(zip(dict.fromkeys(names), free, strict=False))
    text = INDEX.sub(lambda match: letters.get(match[0], match[0]), text)
    if not has_words:
        return text
    return NAMED_LINE.sub(lambda line: NAME.sub(lambda match: letters.get(match[0], match[0]), line[0]), text)


def _leads_on(gap: str, before: Formula, formula: Formula) -> bool:
    """Say whether the text between two equations only says what is done to the first to get the second."""
    if len(gap) > MAX_GAP or gap.count("\n\n") > 2 or not (before.sides and formula.sides):
        return False
    words = re.findall(r"[a-z']+", gap.lower())
    if not all(word in STEP_WORDS or word in before.letters for word in words):
        return False
    # x - 2 = 0 and x - 3 = 0 are the factors of a product; x + 1 = 3 and x + 1 = -3 are two cases.
    if "±" in before.shown:
        return True
    return not (_is_zero(before) and _is_zero(formula)) and before.sides[0] != formula.sides[0]


def _is_zero(formula: Formula) -> bool:
    return bool(formula.sides) and formula.sides[-1] == "0"


def _is_solved(formula: Formula) -> bool:
    """Say whether an equation gives its letter a value: `x = 5`, `x = 10/2 = 5`."""
    return formula.sides[0] in formula.letters and not any(LETTERS.search(side) and _tree(side) and _letters_in(side)
                                                           for side in formula.sides[1:])  # fmt: skip


def _letters_in(side: str) -> set[str]:
    return set("".join(LETTERS.findall(side.replace("sqrt", "").replace("binom", ""))))


@lru_cache(maxsize=CACHED)
def _tree(text: str) -> Node | None:
    """Return the tree of one side; letters side by side are factors; None for anything doubtful."""
    if re.search(r"\d \d|\d[ ]*\([^()]*\)/", text):
        return None  # a mixed number, or a number before it: 2 1/2 and 2(x)/3
    tokens: list[str] = []
    for token in tokenize(text):
        tokens += token if token.isalpha() and token not in ("sqrt", "binom", "pi") else [token]
    parsed = parse_tokens(tokens)
    return parsed[0] if parsed is not None and not parsed[1] else None


def _value(text: str, known: Known) -> Fraction | float | None:
    """Return the value of one side at a point; None where it is not understood or has none."""
    tree = _tree(text)
    if tree is None:
        return None
    try:
        return compute(tree, known)
    except (NoArithmeticError, OverflowError, ZeroDivisionError):
        return None


def solutions(formula: Formula) -> list[Fraction | float]:
    """Return the values that an equation in one letter gives it: a solved one, or a linear one; else none."""
    if len(formula.letters) != 1 or len(formula.sides) < 2:
        return []
    (letter,) = formula.letters
    if _is_solved(formula):
        found: list[Fraction | float] = []
        for sign in "+-" if "±" in formula.sides[1] else "+":
            value = _value(formula.sides[1].replace("±", sign), {letter: 0})
            if value is None:
                return []
            found.append(value)
        return found
    if len(formula.sides) != 2 or "±" in formula.shown:
        return []
    gaps = [_gap(formula.sides, letter, Fraction(place)) for place in (0, 1, 3, 7)]
    if any(not isinstance(gap, Fraction) for gap in gaps):
        return []
    at = [gap for gap in gaps if isinstance(gap, Fraction)]
    slope = at[1] - at[0]
    if not slope or at[2] - at[0] != 3 * slope or at[3] - at[0] != 7 * slope:
        return []
    return [-at[0] / slope]


def _gap(sides: tuple[str, ...], letter: str, value: Fraction | float) -> Fraction | float | None:
    left, right = (_value(side, {letter: value}) for side in sides[:2])
    return None if left is None or right is None else left - right


def holds(formula: Formula, value: Fraction | float, *, has_decimals: bool = False) -> bool | None:
    """Say whether an equation holds for a value of its letter; None if that cannot be worked out."""
    (letter,) = formula.letters
    if "±" in formula.shown:
        values = solutions(formula)
        return any(_is_near(first, value, value, has_decimals=has_decimals) for first in values) if values else None
    left, right = (_value(side, {letter: value}) for side in formula.sides[:2])
    if left is None or right is None or len(formula.sides) != 2:
        return None
    return _is_near(left, right, value, has_decimals=has_decimals)


def _is_near(left: Fraction | float, right: Fraction | float, value: Fraction | float, *, has_decimals: bool) -> bool:
    """Say whether two sides are equal at a value: to nine digits for a root, to 2 % where a decimal may be rounded."""
    if left == right or (isinstance(left, Fraction) and isinstance(right, Fraction) and not has_decimals):
        return left == right
    try:
        scale = max(abs(float(left)), abs(float(right)), abs(float(value)), float(value) ** 2)
        return abs(float(left) - float(right)) <= (0.02 if has_decimals else 1e-9) * scale
    except OverflowError:
        return True
