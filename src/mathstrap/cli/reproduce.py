"""The verb `reproduce`: every count and inference of the paper that needs no GPU, beside what is found here."""

from __future__ import annotations

from typing import Literal, cast

import typer


def reproduce(
    data: str = typer.Option("", metavar="FOLDER", help="Where gsm8k_train.jsonl and gsm8k_test.jsonl are."),
    train: str = typer.Option("", metavar="FILE", help="GSM8K's training questions, if they are elsewhere."),
    backward: str = typer.Option("", metavar="FILE", help="The published GSM8K-Backward, if it is elsewhere."),
    quick: bool = typer.Option(False, "--quick", help="Leave out the enumeration of every Game of 24 solution."),
    as_: str = typer.Option("text", "--as", help="text, markdown or json."),
    out: str = typer.Option("", metavar="FILE", help="Write there instead of printing."),
) -> None:
    """Recount the paper: claimed, found here, and whether they are equal. About a minute on one core."""
    import msgspec

    from mathstrap.cli.see import write_page
    from mathstrap.errors import InputError
    from mathstrap.reproduce.table import all_claims, as_markdown, as_text, summary

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
