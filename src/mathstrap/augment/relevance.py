"""Judge from the worked solution whether the answer depends on a hidden number, and whether it determines the number.

The solution's calculations (`<<48/2=24>>`, or `48/2 = 24` without annotations) are read as a small graph: a number that
equals an earlier result continues it, any other number is an input. The hidden number is tested by changing its input
and following the change to the final answer. Nothing is guessed: all possible readings of the solution have to agree,
and if that fails (several sources for one value, a rounded step, an answer that no calculation ends in), the verdict is
"unknown".
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from mathstrap.augment.calculations import Step, read_equation, read_steps
from mathstrap.augment.doubts import options_start
from mathstrap.augment.masking import Mask
from mathstrap.augment.quantities import count_numbers, find_quantities
from mathstrap.augment.sources import Sources, find_sources, parts_of, related_to
from mathstrap.patterns import regex
from mathstrap.steps.expression import as_fraction, evaluate
from mathstrap.types import Problem

Known = Literal["yes", "no", "unknown"]
Form = Callable[[Fraction], Fraction]
Place = tuple[int, int]
# The possible meanings of a number in a step: the hidden number, the result of an earlier step, or an input.
Role = Literal["hidden", "earlier", "input"]
# The origin of a number in a reading: the hidden number (None), the step of that index, or the value of an input.
Origin = int | Fraction | None
Reading = list[list[Origin]]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Whether the final answer depends on a hidden number (relevant), and determines it (unique)."""

    relevant: Known
    unique: Known


UNKNOWN = Judgement(relevant="unknown", unique="unknown")
UNUSED = Judgement(relevant="no", unique="no")

_ANNOTATION = regex(r"<<[^<>]*>>")
_SCALES = [Fraction(n, 4) for n in (2, 3, 5, 6, 8, 12, 40)]
_MAX_READINGS = 64
_REPEATED = regex(
    r"[ -](?:year|month|week|day|night|hour|minute|second|time|round|game|turn|lap|trip|kilometer|mile|step|level)s?\b",
    re.IGNORECASE,
)
# Small numbers may count things that a question lists without stating their number.
_COUNTS = {Fraction(number) for number in (*range(1, 11), 100)}


def judge_mask(parent: Problem, answer: str, *, is_percent: bool = False) -> Judgement:
    """Return the judgement of the parent's worked solution on hiding the number `answer`."""
    question = without_options(parent.question)
    is_plain = parent.style == "gsm8k"
    return _judge(question, parent.solution, parent.answer, answer, is_percent=is_percent, is_plain=is_plain)


def is_unneeded(parent: Problem, answer: str, *, is_percent: bool = False) -> bool:
    """Say whether `judge_mask` finds a mask irrelevant; at a fraction of its cost, because one change refutes it."""
    steps = _steps_to(parent.solution, parent.answer, plain=parent.style == "gsm8k")
    value = as_fraction(answer)
    if not steps or value is None or value <= 0:
        return False
    judgement = _judge_steps(
        without_options(parent.question), parent.solution, steps, answer, is_percent=is_percent, relevance_only=True
    )
    return judgement.relevant == "no"


def without_options(question: str) -> str:
    """Return a question up to its options, whose numbers do not belong to the story."""
    return question[: options_start(question)]


# Cached, because both backward methods judge the same masks, one after the other.
@lru_cache(maxsize=512)
def _judge(question: str, solution: str, gold: str, answer: str, *, is_percent: bool, is_plain: bool) -> Judgement:
    # The prose of a MATH solution is algebra, in which lines of plain arithmetic are only a part of the derivation.
    steps = _steps_to(solution, gold, plain=is_plain)
    return _judge_steps(question, solution, steps, answer, is_percent=is_percent) if steps else UNKNOWN


def _judge_steps(
    question: str,
    solution: str,
    steps: tuple[Step, ...],
    answer: str,
    *,
    is_percent: bool,
    relevance_only: bool = False,
) -> Judgement:
    value = as_fraction(answer)
    if value is None or value <= 0:
        return UNKNOWN
    sources = find_sources(question)
    own = value / 100 if is_percent else value
    for form in _forms_of(value, is_percent=is_percent):
        used = form(value)
        places = [(i, j) for i, step in enumerate(steps) for j, number in enumerate(step.numbers) if number == used]
        if not places:
            continue
        num_rivals = sources.whole[own] - 1 + (sources.whole[used] if used != own else 0)
        if (
            used in sources.implied
            or sources.parts[used] > (own.denominator > 1 and used in parts_of(own))
            or num_rivals >= len(places)
        ):
            return UNKNOWN
        readings = _readings(steps, sources, set(places), has_rivals=num_rivals > 0)
        follow = _follows if relevance_only else _follow
        return _agreement([follow(steps, reading, sources, form, value) for reading in readings])
    if value == 1 or _may_be_used_unseen(question, solution, answer, value):
        return UNKNOWN
    return _judge_unused(steps, sources, value, is_percent=is_percent)


def _may_be_used_unseen(question: str, solution: str, answer: str, value: Fraction) -> bool:
    """Say whether the solution mentions the number, or may repeat a step that often ("after two years")."""
    if re.search(rf"(?<![\d.,]){re.escape(answer)}(?!\d)", solution.replace(",", "")):
        return True
    repeats = [q for q in find_quantities(question) if q.value == value and _REPEATED.match(question, q.end)]
    return bool(repeats)


# As many solutions as a training set of word problems has seeds: an audit meets each with every mask and draw.
@lru_cache(maxsize=8_192)
def _steps_to(solution: str, gold: str, *, plain: bool) -> tuple[Step, ...]:
    """Return the steps up to the last one that gives the gold answer; empty if one of them is miscalculated."""
    value = gold_value(gold)
    steps = read_steps(solution, plain=plain) or read_equation(solution)
    final = max((index for index, step in enumerate(steps) if step.result == value), default=-1)
    steps = steps[: final + 1]
    return steps if all(_computes(step) for step in steps) else ()


_LETTER_BEFORE = regex(r"\A\([A-J]\)\s+(?=\S)")
_UNIT_BEHIND = regex(r"(?<=[\d.%])\s*(?:\([^()]*\)|[A-Za-z°][A-Za-z°/. ]*)\Z")


def gold_value(gold: str) -> Fraction | None:
    """Return the value of a numeric gold, also with a unit or a letter: `9 (apples)`, `$3.50 each`, `(B) 30`."""
    return as_fraction(_UNIT_BEHIND.sub("", _LETTER_BEFORE.sub("", gold.strip())))


def seems_used(parent: Problem, mask: Mask) -> bool:
    """Say whether the solution's text mentions a hidden number; True without a solution.

    In a word problem it has to be mentioned more often than the question has other words for the same value: if the
    question says "twice" and "in two months", a single 2 in the solution is the "twice".
    """
    if not parent.solution.strip():
        return True
    if parent.style == "math":
        written = re.escape(mask.text).replace(re.escape("dfrac"), "[dt]?frac")
        if re.search(rf"(?<![\d.]){written}(?!\d)", parent.solution):
            return True
    value = as_fraction(mask.answer)
    if value is None:
        return parent.style != "math"
    if not value:
        return False
    mentions = _mentions(parent.solution)
    if parent.style == "math":
        return mentions[value] > 0
    forms = {form(value) for form in _forms_of(value, is_percent=mask.kind == "percent")}
    if value.denominator > 1:
        forms |= parts_of(value)
    own = value / 100 if mask.kind == "percent" else value
    is_bare_one = value == 1
    # The 2 of "another two days" is not the 2 of "2/5 of the food".
    question = without_options(parent.question)
    parts = find_sources(question).parts[value] if value.denominator == 1 else 0
    rivals = 0 if is_bare_one else count_numbers(question)[own] - 1 + parts
    return sum(mentions[form] for form in forms) > rivals


_WRITTEN = regex(r"(?<![\d.])(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\d.])\.\d+")
_BEFORE_RESULT = regex(r"(?P<left>[\d.,()$%+*/×÷ -]{0,60})= *[$€£]?-?\Z")
_MAX_MENTIONS = 400


@lru_cache(maxsize=256)
def _mentions(solution: str) -> Counter[Fraction]:
    """Return how often a solution writes each value, in digits or words, outside its annotations.

    The result of a calculation is not a use of a number that happens to equal it; the right side of an equation with
    letters (`13x + 10 = 439`) is a use.
    """
    text = _ANNOTATION.sub("", solution)
    counts: Counter[Fraction] = Counter()
    for match in itertools.islice(_WRITTEN.finditer(text), _MAX_MENTIONS):
        value = as_fraction(match[0])
        before = _BEFORE_RESULT.search(text[max(match.start() - 70, 0) : match.start()])
        is_result = before is not None and re.search(r"\d", before["left"]) and not _is_algebra(before)
        if value is not None and not is_result:
            counts[value] += 1
        if match.end() < len(text) - 1 and text[match.end()] == "/":
            above_and_below = re.match(r"(\d{1,4})/(\d{1,4})(?!\d)", text[match.start() : match.start() + 12])
            if above_and_below and int(above_and_below[2]):
                counts[Fraction(int(above_and_below[1]), int(above_and_below[2]))] += 1
    counts.update(quantity.value for quantity in find_quantities(text) if quantity.form not in ("digits", "fraction"))
    return counts


def _is_algebra(before: re.Match[str]) -> bool:
    beside = before.string[: before.start()]
    return re.search(r"(?:\d|\b)[A-Za-z]\Z", beside) is not None


def _computes(step: Step) -> bool:
    """Say whether a step's value is as written, up to the rounding of a repeating decimal."""
    value = evaluate(step.expression, [float(number) for number in step.numbers])
    return value is not None and abs(value - step.result) <= abs(step.result) / 500


def _forms_of(value: Fraction, *, is_percent: bool) -> Iterator[Form]:
    """Yield the forms in which a number may enter a calculation: as it is, as a percentage, as the rest of a whole."""
    if is_percent:
        yield lambda v: v / 100
    yield lambda v: v
    if is_percent:
        yield from (lambda v: 1 - v / 100, lambda v: 1 + v / 100, lambda v: 100 - v, lambda v: 100 + v)
        yield lambda v: 100 / v
    elif value.denominator > 1:
        yield from (lambda v: 1 - v, lambda v: 1 + v, lambda v: value.numerator / v)


def _readings(steps: Sequence[Step], sources: Sources, places: set[Place], *, has_rivals: bool) -> list[Reading]:
    """Return every possible reading of the steps' numbers; empty if there are too many.

    A reading that leaves the result of a step unused counts only if all readings do.
    """
    options: dict[Place, tuple[Role, ...]] = {}
    earlier: set[Fraction] = set()
    for index, step in enumerate(steps):
        for slot, number in enumerate(step.numbers):
            roles: list[Role] = ["hidden"] if (index, slot) in places else []
            if number in earlier:
                roles.append("earlier")
            if not roles or (has_rivals and roles[0] == "hidden") or (roles == ["earlier"] and sources.offers(number)):
                roles.append("input")
            options[index, slot] = tuple(roles)
        earlier.add(step.result)
    num_readings = 1
    for roles_here in options.values():
        num_readings *= len(roles_here)
    if num_readings > _MAX_READINGS:
        return []
    choices = (dict(zip(options, roles, strict=True)) for roles in itertools.product(*options.values()))
    readings = [_link(steps, roles) for roles in choices if "hidden" in roles.values()]
    return [reading for reading in readings if _uses_every_step(reading)] or readings


def _link(steps: Sequence[Step], roles: Mapping[Place, Role]) -> Reading:
    """Return the origin of each number of each step; of equal results, the one unused for longest is continued."""
    reading: list[list[Origin]] = []
    unused: dict[Fraction, list[int]] = {}
    for index, step in enumerate(steps):
        numbers: list[Origin] = []
        for slot, number in enumerate(step.numbers):
            role = roles[index, slot]
            if role == "earlier":
                waiting = unused[number]
                numbers.append(waiting.pop(0) if len(waiting) > 1 else waiting[0])
            else:
                numbers.append(None if role == "hidden" else number)
        reading.append(numbers)
        unused.setdefault(step.result, []).append(index)
    return reading


def _users(reading: Reading) -> list[set[int]]:
    """Return for each step the steps that continue its result."""
    users: list[set[int]] = [set() for _ in reading]
    for index, numbers in enumerate(reading):
        for number in numbers:
            if isinstance(number, int):
                users[number].add(index)
    return users


def _uses_every_step(reading: Reading) -> bool:
    return all(_users(reading)[:-1])


def _is_closed(steps: Sequence[Step], reading: Reading, sources: Sources) -> bool:
    """Say whether a reading accounts for everything.

    It does not if an input has no source, or if two steps have the same result and different steps continue them, in an
    unknown order.
    """
    users = _users(reading)
    inputs = [number for numbers in reading for number in numbers if isinstance(number, Fraction)]
    twins = [
        (first, second)
        for first, second in itertools.combinations(range(len(steps)), 2)
        if steps[first].result == steps[second].result and users[first] != users[second]
    ]
    return not twins and all(sources.offers(number) or number in _COUNTS for number in inputs)


def _follow(steps: Sequence[Step], reading: Reading, sources: Sources, form: Form, value: Fraction) -> Judgement:
    """Change the hidden number in one reading of the solution and compare the final answers."""
    points: dict[Fraction, float] = {}
    for point in (value, *(value * scale for scale in _SCALES)):
        answer = _final(steps, reading, float(form(point)))
        if answer is not None:
            points[point] = float(f"{answer:.9g}")
    answers = [points[point] for point in sorted(points)]
    if value not in points or len(answers) < 4:
        return UNKNOWN
    is_closed = _is_closed(steps, reading, sources)
    if len(set(answers)) == 1:
        return UNUSED if value != 1 and is_closed and _uses_every_step(reading) else UNKNOWN
    rises = {later > earlier for earlier, later in itertools.pairwise(answers)}
    if len(set(answers)) == len(answers) and len(rises) == 1:
        return Judgement(relevant="yes", unique="yes" if is_closed else "unknown")
    return Judgement(relevant="yes", unique="no" if is_closed and answers.count(points[value]) > 1 else "unknown")


def _follows(steps: Sequence[Step], reading: Reading, sources: Sources, form: Form, value: Fraction) -> Judgement:
    """Do what `_follow` does, but call every number that changes the answer unknown, by one change."""
    first, second = (_final(steps, reading, float(form(value * scale))) for scale in (1, _SCALES[1]))
    if first is not None and second is not None and float(f"{first:.9g}") != float(f"{second:.9g}"):
        return UNKNOWN
    return _follow(steps, reading, sources, form, value)


def _final(steps: Sequence[Step], reading: Reading, changed: float) -> float | None:
    """Return the last step's value when the hidden number is `changed` and results are carried on."""
    results: list[float] = []
    for step, numbers in zip(steps, reading, strict=True):
        values = [changed if n is None else results[n] if isinstance(n, int) else float(n) for n in numbers]
        outcome = evaluate(step.expression, values)
        if outcome is None:
            return None
        results.append(outcome)
    return results[-1]


def _agreement(verdicts: Sequence[Judgement]) -> Judgement:
    """Return the common verdict; "unknown" if verdicts differ or there is none."""
    relevant = {verdict.relevant for verdict in verdicts}
    unique = {verdict.unique for verdict in verdicts}
    return Judgement(
        relevant=relevant.pop() if len(relevant) == 1 else "unknown",
        unique=unique.pop() if len(unique) == 1 else "unknown",
    )


def _judge_unused(steps: Sequence[Step], sources: Sources, value: Fraction, *, is_percent: bool) -> Judgement:
    """Return UNUSED if every input of the solution is another number that cannot come from the hidden one."""
    related = related_to(value, is_percent=is_percent)
    earlier: set[Fraction] = set()
    for step in steps:
        for number in step.numbers:
            if number in earlier or number == 1:
                continue
            if number in related or not sources.offers(number):
                return UNKNOWN
        earlier.add(step.result)
    return UNUSED
