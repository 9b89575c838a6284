"""Follow a run step by step: the loss curve, the speed, the time left, the moment to stop. Writes one small file."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mathstrap.errors import MathstrapError
from mathstrap.files.append_log import open_for_writing
from mathstrap.files.tables import write_atomically
from mathstrap.train.options import BestOptions

SMOOTH = 0.9
# The running mean starts at the first loss, so divergence is judged only after this many steps.
SETTLED_STEPS = 10


class DivergedError(MathstrapError, RuntimeError):
    """The loss is not a number or climbs away; the message says at which step and what to change."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of the curve. `loss` in nats per response token, mean of the steps since the last point.

    `tokens` counts what was trained on since this run of the command started, padding (there is none) left out.
    """

    step: int
    num_steps: int
    epoch: float
    loss: float
    lr: float
    grad_norm: float
    tokens: int
    tokens_per_second: float
    seconds_left: float


@dataclass(frozen=True, kw_only=True)
class Validation:
    """The held-out loss after a step, and the accuracy where it was asked for."""

    step: int
    eval_loss: float
    accuracy: float | None = None


Listener = Callable[[Point | Validation], None]


@dataclass
class Watch:
    """The state of the curve: the points so far and the smallest smoothed loss."""

    path: Path
    divergence: float
    listener: Listener | None = None
    points: list[Point] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    smoothed: float = math.nan
    lowest: float = math.inf
    num_losses: int = 0
    tokens: int = 0
    started: float = field(default_factory=time.monotonic)
    started_step: int = 0

    def resume(self, step: int, *, rewrite: bool) -> None:
        """Read back the curve up to a checkpoint's step; the steps after it will run again."""
        points, validations = read_curve(self.path)
        self.points = [point for point in points if point.step <= step]
        self.validations = [validation for validation in validations if validation.step <= step]
        for point in self.points:
            self.smooth(point.loss)
        if rewrite:
            write_curve(self.path, [*self.points, *self.validations])

    def smooth(self, loss: float) -> None:
        """Update the running mean of the loss and its lowest value."""
        self.smoothed = loss if math.isnan(self.smoothed) else SMOOTH * self.smoothed + (1 - SMOOTH) * loss
        self.num_losses += 1
        self.lowest = min(self.lowest, self.smoothed)

    def start(self, step: int) -> None:
        """Start the clock at a step."""
        self.started, self.started_step, self.tokens = time.monotonic(), step, 0

    def check(self, step: int, loss: float, grad_norm: float) -> None:
        """Raise DivergedError for a loss or gradient that is not a number, or a loss that climbs away."""
        if not math.isfinite(loss) or not math.isfinite(grad_norm):
            what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient's norm is {grad_norm}"
            raise DivergedError(
                f"step {step}: {what}; stopped before it reached the weights. Lower lr, set max_grad_norm, or look for "
                "a broken sample near this step; the last checkpoint is whole."
            )
        self.smooth(loss)
        if self.num_losses > SETTLED_STEPS and self.divergence and self.smoothed > self.divergence * self.lowest:
            raise DivergedError(
                f"step {step}: the loss climbed to {self.smoothed:.3g} from {self.lowest:.3g}: training diverges. "
                f"Lower lr or raise warmup; divergence={self.divergence:g} is the limit, 0 turns it off."
            )

    def point(self, *, step: int, num_steps: int, epoch: float, loss: float, lr: float, grad_norm: float) -> Point:
        """Record a point of the curve and call the listener."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        done = max(step - self.started_step, 1)
        point = Point(
            step=step, num_steps=num_steps, epoch=epoch, loss=loss, lr=lr, grad_norm=grad_norm,
            tokens=self.tokens, tokens_per_second=self.tokens / seconds,
            seconds_left=seconds / done * (num_steps - step),
        )  # fmt: skip
        self.points.append(point)
        self.keep(point)
        return point

    def validation(self, validation: Validation) -> None:
        """Record a validation and call the listener."""
        self.validations.append(validation)
        self.keep(validation)

    def validations_since_best(self, best: BestOptions) -> int:
        """Return the number of validations after the best one by a metric; 0 where the last one is the best."""
        scores = scores_of(best, self.validations)
        if not scores:
            return 0
        steps = list(scores)
        return len(steps) - 1 - steps.index(best_step(scores, lower_is_better=best.metric != "accuracy"))

    def is_out_of_patience(self, best: BestOptions) -> bool:
        """Say whether the run should stop early: `best.patience` validations passed without a better one."""
        return bool(best.patience) and self.validations_since_best(best) >= best.patience

    def keep(self, entry: Point | Validation) -> None:
        """Append a line to the curve file and call the listener."""
        descriptor = open_for_writing(self.path, os.O_WRONLY | os.O_APPEND)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(entry)) + "\n")
        if self.listener:
            self.listener(entry)


def scores_of(best: BestOptions, validations: Sequence[Validation]) -> dict[int, float]:
    """Return a metric's scores by step; without a metric early stopping uses the loss."""
    if best.metric == "accuracy":
        return {validation.step: validation.accuracy for validation in validations if validation.accuracy is not None}
    return {validation.step: validation.eval_loss for validation in validations}


def best_step(scores: Mapping[int, float], *, lower_is_better: bool) -> int:
    """Return the step with the best score, the earliest of equals."""
    sign = 1 if lower_is_better else -1
    return min(scores, key=lambda step: (sign * scores[step], step))


def best_of(best: BestOptions, watch: Watch, kept: Collection[int]) -> int | None:
    """Return the best kept checkpoint's step by the recipe's metric, or None where the last one is chosen."""
    scores = scores_of(best, [validation for validation in watch.validations if validation.step in kept])
    return best_step(scores, lower_is_better=best.metric == "loss") if best.metric and scores else None


def read_curve(path: Path) -> tuple[list[Point], list[Validation]]:
    """Return the points and validations of a curve file; a torn last line is left out."""
    points: list[Point] = []
    validations: list[Validation] = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                values: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            if "eval_loss" in values:
                validations.append(Validation(**values))
            else:
                points.append(Point(**values))
    return points, validations


def write_curve(path: Path, lines: list[Point | Validation]) -> None:
    """Replace the curve file atomically."""
    write_atomically(path, (json.dumps(asdict(line)).encode() + b"\n" for line in lines))
