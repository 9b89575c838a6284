"""Sum up the graded draws of one test set: scores with intervals, slices, disagreements, cost. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from mathstrap.evaluate import metrics
from mathstrap.evaluate.metrics import DrawVote, TieRule
from mathstrap.evaluate.score import SCORES, UNPARSEABLE, ScoredDraw, num_steps
from mathstrap.stats.estimates import Estimate
from mathstrap.types import Problem

MAX_EXAMPLES = 20
# Tags with few values; others identify the question (its URL, its hidden number), so every slice would be one question.
SLICE_TAGS = ("level", "subject", "type", "kind", "solvable", "perturbation", "numeric", "cleaning_status", "year")


class ScoreDisagreement(msgspec.Struct, frozen=True, kw_only=True):
    """Draws on which the scores differ: one row per pattern of right and wrong."""

    strict: bool
    flexible: bool
    symbolic: bool
    reference: bool
    count: int
    examples: list[str]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one test set; `accuracy` is the protocol's headline; tables are keyed by k as a string.

    `num_unanswered` counts requested draws without a reply; the numbers then cover only the others.
    """

    benchmark: str
    source: str
    num_problems: int
    num_draws: int
    num_unanswered: int
    num_unusable_rows: int
    accuracy: Estimate
    headline: str
    scores: dict[str, Estimate]
    disagreements: list[ScoreDisagreement]
    pass_at: dict[str, Estimate]
    maj_at: dict[str, Estimate]
    avg_at: dict[str, Estimate]
    tie_rule: TieRule
    slices: dict[str, dict[str, Estimate]]
    reasons: dict[str, int]
    truncated: Estimate
    unparseable: Estimate
    tokens_in: Estimate
    tokens_out: Estimate
    seconds: Estimate
    notes: list[str]


def summarize(
    problems: Sequence[Problem],
    draws: Sequence[ScoredDraw],
    *,
    source: str = "",
    headline: str,
    num_draws: int,
    ties: TieRule = "share",
    num_unusable_rows: int = 0,
    is_asked: bool = True,
    agree: Callable[[str, str], bool],
) -> Summary:
    """Return the numbers of one test set; `agree` says whether two answers are the same vote.

    `is_asked` is False for another tool's replies: why some are missing is then unknown.
    """
    by_problem: dict[str, list[ScoredDraw]] = {problem.id: [] for problem in problems}
    for draw in draws:
        by_problem[draw.problem].append(draw)
    clusters = [draw.cluster for draw in draws]
    whole = {key: group for key, group in by_problem.items() if len(group) == num_draws}
    tables = draw_tables(whole, num_draws, ties, agree)
    unparseable = [float(draw.reason in UNPARSEABLE) for draw in draws]
    correct = [float(draw.is_correct) for draw in draws]
    asked = len(problems) * num_draws
    return Summary(
        benchmark=problems[0].dataset,
        source=source,
        num_problems=len(problems),
        num_draws=num_draws,
        num_unanswered=asked - len(draws),
        num_unusable_rows=num_unusable_rows,
        accuracy=metrics.score(correct, clusters),
        headline=headline,
        scores={name: metrics.score([float(getattr(draw, name)) for draw in draws], clusters) for name in SCORES},
        disagreements=disagreements(draws),
        pass_at=tables["pass"],
        maj_at=tables["maj"],
        avg_at=tables["avg"],
        tie_rule=ties,
        slices=slices(problems, by_problem),
        reasons=dict(Counter(draw.reason for draw in draws).most_common()),
        truncated=metrics.score([float(draw.finish_reason == "length") for draw in draws], clusters),
        unparseable=metrics.score(unparseable, clusters),
        tokens_in=metrics.mean_score([float(draw.tokens_in) for draw in draws], clusters),
        tokens_out=metrics.mean_score([float(draw.tokens_out) for draw in draws], clusters),
        seconds=metrics.mean_score([draw.seconds for draw in draws], clusters),
        notes=notes(problems, draws, asked, is_asked),
    )


def draw_tables(
    groups: dict[str, list[ScoredDraw]], num_draws: int, ties: TieRule, agree: Callable[[str, str], bool]
) -> dict[str, dict[str, Estimate]]:
    """Return pass@k, maj@k and avg@k over the questions that have all their draws; empty for a single draw."""
    tables: dict[str, dict[str, Estimate]] = {"pass": {}, "maj": {}, "avg": {}}
    if num_draws < 2 or not groups:
        return tables
    names = [group[0].cluster for group in groups.values()]
    votes = {key: votes_of(group, agree) for key, group in groups.items()}
    for k in metrics.pass_ks(num_draws):
        passed = [metrics.pass_at_k(num_draws, sum(d.is_correct for d in group), k) for group in groups.values()]
        voted = [metrics.maj_at_k(votes[key], k, ties=ties, rng_seed=0) for key in groups]
        tables["pass"][str(k)] = metrics.chance_score(passed, names)
        tables["maj"][str(k)] = metrics.chance_score(voted, names)
    flat = [draw for group in groups.values() for draw in group]
    tables["avg"][str(num_draws)] = metrics.score([float(d.is_correct) for d in flat], [d.cluster for d in flat])
    return tables


def votes_of(group: Sequence[ScoredDraw], agree: Callable[[str, str], bool]) -> list[DrawVote]:
    """Return a question's draws as votes; draws without an answer abstain, right answers are one group."""
    ordered = sorted(group, key=lambda draw: draw.draw)
    expected = ordered[0].expected
    answers = [expected if draw.is_correct else draw.got for draw in ordered]
    numbers = metrics.group_answers(answers, agree)
    return [DrawVote(number, draw.is_correct) for number, draw in zip(numbers, ordered, strict=True)]


def disagreements(draws: Sequence[ScoredDraw]) -> list[ScoreDisagreement]:
    """Return the patterns of scores that are not all alike, the commonest first."""
    patterns: dict[tuple[bool, ...], list[str]] = {}
    for draw in draws:
        pattern = tuple(bool(getattr(draw, name)) for name in SCORES)
        if len(set(pattern)) > 1:
            patterns.setdefault(pattern, []).append(draw.id)
    rows = [
        ScoreDisagreement(
            strict=pattern[0], flexible=pattern[1], symbolic=pattern[2], reference=pattern[3], count=len(ids),
            examples=ids[:MAX_EXAMPLES],
        )
        for pattern, ids in patterns.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-row.count, row.examples))


def slices(problems: Sequence[Problem], groups: dict[str, list[ScoredDraw]]) -> dict[str, dict[str, Estimate]]:
    """Return accuracy by question-length third, by steps of the gold solution, and by every tag of the set."""
    length = metrics.terciles({problem.id: len(problem.question) for problem in problems})
    labels: dict[str, dict[str, list[str]]] = {"question length": {"short": [], "medium": [], "long": []}}
    for problem in problems:
        labels["question length"][length[problem.id]].append(problem.id)
        steps = num_steps(problem)
        if steps is not None:
            labels.setdefault("steps", {}).setdefault("8+" if steps >= 8 else str(steps), []).append(problem.id)
        for name in SLICE_TAGS:
            if name not in problem.tags:
                continue
            value = problem.tags[name]
            labels.setdefault(name, {}).setdefault(str(value), []).append(problem.id)
    scores: dict[str, dict[str, Estimate]] = {}
    for name, values in labels.items():
        if len(values) < 2:
            continue
        scores[name] = {}
        for value in sorted(values, key=slice_order):
            part = [draw for ident in values[value] for draw in groups[ident]]
            if part:
                scores[name][value] = metrics.score([float(d.is_correct) for d in part], [d.cluster for d in part])
    return scores


def slice_order(label: str) -> tuple[int, Any]:
    """Order short, medium, long by size, numbers by value and everything else by name."""
    sizes = ("short", "medium", "long")
    if label in sizes:
        return 0, (sizes.index(label), "")
    digits = label.rstrip("+")
    return (0, (int(digits), label)) if digits.isdigit() else (1, (0, label))


def notes(problems: Sequence[Problem], draws: Sequence[ScoredDraw], asked: int, is_asked: bool) -> list[str]:
    """Return the caveats of the numbers of this set and run."""
    sentences = []
    if asked > len(draws):
        order = ", asked in random order" if is_asked else ""
        missing = asked - len(draws)
        verb = "reply is" if missing == 1 else "replies are"
        sentences.append(f"{missing:,} of {asked:,} {verb} missing; the numbers cover the others{order}.")
    flagged = {problem.id for problem in problems if problem.tags.get("gold_is_wrong")}
    if flagged:
        rest = [draw for draw in draws if draw.problem not in flagged]
        clean = metrics.score([float(draw.is_correct) for draw in rest], [draw.cluster for draw in rest])
        sentences.append(
            f"{len(flagged)} published golds are wrong; without them the accuracy is {clean.value:.1%} "
            f"({clean.low:.1%} to {clean.high:.1%}, {clean.num} draws)."
        )
    if draws and not any(draw.text.strip() for draw in draws):
        is_cut = all(draw.finish_reason == "length" for draw in draws)
        sentences.append(
            "Every reply is empty and cut off: the limit went to reasoning that the server keeps. Raise --max-tokens."
            if is_cut
            else "Every reply is empty: the model or its template is at fault, not the mathematics."
        )
    num_clusters = len({draw.cluster for draw in draws})
    if num_clusters < len({draw.problem for draw in draws}):
        sentences.append(f"Questions share {num_clusters} seed questions; the intervals count those as the sample.")
    return sentences
