"""Evolve: the teacher makes a question harder, easier, or adds a condition. Its draws vote for the unknown gold."""

from __future__ import annotations

from itertools import cycle, islice

from mathstrap.augment.checks import Fault, read_question, shared_words
from mathstrap.augment.interface import (
    Augmentation,
    Draft,
    Mode,
    fill_prompt,
    rng_for,
    tags_of_content,
)
from mathstrap.augment.quantities import count_numbers, describe_numbers
from mathstrap.types import Completion, Problem, Reject

CHANGES = {
    "harder": "Make it harder: the solution needs one or two more steps than now.",
    "easier": "Make it easier: the solution needs fewer steps than now.",
    "condition": "Add exactly one condition that changes the answer, and keep everything else, each number included.",
}


def rewrite(
    parent: Problem, count: int | None, *, mode: Mode = "default", rng_seed: int = 0
) -> list[Draft | Problem | Reject]:
    """Return `count` drafts, one for None; the three changes take turns, in a random order for each seed."""
    order = list(CHANGES)
    rng_for(rng_seed, parent.id, "evolve").shuffle(order)
    return [
        Draft(
            id=f"{parent.id}/evolve.{index}",
            method="evolve",
            mode=mode,
            fields={"question": parent.question, "change": CHANGES[change]},
            answer="",
            draw=(index - 1) // len(CHANGES),  # the same change again has the same prompt, so it is another draw
            tags={**tags_of_content(parent), "change": change},
        )
        for index, change in enumerate(islice(cycle(order), 1 if count is None else count), start=1)
    ]


def parse(parent: Problem, draft: Draft, completion: Completion) -> Problem | Reject:
    """Return the evolved problem, whose gold is empty until the draws have voted, or why the reply is unusable."""

    def find_fault(question: str) -> Fault | None:
        if shared_words(parent.question, question) < 0.1:  # a small model sometimes invents an unrelated question
            return "another_subject", ""
        lost = count_numbers(parent.question) - count_numbers(question)
        if draft.tags["change"] == "condition" and any(value != 1 for value in lost):
            return "numbers_differ", f"lost: {describe_numbers(lost)}"
        return None

    return read_question(parent, draft, completion, longest=3 * len(parent.question) + 300, find_fault=find_fault)


EVOLVE = Augmentation(name="evolve", rewrite=rewrite, prompt=fill_prompt, parse=parse)
