"""The verb `reproduce`: recount the claims of the paper that need no GPU, and run two experiments on one core."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, cast

import typer

EXPERIMENTS = ("game24", "noise")


def reproduce(
    experiment: str = typer.Argument(
        "", help="Run this experiment instead: game24 (App. D, tiny students) or noise (a verifier that errs)."
    ),
    data: str = typer.Option("", metavar="FOLDER", help="Where gsm8k_train.jsonl and gsm8k_test.jsonl are."),
    train: str = typer.Option("", metavar="FILE", help="GSM8K's training questions, if they are elsewhere."),
    backward: str = typer.Option("", metavar="FILE", help="The published GSM8K-Backward, if it is elsewhere."),
    quick: bool = typer.Option(False, "--quick", help="Leave out the enumeration of every Game of 24 solution."),
    as_: str = typer.Option("text", "--as", help="text, markdown or json."),
    out: str = typer.Option("", metavar="FILE", help="Write there; an experiment's folder."),
) -> None:
    """Recount the paper: claimed, found here, and whether they are equal. About a minute on one core.

    An experiment trains its students on one core and goes on where it was stopped; it needs the extra `train`.
    """
    import msgspec

    from mathstrap.cli.see import write_page
    from mathstrap.errors import InputError
    from mathstrap.reproduce.table import all_claims, as_markdown, as_text, summary

    if experiment:
        run_experiment(experiment, out)
        return
    if as_ not in ("text", "markdown", "json"):
        raise InputError(f'--as: found "{as_}", expected text, markdown or json.')
    form = cast(Literal["text", "markdown", "json"], as_)
    typer.echo("Counting; the Game of 24 takes most of a minute.", err=True)
    claims = all_claims(data=data, train=train, backward=backward, count_solutions=not quick)
    text = {
        "text": lambda: as_text(claims),
        "markdown": lambda: as_markdown(claims),
        "json": lambda: msgspec.json.format(msgspec.json.encode(claims)).decode(),
    }[form]()
    if out:
        write_page(out, text + "\n")
        typer.echo(summary(claims))
        return
    typer.echo(text)
    if form == "text":
        typer.echo(f"\n{len(claims)} claims: {summary(claims)}")


def run_experiment(name: str, out: str) -> None:
    """Run an experiment by its name, in a folder."""
    from pathlib import Path

    from mathstrap.errors import InputError, missing_extra, suggest

    if name not in EXPERIMENTS:
        raise InputError(f'No experiment is called "{name}".{suggest(name, list(EXPERIMENTS))}')
    if find_spec("torch") is None:
        raise missing_extra("torch", "train")
    folder = Path(out or f"reproduce/{name}")
    if name == "game24":
        from mathstrap.reproduce.game24_study import run_game24

        run_game24(folder, say=typer.echo)
    else:
        from mathstrap.reproduce.noise import run_noise

        run_noise(folder, say=typer.echo)
    typer.echo(f"{folder}: {name}.md, {name}.json, {name}.png")
