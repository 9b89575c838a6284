"""`mathstrap train`: fine-tune a model from a recipe, on one process or several."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import typer

from mathstrap.errors import counted


def train(
    recipe: str = typer.Argument(
        ..., metavar="RECIPE", help="A recipe file, or the name of a shipped one such as sft-tiny."
    ),
    overrides: list[str] = typer.Argument(
        None, metavar="KEY=VALUE", help="Settings, for example data.path=samples.jsonl."
    ),
    processes: int = typer.Option(1, "--processes", "-p", min=1, help="Processes on this machine, one per GPU."),
) -> None:
    """Fine-tune a model from a recipe; the same command goes on where an interrupted run stopped."""
    if processes > 1 and "RANK" not in os.environ:
        launch(processes, [recipe, *(overrides or [])])
        return
    from mathstrap.recipe import load_recipe
    from mathstrap.train import TrainRecipe
    from mathstrap.train.sft import train as run

    chosen = load_recipe(TrainRecipe, recipe, overrides or [])
    with Display() as display:
        report = run(chosen, listener=display.show)
    if report is None:
        return
    typer.echo(
        f"{counted(report.num_steps, 'step')} over {counted(report.num_samples, 'sample')}, loss {report.loss:.4f}"
        + (f", held out {report.eval_loss:.4f}" if report.eval_loss is not None else "")
        + f", {report.tokens_per_second:,.0f} tokens/s; checkpoint {report.chosen_step} became:"
    )
    for kind, path in report.files.items():
        typer.echo(f"  {kind:<10} {path}")


def launch(processes: int, arguments: list[str]) -> None:
    """Run this command once per process under torchrun and leave with its exit code."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
        "-m", "mathstrap", "train", *arguments,
    ]  # fmt: skip
    code = subprocess.run(command, check=False).returncode  # noqa: S603 - our own interpreter and arguments
    if code:
        raise typer.Exit(code)


class Display:
    """One live line of progress on a terminal, one plain line every ten seconds elsewhere."""

    def __init__(self) -> None:
        self.progress: Any = None
        self.task: Any = None
        self.last_seconds = -10.0

    def __enter__(self) -> Display:
        from mathstrap.render.terminal import terminal

        console = terminal(stderr=True)
        # Of several processes the first shows; a first step can take a minute, and nothing else would be seen.
        if console.is_terminal and os.environ.get("RANK", "0") == "0":
            self.begin(console)
        return self

    def __exit__(self, *_: object) -> None:
        if self.progress is not None:
            self.progress.live.transient = self.progress.tasks[0].total is None  # nothing of a run that never began
            self.progress.stop()

    def show(self, made: Any) -> None:
        """Show a point of the curve or a validation."""
        import time

        from mathstrap.render.terminal import terminal

        console = terminal(stderr=True)
        if hasattr(made, "eval_loss"):
            accuracy = "" if made.accuracy is None else f", accuracy {made.accuracy:.3f}"
            self.line(console, f"step {made.step}: held-out loss {made.eval_loss:.4f}{accuracy}")
            return
        text = f"loss {made.loss:.4f}  {made.tokens_per_second:,.0f} tokens/s  {clock(made.seconds_left)} left"
        if console.is_terminal:
            self.advance(console, made, text)
        elif time.monotonic() - self.last_seconds >= 10 or made.step == made.num_steps:
            self.last_seconds = time.monotonic()
            self.line(console, f"step {made.step}/{made.num_steps}  {text}")

    def line(self, console: Any, text: str) -> None:
        """Print a line above the progress, if there is one."""
        (self.progress.console if self.progress is not None else console).print(text, highlight=False)

    def begin(self, console: Any) -> None:
        """Start the live line, before it is known how many steps there are."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.progress = Progress(
            TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"),
            console=console,
        )  # fmt: skip
        self.task = self.progress.add_task("train", total=None, text="reading the data, loading the model")
        self.progress.start()

    def advance(self, console: Any, made: Any, text: str) -> None:
        """Move the live line on."""
        if self.progress is None:
            self.begin(console)
        self.progress.update(self.task, completed=made.step, total=made.num_steps, text=text)


def clock(seconds: float) -> str:
    """Return a time span as `1:23:45` or `2:05`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
