"""The records a grading speaks: what was extracted, and the grade with the tier that decided. Knows no rules."""

from __future__ import annotations

from typing import Literal

import msgspec

from mathstrap.types import Outcome

Mode = Literal["strict", "flexible"]
Form = Literal["answer", "completion", "auto"]


class Extraction(msgspec.Struct, frozen=True):
    """The final answer a completion states, and the name of the rule that read it."""

    answer: str
    extractor: str


class Grade(msgspec.Struct, frozen=True):
    """The verdict on one prediction: `tier` is the step that decided, `reason` one short sentence why.

    `got` and `expected` are the answers that were compared; `got` is empty when the completion states none.
    """

    outcome: Outcome
    tier: str
    reason: str
    got: str
    expected: str
