"""What a study shows: accuracy of every arm with its interval, and every pair of arms compared. Pure.

Intervals are at 95 %. All replies to questions made from one original, by all students of an arm, are one cluster: that
interval speaks of these students on other questions. What another training would change comes on top of it for a
difference: the variance of each arm's accuracy over its seeds, with Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean, stdev

import msgspec

from mathstrap.evaluate import metrics
from mathstrap.evaluate.compare import compare_scores
from mathstrap.evaluate.metrics import Score
from mathstrap.evaluate.score import ScoredDraw
from mathstrap.stats.estimates import ratio_of, student
from mathstrap.study.power import detectable

DIRECTIONS = ("forward", "backward")
ALPHA = 0.05
BACKWARD_ENDINGS = ("-backward", "-backward-full")


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """An arm's mean accuracy over its students; `spread` is the standard deviation over seeds, None for one seed."""

    score: Score
    by_seed: list[float]
    spread: float | None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Arm b less arm a on the questions both answered.

    `low` to `high` resamples originals (paired bootstrap): these students, other questions. `wide_low` to `wide_high`
    adds what the seeds show of other trainings. `p_value` is the sign test over originals (McNemar's where a question
    has one reply), `p_adjusted` Holm's over all pairs of the direction. `could_find` is the difference that 80 %
    power would have found, from the spread seen; None where no question set the arms apart, so that none was seen.
    `is_found` asks for both: p_adjusted below 0.05 and a wide interval
    without 0.
    """

    a: str
    b: str
    difference: float
    low: float
    high: float
    wide_low: float
    wide_high: float
    p_value: float
    p_adjusted: float
    test: str
    num_questions: int
    num_originals: int
    num_gained: int
    num_lost: int
    could_find: float | None
    is_found: bool


def direction_of(benchmark: str) -> str:
    """Return whether a set asks forward or backward."""
    return "backward" if benchmark.endswith(BACKWARD_ENDINGS) else "forward"


def accuracy(students: Sequence[Sequence[ScoredDraw]]) -> Accuracy | None:
    """Return the accuracy of an arm's students on the same questions; None where nothing was asked."""
    draws = [draw for student_draws in students for draw in student_draws]
    if not draws:
        return None
    by_seed = [fmean(draw.is_correct for draw in one) for one in students if one]
    return Accuracy(
        score=metrics.score([float(draw.is_correct) for draw in draws], [draw.cluster for draw in draws]),
        by_seed=by_seed, spread=stdev(by_seed) if len(by_seed) > 1 else None,
    )  # fmt: skip


def by_length(students: Sequence[Sequence[ScoredDraw]]) -> dict[str, Score]:
    """Return accuracy by thirds of question length, in characters (paper, 4.9)."""
    draws = [draw for student_draws in students for draw in student_draws]
    thirds = metrics.terciles({draw.problem: len(draw.question) for draw in draws})
    found: dict[str, Score] = {}
    for third in ("short", "medium", "long"):
        part = [draw for draw in draws if thirds[draw.problem] == third]
        if part:
            found[third] = metrics.score([float(draw.is_correct) for draw in part], [draw.cluster for draw in part])
    return found


def mean_by_question(students: Sequence[Sequence[ScoredDraw]]) -> dict[str, float]:
    """Return each question's share of right replies over all students."""
    found: dict[str, list[bool]] = {}
    for one in students:
        for draw in one:
            found.setdefault(draw.problem, []).append(draw.is_correct)
    return {problem: fmean(right) for problem, right in found.items()}


def compare_arms(arms: Mapping[str, Sequence[Sequence[ScoredDraw]]]) -> list[Difference]:
    """Return every pair of arms compared, p-values adjusted by Holm over all of them; arms without replies stay out."""
    found = []
    for (a, students_a), (b, students_b) in combinations(arms.items(), 2):
        if any(students_a) and any(students_b):
            found.append(compare_pair(a, b, students_a, students_b))
    return with_holm(found)


def compare_pair(
    a: str, b: str, students_a: Sequence[Sequence[ScoredDraw]], students_b: Sequence[Sequence[ScoredDraw]]
) -> Difference:
    """Return b less a, its p-value not yet adjusted."""
    clusters = {draw.problem: draw.cluster for one in (*students_a, *students_b) for draw in one}
    means_a, means_b = mean_by_question(students_a), mean_by_question(students_b)
    compared = compare_scores(means_a, means_b, clusters)
    by_original = compare_scores(
        by_cluster(means_a, clusters), by_cluster(means_b, clusters), {name: name for name in clusters.values()}
    )
    differences: dict[str, list[float]] = {}
    for problem in means_a.keys() & means_b.keys():
        differences.setdefault(clusters[problem], []).append(means_b[problem] - means_a[problem])
    reach, error = with_seeds(
        [(math.fsum(values), len(values)) for _, values in sorted(differences.items())],
        [seed_means(students_a), seed_means(students_b)],
    )
    return Difference(
        a=a, b=b, difference=compared.difference, low=compared.low, high=compared.high,
        wide_low=compared.difference - reach, wide_high=compared.difference + reach, p_value=by_original.p_value,
        p_adjusted=by_original.p_value, test=by_original.test, num_questions=compared.num,
        num_originals=compared.num_clusters, num_gained=len(by_original.gained), num_lost=len(by_original.lost),
        could_find=detectable(error * error) if error else None, is_found=False,
    )  # fmt: skip


def seed_means(students: Sequence[Sequence[ScoredDraw]]) -> list[float]:
    """Return each student's accuracy."""
    return [fmean(draw.is_correct for draw in one) for one in students if one]


def by_cluster(means: Mapping[str, float], clusters: Mapping[str, str]) -> dict[str, float]:
    """Return the mean of each original's questions."""
    found: dict[str, list[float]] = {}
    for problem, mean in means.items():
        found.setdefault(clusters[problem], []).append(mean)
    return {name: fmean(values) for name, values in found.items()}


def with_seeds(pairs: Sequence[tuple[float, float]], arms: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return half the 95 % interval of a difference, and its standard error.

    `pairs` holds (sum of differences, questions) of each original, `arms` each arm's accuracy by seed. The two
    variances add up: that of the questions and, for each arm with two or more seeds, that of its mean over seeds.
    """
    over_questions = ratio_of(pairs)
    freedom = max(1, len(pairs) - 1)
    sampling = (over_questions.half_width / student(freedom)) ** 2 if not math.isnan(over_questions.low) else 0.0
    parts = [(sampling, freedom)]
    parts += [(stdev(values) ** 2 / len(values), len(values) - 1) for values in arms if len(values) > 1]
    variance = math.fsum(part for part, _ in parts)
    spread = math.fsum(part * part / free for part, free in parts)
    whole = variance * variance / spread if spread else float(freedom)
    error = math.sqrt(variance)
    return student(max(1, math.floor(whole))) * error, error


def with_holm(differences: Sequence[Difference]) -> list[Difference]:
    """Return the differences with p-values adjusted for how many there are, and whether each is found."""
    order = sorted(range(len(differences)), key=lambda place: differences[place].p_value)
    adjusted = [0.0] * len(differences)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(differences) - rank) * differences[place].p_value))
        adjusted[place] = highest
    return [
        msgspec.structs.replace(
            one, p_adjusted=p_value, is_found=p_value < ALPHA and (one.wide_low > 0 or one.wide_high < 0)
        )
        for one, p_value in zip(differences, adjusted, strict=True)
    ]


def verdict(one: Difference) -> str:
    """Return what a comparison shows, as a sentence that claims no more than it can."""
    points, reach = 100 * one.difference, 100 * (one.wide_high - one.wide_low) / 2
    numbers = f"{points:+.1f} ± {reach:.1f} points, p = {one.p_adjusted:.2g} after Holm"
    if one.is_found:
        return f"{one.b} is {'better' if one.difference > 0 else 'worse'} than {one.a}: {numbers}."
    return (
        f"No difference between {one.a} and {one.b} was detected ({numbers}); "
        + (
            "no question set them apart, so what could have been found is not known."
            if one.could_find is None
            else f"a true one of {100 * one.could_find:.1f} points would have been found in four studies of five."
        )
    )
