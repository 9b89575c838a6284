"""Compose: the answer of one seed takes the place of a number of another. The gold is computed, or else voted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice
from typing import Any, Literal

from msgspec.structs import replace

from mathstrap.augment.checks import Fault, find_number_fault, read_question
from mathstrap.augment.interface import Augmentation, Draft, Mode, fill_prompt, finished, tags_of_content
from mathstrap.augment.languages import language_of
from mathstrap.augment.masking import Mask, find_masks, hide, variable_text
from mathstrap.augment.relevance import judge_mask
from mathstrap.augment.renumber import changeable, with_value, worked_seed
from mathstrap.augment.worked import Worked, plain_text
from mathstrap.steps.expression import plain_number
from mathstrap.types import Completion, Problem, Reject

Wording = Literal["teacher", "rule"]
LETTERS = "NKMTWQ"
_LAST_LINE = re.compile(r"\n?####[^\n]*\Z")


@dataclass(frozen=True, kw_only=True)
class SeedPair:
    """The parent's answer put into another seed: the joined question, its gold and solution (empty if not computed)."""

    other: Problem
    question: str
    letter: str
    gold: str = ""
    solution: str = ""


def rewrite(
    parent: Problem,
    count: int | None,
    *,
    others: Sequence[Problem] = (),
    mode: Mode = "default",
    rng_seed: int = 0,  # noqa: ARG001
    wording: Wording = "teacher",
    votes: bool = True,
    solved: bool = False,
) -> list[Draft | Problem | Reject]:
    """Return up to `count` questions, one for None, each of the parent and another seed.

    wording   "rule" joins the two questions by a letter, "teacher" asks for one story that combines them
    votes     whether pairs whose gold cannot be computed are taken too
    solved    whether only pairs are taken whose solution can be computed as well
    """
    value = plain_number(parent.answer)
    if value is None or value <= 0:
        return [_refusal(parent, f"the answer {parent.answer} is not a positive number")]
    if language_of(parent.question) != "en":
        return [_refusal(parent, "two questions are joined in English only")]
    pairs = (pair for other in others if (pair := _pair(parent, value, other, votes=votes, solved=solved)))
    results: list[Draft | Problem | Reject] = []
    for index, pair in enumerate(islice(pairs, count or 1), start=1):
        draft = Draft(
            id=f"{parent.id}/compose.{index}", method="compose", mode=mode, answer=pair.gold, question=pair.question,
            fields={"question": pair.question, "letter": pair.letter}, tags=_tags(parent, pair),
        )  # fmt: skip
        results.append(draft if wording == "teacher" else _solved(finished(parent, draft, pair.question), pair))
    return results or [_refusal(parent, f"none of {len(others)} other seeds has a number like {parent.answer}")]


def parse(parent: Problem, draft: Draft, completion: Completion) -> Problem | Reject:
    """Return the two questions told as one, or why the reply is unusable."""

    def find_fault(question: str) -> Fault | None:
        # The number in the middle must not be stated: it is the answer of the first question.
        return find_number_fault(draft.question, question, parent.answer)

    return read_question(parent, draft, completion, longest=2 * len(draft.question) + 200, find_fault=find_fault)


def _pair(parent: Problem, value: Fraction, other: Problem, *, votes: bool, solved: bool) -> SeedPair | None:
    """Return the parent's answer in the first number of the other seed that lets the gold be computed, or in any."""
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


def _tags(parent: Problem, pair: SeedPair) -> dict[str, Any]:
    """Return the tags of the lineage; the confidence of a computed gold is the product of those of its two golds."""
    tags = tags_of_content(parent) | {"parents": [parent.id, pair.other.id], "second_question": pair.other.question}
    voted = [seed for seed in (parent, pair.other) if pair.gold and seed.tags.get("gold") == "voted"]
    if voted:
        confidence = 1.0
        for seed in voted:
            confidence *= float(seed.tags.get("confidence", 1.0))
        tags |= {"gold": "voted", "confidence": round(confidence, 4)}
    return tags


def _solved(problem: Problem, pair: SeedPair) -> Problem:
    """Return a composed problem with its computed solution, if it has one."""
    if not pair.solution:
        return problem
    return replace(problem, solution=pair.solution, tags={**problem.tags, "worked": True})


def _refusal(parent: Problem, detail: str) -> Reject:
    return Reject(id=f"{parent.id}/compose.1", stage="rewrite", reason="no_partner", detail=detail)


def augmentation(*, wording: Wording = "teacher", votes: bool = True, solved: bool = False) -> Augmentation:
    """Return the method with its options set."""
    configured = partial(rewrite, wording=wording, votes=votes, solved=solved)
    return Augmentation(name="compose", rewrite=configured, prompt=fill_prompt, parse=parse, parents=2)


COMPOSE = augmentation()
