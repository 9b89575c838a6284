"""Self-training with a verifier that errs: what it keeps, what the puzzles are, and a run in small."""

from __future__ import annotations

import json

import pytest

from mathstrap.reproduce.noise import WAYS, NoiseSetting, Puzzle, as_page, deal, is_right, keep, run_noise

SMALL = NoiseSetting(
    seeds=20,
    train=60,
    test=40,
    false_accepts=(0.0, 1.0),
    rounds=2,
    draws=4,
    hidden=16,
    steps=4,
    batch=8,
    rng_seeds=(0, 1),
)


def test_every_way_is_one_expression_of_the_three_numbers():
    assert len(set(WAYS)) == 192  # 6 orders, 16 pairs of signs, 2 places of the brackets
    assert is_right(Puzzle((2, 3, 4), 24), WAYS.index("{0} * ( {1} * {2} )"))
    assert not is_right(Puzzle((2, 3, 4), 24), WAYS.index("{0} + ( {1} * {2} )"))


def test_no_three_numbers_are_on_both_sides_and_every_puzzle_has_a_solution():
    train, test = deal(NoiseSetting(largest_target=8, train=10_000, test=10_000))
    assert len(train) > 500 < len(test)
    assert not {puzzle.hand for puzzle in train} & {puzzle.hand for puzzle in test}
    assert all(any(is_right(puzzle, way) for way in range(len(WAYS))) for puzzle in train[:100])


def test_a_higher_rate_of_false_accepts_keeps_what_a_lower_one_does():
    puzzle = Puzzle((2, 3, 4), 24)
    replies = [[*range(len(WAYS)), 0]]
    kept = {rate: keep([puzzle], replies, false_accepts=rate, rng_seed="0 1") for rate in (0.0, 0.1, 1.0)}
    assert set(kept[0.0].values()) == {True}
    assert set(kept[0.0]) < set(kept[0.1]) < set(kept[1.0])
    wrong = sum(not right for right in kept[1.0].values())
    assert 0 < sum(not right for right in kept[0.1].values()) < 0.25 * wrong
    assert len(kept[1.0]) == len(WAYS)


@pytest.mark.slow
def test_the_experiment_runs_in_small_and_twice_alike(tmp_path):
    pytest.importorskip("torch", reason="students are trained with the extra `train`")
    said: list[str] = []
    result = run_noise(tmp_path, SMALL, say=said.append)
    assert len(said) == 4
    assert [one.round for one in result.rounds] == [0, 1, 2] * 4
    assert all(one.num_wrong == 0 for one in result.rounds if one.false_accepts == 0)
    assert all(one.num_wrong > 0 for one in result.rounds if one.false_accepts == 1 and one.round)
    starts = [[one.accuracy for one in result.rounds if one.round == 0 and one.rng_seed == seed] for seed in (0, 1)]
    assert all(first == second for first, second in starts)  # every rate begins with the same student
    assert run_noise(tmp_path, SMALL, say=said.append).rounds == result.rounds
    assert len(json.loads((tmp_path / "noise.json").read_text())["rounds"]) == 12
    assert "| 100% | 2 |" in as_page(result)
    assert (tmp_path / "noise.png").stat().st_size > 5_000
