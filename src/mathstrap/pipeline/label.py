"""Label questions that came without an answer by the majority of the teacher's draws."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace as with_fields

from msgspec.structs import replace

from mathstrap.augment import AUGMENTATIONS
from mathstrap.curate.vote import vote
from mathstrap.pipeline.derive import plan_solves
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.solve import parse_solution
from mathstrap.pipeline.state import Context, State, asked_of_draws, keys_of_draws, noting_keys
from mathstrap.types import Candidate, Completion, Problem, Reject, problem_of


def label(state: State, context: Context) -> State:
    """Give seeds without an answer the majority of their draws; those without a majority fall out."""
    recipe, run, seeds = context.recipe, context.run, state.seeds.problems
    questions = [question for seed in seeds if not seed.answer for question in question_of(seed, recipe)]
    if not questions:
        return state
    draws = {question.id: range(recipe.vote.draws) for question in questions}
    keys: dict[str, str] = {}
    requests = noting_keys(plan_solves(questions, recipe, draws), keys)
    context.teacher.fill("solve", requests, sum(map(len, draws.values())))
    replies = run.replies("solve", keys_of_draws(draws, keys))
    labelled, rejects = label_seeds(seeds, questions, replies, recipe)
    return with_fields(
        state,
        seeds=with_fields(state.seeds, problems=labelled),
        rejects=(*state.rejects, *rejects),
        votes=run.usage_of("solve", keys_of_draws(draws, keys)),
        voted=tuple(asked_of_draws(draws, keys)),
    )


def question_of(seed: Problem, recipe: RunRecipe) -> list[Problem]:
    """Return the seed's own question as answer augmentation asks it, so that a vote's draws serve there too."""
    rewritten = AUGMENTATIONS["ans_aug"].rewrite(seed, 1, mode=recipe.mode, rng_seed=recipe.rng_seed)
    return [problem for problem in rewritten if isinstance(problem, Problem)]


def label_seeds(
    seeds: Sequence[Problem], questions: Iterable[Problem], replies: Iterable[Completion], recipe: RunRecipe
) -> tuple[list[Problem], list[Reject]]:
    """Return the seeds, labelled, and those without a majority; a seed with missing replies waits for the next run.

    A label carries the tags `gold: voted` and `confidence`, the share of draws that state it (OpenMathInstruct-2).
    """
    by_id = {question.id: question for question in questions}
    answers: dict[str, list[str]] = {question.parent or question.id: [] for question in by_id.values()}
    for completion in replies:
        question = by_id[problem_of(completion.request)]
        parsed = parse_solution(question, completion, mode=recipe.mode)
        answers[question.parent or question.id].append(parsed.answer if isinstance(parsed, Candidate) else "")
    labelled: list[Problem] = []
    rejects: list[Reject] = []
    for seed in seeds:
        if seed.answer:
            labelled.append(seed)
            continue
        stated = answers.get(seed.id, [])
        if len(stated) < recipe.vote.draws:
            continue
        majority = vote(stated, recipe.vote)
        if majority.answer is None:
            detail = f"{majority.num_votes} of {majority.num_draws} draws agree ({majority.reason})"
            rejects.append(Reject(id=seed.id, stage="solve", reason="no_majority", detail=detail))
        else:
            tags = {**seed.tags, "gold": "voted", "confidence": majority.confidence}
            labelled.append(replace(seed, answer=majority.answer, tags=tags))
    return labelled, rejects
