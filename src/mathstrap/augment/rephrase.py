"""Rephrasing: the teacher says a problem in other words; the gold answer stays. Checks that the numbers stay too."""

from __future__ import annotations

import re
from fractions import Fraction

from mathstrap.augment.interface import Augmentation, Draft, Mode, fill_prompt, refuse_reply, without_label
from mathstrap.augment.latex import find_zones
from mathstrap.augment.quantities import count_numbers, describe_numbers
from mathstrap.augment.sentences import asks_something
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
        wrong = _find_fault(parent, question)
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


def _find_fault(parent: Problem, question: str) -> tuple[str, str] | None:
    """Return the reason code and a detail ("" for the reply itself), or None for a good rephrasing."""
    if not question:
        return "empty", "nothing is left of the reply without its label"
    if _same_words(question) == _same_words(parent.question):
        return "unchanged", ""
    if len(question) > 2 * len(parent.question) + 200:
        return "too_long", ""
    if not asks_something(question):
        return "not_a_question", ""
    if parent.style == "math" and find_zones(parent.question) is not None and find_zones(question) is None:
        return "broken_latex", ""
    return _compare_numbers(parent, question)


def _compare_numbers(parent: Problem, question: str) -> tuple[str, str] | None:
    before, after = count_numbers(parent.question), count_numbers(question)
    lost, added = before - after, after - before
    if not lost and not added:
        return None
    gold = count_numbers(parent.answer)
    is_number = len(gold) == 1 and not before & gold
    if is_number and added & gold:
        return "leaks_answer", f"added: {describe_numbers(added)}"
    one = Fraction(1)
    if all(value == one for value in [*lost, *added]):
        return None
    changes = [f"{name}: {describe_numbers(side)}" for name, side in (("lost", lost), ("added", added)) if side]
    return "numbers_differ", "; ".join(changes)


def _same_words(question: str) -> str:
    return re.sub(r"[\W_]+", " ", question.casefold()).strip()


REPHRASE = Augmentation(name="rephrase", rewrite=rewrite, prompt=fill_prompt, parse=parse)
