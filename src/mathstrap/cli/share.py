"""What hands a run to other tools: the verbs export and push, and the tasks that eval writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mathstrap.errors import InputError, suggest

if TYPE_CHECKING:
    from mathstrap.evaluate import EvalOptions
    from mathstrap.share.push import PushPlan


def export(
    data: str = typer.Argument(..., metavar="RUN", help="A run directory, or a file of rows."),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="Training settings, as for train."),
    trainer: str = typer.Option(..., "--for", metavar="TRAINER", help="trl, axolotl or llama-factory."),
    recipe: str = typer.Option("", "--recipe", "-r", help="A training recipe, for example sft-7b; else the defaults."),
    out: Path | None = typer.Option(None, "--out", "-o", help="The folder to write; else RUN/for-TRAINER."),
) -> None:
    """Write config and data with which another trainer makes the training run of a recipe."""
    from mathstrap.recipe import apply_override, build_recipe, load_recipe
    from mathstrap.train import TrainRecipe
    from mathstrap.train.emit import TRAINERS, emit, with_data

    if trainer not in TRAINERS:
        raise InputError(f'--for: no trainer "{trainer}".{suggest(trainer, list(TRAINERS))}')
    if recipe:
        chosen = load_recipe(TrainRecipe, recipe, overrides or [])
    else:
        values: dict[str, object] = {}
        for override in overrides or []:
            apply_override(values, override)
        chosen = build_recipe(TrainRecipe, values, "export")
    path = Path(data)
    folder = out or (path if path.is_dir() else path.parent) / f"for-{trainer}"
    made = emit(trainer, with_data(chosen, path), folder)
    typer.echo(f"{made.folder}: {', '.join(made.files)}")
    typer.echo(f"{made.num_train:,} rows to train on, {made.num_held_out:,} held out")
    for reason, count in made.skipped.items():
        typer.echo(f"{count:,} rows skipped: {reason}")
    typer.echo(f"Train: {made.command}")


def push(
    run: str = typer.Argument(..., help="A run directory."),
    repo: str = typer.Argument(..., metavar="OWNER/NAME", help="The dataset on the Hugging Face hub."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print files, sizes and card; upload nothing."),
    public: bool = typer.Option(False, "--public", help="Make a new repository public; otherwise it is private."),
    include: list[str] = typer.Option([], "--include", metavar="FILE", help="Another file of the run; repeatable."),
    without: list[str] = typer.Option([], "--without", metavar="FILE", help="Leave this file out; repeatable."),
    message: str = typer.Option("", "--message", "-m", help="The commit's message."),
) -> None:
    """Publish a run's samples and data card as a dataset on the Hugging Face hub."""
    from mathstrap.share.push import plan_push
    from mathstrap.share.push import push as upload

    plan = plan_push(run, repo, public=public, include=include, without=without, message=message)
    print_plan(plan, dry_run=dry_run)
    if not dry_run:
        typer.echo(f"Published: {upload(plan)}")


def emit_tasks(options: EvalOptions, folder: Path) -> None:
    """Write every benchmark of the options as a task of lm-evaluation-harness."""
    from mathstrap.evaluate.own import protocol_for
    from mathstrap.evaluate.run import load_sets
    from mathstrap.evaluate.task import write_task

    trained = str(options.teacher.settings.get("adapter") or options.teacher.model_path)
    protocol = protocol_for(options.protocol, options.changes, trained)
    for loaded in load_sets(options):
        made = write_task(folder, loaded, protocol)
        typer.echo(f"{made.folder / made.name}.yaml: {made.num_questions:,} questions")
        typer.echo(f"Run: {made.command}")


def print_plan(plan: PushPlan, *, dry_run: bool) -> None:
    """Print the files with their sizes; on a dry run the card as well."""
    from rich.filesize import decimal

    from mathstrap.render.hostile import printable

    seen = "private" if plan.private else "public"
    typer.echo(f"{plan.repo} ({seen} if it is new), commit: {printable(plan.message)}")
    for file in plan.files:
        typer.echo(f"  {decimal(file.size):>9}  {printable(file.name)}")
    typer.echo(f"  {decimal(sum(file.size for file in plan.files)):>9}  in {len(plan.files)} files")
    if dry_run:
        typer.echo(f"\n{plan.path / 'README.md'}:")
        for line in plan.card.splitlines():
            typer.echo(f"  {printable(line)}".rstrip())
        typer.echo("\nNothing was uploaded.")
