"""Renumber: the same story with other numbers, its solution and its gold computed again. Asks the teacher for nothing.

The solution of the seed shows the role of every number (`worked`), so new numbers give a new question, a new worked
solution and a certain gold. New numbers keep the properties that a reader expects: whole and positive numbers stay so,
the order of magnitude and of the numbers among each other, roundness, shares below 100 %, at most seven days a week.
Every row is computed a second time from its text by independent code.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial
from itertools import chain, combinations, pairwise
from typing import Any

from mathstrap.augment.interface import Augmentation, Draft, Mode, no_draft_prompt, no_draft_reply, rng_for
from mathstrap.augment.quantities import WrittenNumber
from mathstrap.augment.surface import fresh_names, put_names, with_distractor
from mathstrap.augment.worked import Spot, Variable, Worked, plain_text, read_worked, recheck, worked_from_equation
from mathstrap.numerals import TENS, UNITS
from mathstrap.patterns import regex
from mathstrap.types import Problem, Reject

# Words before a number that is a name rather than an amount.
_LABEL_BEFORE = regex(
    r"(?:#|\b(?:no\.?|number|grade|page|chapter|room|route|bus|flight|level|version|question|problem|day|week|year|round"
    r"|game|lesson|unit|section|apartment|highway|since|until|year of|born in|in the year)\s?)\Z",
    re.IGNORECASE,
)
_CLOCK_AFTER = regex(r"\s?(?:a\.?m\b|p\.?m\b|o'clock|:\d|th\b|st\b|nd\b|rd\b|s\b|/|-?D\b)", re.IGNORECASE)
_CLOCK_BEFORE = regex(r"(?:\d:|\d/|\bat |\bage of )\Z")
# "three friends, Ann, Bo and Cy", "two children: ...": the count is also the length of a list.
_LISTED_AFTER = regex(
    r"[^.?!]{0,60}?(?::|\b(?:named|called|namely|including|such as)\b|, [A-Z][a-z]+,? (?:and|,))"
)
_ORDER_WORDS = regex(
    r"\b(?:second|third|fourth|fifth|last|other|others|both|each other|remaining two|the rest of the|middle|former"
    r"|latter)\b",
    re.IGNORECASE,
)
# A rule with a threshold: the solution follows one side of it, so every number must stay on its side.
_THRESHOLD = regex(
    r"\b(?:or (?:more|less|fewer|over|under|above|below|older|younger)|at least|at most|exceed\w*|no more than|up to|"
    r"minimum|maximum|over(?:time| \d)|beyond|limit|if (?:he|she|it|they|the|you)\b[^.?!]*\b(?:more|less|over|under|"
    r"above|below|fewer) than|first \w+|every \w+th|for every|until|round(?:ed|ing)?|nearest|whole number|left ?over|"
    r"remainder|qualif\w+|for free|buy \w+,? get|gets? one|"
    r"(?:cheap|low|high|large|small|big|fast|slow|long|short|old|young|heavi|tall|few|great)est|most|least|best|worst|"
    r"wins?|winner|cheaper|more expensive)\b",
    re.IGNORECASE,
)
_PER_WEEK = regex(
    r"[\s-]?(?:school |work(?:ing)? |week)?days?\b[^.?!]{0,30}?\b(?:a|per|each|every|of the) week\b", re.IGNORECASE
)
_PER_DAY = regex(r"[\s-]?hours?\b[^.?!]{0,30}?\b(?:a|per|each|every) (?:day|night|shift)\b", re.IGNORECASE)
_PER_HOUR = regex(r"[\s-]?minutes?\b", re.IGNORECASE)
_MONTHS = regex(r"[\s-]?months?\b", re.IGNORECASE)
_FEET_BEFORE = regex(r"(?:f(?:ee|oo)t|ft)\W+(?:and )?\Z", re.IGNORECASE)
_INCHES_AFTER = regex(r"[\s-]?inch", re.IGNORECASE)
_CARTON_BEFORE = regex(r"\bcartons? of \Z", re.IGNORECASE)
_DEGREES_AFTER = regex(r"\s?(?:degrees?\b|°)", re.IGNORECASE)
_TOTAL = regex(r"\b(?:all|altogether|total|together|combined)\b", re.IGNORECASE)
_ARTICLE = regex(r"\b([Aa]n?)[ -]\Z")
_WORDS = {value: word for word, value in UNITS.items()} | {value: word for word, value in TENS.items()}
MAX_TRIES = 150  # per row; a seed that needs more leaves so little choice that its rows would look alike
# The most rows of one seed; a seed for which few numbers fit gives fewer.
MAX_COUNT = 1_000


def rewrite(
    parent: Problem,
    count: int | None,
    *,
    mode: Mode = "default",  # noqa: ARG001
    rng_seed: int = 0,
    names: bool = False,
    distractor: bool = False,
) -> list[Draft | Problem | Reject]:
    """Return up to `count` problems with other numbers, a single one for None; fewer if few numbers fit.

    Each has its worked solution. `names` also changes the names of the people, `distractor` adds a sentence that has
    nothing to do with the question. A seed whose solution cannot be computed again gives one Reject with the reason.
    """
    seed = worked_seed(parent)
    if isinstance(seed, str):
        return [_refusal(parent, seed)]
    rows: list[Draft | Problem | Reject] = []
    dress = rng_for(rng_seed, parent.id, "renumber, names and sentences")
    for number, (question, solution, answer, changed) in enumerate(
        renumbered(seed, rng_for(rng_seed, parent.id, "renumber"), min(count or 1, MAX_COUNT)), start=1
    ):
        tags: dict[str, Any] = {**parent.tags, "numbers": changed, "worked": True}
        if names:
            swapped = fresh_names(question, dress)
            question, solution = put_names(question, swapped), put_names(solution, swapped)
        if distractor:
            question = with_distractor(question, answer, dress) or question
        rows.append(
            Problem(
                id=f"{parent.id}/renumber.{number}", dataset=parent.dataset, style=parent.style, question=question,
                answer=answer, solution=solution, method="renumber", parent=parent.id, tags=tags,
            )
        )  # fmt: skip
    return rows or [_refusal(parent, "no_numbers_fit")]


_REASONS = {
    "no_solution": "no worked solution with <<...>> marks and no equation that gives the answer",
    "unreadable_step": "a step that is not arithmetic",
    "wrong_step": "a step whose stated result is not the result, a rounded one perhaps",
    "misses_the_gold": "the last step does not give the answer",
    "number_from_nowhere": "the solution uses a number that neither the question nor an earlier step has",
    "no_numbers_fit": "no other numbers keep the question natural",
}


def _refusal(parent: Problem, reason: str) -> Reject:
    return Reject(
        id=f"{parent.id}/renumber", stage="rewrite", reason="cannot_renumber", detail=f"{reason}: {_REASONS[reason]}"
    )


def worked_seed(problem: Problem) -> Worked | str:
    """Return a seed as a computation, from the marks of its solution, or from an equation in the solution or tags."""
    solution = problem.solution
    if "<<" not in solution:
        equation = str(problem.tags.get("equation") or solution)
        solution = worked_from_equation(equation, problem.answer)
    return read_worked(problem.question, solution, problem.answer)


def renumbered(seed: Worked, rng: random.Random, count: int) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Yield up to `count` different (question, solution, answer, changed numbers) of a seed."""
    old = [variable.value for variable in seed.variables]
    before = seed.run(old)
    free = changeable(seed)
    if before is None or not free:
        return
    strict = _THRESHOLD.search(seed.question) is not None
    seed_totals = totals(seed, free)
    seen = {tuple(old)}
    for _ in range(count):
        for _ in range(MAX_TRIES):
            values = list(old)
            for place in free:
                values[place] = fresh_value(seed.variables[place], seed.question, rng)
            for total, parts in seed_totals:
                if total in free:
                    values[total] = sum((values[part] for part in parts), Fraction(0))
            if tuple(values) in seen:
                continue
            row = _make(seed, old, before, values, strict=strict, sums=seed_totals)
            if row is not None:
                seen.add(tuple(values))
                yield row
                break
        else:
            return


def with_value(seed: Worked, place: int, value: Fraction, free: Sequence[int]) -> tuple[str, str] | None:
    """Return the worked solution and the answer of a seed with another value for a `changeable` variable.

    `free` are all changeable variables: finding them computes the solution twice a variable, so the caller does it once
    a seed. None if the story would stop making sense: another order of the numbers, a fraction of something whole, a
    negative result.
    """
    old = [variable.value for variable in seed.variables]
    before = seed.run(old)
    if before is None:
        return None
    values = list(old)
    values[place] = value
    strict = _THRESHOLD.search(seed.question) is not None
    row = _make(seed, old, before, values, strict=strict, sums=totals(seed, free))
    return None if row is None else row[1:3]


def _make(
    seed: Worked, old: Sequence[Fraction], before: Sequence[Fraction], values: Sequence[Fraction], *, strict: bool,
    sums: Sequence[tuple[int, tuple[int, ...]]],
) -> tuple[str, str, str, dict[str, str]] | None:
    if not _keeps_order(old, values):
        return None
    if any(sum(values[part] for part in parts) != values[total] for total, parts in sums):
        return None
    after = seed.run(values)
    if after is None or not _plausible(before, after):
        return None
    if strict and not _keeps_order([*old, *before], [*values, *after]):
        return None
    written = seed.write(values, after)
    if written is None:
        return None
    answer = plain_text(after[-1])
    question = _put_question(seed, values)
    solution = _put_solution(seed.solution, written)
    if solution is None or recheck(solution, answer):
        return None
    changed = {
        plain_text(variable.value): plain_text(value)
        for variable, value in zip(seed.variables, values, strict=True)
        if variable.value != value
    }
    return question, solution, answer, changed


def totals(seed: Worked, free: Sequence[int]) -> list[tuple[int, tuple[int, ...]]]:
    """Return the numbers of the question that are the sum of two or three of its others, each with its parts.

    "8 men and 6 women ... all 14 men and women" states the total and its parts, which must change together. A total
    that is not free (the 7 days of a week) counts only if the question mentions a total.
    """
    values = [variable.value for variable in seed.variables]
    speaks = _TOTAL.search(seed.question) is not None
    sums = []
    for total in sorted(range(len(values)), key=values.__getitem__):
        if not (total in free or speaks):
            continue
        smaller = [place for place, value in enumerate(values) if 0 < value < values[total]]
        for parts in chain(combinations(smaller, 2), combinations(smaller, 3)):
            is_free = total in free or any(part in free for part in parts)
            if is_free and sum(values[part] for part in parts) == values[total]:
                sums.append((total, parts))
                break
    return sums


def changeable(seed: Worked) -> list[int]:
    """Return the variables that may take other values: amounts that a step uses and that have one meaning.

    A number with a second possible meaning (an earlier result, a dozen) stays as it is: if it changed alone, the two
    meanings would differ.
    """
    used = {
        source.variable for step in seed.steps for leaf in step.leaves for source in leaf if source.variable >= 0
    }  # fmt: skip
    old = [variable.value for variable in seed.variables]
    free = []
    for place, variable in enumerate(seed.variables):
        if place not in used or not _is_amount(variable, seed.question):
            continue
        agree = True
        for change in (Fraction(1), Fraction(7)):
            values = list(old)
            values[place] += change
            results = seed.run(values)
            agree = agree and results is not None and seed.write(values, results) is not None
        if agree:
            free.append(place)
    return free


def _is_amount(variable: Variable, question: str) -> bool:
    value = variable.value
    if value < 3 or value > 10**7 or (value.denominator != 1 and (value * 100).denominator != 1):
        return False  # 1 and 2 are grammar ("one more", "the other") more often than amounts
    for spot in variable.spots:
        before, after = question[max(0, spot.start - 20) : spot.start], question[spot.end :]
        if _LABEL_BEFORE.search(before) or _CLOCK_AFTER.match(after) or _CLOCK_BEFORE.search(before):
            return False
        if _CARTON_BEFORE.search(before) or ("fever" in question and _DEGREES_AFTER.match(after)):
            return False  # a carton has a dozen, and a fever has a fixed threshold
        if value.denominator == 1 and 1900 <= value <= 2100 and "," not in spot.text:
            return False  # a year
        if value <= 10 and _LISTED_AFTER.match(after):
            return False
        if value <= 5 and spot.form == "words" and _ORDER_WORDS.search(question):
            return False
        if spot.form == "words" and spot.text.lower().replace("-", " ").split()[-1] in ("hundred", "thousand"):
            return False
    return True


def fresh_value(variable: Variable, question: str, rng: random.Random) -> Fraction:
    """Draw another value of the same size and kind."""
    value = variable.value
    if value.denominator != 1:
        step = Fraction(1, 100)
        for coarse in (Fraction(1, 2), Fraction(1, 4), Fraction(1, 10), Fraction(1, 20)):
            if (value / coarse).denominator == 1:
                step = coarse
                break
        low, high = max(1, int(value * Fraction(1, 2) / step)), int(value * Fraction(8, 5) / step) + 1
        drawn = rng.randint(low, high) * step
        return drawn if drawn.denominator != 1 else drawn + step
    whole = int(value)
    if whole < 12:
        low, high = max(3, whole - 4), whole + 6
    else:
        low, high = max(3, whole // 2), whole * 8 // 5
    top = _ceiling(variable, question)
    if top:
        high = min(high, top)
    grain = _grain(whole)
    low, high = -(-low // grain), high // grain
    return Fraction(rng.randint(low, max(low, high)) * grain)


def _grain(whole: int) -> int:
    """Return the step for a number of this size and roundness: 10 for 200, 100 for 2,500, 1 for 37."""
    for least, grain in ((10_000, 1_000), (2_000, 100), (500, 50), (20, 10), (10, 5)):
        if whole >= least and whole % grain == 0:
            return grain
    return 1


def _ceiling(variable: Variable, question: str) -> int:
    """Return the largest value that a number's unit allows; 0 if there is no limit."""
    tops = []
    if variable.is_percent and variable.value < 100:
        tops.append(95)
    for spot in variable.spots:
        before, after = question[max(0, spot.start - 20) : spot.start], question[spot.end : spot.end + 60]
        if _INCHES_AFTER.match(after) and _FEET_BEFORE.search(before):
            tops.append(11)
        if _PER_WEEK.match(after):
            tops.append(7)
        elif _PER_DAY.match(after):
            tops.append(16)
        elif _PER_HOUR.match(after) and variable.value < 60:
            tops.append(59)
        elif _MONTHS.match(after) and variable.value <= 12:
            tops.append(12)
        elif spot.form == "words":
            tops.append(20)
    return min(tops, default=0)


def _keeps_order(old: Sequence[Fraction], new: Sequence[Fraction]) -> bool:
    """Say whether every pair of numbers stays in its order; equal numbers stay equal, others apart."""
    ranked = sorted(zip(old, new, strict=True))
    for (old_a, new_a), (old_b, new_b) in pairwise(ranked):
        if (old_a == old_b) != (new_a == new_b) or new_a > new_b:
            return False
    return True


def _plausible(before: Sequence[Fraction], after: Sequence[Fraction]) -> bool:
    """Say whether results keep their kind: whole, positive, below one, no more decimals, of similar size."""
    for old, new in zip(before, after, strict=True):
        if (old > 0) != (new > 0) or (old < 0) != (new < 0) or (old.denominator == 1) != (new.denominator == 1):
            return False
        if (abs(old) < 1) != (abs(new) < 1) or (new * 10 ** max(2, _decimals(old))).denominator != 1:
            return False
        if old and not Fraction(1, 6) < new / old < 6:  # results of another size would look odd in the story
            return False
    return True


def _decimals(value: Fraction) -> int:
    for places in range(7):
        if (value * 10**places).denominator == 1:
            return places
    return 7


def _put_question(seed: Worked, values: Sequence[Fraction]) -> str:
    edits: list[tuple[int, int, str]] = []
    for variable, value in zip(seed.variables, values, strict=True):
        if value == variable.value:
            continue
        for spot in variable.spots:
            text = _like(spot, value)
            edits.append((spot.start, spot.end, text))
            article = _ARTICLE.search(seed.question[: spot.start])
            if article:
                fitting = article[1][0] + ("n" if _begins_with_vowel(text) else "")
                edits.append((article.start(1), article.end(1), fitting))
    return _edit(seed.question, edits)


def _put_solution(solution: str, written: Sequence[tuple[Spot, Fraction]]) -> str | None:
    edits = []
    for spot, value in written:
        if plain_text(value) == plain_text(spot.sources[0].value):
            continue
        if (value * 10**6).denominator != 1:
            return None
        edits.append((spot.start, spot.end, _like(spot, value)))
    return _edit(solution, edits)


def _edit(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(set(edits), reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _like(spot: WrittenNumber | Spot, value: Fraction) -> str:
    """Write a value in the notation of another number: in words, with separators, cents, or no leading zero."""
    old = spot.text
    if old[0].isalpha():
        word = _in_words(value)
        return word.capitalize() if old[0].isupper() else word
    text = plain_text(value)
    if "." in old and len(old.rpartition(".")[2]) == 2 and old.endswith("0") and (value * 100).denominator == 1:
        text = f"{int(value)}.{int(value * 100) % 100:02d}"
    if "," in old:
        whole, point, rest = text.partition(".")
        text = f"{int(whole):,}{point}{rest}"
    if old.startswith(".") and text.startswith("0."):
        text = text[1:]
    return text


def _in_words(value: Fraction) -> str:
    whole = int(value)
    if value.denominator != 1 or not 0 <= whole < 100:
        return plain_text(value)
    if whole in _WORDS:
        return _WORDS[whole]
    return f"{_WORDS[whole // 10 * 10]}-{_WORDS[whole % 10]}"


def _begins_with_vowel(text: str) -> bool:
    """Say whether a number is pronounced with an initial vowel: eight, eleven, eighteen, eighty, eight hundred."""
    digits = text.replace(",", "").partition(".")[0]
    if digits.isdigit():
        return digits.startswith("8") or digits in ("11", "18") or (len(digits) % 3 == 2 and digits[:2] in ("11", "18"))
    return text[:1].lower() in "aeiou" and not text.lower().startswith("one")


def augmentation(*, names: bool = False, distractor: bool = False) -> Augmentation:
    """Return the method with its options set."""
    configured = partial(rewrite, names=names, distractor=distractor)
    return Augmentation(name="renumber", rewrite=configured, prompt=no_draft_prompt, parse=no_draft_reply)


RENUMBER = augmentation()
