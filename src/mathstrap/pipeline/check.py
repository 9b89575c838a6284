"""Put voted answers back into their questions and ask for a number of these: FOBAR as a judge of the answers.

A right answer gives the hidden number back more often than a wrong one does. No gold is needed for it.
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
    """Return, by question and by answer, what putting the answer back came to; what that used, and what it asked.

    A question of which a reply is missing is left out: it is labelled once all replies are there. One without a number
    that can be hidden has no checks.
    """
    recipe, run = context.recipe, context.run
    backward = {
        question.id: list(backward_questions(question, stated[question.id], recipe)) for question in questions
    }
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
        said = isinstance(parsed, Candidate) and answers_agree(problem.answer, parsed.answer) == "correct"
        given[problem.id].append(said)
    checks = {
        name: counted(problems, given)
        for name, problems in backward.items()
        if all(len(given[problem.id]) == recipe.vote.judge_draws for _, problem in problems)
    }
    return checks, run.usage_of("solve", keys_of_draws(draws, keys)), list(asked_of_draws(draws, keys))


def counted(problems: Iterable[tuple[str, Problem]], given: Mapping[str, Sequence[bool]]) -> dict[str, PutBack]:
    """Return by answer how many draws gave their hidden number back, over all numbers hidden for it."""
    totals: dict[str, tuple[int, int]] = {}
    for answer, problem in problems:
        right, asked = totals.get(answer, (0, 0))
        totals[answer] = (right + sum(given[problem.id]), asked + len(given[problem.id]))
    return {answer: PutBack(given_back=right, asked=asked) for answer, (right, asked) in totals.items()}


def backward_questions(
    question: Problem, stated: Sequence[str], recipe: RunRecipe
) -> Iterator[tuple[str, Problem]]:
    """Yield each leading answer with the questions that state it and ask for a number; the same numbers for each."""
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
