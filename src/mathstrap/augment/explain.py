"""Explain: the seed's own question, answered with long reasoning apart from a short solution.

The solving prompt asks for both; the reasoning is kept on the sample even if the recipe drops thoughts.
"""

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
    """Return one problem, whatever the count: more explanations of it are more draws."""
    return [replace(parent, id=f"{parent.id}/explain.1", method="explain", parent=parent.id)]


EXPLAIN = Augmentation(name="explain", rewrite=rewrite, prompt=no_draft_prompt, parse=no_draft_reply)
