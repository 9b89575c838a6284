"""Rephrasing: the teacher rewords a problem; the gold answer stays. Checks that the numbers stay too."""

from __future__ import annotations

from mathstrap.augment.checks import Fault, find_form_fault, find_number_fault
from mathstrap.augment.interface import Augmentation, Draft, Mode, fill_prompt, finished, refuse_reply, without_label
from mathstrap.types import Completion, Problem, Reject


def rewrite(
    parent: Problem,
    count: int | None,
    *,
    mode: Mode = "default",
    rng_seed: int = 0,  # noqa: ARG001
) -> list[Draft | Problem | Reject]:
    """Return `count` drafts; all have the same prompt, so they differ only in id and draw."""
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
    """Return the rephrased problem, or why the reply is unusable.

    The default mode drops a leading label, cuts off an invented next example, and rejects a reply that repeats the
    question, is not a question, has other numbers than its parent, or states the answer. The mode metamath-2024 accepts
    every reply that is not empty.
    """
    refused = refuse_reply(draft.id, completion, "rewrite")
    if refused is not None:
        return refused
    question = completion.text
    if draft.mode == "default":
        question = without_label(question)
        fault = find_fault(parent, question)
        if fault is not None:
            return Reject(id=draft.id, stage="rewrite", reason=fault[0], detail=fault[1] or question[:200])
    return finished(parent, draft, question)


def find_fault(parent: Problem, question: str) -> Fault | None:
    """Return the reason code and a detail ("" for the reply itself), or None for a good rephrasing."""
    longest = 2 * len(parent.question) + 200  # wordy rephrasings are fine; solutions and explanations are longer
    return find_form_fault(parent, question, longest=longest) or find_number_fault(
        parent.question, question, parent.answer
    )


REPHRASE = Augmentation(name="rephrase", rewrite=rewrite, prompt=fill_prompt, parse=parse)
