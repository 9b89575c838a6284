"""Compose: the answer of one seed takes the place of a number of another. The gold is computed, or else voted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any, Literal

from msgspec.structs import replace

from mathstrap.augment.checks import Fault, find_number_fault, read_question
from mathstrap.augment.interface import Augmentation, Draft, Mode, fill_prompt, finished, tags_of_content
from mathstrap.augment.joining import SeedPair, join_seeds
from mathstrap.augment.languages import language_of
from mathstrap.steps.expression import plain_number
from mathstrap.types import Completion, Problem, Reject

Wording = Literal["teacher", "rule"]


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
    pairs = (pair for other in others if (pair := join_seeds(parent, value, other, votes=votes, solved=solved)))
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
