"""Say before a study which difference it could find. Pure.

The model: a student of accuracy p answers question q rightly with a chance that depends on q; two students' answers to
one question have the correlation r, whichever arms they are of; and an arm's accuracy moves by s from one training to
the next. Two arms of S students each on Q questions then differ by chance with the variance

    2 p (1 - p) (1 - r) / (S Q)  +  2 s^2 / S

where questions built from one original count as m / (1 + (m - 1) r) of themselves. (Miller, arXiv 2411.00640, gives
the paired term for S = 1.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, kw_only=True)
class PowerEstimate:
    """The smallest difference in accuracy found with 80 % power at the 5 % level, and what was assumed.

    `one` is for a single comparison chosen beforehand, `all` for the strictest step of Holm's correction.
    """

    direction: str
    num_questions: int
    num_originals: int
    num_seeds: int
    num_comparisons: int
    accuracy: float
    correlation: float
    seed_sd: float
    one: float
    all: float


def difference_variance(
    *, num_originals: int, per_original: float, num_seeds: int, accuracy: float, correlation: float, seed_sd: float
) -> float:
    """Return the variance of the difference of two arms' mean accuracies where the arms are equally good."""
    effective = num_originals * per_original / (1 + (per_original - 1) * correlation)
    sampling = 2 * accuracy * (1 - accuracy) * (1 - correlation) / (num_seeds * effective)
    return sampling + 2 * seed_sd**2 / num_seeds


def detectable(variance: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the true difference that a two-sided test of level `alpha` finds with the given power."""
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)) * math.sqrt(variance)


def estimate_power(
    direction: str, *, num_questions: int, num_originals: int, num_seeds: int, num_comparisons: int, accuracy: float,
    correlation: float, seed_sd: float,
) -> PowerEstimate | None:
    """Return what a study could find; None without questions."""
    if not num_questions or not num_originals:
        return None
    variance = difference_variance(
        num_originals=num_originals, per_original=num_questions / num_originals, num_seeds=num_seeds,
        accuracy=accuracy, correlation=correlation, seed_sd=seed_sd,
    )  # fmt: skip
    return PowerEstimate(
        direction=direction, num_questions=num_questions, num_originals=num_originals, num_seeds=num_seeds,
        num_comparisons=num_comparisons, accuracy=accuracy, correlation=correlation, seed_sd=seed_sd,
        one=detectable(variance), all=detectable(variance, alpha=0.05 / max(1, num_comparisons)),
    )  # fmt: skip
