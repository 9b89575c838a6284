"""The verb doctor: show the damage of a run and the cost of repairing it, and repair it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mathstrap.pipeline.doctor import Diagnosis

SHOWN = 50  # a run with thousands of damaged lines must not flood the terminal


def doctor(
    run: Path = typer.Argument(..., metavar="RUN", help="A run directory."),
    mend: bool = typer.Option(
        False, "--mend",
        help="Set damaged lines aside in a file that keeps them; derive the rest again without the teacher.",
    ),
    own_code: bool = typer.Option(False, "--own-code", help="Run the code files that this run's recipe names."),
    as_json: bool = typer.Option(False, "--json", help="Print what is damaged as JSON."),
) -> None:  # fmt: skip
    """Say what is damaged in a run directory, where, and what mending it costs; exit code 1 while anything is."""
    from mathstrap.pipeline.doctor import examine
    from mathstrap.pipeline.doctor import mend as mend_run
    from mathstrap.render.hostile import printable

    if mend:
        for sentence in mend_run(run, own_code=own_code):
            typer.echo(printable(sentence))
    diagnosis = examine(run)
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(plain(diagnosis)), indent=2).decode())
    else:
        print_diagnosis(diagnosis)
    if diagnosis.findings:
        raise typer.Exit(1)


def plain(diagnosis: Diagnosis) -> dict[str, object]:
    """Return a diagnosis as plain values."""
    return {
        "path": str(diagnosis.path),
        "findings": [
            {"file": finding.name, "line": finding.damage.number if finding.damage else None,
             "sentence": finding.sentence, "consequence": finding.consequence, "is_derived": finding.is_derived}
            for finding in diagnosis.findings
        ],
        "asked_again": diagnosis.asked_again,
        "tokens_in": diagnosis.usage.tokens_in, "tokens_out": diagnosis.usage.tokens_out, "usd": diagnosis.usd,
    }  # fmt: skip


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Print each finding in two lines, then the cost and the command."""
    from mathstrap.render.hostile import printable

    if not diagnosis.findings:
        typer.echo(f"{printable(str(diagnosis.path))}: nothing is damaged.")
        return
    for finding in diagnosis.findings[:SHOWN]:
        typer.echo(printable(finding.sentence))
        typer.echo(f"  {printable(finding.consequence)}")
    if len(diagnosis.findings) > SHOWN:
        typer.echo(f"and {len(diagnosis.findings) - SHOWN:,} more; --json prints all")
    typer.echo(f"\n{diagnosis.cost}")
    mended = []
    if diagnosis.lines:
        mended.append(f"sets {len(diagnosis.lines):,} damaged lines aside, in damaged-* files beside theirs")
    if diagnosis.derived:
        mended.append(f"derives {', '.join(diagnosis.derived)} again")
    if mended:
        typer.echo(f"To mend: mathstrap doctor {printable(str(diagnosis.path))} --mend. It {' and '.join(mended)}.")
