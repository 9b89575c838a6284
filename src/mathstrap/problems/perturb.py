"""Build a robustness set from word problems: numbers resampled, names changed, an irrelevant sentence added.

Every change is by rule, seeded by the problem's id, and made only where it is safe: numbers change only where the
worked solution gives the new answer (`augment.renumber`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from mathstrap.augment.renumber import renumbered, worked_seed
from mathstrap.augment.surface import fresh_names, put_names, with_distractor
from mathstrap.types import Problem


def perturb(problems: Sequence[Problem], *, rng_seed: int = 0) -> list[Problem]:
    """Return up to three variants of every problem, in order; an unsafe change is left out."""
    variants: list[Problem] = []
    for problem in problems:
        for kind, change in (("numbers", resample_numbers), ("names", change_names), ("sentence", add_sentence)):
            rng = random.Random(f"{rng_seed}/{problem.id}/{kind}")
            changed = change(problem, rng)
            if changed is not None:
                question, answer = changed
                tags = {**problem.tags, "perturbation": kind}
                variants.append(
                    Problem(
                        id=f"{problem.id}/{kind}.1", dataset="gsm8k-perturbed", style=problem.style, question=question,
                        answer=answer, parent=problem.id, tags=tags,
                    )
                )  # fmt: skip
    return variants


def resample_numbers(problem: Problem, rng: random.Random) -> tuple[str, str] | None:
    """Return the question with other numbers and its answer, computed along the worked solution."""
    seed = worked_seed(problem)
    if isinstance(seed, str):
        return None
    return next(((question, answer) for question, _, answer, _ in renumbered(seed, rng, 1)), None)


def change_names(problem: Problem, rng: random.Random) -> tuple[str, str] | None:
    """Return the question with every known first name swapped for one that does not occur in it."""
    names = fresh_names(problem.question, rng)
    return (put_names(problem.question, names), problem.answer) if names else None


def add_sentence(problem: Problem, rng: random.Random) -> tuple[str, str] | None:
    """Return the question with an irrelevant sentence before its last sentence."""
    question = with_distractor(problem.question, problem.answer, rng)
    return (question, problem.answer) if question else None
