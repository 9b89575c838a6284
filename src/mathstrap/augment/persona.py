"""Persona: the teacher sets the same problem in another person's world. The numbers and the gold stay."""

from __future__ import annotations

from mathstrap.augment.checks import Fault, find_number_fault, read_question, shared_words
from mathstrap.augment.interface import Augmentation, Draft, Mode, fill_prompt, rng_for
from mathstrap.types import Completion, Problem, Reject

PERSONAS = (
    "a beekeeper who looks after hives on a hillside",
    "a nurse on a night shift",
    "the captain of a small ferry",
    "a baker who starts work at three in the morning",
    "a student who repairs bicycles",
    "a librarian in a mountain town",
    "a stage manager before the first night of a play",
    "a farmer who grows pumpkins",
    "a tailor with a market stall",
    "a warehouse clerk counting crates",
    "the trainer of a girls' football team",
    "a marine biologist on a reef",
    "a train driver",
    "a gardener in a botanical garden",
    "a carpenter who builds shelves",
    "a museum guide",
    "a cook in a school kitchen",
    "a photographer at weddings",
    "a weather observer on an island",
    "a chess club treasurer",
    "a vet in the countryside",
    "an electrician wiring a new house",
    "a potter preparing for a fair",
    "a cashier in a cinema",
    "a surveyor measuring fields",
    "a violin maker",
    "a postal worker sorting parcels",
    "an astronomer planning observations",
    "a swimming teacher",
    "a volunteer at an animal shelter",
)
# A retelling that shares more of its words with the seed is not set in another world.
MOST_SHARED = 0.7


def rewrite(
    parent: Problem, count: int | None, *, mode: Mode = "default", rng_seed: int = 0
) -> list[Draft | Problem | Reject]:
    """Return `count` drafts, one for None, each for another persona; at most as many as there are personas."""
    personas = list(PERSONAS)
    rng_for(rng_seed, parent.id, "persona").shuffle(personas)
    return [
        Draft(
            id=f"{parent.id}/persona.{index}",
            method="persona",
            mode=mode,
            fields={"question": parent.question, "persona": persona},
            answer=parent.answer,
            tags={
                **parent.tags, "original_question": parent.question, "original_answer": parent.answer,
                "persona": persona,
            },
        )
        for index, persona in enumerate(personas[: 1 if count is None else count], start=1)
    ]  # fmt: skip


def parse(parent: Problem, draft: Draft, completion: Completion) -> Problem | Reject:
    """Return the retold problem with the seed's gold, or why the reply is unusable."""

    def find_fault(question: str) -> Fault | None:
        if parent.style == "gsm8k" and shared_words(parent.question, question) > MOST_SHARED:
            return "unchanged", "it uses the same words"
        return find_number_fault(parent.question, question, parent.answer)

    return read_question(parent, draft, completion, longest=3 * len(parent.question) + 300, find_fault=find_fault)


PERSONA = Augmentation(name="persona", rewrite=rewrite, prompt=fill_prompt, parse=parse)
