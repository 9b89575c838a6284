"""`mathstrap iterate`: rounds of bootstrapping in which the student of one round answers in the next."""

from __future__ import annotations

import typer


def iterate(
    recipe: str = typer.Argument(..., help="A recipe of rounds, or the name of a shipped one such as rounds."),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="Recipe keys to set: rounds=2."),
    quiet: bool = typer.Option(False, "--quiet", help="No progress, only the summary."),
) -> None:
    """Bootstrap, train, evaluate, and again with the student, until accuracy falls. The same command again resumes."""
    from mathstrap.iterate import IterateRecipe, iterate
    from mathstrap.recipe import load_recipe
    from mathstrap.render.progress import show_progress

    loaded = load_recipe(IterateRecipe, recipe, overrides or [])
    with show_progress(quiet=quiet, json_lines=False) as events:
        summary = iterate(loaded, events=events, tell=lambda line: None if quiet else typer.echo(line, err=True))
    typer.echo(f"{'round':>5} {'samples':>8} {'rows':>8} {'accuracy':>9}  student")
    for row in summary.rounds:
        typer.echo(f"{row.number:>5} {row.num_samples:>8,} {row.num_rows:>8,} {row.accuracy:>9.1%}  {row.student}")
    if summary.stopped:
        typer.echo(f"Stopped: {summary.stopped}.")
    if summary.best is not None:
        typer.echo(f"Best: round {summary.best.number}, {summary.best.student}")
