"""`mathstrap verify`: grade a file of answers, or explain one verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import typer

from mathstrap.cli.curate import check_choice, show_progress
from mathstrap.errors import InputError, counted

if TYPE_CHECKING:
    from mathstrap.audit.grade import VerifySummary


def verify(
    arguments: list[str] = typer.Argument(metavar="FILE | GOLD PREDICTION", help="The file, or with --explain a pair."),
    gold: str = typer.Option("gold", help="Column of the gold answers, or a path; known formats are recognised."),
    prediction: str = typer.Option("prediction", help="Column of the answers or completions, or a path."),
    question: str = typer.Option(
        "", help="Column of the questions, or a path; known formats are recognised. With --explain, the question."
    ),
    out: Path | None = typer.Option(None, help="Write the rows with their verdicts here: .jsonl or .parquet."),
    form: str = typer.Option(
        "auto", help="What a prediction is: answer, completion or auto (tell them apart; also the default of grade())."
    ),
    grader: str = typer.Option(
        "math",
        help="math, gsm8k, metamath-2024-gsm8k, metamath-2024-math, hendrycks, minerva, or your own: file.py:object.",
    ),
    mode: str = typer.Option("strict", help="strict, or flexible: the last number of a completion may count."),
    workers: int = typer.Option(1, help="Processes."),
    math_verify: bool = typer.Option(False, "--math-verify", help="Ask math-verify about what is left undecided."),
    explain: bool = typer.Option(False, "--explain", help="Print how a GOLD and a PREDICTION are compared."),
) -> None:
    """Grade answers against gold answers: correct, wrong or undecided, and which rule decided."""
    from mathstrap.verify import Form, Mode

    check_choice("--form", form, list(get_args(Form)))
    check_choice("--mode", mode, list(get_args(Mode)))
    checked_form: Form = form  # type: ignore[assignment]
    checked_mode: Mode = mode  # type: ignore[assignment]
    if explain:
        from mathstrap.verify import grader_named
        from mathstrap.verify.explain import explain as explain_pair

        if len(arguments) != 2:
            raise InputError(f"--explain takes a gold and a prediction, found {len(arguments)} arguments.")
        grader_named(grader)
        for line in explain_pair(
            arguments[0], arguments[1], form=checked_form, grader=grader, mode=checked_mode, question=question
        ):
            typer.echo(line)
        return
    if len(arguments) != 1:
        raise InputError(
            f"verify takes one file, found {len(arguments)} arguments. For a pair of answers add --explain."
        )
    from mathstrap.audit.grade import VerifyFileOptions, verify_file

    options = VerifyFileOptions(
        gold=gold, prediction=prediction, question=question, form=checked_form, grader=grader, mode=checked_mode,
        workers=workers, math_verify=math_verify,
    )  # fmt: skip
    summary = verify_file(Path(arguments[0]), options, out=out, progress=show_progress)
    _print_summary(summary, out)


def _print_summary(summary: VerifySummary, out: Path | None) -> None:
    import sys

    if sys.stderr.isatty():
        typer.echo("\r", nl=False, err=True)
    rate = summary.rows / summary.seconds if summary.seconds else 0.0
    typer.echo(f"{counted(summary.rows, 'row')} in {summary.seconds:.1f} s ({rate:,.0f} per second)")
    for outcome in ("correct", "wrong", "undecided"):
        count = summary.outcomes[outcome]
        typer.echo(f"  {outcome:<10}{count:>9,}  {count / summary.rows if summary.rows else 0:6.1%}")
    typer.echo("decided by   " + ", ".join(f"{tier} {count:,}" for tier, count in summary.tiers.most_common()))
    if out is not None:
        typer.echo(f"written to   {out}")
