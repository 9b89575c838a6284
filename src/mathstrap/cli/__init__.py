"""The command line: verbs only. Each verb's module parses, calls the library and prints, without logic of its own."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import typer

from mathstrap.cli import complete, curate, doctor, run, see, share
from mathstrap.cli import eval as evaluation
from mathstrap.cli import iterate as rounds
from mathstrap.cli import quirks as reference_quirks
from mathstrap.cli import reproduce as reproduction
from mathstrap.cli import study as studies
from mathstrap.cli import train as training
from mathstrap.cli import verify as verification
from mathstrap.cli.words import say
from mathstrap.errors import MathstrapError
from mathstrap.render.hostile import printable
from mathstrap.render.terminal import screen_output
from mathstrap.version import __version__

GC_THRESHOLD = 20_000

app = typer.Typer(
    name="mathstrap",
    help="Bootstrap verified mathematical training data from your own questions, then train and evaluate on it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Start with `mathstrap run demo`, or with `mathstrap init my.yaml --seeds FILE` for your own questions.",
)


def show_version(value: bool) -> None:
    """Print the version and leave."""
    if value:
        typer.echo(__version__)
        raise typer.Exit


DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=show_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Bootstrap verified mathematical training data from your own questions, then train and evaluate on it."""


def main() -> None:
    """Run the command line; a MathstrapError becomes one sentence on stderr and exit code 1.

    A message may hold what a server or a file said, so it is shown as `printable` text, line by line.
    """
    # Imported modules stay alive and the engine's calls leave no cycles, so collecting less often saves a tenth of a
    # run's processor time. Only here, because a program that uses the library decides on its own collector.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    for name in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(name) is signal.SIG_DFL:
            signal.signal(name, end_orderly)
    screen_output()
    logging.getLogger("mathstrap").addHandler(Warnings())
    try:
        try:
            app()
        finally:
            with suppress(BrokenPipeError):
                sys.stdout.flush()  # here, where a full disk is a sentence; at the interpreter's end it is a traceback
    except MathstrapError as error:
        refuse(error)
    except OSError as error:
        # Any write can fail on a full disk; the logs of paid replies handle that themselves.
        if error.errno not in DISK_ERRORS:
            raise
        from mathstrap.files.append_log import storage_error

        # What the output still holds has nowhere to go, and the interpreter would try once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        refuse(storage_error(Path(error.filename or "the disk"), error))


def refuse(error: MathstrapError) -> NoReturn:
    """Print an error as one sentence and leave with exit code 1."""
    say("\n".join(printable(line) for line in f"error: {error}".split("\n")), err=True)
    sys.exit(1)


class Warnings(logging.Handler):
    """Shows each warning of the library once on stderr, as `printable` text, because it may quote a file."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning that was not printed before."""
        sentence = record.getMessage()
        if sentence not in self.shown:
            self.shown.add(sentence)
            typer.echo(f"{record.levelname.lower()}: {printable(sentence)}", err=True)


def end_orderly(number: int, _: object) -> None:
    """End as at Ctrl-C: close files, end workers, release locks. While asking, the engine has its own handler."""
    raise SystemExit(128 + number)


# One line per verb; the modules import nothing heavy at their top.
app.command("run", short_help="Bootstrap a dataset, or go on with it.")(run.run)
app.command("show", short_help="One seed's prompts, replies, verdicts and rejects.")(run.show)
app.command("recipes", short_help="List, print or copy the shipped recipes.")(run.recipes)
app.command("init", short_help="Write a starter recipe for your own questions.")(run.init)
app.command("eval", short_help="Evaluate a model, or a file of its outputs.")(evaluation.eval_)
app.command("compare", short_help="Compare two evaluations, or two runs.")(evaluation.compare)
app.command("train", short_help="Fine-tune a model: full, LoRA or QLoRA.")(training.train)
app.command("study", short_help="The paper's ablation: train, evaluate, compare.")(studies.study)
app.command("iterate", short_help="Rounds: the student solves or teaches next.")(rounds.iterate)
app.command("verify", short_help="Grade answers against gold answers.")(verification.verify)
app.command("stats", short_help="A run's numbers, with intervals.")(see.stats)
app.command("report", short_help="Write a run's report: one HTML file.")(see.report)
app.command("doctor", short_help="What is damaged in a run, and mending it.")(doctor.doctor)
app.command("explore", short_help="Read runs in the browser, on this machine.")(see.explore)
app.command("export", short_help="Data for rewards, preferences, other trainers.")(share.export)
app.command("preflight", short_help="Check a training file: which rewards can be 1.")(share.preflight)
app.command("serve-reward", short_help="Serve the reward over HTTP.")(share.serve_reward)
app.command("push", short_help="Publish a run on the Hugging Face hub.")(share.push)
app.command("quirks", short_help="What the reference code would spoil of your seeds.")(reference_quirks.quirks)
app.command("reproduce", short_help="Recount the paper, claim by claim.")(reproduction.reproduce)
app.command("dedup", short_help="Drop questions that repeat an earlier one.")(curate.dedup)
app.command("decontaminate", short_help="Drop questions that test sets ask too.")(curate.decontaminate)
app.command("audit", short_help="Count the defects of any dataset, and clean it.")(curate.audit)

# Shell completions, beside the names of verbs and options.
FORMAT_NAMES = complete.names("mathstrap.share.formats:GROUP_FORMATS", "mathstrap.share.export:FORMATS")
complete.offer(
    run.run, recipe=complete.recipe, only=complete.names("mathstrap.types:STAGES"),
    overrides=complete.keys("mathstrap.pipeline.options:RunRecipe"),
)  # fmt: skip
complete.offer(run.show, run_dir=complete.run_dir)
complete.offer(run.recipes, name=complete.names(complete.RECIPES))
complete.offer(
    evaluation.eval_, backend=complete.names("mathstrap.backends:BACKENDS"),
    benchmarks=complete.listed("mathstrap.problems.benchmarks:BENCHMARKS"),
    protocol=complete.names("mathstrap.evaluate.protocols:NAMES"),
    out=complete.run_dir, overrides=complete.keys("mathstrap.evaluate:EvalOptions"),
)  # fmt: skip
complete.offer(evaluation.compare, a=complete.run_dir, b=complete.run_dir)
complete.offer(training.train, recipe=complete.recipe, overrides=complete.keys("mathstrap.train:TrainRecipe"))
complete.offer(studies.study, recipe=complete.recipe, overrides=complete.keys("mathstrap.study:StudyRecipe"))
complete.offer(rounds.iterate, recipe=complete.recipe, overrides=complete.keys("mathstrap.iterate:IterateRecipe"))
complete.offer(see.stats, run=complete.run_dir)
complete.offer(see.report, run=complete.run_dir, against=complete.run_dir)
complete.offer(doctor.doctor, run=complete.run_dir)
complete.offer(see.explore, runs=complete.run_dir)
complete.offer(
    share.export, data=complete.run_dir, trainer=complete.names("mathstrap.train.emit:TRAINERS"), formats=FORMAT_NAMES,
    recipe=complete.recipe, overrides=complete.keys("mathstrap.train:TrainRecipe"),
)  # fmt: skip
complete.offer(share.preflight, format_=FORMAT_NAMES)
complete.offer(share.push, run=complete.run_dir)
