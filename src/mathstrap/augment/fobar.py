"""FOBAR: hide a number of the question, add its answer, and ask for the number. Asks the teacher for no rewrite."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from mathstrap.augment.interface import Augmentation, Draft, Mode, no_draft_prompt, no_draft_reply
from mathstrap.augment.languages import ENGLISH, fill_wording, language_of, wording_of
from mathstrap.augment.selection import HiddenNumber, Masks, choose_hidden, no_number
from mathstrap.types import Problem, Reject


def rewrite(
    parent: Problem, count: int | None, *, mode: Mode = "default", rng_seed: int = 0, masks: Masks = "sound"
) -> list[Draft | Problem | Reject]:
    """Return a problem for each of up to `count` hidden numbers; its id ends in the number's place in the question."""
    hidden = choose_hidden(parent, count, mode=mode, rng_seed=rng_seed, method="fobar", masks=masks)
    if not hidden:
        return [no_number(parent, "fobar", mode=mode)]
    return [
        Problem(
            id=f"{parent.id}/fobar.{number.index}",
            dataset=parent.dataset,
            style=parent.style,
            question=ask_for_number(parent, number, mode),
            answer=number.answer,
            method="fobar",
            parent=parent.id,
            tags={**parent.tags, **number.tags(parent)},
        )
        for number in hidden
    ]


def ask_for_number(parent: Problem, number: HiddenNumber, mode: Mode) -> str:
    """Return the backward question: the masked question, the known answer, and the question for the number."""
    if mode == "metamath-2024":
        variable, mark = ("x", "") if parent.style == "gsm8k" else ("$X$", "### ")
        known = number.known_answer
    else:
        variable, mark = number.variable_text, ""
        known = number.known_answer if parent.style == "gsm8k" else f"${number.known_answer.strip('$')}$"
    wording = ENGLISH if mode == "metamath-2024" else wording_of(language_of(parent.question))
    return f"{number.masked}\n{mark}{fill_wording(wording.known, answer=known, variable=variable)}"


FOBAR = Augmentation(name="fobar", rewrite=rewrite, prompt=no_draft_prompt, parse=no_draft_reply)


def augmentation(*, masks: Masks) -> Augmentation:
    """Return the method with its option set."""
    return replace(FOBAR, rewrite=partial(rewrite, masks=masks))
