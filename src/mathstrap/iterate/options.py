"""The options of rounds of bootstrapping: their number, the teacher, the training data, and when they stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mathstrap.errors import RecipeError, check_least
from mathstrap.evaluate import EvalOptions
from mathstrap.pipeline.options import RunRecipe
from mathstrap.plugins import is_own
from mathstrap.study.options import READS_FOLDER, READS_GGUF
from mathstrap.train import TrainRecipe


@dataclass(frozen=True, kw_only=True)
class IterateRecipe:
    """Rounds of bootstrap, training and evaluation; each round is a run directory, `out/name/round-1` and so on.

    name, out   the directory of the rounds is `out/name`
    rounds      the maximum number of rounds
    role        from the second round on the last student solves while the teacher rewrites ("solve"), or it does both
                ("teach")
    hardest     the share of the seeds used by the next round: those that the last round solved least often
    samples     what a student is trained on: the samples of "all" rounds so far (ReST), or of its own "round" (STaR)
    start       what a student is trained from: the "base" of `train.model`, or the last "student"
    guard       the fall of accuracy on the held-out sets below the best so far that is allowed; a larger fall stops the
                rounds, and the best student is the result
    bootstrap   the first round; its `decontaminate.against` must name the held-out sets
    train       how each student is trained
    evaluation  the held-out sets, and how a student is loaded: its teacher also answers in the next round
    processes   processes of a training
    """

    name: str = "rounds"
    out: str = "runs"
    rounds: int = 3
    role: Literal["solve", "teach"] = "solve"
    hardest: float = 1.0
    samples: Literal["all", "round"] = "all"
    start: Literal["base", "student"] = "base"
    guard: float = 0.0
    bootstrap: RunRecipe = field(default_factory=RunRecipe)
    train: TrainRecipe = field(default_factory=TrainRecipe)
    evaluation: EvalOptions = field(default_factory=EvalOptions)
    processes: int = 1

    def __post_init__(self) -> None:
        check_least(self, rounds=1)
        if not 0 < self.hardest <= 1:
            raise RecipeError(f"hardest: found {self.hardest}, expected a share above 0, at most 1.")
        if not 0 <= self.guard < 1:
            raise RecipeError(f"guard: found {self.guard}, expected a share of at least 0, below 1.")
        backend = self.evaluation.teacher.backend
        if backend not in (*READS_GGUF, *READS_FOLDER) and not is_own(backend):
            raise RecipeError(f"evaluation.teacher.backend: {backend} cannot load a student. Use hf, vllm or embedded.")
        if not self.bootstrap.decontaminate.against:
            raise RecipeError(
                "bootstrap.decontaminate.against: found none. Name the sets of evaluation.benchmarks, so that accuracy "
                "is not measured on questions that were trained on."
            )

    @property
    def path(self) -> Path:
        """The directory of the rounds."""
        return Path(self.out) / self.name
