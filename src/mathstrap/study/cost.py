"""Cost of an arm in teacher tokens, the problems that a token budget buys, and the share of confirmed answers.

The cost of a problem is its rewriting and all its answers, kept or not. A rejected rewriting costs its own tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from mathstrap.curate.mix import Meta, MixOptions, lottery_place, ranked
from mathstrap.evaluate import metrics
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.again import AGAIN
from mathstrap.pipeline.curate import graded
from mathstrap.pipeline.options import (
    BackwardOptions,
    ContaminationOptions,
    MethodOptions,
    MethodsOptions,
    RunRecipe,
)
from mathstrap.stats import method_of
from mathstrap.stats.estimates import Estimate
from mathstrap.types import Method, Problem, Sample, root_of


@dataclass(kw_only=True)
class ProblemCost:
    """The tokens spent on one derived problem, or on a seed that was answered again."""

    tokens: int = 0
    num_rewritings: int = 0
    num_answers: int = 0
    is_problem: bool = False


class ArmCost(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of an arm: tokens of prompts and replies, rewritings and answers requested, samples kept.

    `num_rewritten` counts the rewritings that became problems. `confirmed` is the share of the arm's questions whose
    answer the teacher repeats in one more greedy draw; None without such a check.
    """

    tokens: int
    num_rewritings: int
    num_rewritten: int
    num_answers: int
    num_kept: int
    confirmed: Estimate | None = None

    @property
    def kept_per_1000(self) -> float | None:
        """Samples kept per 1,000 tokens; None where the arm cost nothing."""
        return 1000 * self.num_kept / self.tokens if self.tokens else None


def problem_costs(run: RunDir, problems: Iterable[Problem]) -> dict[tuple[Method, str], ProblemCost]:
    """Return the cost of each problem of a run, by (method, id); computed problems cost nothing."""
    costs: dict[tuple[Method, str], ProblemCost] = {}
    for stage in ("rewrite", "solve"):
        for usage in run.usages(stage):
            name = usage.request.removesuffix(AGAIN).partition("#")[0]
            cost = costs.setdefault((method_of(name), name), ProblemCost())
            cost.tokens += usage.tokens_in + usage.tokens_out
            if stage == "rewrite":
                cost.num_rewritings += 1
            else:
                cost.num_answers += 1
    for problem in problems:
        if problem.method != "seed":
            costs.setdefault((problem.method, problem.id), ProblemCost()).is_problem = True
    return costs


def buy(costs: Mapping[tuple[Method, str], ProblemCost], methods: Collection[Method], tokens: int) -> list[str]:
    """Return the problems of these methods that `tokens` buys; 0 = all.

    Every seed contributes one problem before any contributes a second, in lottery order. The first problem that costs
    more than is left ends it: going on to cheaper ones would favour short questions.
    """
    by_name = {name: cost for (method, name), cost in costs.items() if method in methods}
    bought, left = [], tokens
    for name in ranked([Meta(name, root_of(name), ()) for name in by_name], MixOptions(), rng_seed=0):
        left -= by_name[name].tokens
        if tokens and left < 0:
            break
        bought.append(name)
    return bought


def arm_cost(
    costs: Mapping[tuple[Method, str], ProblemCost], methods: Collection[Method], bought: Collection[str],
    samples: Iterable[Sample],
) -> ArmCost:  # fmt: skip
    """Return the total cost of the bought problems, with the number of samples they gave."""
    bought_ids = frozenset(bought)
    arm_costs = [cost for (method, name), cost in costs.items() if method in methods and name in bought_ids]
    return ArmCost(
        tokens=sum(cost.tokens for cost in arm_costs),
        num_rewritings=sum(cost.num_rewritings for cost in arm_costs),
        num_rewritten=sum(cost.is_problem for cost in arm_costs if cost.num_rewritings),
        num_answers=sum(cost.num_answers for cost in arm_costs),
        num_kept=sum(sample.method in methods and sample.problem in bought_ids for sample in samples),
    )


def check_rows(rows: Iterable[Sample], most: int) -> list[Sample]:
    """Return at most `most` rows of an arm, one per question, in lottery order."""
    by_question = {sample.query: sample for sample in sorted(rows, key=lambda sample: sample.id)}
    return sorted(by_question.values(), key=lambda sample: (lottery_place(sample.id, 0), sample.id))[:most]


def check_ids(asked: Mapping[str, Sequence[Sample]]) -> dict[tuple[str, str], str]:
    """Return the id of each (arm, row) in the second check; a row's own id would be read as lineage."""
    rows = ((arm, row.id) for arm, samples in asked.items() for row in samples)
    return {row: f"check-{number:05d}" for number, row in enumerate(rows)}


def check_recipe(recipe: RunRecipe, source: str, out: str) -> RunRecipe:
    """Return the recipe of a run that asks each question of a file once, greedily, with the same teacher."""
    return replace(
        recipe, name="check", out=out,
        seeds=replace(recipe.seed_sources[0], source=source, fields={}, offset=0, limit=None),
        methods=MethodsOptions(
            ans_aug=MethodOptions(draws=1), rephrase=MethodOptions(enabled=False),
            self_verification=BackwardOptions(enabled=False), fobar=BackwardOptions(enabled=False),
        ),
        solving=msgspec.structs.replace(recipe.solving, temperature=0.0), dedup=None,
        decontaminate=ContaminationOptions(), export=replace(recipe.export, formats=()),
    )  # fmt: skip


def confirmed(
    check: RunDir, asked: Mapping[str, Sequence[Sample]], ids: Mapping[tuple[str, str], str]
) -> dict[str, Estimate]:
    """Return the share of each arm's questions whose answer the second check repeats; clustered by seed."""
    right = {root_of(candidate.problem) for candidate, verdict in graded(check) if verdict.outcome == "correct"}
    return {
        arm: metrics.score([float(ids[arm, row.id] in right) for row in rows], [row.seed for row in rows])
        for arm, rows in asked.items()
        if rows
    }
