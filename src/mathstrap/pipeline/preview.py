"""Say what a run would ask before anything is paid: requests, tokens, money and the first prompt of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from mathstrap.augment.second_chance import numbers_sentence
from mathstrap.engine.thinkers import expected_tokens_out
from mathstrap.errors import counted
from mathstrap.files.rundir import RunDir
from mathstrap.parallel import in_processes
from mathstrap.pipeline.again import turns_again
from mathstrap.pipeline.derive import (
    PlannedRewrite,
    RewritePlan,
    is_voted,
    parse_rewrite,
    plan_rewrites,
    plan_solves,
    rewrite_request,
)
from mathstrap.pipeline.keys import keyed_recipe
from mathstrap.pipeline.options import RunRecipe, read_named_files
from mathstrap.pipeline.seeds import load_seeds
from mathstrap.pipeline.teacher import PAID_STAGES, check_teachers, dearest_price
from mathstrap.types import Message, Problem, Reject, Request, Stage

# English and LaTeX run at three to four characters per token in the usual vocabularies; the estimate errs upwards.
CHARS_PER_TOKEN = 3.3
# Chains of thought seldom fill their limit: the expected reply is this share of max_tokens.
EXPECTED_SHARE = 0.5
# The first words of the lines whose requests go to each stage's teachers; the judge's requests are not counted.
LINES: dict[Stage, set[str]] = {"rewrite": {"rewrite", "again"}, "filter": {"solve"}, "solve": {"solve", "check"}}
# Hiding and judging numbers costs milliseconds a seed, and users wait for a plan: above MOST_EXACT seeds of a new run,
# SAMPLED evenly spaced seeds are planned and the counts scaled.
MOST_EXACT = 2_000
SAMPLED = 300


@dataclass(kw_only=True)
class StagePreview:
    """One line of the preview. Tokens are estimates; `tokens_out_most` is what max_tokens allows."""

    name: str
    num_requests: int = 0
    num_paid: int = 0
    tokens_in: int = 0
    tokens_out_expected: int = 0
    tokens_out_most: int = 0
    tokens_in_again: int = 0
    first: tuple[Message, ...] = ()

    def add(self, request: Request, *, is_paid: bool) -> None:
        """Count one request."""
        self.num_requests += 1
        if not self.first:
            self.first = request.messages
        if is_paid:
            self.num_paid += 1
            return
        characters = sum(len(message.content) for message in request.messages)
        self.tokens_in += round(characters / CHARS_PER_TOKEN)
        self.tokens_out_expected += expected_tokens_out(request, EXPECTED_SHARE)
        self.tokens_out_most += request.sampling.max_tokens

    def allow(self, request: Request, *turns: Message, number: int = 1) -> None:
        """Count requests that may be needed, like this one with these turns, in the upper bound alone."""
        self.num_requests += number
        characters = sum(len(message.content) for message in (*request.messages, *turns))
        self.tokens_in_again += number * (round(characters / CHARS_PER_TOKEN) + request.sampling.max_tokens)
        self.tokens_out_most += number * request.sampling.max_tokens
        self.first = self.first or (*request.messages, *turns)

    def scale(self, factor: float) -> None:
        """Scale the counts from the planned seeds to all seeds."""
        for name in ("num_requests", "tokens_in", "tokens_out_expected", "tokens_out_most", "tokens_in_again"):
            setattr(self, name, round(getattr(self, name) * factor))


@dataclass(frozen=True, kw_only=True, repr=False)
class Preview:
    """What a run would ask; money is None where no price is known.

    `num_planned` of the seeds were planned and the rest counted like them. `seed_lines` say what was read.
    """

    num_seeds: int
    num_planned: int = 0
    seed_lines: tuple[str, ...] = ()
    stages: list[StagePreview] = field(default_factory=list)
    usd_expected: float | None = None
    usd_most: float | None = None
    price_source: str = ""

    @property
    def num_requests(self) -> int:
        """How many requests there are, paid ones included."""
        return sum(stage.num_requests for stage in self.stages)

    @property
    def cost_sentence(self) -> str:
        """State what the unanswered requests would cost."""
        if self.usd_most is None or self.usd_expected is None:
            return "cost: no price is known for this model; set budget.usd_per_million_tokens_in and _out"
        return f"cost: about ${self.usd_expected:,.2f}, at most ${self.usd_most:,.2f} ({self.price_source})"

    def __repr__(self) -> str:
        planned = f"{counted(self.num_seeds, 'seed')}, {counted(self.num_requests, 'request')}"
        return f"<Preview: {planned}; {self.cost_sentence}>"

    def __str__(self) -> str:
        rows = [
            f"{stage.name:<28}{stage.num_requests:>10,} requests, {stage.num_paid:,} paid, "
            f"~{stage.tokens_in:,} tokens in, ~{stage.tokens_out_expected:,} out"
            for stage in self.stages
        ]
        return "\n".join([*self.seed_lines, *rows, self.cost_sentence])

    def _repr_html_(self) -> str:
        from mathstrap.render.notebook import cell

        seeds = counted(self.num_seeds, "seed")
        lines = list(self.seed_lines)
        if self.num_planned < self.num_seeds:
            lines.append(f"Counted on {self.num_planned:,} of the seeds, evenly spread, and scaled up.")
        return cell("plan", title=f"{seeds}; nothing was asked", stages=self.stages, cost=self.cost_sentence,
                    lines=lines)  # fmt: skip


def preview(recipe: RunRecipe, *, progress: Callable[[str], None] | None = None) -> Preview:
    """Plan every request of a recipe without sending one; rewrites without a reply are assumed to succeed.

    An adaptive policy is counted at its upper bound: `max_tries` draws for every question. Replies already in the run
    directory count as paid. A new run of more than MOST_EXACT seeds is planned from a sample. `progress` receives lines
    of progress. Raises InputError for a teacher's options that the run would refuse.
    """
    read_named_files(recipe)
    tell = progress or (lambda _: None)
    seeds = load_seeds(recipe, progress=lambda rows: tell(f"reading seeds: {rows:,} rows"))
    existing = RunDir.read(recipe.path) if recipe.path.is_dir() else None
    # A seed that a vote will label is planned with a stand-in answer, so that every method applies to it.
    everyone = [seed if seed.answer else msgspec.structs.replace(seed, answer="0") for seed in seeds.problems]
    chosen = everyone
    if existing is None and len(chosen) > MOST_EXACT:
        chosen = [chosen[place * len(chosen) // SAMPLED] for place in range(SAMPLED)]
    tell(f"planning: {len(chosen):,} of {len(seeds.problems):,} seeds")
    plan = plan_rewrites(chosen, recipe, among=everyone, map_chunks=in_processes())
    recipe = keyed_recipe(recipe, existing)
    stages: dict[str, StagePreview] = {}

    def count(stage: str, method: str, request: Request) -> None:
        name = f"{stage} {method}"
        is_paid = existing is not None and existing.is_done(request, stage)
        stages.setdefault(name, StagePreview(name=name)).add(request, is_paid=is_paid)

    for planned in plan.rewrites:
        count("rewrite", planned.draft.method, rewrite_request(planned, recipe))
        if recipe.method(planned.draft.method).second_chance:
            name = f"again {planned.draft.method}"
            turns = turns_again("...", numbers_sentence("lost: 1/4"))
            stages.setdefault(name, StagePreview(name=name)).allow(rewrite_request(planned, recipe), *turns)
    problems = questions_to_answer(plan, recipe, existing)
    methods = {problem.id: problem.method for problem in problems}
    is_fixed = recipe.sampling.policy == "fixed"
    draws = None if is_fixed else {problem.id: range(recipe.sampling.max_tries) for problem in problems}
    for request in plan_solves(problems, recipe, draws):
        count("solve", methods[request.id.rpartition("#")[0]], request)
    if recipe.vote.judge == "fobar":
        most = recipe.vote.judge_answers * recipe.vote.judge_numbers * recipe.vote.judge_draws
        voted = [problem for problem in problems if is_voted(problem)]
        for request in plan_solves(voted, recipe, {problem.id: range(1) for problem in voted}):
            name = f"check {methods[request.id.rpartition('#')[0]]}"
            stages.setdefault(name, StagePreview(name=name)).allow(request, number=most)
    for planned_stage in stages.values():
        if len(chosen) < len(seeds.problems):
            planned_stage.scale(len(seeds.problems) / len(chosen))
    to_ask = {name.partition(" ")[0] for name, stage in stages.items() if stage.num_requests > stage.num_paid}
    check_teachers(recipe, [stage for stage in PAID_STAGES if to_ask & LINES[stage]])
    price = dearest_price(recipe)
    tokens_in = sum(stage.tokens_in for stage in stages.values())
    again = sum(stage.tokens_in_again for stage in stages.values())
    expected = sum(stage.tokens_out_expected for stage in stages.values())
    most_out = sum(stage.tokens_out_most for stage in stages.values())
    return Preview(
        num_seeds=len(seeds.problems),
        num_planned=len(chosen),
        seed_lines=seeds.lines,
        stages=list(stages.values()),
        usd_expected=price.usd(tokens_in, expected) if price else None,
        usd_most=price.usd(tokens_in + again, most_out) if price else None,
        price_source=price.source if price else "unknown",
    )


def questions_to_answer(plan: RewritePlan, recipe: RunRecipe, existing: RunDir | None) -> list[Problem]:
    """Return the questions in id order: those of the stored replies, and an expected one for each rewrite to come.

    Questions that the run rejected as duplicates, or as part of a test set, are left out.
    """
    if existing is None:
        return by_id([*plan.problems, *assumed(plan.rewrites)])
    requests = {planned.draft.id: rewrite_request(planned, recipe) for planned in plan.rewrites}
    keys = ((name, request.key) for name, request in requests.items())
    replies = {reply.request: reply for reply in existing.replies("rewrite", keys)}
    questions = list(plan.problems)
    for planned in plan.rewrites:
        reply = replies.get(planned.draft.id)
        parsed = None if reply is None else parse_rewrite(planned, reply, recipe)
        if isinstance(parsed, Problem):
            questions.append(parsed)
        elif parsed is None or recipe.method(planned.draft.method).second_chance:
            questions += assumed([planned])
    dropped = set()
    if existing.has("rejects"):
        dropped = {reject.id for reject in existing.read_records("rejects", Reject) if reject.stage == "filter"}
    return by_id(problem for problem in questions if problem.id not in dropped)


def by_id(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems in the order of their ids."""
    return sorted(problems, key=lambda problem: problem.id)


def expected_question(planned: PlannedRewrite) -> str:
    """Return a question of about the expected length: the seed's, two joined, or self-verification's masked one."""
    masked = planned.draft.masked
    if masked:
        return f"{masked} What is the value of unknown variable x?"
    return planned.draft.question or planned.parent.question


def assumed(rewrites: Iterable[PlannedRewrite]) -> list[Problem]:
    """Return each planned rewrite as a problem of the right shape and about the right length."""
    return [
        msgspec.structs.replace(
            planned.parent,
            id=planned.draft.id,
            method=planned.draft.method,
            parent=planned.parent.id,
            question=expected_question(planned),
            answer=planned.draft.answer,
        )
        for planned in rewrites
    ]
