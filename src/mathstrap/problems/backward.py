"""Build Backward-Full: hide the numbers of a test set by rule, one question for each, none filtered out.

The published GSM8K-Backward keeps the questions that some model solved. Here every candidate stays and carries a flag
that says whether the hidden number can be found at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from mathstrap.augment.fobar import rewrite
from mathstrap.types import Problem

Solvable = Literal["yes", "no", "unknown"]
ALL = 10_000


def build_backward(problems: Sequence[Problem], *, rng_seed: int = 0, per_question: int | None = None) -> list[Problem]:
    """Return the backward questions of a set, in order: every number, or `per_question` seeded ones of each question.

    Tags: `hidden` is the text behind x, `kind` what sort of number it was, `solvable` whether the answer depends on it
    and determines it (yes, no, unknown).
    """
    problems_made: list[Problem] = []
    for problem in problems:
        for found in rewrite(problem, per_question or ALL, rng_seed=rng_seed, masks="all"):
            if not isinstance(found, Problem):
                continue
            tags: dict[str, Any] = {
                "kind": found.tags["mask_kind"],
                "hidden": found.tags["mask_text"],
                "solvable": solvable(found),
                **{name: problem.tags[name] for name in ("level", "subject") if name in problem.tags},
            }
            problems_made.append(
                Problem(
                    id=found.id, dataset=f"{problem.dataset}-backward-full", style=found.style, question=found.question,
                    answer=found.answer, method="fobar", parent=problem.id, tags=tags,
                )
            )  # fmt: skip
    return problems_made


def solvable(problem: Problem) -> Solvable:
    """Return whether the hidden number is determined: it matters to the answer, and no other number fits."""
    relevant, unique = problem.tags["mask_relevant"], problem.tags["mask_unique"]
    if relevant == "no" or unique == "no":
        return "no"
    return "yes" if relevant == "yes" and unique == "yes" else "unknown"
