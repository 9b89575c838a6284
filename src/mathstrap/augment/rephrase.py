"""Rephrasing: the teacher says a problem in other words; the gold answer stays. Checks that the numbers stay too."""

from __future__ import annotations

from mathstrap.augment.checks import Fault, find_form_fault, find_number_fault
from mathstrap.augment.interface import Augmentation, Draft, Mode, fill_prompt, refuse_reply, without_label
from mathstrap.types import Completion, Problem, Reject


def rewrite(
    parent: Problem,
    count: int | None,
    *,
    mode: Mode = "default",
    rng_seed: int = 0,  # noqa: ARG001
) -> list[Draft | Problem | Reject]:
    """Return `count` drafts; all ask the same thing, so they differ in id and draw only."""
    return [
        Draft(
            id=f"{parent.id}/rephrase.{index}",
            method="rephrase",
            mode=mode,
            fields={"question": parent.question},
            answer=parent.answer,
            draw=index - 1,
            tags={**parent.tags, "original_question": parent.question, "original_answer": parent.answer},
        )
        for index in range(1, (1 if count is None else count) + 1)
    ]


def parse(parent: Problem, draft: Draft, completion: Completion) -> Problem | Reject:
    """Return the rephrased problem, or why the reply is none.

    The default mode drops a label in front, cuts an invented next example, and rejects a reply that repeats the
    question, is no question, has other numbers than its parent, or states the answer. The mode metamath-2024 takes
    every reply that says anything.
    """
    refused = refuse_reply(draft.id, completion, "rewrite")
    if refused is not None:
        return refused
    question = completion.text
    if draft.mode == "default":
        question = without_label(question)
        wrong = find_fault(parent, question)
        if wrong is not None:
            return Reject(id=draft.id, stage="rewrite", reason=wrong[0], detail=wrong[1] or question[:200])
    return Problem(
        id=draft.id,
        dataset=parent.dataset,
        style=parent.style,
        question=question,
        answer=draft.answer,
        method="rephrase",
        parent=parent.id,
        tags=draft.tags,
    )


def find_fault(parent: Problem, question: str) -> Fault | None:
    """Return the reason code and a detail ("" for the reply itself), or None for a good rephrasing."""
    longest = 2 * len(parent.question) + 200
    return find_form_fault(parent, question, longest=longest) or find_number_fault(
        parent.question, question, parent.answer
    )


REPHRASE = Augmentation(name="rephrase", rewrite=rewrite, prompt=fill_prompt, parse=parse)
