"""Make the questions of a run: rewrites of the seeds, minus duplicates and questions that are in a test set."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain

from mathstrap.files.rundir import Key
from mathstrap.pipeline.again import SecondChance, again_request, parse_again, second_chance
from mathstrap.pipeline.allowance import calls_left
from mathstrap.pipeline.curate import in_order, repeated_questions
from mathstrap.pipeline.derive import (
    PlannedRewrite,
    RewritePlan,
    draws_of,
    parse_rewrite,
    plan_rewrites,
    prompt_hashes,
    rewrite_request,
)
from mathstrap.pipeline.recall import inputs_of, recall, remember
from mathstrap.pipeline.rounds import RewriteRounds
from mathstrap.pipeline.state import Context, State
from mathstrap.types import Asked, Completion, Problem, Reject, Request


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """The rejected questions, the judge's requests, and whether one of the judge's replies is missing."""

    rejects: list[Reject]
    asked: list[Asked]
    is_waiting: bool


def make_questions(state: State, context: Context) -> State:
    """Rewrite the seeds and filter the results, or read the questions back where none of their inputs has changed."""
    recipe, run, seeds = context.recipe, context.run, state.seeds.problems
    prompts = prompt_hashes(recipe, seeds).values()
    known = recall(run, inputs_of(seeds, prompts, recipe, run), seeds)
    if known is not None:
        context.teacher.fill("rewrite", (), 0)  # every rewrite is there
        return replace(
            state,
            problems=tuple(known.problems),
            rejects=(*state.rejects, *known.rejects),
            planned=known.planned,
        )
    run.forget("asked-rewrite")
    plan = plan_rewrites(seeds, recipe, map_chunks=context.map_chunks)
    keys: dict[str, str] = {}
    rewritten, is_waiting = rewrite(state, context, plan, keys)
    filtered = filter_questions(rewritten, context)
    dropped = {reject.id for reject in filtered.rejects}
    problems = tuple(problem for problem in rewritten.problems if problem.id not in dropped)
    rejects = (*rewritten.rejects, *filtered.rejects)
    run.write_records("problems", chain(seeds, problems))
    run.write_records("rejects", in_order(rejects[len(state.rejects) :]))
    asked = (Asked(id=request_id, key=key) for request_id, key in keys.items())
    run.write_records("asked-rewrite", chain(asked, filtered.asked))
    if not is_waiting and not filtered.is_waiting:
        # Hashed again: the judge's replies of this run are among the inputs of the questions.
        remember(run, inputs_of(seeds, prompts, recipe, run), rewritten.planned)
    return replace(rewritten, problems=problems, rejects=rejects)


def rewrite(state: State, context: Context, plan: RewritePlan, keys: dict[str, str]) -> tuple[State, bool]:
    """Ask for the rewrites, round by round; return the resulting questions and whether a reply is missing.

    The key of every rewrite is noted in `keys`.
    """
    recipe, run, teacher = context.recipe, context.run, context.teacher
    rounds = RewriteRounds(plan, recipe, spent=state.votes + state.labels, price=teacher.meter.price)
    while planned := rounds.next():
        teacher.fill("rewrite", requests_of(planned, context, keys), len(planned))
        rounds.take(len(planned), run.usage_of("rewrite", keys_of(planned, keys)))
    # A smaller budget than an earlier run's asks for fewer rewrites; those that were paid for then still count.
    unasked = [planned for planned in plan.rewrites if planned.draft.id not in keys]
    deque(requests_of(unasked, context, keys), maxlen=0)
    by_id = {planned.draft.id: planned for planned in plan.rewrites}
    problems, rejects = list(plan.problems), list(plan.rejects)
    chances: list[SecondChance] = []
    num_replies = 0
    for completion in run.replies("rewrite", keys_of(plan.rewrites, keys)):
        num_replies += 1
        planned_one = by_id[completion.request]
        parsed = parse_rewrite(planned_one, completion, recipe)
        if isinstance(parsed, Problem):
            problems.append(parsed)
        elif chance := second_chance(planned_one, completion, parsed, recipe):
            chances.append(chance)
        else:
            rejects.append(parsed)
    left = calls_left(recipe.budget, rounds.all_spent, rounds.mean_cost, teacher.meter.price)
    num_asked = len(chances)
    if left is not None:
        # An unanswered question is worth nothing: keep calls for the answers of the present and the coming questions.
        left -= sum(draws_of(problem, recipe) for problem in problems)
        costs = accumulate(1 + recipe.method(chance.planned.draft.method).draws for chance in chances)
        num_asked = sum(cost <= left for cost in costs)
    is_waiting = ask_again(chances, num_asked, context, keys, problems, rejects)
    rewritten = replace(
        state,
        problems=tuple(sorted(problems, key=lambda problem: problem.id)),
        rejects=(*state.rejects, *rejects),
        planned=rounds.answers,
        shortfall=(*state.shortfall, *rounds.shortfall()),
    )
    return rewritten, is_waiting or num_replies < len(plan.rewrites)


def ask_again(
    chances: Sequence[SecondChance], num_asked: int, context: Context, keys: dict[str, str],
    problems: list[Problem], rejects: list[Reject],
) -> bool:  # fmt: skip
    """Ask once more for the first `num_asked` rejected rewritings, and add the problems and rejects of all of them.

    Returns whether one of these has no reply yet. A second chance that an earlier run paid for counts whatever the
    budget is now; without a second reply, the reject of the first one stands.
    """
    run, recipe = context.run, context.recipe
    by_id = {chance.id: chance for chance in chances}
    for place, part in enumerate((chances[:num_asked], chances[num_asked:])):
        requests = [again_request(chance, recipe) for chance in part]
        keys.update((request.id, request.key) for request in requests)
        if place == 0 and requests:
            context.teacher.fill("rewrite", requests, len(requests))
    for completion in run.replies("rewrite", [(name, keys[name]) for name in by_id]):
        chance = by_id.pop(completion.request)
        parsed = parse_again(chance, completion, recipe)
        if isinstance(parsed, Reject):
            rejects.append(parsed)
        else:
            problems.append(parsed)
    rejects += (chance.reject for chance in by_id.values())
    return any(chance.id in by_id for chance in chances[:num_asked])


def requests_of(rewrites: Iterable[PlannedRewrite], context: Context, keys: dict[str, str]) -> Iterator[Request]:
    """Yield the request of each rewrite, rendered when it is needed, and note its key under its id."""
    for planned in rewrites:
        request = rewrite_request(planned, context.recipe)
        keys[planned.draft.id] = request.key
        yield request


def keys_of(rewrites: Iterable[PlannedRewrite], keys: Mapping[str, str]) -> Iterator[Key]:
    """Yield id and key of each rewrite."""
    return ((planned.draft.id, keys[planned.draft.id]) for planned in rewrites)


def filter_questions(state: State, context: Context) -> Filtered:
    """Return the questions that are not worth answers: duplicates, and questions that are in a test set."""
    recipe, run = context.recipe, context.run
    reasons: dict[str, tuple[str, str]] = {}
    is_waiting = False
    asked: list[Asked] = []
    if recipe.dedup is not None and recipe.mode != "metamath-2024":
        dropped, pairs = repeated_questions(state.problems, recipe.dedup, map_chunks=context.map_searches)
        run.write_records("pairs", pairs)
        reasons = {problem_id: ("duplicate", kept_id) for problem_id, kept_id in dropped.items()}
    if recipe.decontaminate.against:
        from mathstrap.pipeline.contamination import check_contamination

        def ask(requests: list[Request]) -> Iterator[Completion]:
            asked.extend(Asked(id=request.id, key=request.key) for request in requests)
            context.teacher.fill("filter", requests, len(requests))
            return run.replies("filter", ((request.id, request.key) for request in requests))

        left = [problem for problem in state.problems if problem.id not in reasons]
        checked = check_contamination(state.seeds.problems, left, recipe, ask, map_chunks=context.map_searches)
        run.write_json("contamination.json", checked.certificate)
        is_waiting = checked.is_waiting
        for problem_id, match in checked.dropped.items():
            reasons[problem_id] = ("contaminated", f"{match.test_set} {match.test_id}: {match.span}")
    rejects = [
        Reject(id=problem_id, stage="filter", reason=reason, detail=detail)
        for problem_id, (reason, detail) in reasons.items()
    ]
    return Filtered(rejects=rejects, asked=asked, is_waiting=is_waiting)
