"""Say whether hiding a number leaves a question with one answer. STUB."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mathstrap.types import Problem

Known = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Whether the answer depends on a hidden number, and whether the answer gives it back."""

    relevant: Known
    unique: Known


def judge_mask(parent: Problem, answer: str, *, is_percent: bool) -> Judgement:
    """Judge."""
    return Judgement(relevant="unknown", unique="unknown")
