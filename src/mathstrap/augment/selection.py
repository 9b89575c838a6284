"""Choose which numbers of a problem the two backward methods hide, in either mode. Knows nothing of the wording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mathstrap.augment import reference
from mathstrap.augment.doubts import DOUBTS, Doubt, doubt_place, doubt_reference, doubt_rounding
from mathstrap.augment.interface import Mode, rng_for
from mathstrap.augment.masking import Mask, choose_variable, find_masks, hide, variable_text
from mathstrap.augment.math_doubts import doubt_formula, doubt_question
from mathstrap.augment.relevance import Judgement, judge_mask, seems_used
from mathstrap.types import Method, Problem, Reject

# "sound" hides the numbers proved relevant first, then those without a doubt; "proved" only the former; "all" hides
# every number, those proved irrelevant last.
Masks = Literal["sound", "proved", "all"]


@dataclass(frozen=True, kw_only=True)
class HiddenNumber:
    """A number of a question with the question that hides it; `index` counts the question's numbers from 1.

    `start` and `end` bound the hidden text in the original question; `answer` is the gold of the backward problem and
    `known_answer` the seed's answer as the backward question states it. `doubt` is a reason not to hide the number.
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
    doubt: Doubt | None = None

    def tags(self, parent: Problem) -> dict[str, Any]:
        """Return the tags that record the mask on every problem made from it."""
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
    global _last
    # The two methods ask one after the other for the same problem.
    if _last is None or _last[0] is not parent:
        _last = parent, _find_default(parent)
    return list(_last[1])


_last: tuple[Problem, list[HiddenNumber]] | None = None


def _find_default(parent: Problem) -> list[HiddenNumber]:
    variable = choose_variable(parent.question, parent.style)
    masks = find_masks(parent.question, parent.style)
    judgements = [judge_mask(parent, mask.answer, is_percent=mask.kind == "percent") for mask in masks]
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
            judgement=judgement,
            doubt=_doubt_of(parent, mask, judgement),
        )
        for index, (mask, judgement) in enumerate(zip(masks, judgements, strict=True), start=1)
    ]


def _doubt_of(parent: Problem, mask: Mask, judgement: Judgement) -> Doubt | None:
    """Return the doubt about hiding a number; one that is proved irrelevant needs no rule of thumb."""
    if judgement.relevant == "no":
        return None
    question = parent.question
    doubt = doubt_place(question, mask) or doubt_reference(question, mask)
    if doubt is None and parent.style == "math":
        doubt = doubt_formula(question, mask) or doubt_question(question, parent.answer)
    elif doubt is None:
        doubt = doubt_rounding(question)
    if doubt is None and judgement.relevant == "unknown" and not seems_used(parent, mask):
        return Doubt(code="not_used")
    return doubt


def _find_reference(parent: Problem, method: Method) -> list[HiddenNumber]:
    variable = "x" if parent.style == "gsm8k" else "X"
    hidden = []
    for index, mask in enumerate(reference.find_token_masks(parent.question, parent.style), start=1):
        answer = reference.mask_answer(mask.token, parent.style, method)
        hidden.append(
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
    return hidden


def choose_hidden(
    parent: Problem, count: int | None, *, mode: Mode, rng_seed: int, method: Method, masks: Masks = "sound"
) -> list[HiddenNumber]:
    """Return up to `count` numbers to hide, in the order of the question; a larger count adds to a smaller one.

    If there are more numbers than `count`, the choice is random, seeded by the run and the problem. The default mode
    chooses the numbers proved relevant first, and only those that `masks` allows.
    """
    hidden = find_hidden(parent, mode=mode, method=method)
    order = list(hidden)
    rng_for(rng_seed, parent.id, method).shuffle(order)
    if mode == "default":
        order = [number for number in order if _is_allowed(number, masks)]
        order.sort(key=lambda number: _rank(number, masks))
    return sorted(order[: None if count is None else max(count, 0)], key=lambda number: number.index)


def _is_allowed(number: HiddenNumber, masks: Masks) -> bool:
    if masks == "all":
        return True
    if "no" in (number.judgement.relevant, number.judgement.unique):
        return False
    if number.judgement.relevant == "yes":
        return number.doubt is None or not number.doubt.firm
    return masks == "sound" and number.doubt is None


def _rank(number: HiddenNumber, masks: Masks) -> int:
    """Return the rank of a number, 0 for those chosen first; "all" only puts the irrelevant ones last."""
    if masks == "all":
        return int(number.judgement.relevant == "no")
    proofs = (number.judgement.relevant, number.judgement.unique)
    return 2 - proofs.count("yes")


def no_number(parent: Problem, method: Method, *, mode: Mode = "default") -> Reject:
    """Return the Reject of a problem without a number to hide, or with none worth hiding."""
    hidden = find_hidden(parent, mode=mode, method=method)
    if not hidden:
        return Reject(id=f"{parent.id}/{method}.1", stage="rewrite", reason="no_number", detail=parent.question[:200])
    reasons = [f"{number.text}: {_why_left_alone(number)}" for number in hidden[:6]]
    return Reject(id=f"{parent.id}/{method}.1", stage="rewrite", reason="no_sound_number", detail="; ".join(reasons))


def _why_left_alone(number: HiddenNumber) -> str:
    if number.judgement.relevant == "no":
        return "the solution does without it"
    if number.judgement.unique == "no":
        return "another number has the same answer"
    return DOUBTS[number.doubt.code] if number.doubt else "not proved to matter"
