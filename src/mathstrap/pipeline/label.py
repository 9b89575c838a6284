"""Label questions without an answer, seeds or rewrites, by the majority of the teacher's draws."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as with_fields
from itertools import chain

from msgspec.structs import replace

from mathstrap.augment import AUGMENTATIONS
from mathstrap.curate.vote import PutBack, Vote, vote
from mathstrap.pipeline.check import check_answers
from mathstrap.pipeline.derive import OWN_VOTE, draws_label, plan_solves
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.recall import note_labels
from mathstrap.pipeline.solve import parse_solution
from mathstrap.pipeline.state import Context, State, asked_of_draws, keys_of_draws, noting_keys
from mathstrap.types import Asked, Candidate, Completion, Problem, Reject, Usage, problem_of


def label(state: State, context: Context) -> State:
    """Label seeds without an answer by the majority of their draws; seeds without a majority are rejected."""
    recipe, seeds = context.recipe, state.seeds.problems
    questions = [question for seed in seeds if not seed.answer for question in question_of(seed, recipe)]
    if not questions:
        return state
    voted = vote_on(questions, context)
    labelled, rejects = label_seeds(seeds, questions, voted.votes, recipe)
    return with_fields(
        state,
        seeds=with_fields(state.seeds, problems=labelled),
        rejects=(*state.rejects, *rejects),
        votes=voted.usage_of(context),
        voted=(*voted.asked(), *voted.checks_asked),
        labels=voted.checks_usage,
    )


@dataclass(frozen=True, kw_only=True)
class Voted:
    """The votes on some questions (none for one with missing replies), their draws, and the checks of the answers."""

    votes: dict[str, Vote]
    draws: dict[str, range]
    keys: dict[str, str]
    checks_usage: Usage
    checks_asked: list[Asked]

    def usage_of(self, context: Context, *, of: Collection[str] | None = None) -> Usage:
        """Return the usage of all draws, or of those of some questions."""
        return context.run.usage_of("solve", keys_of_draws(self._draws_of(of), self.keys))

    def asked(self, *, of: Collection[str] | None = None) -> list[Asked]:
        """Return the requests of all draws, or of those of some questions."""
        return list(asked_of_draws(self._draws_of(of), self.keys))

    def _draws_of(self, ids: Collection[str] | None) -> dict[str, range]:
        return {name: draws for name, draws in self.draws.items() if ids is None or name in ids}


def vote_on(questions: Sequence[Problem], context: Context) -> Voted:
    """Ask for the draws of questions without an answer, check the answers by FOBAR if the recipe says so, and vote."""
    recipe, run = context.recipe, context.run
    draws = {question.id: range(recipe.vote.draws) for question in questions}
    keys: dict[str, str] = {}
    requests = noting_keys(plan_solves(questions, recipe, draws), keys)
    context.teacher.fill("solve", requests, sum(map(len, draws.values())))
    answers = stated_answers(questions, run.replies("solve", keys_of_draws(draws, keys)), recipe)
    whole = [question for question in questions if len(answers[question.id]) == recipe.vote.draws]
    checks: dict[str, dict[str, PutBack]] = {question.id: {} for question in whole}
    usage, asked = Usage(), list[Asked]()
    if recipe.vote.judge == "fobar":
        checks, usage, asked = check_answers(whole, answers, context)
    votes = {name: vote(answers[name], recipe.vote, checks=answer_checks) for name, answer_checks in checks.items()}
    return Voted(votes=votes, draws=draws, keys=keys, checks_usage=usage, checks_asked=asked)


def question_of(seed: Problem, recipe: RunRecipe) -> list[Problem]:
    """Return the seed's question as answer augmentation asks it, so that the draws of a vote serve as its answers."""
    rewritten = AUGMENTATIONS["ans_aug"].rewrite(seed, 1, mode=recipe.mode, rng_seed=recipe.rng_seed)
    return [problem for problem in rewritten if isinstance(problem, Problem)]


def label_seeds(
    seeds: Sequence[Problem], questions: Iterable[Problem], votes: Mapping[str, Vote], recipe: RunRecipe
) -> tuple[list[Problem], list[Reject]]:
    """Return the labelled seeds, and a reject of each without a majority; one without a vote waits for the next run."""
    by_seed = {question.parent or question.id: votes.get(question.id) for question in questions}
    labelled: list[Problem] = []
    rejects: list[Reject] = []
    for seed in seeds:
        seed_vote = by_seed.get(seed.id)
        labelled_seed = seed if seed.answer else None if seed_vote is None else label_of(seed, seed_vote, recipe)
        if isinstance(labelled_seed, Reject):
            rejects.append(labelled_seed)
        elif labelled_seed is not None:
            labelled.append(labelled_seed)
    return labelled, rejects


def label_questions(state: State, context: Context) -> State:
    """Label rewritten questions without a gold by the majority of their draws, and write the questions again.

    The draws serve as answers too. A question without a majority is rejected; one with missing replies waits for the
    next run. Labels are derived from the replies each time, even if an earlier run has written them.
    """
    recipe, run = context.recipe, context.run
    questions = {problem.id: replace(problem, answer="") for problem in state.problems if draws_label(problem)}
    if not questions:
        return state
    voted = vote_on(list(questions.values()), context)
    labels = {name: label_of(questions[name], question_vote, recipe) for name, question_vote in voted.votes.items()}
    problems = [labels.get(problem.id, questions.get(problem.id, problem)) for problem in state.problems]
    written = [questions[problem.id] if isinstance(problem, Reject) else problem for problem in problems]
    run.write_records("problems", chain(state.seeds.problems, written))
    note_labels(run)
    labelled = tuple(problem for problem in problems if isinstance(problem, Problem) and problem.answer)
    kept = {problem.id for problem in labelled}
    unlabelled = questions.keys() - kept
    return with_fields(
        state,
        problems=labelled,
        rejects=(*state.rejects, *(reject for reject in labels.values() if isinstance(reject, Reject))),
        voted=(*state.voted, *voted.asked(of=unlabelled), *voted.checks_asked),
        labels=state.labels + voted.usage_of(context, of=unlabelled) + voted.checks_usage,
    )


def stated_answers(
    questions: Iterable[Problem], replies: Iterable[Completion], recipe: RunRecipe
) -> dict[str, list[str]]:
    """Return the answers that the replies to each question state; empty for a reply that states none."""
    by_id = {question.id: question for question in questions}
    answers: dict[str, list[str]] = {name: [] for name in by_id}
    for completion in replies:
        question = by_id[problem_of(completion.request)]
        parsed = parse_solution(question, completion, mode=recipe.mode)
        answers[question.id].append(parsed.answer if isinstance(parsed, Candidate) else "")
    return answers


def label_of(problem: Problem, result: Vote, recipe: RunRecipe) -> Problem | Reject:
    """Return a problem with its voted answer as gold, or a reject if it has no majority.

    A labelled problem has the tags `gold: voted` and `confidence`: the share of draws that state the answer
    (OpenMathInstruct-2), or, where FOBAR checked it, that share and the checks together; `given_back` is the share of
    checks that gave the hidden number back.
    """
    if result.answer is None:
        detail = f"{result.num_votes} of {result.num_draws} draws agree ({result.reason})"
        if result.given_back is not None:
            detail += f", and {100 * result.given_back:.0f} % of the checks give the hidden number back"
        return Reject(id=problem.id, stage="solve", reason="no_majority", detail=detail)
    tags = {**problem.tags, "gold": "voted", "confidence": result.confidence}
    if result.given_back is not None:
        agreement = round(result.num_votes / result.num_draws, 4)
        tags |= {"agreement": agreement, "given_back": result.given_back, "calibrated": bool(recipe.vote.calibration)}
    if problem.method != "seed":
        tags[OWN_VOTE] = True
    return replace(problem, answer=result.answer, tags=tags)
