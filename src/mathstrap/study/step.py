"""Run one heavy step of a study in a separate process, so that its memory is freed and a kill ends nothing else.

python -m mathstrap.study.step SPEC.json [PROCESSES]     SPEC is a StepInput; errors go to stderr as one sentence.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.errors import MathstrapError
from mathstrap.evaluate import EvalOptions
from mathstrap.files.append_log import open_for_writing
from mathstrap.files.private import plain_folder
from mathstrap.files.tables import write_atomically
from mathstrap.train import TrainRecipe

STEP = ("-m", "mathstrap.study.step")


class StepInput(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a step: train a student, write an untrained model as GGUF, or evaluate."""

    train: dict[str, Any] | None = None
    gguf: str = ""
    base: str = ""
    evaluate: dict[str, Any] | None = None


class StepError(MathstrapError, RuntimeError):
    """A step of a study failed; the message is the step's last line."""


def run_job(job: StepInput, log: Path, processes: int = 1) -> None:
    """Run a step in a child process (or several), its output in `log`; raises StepError with its last line."""
    plain_folder(log.parent)
    spec = log.with_suffix(".job.json")
    write_atomically(spec, [msgspec.json.encode(job)], is_private=True)
    command = [sys.executable, *STEP, str(spec), str(processes)]
    with os.fdopen(open_for_writing(log, os.O_WRONLY | os.O_APPEND), "ab") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)  # noqa: S603 - our own
        try:
            code = child.wait()
        finally:
            if child.poll() is None:  # interrupted: the step must not outlive us
                child.terminate()
                child.wait()
    spec.unlink(missing_ok=True)
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise StepError(f"{log}: the step ended with {how}: {lines[-1] if lines else 'it printed nothing'}")


def main() -> None:
    """Do the step of the file named on the command line."""
    die_with_parent()
    processes = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    if processes > 1:
        # exec keeps this process's death signal, so that the launcher and its workers end with the study.
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        os.execv(sys.executable, [sys.executable, *launcher, *STEP, sys.argv[1]])  # noqa: S606 - our own
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=StepInput)
    try:
        do(job)
    except MathstrapError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


def do(job: StepInput) -> None:
    """Do a step in this process."""
    if job.train is not None:
        from mathstrap.train.sft import train

        recipe = msgspec.convert(job.train, TrainRecipe)
        report = train(recipe)
        if job.gguf and report is not None:  # only the first of several processes has a report
            write_model(Path(recipe.out) / "model", Path(job.gguf))
    elif job.base:
        from mathstrap.train.model import resolve_model

        write_model(Path(resolve_model(job.base)), Path(job.gguf))
    if job.evaluate is not None:
        from mathstrap.evaluate import evaluate

        evaluate(msgspec.convert(job.evaluate, EvalOptions))


def write_model(folder: Path, path: Path) -> None:
    """Write a model as GGUF with F16 weights, which the engines load without converting."""
    from mathstrap.train.gguf import write_gguf

    plain_folder(path.parent)
    write_gguf(folder, path, kind="f16")


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, so that two processes never train one student."""
    if sys.platform != "linux":
        return
    import ctypes

    set_death_signal = 1
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


if __name__ == "__main__":
    main()
