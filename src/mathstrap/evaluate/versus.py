"""Compare two evaluations set by set, on the questions both answered; and one model under several prompts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from mathstrap.errors import InputError
from mathstrap.evaluate.compare import PairedComparison, compare_scores
from mathstrap.evaluate.record import Evaluation, read_evaluation
from mathstrap.evaluate.run import EvalOptions, EvalResult, evaluate
from mathstrap.evaluate.score import ScoredDraw


class EvaluationComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two evaluations side by side; `warnings` names differences besides the model, `sets` has a row per set."""

    a: str
    b: str
    model_a: str
    model_b: str
    warnings: list[str]
    sets: dict[str, PairedComparison]


class Sensitivity(msgspec.Struct, frozen=True, kw_only=True):
    """One test set under several prompts: the accuracy under each.

    `always` and `never` are the shares of questions answered rightly under every prompt and under none.
    """

    benchmark: str
    accuracies: dict[str, float]
    mean: float
    lowest: float
    highest: float
    always: float
    never: float


def compare(a: Path | str, b: Path | str) -> EvaluationComparison:
    """Compare two finished evaluations; raises InputError where they share no question."""
    first, draws_a = read_evaluation(a)
    second, draws_b = read_evaluation(b)
    sets = {}
    for summary in first.summaries:
        scores_a, scores_b = mean_scores(draws_a, summary.benchmark), mean_scores(draws_b, summary.benchmark)
        if scores_a.keys() & scores_b.keys():
            clusters = {draw.problem: draw.cluster for draw in (*draws_a, *draws_b)}
            sets[summary.benchmark] = compare_scores(scores_a, scores_b, clusters)
    if not sets:
        names = [", ".join(summary.benchmark for summary in side.summaries) for side in (first, second)]
        raise InputError(
            f"{a} and {b} share no question ({names[0]} against {names[1]}). Evaluate both on the same set."
        )
    shared = [
        f"{name}: the {c.num} questions come from {c.num_clusters} seed questions; the interval accounts for that, "
        "while p and power treat every question as independent and may be too optimistic."
        for name, c in sets.items()
        if c.num_clusters < c.num
    ]
    return EvaluationComparison(
        a=str(a), b=str(b), model_a=first.model, model_b=second.model, sets=sets,
        warnings=[*warnings(first, second, draws_a, draws_b), *shared],
    )  # fmt: skip


def contrast(a: Path | str, b: Path | str, sets: tuple[str, str]) -> EvaluationComparison:
    """Compare one set of A with another set of B, paired by seed question: for example original and perturbed.

    A and B may be the same evaluation. Every pair is one seed question with the mean of its variants' draws, so the
    interval is clustered by seed. Raises InputError where the sets share no seed question.
    """
    (first, draws_a), (second, draws_b) = read_evaluation(a), read_evaluation(b)
    scores_a, scores_b = (by_seed(draws, name) for draws, name in ((draws_a, sets[0]), (draws_b, sets[1])))
    if not scores_a.keys() & scores_b.keys():
        raise InputError(f"{sets[0]} and {sets[1]} share no seed question, so there is nothing to pair.")
    comparison = compare_scores(scores_a, scores_b, {seed: seed for seed in {*scores_a, *scores_b}})
    return EvaluationComparison(
        a=f"{a} {sets[0]}", b=f"{b} {sets[1]}", model_a=first.model, model_b=second.model,
        sets={f"{sets[0]} against {sets[1]}": comparison}, warnings=warnings(first, second, [], []),
    )  # fmt: skip


def by_seed(draws: Sequence[ScoredDraw], benchmark: str) -> dict[str, float]:
    """Return each seed question's share of right draws; in published pairs of sets the place in the set is the seed."""
    shares = mean_scores(draws, benchmark, lambda draw: draw.cluster.removeprefix(f"{benchmark}-"))
    # A set derived from another keeps the other's ids as its roots: gsm8k-00042.
    return {re.sub(r"^.*-(?=\d+$)", "", seed): share for seed, share in shares.items()}


def mean_scores(
    draws: Sequence[ScoredDraw], benchmark: str, key: Callable[[ScoredDraw], str] = lambda draw: draw.problem
) -> dict[str, float]:
    """Return the share of right draws of each question of a set, or of each group of draws by `key`."""
    groups: dict[str, list[bool]] = {}
    for draw in draws:
        if draw.benchmark == benchmark:
            groups.setdefault(key(draw), []).append(draw.is_correct)
    return {name: fmean(correct) for name, correct in groups.items()}


def warnings(
    first: Evaluation, second: Evaluation, draws_a: Sequence[ScoredDraw], draws_b: Sequence[ScoredDraw]
) -> list[str]:
    """Return what differs between two evaluations besides the model."""
    sentences = []
    for style, provenance in first.provenance.items():
        two = second.provenance.get(style)
        if two is None:
            continue
        ours, theirs = msgspec.structs.asdict(provenance), msgspec.structs.asdict(two)
        changed = [f"{key} {ours[key]!r} against {theirs[key]!r}" for key in ours if ours[key] != theirs[key]]
        if changed:
            sentences.append(f"{style} questions were asked or scored differently: {'; '.join(changed)}.")
    questions_a = {draw.problem: (draw.question, draw.expected) for draw in draws_a}
    questions_b = {draw.problem: (draw.question, draw.expected) for draw in draws_b}
    other = sum(questions_a[key] != questions_b[key] for key in questions_a.keys() & questions_b.keys())
    if other:
        sentences.append(f"{other} questions of the same id differ in text or gold: the test files are not the same.")
    if first.settings != second.settings:
        sentences.append(f"the backends were set up differently: {first.settings} against {second.settings}.")
    if first.num_unanswered or second.num_unanswered:
        missing = f"{first.num_unanswered} in the first, {second.num_unanswered} in the second"
        sentences.append(f"replies are missing: {missing}.")
    changed_versions = [
        f"{name} {first.versions.get(name, 'absent')} against {second.versions.get(name, 'absent')}"
        for name in sorted(first.versions.keys() | second.versions.keys())
        if first.versions.get(name) != second.versions.get(name)
    ]
    if changed_versions:
        sentences.append(f"versions differ: {', '.join(changed_versions)}.")
    return sentences


def evaluate_prompts(
    options: EvalOptions, prompts: Sequence[str], **run: Any
) -> tuple[list[EvalResult], list[Sensitivity]]:
    """Evaluate under every prompt, each in `<out>/prompt-<name>`, and return how much the numbers vary.

    Keyword arguments go to `evaluate`; the backend is opened once by the caller or once per prompt.
    """
    stems = [Path(prompt).stem for prompt in prompts]
    if len(set(prompts)) < 2:
        raise InputError("a prompt-sensitivity run needs at least two different prompts.")
    if repeated := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise InputError(f"{', '.join(repeated)}: two prompts of this name would share a run directory. Rename one.")
    results = []
    for prompt in prompts:
        changed = replace(
            options, out=str(Path(options.out) / f"prompt-{Path(prompt).stem}"),
            changes=replace(options.changes, prompt=prompt),
        )  # fmt: skip
        results.append(evaluate(changed, **run))
    return results, sensitivity(prompts, results)


def sensitivity(prompts: Sequence[str], results: Sequence[EvalResult]) -> list[Sensitivity]:
    """Return the variation of every test set over prompts."""
    rows = []
    for place, summary in enumerate(results[0].evaluation.summaries):
        values = {
            prompt: result.evaluation.summaries[place].accuracy.value
            for prompt, result in zip(prompts, results, strict=True)
        }
        means = [mean_scores(result.draws, summary.benchmark) for result in results]
        shared = set(means[0]).intersection(*means[1:])
        rows.append(
            Sensitivity(
                benchmark=summary.benchmark,
                accuracies=values,
                mean=fmean(values.values()),
                lowest=min(values.values()),
                highest=max(values.values()),
                always=fmean([all(mean[key] == 1.0 for mean in means) for key in shared]) if shared else 0.0,
                never=fmean([all(mean[key] == 0.0 for mean in means) for key in shared]) if shared else 0.0,
            )
        )
    return rows
