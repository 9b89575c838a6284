"""Gather everything a run holds about one seed: derived questions, prompts, replies, verdicts, rejects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from mathstrap.backends import SERVED
from mathstrap.backends.served.endpoints import DEFAULT_URL
from mathstrap.errors import InputError, suggest
from mathstrap.explore.prompt import AskedPrompt
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.again import again_request, second_chance
from mathstrap.pipeline.derive import draws_of, parse_rewrite, plan_rewrites, plan_solves, rewrite_request
from mathstrap.pipeline.keys import keyed_recipe
from mathstrap.pipeline.options import RunRecipe
from mathstrap.recipe import load_recipe
from mathstrap.redact import bare_url
from mathstrap.types import Candidate, Completion, Problem, Reject, Request, Verdict, problem_of, root_of

# A stored id may be damaged or forged: a draw number with more digits would plan millions of requests.
MOST_DRAW_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request, and its reply where there is one."""

    request: Request
    completion: Completion | None
    candidate: Candidate | None = None
    verdict: Verdict | None = None
    reject: Reject | None = None

    @property
    def outcome(self) -> str:
        """Return the state of the request in a few words."""
        if self.reject is not None:
            return f"rejected: {self.reject.reason.replace('_', ' ')}"
        if self.verdict is not None:
            return self.verdict.outcome
        return "not answered yet" if self.completion is None else "answered"


@dataclass(frozen=True, kw_only=True)
class Family:
    """A seed, the questions derived from it, and every exchange about them in id order."""

    seed: Problem
    problems: list[Problem]
    rewrites: list[Exchange] = field(default_factory=list)
    solves: list[Exchange] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def _repr_html_(self) -> str:
        from mathstrap.render.notebook import cell

        answers: dict[str, list[Exchange]] = {}
        for exchange in self.solves:
            answers.setdefault(problem_of(exchange.request.id), []).append(exchange)
        derived = ((problem, answers.get(problem.id, [])) for problem in self.problems)
        return cell("family", blocks=[
            {
                "id": problem.id, "question": problem.question, "answer": problem.answer, "style": problem.style,
                "is_open": place == 0, "exchanges": [shown_exchange(exchange) for exchange in exchanges],
            }
            for place, (problem, exchanges) in enumerate([(self.seed, self.rewrites), *derived])
        ])  # fmt: skip


def shown_exchange(exchange: Exchange) -> dict[str, str]:
    """Return the fields of an exchange that a page shows."""
    completion, outcome = exchange.completion, exchange.outcome
    return {
        "id": exchange.request.id,
        "outcome": outcome,
        "mood": "good" if outcome == "correct" else "bad" if outcome not in ("answered", "not answered yet") else "",
        "text": completion.text if completion else "",
        "thought": completion.reasoning if completion else "",
        "prompt": "\n\n".join(message.content for message in exchange.request.messages),
    }


R = TypeVar("R", bound=msgspec.Struct)


def records_of(root: str, run: RunDir, name: str, kind: type[R], id_of: Callable[[R], str]) -> list[R]:
    """Return the records of a derived file that descend from one seed; none where the file is not there yet."""
    return [row for row in run.read_records(name, kind) if root_of(id_of(row)) == root] if run.has(name) else []


def known_draws(problems: list[Problem], recipe: RunRecipe, run: RunDir) -> dict[str, range]:
    """Return the draws of each problem: the recipe's, and those that adaptive rounds added."""
    most = {problem.id: draws_of(problem, recipe) for problem in problems}
    for request_id in run.request_ids("solve"):
        problem_id, _, draw = request_id.rpartition("#")
        if problem_id in most and draw.isascii() and draw.isdecimal() and len(draw) < MOST_DRAW_DIGITS:
            most[problem_id] = max(most[problem_id], int(draw) + 1)
    return {problem_id: range(count) for problem_id, count in most.items()}


def prompt_of(path: Path, problems: Sequence[Problem], request_id: str) -> AskedPrompt:
    """Return the prompt of a request, rendered again from a run's recipe and the questions of its family.

    Raises InputError for an unknown request, and where rendering would execute code that the recipe names.
    """
    run = RunDir.read(path)
    recipe = keyed_recipe(load_recipe(RunRecipe, str(path / "recipe.yaml")), run)
    if recipe.methods.own:
        files = ", ".join(own.code for own in recipe.methods.own.values())
        raise InputError(
            f"Showing this prompt would execute {files}. If that is your file: mathstrap show {request_id} --run "
            f"{path} --own-code"
        )
    problem_id, _, draw = request_id.rpartition("#")
    requests: Iterable[Request]
    if problem_id and draw.isdecimal() and len(draw) <= MOST_DRAW_DIGITS:
        asked = [problem for problem in problems if problem.id == problem_id]
        requests = plan_solves(asked, recipe, {problem_id: range(int(draw) + 1)}) if asked else ()
    else:
        seeds = [problem for problem in problems if problem.method == "seed"]
        plan = plan_rewrites(seeds, recipe, among=seeds_of(run) if is_crossed(recipe) else None)
        requests = (rewrite_request(planned, recipe) for planned in plan.rewrites)
    request = next((request for request in requests if request.id == request_id), None)
    if request is None:
        raise InputError(f"{request_id}: the present recipe of this run asks nothing under this id.")
    sampling = request.sampling
    body = {
        "model": request.model, "temperature": sampling.temperature, "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
    }  # fmt: skip
    is_served = recipe.teacher.backend in SERVED
    url = next(iter(recipe.teacher.urls), DEFAULT_URL) if is_served else ""
    key_env = recipe.teacher.api_key_env if is_served else ""
    return AskedPrompt(messages=request.messages, body=body, url=bare_url(url) if url else "", key_env=key_env)


def is_crossed(recipe: RunRecipe) -> bool:
    """Say whether a method of the recipe makes questions from several seeds."""
    return any(recipe.augmentation(name).parents > 1 for name in recipe.method_names)


def seeds_of(run: RunDir) -> list[Problem]:
    """Return all seeds of a run, also of a run that was opened for one family."""
    return [problem for problem in run.read_records("problems", Problem, everything=True) if problem.method == "seed"]


def family_of(record_id: str, recipe: RunRecipe, run: RunDir) -> Family:
    """Return the whole family of the seed that an id descends from; raises InputError for an unknown id."""
    recipe = keyed_recipe(recipe, run)
    root = root_of(record_id)
    problems = [problem for problem in run.read_records("problems", Problem) if root_of(problem.id) == root]
    seed = next((problem for problem in problems if problem.method == "seed"), None)
    if seed is None:
        known = [problem.id for problem in seeds_of(run)]
        raise InputError(f'{run.path}: no seed "{root}" in this run.{suggest(root, known[:2000]) if known else ""}')
    derived = [problem for problem in problems if problem.method != "seed"]
    candidates = {c.id: c for c in records_of(root, run, "candidates", Candidate, lambda c: c.id)}
    verdicts = {v.candidate: v for v in records_of(root, run, "verdicts", Verdict, lambda v: v.candidate)}
    rejects = records_of(root, run, "rejects", Reject, lambda r: r.id)
    by_id = {reject.id: reject for reject in rejects}

    def exchanges(stage: str, requests: list[Request]) -> Iterator[Exchange]:
        replies = {request.id: completion for request, completion in run.answered(stage, requests)}
        for request in requests:
            yield Exchange(
                request=request,
                completion=replies.get(request.id),
                candidate=candidates.get(request.id),
                verdict=verdicts.get(request.id),
                reject=by_id.get(request.id),
            )

    # Only a method that crosses seeds needs the others, which take longer to read than everything else here.
    plan = plan_rewrites([seed], recipe, among=seeds_of(run) if is_crossed(recipe) else None).rewrites
    rewrites: list[Exchange] = []
    for planned, first in zip(
        plan, exchanges("rewrite", [rewrite_request(planned, recipe) for planned in plan]), strict=True
    ):
        parsed = first.completion and parse_rewrite(planned, first.completion, recipe)
        chance = None
        if first.completion is not None and isinstance(parsed, Reject):
            chance = second_chance(planned, first.completion, parsed, recipe)
        if chance is None or not isinstance(parsed, Reject):
            rewrites.append(first)
            continue
        (again,) = exchanges("rewrite", [again_request(chance, recipe)])
        rewrites += [replace(first, reject=parsed), replace(again, reject=by_id.get(planned.draft.id))]
    return Family(
        seed=seed,
        problems=derived,
        rewrites=rewrites,
        solves=list(exchanges("solve", list(plan_solves(derived, recipe, known_draws(derived, recipe, run))))),
        rejects=rejects,
    )
