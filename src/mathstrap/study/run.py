"""Run a study: split, bootstrap, then train and evaluate student after student, and write the result.

Each step is skipped where its record says that it was done with the same inputs, so the same command resumes where the
last one stopped. Training and evaluation run in processes of their own.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mathstrap.engine.events import Listener
from mathstrap.errors import InputError
from mathstrap.files.private import plain_folder
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import bootstrap
from mathstrap.pipeline.options import RunRecipe
from mathstrap.recipe import recipe_values, recipe_yaml
from mathstrap.redact import public
from mathstrap.study.arms import Pool, read_pool, trainable_arms
from mathstrap.study.cost import check_ids, check_recipe, check_rows, confirmed
from mathstrap.study.done import digest, file_digest, is_done
from mathstrap.study.options import READS_GGUF, Part, StudyRecipe
from mathstrap.study.parts import (
    bootstrap_recipe,
    check_teachers,
    evaluation_options,
    evaluation_values,
    existing_run,
    training_recipe,
)
from mathstrap.study.plan import Student, StudyPlan, measured, plan_students
from mathstrap.study.split import SEEDS, split_questions, write_split
from mathstrap.study.step import StepInput, run_job

if TYPE_CHECKING:
    from mathstrap.study.result import StudyResult

KIND = "study"
BASE = "base"
DONE = "done.json"
# (step, log file, number of processes) -> None.
RunStep = Callable[[StepInput, Path, int], None]
GGUF = "model.gguf"


@dataclass(frozen=True, kw_only=True)
class StepEvent:
    """A step of the study that begins (`seconds` is None) or has ended; `number` of `total`."""

    what: str
    name: str
    number: int = 0
    total: int = 0
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class StudySummary:
    """The state of a study: its directory and how many of its students are evaluated."""

    path: Path
    num_students: int = 0
    num_done: int = 0
    stopped: str = ""
    result: StudyResult | None = None
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether all steps are done."""
        return not self.stopped and self.num_done == self.num_students


def run_study(
    recipe: StudyRecipe,
    *,
    until: Part | None = None,
    stop_after_seconds: float | None = None,
    events: Listener | None = None,
    listener: Callable[[StepEvent], None] | None = None,
    run_step: RunStep = run_job,
) -> StudySummary:
    """Run a study, or resume it.

    `until` ends it after an earlier part; after `stop_after_seconds` no new student begins. Each run writes the result
    of the students that are finished; `run_step` does a heavy step, by default in a separate process. Raises what the
    steps raise; finished steps are kept.
    """
    recipe.check_split()
    check_teachers(recipe)
    with RunDir.open(recipe.path) as study:
        kind = study.manifest.get("kind")
        if study.manifest and kind != KIND:
            raise InputError(f"{recipe.path}: holds something other than a study. Name another directory with out=.")
        study.update_manifest(kind=KIND, name=recipe.name)
        study.write_text("study.yaml", recipe_yaml(recipe))
        return Study(
            recipe=recipe, study=study, stop_after_seconds=stop_after_seconds, events=events,
            listener=listener or ignore, run_step=run_step,
        ).go(until)  # fmt: skip


def ignore(_: StepEvent) -> None:
    """Ignore the event of a step."""


@dataclass(kw_only=True)
class Study:
    """One run of the command on one study."""

    recipe: StudyRecipe
    study: RunDir
    stop_after_seconds: float | None = None
    events: Listener | None = None
    listener: Callable[[StepEvent], None] = ignore
    run_step: RunStep = run_job
    started: float = field(default_factory=time.monotonic)

    def go(self, until: Part | None) -> StudySummary:
        """Do the remaining steps."""
        path = self.recipe.path
        self.split()
        if until == "split":
            return StudySummary(path=path, stopped="split")
        run_recipe = self.bootstrapped()
        if until == "bootstrap":
            return StudySummary(path=path, stopped="bootstrap")
        run = RunDir.read(run_recipe.path)
        pool = read_pool(run, run_recipe, self.recipe.arms, self.recipe.token_limit)
        self.recipe = replace(self.recipe, arms=trainable_arms(pool, self.recipe.arms))
        plan = self.plan(pool)
        if until == "plan":
            return StudySummary(path=path, num_students=len(plan.students), stopped="plan")
        pool = self.checked(run_recipe, pool)
        num_done, stopped = self.students(plan) if self.recipe.students else (len(plan.students), "")
        from mathstrap.study.outcome import write_outcome

        result, files = self.timed(
            "measure", "result", lambda: write_outcome(self.recipe, self.study, plan, pool, self.finished(plan))
        )
        return StudySummary(
            path=path, num_students=len(plan.students), num_done=num_done, stopped=stopped, files=files, result=result
        )  # fmt: skip

    def split(self) -> None:
        """Write seeds and test questions, unless they were written with the same options."""
        options = self.recipe.split
        if options is None:
            return
        saved = self.study.read_value("split.json", dict[str, Any]) or {}
        if saved.get("options") == json.loads(json.dumps(asdict(options))):
            return
        if saved:
            raise InputError(
                f"{self.recipe.path / 'split.json'}: the questions were split with other options. "
                "Name another study with name=, or restore the old options."
            )
        write_split(self.study, split_questions(options), options)

    def bootstrapped(self) -> RunRecipe:
        """Return the recipe of the finished run; bootstraps it unless that is done."""
        if self.recipe.run:
            return existing_run(self.recipe.run)
        run_recipe = bootstrap_recipe(self.recipe)
        inputs = digest(recipe_values(run_recipe), file_digest(self.recipe.path / f"{SEEDS}.jsonl"))
        if is_done(self.study, "bootstrap.json", inputs) and (run_recipe.path / "samples.jsonl").exists():
            return run_recipe
        summary = self.timed("bootstrap", run_recipe.name, lambda: bootstrap(run_recipe, events=self.events))
        if not summary.is_complete:
            raise InputError(f"{run_recipe.path}: the bootstrap is not complete. The same command goes on with it.")
        self.study.write_json("bootstrap.json", {"inputs": inputs, "samples": summary.num_samples})
        return run_recipe

    def plan(self, pool: Pool) -> StudyPlan:
        """Write every arm's rows and the plan."""
        plain_folder(self.recipe.path / "arms")
        measure = measured(self.recipe, pool, lambda name, rows: self.study.write_records(f"arms/{name}", rows))
        plan = plan_students(self.recipe, measure)
        self.study.write_json("plan.json", plan)
        return plan

    def checked(self, run_recipe: RunRecipe, pool: Pool) -> Pool:
        """Return the pool with the share of each arm's questions whose answer comes again."""
        if not self.recipe.second_check:
            return pool
        asked = {
            name: check_rows(pool.rows(arm), self.recipe.second_check) for name, arm in self.recipe.arms.items()
        }
        ids = check_ids(asked)
        self.study.write_records(
            "check",
            (
                {"id": ids[arm, row.id], "question": row.query, "answer": row.answer}
                for arm, rows in asked.items()
                for row in rows
            ),
        )
        recipe = check_recipe(run_recipe, str(self.recipe.path / "check.jsonl"), str(self.recipe.path))
        summary = self.timed("bootstrap", recipe.name, lambda: bootstrap(recipe, events=self.events))
        if not summary.is_complete:
            raise InputError(f"{recipe.path}: the second check is not complete. The same command goes on with it.")
        shares = confirmed(RunDir.read(recipe.path), asked, ids)
        costs = {
            name: msgspec.structs.replace(cost, confirmed=shares.get(name)) for name, cost in pool.costs.items()
        }
        return replace(pool, costs=costs)

    def students(self, plan: StudyPlan) -> tuple[int, str]:
        """Train and evaluate the remaining students; returns how many are done, and "time" if it stopped early."""
        total, num_done = len(plan.students), 0
        if self.recipe.base:
            self.base()
        for number, student in enumerate(plan.students, 1):
            if self.is_late() and not self.is_evaluated(student):
                return num_done, "time"
            self.student(student, number, total)
            num_done += 1
        return num_done, ""

    def is_late(self) -> bool:
        """Say whether the time limit for new students has passed."""
        limit = self.stop_after_seconds
        return limit is not None and time.monotonic() - self.started > limit

    def base(self) -> None:
        """Evaluate the untrained model."""
        recipe = self.recipe
        inputs = self.base_inputs()
        if is_done(self.study, f"evals/{BASE}/{DONE}", inputs):
            return
        folder = recipe.path / "students" / BASE
        model = recipe.train.model
        if recipe.evaluation.teacher.backend in READS_GGUF:
            model = str(folder / GGUF)
            job = StepInput(base=recipe.train.model, gguf=model)
            self.timed("write", BASE, lambda: self.run_step(job, folder / "log.txt", 1))
        self.evaluate(BASE, model, inputs)
        if recipe.keep == "results":
            (folder / GGUF).unlink(missing_ok=True)

    def student(self, student: Student, number: int, total: int) -> None:
        """Train and evaluate one student, and delete what the recipe does not keep."""
        if not self.is_evaluated(student):
            self.make(student, number, total)
        folder = self.recipe.path / "students" / student.id
        if self.recipe.keep != "everything":
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        if self.recipe.keep == "results":
            shutil.rmtree(folder / "model", ignore_errors=True)
            shutil.rmtree(folder / "adapter", ignore_errors=True)
            (folder / GGUF).unlink(missing_ok=True)
            (folder / DONE).unlink(missing_ok=True)

    def make(self, student: Student, number: int, total: int) -> None:
        """Train a student, unless that is done, and evaluate it."""
        recipe = self.recipe
        folder = recipe.path / "students" / student.id
        training = training_recipe(recipe, student)
        gguf = str(folder / GGUF) if recipe.evaluation.teacher.backend in READS_GGUF else ""
        inputs = self.training_inputs(student)
        if not is_done(self.study, f"students/{student.id}/{DONE}", inputs):
            job = StepInput(train=public(recipe_values(training)), gguf=gguf)
            self.timed(
                "train", student.id, lambda: self.run_step(job, folder / "log.txt", recipe.processes), number, total
            )  # fmt: skip
            self.study.write_json(f"students/{student.id}/{DONE}", {"inputs": inputs})
        self.evaluate(student.id, gguf or str(folder / "model"), self.evaluation_inputs(student), number, total)

    def evaluate(self, name: str, model: str, inputs: str, number: int = 0, total: int = 0) -> None:
        """Evaluate one model in a separate process."""
        options = evaluation_options(self.recipe, name, model)
        log = Path(options.out) / "log.txt"
        job = StepInput(evaluate=public(recipe_values(options)))
        self.timed("evaluate", name, lambda: self.run_step(job, log, 1), number, total)
        metrics = self.study.read_value(f"evals/{name}/metrics.json", dict[str, Any]) or {}
        missing = sum(summary["num_unanswered"] for summary in metrics.get("summaries", []))
        if missing or not metrics:
            raise InputError(f"{options.out}: {missing} replies are missing. The same command asks for them again.")
        self.study.write_json(f"evals/{name}/{DONE}", {"inputs": inputs})

    def timed(self, what: str, name: str, do: Callable[[], Any], number: int = 0, total: int = 0) -> Any:
        """Do a step, call the listener before and after, and record its seconds."""
        event = StepEvent(what=what, name=name, number=number, total=total)
        self.listener(event)
        start = time.monotonic()
        result = do()
        seconds = time.monotonic() - start
        self.listener(replace(event, seconds=seconds))
        spent = dict(self.study.manifest.get("seconds", {}))
        key = f"{what} {name}"
        self.study.update_manifest(seconds={**spent, key: round(spent.get(key, 0.0) + seconds, 1)})
        return result

    def is_evaluated(self, student: Student) -> bool:
        """Say whether a student of the same rows, settings and test was evaluated."""
        return is_done(self.study, f"evals/{student.id}/{DONE}", self.evaluation_inputs(student))

    def training_inputs(self, student: Student) -> str:
        """Return a hash of all inputs of a student's training."""
        rows = file_digest(self.recipe.path / "arms" / f"{student.rows_name}.jsonl")
        values = recipe_values(training_recipe(self.recipe, student))
        return digest({**values, "out": "", "data": {**values["data"], "path": ""}}, rows)

    def evaluation_inputs(self, student: Student) -> str:
        """Return a hash of all inputs of a student's evaluation, its training included."""
        return digest(self.training_inputs(student), evaluation_values(self.recipe))

    def base_inputs(self) -> str:
        """Return a hash of all inputs of the untrained model's evaluation."""
        return digest(self.recipe.train.model, evaluation_values(self.recipe))

    def finished(self, plan: StudyPlan) -> dict[str, Path]:
        """Return the directories of the finished evaluations by name, without those of other rows or settings."""
        names = [student.id for student in plan.students if self.is_evaluated(student)]
        if self.recipe.base and is_done(self.study, f"evals/{BASE}/{DONE}", self.base_inputs()):
            names.append(BASE)
        return {name: self.recipe.path / "evals" / name for name in names}
