"""The verb doctor: what is damaged in a run, what mending costs, and mending it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mathstrap.pipeline.doctor import Diagnosis

SHOWN = 50


def doctor(
    run: Path = typer.Argument(..., metavar="RUN", help="A run directory."),
    mend: bool = typer.Option(
        False, "--mend", help="Set damaged lines aside in a file that keeps them; derive the rest anew. Asks nobody."
    ),
    own_code: bool = typer.Option(False, "--own-code", help="Run the code files that this run's recipe names."),
    as_json: bool = typer.Option(False, "--json", help="Print what is damaged as JSON."),
) -> None:
    """Say what is damaged in a run directory, where, and what mending it costs; exit code 1 while anything is."""
    from mathstrap.pipeline.doctor import examine
    from mathstrap.pipeline.doctor import mend as mend_run
    from mathstrap.render.hostile import printable

    if mend:
        for sentence in mend_run(run, own_code=own_code):
            typer.echo(printable(sentence))
    found = examine(run)
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(plain(found)), indent=2).decode())
    else:
        print_diagnosis(found)
    if found.findings:
        raise typer.Exit(1)


def plain(found: Diagnosis) -> dict[str, object]:
    """Return a diagnosis as plain values."""
    return {
        "path": str(found.path),
        "findings": [
            {"file": finding.name, "line": finding.damage.number if finding.damage else None,
             "sentence": finding.sentence, "consequence": finding.consequence, "is_derived": finding.is_derived}
            for finding in found.findings
        ],
        "asked_again": found.asked_again,
        "tokens_in": found.usage.tokens_in, "tokens_out": found.usage.tokens_out, "usd": found.usd,
    }  # fmt: skip


def print_diagnosis(found: Diagnosis) -> None:
    """Print what is damaged, a finding in two lines, then what it costs and what to do."""
    from mathstrap.render.hostile import printable

    if not found.findings:
        typer.echo(f"{printable(str(found.path))}: nothing is damaged.")
        return
    for finding in found.findings[:SHOWN]:
        typer.echo(printable(finding.sentence))
        typer.echo(f"  {printable(finding.consequence)}")
    if len(found.findings) > SHOWN:
        typer.echo(f"and {len(found.findings) - SHOWN:,} more; --json prints all")
    typer.echo(f"\n{found.cost}")
    mended = []
    if found.lines:
        mended.append(f"sets {len(found.lines):,} damaged lines aside, in damaged-* files beside theirs")
    if found.derived:
        mended.append(f"derives {', '.join(found.derived)} anew")
    if mended:
        typer.echo(f"To mend: mathstrap doctor {printable(str(found.path))} --mend. It {' and '.join(mended)}.")
