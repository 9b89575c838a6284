"""Compute a study's result: the accuracy of every arm with its interval, and every pair of arms compared. Pure.

Intervals are at 95 %. All replies to questions made from one original, by all students of an arm, are one cluster: that
interval covers other questions for the same students. For a difference, the wide interval adds the variance over
trainings: the variance of accuracy over seeds, pooled over the arms because a few seeds of one arm cannot estimate it,
with Satterthwaite's degrees of freedom. That counts the chance in single replies twice, so the wide interval is a
little too wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, stdev, variance
from typing import Any, Protocol

import msgspec

from mathstrap.evaluate import metrics
from mathstrap.evaluate.compare import compare_scores, mcnemar_exact
from mathstrap.evaluate.score import ScoredDraw
from mathstrap.stats.estimates import Estimate, ratio_of, t_quantile, two_sided_p
from mathstrap.study.cost import ArmCost
from mathstrap.study.power import ALPHA, Variance, add_up, detectable

DIRECTIONS = ("forward", "backward")
# Floating-point sums of thirds differ from 0 by less than this where they should be 0.
TIE = 1e-9
BACKWARD_ENDINGS = ("-backward", "-backward-full")


class Judged(Protocol):
    """A graded reply: its question, the question's original, and whether it is right."""

    @property
    def problem(self) -> str:
        """The id of the question."""

    @property
    def cluster(self) -> str:
        """The id of the original question."""

    @property
    def is_correct(self) -> bool:
        """Whether the reply is right."""


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """An arm's mean accuracy over its students; `spread` is the standard deviation over seeds, None for one seed."""

    score: Estimate
    by_seed: list[float]
    spread: float | None


class ArmDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Arm b less arm a on the questions both answered.

    `low` to `high` resamples originals (paired bootstrap): the same students, other questions. `wide_low` to
    `wide_high` adds the variance over trainings. `p_sign` is the sign test over originals (McNemar's where a question
    has one reply), `p_wide` the t-test that corresponds to the wide interval; `p_value` is the larger, or 1 where they
    have opposite signs, `p_adjusted` Holm's over all pairs of the direction; `is_found` where that is below 0.05.
    `could_find` is approximately the difference detected with 80 % power, from the observed variance and at the
    strictest step of Holm's rule; None where no question separated the arms, so that no variance was observed.
    """

    a: str
    b: str
    difference: float
    low: float
    high: float
    wide_low: float
    wide_high: float
    p_sign: float
    p_wide: float
    p_value: float
    p_adjusted: float
    test: str
    num_questions: int
    num_originals: int
    num_gained: int
    num_lost: int
    could_find: float | None
    is_found: bool


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """One arm at one size under one way of matching: its students' training data and results.

    Numbers of samples, steps and tokens are means over the seeds. `gain` is the diversity gain of the arm's questions
    over the seeds' own, `perplexity` the median of its replies under the untrained model.
    """

    arm: str
    size: int
    match: str
    num_students: int
    num_planned: int
    num_samples: float
    methods: dict[str, float]
    steps: float
    passes: float
    samples_seen: float
    tokens_seen: float
    accuracy: dict[str, Accuracy]
    sets: dict[str, Estimate]
    lengths: dict[str, Estimate]
    truncated: float
    unparseable: float
    gain: float | None = None
    perplexity: float | None = None


class ArmGroup(msgspec.Struct, frozen=True, kw_only=True):
    """All arms of one size under one way of matching, compared in pairs, by direction."""

    size: int
    match: str
    differences: dict[str, list[ArmDifference]]


class StudyResult(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of study.json; `notes` are its caveats."""

    name: str
    is_complete: bool
    num_seeds: int
    num_samples: int
    base: dict[str, Accuracy]
    cells: list[CellResult]
    groups: list[ArmGroup]
    notes: list[str]
    protocol: list[str]
    versions: dict[str, str]
    recipe: dict[str, Any]
    costs: dict[str, ArmCost] = {}


def direction_of(benchmark: str) -> str:
    """Return the direction of a set: forward or backward."""
    return "backward" if benchmark.endswith(BACKWARD_ENDINGS) else "forward"


def accuracy(students: Sequence[Sequence[Judged]]) -> Accuracy | None:
    """Return the accuracy of an arm's students on the same questions; None without replies."""
    draws = [draw for student_draws in students for draw in student_draws]
    if not draws:
        return None
    by_seed = [fmean(draw.is_correct for draw in replies) for replies in students if replies]
    return Accuracy(
        score=metrics.score([float(draw.is_correct) for draw in draws], [draw.cluster for draw in draws]),
        by_seed=by_seed, spread=stdev(by_seed) if len(by_seed) > 1 else None,
    )  # fmt: skip


def by_length(students: Sequence[Sequence[ScoredDraw]]) -> dict[str, Estimate]:
    """Return accuracy by thirds of question length, in characters (paper, 4.9)."""
    draws = [draw for student_draws in students for draw in student_draws]
    thirds = metrics.terciles({draw.problem: len(draw.question) for draw in draws})
    scores: dict[str, Estimate] = {}
    for third in ("short", "medium", "long"):
        part = [draw for draw in draws if thirds[draw.problem] == third]
        if part:
            scores[third] = metrics.score([float(draw.is_correct) for draw in part], [draw.cluster for draw in part])
    return scores


def mean_by_question(students: Sequence[Sequence[Judged]]) -> dict[str, float]:
    """Return each question's share of right replies over all students."""
    by_question: dict[str, list[bool]] = {}
    for draws in students:
        for draw in draws:
            by_question.setdefault(draw.problem, []).append(draw.is_correct)
    return {problem: fmean(right) for problem, right in by_question.items()}


def compare_arms(
    arms: Mapping[str, Sequence[Sequence[Judged]]], pairs: Sequence[tuple[str, str]] | None = None
) -> list[ArmDifference]:
    """Compare pairs of arms with replies, by default every pair, with p-values adjusted by Holm."""
    asked = {arm: students for arm, students in arms.items() if any(students)}
    pairs = [pair for pair in (combinations(asked, 2) if pairs is None else pairs) if asked.keys() >= set(pair)]
    trainings = pooled([seed_means(students) for students in asked.values()])
    return with_holm(
        [compare_pair(a, b, asked[a], asked[b], trainings=trainings, num_pairs=len(pairs)) for a, b in pairs]
    )


def compare_pair(
    a: str, b: str, students_a: Sequence[Sequence[Judged]], students_b: Sequence[Sequence[Judged]], *,
    trainings: Variance | None, num_pairs: int,
) -> ArmDifference:  # fmt: skip
    """Return b less a as one of `num_pairs` pairs, its p-value not yet adjusted."""
    clusters = {draw.problem: draw.cluster for draws in (*students_a, *students_b) for draw in draws}
    means_a, means_b = mean_by_question(students_a), mean_by_question(students_b)
    compared = compare_scores(means_a, means_b, clusters)
    differences: dict[str, list[float]] = {}
    for problem in sorted(means_a.keys() & means_b.keys()):
        differences.setdefault(clusters[problem], []).append(means_b[problem] - means_a[problem])
    by_original = [(math.fsum(values), len(values)) for values in differences.values()]
    error_variance = with_seeds(by_original, trainings, len(seed_means(students_a)), len(seed_means(students_b)))
    weight = weigh(by_original, error_variance)
    error = math.sqrt(error_variance.variance)
    half_width = t_quantile(ALPHA / 2, error_variance.freedom) * error
    test = compared.test if compared.num == compared.num_clusters else "sign test over originals"
    return ArmDifference(
        a=a, b=b, difference=compared.difference, low=compared.low, high=compared.high,
        wide_low=compared.difference - half_width, wide_high=compared.difference + half_width, p_sign=weight.p_sign,
        p_wide=weight.p_wide, p_value=weight.p_value, p_adjusted=weight.p_value, test=test, num_questions=compared.num,
        num_originals=compared.num_clusters, num_gained=weight.num_gained, num_lost=weight.num_lost,
        could_find=detectable(error_variance, num_comparisons=num_pairs) if error else None, is_found=False,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Weight:
    """The evidence for a difference; the p-values are those of ArmDifference."""

    num_gained: int
    num_lost: int
    p_sign: float
    p_wide: float
    p_value: float


def weigh(by_original: Sequence[tuple[float, int]], error_variance: Variance) -> Weight:
    """Test a difference, given as (sum of differences, questions) of each original, against its error variance."""
    difference = math.fsum(value for value, _ in by_original) / max(1, sum(num for _, num in by_original))
    num_gained = sum(value > TIE for value, _ in by_original)
    num_lost = sum(value < -TIE for value, _ in by_original)
    p_sign = mcnemar_exact(num_gained, num_lost)
    error = math.sqrt(error_variance.variance)
    p_wide = two_sided_p(difference / error, error_variance.freedom) if error else float(not difference)
    point_apart = (num_gained - num_lost) * difference < 0
    return Weight(
        num_gained=num_gained, num_lost=num_lost, p_sign=p_sign, p_wide=p_wide,
        p_value=1.0 if point_apart else max(p_sign, p_wide),
    )  # fmt: skip


def seed_means(students: Sequence[Sequence[Judged]]) -> list[float]:
    """Return each student's accuracy."""
    return [fmean(draw.is_correct for draw in draws) for draws in students if draws]


def pooled(arms: Iterable[Sequence[float]]) -> Variance | None:
    """Return the variance of accuracy over seeds, pooled over all arms; None where no arm has two seeds."""
    several = [values for values in arms if len(values) > 1]
    freedom = sum(len(values) - 1 for values in several)
    if not freedom:
        return None
    return Variance(
        variance=math.fsum((len(means) - 1) * variance(means) for means in several) / freedom, freedom=freedom
    )


def with_seeds(
    pairs: Sequence[tuple[float, float]], trainings: Variance | None, num_a: int, num_b: int
) -> Variance:  # fmt: skip
    """Return the variance of a difference of arms with these numbers of seeds, and its degrees of freedom.

    `pairs` holds (sum of differences, questions) of each original. To the variance over originals it adds the variance
    of both arms' means over seeds, where that is known.
    """
    over_questions = ratio_of(pairs)
    freedom = max(1, len(pairs) - 1)
    error = over_questions.half_width / t_quantile(ALPHA / 2, freedom)
    sampling = 0.0 if math.isnan(error) else error**2
    parts = [(sampling, freedom)]
    if trainings is not None:
        parts.append((trainings.variance * (1 / num_a + 1 / num_b), trainings.freedom))
    return add_up(parts)


def with_holm(differences: Sequence[ArmDifference]) -> list[ArmDifference]:
    """Return the differences with Holm-adjusted p-values, and whether each is significant."""
    order = sorted(range(len(differences)), key=lambda place: differences[place].p_value)
    adjusted = [0.0] * len(differences)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(differences) - rank) * differences[place].p_value))
        adjusted[place] = highest
    return [
        msgspec.structs.replace(difference, p_adjusted=p_value, is_found=p_value < ALPHA)
        for difference, p_value in zip(differences, adjusted, strict=True)
    ]


def verdict(difference: ArmDifference) -> str:
    """Return the conclusion of a comparison as a sentence."""
    if difference.is_found:
        direction = "better" if difference.difference > 0 else "worse"
        return f"{difference.b} is {direction} than {difference.a}: {numbers_of(difference)}."
    return f"No difference between {difference.a} and {difference.b} was detected ({numbers_of(difference)}); " + (
        "no question set them apart, so what could have been found is not known."
        if difference.could_find is None
        else f"about {100 * difference.could_find:.1f} points would have been found in four studies of five."
    )


def numbers_of(difference: ArmDifference) -> str:
    """Return a comparison's difference in points with half its 95 % interval, and its adjusted p."""
    points, half_width = 100 * difference.difference, 100 * (difference.wide_high - difference.wide_low) / 2
    return f"{points:+.1f} ± {half_width:.1f} points, p = {difference.p_adjusted:.2g}"
