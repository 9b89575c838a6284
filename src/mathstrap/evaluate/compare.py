"""Compare two models on the same questions: exact McNemar, paired bootstrap, flips, power. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist

import msgspec

from mathstrap.evaluate.metrics import cluster_bootstrap


class PairedComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two models on `num` questions both answered. Differences are B minus A; p is two-sided.

    `gained` are the questions on which B is better, `lost` those on which A is. `detectable` is the smallest difference
    that a study of this size and this share of discordant questions detects with 80 % power at the 5 % level; `needed`
    is the number of questions that would detect the observed difference, 0 where there is none.
    """

    num: int
    num_clusters: int
    accuracy_a: float
    accuracy_b: float
    difference: float
    low: float
    high: float
    both: int
    neither: int
    gained: list[str]
    lost: list[str]
    p_value: float
    test: str
    detectable: float
    power: float
    needed: int
    only_a: int = 0
    only_b: int = 0


def mcnemar_exact(num_gained: int, num_lost: int) -> float:
    """Return the two-sided exact p-value that gains and losses are equally likely; 1 when nothing flipped."""
    flipped = num_gained + num_lost
    tail, term = 0, 1
    for i in range(min(num_gained, num_lost) + 1):  # whole numbers, so that only the final division rounds
        tail += term
        term = term * (flipped - i) // (i + 1)
    return float(min(1.0, 2 * tail / 2**flipped))


def power(num: int, discordant: float, difference: float, *, alpha: float = 0.05) -> float:
    """Return the chance that McNemar's test detects `difference` among `num` questions (Connor's approximation).

    `discordant` is the share of questions on which exactly one of the two is right; at least |difference|.
    """
    gap = abs(difference)
    if num == 0 or gap == 0:
        return alpha
    if gap > discordant:
        raise ValueError(f"the difference {gap} cannot exceed the discordant share {discordant}")
    variance = discordant - gap * gap
    normal = NormalDist()
    bound = normal.inv_cdf(1 - alpha / 2) * math.sqrt(discordant)
    if variance <= 0:
        return 1.0 if gap * math.sqrt(num) > bound else 0.0
    return normal.cdf((gap * math.sqrt(num) - bound) / math.sqrt(variance))


def detectable_difference(num: int, discordant: float, *, alpha: float = 0.05, wanted_power: float = 0.8) -> float:
    """Return the smallest difference detected with the wanted power, at most the discordant share; 1 if none is."""
    if num == 0 or discordant <= 0:
        return 1.0
    low, high = 0.0, discordant
    if power(num, discordant, high, alpha=alpha) < wanted_power:
        return 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if middle > 0 and power(num, discordant, middle, alpha=alpha) >= wanted_power:
            high = middle
        else:
            low = middle
    return high


def questions_needed(discordant: float, difference: float, *, alpha: float = 0.05, wanted_power: float = 0.8) -> int:
    """Return the number of questions that detect `difference` with the wanted power."""
    normal = NormalDist()
    gap = abs(difference)
    if not 0 < gap <= discordant:
        raise ValueError(f"the difference must lie in (0, {discordant}], got {difference}")
    root = normal.inv_cdf(1 - alpha / 2) * math.sqrt(discordant)
    root += normal.inv_cdf(wanted_power) * math.sqrt(max(0.0, discordant - gap * gap))
    return math.ceil((root / gap) ** 2)


def compare_scores(a: Mapping[str, float], b: Mapping[str, float], clusters: Mapping[str, str]) -> PairedComparison:
    """Compare two models by their mean score per question (0..1), on the questions both have.

    With one draw per question the test is McNemar's, exact. With several draws it is a sign test: the same binomial on
    the questions whose means differ. Both treat questions as independent; the interval resamples clusters.
    """
    shared = sorted(a.keys() & b.keys())
    gained = [question for question in shared if b[question] > a[question]]
    lost = [question for question in shared if b[question] < a[question]]
    single = all(score in (0.0, 1.0) for question in shared for score in (a[question], b[question]))
    num = len(shared)
    differences = {question: b[question] - a[question] for question in shared}
    low, high = cluster_bootstrap(list(differences.values()), [clusters[question] for question in shared])
    discordant = (len(gained) + len(lost)) / num if num else 0.0
    mean_a = math.fsum(a[question] for question in shared) / num if num else 0.0
    mean_b = math.fsum(b[question] for question in shared) / num if num else 0.0
    difference = math.fsum(differences.values()) / num if num else 0.0
    return PairedComparison(
        num=num,
        num_clusters=len({clusters[question] for question in shared}),
        accuracy_a=mean_a,
        accuracy_b=mean_b,
        difference=difference,
        low=low,
        high=high,
        both=sum(a[question] == b[question] == 1.0 for question in shared),
        neither=sum(a[question] == b[question] == 0.0 for question in shared),
        gained=gained,
        lost=lost,
        p_value=mcnemar_exact(len(gained), len(lost)),
        test="McNemar, exact" if single else "sign test on mean scores",
        detectable=detectable_difference(num, discordant),
        power=power(num, discordant, difference) if num else 0.0,
        needed=questions_needed(discordant, difference) if 0 < abs(difference) <= discordant else 0,
        only_a=len(a.keys() - b.keys()),
        only_b=len(b.keys() - a.keys()),
    )
