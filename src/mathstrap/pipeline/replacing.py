"""Count the samples that a run would lose because their seeds are no longer in the recipe. Writes nothing."""

from __future__ import annotations

from mathstrap.errors import counted
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.seeds import Seeds
from mathstrap.types import Problem, Sample


def samples_that_go(run: RunDir, seeds: Seeds) -> str:
    """Return a sentence on the samples that a run with these seeds would remove; empty if it removes none.

    Added seeds remove nothing, nor do removed seeds without samples. Samples are read only if the seeds differ from
    those of the last run.
    """
    before = run.manifest.get("seeds")
    is_same = isinstance(before, dict) and before.get("hash") == seeds.hash
    if is_same or not (run.has("samples") and run.has("problems")):
        return ""
    present = {(seed.id, seed.question, seed.answer) for seed in seeds.problems}
    lost = {
        problem.id
        for problem in run.read_records("problems", Problem)
        # A seed labelled by a vote is stored with its label; in the recipe its answer is empty.
        if problem.method == "seed"
        and (problem.id, problem.question, problem.answer) not in present
        and (problem.id, problem.question, "") not in present
    }
    if not lost:
        return ""
    num_samples = num_lost = 0
    losing: set[str] = set()
    for sample in run.read_records("samples", Sample):
        num_samples += 1
        if sample.seed in lost:
            num_lost += 1
            losing.add(sample.seed)
    if not num_lost:
        return ""
    return (
        f"{run.path}: {num_lost:,} of the {counted(num_samples, 'sample')} here come from "
        f"{counted(len(losing), 'seed')} that the present recipe does not have, so samples.jsonl would be replaced "
        "without them. Their replies stay. Give the new run a name of its own (name=NAME), or go on here "
        "with --replace (in Python: replace=True)."
    )
