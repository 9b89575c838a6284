"""Compute how long each student is trained, so that students of one size are matched. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mathstrap.study.options import Match


@dataclass(frozen=True, kw_only=True)
class DataSize:
    """The size of one arm's file: samples, and tokens of prompts and responses together."""

    num_samples: int
    num_tokens: int


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The length of a student's training: optimiser steps, passes over its data, samples and tokens seen."""

    num_steps: int
    passes: float
    samples_seen: int
    tokens_seen: int


def steps_per_pass(num_samples: int, global_batch: int) -> int:
    """Return the optimiser steps of one pass; its last step may hold fewer samples."""
    return math.ceil(num_samples / global_batch)


def schedule_of(size: DataSize, passes: float, global_batch: int) -> Schedule:
    """Return the schedule of the whole number of steps nearest to this many passes, at least one.

    The last step of a pass may hold fewer samples, so the number of samples seen is off by at most a step.
    """
    per_pass = steps_per_pass(size.num_samples, global_batch)
    num_steps = max(1, math.floor(passes * per_pass + 0.5))
    whole, rest = divmod(num_steps, per_pass)
    samples_seen = whole * size.num_samples + rest * global_batch
    passes_made = samples_seen / size.num_samples
    return Schedule(
        num_steps=num_steps, passes=passes_made, samples_seen=samples_seen,
        tokens_seen=round(passes_made * size.num_tokens),
    )  # fmt: skip


def match_arms(
    sizes: Mapping[str, DataSize], match: Match, *, epochs: float, global_batch: int, largest: int = 0
) -> dict[str, Schedule]:
    """Return each arm's schedule.

    passes    `epochs` passes over its own data, whatever its size
    samples   the samples seen in `epochs` passes of the largest arm; a smaller arm repeats its own
    tokens    the tokens seen in `epochs` passes of the arm with the most tokens
    steps     the steps of `epochs` passes over `largest` samples, the most that any arm has at any size
    """
    if match == "steps":
        num_steps = max(1, math.floor(epochs * steps_per_pass(largest, global_batch) + 0.5))
        return {
            name: schedule_of(size, num_steps / steps_per_pass(size.num_samples, global_batch), global_batch)
            for name, size in sizes.items()
        }
    most_samples = max((size.num_samples for size in sizes.values()), default=0)
    most_tokens = max((size.num_tokens for size in sizes.values()), default=0)
    schedules = {}
    for name, size in sizes.items():
        factor = {
            "passes": 1.0, "samples": most_samples / size.num_samples, "tokens": most_tokens / size.num_tokens
        }[match]  # fmt: skip
        schedules[name] = schedule_of(size, epochs * factor, global_batch)
    return schedules
