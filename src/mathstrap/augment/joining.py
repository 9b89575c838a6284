"""Put the answer of one seed in the place of a number of another, and compute what the joined question asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from mathstrap.augment.masking import Mask, find_masks, hide, variable_text
from mathstrap.augment.relevance import judge_mask
from mathstrap.augment.renumber import changeable, with_value, worked_seed
from mathstrap.augment.worked import Worked, plain_text
from mathstrap.patterns import regex
from mathstrap.steps.expression import plain_number
from mathstrap.types import Problem

LETTERS = "NKMTWQ"
_LAST_LINE = regex(r"\n?####[^\n]*\Z")


@dataclass(frozen=True, kw_only=True)
class SeedPair:
    """The parent's answer put into another seed: the joined question, its gold and solution (empty if not computed)."""

    other: Problem
    question: str
    letter: str
    gold: str = ""
    solution: str = ""


def join_seeds(parent: Problem, value: Fraction, other: Problem, *, votes: bool, solved: bool) -> SeedPair | None:
    """Return the parent's answer in the first number of the other seed that lets the gold be computed, or in any.

    value   the parent's answer
    votes   whether a number is taken too that leaves the gold uncomputed
    solved  whether both seeds must have a solution that can be computed; the pair then has one as well
    None where no number of the other seed fits.
    """
    masks = [mask for mask in find_masks(other.question, other.style) if _fits(value, mask)]
    text = parent.question + other.question
    letter = next((candidate for candidate in LETTERS if not re.search(rf"\b{candidate}\b", text)), "")
    if not masks or not letter or not other.answer:
        return None
    worked, first = worked_seed(other), worked_seed(parent)
    if solved and not isinstance(first, Worked):
        return None
    free = changeable(worked) if isinstance(worked, Worked) else []
    unfit = []
    for mask in masks:
        place = _place(worked, mask, free) if isinstance(worked, Worked) else None
        if place is None or not isinstance(worked, Worked):
            continue
        computed = _compute(worked, place, value, free)
        if computed is None:  # the story would stop making sense, so it is not voted on either
            unfit.append(mask)
            continue
        solution = ""
        if isinstance(first, Worked):
            start, end = (_LAST_LINE.sub("", text) for text in (first.solution, computed[0]))
            solution = f"{start}\nSo {letter} = {plain_text(value)}.\n{end}\n#### {computed[1]}"
        return SeedPair(
            other=other, question=_joined(parent, other, mask, letter), letter=letter, gold=computed[1],
            solution=solution,
        )  # fmt: skip
    for mask in masks if votes and not solved else ():
        if mask in unfit:
            continue
        if judge_mask(other, mask.answer, is_percent=mask.kind == "percent").relevant != "no":
            # If the other seed had this same number, its answer stays its answer.
            gold = other.answer if plain_number(mask.answer) == value else ""
            return SeedPair(other=other, question=_joined(parent, other, mask, letter), letter=letter, gold=gold)
    return None


def _place(worked: Worked, mask: Mask, free: Sequence[int]) -> int | None:
    """Return the variable of a computation that the mask hides, if it hides its only place and it may change."""
    places = (place for place in free if [spot.start for spot in worked.variables[place].spots] == [mask.start])
    return next(places, None)


def _compute(worked: Worked, place: int, value: Fraction, free: Sequence[int]) -> tuple[str, str] | None:
    """Return the solution and the answer of a seed with another value at a place; None if the story forbids it."""
    if worked.variables[place].value == value:
        return worked.solution, plain_text(worked.steps[-1].result)
    return with_value(worked, place, value, free)


def _fits(value: Fraction, mask: Mask) -> bool:
    """Say whether a number can replace the masked one: of the same kind, of similar size, a share below 100 %."""
    old = plain_number(mask.answer)
    if old is None or old < 2 or mask.kind not in ("int", "comma", "decimal", "money", "percent"):
        return False
    # A story with a much larger or smaller number would not make sense.
    is_like = (old.denominator == 1) == (value.denominator == 1) and Fraction(1, 4) <= value / old <= 4
    return is_like and (mask.kind != "percent" or value < 100)


def _joined(parent: Problem, other: Problem, mask: Mask, letter: str) -> str:
    named = variable_text(letter, parent.style)
    return f"{parent.question.strip()} Let {named} be the answer.\n{hide(other.question, mask, letter).strip()}"
