from __future__ import annotations

import random

import pytest

from mathstrap.curate.sampling import SamplingOptions, next_draws, share_draws, shortfall, split_budget
from mathstrap.errors import RecipeError


def play(
    options: SamplingOptions, rates: dict[str, float], *, budget: int | None = None, rng_seed: int = 0
) -> tuple[dict[str, tuple[int, int]], int]:
    """Run rounds against problems that are solved with a fixed chance; return what came out and the rounds."""
    rng = random.Random(rng_seed)
    tried = dict.fromkeys(rates, (0, 0))
    for rounds in range(200):
        left = None if budget is None else budget - sum(tries for tries, _ in tried.values())
        draws = next_draws(options, tried, left=left)
        if not draws:
            return tried, rounds
        for problem, count in draws.items():
            tries, correct = tried[problem]
            tried[problem] = (tries + count, correct + sum(rng.random() < rates[problem] for _ in range(count)))
    raise AssertionError("the rounds do not end")


RATES = {f"p{n}": rate for n, rate in enumerate([1.0, 0.9, 0.5, 0.5, 0.2, 0.1, 0.02, 0.0])}


def test_fixed_is_one_round_of_k() -> None:
    tried, rounds = play(SamplingOptions(draws=5), RATES)
    assert rounds == 1
    assert {tries for tries, _ in tried.values()} == {5}
    assert next_draws(SamplingOptions(draws=5), {"a": (3, 0), "b": (5, 1)}) == {"a": 2}
    assert next_draws(SamplingOptions(draws=5), {"a": (0, 0), "b": (0, 0)}, fixed={"b": 1}) == {"a": 5, "b": 1}


def test_until_stops_at_the_target_or_at_the_most_tries_and_wastes_little() -> None:
    options = SamplingOptions(policy="until", target=4, max_tries=40)
    tried, rounds = play(options, RATES)
    assert tried["p0"] == (4, 4)
    assert tried["p7"] == (40, 0)
    assert all(correct >= 4 or tries == 40 for tries, correct in tried.values())
    assert max(correct for _, correct in tried.values()) <= 8
    assert rounds < 15


def test_prop2diff_gives_hard_problems_more_and_easy_ones_at_least_one() -> None:
    options = SamplingOptions(policy="prop2diff", target=8, probe=8, max_tries=400)
    tried, _ = play(options, {"easy": 1.0, "middle": 0.5, "hard": 0.1}, rng_seed=4)
    correct = {name: counts[1] for name, counts in tried.items()}
    assert tried["easy"] == (8, 8)  # the probe already has the one it wants
    assert correct["hard"] >= 8
    assert correct["hard"] > 0.9 * 8 > 4 <= correct["middle"]


def test_uniform_serves_the_poorest_first_when_the_budget_is_short() -> None:
    options = SamplingOptions(policy="uniform", target=4)
    tried = {"rich": (3, 3), "poor": (3, 0), "middle": (3, 1)}
    assert next_draws(options, tried, left=1) == {"poor": 1}
    assert sum(next_draws(options, tried, left=5).values()) == 5


@pytest.mark.parametrize("policy", ["fixed", "until", "uniform", "prop2diff"])
@pytest.mark.parametrize("budget", [0, 1, 7, 50, 10_000])
def test_no_policy_spends_more_than_the_budget(policy: str, budget: int) -> None:
    tried, _ = play(SamplingOptions(policy=policy, target=6, draws=6, max_tries=30), RATES, budget=budget)  # type: ignore[arg-type]
    spent = sum(tries for tries, _ in tried.values())
    assert spent <= budget
    if budget <= 7:
        assert spent == budget  # and it leaves none unspent while something is wanted


def test_order_of_problems_does_not_change_what_each_gets() -> None:
    rng = random.Random(9)
    tried = {f"m{n % 3}/p{n}": (rng.randint(0, 9), 0) for n in range(60)}
    shuffled = dict(sorted(tried.items(), key=lambda _: rng.random()))
    options = SamplingOptions(policy="until", share="equal")
    for left in (5, 40, 200):
        first = next_draws(options, tried, left=left, group_of=lambda p: p[:2])
        assert first == next_draws(options, shuffled, left=left, group_of=lambda p: p[:2])
        assert sum(first.values()) == left


@pytest.mark.parametrize(
    ("share", "weights", "want"),
    [
        ("wanted", {}, {"a": 20, "b": 40, "c": 40}),
        ("equal", {}, {"a": 30, "b": 35, "c": 35}),  # a wants only 30; its rest goes to the others
        ("weights", {"a": 1, "b": 9}, {"a": 10, "b": 60, "c": 30} | {"a": 30, "b": 60, "c": 10}),
        ("weights", {"c": 1}, {"a": 20, "b": 20, "c": 60}),
    ],
)
def test_a_budget_is_shared_by_rule(share: str, weights: dict[str, float], want: dict[str, int]) -> None:
    options = SamplingOptions(share=share, weights=weights)  # type: ignore[arg-type]
    given = split_budget(100, {"a": 30, "b": 60, "c": 60}, options)
    assert sum(given.values()) == 100
    assert given == want


def test_sharing_keeps_within_what_is_wanted() -> None:
    given = share_draws({"a": 1, "b": 9, "c": 0}, 6, SamplingOptions(), group_of=lambda p: p)
    assert sum(given.values()) == 6
    assert given == {"b": 6}
    assert share_draws({}, 6, SamplingOptions(), group_of=lambda p: p) == {}


def test_the_shortfall_is_told_by_group() -> None:
    tried = {"x/1": (40, 1), "x/2": (4, 4), "y/1": (5, 3)}
    options = SamplingOptions(policy="until", target=4, max_tries=40)
    rows = shortfall(options, tried, group_of=lambda p: p[0])
    assert [(row.group, row.problems, row.short, row.missing, row.exhausted) for row in rows] == [
        ("x", 2, 1, 3, 1),
        ("y", 1, 1, 1, 0),
    ]
    assert shortfall(SamplingOptions(draws=4), {"a": (4, 0)}) == []


@pytest.mark.parametrize("options", [{"draws": 0}, {"target": 0}, {"max_per_round": 0}, {"weights": {"a": -1.0}}])
def test_impossible_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=r"\A(draws|target|max_per_round|weights\.a): found"):
        SamplingOptions(**options)  # type: ignore[arg-type]
