"""Label questions that have no answer by the majority of the teacher's draws: seeds, and what methods made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace as with_fields
from itertools import chain

from msgspec.structs import replace

from mathstrap.augment import AUGMENTATIONS
from mathstrap.curate.vote import vote
from mathstrap.pipeline.derive import OWN_VOTE, draws_label, plan_solves
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.recall import note_labels
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
    seed_of = {question.id: question.parent or question.id for question in questions}
    answers = {seed_of[name]: stated for name, stated in stated_answers(questions, replies, recipe).items()}
    labelled: list[Problem] = []
    rejects: list[Reject] = []
    for seed in seeds:
        if seed.answer:
            labelled.append(seed)
            continue
        stated = answers.get(seed.id, [])
        if len(stated) < recipe.vote.draws:
            continue
        made = label_of(seed, stated, recipe)
        if isinstance(made, Reject):
            rejects.append(made)
        else:
            labelled.append(made)
    return labelled, rejects


def label_questions(state: State, context: Context) -> State:
    """Give questions that a method made without a gold the majority of their draws, and write the questions again.

    The draws serve as answers too. A question without a majority falls out; one with missing replies waits for the next
    run. Labels are made from the replies each time, also where a former run has written them down.
    """
    recipe, run = context.recipe, context.run
    questions = {
        problem.id: replace(problem, answer="") for problem in state.problems if draws_label(problem)
    }  # fmt: skip
    if not questions:
        return state
    draws = {name: range(recipe.vote.draws) for name in questions}
    keys: dict[str, str] = {}
    requests = noting_keys(plan_solves(questions.values(), recipe, draws), keys)
    context.teacher.fill("solve", requests, sum(map(len, draws.values())))
    answers = stated_answers(questions.values(), run.replies("solve", keys_of_draws(draws, keys)), recipe)
    made = {
        name: label_of(question, answers[name], recipe)
        for name, question in questions.items()
        if len(answers[name]) == recipe.vote.draws
    }
    problems = [made.get(problem.id, questions.get(problem.id, problem)) for problem in state.problems]
    written = [questions[one.id] if isinstance(one, Reject) else one for one in problems]
    run.write_records("problems", chain(state.seeds.problems, written))
    note_labels(run)
    labelled = tuple(one for one in problems if isinstance(one, Problem) and one.answer)
    kept = {problem.id for problem in labelled}
    unlabelled = {name: wanted for name, wanted in draws.items() if name not in kept}
    return with_fields(
        state,
        problems=labelled,
        rejects=(*state.rejects, *(one for one in made.values() if isinstance(one, Reject))),
        votes=state.votes + run.usage_of("solve", keys_of_draws(unlabelled, keys)),
        voted=(*state.voted, *asked_of_draws(unlabelled, keys)),
    )


def stated_answers(
    questions: Iterable[Problem], replies: Iterable[Completion], recipe: RunRecipe
) -> dict[str, list[str]]:
    """Return what each reply to each question states as its answer, empty where it states none."""
    by_id = {question.id: question for question in questions}
    answers: dict[str, list[str]] = {name: [] for name in by_id}
    for completion in replies:
        question = by_id[problem_of(completion.request)]
        parsed = parse_solution(question, completion, mode=recipe.mode)
        answers[question.id].append(parsed.answer if isinstance(parsed, Candidate) else "")
    return answers


def label_of(problem: Problem, stated: Sequence[str], recipe: RunRecipe) -> Problem | Reject:
    """Return a problem with the majority of its stated answers as gold, or the Reject of one without a majority."""
    majority = vote(stated, recipe.vote)
    if majority.answer is None:
        detail = f"{majority.num_votes} of {majority.num_draws} draws agree ({majority.reason})"
        return Reject(id=problem.id, stage="solve", reason="no_majority", detail=detail)
    tags = {**problem.tags, "gold": "voted", "confidence": majority.confidence}
    if problem.method != "seed":
        tags[OWN_VOTE] = True
    return replace(problem, answer=majority.answer, tags=tags)
