"""The paired comparison, against exact values and simulation."""

from __future__ import annotations

import random

import pytest

from mathstrap.evaluate.compare import (
    compare_scores,
    detectable_difference,
    mcnemar_exact,
    power,
    questions_needed,
)


@pytest.mark.parametrize(
    ("gained", "lost", "p"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (1, 0, 1.0),
        (6, 0, 0.03125),  # 2 / 2**6
        (10, 2, 0.0385742),  # 2 * (1 + 12 + 66) / 4096
        (700, 500, 8.6e-9),
    ],
)
def test_mcnemar_is_the_exact_binomial(gained: int, lost: int, p: float) -> None:
    assert mcnemar_exact(gained, lost) == pytest.approx(p, rel=0.02)
    assert mcnemar_exact(gained, lost) == mcnemar_exact(lost, gained)


def test_mcnemar_of_equal_models_rejects_no_more_than_its_level() -> None:
    rng = random.Random(1)
    rejected = 0
    for _ in range(2000):
        flips = [rng.random() < 0.5 for _ in range(rng.randint(20, 60))]
        rejected += mcnemar_exact(sum(flips), len(flips) - sum(flips)) < 0.05
    assert rejected / 2000 <= 0.05


def test_flips_and_counts_add_up() -> None:
    a = {"q1": 1.0, "q2": 1.0, "q3": 0.0, "q4": 0.0, "only_a": 1.0}
    b = {"q1": 1.0, "q2": 0.0, "q3": 1.0, "q4": 0.0, "only_b": 0.0}
    found = compare_scores(a, b, {name: name for name in (*a, *b)})
    assert (found.num, found.both, found.neither, found.gained, found.lost) == (4, 1, 1, ["q3"], ["q2"])
    assert (found.only_a, found.only_b) == (1, 1)
    assert found.difference == 0.0
    assert found.test == "McNemar, exact"


@pytest.mark.slow
def test_the_interval_of_the_difference_covers_the_truth() -> None:
    rng = random.Random(2)
    covered = 0
    for _ in range(60):
        a, b = {}, {}
        for i in range(150):
            roll = rng.random()
            a[f"q{i}"], b[f"q{i}"] = float(roll < 0.5), float(roll < 0.6)
        found = compare_scores(a, b, {name: name for name in a})
        covered += found.low <= 0.1 <= found.high
    assert covered >= 52


def test_several_draws_are_compared_by_their_means() -> None:
    a, b = {"q1": 0.25, "q2": 0.5}, {"q1": 0.75, "q2": 0.5}
    found = compare_scores(a, b, {"q1": "q1", "q2": "q2"})
    assert found.gained == ["q1"]
    assert found.test == "sign test on mean scores"


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    num, discordant = 500, 0.2
    gap = detectable_difference(num, discordant)
    rng = random.Random(3)
    found = 0
    for _ in range(1500):
        gained = lost = 0
        for _ in range(num):
            roll = rng.random()
            gained += roll < (discordant + gap) / 2
            lost += (discordant + gap) / 2 <= roll < discordant
        found += mcnemar_exact(gained, lost) < 0.05
    assert found / 1500 == pytest.approx(0.8, abs=0.05)


def test_power_and_number_of_questions_are_each_others_inverse() -> None:
    needed = questions_needed(0.2, 0.05)
    assert power(needed, 0.2, 0.05) == pytest.approx(0.8, abs=0.01)
    assert detectable_difference(needed, 0.2) == pytest.approx(0.05, abs=0.001)


@pytest.mark.parametrize(("num", "discordant"), [(0, 0.5), (100, 0.0), (4, 0.5)])
def test_too_little_data_detects_nothing(num: int, discordant: float) -> None:
    assert detectable_difference(num, discordant) == 1.0


def test_a_difference_larger_than_the_flips_cannot_be() -> None:
    with pytest.raises(ValueError, match="cannot exceed"):
        power(100, 0.1, 0.2)
