"""Preview a study before anything is paid: questions, students, evaluations, cost, and detectable differences."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from mathstrap.errors import RecipeError
from mathstrap.evaluate import load_benchmark
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.preview import Preview, preview
from mathstrap.pipeline.seeds import load_seeds
from mathstrap.recipe import load_recipe
from mathstrap.study.arms import read_pool, seed_sample, trainable_arms
from mathstrap.study.matching import DataSize
from mathstrap.study.options import StudyRecipe
from mathstrap.study.parts import bootstrap_recipe, check_teachers, evaluation_options, existing_run, missing_weights
from mathstrap.study.plan import StudyPlan, about_tokens, assumed, compared, measured, plan_students
from mathstrap.study.power import PowerEstimate, estimate_power
from mathstrap.study.result import DIRECTIONS, direction_of
from mathstrap.study.run import Study
from mathstrap.types import METHODS, Problem, root_of


@dataclass(frozen=True, kw_only=True)
class TestSize:
    """The number of questions of one direction, and of the originals they were made from."""

    direction: str
    num_questions: int
    num_originals: int


@dataclass(frozen=True, kw_only=True)
class StudyPreview:
    """The preview of a study. `is_assumed`: the run does not exist yet, so samples and tokens are estimates.

    `run` is None where a finished run is used. Times are None where the recipe gives no speeds.
    """

    num_seeds: int
    tests: list[TestSize]
    run: Preview | None
    plan: StudyPlan
    is_assumed: bool
    num_evaluations: int
    num_requests: int
    powers: list[PowerEstimate] = field(default_factory=list)
    train_hours: float | None = None
    evaluation_hours: float | None = None
    usd: float | None = None
    notes: list[str] = field(default_factory=list)


def preview_study(recipe: StudyRecipe) -> StudyPreview:
    """Plan a study without asking, training or evaluating; a new study leaves no files behind.

    If it uses the samples of another study that does not exist yet, that study's recipe is planned for them.
    """
    notes: list[str] = []
    recipe = with_data_folder(recipe, notes)
    if recipe.path.exists():
        return plan_study(recipe, notes)
    with tempfile.TemporaryDirectory() as folder:
        return plan_study(replace(recipe, out=folder), notes)


def with_data_folder(recipe: StudyRecipe, notes: list[str]) -> StudyRecipe:
    """Apply `split.data` of a recipe without a split as the data folder of its seeds and evaluation.

    That way one setting names the data folder of every shipped study.
    """
    split = recipe.split
    if split is None or split.sets or not split.data:
        return recipe
    notes.append(
        f"this recipe has no split: {split.data} is read for bootstrap.seeds.source and evaluation.data, which name "
        "its files"
    )
    evaluation = replace(recipe.evaluation, data=recipe.evaluation.data or split.data)
    return replace(recipe, split=None, evaluation=evaluation, bootstrap=with_seeds(recipe.bootstrap, split.data))


def with_seeds(run: RunRecipe, folder: str) -> RunRecipe:
    """Return a run whose seeds come from a folder's file of the same name, where there is one."""
    first = run.seed_sources[0] if run.seed_sources else None
    path = Path(folder) / f"{first.source}_train.jsonl" if first else None
    if first is None or path is None or not path.is_file():
        return run
    return replace(run, seeds=replace(first, source=str(path)), decontaminate=replace(run.decontaminate, data=folder))


def planned_run(recipe: StudyRecipe, notes: list[str]) -> tuple[RunRecipe, bool]:
    """Return the run that provides the arms' samples, and whether it exists already."""
    if not recipe.run:
        return bootstrap_recipe(recipe), False
    if (Path(recipe.run) / "samples.jsonl").exists():
        return existing_run(recipe.run), True
    name = Path(recipe.run).name
    try:
        other = load_recipe(StudyRecipe, name)
    except RecipeError:
        return existing_run(recipe.run), True  # raises the error that the run does not exist
    notes.append(f"{recipe.run} does not exist yet: planned as `mathstrap study {name} --until bootstrap` makes it")
    data = recipe.evaluation.data
    return (with_seeds(other.bootstrap, data) if data else other.bootstrap), False


def plan_study(recipe: StudyRecipe, notes: list[str]) -> StudyPreview:
    """Plan a study in its folder; splits its questions, which costs nothing."""
    check_teachers(recipe)
    with RunDir.open(recipe.path) as study:
        Study(recipe=recipe, study=study).split()
    run_recipe, is_made = planned_run(recipe, notes)
    seeds = load_seeds(run_recipe).problems
    asked = None if is_made else preview(run_recipe)
    if not is_made and (missing := missing_weights(run_recipe)):
        notes.append(f"{missing[0]} is not there yet; name the teacher's weights: bootstrap.teacher.model_path=FILE")
    is_assumed = not (run_recipe.path / "samples.jsonl").exists()
    if is_assumed:
        assert asked is not None, "an existing run holds samples"
        solved = [seed_sample(seed, run_recipe) for seed in seeds if seed.solution]
        questions = sum(about_tokens(seed.question) for seed in seeds) / max(1, len(seeds))
        tokens = sum(about_tokens(sample.query + sample.response) for sample in solved)
        available = {
            stage.name.partition(" ")[2]: stage.num_requests
            for stage in asked.stages
            if stage.name.startswith("solve ")
        } | {
            # Whose rows are computed is asked nothing, so no stage counts them.
            name: (options.count or 1) * len(seeds)
            for name in METHODS
            if (options := run_recipe.methods.named(name)).enabled and not options.draws
        }
        measure = assumed(recipe, available, questions, DataSize(num_samples=len(solved), num_tokens=round(tokens)))
    else:
        run = RunDir.read(run_recipe.path)
        pool = read_pool(run, run_recipe, recipe.arms, recipe.token_limit)
        recipe = replace(recipe, arms=trainable_arms(pool, recipe.arms))
        measure = measured(recipe, pool)
    plan = plan_students(recipe, measure)
    tests = test_sizes(recipe) if recipe.students else []
    num_evaluations = len(plan.students) + recipe.base if recipe.students else 0
    num_requests = num_evaluations * sum(test.num_questions for test in tests) * max(1, recipe.evaluation.draws)
    return with_times(
        recipe,
        StudyPreview(
            num_seeds=len(seeds), tests=tests, run=asked, plan=plan, is_assumed=is_assumed,
            num_evaluations=num_evaluations, num_requests=num_requests, powers=powers_of(recipe, plan, tests),
            notes=notes,
        ),
    )  # fmt: skip


def with_times(recipe: StudyRecipe, preview_so_far: StudyPreview) -> StudyPreview:
    """Return the preview with hours and money, as far as the recipe's speeds allow an estimate."""
    speed = recipe.speed
    tokens = sum(student.schedule.tokens_seen for student in preview_so_far.plan.students)
    train = tokens / speed.train_tokens / 3600 if speed.train_tokens else None
    asking_hours = preview_so_far.num_requests / speed.replies / 3600 if speed.replies else None
    run_usd = preview_so_far.run.usd_expected if preview_so_far.run is not None else 0.0
    usd = run_usd
    if speed.usd_per_hour and run_usd is not None:
        usd = run_usd + speed.usd_per_hour * ((train or 0.0) + (asking_hours or 0.0))
    return replace(preview_so_far, train_hours=train, evaluation_hours=asking_hours, usd=usd)


def test_sizes(recipe: StudyRecipe) -> list[TestSize]:
    """Return the number of questions in each direction."""
    options = evaluation_options(recipe, "", "")
    problems: dict[str, list[Problem]] = {direction: [] for direction in DIRECTIONS}
    for name in options.benchmarks:
        loaded = load_benchmark(
            name, data=options.data, limit=options.limit, offset=options.offset, rng_seed=options.rng_seed
        )  # fmt: skip
        problems[direction_of(loaded.name)] += loaded.problems
    return [
        TestSize(
            direction=direction, num_questions=len(questions),
            num_originals=len({root_of(problem.id) for problem in questions}),
        )
        for direction, questions in problems.items()
        if questions
    ]  # fmt: skip


def powers_of(recipe: StudyRecipe, plan: StudyPlan, tests: list[TestSize]) -> list[PowerEstimate]:
    """Return the detectable differences in each direction, for the group with the most comparisons."""
    counts = [(len(group.pairs), len(group.cells)) for group in compared(plan.cells, recipe.reference)]
    num_pairs, most = max(counts, default=(0, 0))
    power = recipe.power
    estimates = [
        estimate_power(
            test.direction, num_questions=test.num_questions, num_originals=test.num_originals,
            num_seeds=len(recipe.rng_seeds), num_arms=most, num_comparisons=num_pairs,
            accuracy=power.backward if test.direction == "backward" else power.accuracy,
            correlation=power.correlation, seed_sd=power.seed_sd,
        )
        for test in tests
    ]  # fmt: skip
    return [estimate for estimate in estimates if estimate is not None]
