"""Judge voted answers by FOBAR: state the answer, hide a number of the question, and ask for that number.

A right answer leads back to the hidden number more often than a wrong one does. No gold is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from mathstrap.augment.fobar import ask_for_number
from mathstrap.augment.selection import choose_hidden
from mathstrap.curate.vote import PutBack, VoteOptions, leading_answers
from mathstrap.pipeline.derive import plan_solves
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.solve import parse_solution
from mathstrap.pipeline.state import Context, asked_of_draws, keys_of_draws, noting_keys
from mathstrap.types import CHECK, Asked, Candidate, Problem, Usage, problem_of
from mathstrap.verify import answers_agree


def check_answers(
    questions: Iterable[Problem], stated: Mapping[str, Sequence[str]], context: Context
) -> tuple[dict[str, dict[str, PutBack]], Usage, list[Asked]]:
    """Return the check counts by question and answer, their usage, and the requests they asked.

    A question with a missing reply is left out: it is labelled once all replies are there. A question without a number
    to hide has no checks.
    """
    recipe, run = context.recipe, context.run
    backward = {question.id: list(backward_questions(question, stated[question.id], recipe)) for question in questions}
    asked = [problem for problems in backward.values() for _, problem in problems]
    draws = {problem.id: range(recipe.vote.judge_draws) for problem in asked}
    keys: dict[str, str] = {}
    requests = noting_keys(plan_solves(asked, recipe, draws), keys)
    context.teacher.fill("solve", requests, sum(map(len, draws.values())))
    given: dict[str, list[bool]] = {problem.id: [] for problem in asked}
    by_id = {problem.id: problem for problem in asked}
    for completion in run.replies("solve", keys_of_draws(draws, keys)):
        problem = by_id[problem_of(completion.request)]
        parsed = parse_solution(problem, completion, mode=recipe.mode)
        is_hidden_number = isinstance(parsed, Candidate) and answers_agree(problem.answer, parsed.answer) == "correct"
        given[problem.id].append(is_hidden_number)
    checks = {
        name: put_back_counts(problems, given)
        for name, problems in backward.items()
        if all(len(given[problem.id]) == recipe.vote.judge_draws for _, problem in problems)
    }
    return checks, run.usage_of("solve", keys_of_draws(draws, keys)), list(asked_of_draws(draws, keys))


def put_back_counts(problems: Iterable[tuple[str, Problem]], given: Mapping[str, Sequence[bool]]) -> dict[str, PutBack]:
    """Return by answer how many draws gave back the hidden number, over all numbers hidden for that answer."""
    totals: dict[str, tuple[int, int]] = {}
    for answer, problem in problems:
        right, asked = totals.get(answer, (0, 0))
        totals[answer] = (right + sum(given[problem.id]), asked + len(given[problem.id]))
    return {answer: PutBack(given_back=right, asked=asked) for answer, (right, asked) in totals.items()}


def backward_questions(question: Problem, stated: Sequence[str], recipe: RunRecipe) -> Iterator[tuple[str, Problem]]:
    """Yield each leading answer with its backward questions; every answer is judged on the same hidden numbers."""
    options: VoteOptions = recipe.vote
    for place, answer in enumerate(leading_answers(stated, options.judge_answers), start=1):
        parent = replace(question, answer=answer, solution="")
        for number in choose_hidden(
            parent, options.judge_numbers, mode="default", rng_seed=recipe.rng_seed, method="fobar"
        ):
            yield answer, Problem(
                id=f"{question.id}{CHECK}.{place}.{number.index}", dataset=question.dataset, style=question.style,
                question=ask_for_number(parent, number, "default"), answer=number.answer, method="fobar",
                parent=question.id,
            )  # fmt: skip
