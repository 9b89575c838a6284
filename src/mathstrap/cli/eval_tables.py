"""Print the numbers of an evaluation, the differences between prompts, a comparison and the list of test sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mathstrap.evaluate import EvalResult
    from mathstrap.evaluate.memory import MemoryProbe
    from mathstrap.evaluate.versus import EvaluationComparison, Sensitivity
    from mathstrap.stats.estimates import Estimate


def print_benchmarks() -> None:
    """Print the test sets: name and description, then the source."""
    from mathstrap.evaluate import BENCHMARKS
    from mathstrap.render.terminal import terminal

    console = terminal(soft_wrap=True)
    width = max(map(len, BENCHMARKS)) + 2
    for name, entry in BENCHMARKS.items():
        origin = f"else hf:{entry.hub}" if entry.hub else f"from {entry.home}"
        source = f"{entry.file}, {origin}" if entry.file else f"built from {entry.of}"
        console.print(f"{name:<{width}}{entry.about}")
        console.print(f"{'':<{width}}{source}", style="dim")


def percent(score: Estimate) -> str:
    """Return a share with its interval."""
    return f"{score.value:.1%} ({score.low:.1%} to {score.high:.1%})"


def print_result(result: EvalResult) -> None:
    """Print the numbers, the settings they depend on, and the files."""
    from rich.table import Table

    from mathstrap.evaluate.record import describe
    from mathstrap.render.terminal import terminal

    console = terminal()
    evaluation = result.evaluation
    table = Table(title=evaluation.model, title_style="bold", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for heading in ("set", "n", "accuracy", "95 %", "strict", "flexible", "symbolic", "reference"):
        is_set = heading == "set"
        table.add_column(heading, justify="left" if is_set else "right", no_wrap=not is_set, overflow="fold")
    for s in evaluation.summaries:
        scores = [f"{s.scores[name].value:.1%}" for name in ("strict", "flexible", "symbolic", "reference")]
        count = f"{s.num_problems:,}" + (f" x {s.num_draws}" if s.num_draws > 1 else "")
        interval = f"{s.accuracy.low * 100:.1f}-{s.accuracy.high * 100:.1f}"
        if not s.accuracy.num:  # nothing was answered: no number rather than 0 %
            table.add_row(s.benchmark, count, *["-"] * 6)
            continue
        table.add_row(s.benchmark, count, f"{s.accuracy.value:.1%}", interval, *scores)
    console.print(table)
    for s in evaluation.summaries:
        if not s.accuracy.num:
            console.print(f"{s.benchmark}: no reply, so no number", soft_wrap=True)
            continue
        cost = f"{s.tokens_out.value:,.0f} tokens and {s.seconds.value:.1f} s per reply; "
        console.print(
            f"{s.benchmark}: {s.truncated.value:.1%} cut off, {s.unparseable.value:.1%} without an answer; "
            f"{cost if s.tokens_out.value else ''}the scores disagree on "
            f"{sum(row.count for row in s.disagreements):,} of {s.accuracy.num:,} replies", soft_wrap=True,
        )  # fmt: skip
        for k, score in s.pass_at.items():
            voted = f"maj@{k} {percent(s.maj_at[k])} (ties: {s.tie_rule})"
            console.print(f"{s.benchmark}: pass@{k} {percent(score)}, {voted}", soft_wrap=True)
        for note in s.notes:
            console.print(f"{s.benchmark}: {note}", soft_wrap=True)
    for style, record in evaluation.provenance.items():
        console.print(describe(style, record), soft_wrap=True, style="dim")
    asked = result.asked
    if asked is not None and asked.answered:
        console.print(
            f"asked {asked.answered:,} in {asked.seconds:,.0f} s: {asked.answered / asked.seconds:.2f} replies and "
            f"{asked.tokens_out / asked.seconds:,.0f} tokens a second", style="dim",
        )  # fmt: skip
    if asked is not None and asked.message:
        console.print(asked.message, soft_wrap=True, markup=False)
    if asked is not None and asked.failed:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in asked.errors.items())
        console.print(f"calls that broke: {kinds}", soft_wrap=True)
    if evaluation.num_unanswered:
        again = "the same command asks for them again" if asked else "add them to the file and run the command again"
        console.print(f"replies missing: {evaluation.num_unanswered:,}; {again}.")
    if result.num_unfit_rows:
        console.print(f"rows that fit no question: {result.num_unfit_rows:,}, kept in {result.path / 'rejects.jsonl'}")
    console.print(f"{result.path / 'report.html'}: every wrong answer beside the gold", soft_wrap=True)
    console.print(f"{result.path / 'draws.jsonl'}: every reply, graded (and .parquet)", soft_wrap=True)


def print_sensitivity(results: list[EvalResult], sensitivities: list[Sensitivity]) -> None:
    """Print the accuracy under every prompt, and its spread, then the settings and the report of each run."""
    from rich.table import Table

    from mathstrap.evaluate.record import describe
    from mathstrap.render.terminal import terminal

    table = Table(title="prompt sensitivity", title_style="bold", title_justify="left", box=None, padding=(0, 1, 0, 0))
    prompts = list(sensitivities[0].accuracies)
    for heading in ("set", *prompts, "mean", "lowest", "highest", "always right", "never right"):
        table.add_column(heading, justify="left" if heading == "set" else "right")
    for row in sensitivities:
        values = [*row.accuracies.values(), row.mean, row.lowest, row.highest, row.always, row.never]
        table.add_row(row.benchmark, *(f"{value:.1%}" for value in values))
    console = terminal()
    console.print(table)
    for result in results:
        for style, record in result.evaluation.provenance.items():
            console.print(describe(style, record), soft_wrap=True, style="dim")
        missing = result.evaluation.num_unanswered
        lack = f"; replies missing: {missing:,}, the same command asks for them again" if missing else ""
        console.print(f"{result.path / 'report.html'}{lack}", soft_wrap=True)


def print_comparison(comparison: EvaluationComparison, flips: int) -> None:
    """Print differences with intervals, the test, the flips and the statistical power."""
    from mathstrap.render.terminal import terminal

    console = terminal(soft_wrap=True)
    console.print(f"A {comparison.a}: {comparison.model_a}\nB {comparison.b}: {comparison.model_b}")
    for warning in comparison.warnings:
        console.print(f"note: {warning}", style="yellow", markup=False)
    for name, c in comparison.sets.items():
        console.print(
            f"\n{name}, {c.num} questions both answered: A {c.accuracy_a:.1%}, B {c.accuracy_b:.1%}, "
            f"B - A {c.difference:+.1%} ({c.low:+.1%} to {c.high:+.1%})", style="bold",
        )  # fmt: skip
        console.print(
            f"both right {c.both}, both wrong {c.neither}, gained {len(c.gained)}, lost {len(c.lost)}; "
            f"{c.test}: p = {c.p_value:.3g}"
        )
        found_with = (
            f"a difference of {c.detectable:.1%} is found with 80 % power at this size and this share of flips"
            if c.detectable < 1
            else f"with {len(c.gained) + len(c.lost)} flips among {c.num} questions no difference reaches 80 % power"
        )
        seen = f"; the power for the one seen is {c.power:.0%}" if c.difference else ""
        console.print(found_with + seen + (f", {c.needed:,} questions would give 80 %" if c.needed else ""))
        if c.only_a or c.only_b:
            console.print(f"left out: {c.only_a} questions only A answered, {c.only_b} only B")
        for label, ids in (("gained", c.gained), ("lost", c.lost)):
            if ids:
                more = f" and {len(ids) - flips} more" if len(ids) > flips else ""
                console.print(f"{label}: {', '.join(ids[:flips])}{more}", markup=False)


def print_memory(probe: MemoryProbe) -> None:
    """Print, by set and shown share, how many rests of questions were written word for word."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from mathstrap.render.terminal import terminal

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("set", "shown", "questions", "rest word for word", "95 %", "mean part of the rest"):
        table.add_column(heading, justify="left" if heading == "set" else "right", no_wrap=True)
    for row in probe.sets:
        for share, exact in row.exact.items():
            interval = f"{exact.low:.1%} to {exact.high:.1%}"
            part = f"{row.overlap[share].value:.1%}"
            table.add_row(row.benchmark, f"{share} %", f"{exact.num:,}", f"{exact.value:.1%}", interval, part)
    terminal(soft_wrap=True).print(table)
