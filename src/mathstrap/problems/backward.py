"""Build Backward-Full: hide every number of a test set by rule, one question each, without filtering.

The published GSM8K-Backward keeps only questions that some model solved. Here every question stays, with a flag that
says whether the hidden number can be determined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from mathstrap.augment.fobar import rewrite
from mathstrap.types import Problem

Solvable = Literal["yes", "no", "unknown"]
# More than the numbers of any question.
ALL = 10_000


def build_backward(problems: Sequence[Problem], *, rng_seed: int = 0, per_question: int | None = None) -> list[Problem]:
    """Return the backward questions of a set, in order: for every number, or for `per_question` random ones each.

    Tags: `hidden` is the text that x replaces, `kind` the kind of number, `solvable` whether the answer depends on the
    number and determines it (yes, no, unknown).
    """
    backward_problems: list[Problem] = []
    for problem in problems:
        for masked in rewrite(problem, per_question or ALL, rng_seed=rng_seed, masks="all"):
            if not isinstance(masked, Problem):
                continue
            tags: dict[str, Any] = {
                "kind": masked.tags["mask_kind"],
                "hidden": masked.tags["mask_text"],
                "solvable": solvable(masked),
                **{name: problem.tags[name] for name in ("level", "subject") if name in problem.tags},
            }
            backward_problems.append(
                Problem(
                    id=masked.id, dataset=f"{problem.dataset}-backward-full", style=masked.style,
                    question=masked.question, answer=masked.answer, method="fobar", parent=problem.id, tags=tags,
                )
            )  # fmt: skip
    return backward_problems


def solvable(problem: Problem) -> Solvable:
    """Return whether the hidden number is determined: the answer depends on it, and no other number fits."""
    relevant, unique = problem.tags["mask_relevant"], problem.tags["mask_unique"]
    if relevant == "no" or unique == "no":
        return "no"
    return "yes" if relevant == "yes" and unique == "yes" else "unknown"
