"""The recipe of each part of a study: the run, a student's training, a model's evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mathstrap.backends import check_options
from mathstrap.errors import InputError
from mathstrap.evaluate import EvalOptions
from mathstrap.pipeline.options import RunRecipe
from mathstrap.recipe import load_recipe, recipe_values
from mathstrap.study.done import file_digest
from mathstrap.study.options import READS_GGUF, StudyRecipe
from mathstrap.study.plan import Student
from mathstrap.study.split import SEEDS, TEST_FOLDER, test_names, test_sets
from mathstrap.train import TrainRecipe


def bootstrap_recipe(recipe: StudyRecipe) -> RunRecipe:
    """Return the run's recipe: by default in the study's folder, on the split's seeds, without its test questions."""
    run_recipe = recipe.bootstrap
    if not run_recipe.name:
        run_recipe = replace(run_recipe, name="run", out=str(recipe.path))
    if recipe.split is None:
        return run_recipe
    source = replace(
        run_recipe.seed_sources[0], source=str(recipe.path / f"{SEEDS}.jsonl"), fields={}, offset=0, limit=None,
    )  # fmt: skip
    against = run_recipe.decontaminate
    if not against.against:
        matching = replace(against.matching, min_coverage=recipe.split.overlap)
        against = replace(
            against, against=tuple(test_sets(recipe.split)), data=str(recipe.path / TEST_FOLDER), matching=matching
        )  # fmt: skip
    return replace(run_recipe, seeds=source, decontaminate=against)


def existing_run(path: str) -> RunRecipe:
    """Return the recipe in a finished run's directory, with `out` and `name` of the present location."""
    folder = Path(path)
    if not (folder / "samples.jsonl").exists():
        raise InputError(
            f"{folder}: holds no finished run, and the arms need its samples. Run it first, as the recipe's first "
            "lines say, name another with run=DIRECTORY, or set run= to bootstrap here."
        )
    run_recipe = load_recipe(RunRecipe, str(folder / "recipe.yaml"))
    return replace(run_recipe, name=folder.name, out=str(folder.parent))


def training_recipe(recipe: StudyRecipe, student: Student) -> TrainRecipe:
    """Return one student's training: the study's settings with its rows, steps and seed."""
    rows = recipe.path / "arms" / f"{student.rows_name}.jsonl"
    return replace(
        recipe.train, out=str(recipe.path / "students" / student.id), max_steps=student.schedule.num_steps,
        rng_seed=student.rng_seed, data=replace(recipe.train.data, path=str(rows)),
        artefacts=() if recipe.train.method == "full" else ("merged",),
    )  # fmt: skip


def check_teachers(recipe: StudyRecipe) -> None:
    """Raise InputError for settings that the students' evaluation would refuse once the first student is trained."""
    if recipe.students:
        check_options(replace(recipe.evaluation.teacher, model_path="model"))


def missing_weights(recipe: RunRecipe) -> list[str]:
    """Return the weights files that a run's teachers name and that are not there."""
    panels = recipe.panels.values()
    named = {member.options.model_path for panel in panels for member in panel if member.options.backend in READS_GGUF}
    return sorted(path for path in named if path.endswith(".gguf") and not Path(path).expanduser().exists())


def evaluation_options(recipe: StudyRecipe, name: str, model: str) -> EvalOptions:
    """Return one model's evaluation."""
    options = recipe.evaluation
    if recipe.split is not None and not options.data:
        benchmarks = test_names(recipe.path, options.benchmarks, recipe.split)
        options = replace(options, data=str(recipe.path / TEST_FOLDER), benchmarks=benchmarks)
    teacher = replace(options.teacher, model_path=model)
    return replace(options, out=str(recipe.path / "evals" / name), teacher=teacher)


def evaluation_values(recipe: StudyRecipe) -> dict[str, Any]:
    """Return the inputs that decide an evaluation's numbers, test rows included."""
    values = recipe_values(evaluation_options(recipe, "", ""))
    folder = Path(values["data"]) if values["data"] else None
    tests = sorted(folder.rglob("*.jsonl")) if folder is not None and recipe.split is not None else []
    for key in ("out", "limits", "budget", "logs"):
        values.pop(key)
    benchmarks = [name.partition("=")[0] for name in values["benchmarks"]]
    return {**values, "data": "", "benchmarks": benchmarks, "tests": [file_digest(path) for path in tests]}
