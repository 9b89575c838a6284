"""Compare the reasoning of solutions: their equations, whether those are true, and which solutions differ most."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from mathstrap.curate.arithmetic import MAX_CHARS, agree, evaluate, tokenize
from mathstrap.curate.wording import canonical_number, words

MAX_TEXT = 50_000
MAX_EQUATIONS = 300
# Draws of one question share most of their equations.
CACHED = 20_000

ANNOTATION = re.compile(r"<<([^<>\n]{1,300})>>")
MIXED = re.compile(r"(?<=\d)[ ]*\\[dt]?frac\s*\{(\d{1,9})\}\s*\{(\d{1,9})\}")
FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]{1,60})\}\s*\{([^{}]{1,60})\}")
# What means the same in plain arithmetic; `x` between numbers is a times sign.
ASCII_PLAIN = (
    (re.compile(r"(?<=[\d)%])[ ]*[xX][ ]*(?=[\d($.])"), "*"),
    (re.compile(r"\*\*"), "^"),
)
PLAIN = (
    (re.compile(r"\\(?:times|cdot)(?![a-zA-Z])|[×·⋅]"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])|÷"), "/"),
    (re.compile(r"[−–]"), "-"),
    (re.compile(r"\\left(?![a-zA-Z])|\\right(?![a-zA-Z])|\\[,!;: ]"), ""),
    (re.compile(r"\\([$%])"), r"\1"),
    *ASCII_PLAIN,
)
# The characters of arithmetic, without the equals sign and with it.
SIDE_CHARS = "0123456789.,$%+-*/^() \t€£"
RUN = re.compile(r"[0-9.,$%+\-*/^() \t=€£]+")
BREAK = re.compile(r"[.,](?=\s|$)")
# Between a word like these and the equation's first number stands an operation the equation does not show.
LEADING_WORD = re.compile(
    r"(?:^|[^A-Za-z])(?:of|times|plus|minus|by|than|and|over|per|squared|cubed|[A-Za-z])\s*$|\\[A-Za-z]+\s*$"
)
# After a quotient that goes on as a remainder or in words, or an amount in cents, the number shown is not the value.
TRAILING_WORD = re.compile(r"\s*(?:and\s+\(?\d|remainder|r\s?\d|R\d|full|whole|complete|with|cents|¢)")
PAIR = re.compile(r"\(\s*\d+,\d+\s*\)")  # a point or a greatest common divisor, not a number with separators


@dataclass(frozen=True)
class Equation:
    """An equation as written: two or more sides, one equals sign between each."""

    sides: tuple[str, ...]

    def __str__(self) -> str:
        return "=".join(self.sides)


@dataclass(frozen=True, kw_only=True)
class Reasoning:
    """The arithmetic of a solution.

    `path` are its equations in order and one spelling, the `<<...>>` ones, or all plain ones if none: two solutions
    with the same path reason alike, whatever their words (RFT, arXiv 2308.01825). `false` are the equations that are
    false, as written; what cannot be evaluated is not called false.
    """

    path: tuple[str, ...]
    false: tuple[str, ...]


def read_reasoning(text: str) -> Reasoning:
    """Return the arithmetic of a solution, annotated and plain. Never raises, whatever the text."""
    noted, plain = both_kinds(text)
    path = tuple("=".join(map(canonical_side, equation.sides)) for equation in noted or plain)
    return Reasoning(path=path, false=false_among(noted, plain))


def false_equations(text: str) -> tuple[str, ...]:
    """Return the false equations of a solution as written, each once; cheaper than its whole reasoning."""
    return false_among(*both_kinds(text))


def both_kinds(text: str) -> tuple[list[Equation], list[Equation]]:
    """Return the annotated equations of a solution and the plain ones."""
    plain = ANNOTATION.sub("", text[:MAX_TEXT]) if "<<" in text else text[:MAX_TEXT]
    return annotated(text) if "<<" in text else [], list(plain_equations(plain))


def false_among(noted: list[Equation], plain: list[Equation]) -> tuple[str, ...]:
    """Return those of the equations that are false."""
    false = [str(equation) for equation in noted if is_false(equation)]
    false += [str(equation) for equation in plain if is_false(equation, labels=True)]
    return tuple(dict.fromkeys(false))


def equations(text: str) -> tuple[str, ...]:
    """Return the path of a solution."""
    return read_reasoning(text).path


def bad_arithmetic(text: str) -> list[str]:
    """Return the false equations of a solution."""
    return list(read_reasoning(text).false)


def canonical_side(side: str) -> str:
    """Return one side without spaces and with each number in its shortest form."""
    return _canonical(side) if len(side) <= MAX_CHARS else side.strip()


@lru_cache(maxsize=CACHED)
def _canonical(side: str) -> str:
    tokens = tokenize(side)
    return "".join(canonical_number(token) if token[-1].isdigit() else token for token in tokens) or side.strip()


def is_false(equation: Equation, *, labels: bool = False) -> bool:
    """Say whether two neighbouring sides have values that differ; with `labels`, `2 = 3` (Day 2 = 3) is no equation."""
    return any(
        _differ(left, right, labels)
        for left, right in pairwise(equation.sides)
        if len(left) <= MAX_CHARS and len(right) <= MAX_CHARS
    )


@lru_cache(maxsize=CACHED)
def _differ(first: str, second: str, labels: bool) -> bool:
    left, right = (None if PAIR.fullmatch(side) else evaluate(side) for side in (first, second))
    if left is None or right is None or (labels and left.decimals is not None and right.decimals is not None):
        return False
    return not agree(left, right)


def annotated(text: str) -> list[Equation]:
    """Return the `<<left=right>>` equations in order."""
    found = []
    for match in ANNOTATION.finditer(text[:MAX_TEXT]):
        sides = tuple(strip_units(side) for side in to_plain(match[1]).split("="))
        if len(sides) > 1 and all(sides):
            found.append(Equation(sides))
        if len(found) >= MAX_EQUATIONS:
            break
    return found


def plain_equations(text: str) -> Iterator[Equation]:
    """Yield the equations between numbers that stand in running text or LaTeX, at most MAX_EQUATIONS."""
    num_found = 0
    for line in text.splitlines():
        if "=" not in line:
            continue
        line = to_plain(line)
        done = 0
        while (sign := line.find("=", done)) >= 0:
            run = RUN.match(line, done + len(line[done:sign].rstrip(SIDE_CHARS)))
            assert run is not None, "an equals sign is part of a run"
            done = run.end()
            for equation in equations_of_run(run[0], line[: run.start()], line[done:]):
                yield equation
                num_found += 1
                if num_found >= MAX_EQUATIONS:
                    return


def to_plain(text: str) -> str:
    """Return text with LaTeX's and Unicode's arithmetic in plain signs."""
    if "\\" in text:
        text = FRACTION.sub(r"((\1)/(\2))", MIXED.sub(r" \1/\2", text))
    for pattern, plain in PLAIN if "\\" in text or not text.isascii() else ASCII_PLAIN:
        text = pattern.sub(plain, text)
    return text


def equations_of_run(run: str, before: str, after: str) -> Iterator[Equation]:
    """Yield the equations of a run of arithmetic characters, given the line before and after it."""
    sides: list[str] = run.split("=")
    if not starts_freely(before[-40:], sides[0]):
        sides[0] = ""
    if not ends_freely(after, sides[-1]):
        sides[-1] = ""
    chain: list[str] = []
    for side in sides:
        # A full stop or comma ends one statement and opens another: the last part can only begin an equation.
        parts = BREAK.split(side)
        if len(parts) > 1 and any(part.count("(") != part.count(")") for part in parts):
            parts = [""]  # a pair in brackets
        parts = [strip_units(part) for part in parts]
        if parts[0]:
            chain.append(parts[0])
        if len(parts) > 1 or not parts[0]:
            if len(chain) > 1:
                yield Equation(tuple(chain))
            chain = [parts[-1]] if len(parts) > 1 and parts[-1] else []
    if len(chain) > 1:
        yield Equation(tuple(chain))


def starts_freely(before: str, side: str) -> bool:
    """Say whether nothing before a run belongs to its first side."""
    begin = side.lstrip()[:1]
    if begin and (begin in "+*/^)%" or (begin == "-" and before.strip())):
        return False
    if not before:
        return True
    last = before[-1]
    if side[:1] not in " \t" and (last.isalnum() or last in "\\_^{}&|!√#@"):
        return False
    stripped = before.rstrip()
    if stripped and stripped[-1] in "\\_^{}&|!√<≤≥≠≈~['#@":
        return False
    return LEADING_WORD.search(before) is None


def ends_freely(after: str, side: str) -> bool:
    """Say whether nothing after a run belongs to its last side: a letter, an opening bracket, a power."""
    if not after:
        return True
    if TRAILING_WORD.match(after):
        return False
    if side[-1:] in " \t":
        # `= 3 x` goes on with a variable, `= 3 apples` ends.
        return re.match(r"[A-Za-z](?![A-Za-z])|\\|[_^{√!]", after) is None or re.match(r"\\[()\]]", after) is not None
    return not (after[0].isalnum() or after[0] in "\\_^{√!:'°") or re.match(r"\\[()\]]", after) is not None


def strip_units(side: str) -> str:
    """Return one side without currency signs, outer spaces and unmatched outer brackets."""
    side = side.translate(CURRENCY).strip()
    while side.count("(") > side.count(")") and side.startswith("("):
        side = side[1:].strip()
    while side.count(")") > side.count("(") and side.endswith(")"):
        side = side[:-1].strip()
    return side.rstrip(".,").strip()


CURRENCY = {ord(sign): None for sign in "$€£"}


def select_paths(candidates: Iterable[tuple[str, str]], limit: int | None = None) -> list[str]:
    """Return the ids of solutions to keep among (id, text) of one problem: one per equation list, most different first.

    The first solution is always kept. Then comes, each time, the one farthest in word edits from those chosen, of an
    equation list not yet chosen; ties go to the earlier. Solutions without equations count by their words.
    """
    ids, texts, lists = [], [], []
    for item_id, text in candidates:
        found = words(text[:MAX_TEXT])
        ids.append(item_id)
        texts.append(found[:2_000])
        lists.append(equations(text) or (" ".join(found),))
    open_rows = list(range(len(ids)))
    nearest = [2.0] * len(ids)
    chosen: list[int] = []
    while open_rows and (limit is None or len(chosen) < limit):
        best = max(open_rows, key=lambda row: (nearest[row], -row))
        chosen.append(best)
        open_rows = [row for row in open_rows if lists[row] != lists[best]]
        for row in open_rows:
            longest = max(len(texts[row]), len(texts[best]), 1)
            nearest[row] = min(nearest[row], edit_distance(texts[row], texts[best]) / longest)
    return [ids[row] for row in chosen]


def edit_distance(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the least number of words inserted, deleted or replaced between two texts.

    Bit-parallel (Myers 1999, in Hyyrö's form): one bit per word of `first`, so a step costs a few integer operations.
    """
    if not first or not second:
        return len(first) or len(second)
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    mask, top = (1 << len(first)) - 1, 1 << (len(first) - 1)
    plus, minus, distance = mask, 0, len(first)
    for word in second:
        match = places.get(word, 0)
        diagonal = (((match & plus) + plus) ^ plus) | match | minus
        up = minus | ~(diagonal | plus) & mask
        down = diagonal & plus
        distance += bool(up & top) - bool(down & top)
        up = (up << 1 | 1) & mask
        plus = (down << 1 | ~(diagonal | up)) & mask
        minus = up & diagonal
    return distance
