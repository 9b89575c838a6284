"""Load the seeds of a recipe from all sources into one list with unique ids."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from mathstrap.errors import InputError
from mathstrap.pipeline.options import RunRecipe
from mathstrap.problems.load import load_problems
from mathstrap.types import Problem, Reject, to_json


@dataclass(frozen=True, kw_only=True)
class Seeds:
    """The checked seeds of all sources, in id order, the rejected rows, and the lines to print about each source."""

    problems: list[Problem]
    rejects: list[Reject]
    lines: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """Return 16 hexadecimal digits that change with any seed."""
        digest = hashlib.blake2b(digest_size=8)
        for problem in self.problems:
            digest.update(to_json(problem))
        return digest.hexdigest()


def load_seeds(recipe: RunRecipe, *, progress: Callable[[int], None] | None = None) -> Seeds:
    """Load every source of the recipe; raises InputError for bad rows or an id that two sources share.

    `progress` is called with the rows of a source read so far.
    """
    problems: list[Problem] = []
    rejects: list[Reject] = []
    lines: list[str] = []
    sources: dict[str, str] = {}
    for options in recipe.seed_sources:
        loaded = load_problems(options, progress=progress)
        for problem in loaded.problems:
            if problem.id in sources:
                raise InputError(
                    f'{options.source}: id "{problem.id}" also occurs in {sources[problem.id]}. '
                    "Give one of them another seeds.dataset."
                )
            sources[problem.id] = options.source
        problems += loaded.problems
        rejects += loaded.rejects
        lines += loaded.lines()
    return Seeds(problems=sorted(problems, key=lambda problem: problem.id), rejects=rejects, lines=tuple(lines))
