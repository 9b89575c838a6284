"""Compute a study's numbers from its finished evaluations, and write study.json, .md, .html and the plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean

import msgspec

from mathstrap.backends import teacher_name
from mathstrap.evaluate.record import Evaluation, describe, read_evaluation, versions
from mathstrap.evaluate.score import ScoredDraw
from mathstrap.files.rundir import RunDir
from mathstrap.recipe import recipe_values
from mathstrap.redact import public
from mathstrap.stats.estimates import Estimate
from mathstrap.study.arms import Pool
from mathstrap.study.measures import diversity_gains, perplexities
from mathstrap.study.options import StudyRecipe
from mathstrap.study.page import write_pages
from mathstrap.study.plan import Cell, StudyPlan, compared
from mathstrap.study.result import (
    DIRECTIONS,
    Accuracy,
    ArmGroup,
    CellResult,
    StudyResult,
    accuracy,
    by_length,
    compare_arms,
    direction_of,
)

BASE = "base"
# From this share of cut-off replies on, an accuracy depends on the length limit too, which a note says.
MANY = 0.05


Evaluated = tuple[Evaluation, list[ScoredDraw]]


def write_outcome(
    recipe: StudyRecipe, study: RunDir, plan: StudyPlan, pool: Pool, folders: Mapping[str, Path]
) -> tuple[StudyResult | None, dict[str, Path]]:
    """Write the result of the finished students; returns it and the files by kind, or None and {} without any.

    `folders` are the directories of the finished evaluations, by student.
    """
    evaluated = {name: read_evaluation(folder) for name, folder in folders.items()}
    if recipe.students and not any(name != BASE for name in evaluated):
        return None, {}
    gains, note = diversity_gains(study, plan) if recipe.diversity else ({}, "")
    surprise = perplexities(recipe, study, plan) if recipe.perplexity else {}
    result = put_together(recipe, plan, pool, evaluated, gains, surprise)
    if note:
        result = msgspec.structs.replace(result, notes=[*result.notes, note])
    return result, {"json": study.write_json("study.json", result), **write_pages(study, result)}


def put_together(
    recipe: StudyRecipe, plan: StudyPlan, pool: Pool, evaluated: dict[str, Evaluated], gains: dict[str, float],
    surprise: dict[str, float],
) -> StudyResult:  # fmt: skip
    """Return the result; a pure function of plan and evaluations."""
    cells = [cell_result(plan, cell, evaluated, gains, surprise) for cell in plan.cells]
    first = next((evaluation for name, (evaluation, _) in evaluated.items() if name != BASE), None)
    planned = {student.id for student in plan.students} | ({BASE} if recipe.base else set())
    return StudyResult(
        name=recipe.name, is_complete=not recipe.students or planned <= evaluated.keys(), num_seeds=pool.num_seeds,
        num_samples=len(pool.correct), base=accuracies([evaluated[BASE][1]]) if BASE in evaluated else {},
        cells=cells, groups=groups(plan, evaluated, recipe.reference), notes=notes(recipe, plan, pool, evaluated),
        protocol=[
            *setting(recipe),
            *(describe(style, provenance) for style, provenance in (first.provenance if first else {}).items()),
        ],
        versions=first.versions if first else versions(),
        recipe=public(recipe_values(recipe)),
        costs=dict(pool.costs),
    )  # fmt: skip


def setting(recipe: StudyRecipe) -> list[str]:
    """Return the teacher, the students and their training in sentences, without folder names of this machine."""
    train = recipe.train
    model = Path(train.model).name if Path(train.model).exists() else train.model
    sentences = [
        f"Samples: the run {Path(recipe.run).name}." if recipe.run else
        f"Teacher: {teacher_name(recipe.bootstrap.teacher)}."
    ]  # fmt: skip
    if recipe.students:
        seeds = ", ".join(str(rng_seed) for rng_seed in recipe.rng_seeds)
        sentences.append(
            f"Students: {model}, trained by {train.method}, {train.global_batch} samples a step, learning rate "
            f"{train.lr:g}, {train.epochs:g} passes of the largest arm; rng_seeds {seeds}."
        )
    else:
        sentences.append(f"Model: {model}, untrained.")
    return [*sentences, "The whole recipe is study.yaml, which mathstrap study repeats."]


def split_directions(draws: Sequence[ScoredDraw]) -> dict[str, list[ScoredDraw]]:
    """Return the draws by direction."""
    by_direction: dict[str, list[ScoredDraw]] = {direction: [] for direction in DIRECTIONS}
    for draw in draws:
        by_direction[direction_of(draw.benchmark)].append(draw)
    return by_direction


def accuracies(students: Sequence[Sequence[ScoredDraw]]) -> dict[str, Accuracy]:
    """Return an arm's accuracy in each direction that was evaluated."""
    split = [split_directions(draws) for draws in students]
    scores = {direction: accuracy([by_direction[direction] for by_direction in split]) for direction in DIRECTIONS}
    return {direction: score for direction, score in scores.items() if score is not None}


def cell_result(
    plan: StudyPlan, cell: Cell, evaluated: dict[str, Evaluated], gains: dict[str, float], surprise: dict[str, float]
) -> CellResult:
    """Return one cell's numbers."""
    planned = [plan.student(student_id) for student_id in cell.students]
    draws = [evaluated[student.id][1] for student in planned if student.id in evaluated]
    flat = [draw for student_draws in draws for draw in student_draws]
    sets: dict[str, Estimate] = {}
    for name in dict.fromkeys(draw.benchmark for draw in flat):
        of_set = accuracy([[draw for draw in student_draws if draw.benchmark == name] for student_draws in draws])
        assert of_set is not None, "the name comes from a draw"
        sets[name] = of_set.score
    schedules = [student.schedule for student in planned]
    methods = {
        method: fmean(student.rows.methods.get(method, 0) for student in planned)
        for method in dict.fromkeys(method for student in planned for method in student.rows.methods)
    }
    files = [student.rows_name for student in planned]
    return CellResult(
        arm=cell.arm, size=cell.size, match=cell.match, num_students=len(draws), num_planned=len(planned),
        num_samples=fmean(student.rows.size.num_samples for student in planned), methods=methods,
        steps=fmean(schedule.num_steps for schedule in schedules),
        passes=fmean(schedule.passes for schedule in schedules),
        samples_seen=fmean(schedule.samples_seen for schedule in schedules),
        tokens_seen=fmean(schedule.tokens_seen for schedule in schedules),
        accuracy=accuracies(draws), sets=sets,
        lengths=by_length([split_directions(student_draws)["forward"] for student_draws in draws]),
        truncated=fmean(draw.finish_reason == "length" for draw in flat) if flat else 0.0,
        unparseable=fmean(draw.reason in ("no_answer", "empty") for draw in flat) if flat else 0.0,
        gain=mean_of(gains, files), perplexity=mean_of(surprise, files),
    )  # fmt: skip


def mean_of(values: dict[str, float], names: Sequence[str]) -> float | None:
    """Return the mean of the values of some names, ignoring missing ones; None where all are missing."""
    have = [values[name] for name in names if name in values]
    return fmean(have) if have else None


def groups(plan: StudyPlan, evaluated: dict[str, Evaluated], reference: str) -> list[ArmGroup]:
    """Return the groups of students with their comparisons, by direction."""
    arm_groups = []
    for group in compared(plan.cells, reference):
        arms = {
            label: [split_directions(evaluated[name][1]) for name in cell.students if name in evaluated]
            for label, cell in group.cells.items()
        }
        arm_groups.append(
            ArmGroup(
                size=group.size, match=group.match,
                differences={
                    direction: compare_arms(
                        {arm: [student[direction] for student in students] for arm, students in arms.items()},
                        group.pairs,
                    )
                    for direction in DIRECTIONS
                },
            )
        )  # fmt: skip
    return arm_groups


def notes(recipe: StudyRecipe, plan: StudyPlan, pool: Pool, evaluated: dict[str, Evaluated]) -> list[str]:
    """Return the caveats of the numbers."""
    sentences = []
    missing = [student.id for student in plan.students if student.id not in evaluated]
    if missing and recipe.students:
        sentences.append(
            f"{len(missing)} of {len(plan.students)} students are missing; the numbers cover the others."
        )
    if len(recipe.rng_seeds) == 1 and recipe.students:
        sentences.append("One seed: how far another training would move these numbers is not known.")
    families = 2 * len(compared(plan.cells, recipe.reference))
    if families > 2 and recipe.students:
        sentences.append(
            f"P-values are adjusted within each size, match and direction, not between these {families} families: "
            "about one family in twenty finds something by chance alone."
        )
    if pool.num_unsolved_seeds and any("seed" in arm.methods and not arm.answer_only for arm in recipe.arms.values()):
        sentences.append(
            f"{pool.num_unsolved_seeds:,} of {pool.num_seeds:,} seeds carry no worked solution and are not among the "
            "seeds' own samples."
        )
    for cell in plan.cells:
        short = [plan.student(name).rows.size.num_samples for name in cell.students]
        if cell.size and min(short) < cell.size:
            sentences.append(f"{cell.arm} has {min(short):,} samples where {cell.size:,} were wanted ({cell.match}).")
    sizes = [student.rows.size.num_samples for student in plan.students]
    has_seeds = any(arm.methods == ("seed",) for arm in recipe.arms.values())
    if recipe.students and has_seeds and max(sizes) <= pool.num_seeds:
        sentences.append(
            f"No arm has more samples than there are seeds ({pool.num_seeds:,}): this compares samples of one kind "
            "with as many of another, not what more samples of the same seeds would add."
        )
    sentences += cut_off(plan, evaluated)
    if not find_spec("matplotlib"):
        sentences.append("There is no plot: matplotlib is not installed.")
    return sentences


def cut_off(plan: StudyPlan, evaluated: dict[str, Evaluated]) -> list[str]:
    """Return a sentence for each model whose replies were often cut off at the token limit."""
    whose = {"the untrained model": [BASE]}
    for cell in plan.cells:
        whose.setdefault(f"the students of {cell.arm}", []).extend(cell.students)
    sentences = []
    for name, ids in whose.items():
        cut = [
            draw.finish_reason == "length"
            for student_id in dict.fromkeys(ids)
            if student_id in evaluated
            for draw in evaluated[student_id][1]
        ]
        if cut and fmean(cut) >= MANY:
            sentences.append(
                f"Of the replies of {name} {fmean(cut):.0%} were cut off at the length allowed, so what they "
                "could solve with more room is not known."
            )
    return sentences
