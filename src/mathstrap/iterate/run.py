"""Run rounds: bootstrap, train, evaluate, and again with the student. The same command resumes where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.engine.events import Listener
from mathstrap.errors import InputError, counted
from mathstrap.files.rundir import RunDir
from mathstrap.iterate.options import IterateRecipe
from mathstrap.iterate.plan import round_name, round_recipe, training_of, write_rows
from mathstrap.pipeline import bootstrap
from mathstrap.recipe import recipe_values, recipe_yaml
from mathstrap.redact import public
from mathstrap.study.done import digest, file_digest, is_done
from mathstrap.study.options import READS_GGUF
from mathstrap.study.step import StepInput, run_job

KIND = "rounds"
DONE = "done.json"
GGUF = "model.gguf"
RunStep = Callable[[StepInput, Path, int], None]


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a round: its run, its teacher, its student's training data, and the student's accuracy."""

    number: int
    run: str
    teacher: str
    previous: str
    num_samples: int
    num_rows: int
    student: str
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class IterateSummary:
    """The rounds that ran, the one with the best student, and why they stopped early; empty = all rounds ran."""

    path: Path
    rounds: list[Round] = field(default_factory=list)
    best: Round | None = None
    stopped: str = ""


def iterate(
    recipe: IterateRecipe,
    *,
    events: Listener | None = None,
    tell: Callable[[str], None] = lambda _: None,
    run_step: RunStep = run_job,
) -> IterateSummary:
    """Run the rounds of a recipe, or resume them.

    `tell` receives a line at every step; `run_step` trains and evaluates, by default in a separate process. Raises
    what the steps raise; finished steps are kept.
    """
    with RunDir.open(recipe.path) as home:
        if home.manifest and home.manifest.get("kind") != KIND:
            raise InputError(f"{recipe.path}: holds something other than rounds. Name another directory with out=.")
        home.update_manifest(kind=KIND, name=recipe.name)
        home.write_text("iterate.yaml", recipe_yaml(recipe))
        rounds: list[Round] = []
        stopped = ""
        for number in range(1, recipe.rounds + 1):
            finished = one_round(recipe, home, number, rounds[-1] if rounds else None, events, tell, run_step)
            if finished is None:
                stopped = f"round {number} made no sample to train on"
                break
            rounds.append(finished)
            home.write_json("rounds.json", rounds)
            best = max(rounds, key=lambda finished_round: finished_round.accuracy)
            if finished.accuracy < best.accuracy - recipe.guard:
                stopped = (
                    f"accuracy fell to {finished.accuracy:.3f} in round {number}, from {best.accuracy:.3f} in round "
                    f"{best.number}"
                )
                break
        # Of equally good rounds the first is chosen, because it is the simplest to reproduce.
        best_of_all = max(rounds, key=lambda finished_round: finished_round.accuracy, default=None)
        home.update_manifest(best=best_of_all.student if best_of_all else "", stopped=stopped)
        return IterateSummary(path=recipe.path, rounds=rounds, best=best_of_all, stopped=stopped)


def one_round(
    recipe: IterateRecipe, home: RunDir, number: int, before: Round | None, events: Listener | None,
    tell: Callable[[str], None], run_step: RunStep,
) -> Round | None:  # fmt: skip
    """Bootstrap, train and evaluate one round; None where there is nothing to train on."""
    name = round_name(number)
    student_before = before.student if before else ""
    run_recipe = round_recipe(recipe, number, student_before)
    tell(f"{name}: bootstrap")
    summary = bootstrap(run_recipe, events=events)
    if not summary.is_complete:
        said = next((report.message for report in reversed(summary.reports) if report.message), "")
        why = f" {said}" if said else ""
        raise InputError(f"{run_recipe.path}: the bootstrap is not complete.{why} The same command goes on with it.")
    previous = round_name(number - 1) if before else ""
    with RunDir.open(run_recipe.path) as run:
        run.update_manifest(round={"number": number, "previous": previous, "student": student_before})
    rows, num_rows = write_rows(recipe, number)
    if not num_rows:
        return None
    training = training_of(recipe, number, rows, student_before)
    folder = recipe.path / "students" / name
    gguf = str(folder / GGUF) if recipe.evaluation.teacher.backend in READS_GGUF else ""
    values = recipe_values(training)
    inputs = digest({**values, "out": "", "data": {**values["data"], "path": ""}}, file_digest(rows))
    if not is_done(home, f"students/{name}/{DONE}", inputs):
        tell(f"{name}: train on {counted(num_rows, 'row')}")
        run_step(StepInput(train=public(values), gguf=gguf), folder / "log.txt", recipe.processes)
        home.write_json(f"students/{name}/{DONE}", {"inputs": inputs})
    student = gguf or str(folder / "model")
    accuracy = evaluated(recipe, home, name, student, inputs, tell, run_step)
    tell(f"{name}: {accuracy:.1%} of the held-out questions")
    return Round(
        number=number, run=str(run_recipe.path), teacher=student_before or "the recipe's", previous=previous,
        num_samples=summary.num_samples, num_rows=num_rows, student=student, accuracy=accuracy,
    )  # fmt: skip


def evaluated(
    recipe: IterateRecipe, home: RunDir, name: str, student: str, inputs: str, tell: Callable[[str], None],
    run_step: RunStep,
) -> float:  # fmt: skip
    """Return a student's accuracy over the questions of all held-out sets; evaluates it unless that is done."""
    teacher = replace(recipe.evaluation.teacher, model_path=student)
    options = replace(recipe.evaluation, out=str(recipe.path / "evals" / name), teacher=teacher)
    values = public(recipe_values(options))
    asked = digest(inputs, {**values, "out": "", "limits": "", "budget": ""})
    if not is_done(home, f"evals/{name}/{DONE}", asked):
        tell(f"{name}: evaluate")
        run_step(StepInput(evaluate=values), Path(options.out) / "log.txt", 1)
    metrics = home.read_value(f"evals/{name}/metrics.json", dict[str, Any]) or {}
    summaries = metrics.get("summaries", [])
    if not summaries or any(summary["num_unanswered"] for summary in summaries):
        raise InputError(f"{options.out}: replies are missing. The same command asks for them again.")
    home.write_json(f"evals/{name}/{DONE}", {"inputs": asked})
    total = sum(summary["num_problems"] for summary in summaries)
    return float(sum(summary["accuracy"]["value"] * summary["num_problems"] for summary in summaries) / total)
