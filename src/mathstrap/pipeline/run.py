"""A bootstrapping run: plan, fill, derive, stage by stage. All but the replies can be thrown away and comes back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from mathstrap.backends.cluster import Cluster
from mathstrap.curate.difficulty import Place
from mathstrap.curate.mix import Meta, Part, label_keys, meta_of, mix
from mathstrap.curate.sampling import Shortfall
from mathstrap.engine.ask import AskReport
from mathstrap.engine.events import Listener
from mathstrap.files.rundir import RunDir
from mathstrap.parallel import Spread, here, in_processes
from mathstrap.pipeline.allowance import usage_of
from mathstrap.pipeline.curate import Chosen, choose, graded, held_out, outside_window, repeated_questions, samples_of
from mathstrap.pipeline.derive import (
    Plan,
    PlannedRewrite,
    grade_all,
    parse_answers,
    parse_rewrite,
    plan_rewrites,
    plan_solves,
    rewrite_request,
    solve_prompt,
)
from mathstrap.pipeline.keys import start_run
from mathstrap.pipeline.label import label_seeds, question_of
from mathstrap.pipeline.options import RunRecipe, check_run_recipe
from mathstrap.pipeline.outcome import prompt_hashes, write_outcome
from mathstrap.pipeline.recall import inputs_of, recall, remember
from mathstrap.pipeline.rounds import RewriteRounds, Rounds
from mathstrap.pipeline.seeds import Seeds, load_seeds
from mathstrap.pipeline.teacher import Teacher
from mathstrap.share.write import export_run, plans_of
from mathstrap.stats import Analysis
from mathstrap.types import (
    Candidate,
    Completion,
    Problem,
    Reject,
    Request,
    Sample,
    Stage,
    Usage,
    Verdict,
    problem_of,
    root_of,
)


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What a run came to: where it is, what each paid stage did, and whether anything is left to do.

    `shortfall` says what each method did not get of its rewrites, draws or correct answers, `parts` what became of the
    mix.
    """

    path: Path
    num_seeds: int
    num_problems: int
    num_samples: int
    analysis: Analysis
    reports: list[AskReport] = field(default_factory=list)
    shortfall: list[Shortfall] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    @property
    def short(self) -> list[Shortfall | Part]:
        """What the run has less of than was planned."""
        return short_of(self.shortfall, self.parts)

    @property
    def is_complete(self) -> bool:
        """Say whether every request was answered."""
        return all(report.stopped == "done" and not report.failed for report in self.reports)


def short_of(shortfall: list[Shortfall], parts: list[Part]) -> list[Shortfall | Part]:
    """Return what methods and the mix did not get."""
    return [*shortfall, *(part for part in parts if part.shortfall)]


def bootstrap(recipe: RunRecipe, *, only: Stage | None = None, events: Listener | None = None) -> RunSummary:
    """Run a recipe to its end, or from where it was left; the same recipe and replies give the same bytes.

    With `only`, no other stage is paid for: stages before it are derived from what is there, stages after it are left.
    Raises what loading, the teacher and the disk raise; everything paid for until then is kept.
    """
    check_run_recipe(recipe)
    seeds = load_seeds(recipe)
    with ExitStack() as stack:
        run = stack.enter_context(RunDir.open(recipe.path))
        recipe, changes = start_run(recipe, run)
        if recipe.cluster is None:
            teacher = stack.enter_context(Teacher(recipe, run, events, changes=changes))
            spread, search_spread = in_processes(), here
        else:
            cluster = stack.enter_context(Cluster(recipe.cluster))
            opened = Teacher(recipe, run, events, open_teacher=cluster.open_teacher, changes=changes)
            teacher = stack.enter_context(opened)
            spread = search_spread = cluster.spread
        return Bootstrap(
            recipe=recipe, run=run, seeds=seeds, teacher=teacher, only=only, spread=spread, search_spread=search_spread
        ).go()


@dataclass(kw_only=True)
class Bootstrap:
    """The stages of one run, in order; each reads what the one before derived.

    `spread` computes what is plain Python, `search_spread` what searches with compiled libraries. `is_waiting`
    says that a reply is missing which the questions depend on.
    """

    recipe: RunRecipe
    run: RunDir
    seeds: Seeds
    teacher: Teacher
    only: Stage | None
    spread: Spread
    search_spread: Spread
    rejects: list[Reject] = field(default_factory=list)
    draws: dict[str, range] = field(default_factory=dict)
    votes: Usage = field(default_factory=Usage)
    planned: Mapping[str, int] = field(default_factory=dict)
    shortfall: list[Shortfall] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    is_waiting: bool = False

    def go(self) -> RunSummary:
        """Run every stage, or up to `only`."""
        self.rejects = list(self.seeds.rejects)
        self.label()
        problems = self.questions()
        if self.stops_after("rewrite"):
            return self.finish(problems, 0)
        self.solve(problems)
        if self.stops_after("solve"):
            return self.finish(problems, 0)
        self.verify(problems)
        if self.stops_after("verify"):
            return self.finish(problems, 0)
        num_samples = self.curate(problems)
        return self.finish(problems, num_samples)

    def pays(self, stage: Stage) -> bool:
        """Say whether this stage may ask the teacher; after an interrupted or spent stage nothing more is asked."""
        stopped = any(report.stopped != "done" for report in self.teacher.reports)
        return self.only in (None, stage) and not stopped

    def stops_after(self, stage: Stage) -> bool:
        """Say whether the run was told to go no further."""
        earlier = {"rewrite": ("seeds", "rewrite", "filter"), "solve": ("solve",), "verify": ("verify",)}
        return self.only in earlier[stage]

    def label(self) -> None:
        """Give seeds without an answer the majority of their draws; those without a majority fall out."""
        asked = [
            question for seed in self.seeds.problems if not seed.answer for question in question_of(seed, self.recipe)
        ]
        if not asked:
            return
        draws = {question.id: range(self.recipe.vote.draws) for question in asked}
        if self.pays("solve"):
            num_draws = sum(map(len, draws.values()))
            self.teacher.fill("solve", plan_solves(asked, self.recipe, draws), num_draws)
        answered = list(self.run.answered("solve", plan_solves(asked, self.recipe, draws)))
        self.votes = usage_of([reply for _, reply in answered])
        labels, rejects = label_seeds(self.seeds.problems, asked, answered, self.recipe)
        self.seeds = replace(self.seeds, problems=labels)
        self.rejects += rejects

    def questions(self) -> list[Problem]:
        """Return the questions to answer, as they were derived before where nothing that goes into them has changed."""
        prompts = prompt_hashes(self.recipe, self.seeds).values()
        known = recall(self.run, inputs_of(self.seeds.problems, prompts, self.recipe, self.run), self.seeds.problems)
        if known is not None:
            self.rejects += known.rejects
            self.planned = known.planned
            if self.pays("rewrite"):
                self.teacher.fill("rewrite", (), 0)  # every rewrite is held
            return known.problems
        before = len(self.rejects)
        plan = plan_rewrites(self.seeds.problems, self.recipe, spread=self.spread)
        self.rejects += plan.rejects
        problems = self.filter(self.rewrite(plan))
        self.run.write_records("problems", chain(self.seeds.problems, problems))
        rejects = sorted(self.rejects[before:], key=lambda reject: (reject.id, reject.stage))
        self.run.write_records("rejects", rejects)
        if not self.is_waiting:
            remember(self.run, inputs_of(self.seeds.problems, prompts, self.recipe, self.run), self.planned)
        return problems

    def rewrite(self, plan: Plan) -> list[Problem]:
        """Ask for the rewrites and return the problems that come of them, in id order."""
        rounds = RewriteRounds(plan, self.recipe, spent=self.votes, price=self.teacher.meter.price)
        while planned := rounds.next():
            if self.pays("rewrite"):
                self.teacher.fill("rewrite", self.requests(planned), len(planned))
            rounds.take(len(planned), (reply for _, reply in self.run.answered("rewrite", self.requests(planned))))
        self.planned = rounds.answers
        self.shortfall += rounds.shortfall()
        problems = list(plan.problems)
        by_id = {planned.draft.id: planned for planned in plan.rewrites}
        num_answered = 0
        for request, completion in self.run.answered("rewrite", self.requests(plan.rewrites)):
            num_answered += 1
            parsed = parse_rewrite(by_id[request.id], completion, self.recipe)
            if isinstance(parsed, Reject):
                self.rejects.append(parsed)
            else:
                problems.append(parsed)
        self.is_waiting = self.is_waiting or num_answered < len(plan.rewrites)
        return sorted(problems, key=lambda problem: problem.id)

    def requests(self, rewrites: Iterable[PlannedRewrite]) -> Iterator[Request]:
        """Yield the request of each rewrite, made as it is needed."""
        return (rewrite_request(planned, self.recipe) for planned in rewrites)

    def filter(self, problems: list[Problem]) -> list[Problem]:
        """Drop what should not be paid for again: repeated questions, and those a test set asks too."""
        gone: dict[str, tuple[str, str]] = {}
        if self.recipe.dedup is not None and self.recipe.mode != "metamath-2024":
            dropped, pairs = repeated_questions(problems, self.recipe.dedup, spread=self.search_spread)
            self.run.write_records("pairs", pairs)
            gone = {problem_id: ("duplicate", kept_id) for problem_id, kept_id in dropped.items()}
        if self.recipe.decontaminate.against:
            from mathstrap.pipeline.contamination import check_contamination

            left = [problem for problem in problems if problem.id not in gone]
            checked = check_contamination(self.seeds.problems, left, self.recipe, self.judge, spread=self.search_spread)
            self.run.write_json("contamination.json", checked.certificate)
            for problem_id, match in checked.dropped.items():
                gone[problem_id] = ("contaminated", f"{match.test_set} {match.test_id}: {match.span}")
        for problem_id, (reason, detail) in gone.items():
            self.rejects.append(Reject(id=problem_id, stage="filter", reason=reason, detail=detail))
        return [problem for problem in problems if problem.id not in gone]

    def judge(self, requests: list[Request]) -> Iterator[tuple[Request, Completion]]:
        """Ask what the contamination judge asks; what is not answered yet is left out."""
        if self.pays("filter"):
            self.teacher.fill("filter", requests, len(requests))
        self.is_waiting = self.is_waiting or next(self.run.todo("filter", requests), None) is not None
        return self.run.answered("filter", requests)

    def solve(self, problems: list[Problem]) -> None:
        """Ask for the answers, round by round until nothing is wanted or left."""
        before = self.run.spent("rewrite", "filter")
        if not self.recipe.methods.ans_aug.enabled:  # else a vote's draws are answers, and counted as those
            before = before + self.votes
        meter = self.teacher.meter
        rounds = Rounds(problems, self.recipe, spent=before, price=meter.price, planned=self.planned)
        while draws := rounds.next():
            if self.pays("solve"):
                num_draws = sum(map(len, draws.values()))
                self.teacher.fill("solve", plan_solves(problems, self.recipe, draws), num_draws)
            answered = self.run.answered("solve", plan_solves(problems, self.recipe, draws))
            rounds.take(draws, answered, spread=self.spread)
        self.draws = rounds.totals()
        self.shortfall += rounds.shortfall()
        if self.shortfall and rounds.is_spent and self.pays("solve") and self.teacher.reports:
            last = self.teacher.reports[-1]
            last.stopped, last.message = "budget", meter.sentence(meter.tightest)

    def verify(self, problems: list[Problem]) -> None:
        """Parse and grade every answer; wrong and undecided ones are kept beside the correct ones."""
        by_id = {problem.id: problem for problem in problems}
        answered = self.run.answered("solve", plan_solves(problems, self.recipe, self.draws))
        parsed = parse_answers(answered, by_id, self.recipe, spread=self.spread)
        self.run.write_records("candidates", self.candidates_of(parsed))
        candidates = self.run.read_records("candidates", Candidate)
        self.run.write_records("verdicts", grade_all(candidates, by_id, self.recipe, spread=self.spread))

    def candidates_of(self, parsed: Iterable[Candidate | Reject]) -> Iterator[Candidate]:
        """Yield the candidates and set the rejects aside."""
        for made in parsed:
            if isinstance(made, Reject):
                self.rejects.append(made)
            else:
                yield made

    def curate(self, problems: list[Problem]) -> int:
        """Choose the samples, write them and their formats, and return how many there are."""
        outside: dict[str, Place] = {}
        if self.recipe.curate.difficulty is not None:
            silent = Counter(
                problem_of(reject.id) for reject in self.rejects if reject.stage == "solve" and "#" in reject.id
            )
            outside = outside_window(self.graded(), silent, self.recipe.curate.difficulty)
        chosen = choose(self.graded(), self.recipe.curate, self.run.flags(), outside=outside, spread=self.spread)
        by_id = {problem.id: problem for problem in chain(self.seeds.problems, problems)}
        hashes = {problem.id: solve_prompt(problem, self.recipe).hash for problem in problems}
        keys = label_keys(self.recipe.mix)
        # Without targets an id says all that mixing needs, and the samples are made once instead of twice.
        metas = (
            (meta_of(sample, keys) for sample in self.samples(chosen, by_id, hashes))
            if keys
            else (Meta(sample_id, root_of(sample_id)) for sample_id in chosen.ids)
        )
        mixed = mix(metas, self.recipe.mix, rng_seed=self.recipe.rng_seed)
        wanted = set(mixed.ids)
        self.rejects += chosen.rejects
        self.rejects += [
            Reject(id=sample_id, stage="curate", reason="not_needed")
            for sample_id in chosen.ids
            if sample_id not in wanted
        ]
        self.parts = mixed.parts if self.recipe.mix.targets or self.recipe.mix.total else []
        chosen = replace(chosen, ids={sample_id: chosen.ids[sample_id] for sample_id in mixed.ids})
        num_samples = self.run.write_records("samples", self.samples(chosen, by_id, hashes), parquet=Sample)
        self.export()
        return num_samples

    def samples(self, chosen: Chosen, problems: dict[str, Problem], prompt_hashes: dict[str, str]) -> Iterator[Sample]:
        """Stream the training rows of the chosen answers."""
        return samples_of(self.graded(), chosen.ids, problems, prompt_hashes, self.recipe)

    def export(self) -> None:
        """Write the formats of the recipe, and those that were exported from this run before, split by seed.

        The reject file is written first: draws without an answer count in pass rates.
        """
        options = self.recipe.export
        held = held_out(self.seeds.problems, options.validation_share, rng_seed=self.recipe.rng_seed)
        plans = plans_of(self.run.path) | dict.fromkeys(options.formats, options.format_options)
        self.run.write_records("rejects", self.sorted_rejects())
        export_run(self.run, plans, held=held)

    def sorted_rejects(self) -> list[Reject]:
        """Return what fell out so far, in the order of the file."""
        return sorted(self.rejects, key=lambda reject: (reject.id, reject.stage))

    def graded(self) -> Iterator[tuple[Candidate, Verdict]]:
        """Stream the graded answers of the run."""
        return graded(self.run.read_records("candidates", Candidate), self.run.read_records("verdicts", Verdict))

    def finish(self, problems: list[Problem], num_samples: int) -> RunSummary:
        """Write what fell out and what the run came to, and return the summary."""
        self.run.write_records("rejects", self.sorted_rejects())
        short = short_of(self.shortfall, self.parts)
        analysis = write_outcome(self.run, self.recipe, self.seeds, self.teacher, short, spread=self.spread)
        return RunSummary(
            path=self.run.path,
            num_seeds=len(self.seeds.problems),
            num_problems=len(problems),
            num_samples=num_samples,
            reports=self.teacher.reports,
            analysis=analysis,
            shortfall=self.shortfall,
            parts=self.parts,
        )
