"""`mathstrap train`: fine-tune a model from a recipe, on one process or several."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import typer

from mathstrap.cli.words import fitted, say
from mathstrap.errors import counted
from mathstrap.render.hostile import printable, screened
from mathstrap.render.terminal import terminal

if TYPE_CHECKING:
    from mathstrap.train import TrainRecipe
    from mathstrap.train.preview import TrainPreview


def train(
    recipe: str = typer.Argument(
        ..., metavar="RECIPE", help="A recipe file, or the name of a shipped one such as sft-tiny."
    ),
    overrides: list[str] = typer.Argument(
        None, metavar="KEY=VALUE", help="Settings, for example data.path=samples.jsonl."
    ),
    processes: int = typer.Option(1, "--processes", "-p", min=1, help="Processes on this machine, one per GPU."),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Say what would be trained, in how many steps and how much memory; write nothing."
    ),
) -> None:
    """Fine-tune a model from a recipe; the same command goes on where an interrupted run stopped."""
    if dry_run:
        from mathstrap.recipe import load_recipe
        from mathstrap.train import TrainRecipe
        from mathstrap.train.preview import preview_training

        chosen = load_recipe(TrainRecipe, recipe, overrides or [])
        print_preview(preview_training(chosen, processes=processes), chosen)
        return
    if processes > 1 and "RANK" not in os.environ:
        launch(processes, [recipe, *(overrides or [])])
        return
    from mathstrap.recipe import load_recipe
    from mathstrap.train import TrainRecipe
    from mathstrap.train.data import data_paths

    chosen = load_recipe(TrainRecipe, recipe, overrides or [])
    data_paths(chosen.data)  # before torch is loaded, which may take a minute
    from mathstrap.train.sft import train as run

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


def print_preview(preview: TrainPreview, recipe: TrainRecipe) -> None:
    """Print the first sample, then what would be trained, one line for each matter."""
    from rich.table import Table
    from rich.text import Text

    console = terminal()
    console.print("First sample, as the model is asked", style="bold")
    console.print(fitted(screened(preview.first.prompt)), markup=False, soft_wrap=True, style="dim", highlight=False)
    console.print("and what it learns", style="bold")
    console.print(fitted(screened(preview.first.learnt)), markup=False, soft_wrap=True, style="green", highlight=False)
    console.print()
    title = Text(f"{printable(recipe.model)}, {recipe.method}; nothing was trained", style="bold")
    table = Table(title=title, title_justify="left", box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in preview_lines(preview, recipe):
        table.add_row(name, Text(printable(text)))
    console.print(table)
    for sentence in preview.doubts:
        say(sentence)


def preview_lines(preview: TrainPreview, recipe: TrainRecipe) -> list[tuple[str, str]]:
    """Return what a training would do, as names and sentences."""
    table, cut, setting, lengths = preview.table, preview.cut, preview.where.setting, preview.lengths
    tokens = int(table.lengths.sum())
    learnt = tokens - int(table.starts.sum())
    lines = [
        ("samples", f"{len(table):,}" + (f", and {preview.held_out:,} held out" if preview.held_out else "")),
        ("tokens", f"{tokens:,}, {learnt:,} of them learnt"),
        (
            "lengths",
            f"median {lengths.median:,}, nine of ten up to {lengths.most:,}, longest {lengths.longest:,} "
            f"(data.max_length={recipe.data.max_length:,})",
        ),
    ]
    left_out = {**table.dropped, **preview.skipped}
    reasons = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in left_out.items() if count]
    lines.append(("left out", ", ".join(reasons) or "none; nothing is cut"))
    if table.lost_reasoning:
        lost = counted(table.lost_reasoning, "sample")
        lines.append(("reasoning", f"left out of {lost}: the prompt has no place for it"))
    share = preview.num_trained / preview.num_parameters
    lines.append(("weights", f"{preview.num_parameters:,}, {preview.num_trained:,} of them trained ({share:.2%})"))
    if preview.coverage is not None:
        covered = Counter(name.rpartition(".")[2] for name in [*preview.coverage.modules, *preview.coverage.experts])
        lines.append(("adapter on", ", ".join(f"{name} ({count})" for name, count in covered.items())))
        left = [f"{name} ({count})" for name, count in preview.coverage.left_out.items()]
        lines.append(("not on", "; ".join(left) or "every linear layer has one"))
    steps = f"{counted(preview.num_steps, 'step')} of {counted(recipe.global_batch, 'sample')}"
    if cut is not None:
        steps += f", each in {counted(cut.accumulation, 'micro-batch', 'micro-batches')}"
    steps += f" on each of {setting.processes} processes" if setting.processes > 1 else ""
    lines.append(("steps", steps + (f"; goes on from step {preview.resumes_at:,}" if preview.resumes_at else "")))
    lines.append(("packing", packing_line(preview)))
    device = "a GPU" if setting.device == "cuda" else "the CPU"
    lines.append(("multiplied in", f"{preview.where.precision} on {device}"))
    lines.append(("memory", memory_line(preview, recipe)))
    return lines


def packing_line(preview: TrainPreview) -> str:
    """Return how samples share rows, or that this is seen later."""
    if preview.packing is None:
        return "tried when the training starts: this model is too large to be tried without its weights"
    if preview.packing.layout == "alone":
        return f"one sample a row: {preview.packing.reason}"
    return "samples share rows without seeing each other (tried with random weights)"


def memory_line(preview: TrainPreview, recipe: TrainRecipe) -> str:
    """Return the estimate of a step's peak beside what is free, and what would lower it where it is too much."""
    place = "the GPU" if preview.where.setting.device == "cuda" else "this machine"
    needed = preview.fixed_bytes if preview.peak_bytes is None else preview.peak_bytes
    amount, free = (f"{size / 1e9:,.3g} GB" for size in (needed, preview.free_bytes))
    text = f"about {amount} at a step's peak by estimate; {free} are free on {place}"
    if preview.peak_bytes is None:
        text = (
            f"{amount} for weights, gradients and optimiser; {free} are free on {place}. What activations take cannot "
            "be measured without the weights of this model"
        )
    if needed <= preview.free_bytes:
        return text
    less = ["checkpoint_layers=true"] if not recipe.checkpoint_layers and preview.peak_bytes else []
    less += {"full": ["method=lora"], "lora": ["method=qlora"], "qlora": []}[recipe.method]
    if recipe.optimizer == "adamw" and preview.num_trained > 1e9:
        less.append("optimizer=adamw-8bit")
    return f"{text}. That is too much: set {' or '.join([*less, 'a smaller model'])}"


def launch(processes: int, arguments: list[str]) -> None:
    """Run this command once per process under torchrun and leave with its exit code."""
    # --standalone needs no rendezvous server: all processes are on this machine.
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
        console = terminal(stderr=True)
        # Only the first process shows progress, and at once: a first step can take a minute.
        if console.is_terminal and os.environ.get("RANK", "0") == "0":
            self.begin(console)
        return self

    def __exit__(self, *_: object) -> None:
        if self.progress is not None:
            # Erase the line of a run that never began.
            self.progress.live.transient = self.progress.tasks[0].total is None
            self.progress.stop()

    def show(self, point: Any) -> None:
        """Show a point of the curve or a validation."""
        import time

        console = terminal(stderr=True)
        if hasattr(point, "eval_loss"):
            accuracy = "" if point.accuracy is None else f", accuracy {point.accuracy:.3f}"
            self.line(console, f"step {point.step}: held-out loss {point.eval_loss:.4f}{accuracy}")
            return
        text = f"loss {point.loss:.4f}  {point.tokens_per_second:,.0f} tokens/s  {clock(point.seconds_left)} left"
        if console.is_terminal:
            self.advance(console, point, text)
        elif time.monotonic() - self.last_seconds >= 10 or point.step == point.num_steps:
            self.last_seconds = time.monotonic()
            self.line(console, f"step {point.step}/{point.num_steps}  {text}")

    def line(self, console: Any, text: str) -> None:
        """Print a line above the progress, if there is one."""
        (self.progress.console if self.progress is not None else console).print(text, highlight=False)

    def begin(self, console: Any) -> None:
        """Start the live line, before the number of steps is known."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.progress = Progress(
            TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"),
            console=console,
        )  # fmt: skip
        self.task = self.progress.add_task("train", total=None, text="reading the data, loading the model")
        self.progress.start()

    def advance(self, console: Any, point: Any, text: str) -> None:
        """Update the live line."""
        if self.progress is None:
            self.begin(console)
        self.progress.update(self.task, completed=point.step, total=point.num_steps, text=text)


def clock(seconds: float) -> str:
    """Return a time span as `1:23:45` or `2:05`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
