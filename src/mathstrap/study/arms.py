"""Make the training rows of each arm from a bootstrapped run. Knows nothing of models."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from mathstrap.curate.decontaminate import TestSetIndex, contaminated
from mathstrap.curate.mix import Meta, MixOptions, Target, lottery_place, mix
from mathstrap.errors import InputError
from mathstrap.files.rows import iter_rows
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.curate import choose, graded, samples_of
from mathstrap.pipeline.options import RunRecipe
from mathstrap.problems.testsets import load_test_sets
from mathstrap.share.export import finish_response
from mathstrap.study.cost import ArmCost, arm_cost, buy, problem_costs
from mathstrap.study.options import ArmOptions
from mathstrap.types import Method, Problem, Sample, type_of

# 80K, 80K, 40K, 40K (paper, Table 1, GSM8K).
PAPER_SHARES: dict[Method, float] = {
    "ans_aug": 2.0, "rephrase": 2.0, "self_verification": 1.0, "fobar": 1.0, "seed": 1.0,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Pool:
    """All samples a study may train on, by outcome; the correct ones include the seeds' own solutions.

    `bought` names the problems that each combination of methods could afford; one that is not in it has them all.
    """

    correct: Sequence[Sample]
    wrong: Sequence[Sample]
    num_seeds: int
    num_unsolved_seeds: int
    bought: Mapping[tuple[Method, ...], frozenset[str]] = field(default_factory=dict)
    costs: Mapping[str, ArmCost] = field(default_factory=dict)

    def available(self, arm: ArmOptions) -> dict[Method, int]:
        """Return the number of samples of each of an arm's methods."""
        have = dict.fromkeys(arm.methods, 0)
        for sample in self.rows(arm):
            have[sample.method] += 1
        return have

    def rows(self, arm: ArmOptions) -> list[Sample]:
        """Return the samples an arm may draw from; a seed without a solution can only teach its answer."""
        pool = self.wrong if arm.outcome == "wrong" else self.correct
        bought = self.bought.get(arm.methods)
        return [
            sample
            for sample in pool
            if sample.method in arm.methods
            and (sample.response or arm.answer_only)
            and (bought is None or sample.method == "seed" or sample.problem in bought)
        ]


def read_pool(run: RunDir, recipe: RunRecipe, arms: Mapping[str, ArmOptions], token_limit: int | None = None) -> Pool:
    """Return the samples of a finished run, and what each arm cost; None leaves the costs out.

    With a `token_limit` above 0, an arm has only the samples that this many of the teacher's tokens pay for.

    Raises InputError where an arm lacks samples of one of its methods, unless its cost is what the study measures.
    """
    problems = list(run.read_records("problems", Problem, strict=True))
    seeds = clean_seeds([problem for problem in problems if problem.method == "seed"], recipe)
    wrong: list[Sample] = []
    if any(arm.outcome == "wrong" for arm in arms.values()):
        wrong = list(wrong_samples(run, problems, recipe))
    pool = Pool(
        correct=[*(seed_sample(seed, recipe) for seed in seeds), *run.read_records("samples", Sample, strict=True)],
        wrong=wrong,
        num_seeds=len(seeds), num_unsolved_seeds=sum(not seed.solution for seed in seeds),
    )  # fmt: skip
    if token_limit is not None:
        pool = with_costs(pool, run, problems, arms, token_limit)
    for name, arm in arms.items():
        for method, count in pool.available(arm).items():
            if not count and name not in pool.costs:
                detail = " The seeds carry no worked solutions." if method == "seed" else ""
                raise InputError(f"arms.{name}: the run has no {arm.outcome} sample of {method}.{detail}")
    return pool


def trainable_arms(pool: Pool, arms: Mapping[str, ArmOptions]) -> dict[str, ArmOptions]:
    """Return the arms that have samples: a method of which nothing was kept costs tokens, but teaches no student.

    Raises InputError if no arm besides those of the seeds alone is left.
    """
    left = {name: arm for name, arm in arms.items() if any(pool.available(arm).values())}
    if all(arm.methods == ("seed",) for arm in left.values()) and len(left) < len(arms):
        raise InputError(
            f"arms: the run has no sample for {', '.join(name for name in arms if name not in left)}. "
            "Its rejects.jsonl says why; raise teacher_tokens, or use another teacher."
        )
    return left


def with_costs(
    pool: Pool, run: RunDir, problems: Sequence[Problem], arms: Mapping[str, ArmOptions], token_limit: int
) -> Pool:
    """Return the pool with what each arm's problems cost, and only those that its tokens buy."""
    spent = problem_costs(run, problems)
    bought = {arm.methods: frozenset(buy(spent, arm.methods, token_limit)) for arm in arms.values()}
    costs = {
        name: arm_cost(spent, arm.methods, bought[arm.methods], pool.correct)
        for name, arm in arms.items()
        if arm.methods != ("seed",)
    }
    return replace(pool, bought=bought if token_limit else {}, costs=costs)


def clean_seeds(seeds: Sequence[Problem], recipe: RunRecipe) -> list[Problem]:
    """Return the seeds that overlap no test set of the run's recipe."""
    options = recipe.decontaminate
    if not options.against:
        return list(seeds)
    index = TestSetIndex.build(load_test_sets(options.against, data=options.data), options.matching)
    overlapping = contaminated(index.find_all((seed.id, seed.question) for seed in seeds), options.matching)
    return [seed for seed in seeds if seed.id not in overlapping]


def seed_sample(seed: Problem, recipe: RunRecipe) -> Sample:
    """Return a seed with its own worked solution as a training row, ending as the run's other rows do.

    Without a solution its response is empty.
    """
    ending = recipe.export.ending
    return Sample(
        id=f"{seed.id}#0", type=type_of(seed.style, "seed"), query=seed.question, original_question=seed.question,
        response=finish_response(seed.solution, seed.answer, seed.style, ending) if seed.solution else "",
        problem=seed.id, seed=seed.id, dataset=seed.dataset, method="seed", answer=seed.answer,
    )  # fmt: skip


def wrong_samples(run: RunDir, problems: Iterable[Problem], recipe: RunRecipe) -> Iterator[Sample]:
    """Yield the answers that were graded wrong as training rows; they end in the wrong answer."""
    by_id = {problem.id: problem for problem in problems}
    chosen = choose(graded(run), replace(recipe.curate, outcome="wrong"), run.flags())
    yield from samples_of(graded(run), chosen.ids, by_id, dict.fromkeys(by_id, ""), recipe)


def apportion(size: int, shares: Mapping[Method, float], have: Mapping[Method, int]) -> dict[Method, int]:
    """Return the number of samples of each method by its share; the others make up for a method that has too few."""
    counts = dict.fromkeys(shares, 0)
    left = min(size, sum(have.values()))
    while left:
        open_methods = [method for method in shares if counts[method] < have[method]]
        whole = math.fsum(shares[method] for method in open_methods)
        quotas = {method: left * shares[method] / whole for method in open_methods}
        taken = {method: min(int(quotas[method]), have[method] - counts[method]) for method in open_methods}
        if not any(taken.values()):
            # Less than one sample each: the largest fractions take one; ties go to the earlier method.
            order = sorted(open_methods, key=lambda method: -quotas[method])
            taken = dict.fromkeys(order[:left], 1)
        for method, count in taken.items():
            counts[method] += count
        left -= sum(taken.values())
    return counts


def compose(pool: Pool, arm: ArmOptions, size: int, rng_seed: int) -> list[Sample]:
    """Return an arm's samples: at most `size` of its own (0 = all), then those it adds.

    Every arm and size uses the same random order: a smaller size is part of a larger one, and each seed question gives
    a sample of a method before any gives a second.
    """
    have = pool.available(arm)
    size = size or sum(have.values())
    shares = {method: arm.shares.get(method, PAPER_SHARES.get(method, 1.0)) for method in arm.methods}
    counts = apportion(size, shares, have)
    targets = tuple(Target(where={"method": method}, count=count) for method, count in counts.items())
    samples = pool.rows(arm)
    metas = (Meta(sample.id, sample.seed, (sample.method,)) for sample in samples)
    wanted = set(mix(metas, MixOptions(targets=targets), rng_seed=rng_seed).ids)
    chosen = [sample for sample in samples if sample.id in wanted]
    if arm.answer_only:
        chosen = [msgspec.structs.replace(sample, response=f"The answer is: {sample.answer}") for sample in chosen]
    return chosen + added(arm, rng_seed)


def added(arm: ArmOptions, rng_seed: int) -> list[Sample]:
    """Return the samples of the files an arm adds, or `add_count` of them at random."""
    samples: list[Sample] = []
    for path in arm.add:
        for number, row in iter_rows(path):
            try:
                samples.append(msgspec.convert(row, Sample))
            except msgspec.ValidationError as error:
                raise InputError(f"{path}:{number}: not a sample of a run ({error}). Name a samples.jsonl.") from None
    if arm.add_count and len(samples) > arm.add_count:
        wanted = sorted(samples, key=lambda sample: (lottery_place(sample.id, rng_seed), sample.id))[: arm.add_count]
        samples = sorted(wanted, key=lambda sample: sample.id)
    return samples
