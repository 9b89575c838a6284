"""Estimate before a study which difference it could detect. Pure.

The model: a student of accuracy p answers question q rightly with a chance that depends on q; two students' answers to
one question have the correlation r, whatever their arms; and an arm's accuracy has the standard deviation s over
trainings. Two arms of S students each on Q questions then differ by chance with the variance

    2 p (1 - p) (1 - r) / (S Q)  +  2 s^2 / S

where m questions built from one original count as m / (1 + (m - 1) r). (Miller, arXiv 2411.00640, gives the paired
term for S = 1.) The test in `result` is stricter: an arm's accuracy over its seeds also varies by the first term, which
is then counted twice, and few seeds estimate a variance badly. So the chance of detecting a difference is averaged
over many simulated studies, each with its own observed variance.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist, fmean

from mathstrap.stats.estimates import t_quantile

# The two conventions of planning: 5% false alarms, two-sided, and 80% of true effects found.
ALPHA = 0.05
POWER = 0.8
# Simulated studies; enough for a difference accurate to about two per cent.
NUM_STUDIES = 500


@dataclass(frozen=True, kw_only=True)
class PowerEstimate:
    """The smallest difference in accuracy detected with 80 % power at the 5 % level, and the assumptions.

    `single` is for one comparison chosen beforehand, `adjusted` for the strictest step of Holm's correction.
    """

    direction: str
    num_questions: int
    num_originals: int
    num_seeds: int
    num_comparisons: int
    accuracy: float
    correlation: float
    seed_sd: float
    single: float
    adjusted: float


@dataclass(frozen=True, kw_only=True)
class Variance:
    """The estimated variance of a difference between two arms, and its degrees of freedom."""

    variance: float
    freedom: int


def add_up(parts: Sequence[tuple[float, int]]) -> Variance:
    """Return the sum of variances, each with its degrees of freedom, by Satterthwaite's rule."""
    variance = math.fsum(part for part, _ in parts)
    weight = math.fsum(part * part / freedom for part, freedom in parts)
    whole = variance * variance / weight if weight else float(min(freedom for _, freedom in parts))
    return Variance(variance=variance, freedom=max(1, math.floor(whole + 1e-9)))


def difference_variance(
    *, num_originals: int, per_original: float, num_seeds: int, accuracy: float, correlation: float, seed_sd: float
) -> float:
    """Return the variance of the difference of two arms' mean accuracies where the arms are equally good."""
    effective = num_originals * per_original / (1 + (per_original - 1) * correlation)
    sampling = 2 * accuracy * (1 - accuracy) * (1 - correlation) / (num_seeds * effective)
    return sampling + 2 * seed_sd**2 / num_seeds


def detectable(error_variance: Variance, *, num_comparisons: int = 1) -> float:
    """Return approximately the true difference that a comparison of this variance detects in four studies of five.

    It is a two-sided t-test at the 5 % level, divided by `num_comparisons` as in the strictest step of Holm's rule.
    """
    bound = t_quantile(ALPHA / (2 * max(1, num_comparisons)), error_variance.freedom)
    return (bound + t_quantile(1 - POWER, error_variance.freedom)) * math.sqrt(error_variance.variance)


def observed_variances(
    sampling: float, whole: float, *, num_originals: int, num_arms: int, num_seeds: int
) -> list[Variance]:  # fmt: skip
    """Return the variances that simulated studies observe, where `whole` is true and `sampling` that of questions."""
    of_questions = (sampling, max(1, num_originals - 1))
    freedom = num_arms * (num_seeds - 1)
    if not freedom:
        return [add_up([of_questions])]
    rng, shape = random.Random(0), freedom / 2
    # An observed variance is the true one times a chi-squared variable divided by its degrees of freedom.
    return [
        add_up([of_questions, (whole * rng.gammavariate(shape, 1 / shape), freedom)]) for _ in range(NUM_STUDIES)
    ]  # fmt: skip


def detected_in_most(variances: Sequence[Variance], whole: float, *, num_comparisons: int) -> float:
    """Return the true difference detected in four studies of five with such observed and the true variance `whole`."""
    tail = ALPHA / (2 * max(1, num_comparisons))
    quantiles = {freedom: t_quantile(tail, freedom) for freedom in {variance.freedom for variance in variances}}
    bounds = [quantiles[variance.freedom] * math.sqrt(variance.variance) for variance in variances]
    chance = NormalDist(sigma=math.sqrt(whole)).cdf
    low, high = 0.0, 2 * max(bounds) + 10 * math.sqrt(whole)
    for _ in range(20):
        middle = (low + high) / 2
        is_found = fmean(chance(middle - bound) for bound in bounds) >= POWER
        low, high = (low, middle) if is_found else (middle, high)
    return high


def estimate_power(
    direction: str, *, num_questions: int, num_originals: int, num_seeds: int, num_arms: int, accuracy: float,
    correlation: float, seed_sd: float, num_comparisons: int | None = None,
) -> PowerEstimate | None:
    """Return the differences a study could detect; None without questions. The default compares every pair of arms."""
    if not num_questions or not num_originals:
        return None
    vary = partial(
        difference_variance, num_originals=num_originals, per_original=num_questions / num_originals,
        num_seeds=num_seeds, accuracy=accuracy, correlation=correlation,
    )  # fmt: skip
    whole = vary(seed_sd=seed_sd)
    variances = observed_variances(
        vary(seed_sd=0.0), whole, num_originals=num_originals, num_arms=num_arms, num_seeds=num_seeds
    )  # fmt: skip
    if num_comparisons is None:
        num_comparisons = num_arms * (num_arms - 1) // 2
    return PowerEstimate(
        direction=direction, num_questions=num_questions, num_originals=num_originals, num_seeds=num_seeds,
        num_comparisons=num_comparisons, accuracy=accuracy, correlation=correlation, seed_sd=seed_sd,
        single=detected_in_most(variances, whole, num_comparisons=1),
        adjusted=detected_in_most(variances, whole, num_comparisons=num_comparisons),
    )  # fmt: skip
