"""Decide, round by round, which rewrites and which answers are asked for.

A round depends only on the replies of the rounds before it, so a resumed run takes the same rounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice

from mathstrap.curate.sampling import Shortfall, next_draws, shortfall
from mathstrap.engine.prices import Price
from mathstrap.pipeline.allowance import Cost, calls_left, most_cost, rewrites_worth
from mathstrap.pipeline.derive import PlannedRewrite, RewritePlan, draws_of, plan_solves, rewrite_request
from mathstrap.pipeline.options import RunRecipe
from mathstrap.types import Problem, Usage

# Rendering prompts is slow, and the mean of the most that a call can cost settles after a few dozen requests.
NUM_PRICED = 50


class RewriteRounds:
    """The rewrites of a run, as many of each method as its share of the budget can also answer.

    Without a budget there is one round. The first rewrite of every seed comes before the second of any seed, so that a
    budget that ends early covers all seeds.
    """

    def __init__(self, plan: RewritePlan, recipe: RunRecipe, *, spent: Usage, price: Price | None = None) -> None:
        self.recipe = recipe
        self.price = price
        self.before = spent
        self.used = Usage()
        self.is_stuck = False
        self.waiting: dict[str, list[PlannedRewrite]] = {}
        for planned in sorted(plan.rewrites, key=lambda planned: place_of(planned.draft.id)):
            self.waiting.setdefault(planned.draft.method, []).append(planned)
        self.planned = {method: len(rewrites) for method, rewrites in self.waiting.items()}
        self.asked = dict.fromkeys(self.planned, 0)
        adaptive = 0 if recipe.sampling.policy == "fixed" else recipe.sampling.target
        self.answers: Counter[str] = Counter()
        draws = {method: recipe.method(method).draws for method in self.planned}
        for planned in plan.rewrites:
            wanted = draws[planned.draft.method]
            if not planned.draft.answer:
                wanted = max(wanted, recipe.vote.draws)
            self.answers[planned.draft.method] += adaptive or wanted
        for problem in plan.problems:
            self.answers[problem.method] += adaptive or draws_of(problem, recipe)
        self.first = plan.rewrites[:NUM_PRICED]

    def next(self) -> list[PlannedRewrite]:
        """Return the rewrites of the next round; empty when nothing is left, allowed, or possible."""
        if self.is_stuck or not self.waiting:
            return []
        left = calls_left(self.recipe.budget, self.all_spent, self.mean_cost, self.price)
        # Rewrites that were asked already count towards the shares, or each round would grant them again.
        calls = None if left is None else left + sum(self.asked.values())
        worth = rewrites_worth(self.planned, self.answers, calls, self.recipe.sampling)
        chosen: list[PlannedRewrite] = []
        for method in self.recipe.method_names:
            if worth.get(method, 0) > self.asked.get(method, 0):
                chosen += self.waiting[method][self.asked[method] : worth[method]]
                self.asked[method] = worth[method]
        return chosen

    def take(self, num_asked: int, used: Usage) -> None:
        """Add the usage of a round; if a reply is missing, no further round is planned in this run."""
        self.is_stuck = used.requests < num_asked
        self.used = self.used + used

    @property
    def all_spent(self) -> Usage:
        """The usage before the rewrites plus that of the rewrites so far."""
        return self.before + self.used

    def mean_cost(self) -> Cost:
        """Return what a call costs on average so far; before the first reply, what it can cost at most."""
        used = self.used
        if not used.requests:
            if not self.first:  # nothing to rewrite, so there is nothing to share out
                return Cost(tokens_in=0, tokens_out=0)
            return most_cost([rewrite_request(planned, self.recipe) for planned in self.first])
        return Cost(tokens_in=used.tokens_in / used.requests, tokens_out=used.tokens_out / used.requests)

    def shortfall(self) -> list[Shortfall]:
        """Return the rewrites each method did not get."""
        missing = {method: count - self.asked[method] for method, count in sorted(self.planned.items())}
        return [
            Shortfall(group=name, problems=self.planned[name], short=count, missing=count, exhausted=0, of="rewrites")
            for name, count in missing.items()
            if count
        ]


def place_of(request_id: str) -> tuple[int, str]:
    """Return where a rewrite stands in the queue: its number among those of its seed and method, then its id."""
    number = request_id.rpartition(".")[2].partition("#")[0]
    return (int(number) if number.isdigit() else 0, request_id)


class Rounds:
    """The adaptive draws of a run: the tries of each problem, and what the budget still allows.

    `spent` is the usage before the answers (the rewrites), `price` turns tokens into money. `planned` is how many
    answers each method wanted before its rewrites were cut to the budget. The rule "wanted" shares the rest by these
    numbers, because a method that lost rewrites would otherwise lose as many answers again.
    """

    def __init__(
        self,
        problems: Iterable[Problem],
        recipe: RunRecipe,
        *,
        spent: Usage,
        price: Price | None = None,
        planned: Mapping[str, int] | None = None,
    ) -> None:
        self.recipe = recipe
        self.sampling = recipe.sampling
        if planned and self.sampling.share == "wanted":
            self.sampling = replace(self.sampling, share="weights", weights=dict(planned))
        self.problems = {problem.id: problem for problem in problems}
        self.tried = dict.fromkeys(self.problems, (0, 0))
        self.fixed = {problem.id: draws_of(problem, recipe) for problem in self.problems.values()}
        self.price = price
        self.before = spent
        self.draws = 0
        self.tokens_in = 0
        self.tokens_out = 0
        self.is_stuck = False

    def next(self) -> dict[str, range]:
        """Return the draws of the next round by problem; empty when nothing is wanted, left, or possible."""
        if self.is_stuck:
            return {}
        more = next_draws(self.sampling, self.tried, left=self.draws_left(), group_of=self.method_of, fixed=self.fixed)
        return {
            problem_id: range(self.tried[problem_id][0], self.tried[problem_id][0] + count)
            for problem_id, count in more.items()
        }

    def take(self, draws: Mapping[str, range], used: Usage, correct: Mapping[str, int]) -> None:
        """Add the usage of a round and, for adaptive policies, the correct answers of each problem.

        If a reply is missing, no further round is planned in this run.
        """
        for problem_id, wanted in draws.items():
            tries, num_correct = self.tried[problem_id]
            self.tried[problem_id] = (tries + len(wanted), num_correct + correct.get(problem_id, 0))
        num_asked = sum(map(len, draws.values()))
        self.draws += num_asked
        self.tokens_in += used.tokens_in
        self.tokens_out += used.tokens_out
        self.is_stuck = self.is_stuck or used.requests < num_asked

    @property
    def is_spent(self) -> bool:
        """Say whether the budget, and nothing else, leaves the run no further answer."""
        return not self.is_stuck and self.draws_left() == 0

    def draws_left(self) -> int | None:
        """Return how many more draws the budget allows, at the mean cost so far, or the highest before the first."""
        if not self.problems:
            return None
        spent = self.before + Usage(requests=self.draws, tokens_in=self.tokens_in, tokens_out=self.tokens_out)
        return calls_left(self.recipe.budget, spent, self.mean_cost, self.price)

    def mean_cost(self) -> Cost:
        """Return what an answer costs on average so far; before the first one, what it can cost at most."""
        if self.draws:
            return Cost(tokens_in=self.tokens_in / self.draws, tokens_out=self.tokens_out / self.draws)
        first = dict(islice(self.problems.items(), NUM_PRICED))
        return most_cost(list(plan_solves(first.values(), self.recipe, dict.fromkeys(first, range(1)))))

    def method_of(self, problem_id: str) -> str:
        """Return the method that draws are shared by."""
        return self.problems[problem_id].method

    def shortfall(self) -> list[Shortfall]:
        """Return what each method did not get."""
        return shortfall(self.recipe.sampling, self.tried, group_of=self.method_of, fixed=self.fixed)

    def totals(self) -> dict[str, range]:
        """Return all draws planned so far, by problem."""
        return {problem_id: range(tries) for problem_id, (tries, _) in self.tried.items()}
