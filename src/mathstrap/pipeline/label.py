"""Label questions that came without an answer by the majority of the teacher's draws."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from mathstrap.augment import AUGMENTATIONS
from mathstrap.curate.vote import vote
from mathstrap.pipeline.derive import parse_answers
from mathstrap.pipeline.options import RunRecipe
from mathstrap.types import Candidate, Completion, Problem, Reject, Request


def question_of(seed: Problem, recipe: RunRecipe) -> list[Problem]:
    """Return the seed's own question as answer augmentation asks it, so that a vote's draws serve there too."""
    made = AUGMENTATIONS["ans_aug"].rewrite(seed, 1, mode=recipe.mode, rng_seed=recipe.rng_seed)
    return [problem for problem in made if isinstance(problem, Problem)]


def label_seeds(
    seeds: Iterable[Problem],
    asked: Iterable[Problem],
    answered: Iterable[tuple[Request, Completion]],
    recipe: RunRecipe,
) -> tuple[list[Problem], list[Reject]]:
    """Return the seeds, labelled, and those without a majority; a seed with missing replies waits for the next run.

    A label carries the tags `gold: voted` and `confidence`, the share of draws that state it (OpenMathInstruct-2).
    """
    by_id = {question.id: question for question in asked}
    answers: dict[str, list[str]] = {question.parent or question.id: [] for question in by_id.values()}
    for request, completion in answered:
        (made,) = parse_answers([(request, completion)], by_id, recipe)
        question = by_id[request.id.rpartition("#")[0]]
        answers[question.parent or question.id].append(made.answer if isinstance(made, Candidate) else "")
    labelled: list[Problem] = []
    rejects: list[Reject] = []
    for seed in seeds:
        if seed.answer:
            labelled.append(seed)
            continue
        stated = answers.get(seed.id, [])
        if len(stated) < recipe.vote.draws:
            continue
        label = vote(stated, recipe.vote)
        if label.answer is None:
            detail = f"{label.num_votes} of {label.num_draws} draws agree ({label.reason})"
            rejects.append(Reject(id=seed.id, stage="solve", reason="no_majority", detail=detail))
        else:
            tags = {**seed.tags, "gold": "voted", "confidence": label.confidence}
            labelled.append(replace(seed, answer=label.answer, tags=tags))
    return labelled, rejects
