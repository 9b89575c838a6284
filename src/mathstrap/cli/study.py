"""`mathstrap study`: the paper's ablation, or another experiment of its shape, from one recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mathstrap.errors import InputError, counted, suggest

if TYPE_CHECKING:
    from mathstrap.study.options import StudyRecipe
    from mathstrap.study.preview import StudyPreview
    from mathstrap.study.run import StepEvent, StudySummary

UNTIL = "split, bootstrap, plan"


def study(
    recipe: str = typer.Argument(..., help="A study recipe, or the name of a shipped one such as study-cpu."),
    overrides: list[str] = typer.Argument(
        None, metavar="[KEY=VALUE]...", help="Recipe keys to set, for example rng_seeds=[0]."
    ),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Say what would be done, what it costs and which difference it could find."
    ),
    until: str = typer.Option("", "--until", metavar="PART", help=f"End after a part: {UNTIL}."),
    stop_after: float = typer.Option(
        0.0, "--stop-after", metavar="MINUTES", help="Begin no new student after so long; 0 = never stop."
    ),
    quiet: bool = typer.Option(False, "--quiet", help="No progress, only the summary."),
) -> None:
    """Train students on bootstrapped and other data, evaluate and compare them. The same command again resumes."""
    from mathstrap.recipe import load_recipe
    from mathstrap.study import StudyRecipe
    from mathstrap.study.options import PARTS

    loaded = load_recipe(StudyRecipe, recipe, overrides or [])
    if dry_run:
        from mathstrap.study.preview import preview_study

        print_preview(preview_study(loaded), loaded)
        return
    part = next((part for part in PARTS if part == until), None)
    if until and part is None:
        raise InputError(f'--until: no such part "{until}".{suggest(until, list(PARTS))}')
    from mathstrap.render.progress import show_progress
    from mathstrap.study.run import run_study

    with show_progress(quiet=quiet, json_lines=False) as events:
        summary = run_study(
            loaded, until=part, stop_after_seconds=60 * stop_after if stop_after else None, events=events,
            listener=None if quiet else print_step,
        )  # fmt: skip
    print_summary(summary)
    if not summary.is_complete and not part:
        raise typer.Exit(3)


def print_step(event: StepEvent) -> None:
    """Print a step as it ends, with its time."""
    place = f"[{event.number}/{event.total}] " if event.total else ""
    if event.seconds is None:
        typer.echo(f"{place}{event.what} {event.name} ...", err=True)
    else:
        typer.echo(f"{place}{event.what} {event.name}: {event.seconds:,.0f} s", err=True)


def print_summary(summary: StudySummary) -> None:
    """Print the state of the study and its files."""
    from mathstrap.study.words import headline_table, is_trained

    if summary.result is not None:
        typer.echo(headline_table(summary.result))
    if summary.num_students and summary.stopped != "plan":
        done = f"{summary.num_done} of {summary.num_students} students evaluated"
        is_measured = summary.result is not None and not is_trained(summary.result)
        typer.echo(f"{'The arms were measured' if is_measured else done} in {summary.path}")
    elif summary.stopped:
        typer.echo(f"{summary.path}: stopped after {summary.stopped}, as asked.")
    for path in summary.files.values():
        typer.echo(f"  {path}")
    if summary.stopped == "time":
        typer.echo("Stopped for time; the same command goes on.")


def print_preview(preview: StudyPreview, recipe: StudyRecipe) -> None:
    """Print the plan: questions, students, cost, power."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from mathstrap.render.terminal import terminal

    console = terminal(soft_wrap=True)
    console.print(f"{recipe.name}: {counted(preview.num_seeds, 'seed')}; nothing was asked, trained or evaluated")
    for note in preview.notes:
        console.print(f"note: {note}")
    for test in preview.tests:
        questions = counted(test.num_questions, "question")
        console.print(f"test, {test.direction}: {questions} from {counted(test.num_originals, 'original')}")
    if preview.run is not None:
        left = sum(stage.num_requests - stage.num_paid for stage in preview.run.stages)
        num_paid = sum(stage.num_paid for stage in preview.run.stages)
        console.print(f"bootstrap: {counted(left, 'request')} to ask, {num_paid:,} paid already")
    if preview.is_assumed:
        console.print("~ a guess before the run: every answer verifies, replies take half their limit")
    about = "~" if preview.is_assumed else ""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    headings = ["arm", "size", "match", "samples", "steps", "passes", "tokens seen"]
    for heading in headings if recipe.students else ["arm", "size", "samples"]:
        table.add_column(heading, justify="left" if heading in ("arm", "match") else "right", no_wrap=True)
    for cell in preview.plan.cells:
        student = preview.plan.student(cell.students[0])
        schedule, samples = student.schedule, f"{about}{student.rows.size.num_samples:,}"
        size = f"{cell.size:,}" if cell.size else "all"
        steps, tokens = f"{about}{schedule.num_steps:,}", f"{about}{schedule.tokens_seen:,}"
        seen = [cell.match, samples, steps, f"{schedule.passes:.1f}", tokens] if recipe.students else [samples]
        table.add_row(cell.arm, size, *seen)
    console.print(table)
    if not recipe.students:
        rows = f"; perplexity of {recipe.perplexity:,} rows of each at most, by {recipe.train.model}"
        console.print(f"no student is trained{rows if recipe.perplexity else ''}")
        return
    schedules = [student.schedule for student in preview.plan.students]
    console.print(
        f"{len(schedules)} students over {len(recipe.rng_seeds)} seeds: "
        f"{about}{sum(schedule.num_steps for schedule in schedules):,} optimiser steps, "
        f"{about}{sum(schedule.tokens_seen for schedule in schedules):,} tokens{hours(preview.train_hours)}"
    )
    console.print(
        f"{counted(preview.num_evaluations, 'evaluation')}, "
        f"{counted(preview.num_requests, 'request')}{hours(preview.evaluation_hours)}"
    )
    console.print("cost: no price is known" if preview.usd is None else f"cost: about ${preview.usd:,.2f}")
    for power in preview.powers:
        console.print(
            f"power, {power.direction}: {100 * power.single:.1f} points between two arms are found in four studies of "
            f"five ({100 * power.adjusted:.1f} with Holm over {power.num_comparisons} pairs), assuming accuracy "
            f"{power.accuracy:.0%}, correlation {power.correlation:g} of two students on a question, and a standard "
            f"deviation of {100 * power.seed_sd:g} points over seeds"
        )


def hours(value: float | None) -> str:
    """Return a time as text; empty if it is unknown."""
    return "" if value is None else f", about {value:.1f} hours" if value >= 1 else f", about {60 * value:.0f} minutes"
