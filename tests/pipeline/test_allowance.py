from __future__ import annotations

import pytest

from mathstrap.curate.sampling import SamplingOptions
from mathstrap.engine.budget import Budget
from mathstrap.engine.prices import Price
from mathstrap.pipeline.allowance import Cost, calls_left, rewrites_worth
from mathstrap.types import Usage

PRICE = Price(usd_per_million_in=1.0, usd_per_million_out=3.0, source="test")


@pytest.mark.parametrize(
    ("budget", "want"),
    [
        (Budget(), None),
        (Budget(max_seconds=9), None),  # time is the engine's
        (Budget(max_requests=10), 6),
        (Budget(max_tokens=1_000), 5),  # (1000 - 400) / 120
        (Budget(max_usd=0.001), 2),  # 400 of 1000 micro-dollars are left
        (Budget(max_requests=10, max_tokens=500), 0),
        (Budget(max_requests=3), 0),  # less than what is spent
    ],
)
def test_what_a_budget_still_allows(budget: Budget, want: int | None) -> None:
    spent = Usage(requests=4, tokens_in=300, tokens_out=100)  # 600 micro-dollars
    cost = Cost(tokens_in=80, tokens_out=40)  # 200 micro-dollars a call
    assert calls_left(budget, spent, lambda: cost, PRICE) == want


def test_free_calls_are_not_bounded_by_money() -> None:
    free = Price(usd_per_million_in=0, usd_per_million_out=0, source="test")
    assert calls_left(Budget(max_usd=1), Usage(), lambda: Cost(tokens_in=1, tokens_out=1), free) is None


@pytest.mark.parametrize(
    ("calls", "share", "want"),
    [
        (None, "wanted", {"rephrase": 40, "self_verification": 20}),
        (400, "wanted", {"rephrase": 40, "self_verification": 20}),
        (100, "wanted", {"rephrase": 20, "self_verification": 10}),  # half of everything
        (80, "equal", {"rephrase": 10, "self_verification": 10}),  # 20 calls each, half of them answers
        (0, "wanted", {"rephrase": 0, "self_verification": 0}),
    ],
)
def test_no_rewrite_is_asked_for_that_nobody_can_answer(calls: int | None, share: str, want: dict[str, int]) -> None:
    answers = {"ans_aug": 40, "fobar": 40, "rephrase": 40, "self_verification": 20}
    rewrites = {"rephrase": 40, "self_verification": 20}
    options = SamplingOptions(share=share)  # type: ignore[arg-type]
    assert rewrites_worth(rewrites, answers, calls, options) == want
