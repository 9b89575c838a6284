"""Means and shares with 95 % intervals that account for the dependence of rows of one seed question. Pure.

Every estimate is a ratio of two sums, taken over clusters (one per seed question): a share is correct / answered, a
mean length is words / replies, a price is dollars / kept samples. Its variance is the linearised one of a ratio
(Cochran, Sampling Techniques, section 6.3), which for one row per cluster is the textbook variance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

# scipy.stats has these functions, but it is 60 MB that no install of Mathstrap needs otherwise, and reports are part of
# the base install.
Z = 1.959963984540054  # the normal distribution's 97.5 % point


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval; `num` is the denominator's sum, `clusters` the number of seeds.

    `low` and `high` are NaN where an interval cannot be computed: no rows, or a mean over one seed.
    """

    value: float
    low: float
    high: float
    num: int
    clusters: int

    @property
    def half_width(self) -> float:
        """Half the interval."""
        return (self.high - self.low) / 2


NOTHING = Estimate(value=math.nan, low=math.nan, high=math.nan, num=0, clusters=0)


@dataclass
class Sums:
    """The running sums of a numerator and a denominator, by cluster."""

    top: dict[str, float]
    bottom: dict[str, float]

    @classmethod
    def empty(cls) -> Sums:
        """Return empty sums."""
        return cls({}, {})

    def add(self, cluster: str, top: float, bottom: float = 1.0) -> None:
        """Add to both sums of one cluster."""
        self.top[cluster] = self.top.get(cluster, 0.0) + top
        self.bottom[cluster] = self.bottom.get(cluster, 0.0) + bottom

    def mean(self) -> Estimate:
        """Return top / bottom with Student's interval over clusters."""
        return ratio(self.top, self.bottom)

    def share(self) -> Estimate:
        """Return top / bottom, a proportion, with Wilson's interval at the effective sample size."""
        return share(self.top, self.bottom)


def ratio(top: Mapping[str, float], bottom: Mapping[str, float]) -> Estimate:
    """Return sum(top) / sum(bottom) with a 95 % interval from the variance between clusters (the mappings' keys)."""
    return ratio_of([(top.get(name, 0.0), size) for name, size in bottom.items()])


def share(top: Mapping[str, float], bottom: Mapping[str, float]) -> Estimate:
    """Return a proportion with Wilson's interval; the mappings' keys are the clusters."""
    return share_of([(top.get(name, 0.0), size) for name, size in bottom.items()])


def ratio_of(pairs: Sequence[tuple[float, float]]) -> Estimate:
    """Return the ratio of the sums of (top, bottom) pairs, one pair for each cluster, with Student's interval."""
    whole, clusters = math.fsum(size for _, size in pairs), len(pairs)
    if whole <= 0:
        return NOTHING
    value = math.fsum(part for part, _ in pairs) / whole
    if clusters < 2:
        return Estimate(value=value, low=math.nan, high=math.nan, num=round(whole), clusters=clusters)
    half_width = t_quantile(0.025, clusters - 1) * math.sqrt(_ratio_variance(pairs, value, whole))
    return Estimate(value=value, low=value - half_width, high=value + half_width, num=round(whole), clusters=clusters)


def share_of(pairs: Sequence[tuple[float, float]]) -> Estimate:
    """Return a proportion with Wilson's interval, its sample size divided by the design effect of the clusters.

    Where all or none succeed, the design effect cannot be estimated, and each cluster counts as one observation.
    """
    whole, clusters = math.fsum(size for _, size in pairs), len(pairs)
    if whole <= 0:
        return NOTHING
    value = math.fsum(part for part, _ in pairs) / whole
    effective = float(clusters)
    if 0 < value < 1 and clusters > 1:
        variance = _ratio_variance(pairs, value, whole)
        effective = min(whole, value * (1 - value) / variance) if variance > 0 else whole
    low, high = wilson(value, effective)
    return Estimate(value=value, low=low, high=high, num=round(whole), clusters=clusters)


def wilson(value: float, num: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion seen in `num` observations; `num` need not be whole."""
    if num <= 0:
        return 0.0, 1.0
    value = min(1.0, max(0.0, value))  # a file with duplicated lines may count more successes than tries
    middle = (value + Z * Z / (2 * num)) / (1 + Z * Z / num)
    half_width = Z / (1 + Z * Z / num) * math.sqrt(value * (1 - value) / num + Z * Z / (4 * num * num))
    low = 0.0 if value <= 0 else max(0.0, middle - half_width)
    return low, 1.0 if value >= 1 else min(1.0, middle + half_width)


def median(values: Sequence[float]) -> Estimate:
    """Return the median with the distribution-free interval of order statistics, treating rows as independent."""
    ordered = sorted(values)
    num = len(ordered)
    if not num:
        return NOTHING
    middle = (ordered[(num - 1) // 2] + ordered[num // 2]) / 2
    below = math.floor((num - Z * math.sqrt(num)) / 2)  # the number of values below the lower end
    if below < 1:
        return Estimate(value=middle, low=math.nan, high=math.nan, num=num, clusters=num)
    return Estimate(value=middle, low=ordered[below - 1], high=ordered[num - below], num=num, clusters=num)


def two_sided_p(value: float, freedom: int) -> float:
    """Return the two-sided p-value of Student's t with a whole number of degrees of freedom.

    The finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    angle = math.atan(abs(value) / math.sqrt(freedom))
    is_odd = freedom % 2
    term = math.cos(angle) if is_odd else 1.0
    inside = term if freedom > 1 else 0.0
    for place in range(2 + is_odd, freedom - 1, 2):
        term *= (place - 1) / place * math.cos(angle) ** 2
        inside += term
    inside *= math.sin(angle)
    return max(0.0, 1 - (2 / math.pi * (angle + inside) if is_odd else inside))


@lru_cache(maxsize=1024)
def t_quantile(tail: float, freedom: int) -> float:
    """Return the value that Student's t exceeds with the chance `tail`, which is above 0 and at most 0.5.

    Above 200 degrees of freedom the series is slow, and Fisher's expansion is exact to seven digits.
    """
    if freedom > 200:
        z, n = NormalDist().inv_cdf(1 - tail), float(freedom)
        second, third = 5 * z**5 + 16 * z**3 + 3 * z, 3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z
        return z + (z**3 + z) / (4 * n) + second / (96 * n**2) + third / (384 * n**3)
    low, high = 0.0, 1.0
    while two_sided_p(high, freedom) > 2 * tail:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, freedom) > 2 * tail else (low, middle)
    return high


def _ratio_variance(pairs: Sequence[tuple[float, float]], value: float, whole: float) -> float:
    clusters = len(pairs)
    squares = math.fsum((part - value * size) ** 2 for part, size in pairs)
    return clusters / (clusters - 1) * squares / (whole * whole)
