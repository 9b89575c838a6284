"""Decide which students a study trains, on which rows and for how long. Pure, given a function that measures rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from mathstrap.errors import InputError
from mathstrap.pipeline.preview import CHARS_PER_TOKEN
from mathstrap.study.arms import Pool, compose
from mathstrap.study.matching import DataSize, Schedule, match_arms
from mathstrap.study.options import Match, StudyRecipe
from mathstrap.types import Sample

# (arm, size, rng_seed) -> the size and methods of the arm's rows.
Measure = Callable[[str, int, int], "Rows"]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """One file of training rows: its size, and its number of samples by method."""

    size: DataSize
    methods: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Student:
    """One training: an arm, a size and an rng_seed, which choose the rows, and the schedule."""

    id: str
    arm: str
    size: int
    rng_seed: int
    rows: Rows
    schedule: Schedule

    @property
    def rows_name(self) -> str:
        """The name of its file of training rows, which students of one arm, size and seed share."""
        return rows_name(self.arm, self.size, self.rng_seed)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One arm at one size under one way of matching; `students` are the ids, one for each seed."""

    arm: str
    size: int
    match: Match
    students: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Cells by label that are compared, and in which pairs: of one size and match, or all that are matched by steps."""

    size: int
    match: Match
    cells: dict[str, Cell]
    pairs: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """Every student once, in the order of training, and the cells they belong to."""

    students: list[Student]
    cells: list[Cell]

    def student(self, student_id: str) -> Student:
        """Return a student by its id."""
        return next(student for student in self.students if student.id == student_id)


def rows_name(arm: str, size: int, rng_seed: int) -> str:
    """Return the name of a file of training rows."""
    return f"{arm}-{size or 'all'}-{rng_seed}"


def plan_students(recipe: StudyRecipe, measure: Measure) -> StudyPlan:
    """Return the plan, seed by seed and size by size, so that a study that stops early has every arm equally often.

    Where two ways of matching give an arm the same number of steps, one student belongs to both cells.
    """
    students: dict[tuple[str, int, int, int], Student] = {}
    cells: dict[tuple[str, int, Match], list[str]] = {}
    for rng_seed in recipe.rng_seeds:
        largest = max(
            (
                measure(arm, size, rng_seed).size.num_samples
                for arm in recipe.arms
                if "steps" in recipe.matches_of(arm)
                for size in recipe.sizes_of(arm)
            ),
            default=0,
        )
        for size, match in groups(recipe):
            arms = [name for name in recipe.arms if size in recipe.sizes_of(name) and match in recipe.matches_of(name)]
            rows = {arm: measure(arm, size, rng_seed) for arm in arms}
            if recipe.students:
                check_batch(recipe, rows)
            schedules = match_arms(
                {arm: arm_rows.size for arm, arm_rows in rows.items()}, match, epochs=recipe.train.epochs,
                global_batch=recipe.train.global_batch, largest=largest,
            )  # fmt: skip
            for arm in arms:
                key = (arm, size, rng_seed, schedules[arm].num_steps)
                if key not in students:
                    students[key] = Student(
                        id=f"{arm}-{size or 'all'}-{match}-{rng_seed}", arm=arm, size=size, rng_seed=rng_seed,
                        rows=rows[arm], schedule=schedules[arm],
                    )  # fmt: skip
                cells.setdefault((arm, size, match), []).append(students[key].id)
    return StudyPlan(
        students=list(students.values()),
        cells=[
            Cell(arm=arm, size=size, match=match, students=tuple(ids)) for (arm, size, match), ids in cells.items()
        ],
    )  # fmt: skip


def compared(cells: Sequence[Cell], reference: str) -> list[Comparison]:
    """Return the groups of cells that are compared with each other."""
    groups = []
    for size, match in dict.fromkeys((0 if cell.match == "steps" else cell.size, cell.match) for cell in cells):
        if match == "steps":
            named = {label_of(cell.arm, cell.size, match): cell for cell in cells if cell.match == match}
            pairs = pairs_by_steps(named, reference)
        else:
            named = {cell.arm: cell for cell in cells if (cell.size, cell.match) == (size, match)}
            pairs = list(combinations(named, 2))
        groups.append(Comparison(size=size, match=match, cells=named, pairs=pairs))
    return groups


def label_of(arm: str, size: int, match: str) -> str:
    """Return what a cell is called in its group: sizes stand in it where the group has several."""
    return f"{arm} {size:,}" if match == "steps" and size else arm


def pairs_by_steps(named: Mapping[str, Cell], reference: str) -> list[tuple[str, str]]:
    """Return the reference with each other label, then each arm's smallest size with its largest.

    Not every pair: what more samples of one kind add is asked, and each further pair costs all of them power.
    """
    first = next((label for label, cell in named.items() if cell.arm == reference), None)
    pairs = [(first, label) for label in named if first is not None and label != first]
    for arm in dict.fromkeys(cell.arm for cell in named.values()):
        labels = [label for label, cell in named.items() if cell.arm == arm]
        labels.sort(key=lambda label: named[label].size or math.inf)
        if len(labels) > 1:
            pairs.append((labels[0], labels[-1]))
    return list(dict.fromkeys(pairs))


def groups(recipe: StudyRecipe) -> list[tuple[int, Match]]:
    """Return the pairs of size and way of matching that any arm has, in the order first named."""
    pairs: dict[tuple[int, Match], None] = {}
    for name in recipe.arms:
        for size in recipe.sizes_of(name):
            pairs.update(dict.fromkeys((size, match) for match in recipe.matches_of(name)))
    return sorted(pairs, key=lambda group: (group[0] == 0, group[0]))


def check_batch(recipe: StudyRecipe, rows: dict[str, Rows]) -> None:
    """Raise InputError where an arm has fewer samples than one batch."""
    for arm, arm_rows in rows.items():
        if arm_rows.size.num_samples < recipe.train.global_batch:
            raise InputError(
                f"arms.{arm}: {arm_rows.size.num_samples} samples are fewer than one batch of "
                f"{recipe.train.global_batch}. Raise sizes, bootstrap more, or lower train.global_batch."
            )


def measured(recipe: StudyRecipe, pool: Pool, keep: Callable[[str, Sequence[Sample]], Any] | None = None) -> Measure:
    """Return a function that composes an arm's rows and counts their tokens; `keep` receives the rows by name."""
    count = token_counter(recipe)
    known: dict[str, Rows] = {}

    def measure(arm: str, size: int, rng_seed: int) -> Rows:
        name = rows_name(arm, size, rng_seed)
        if name not in known:
            samples = compose(pool, recipe.arms[arm], size, rng_seed)
            if keep is not None:
                keep(name, samples)
            methods = dict(Counter(sample.method for sample in samples))
            known[name] = Rows(size=count(samples), methods={str(method): n for method, n in methods.items()})
        return known[name]

    return measure


def token_counter(recipe: StudyRecipe) -> Callable[[Sequence[Sample]], DataSize]:
    """Return a function that counts the samples and tokens of rows as training will see them."""
    from mathstrap.train.data import TrainingPair
    from mathstrap.train.model import load_tokenizer, resolve_model
    from mathstrap.train.sft import tokenise

    tokenizer = load_tokenizer(resolve_model(recipe.train.model))

    def count(samples: Sequence[Sample]) -> DataSize:
        pairs = [
            TrainingPair(question=sample.query, response=sample.response, seed=sample.seed, where=sample.id)
            for sample in samples
        ]
        table = tokenise(pairs, tokenizer, recipe.train)
        return DataSize(num_samples=len(table), num_tokens=int(table.lengths.sum()))

    return count


def assumed(recipe: StudyRecipe, available: dict[str, int], question_tokens: float, seeds: DataSize) -> Measure:
    """Return estimates for a run that does not exist yet: every answer verifies, replies take half their token limit.

    `available` counts the planned answers by method.
    """
    reply_tokens = 0.5 * recipe.bootstrap.solving.max_tokens

    def measure(arm: str, size: int, _: int) -> Rows:
        options = recipe.arms[arm]
        have = {method: {**available, "seed": seeds.num_samples}.get(method, 0) for method in options.methods}
        num_samples = min(size or sum(have.values()), sum(have.values())) + options.add_count
        each = question_tokens + reply_tokens
        if options.methods == ("seed",):
            each = seeds.num_tokens / max(1, seeds.num_samples)
        return Rows(size=DataSize(num_samples=num_samples, num_tokens=round(num_samples * each)), methods={})

    return measure


def about_tokens(text: str) -> float:
    """Return a text's approximate number of tokens."""
    return len(text) / CHARS_PER_TOKEN
