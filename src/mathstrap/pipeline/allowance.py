"""Compute how many more calls a budget allows, and how many rewrites of each method to ask for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mathstrap.curate.sampling import SamplingOptions, split_budget
from mathstrap.engine.budget import Budget, reservation_for
from mathstrap.engine.prices import Price
from mathstrap.types import Request, Usage


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The tokens of one call, on average or at most."""

    tokens_in: float
    tokens_out: float


def most_cost(requests: Sequence[Request]) -> Cost:
    """Return the mean of the most tokens that each of these calls can take; needs at least one."""
    reservations = [reservation_for([request]) for request in requests]
    return Cost(
        tokens_in=sum(reserved.tokens_in for reserved in reservations) / len(reservations),
        tokens_out=sum(reserved.tokens_out for reserved in reservations) / len(reservations),
    )


def calls_left(budget: Budget, spent: Usage, cost_of_call: Callable[[], Cost], price: Price | None) -> int | None:
    """Return how many more calls of a cost the budget allows; None without a budget that counts calls or tokens.

    The engine's meter enforces the exact limit; this number only shares out the rest of the budget. The cost of a call
    is a function, because before the first reply it needs rendered prompts, and most runs have no budget.
    """
    lefts: list[float] = []
    if budget.max_requests:
        lefts.append(budget.max_requests - spent.requests)
    if budget.max_tokens:
        cost = cost_of_call()
        lefts.append(
            (budget.max_tokens - spent.tokens_in - spent.tokens_out) / max(cost.tokens_in + cost.tokens_out, 1)
        )
    if budget.max_usd and price is not None:
        cost = cost_of_call()
        usd = (cost.tokens_in * price.usd_per_million_in + cost.tokens_out * price.usd_per_million_out) / 1e6
        if usd > 0:
            lefts.append((budget.max_usd - price.usd(spent.tokens_in, spent.tokens_out)) / usd)
    return max(0, int(min(lefts))) if lefts else None


def rewrites_worth(
    rewrites: Mapping[str, int], answers: Mapping[str, int], calls: int | None, options: SamplingOptions
) -> dict[str, int]:
    """Return how many rewrites of each method to ask for, when `calls` must cover rewrites and answers together.

    An unanswered question is worth nothing, so each method's share of the calls is split between its rewrites and their
    answers. `answers` counts all answers that each method wants, including methods that rewrite nothing.
    """
    wanted = {method: rewrites.get(method, 0) + count for method, count in answers.items()}
    if calls is None or calls >= sum(wanted.values()):
        return dict(rewrites)
    parts = split_budget(calls, wanted, options)
    return {method: -(-parts[method] * count // wanted[method]) for method, count in rewrites.items() if count}
