"""Choose which numbers of a problem the two backward methods hide, in either mode. Knows nothing of the wording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mathstrap.augment import reference
from mathstrap.augment.interface import Mode, rng_for
from mathstrap.augment.masking import choose_variable, find_masks, hide, variable_text
from mathstrap.augment.relevance import Judgement, judge_mask
from mathstrap.types import Method, Problem, Reject


@dataclass(frozen=True, kw_only=True)
class HiddenNumber:
    """A number of a question with the question that hides it; `index` counts the question's numbers from 1.

    `start` and `end` bound the hidden text in the original question; `answer` is the gold of the backward problem and
    `known_answer` the seed's answer as the backward question states it.
    """

    index: int
    text: str
    start: int
    end: int
    kind: str
    answer: str
    known_answer: str
    masked: str
    variable: str
    variable_text: str
    judgement: Judgement

    def tags(self, parent: Problem) -> dict[str, Any]:
        """Return what is recorded of the mask on every problem made from it."""
        return {
            "original_question": parent.question,
            "original_answer": parent.answer,
            "mask_index": self.index,
            "mask_text": self.text,
            "mask_start": self.start,
            "mask_end": self.end,
            "mask_kind": self.kind,
            "variable": self.variable,
            "masked_question": self.masked,
            "mask_relevant": self.judgement.relevant,
            "mask_unique": self.judgement.unique,
        }


def find_hidden(parent: Problem, *, mode: Mode, method: Method) -> list[HiddenNumber]:
    """Return every number of the problem that the mode would hide, in the order of the question."""
    if mode == "metamath-2024":
        return _find_reference(parent, method)
    variable = choose_variable(parent.question, parent.style)
    return [
        HiddenNumber(
            index=index,
            text=mask.text,
            start=mask.start,
            end=mask.end,
            kind=mask.kind,
            answer=mask.answer,
            known_answer=parent.answer,
            masked=hide(parent.question, mask, variable),
            variable=variable,
            variable_text=variable_text(variable, parent.style),
            judgement=judge_mask(parent, mask.answer, is_percent=mask.kind == "percent"),
        )
        for index, mask in enumerate(find_masks(parent.question, parent.style), start=1)
    ]


def _find_reference(parent: Problem, method: Method) -> list[HiddenNumber]:
    variable = "x" if parent.style == "gsm8k" else "X"
    found = []
    for index, mask in enumerate(reference.find_token_masks(parent.question, parent.style), start=1):
        answer = reference.mask_answer(mask.token, parent.style, method)
        found.append(
            HiddenNumber(
                index=index,
                text=mask.token,
                start=mask.start,
                end=mask.end,
                kind=reference.kind_of(mask.token),
                answer=answer,
                known_answer=reference.seed_answer(parent.answer, parent.style),
                masked=reference.hide_token(parent.question, mask),
                variable=variable,
                variable_text=variable if parent.style == "gsm8k" else f"${variable}$",
                judgement=judge_mask(parent, answer, is_percent="%" in mask.replacement),
            )
        )
    return found


def choose_hidden(
    parent: Problem, count: int | None, *, mode: Mode, rng_seed: int, method: Method
) -> list[HiddenNumber]:
    """Return up to `count` numbers to hide, in the order of the question; a larger count adds to a smaller one.

    Where there are more numbers than `count` the choice is random, seeded by the run and the problem. In the default
    mode a number known to be irrelevant is chosen only after all others.
    """
    hidden = find_hidden(parent, mode=mode, method=method)
    order = list(hidden)
    rng_for(rng_seed, parent.id, method).shuffle(order)
    if mode == "default":
        order.sort(key=lambda number: number.judgement.relevant == "no")
    return sorted(order[: None if count is None else max(count, 0)], key=lambda number: number.index)


def no_number(parent: Problem, method: Method) -> Reject:
    """Return the Reject of a problem that has no number to hide."""
    return Reject(id=f"{parent.id}/{method}.1", stage="rewrite", reason="no_number", detail=parent.question[:200])
