"""Compute accuracy, pass@k, maj@k and their intervals from graded draws. Pure; knows nothing of models or files.

All intervals are at 95 %; the variants of a seed question and the draws of a question form one cluster.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal, TypeVar

import msgspec

from mathstrap.stats.estimates import Estimate, Sums

TieRule = Literal["share", "first", "wrong"]
K = TypeVar("K", bound=Hashable)


def score(values: Sequence[float], clusters: Sequence[str]) -> Estimate:
    """Return the share of successes with Wilson's interval, whose sample size clusters of several values reduce.

    A value is a question's or a draw's: 0, 1, or a share between. No values give 0 with the interval (0, 1).
    """
    return _finite(cluster_sums(values, clusters).share())


def mean_score(values: Sequence[float], clusters: Sequence[str]) -> Estimate:
    """Return a mean that is not a share (tokens, seconds) or whose values are chances themselves (pass@k)."""
    return _finite(cluster_sums(values, clusters).mean())


def chance_score(values: Sequence[float], clusters: Sequence[str]) -> Estimate:
    """Return a mean of chances, its interval kept inside 0..1."""
    if all(value in (0.0, 1.0) for value in values):
        return score(values, clusters)
    estimate = mean_score(values, clusters)
    return replace(estimate, low=max(0.0, estimate.low), high=min(1.0, estimate.high))


def _finite(estimate: Estimate) -> Estimate:
    """Return an estimate without NaN, for JSON: no values give 0 in (0, 1), one cluster gives a point."""
    value = 0.0 if math.isnan(estimate.value) else estimate.value
    low = value if math.isnan(estimate.low) and estimate.num else estimate.low
    high = value if math.isnan(estimate.high) and estimate.num else estimate.high
    low, high = (0.0 if math.isnan(low) else low), (1.0 if math.isnan(high) else high)
    return replace(estimate, value=value, low=low, high=high)


def cluster_sums(values: Sequence[float], clusters: Sequence[str]) -> Sums:
    """Return the sum and the count of every cluster, in the order of first appearance."""
    sums = Sums.empty()
    for value, cluster in zip(values, clusters, strict=True):
        sums.add(cluster, value)
    return sums


def cluster_bootstrap(
    values: Sequence[float], clusters: Sequence[str], *, resamples: int = 2000, rng_seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean when whole clusters are drawn with replacement."""
    sums = cluster_sums(values, clusters)
    if not sums.top:
        return -math.inf, math.inf
    groups = [(total, sums.bottom[name]) for name, total in sums.top.items()]
    rng = random.Random(rng_seed)
    means = []
    for _ in range(resamples):
        drawn = rng.choices(groups, k=len(groups))
        means.append(math.fsum(total for total, _ in drawn) / math.fsum(count for _, count in drawn))
    means.sort()
    return percentile(means, 0.025), percentile(means, 0.975)


def percentile(ordered: Sequence[float], part: float) -> float:
    """Return the quantile `part` (0 to 1) of sorted values, interpolated linearly."""
    position = part * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def pass_at_k(num_draws: int, num_correct: int, k: int) -> float:
    """Return the unbiased chance that k draws without replacement contain a correct one: 1 - C(n-c, k) / C(n, k)."""
    if not 1 <= k <= num_draws:
        raise ValueError(f"pass@{k} needs at least {k} draws of each question, there are {num_draws}")
    if not 0 <= num_correct <= num_draws:
        raise ValueError(f"num_correct must lie in 0..{num_draws}, got {num_correct}")
    return 1.0 - math.comb(num_draws - num_correct, k) / math.comb(num_draws, k)


class DrawVote(msgspec.Struct, frozen=True):
    """One draw in a vote: the group of equal answers it belongs to (None abstains), and whether it is right."""

    group: int | None
    is_correct: bool


def majority(votes: Sequence[DrawVote], *, ties: TieRule = "share") -> float:
    """Return 1 when the answer with the most votes is right, 0 when it is wrong.

    Ties: `share` gives the mean of a random tie-break, `first` lets the answer drawn first win, `wrong` counts every
    tie as wrong. Draws without an answer abstain; a vote without any answer is wrong.
    """
    counts: dict[int, int] = {}
    right: dict[int, bool] = {}
    for vote in votes:
        if vote.group is not None:
            counts[vote.group] = counts.get(vote.group, 0) + 1
            right.setdefault(vote.group, vote.is_correct)
    if not counts:
        return 0.0
    most = max(counts.values())
    leaders = [group for group, count in counts.items() if count == most]
    if len(leaders) > 1 and ties == "wrong":
        return 0.0
    if ties == "share":
        return sum(right[group] for group in leaders) / len(leaders)
    return float(right[leaders[0]])


def maj_at_k(
    votes: Sequence[DrawVote], k: int, *, ties: TieRule = "share", subsets: int = 500, rng_seed: int = 0
) -> float:
    """Return the mean majority score over subsets of k draws: over all if few, else over `subsets` random ones."""
    if not 1 <= k <= len(votes):
        raise ValueError(f"maj@{k} needs at least {k} draws of each question, there are {len(votes)}")
    if math.comb(len(votes), k) <= subsets:
        chosen: list[Sequence[int]] = list(combinations(range(len(votes)), k))
    else:
        rng = random.Random(rng_seed)
        chosen = [sorted(rng.sample(range(len(votes)), k)) for _ in range(subsets)]
    return math.fsum(majority([votes[i] for i in subset], ties=ties) for subset in chosen) / len(chosen)


def group_answers(answers: Sequence[str], agree: Callable[[str, str], bool]) -> list[int | None]:
    """Number the draws in order of appearance so that equal answers share a number; "" (no answer) is None."""
    leaders: list[str] = []
    known: dict[str, int] = {}
    groups: list[int | None] = []
    for answer in answers:
        if not answer:
            groups.append(None)
            continue
        if answer not in known:
            number = next((i for i, leader in enumerate(leaders) if agree(leader, answer)), len(leaders))
            if number == len(leaders):
                leaders.append(answer)
            known[answer] = number
        groups.append(known[answer])
    return groups


def terciles(values: Mapping[K, float]) -> dict[K, Literal["short", "medium", "long"]]:
    """Split the keys into three equal thirds by value; equal values keep the mapping's order."""
    order = sorted(values, key=lambda key: values[key])
    first, second = len(order) / 3, 2 * len(order) / 3
    return {
        key: "short" if place < first else "medium" if place < second else "long" for place, key in enumerate(order)
    }


def pass_ks(num_draws: int) -> list[int]:
    """Return the k to report for n draws: powers of two, and n itself."""
    ks = [2**power for power in range(20) if 2**power < num_draws]
    return [*ks, num_draws] if num_draws else []
