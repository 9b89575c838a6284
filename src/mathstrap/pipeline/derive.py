"""The pure middle of a run: what would be asked, and what follows from the replies. Touches no file and no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, groupby

import msgspec

from mathstrap.augment import Draft, draft_request
from mathstrap.augment import Mode as AugmentMode
from mathstrap.backends import teacher_name
from mathstrap.errors import InputError
from mathstrap.parallel import Spread, chunks_of, here
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.panel import Asker, Panel
from mathstrap.pipeline.solve import parse_solution, solve_requests
from mathstrap.prompts import Prompt, choose_prompt, parse_prompt, prompt_stage
from mathstrap.share.export import finish_response
from mathstrap.types import (
    Candidate,
    Completion,
    Method,
    Problem,
    Reject,
    Request,
    Sample,
    Verdict,
    problem_of,
    root_of,
    type_of,
)
from mathstrap.verify import Mode, grade

# What a core does in about a tenth of a second.
SEEDS_PER_CHUNK = 25
REPLIES_PER_CHUNK = 1_000
JOBS_PER_CHUNK = 5_000


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRewrite:
    """A question the teacher is asked to rewrite: the seed, and what to make of it. Small, for a run plans millions."""

    parent: Problem
    draft: Draft


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What rewriting comes to before anything is asked: requests, and what needs none."""

    rewrites: list[PlannedRewrite]
    problems: list[Problem]
    rejects: list[Reject]


def plan_rewrites(seeds: Iterable[Problem], recipe: RunRecipe, *, spread: Spread = here) -> Plan:
    """Apply every enabled method to every seed, in id order."""
    ordered = sorted(seeds, key=lambda problem: problem.id)
    whole = Plan(rewrites=[], problems=[], rejects=[])
    for part in spread(_plan_seeds, recipe, chunks_of(ordered, SEEDS_PER_CHUNK)):
        whole.rewrites.extend(part.rewrites)
        whole.problems.extend(part.problems)
        whole.rejects.extend(part.rejects)
    return whole


def _plan_seeds(recipe: RunRecipe, seeds: list[Problem]) -> Plan:
    plan = Plan(rewrites=[], problems=[], rejects=[])
    for seed in seeds:
        for method in recipe.method_names:
            count, augmentation = recipe.method(method).count, recipe.augmentation(method)
            for made in augmentation.rewrite(seed, count, mode=recipe.mode, rng_seed=recipe.rng_seed):
                check_descent(made, method, seed)
                if isinstance(made, Problem):
                    plan.problems.append(made)
                elif isinstance(made, Reject):
                    plan.rejects.append(made)
                else:
                    plan.rewrites.append(PlannedRewrite(parent=seed, draft=made))
    return plan


def check_descent(made: Draft | Problem | Reject, method: Method, seed: Problem) -> None:
    """Raise InputError where a method of the user's own names what it made so that its lineage is lost."""
    named = method if isinstance(made, Reject) else made.method
    if named != method or not made.id.startswith(f"{seed.id}/{method}"):
        raise InputError(
            f'method "{method}" made "{made.id}" with the method "{named}". '
            f'Expected the method "{method}" and an id like "{seed.id}/{method}.1".'
        )


def rewrite_request(planned: PlannedRewrite, recipe: RunRecipe) -> Request:
    """Render the prompt of one draft into its request; made when it is needed, because prompts are long."""
    prompt = rewrite_prompt(planned.draft.method, planned.parent, recipe)
    asker = recipe.panels["rewriting"].asker(planned.draft.id)
    return draft_request(
        planned.parent, planned.draft, recipe.augmentation(planned.draft.method),
        prompt=prompt, model=asker.model, sampling=asker.sampling, teacher=asker.label,
    )  # fmt: skip


def rewrite_prompt(method: Method, seed: Problem, recipe: RunRecipe) -> Prompt:
    """Return the prompt that asks for a rewrite: the packaged one, or the one a method of the user's own brings."""
    if method in recipe.methods.own:
        return own_prompt(method, recipe.augmentation(method).template)
    stage = prompt_stage(method, rewriting=True)
    return choose_prompt(stage, seed.style, shape=recipe.shape, files=recipe.prompts.files)


@lru_cache(maxsize=64)
def own_prompt(method: Method, template: str) -> Prompt:
    """Read the prompt that comes with a method of the user's own."""
    return parse_prompt(template, name=f"rewrite.{method}")


def solve_prompt(problem: Problem, recipe: RunRecipe) -> Prompt:
    """Return the prompt that asks for a solution."""
    stage = prompt_stage(problem.method, rewriting=False)
    return choose_prompt(stage, problem.style, shape=recipe.shape, files=recipe.prompts.files)


def parse_rewrite(planned: PlannedRewrite, completion: Completion, recipe: RunRecipe) -> Problem | Reject:
    """Turn the reply to a rewriting request into the derived problem, or say why not."""
    return recipe.augmentation(planned.draft.method).parse(planned.parent, planned.draft, completion)


def draws_of(problem: Problem, recipe: RunRecipe) -> int:
    """Return how many answers the recipe asks for, before any adaptive round; what was paid for a vote counts too."""
    draws = recipe.method(problem.method).draws
    is_voted = problem.method == "ans_aug" and problem.tags.get("gold") == "voted"
    return max(draws, recipe.vote.draws) if is_voted else draws


def plan_solves(
    problems: Iterable[Problem], recipe: RunRecipe, draws: Mapping[str, range] | None = None
) -> Iterator[Request]:
    """Yield the solving requests in problem order, draws of one problem together; lazily, so memory does not grow.

    `draws` says which draws of which problem; without it, those of the recipe before any adaptive round.
    """
    panel = recipe.panels["solving"]
    for problem in problems:
        wanted = range(draws_of(problem, recipe)) if draws is None else draws.get(problem.id, range(0))
        prompt = solve_prompt(problem, recipe)
        parts = [(panel.askers[0], wanted)] if len(panel.askers) == 1 else _dealt(problem.id, wanted, panel)
        for asker, part in parts:
            yield from solve_requests(
                problem, part, prompt=prompt, model=asker.model, sampling=asker.sampling, teacher=asker.label
            )


def _dealt(problem_id: str, draws: Iterable[int], panel: Panel) -> list[tuple[Asker, list[int]]]:
    """Return the draws of a problem in order, those that follow each other and ask the same teacher together."""
    runs = groupby(draws, key=lambda draw: panel.asker(f"{problem_id}#{draw}"))
    return [(asker, list(part)) for asker, part in runs]


def parse_answers(
    answered: Iterable[tuple[Request, Completion]],
    problems: Mapping[str, Problem],
    recipe: RunRecipe,
    *,
    spread: Spread = here,
) -> Iterator[Candidate | Reject]:
    """Yield what each reply to a solving request comes to, in the order given."""
    replies = ((problems[problem_of(asked.id)], completion) for asked, completion in answered)
    how = (recipe.mode, recipe.export.keeps_thoughts)
    return chain.from_iterable(spread(_parse_replies, how, chunks_of(replies, REPLIES_PER_CHUNK)))


def _parse_replies(
    how: tuple[AugmentMode, bool], replies: list[tuple[Problem, Completion]]
) -> list[Candidate | Reject]:
    mode, keeps = how
    return [parse_solution(problem, completion, mode=mode, keeps_thoughts=keeps) for problem, completion in replies]


def grade_all(
    candidates: Iterable[Candidate], problems: Mapping[str, Problem], recipe: RunRecipe, *, spread: Spread = here
) -> Iterator[Verdict]:
    """Yield the verdict of each candidate, in order."""
    jobs = (job_for(candidate, problems[candidate.problem], recipe) for candidate in candidates)
    return chain.from_iterable(spread(_grade_jobs, None, chunks_of(jobs, JOBS_PER_CHUNK)))


def _grade_jobs(_: None, jobs: list[Job]) -> list[Verdict]:
    return [grade_one(job) for job in jobs]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison, small enough to send to another process."""

    candidate: str
    gold: str
    answer: str
    grader: str
    mode: Mode


def job_for(candidate: Candidate, problem: Problem, recipe: RunRecipe) -> Job:
    """Return the comparison of a candidate with its problem's gold."""
    return Job(
        candidate=candidate.id,
        gold=problem.answer,
        answer=candidate.answer,
        grader=grader_for(problem, recipe),
        mode=recipe.verify.mode,
    )


def grader_for(problem: Problem, recipe: RunRecipe) -> str:
    """Return the grader's name; `metamath-2024` has one per style."""
    name = recipe.verify.grader
    return f"{name}-{problem.style}" if name == "metamath-2024" else name


def grade_one(job: Job) -> Verdict:
    """Compare one candidate's answer with the gold."""
    found = grade(job.gold, job.answer, grader=job.grader, mode=job.mode)
    return Verdict(
        candidate=job.candidate, outcome=found.outcome, got=found.got, expected=found.expected,
        grader=job.grader, tier=found.tier, reason=found.reason,
    )  # fmt: skip


def make_sample(
    candidate: Candidate, verdict: Verdict, problem: Problem, seed: Problem, recipe: RunRecipe, prompt_hash: str
) -> Sample:
    """Return the training row of a graded candidate (published columns of MetaMathQA, then lineage)."""
    answer = problem.answer if verdict.outcome == "correct" else candidate.answer
    asker = recipe.panels["solving"].asker(candidate.id)
    is_mixed = len(recipe.panels["solving"].askers) > 1
    return Sample(
        id=candidate.id,
        type=type_of(problem.style, problem.method),
        query=problem.question,
        original_question=seed.question,
        response=finish_response(candidate.text, answer, problem.style, recipe.export.ending),
        problem=problem.id,
        seed=root_of(candidate.id),
        dataset=seed.dataset,
        method=problem.method,
        answer=answer,
        gold_source="voted" if seed.tags.get("gold") == "voted" else "given",
        confidence=float(seed.tags.get("confidence", 1.0)),
        outcome=verdict.outcome,
        teacher=candidate.model or teacher_name(asker.options),
        prompt_hash=prompt_hash,
        draw=int(candidate.id.rpartition("#")[2]),
        reasoning=candidate.reasoning,
        thought_tag=candidate.thought_tag,
        tags={**problem.tags, "teacher": asker.label} if is_mixed else problem.tags,
    )
