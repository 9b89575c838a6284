"""The command line: verbs only. Each verb's module parses, calls the library and prints; none holds logic."""

from __future__ import annotations

import sys

import typer

from mathstrap import __version__
from mathstrap.cli import curate, run, see
from mathstrap.cli import eval as evaluation
from mathstrap.cli import quirks as reference_quirks
from mathstrap.cli import train as training
from mathstrap.cli import verify as verification
from mathstrap.errors import MathstrapError

app = typer.Typer(
    name="mathstrap",
    help="Bootstrap verified mathematical training data from your own questions, then train and evaluate on it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def show_version(value: bool) -> None:
    """Print the version and leave."""
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=show_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Bootstrap verified mathematical training data from your own questions, then train and evaluate on it."""


def main() -> None:
    """Run the command line; a MathstrapError becomes one sentence on stderr and exit code 1."""
    try:
        app()
    except MathstrapError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)


# One line per verb; the modules import nothing heavy at their top.
app.command("run")(run.run)
app.command("show")(run.show)
app.command("recipes")(run.recipes)
app.command("init")(run.init)
app.command("eval")(evaluation.eval_)
app.command("compare")(evaluation.compare)
app.command("train")(training.train)
app.command("verify")(verification.verify)
app.command("stats")(see.stats)
app.command("report")(see.report)
app.command("explore")(see.explore)
app.command("quirks")(reference_quirks.quirks)
app.command("dedup")(curate.dedup)
app.command("decontaminate")(curate.decontaminate)
app.command("audit")(curate.audit)
