"""Say before a study which difference it could find. Pure.

The model: a student of accuracy p answers question q rightly with a chance that depends on q; two students' answers to
one question have the correlation r, whichever arms they are of; and an arm's accuracy moves by s from one training to
the next. Two arms of S students each on Q questions then differ by chance with the variance

    2 p (1 - p) (1 - r) / (S Q)  +  2 s^2 / S

where questions built from one original count as m / (1 + (m - 1) r) of themselves. (Miller, arXiv 2411.00640, gives
the paired term for S = 1.) The rule of `result` sees more: an arm's accuracy over its seeds moves by the first term
too, which is then counted twice, and few seeds tell a variance badly. So the chance of finding a difference is taken
over many studies, each with the variance that its seeds happen to show.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist, fmean

from mathstrap.stats.estimates import t_quantile

ALPHA = 0.05
POWER = 0.8
# Tells a difference to about two parts in a hundred.
NUM_STUDIES = 500


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


@dataclass(frozen=True, kw_only=True)
class Variance:
    """The variance of a difference between two arms, and the degrees of freedom it is known with."""

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


def detectable(spread: Variance, *, num_comparisons: int = 1) -> float:
    """Return about the true difference that a comparison with this spread finds in four studies of five.

    It is a two-sided t-test at the 5 % level, shared among `num_comparisons` as in the strictest step of Holm's rule.
    """
    bound = t_quantile(ALPHA / (2 * max(1, num_comparisons)), spread.freedom)
    return (bound + t_quantile(1 - POWER, spread.freedom)) * math.sqrt(spread.variance)


def spreads_seen(
    sampling: float, whole: float, *, num_originals: int, num_arms: int, num_seeds: int
) -> list[Variance]:  # fmt: skip
    """Return the spreads many studies see where differences vary by `whole`, by `sampling` from questions alone."""
    of_questions = (sampling, max(1, num_originals - 1))
    freedom = num_arms * (num_seeds - 1)
    if not freedom:
        return [add_up([of_questions])]
    rng, shape = random.Random(0), freedom / 2
    # A variance seen with `freedom` degrees of freedom is the true one times a chi-squared number over them.
    return [
        add_up([of_questions, (whole * rng.gammavariate(shape, 1 / shape), freedom)]) for _ in range(NUM_STUDIES)
    ]  # fmt: skip


def found_in_most(spreads: Sequence[Variance], whole: float, *, num_comparisons: int) -> float:
    """Return the true difference found in four studies of five with such spreads, whose differences vary by `whole`."""
    tail = ALPHA / (2 * max(1, num_comparisons))
    quantiles = {freedom: t_quantile(tail, freedom) for freedom in {spread.freedom for spread in spreads}}
    bounds = [quantiles[spread.freedom] * math.sqrt(spread.variance) for spread in spreads]
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
    """Return what a study could find; None without questions. Every pair of arms is compared by default."""
    if not num_questions or not num_originals:
        return None
    vary = partial(
        difference_variance, num_originals=num_originals, per_original=num_questions / num_originals,
        num_seeds=num_seeds, accuracy=accuracy, correlation=correlation,
    )  # fmt: skip
    whole = vary(seed_sd=seed_sd)
    spreads = spreads_seen(
        vary(seed_sd=0.0), whole, num_originals=num_originals, num_arms=num_arms, num_seeds=num_seeds
    )  # fmt: skip
    if num_comparisons is None:
        num_comparisons = num_arms * (num_arms - 1) // 2
    return PowerEstimate(
        direction=direction, num_questions=num_questions, num_originals=num_originals, num_seeds=num_seeds,
        num_comparisons=num_comparisons, accuracy=accuracy, correlation=correlation, seed_sd=seed_sd,
        one=found_in_most(spreads, whole, num_comparisons=1),
        all=found_in_most(spreads, whole, num_comparisons=num_comparisons),
    )  # fmt: skip
