"""The numbers of an evaluation, against textbook values and brute force."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mathstrap.evaluate.metrics import (
    DrawVote,
    chance_score,
    cluster_bootstrap,
    group_answers,
    maj_at_k,
    majority,
    pass_at_k,
    pass_ks,
    score,
    terciles,
)


def names(count: int) -> list[str]:
    return [f"q{i}" for i in range(count)]


def test_accuracy_of_independent_questions_has_wilsons_interval() -> None:
    # 66.5 % of 1,319 questions: the published 66.5 +- 2.6 points.
    values = [1.0] * 877 + [0.0] * 442
    found = score(values, names(1319))
    assert found.value == pytest.approx(877 / 1319)
    assert (found.low, found.high) == (pytest.approx(0.6390, abs=5e-4), pytest.approx(0.6898, abs=5e-4))


def test_variants_of_one_question_widen_the_interval() -> None:
    rng = random.Random(1)
    outcomes = [float(rng.random() < 0.5) for _ in range(200)]
    copied = [value for value in outcomes for _ in range(4)]
    clusters = [f"q{i}" for i in range(200) for _ in range(4)]
    alone, clustered = score(outcomes, names(200)), score(copied, clusters)
    assert clustered.num == 800
    assert clustered.clusters == 200
    # Four copies of a question are one observation: the interval is that of 200 questions, not of 800.
    assert clustered.high - clustered.low == pytest.approx(alone.high - alone.low, rel=0.01)


def test_the_clustered_interval_agrees_with_the_bootstrap() -> None:
    rng = random.Random(2)
    values, clusters = [], []
    for i in range(300):
        easy = rng.random()
        for _ in range(3):
            values.append(float(rng.random() < easy))
            clusters.append(f"q{i}")
    found = score(values, clusters)
    low, high = cluster_bootstrap(values, clusters)
    assert found.low == pytest.approx(low, abs=0.006)
    assert found.high == pytest.approx(high, abs=0.006)


def test_wilson_covers_the_truth_about_95_times_in_100() -> None:
    rng = random.Random(3)
    covered = 0
    for _ in range(1000):
        found = score([float(rng.random() < 0.2) for _ in range(60)], names(60))
        covered += found.low <= 0.2 <= found.high
    assert 930 <= covered <= 975


@pytest.mark.parametrize("right", [0, 25])
def test_all_right_or_all_wrong_still_has_an_interval(right: int) -> None:
    found = score([1.0] * right + [0.0] * (25 - right), names(25))
    assert 0.0 <= found.low < found.high <= 1.0
    assert found.high - found.low > 0.1


def test_no_draws_are_no_number_rather_than_an_error() -> None:
    found = score([], [])
    assert (found.value, found.low, found.high, found.num) == (0.0, 0.0, 1.0, 0)


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_subsets_with_a_right_draw(case: tuple[int, int, int]) -> None:
    num_draws, num_correct, k = case
    draws = [True] * num_correct + [False] * (num_draws - num_correct)
    subsets = list(combinations(draws, k))
    assert pass_at_k(num_draws, num_correct, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_pass_at_k_is_unbiased_where_the_plug_in_estimate_is_not() -> None:
    chance, draws, k = 0.3, 5, 4
    rng = random.Random(4)
    counts = [sum(rng.random() < chance for _ in range(draws)) for _ in range(20_000)]
    truth = 1 - (1 - chance) ** k
    assert fmean(pass_at_k(draws, count, k) for count in counts) == pytest.approx(truth, abs=0.006)
    assert abs(fmean(1 - (1 - count / draws) ** k for count in counts) - truth) > 0.03


@pytest.mark.parametrize(("num_draws", "num_correct", "k"), [(4, 2, 5), (4, 2, 0), (4, 5, 1)])
def test_pass_at_k_refuses_what_cannot_be(num_draws: int, num_correct: int, k: int) -> None:
    with pytest.raises(ValueError, match=r"draws|num_correct"):
        pass_at_k(num_draws, num_correct, k)


R, W, V = DrawVote(0, True), DrawVote(1, False), DrawVote(2, False)
NOTHING = DrawVote(None, False)


@pytest.mark.parametrize(
    ("votes", "share", "first", "wrong"),
    [
        ([R, R, W], 1, 1, 1),
        ([W, W, R], 0, 0, 0),
        ([R, W], 0.5, 1, 0),  # a tie: half of the random tie-breaks are right; the first drawn is right; or it is wrong
        ([W, R], 0.5, 0, 0),
        ([W, R, V], Fraction(1, 3), 0, 0),
        ([NOTHING, NOTHING, R], 1, 1, 1),  # draws without an answer abstain
        ([NOTHING, NOTHING], 0, 0, 0),
        ([], 0, 0, 0),
    ],
)
def test_majority_follows_its_tie_rule(votes: list[DrawVote], share: float, first: float, wrong: float) -> None:
    assert majority(votes, ties="share") == pytest.approx(float(share))
    assert majority(votes, ties="first") == first
    assert majority(votes, ties="wrong") == wrong


def test_maj_at_one_is_the_accuracy() -> None:
    assert maj_at_k([R, W, W, R, R], 1) == pytest.approx(3 / 5)


def test_maj_at_k_averages_over_all_subsets() -> None:
    votes = [R, R, W, V, W]
    expected = fmean(majority(list(subset)) for subset in combinations(votes, 3))
    assert maj_at_k(votes, 3) == pytest.approx(expected)


def test_maj_at_k_samples_subsets_by_seed_when_there_are_many() -> None:
    votes = [R, W, W, V] * 8
    assert maj_at_k(votes, 16, rng_seed=5) == maj_at_k(votes, 16, rng_seed=5)
    assert maj_at_k(votes, 16, rng_seed=5) != maj_at_k(votes, 16, rng_seed=6)


def test_equal_answers_are_one_group_and_no_answer_is_none() -> None:
    def agree(a: str, b: str) -> bool:
        return float(a) == float(b)

    assert group_answers(["1", "1.0", "", "2", "1"], agree) == [0, 0, None, 1, 0]


def test_terciles_are_equal_thirds() -> None:
    found = terciles({f"q{i}": float(i // 5) for i in range(10)})
    assert [list(found.values()).count(label) for label in ("short", "medium", "long")] == [4, 3, 3]


@pytest.mark.parametrize(("draws", "ks"), [(1, [1]), (2, [1, 2]), (5, [1, 2, 4, 5]), (8, [1, 2, 4, 8])])
def test_the_printed_ks_are_powers_of_two_and_all_draws(draws: int, ks: list[int]) -> None:
    assert pass_ks(draws) == ks


def test_a_mean_of_chances_stays_inside_zero_and_one() -> None:
    found = chance_score([0.99, 1.0, 0.98, 0.4], names(4))
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
