"""Decide, round by round, which answers are asked for.

What a round asks depends on the replies before it alone, so a resumed run takes the same rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mathstrap.asking.budget import Usage
from mathstrap.asking.prices import Price
from mathstrap.curate.sampling import Shortfall, next_draws, shortfall
from mathstrap.pipeline.derive import draws_of, grade_one, job_for, parse_answers
from mathstrap.pipeline.options import RunRecipe
from mathstrap.types import Candidate, Completion, Problem, Request, problem_of


class Rounds:
    """The adaptive draws of a run: what was tried per problem, and what the budget still allows.

    `spent` is what came before the answers (the rewrites), `price` turns tokens into money.
    """

    def __init__(
        self, problems: Iterable[Problem], recipe: RunRecipe, *, spent: Usage, price: Price | None = None
    ) -> None:
        self.recipe = recipe
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
        more = next_draws(
            self.recipe.sampling, self.tried, left=self.draws_left(), group_of=self.method_of, fixed=self.fixed
        )
        return {
            problem_id: range(self.tried[problem_id][0], self.tried[problem_id][0] + count)
            for problem_id, count in more.items()
        }

    def take(self, round_draws: Mapping[str, range], answered: Iterable[tuple[Request, Completion]]) -> None:
        """Count the replies of a round; where one is missing, no further round is planned until it is there."""
        counts = {problem_id: [0, 0] for problem_id in round_draws}
        is_fixed = self.recipe.sampling.policy == "fixed"
        for request, completion in answered:
            problem_id = problem_of(request.id)
            counts[problem_id][0] += 1
            self.tokens_in += completion.tokens_in
            self.tokens_out += completion.tokens_out
            if not is_fixed:
                counts[problem_id][1] += self.is_correct(request, completion)
        for problem_id, draws in round_draws.items():
            num_answered, num_correct = counts[problem_id]
            tries, correct = self.tried[problem_id]
            self.tried[problem_id] = (tries + len(draws), correct + num_correct)
            self.draws += len(draws)
            self.is_stuck = self.is_stuck or num_answered < len(draws)

    def is_correct(self, request: Request, completion: Completion) -> bool:
        """Grade one reply."""
        (made,) = parse_answers([(request, completion)], self.problems, self.recipe)
        if not isinstance(made, Candidate):
            return False
        return grade_one(job_for(made, self.problems[made.problem], self.recipe)).outcome == "correct"

    def draws_left(self) -> int | None:
        """Return how many more draws the budget allows at the mean cost of a draw so far; None without a budget.

        The engine's meter holds the exact limit; this only shares what is left before it is reached. Before the first
        reply nothing is known of the cost, so only a budget of requests counts.
        """
        budget = self.recipe.budget
        lefts: list[float] = []
        if budget.max_requests:
            lefts.append(budget.max_requests - self.before.requests - self.draws)
        if self.draws and budget.max_tokens:
            tokens = self.tokens_in + self.tokens_out
            left = budget.max_tokens - self.before.tokens_in - self.before.tokens_out - tokens
            lefts.append(left * self.draws / max(tokens, 1))
        if self.draws and budget.max_usd and self.price is not None:
            spent = self.price.usd(self.tokens_in, self.tokens_out)
            left_usd = budget.max_usd - self.price.usd(self.before.tokens_in, self.before.tokens_out) - spent
            lefts.append(left_usd * self.draws / spent if spent else 1e12)
        return max(0, int(min(lefts))) if lefts else None

    def method_of(self, problem_id: str) -> str:
        """Return the method that draws are shared by."""
        return self.problems[problem_id].method

    def shortfall(self) -> list[Shortfall]:
        """Return what each method did not get."""
        return shortfall(self.recipe.sampling, self.tried, group_of=self.method_of, fixed=self.fixed)

    def totals(self) -> dict[str, range]:
        """Return all draws planned so far, by problem."""
        return {problem_id: range(tries) for problem_id, (tries, _) in self.tried.items()}
