"""The methods that make problems from problems: MetaMath's four and others. A new one is a file and an entry below."""

from __future__ import annotations

from mathstrap.augment import (
    ans_aug,
    compose,
    evolve,
    explain,
    fobar,
    new_problem,
    persona,
    renumber,
    reopen,
    rephrase,
    self_verification,
)
from mathstrap.augment.interface import (
    Augmentation,
    Draft,
    Mode,
    draft_request,
    refuse_reply,
    rng_for,
    without_label,
)
from mathstrap.types import Method

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "Draft",
    "Mode",
    "draft_request",
    "refuse_reply",
    "rng_for",
    "without_label",
]

AUGMENTATIONS: dict[Method, Augmentation] = {
    "ans_aug": ans_aug.ANS_AUG,
    "rephrase": rephrase.REPHRASE,
    "self_verification": self_verification.SELF_VERIFICATION,
    "fobar": fobar.FOBAR,
    "renumber": renumber.RENUMBER,
    "evolve": evolve.EVOLVE,
    "compose": compose.COMPOSE,
    "new_problem": new_problem.NEW_PROBLEM,
    "reopen": reopen.REOPEN,
    "persona": persona.PERSONA,
    "explain": explain.EXPLAIN,
}
