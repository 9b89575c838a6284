"""Answer augmentation: the seed question as it is, to be answered many times. Asks the teacher for no rewrite."""

from __future__ import annotations

from msgspec.structs import replace

from mathstrap.augment.interface import Augmentation, Draft, Mode, no_draft_prompt, no_draft_reply
from mathstrap.types import Problem, Reject


def rewrite(
    parent: Problem,
    count: int | None,  # noqa: ARG001
    *,
    mode: Mode = "default",  # noqa: ARG001
    rng_seed: int = 0,  # noqa: ARG001
) -> list[Draft | Problem | Reject]:
    """Return one problem, whatever the count: more answers to it are more draws, not more problems."""
    return [replace(parent, id=f"{parent.id}/ans_aug.1", method="ans_aug", parent=parent.id)]


ANS_AUG = Augmentation(name="ans_aug", rewrite=rewrite, prompt=no_draft_prompt, parse=no_draft_reply)
