"""The pure middle of a run: plan its requests and derive records from replies. Touches no file and no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, groupby

import msgspec

from mathstrap.augment import Draft, draft_request
from mathstrap.augment import Mode as AugmentMode
from mathstrap.augment.languages import language_of
from mathstrap.augment.partners import partners_of, rings_of
from mathstrap.augment.worked import MARK
from mathstrap.backends import teacher_name
from mathstrap.errors import InputError
from mathstrap.parallel import ChunkMap, chunks_of, here
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.panel import Panel, StageTeacher
from mathstrap.pipeline.solve import parse_solution, solve_requests
from mathstrap.prompts import REWRITE_STAGES, Prompt, choose_prompt, load_prompt, parse_prompt, prompt_stage
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
from mathstrap.verify import GRADERS, Mode, grade

# The work of about a tenth of a second on one core.
SEEDS_PER_CHUNK = 25
REPLIES_PER_CHUNK = 1_000
REVIEW = "review"  # the tier of a verdict that a reviewer gave
# The tag of a problem whose own draws voted its gold.
OWN_VOTE = "own_vote"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRewrite:
    """A rewrite to ask the teacher for. It has slots and no prompt, because a run plans millions of them."""

    parent: Problem
    draft: Draft


@dataclass(frozen=True, kw_only=True)
class RewritePlan:
    """The rewrites to ask for, and the questions and rejects that need no request."""

    rewrites: list[PlannedRewrite]
    problems: list[Problem]
    rejects: list[Reject]


# Other seeds offered to a method with several parents, for each parent that it needs: some may not fit.
CHOICE = 4


def plan_rewrites(
    seeds: Iterable[Problem], recipe: RunRecipe, *, among: Iterable[Problem] | None = None, map_chunks: ChunkMap = here
) -> RewritePlan:
    """Apply every enabled method to every seed, in id order.

    `among` are all seeds of the run, where `seeds` are only some of them: further parents come from there. Raises
    InputError where a method needs more seeds than there are.
    """
    ordered = sorted(seeds, key=lambda problem: problem.id)
    whole = RewritePlan(rewrites=[], problems=[], rejects=[])
    families = with_others(ordered, ordered if among is None else list(among), recipe)
    for part in map_chunks(_plan_seeds, recipe, chunks_of(families, SEEDS_PER_CHUNK)):
        whole.rewrites.extend(part.rewrites)
        whole.problems.extend(part.problems)
        whole.rejects.extend(part.rejects)
    return whole


def with_others(
    seeds: Iterable[Problem], among: Sequence[Problem], recipe: RunRecipe
) -> Iterator[tuple[Problem, list[Problem]]]:
    """Yield each seed with the other seeds that its methods may take as further parents; mostly they take none."""
    several = {name: recipe.augmentation(name).parents for name in recipe.method_names}
    several = {name: parents for name, parents in several.items() if parents > 1}
    if not several:
        yield from ((seed, []) for seed in seeds)
        return
    rings = rings_of(among, recipe.rng_seed)
    largest = max((len(ring.seeds) for ring in rings.values()), default=0)
    for name, parents in several.items():
        if 0 < largest < parents:
            raise InputError(
                f"methods.{name}: makes each question from {parents} seeds, and this run has {len(among)} of one kind. "
                f"Add seeds (see seeds.limit), or set methods.{name}.enabled: false."
            )
    number = max(CHOICE * (recipe.method(name).count or 1) * (parents - 1) for name, parents in several.items())
    for seed in seeds:
        yield seed, partners_of(seed, rings, number, recipe.rng_seed)


def _plan_seeds(recipe: RunRecipe, families: list[tuple[Problem, list[Problem]]]) -> RewritePlan:
    plan = RewritePlan(rewrites=[], problems=[], rejects=[])
    for seed, others in families:
        # Renumbered problems come first, because other methods may be applied to them.
        renumbered = _plan_method(recipe, "renumber", seed, [], plan) if recipe.methods.renumber.enabled else []
        for method in recipe.method_names:
            if method == "renumber":
                continue
            of = recipe.method(method).of
            for parent in [*([seed] if "seed" in of else []), *(renumbered if "renumber" in of else [])]:
                _plan_method(recipe, method, parent, others, plan)
    return plan


def _plan_method(
    recipe: RunRecipe, method: Method, parent: Problem, others: list[Problem], plan: RewritePlan
) -> list[Problem]:
    """Add the results of a method on one parent to the plan, and return the finished problems among them."""
    finished = []
    augmentation = recipe.augmentation(method)
    for result in augmentation.plan(
        parent, recipe.method(method).count, others=others, mode=recipe.mode, rng_seed=recipe.rng_seed
    ):
        check_descent(result, method, parent, augmentation.parents)
        if isinstance(result, Problem):
            finished.append(result)
        elif isinstance(result, Reject):
            plan.rejects.append(result)
        else:
            plan.rewrites.append(PlannedRewrite(parent=parent, draft=result))
    plan.problems.extend(finished)
    return finished


def check_descent(result: Draft | Problem | Reject, method: Method, seed: Problem, parents: int = 1) -> None:
    """Raise InputError where a method of the user's own gives its result an id or a tag that loses the lineage."""
    if parents > 1 and not isinstance(result, Reject):
        named_parents = result.tags.get("parents")
        if not isinstance(named_parents, list) or len(set(named_parents)) < 2 or named_parents[0] != seed.id:
            raise InputError(
                f'method "{method}" made "{result.id}" from several parents and names {named_parents!r} as these. '
                f'Expected the tag parents: a list of ids that begins with "{seed.id}".'
            )
    named = method if isinstance(result, Reject) else result.method
    if named != method or not result.id.startswith(f"{seed.id}/{method}"):
        raise InputError(
            f'method "{method}" made "{result.id}" with the method "{named}". '
            f'Expected the method "{method}" and an id like "{seed.id}/{method}.1".'
        )


def rewrite_request(planned: PlannedRewrite, recipe: RunRecipe) -> Request:
    """Render one draft into its request; called when the request is needed, because prompts are long."""
    prompt = rewrite_prompt(planned.draft.method, planned.parent, recipe)
    member = recipe.panels["rewriting"].teacher_for(planned.draft.id)
    return draft_request(
        planned.parent, planned.draft, recipe.augmentation(planned.draft.method),
        prompt=prompt, model=member.model, sampling=member.sampling, teacher=member.label,
    )  # fmt: skip


def rewrite_prompt(method: Method, seed: Problem, recipe: RunRecipe) -> Prompt:
    """Return the prompt that asks for a rewrite: a packaged one, or that of the user's own method."""
    if method in recipe.methods.own:
        return own_prompt(method, recipe.augmentation(method).template)
    stage = prompt_stage(method, rewriting=True)
    language = prompt_language(seed.question, recipe)
    return choose_prompt(stage, seed.style, shape=recipe.shape, files=recipe.prompts.files, language=language)


@lru_cache(maxsize=64)
def own_prompt(method: Method, template: str) -> Prompt:
    """Parse the prompt of a method of the user's own."""
    return parse_prompt(template, name=f"rewrite.{method}")


def solve_prompt(problem: Problem, recipe: RunRecipe) -> Prompt:
    """Return the prompt that asks for a solution."""
    stage = prompt_stage(problem.method, rewriting=False)
    language = prompt_language(problem.question, recipe)
    return choose_prompt(stage, problem.style, shape=recipe.shape, files=recipe.prompts.files, language=language)


def prompt_language(question: str, recipe: RunRecipe) -> str:
    """Return the language in which the teacher is asked: the recipe's, else the question's."""
    if recipe.mode == "metamath-2024":
        return "en"
    return language_of(question) if recipe.prompts.language == "auto" else recipe.prompts.language


def prompt_hashes(recipe: RunRecipe, seeds: Iterable[Problem]) -> dict[str, str]:
    """Return name -> hash of every prompt the recipe uses on these seeds."""
    hashes: dict[str, str] = {}
    if any(recipe.method(method).second_chance for method in recipe.method_names):
        hashes["again"] = load_prompt("again").hash
    styles = {(seed.style, prompt_language(seed.question, recipe)): seed for seed in seeds}
    for method in recipe.method_names:
        for seed in styles.values():
            derived = msgspec.structs.replace(seed, method=method)
            prompts = [solve_prompt(derived, recipe)]
            if method in REWRITE_STAGES or recipe.augmentation(method).template:
                prompts.append(rewrite_prompt(method, seed, recipe))
            hashes.update({prompt.name: prompt.hash for prompt in prompts})
    return dict(sorted(hashes.items()))


def parse_rewrite(planned: PlannedRewrite, completion: Completion, recipe: RunRecipe) -> Problem | Reject:
    """Turn the reply to a rewriting request into the derived problem, or say why not."""
    parsed = recipe.augmentation(planned.draft.method).parse(planned.parent, planned.draft, completion)
    parents = planned.draft.tags.get("parents")
    if parents and isinstance(parsed, Problem):  # lineage is not left to the parser of a reply
        return msgspec.structs.replace(parsed, tags={**parsed.tags, "parents": parents})
    return parsed


def is_solved(problem: Problem, recipe: RunRecipe) -> bool:
    """Say whether a problem carries its worked solution and the recipe asks for no other."""
    return bool(problem.tags.get("worked")) and recipe.method(problem.method).draws == 0


def worked_replies(problems: Iterable[Problem], recipe: RunRecipe) -> Iterator[Completion]:
    """Yield the worked solution of each solved problem as a completion, so that it is graded like a reply.

    GSM8K's calculator marks are removed. A solution that was read without its last line (####) gets that line back: the
    sentence before it may state the answer in any words, or rounded.
    """
    for problem in problems:
        if is_solved(problem, recipe):
            text = MARK.sub("", problem.solution)
            if "####" not in text:
                text = f"{text.rstrip()}\n#### {problem.answer}"
            # No request was sent for it, so there is no key.
            yield Completion(request=f"{problem.id}#0", key="", text=text, finish_reason="stop")


def draws_of(problem: Problem, recipe: RunRecipe) -> int:
    """Return how many answers the recipe asks for, before any adaptive round; draws of a vote are answers too."""
    draws = recipe.method(problem.method).draws
    return max(draws, recipe.vote.draws) if is_voted(problem) else draws


def is_voted(problem: Problem) -> bool:
    """Say whether the answers to this question are draws of a vote: its own, or its seed's where it asks the same."""
    repeats = problem.method == "ans_aug" and problem.tags.get("gold") == "voted"
    return repeats or draws_label(problem)


def draws_label(problem: Problem) -> bool:
    """Say whether the draws of this question vote its own gold; a rewrite of a labelled seed takes the seed's gold."""
    return not problem.answer or bool(problem.tags.get(OWN_VOTE))


def plan_solves(
    problems: Iterable[Problem], recipe: RunRecipe, draws: Mapping[str, range] | None = None
) -> Iterator[Request]:
    """Yield the solving requests in problem order, draws of one problem together; lazily, so memory does not grow.

    `draws` names the draws by problem id; by default, those of the recipe before any adaptive round.
    """
    panel = recipe.panels["solving"]
    for problem in problems:
        wanted = range(draws_of(problem, recipe)) if draws is None else draws.get(problem.id, range(0))
        prompt = solve_prompt(problem, recipe)
        parts = [(panel.members[0], wanted)] if len(panel.members) == 1 else _dealt(problem.id, wanted, panel)
        for member, part in parts:
            yield from solve_requests(
                problem, part, prompt=prompt, model=member.model, sampling=member.sampling, teacher=member.label
            )


def _dealt(problem_id: str, draws: Iterable[int], panel: Panel) -> list[tuple[StageTeacher, list[int]]]:
    """Return the draws of a problem in order, grouped where consecutive draws ask the same teacher."""
    runs = groupby(draws, key=lambda draw: panel.teacher_for(f"{problem_id}#{draw}"))
    return [(member, list(part)) for member, part in runs]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed reply to a solving request: a candidate with its verdict, or a reject."""

    candidate: Candidate | None = None
    verdict: Verdict | None = None
    reject: Reject | None = None

    @property
    def id(self) -> str:
        """The id of the request that was answered."""
        record = self.candidate or self.reject
        assert record is not None, "an answer is a candidate or a reject"
        return record.id

    @property
    def is_correct(self) -> bool:
        """Say whether the grader called the answer correct."""
        return self.verdict is not None and self.verdict.outcome == "correct"


@dataclass(frozen=True, kw_only=True)
class Grading:
    """How replies are parsed and graded: the part of a recipe that is sent to worker processes."""

    mode: AugmentMode
    keeps_thoughts: bool
    grader: str
    strictness: Mode


def grade_replies(
    replies: Iterable[Completion], problems: Mapping[str, Problem], recipe: RunRecipe, *, map_chunks: ChunkMap = here
) -> Iterator[Answer]:
    """Parse and grade each reply to a solving request, in the order given.

    Both happen in one round trip to a worker process: the text of a reply is most of what is transferred.
    """
    asked = ((problems[problem_of(completion.request)], completion) for completion in replies)
    how = Grading(
        mode=recipe.mode,
        keeps_thoughts=recipe.export.keeps_thoughts,
        grader=recipe.verify.grader,
        strictness=recipe.verify.mode,
    )
    return chain.from_iterable(map_chunks(_grade_replies, how, chunks_of(asked, REPLIES_PER_CHUNK)))


def _grade_replies(how: Grading, asked: list[tuple[Problem, Completion]]) -> list[Answer]:
    return [grade_reply(problem, completion, how) for problem, completion in asked]


def grade_reply(problem: Problem, completion: Completion, how: Grading) -> Answer:
    """Parse one reply and compare its answer with the problem's gold; `metamath-2024` has a grader for each style."""
    parsed = parse_solution(problem, completion, mode=how.mode, keeps_thoughts=how.keeps_thoughts)
    if isinstance(parsed, Reject):
        return Answer(reject=parsed)
    name = f"{how.grader}-{problem.style}" if how.grader == "metamath-2024" else how.grader
    # The draws of a question state the same few answers; a grader of the user's own need not be a pure function.
    judge = grade_once if name in GRADERS and len(parsed.answer) <= MAX_CACHED else grade
    compared = judge(problem.answer, parsed.answer, grader=name, mode=how.strictness)
    verdict = Verdict(
        candidate=parsed.id, outcome=compared.outcome, got=compared.got, expected=compared.expected,
        grader=name, tier=compared.tier, reason=compared.reason,
    )  # fmt: skip
    return Answer(candidate=parsed, verdict=verdict)


MAX_CACHED = 200
grade_once = lru_cache(maxsize=8_192)(grade)


def make_sample(
    candidate: Candidate, verdict: Verdict, problem: Problem, seed: Problem, recipe: RunRecipe, prompt_hash: str
) -> Sample:
    """Return the training row of a graded candidate (published columns of MetaMathQA, then lineage)."""
    # A reviewer who approves an answer that the checker called wrong says that the gold is wrong.
    is_gold = verdict.outcome == "correct" and verdict.tier != REVIEW
    answer = problem.answer if is_gold else candidate.answer
    labelled = next((source for source in (problem, seed) if source.tags.get("gold") == "voted"), None)
    member = recipe.panels["solving"].teacher_for(candidate.id)
    is_mixed = len(recipe.panels["solving"].members) > 1
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
        gold_source="given" if labelled is None else "voted",
        confidence=1.0 if labelled is None else float(labelled.tags.get("confidence", 1.0)),
        outcome=verdict.outcome,
        teacher=candidate.model or teacher_name(member.options),
        prompt_hash=prompt_hash,
        draw=int(candidate.id.rpartition("#")[2]),
        reasoning=candidate.reasoning,
        thought_tag=candidate.thought_tag,
        tags={**problem.tags, "teacher": member.label} if is_mixed else problem.tags,
    )
