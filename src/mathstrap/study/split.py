"""Split public test sets into seeds and test questions that share neither a question nor most of its wording.

The test questions are drawn first, by a random order of the ids; each other question becomes a seed unless it repeats a
test question, exactly or in runs of eight words. The test rows stay as published, in files that `mathstrap eval` reads
by the sets' own names.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from mathstrap.curate.decontaminate import DecontaminateOptions, TestSetIndex, contaminated
from mathstrap.curate.dedup import DedupOptions, find_duplicates
from mathstrap.curate.mix import lottery_place
from mathstrap.errors import InputError
from mathstrap.files.private import plain_folder
from mathstrap.files.rundir import RunDir
from mathstrap.problems.benchmarks import find_benchmark, open_rows
from mathstrap.problems.load import gold_passes
from mathstrap.problems.shapes import Shaped
from mathstrap.steps.check import agree
from mathstrap.steps.expression import value_of
from mathstrap.study.options import SplitOptions
from mathstrap.types import Problem

TEST_FOLDER = "test"
BACKWARD_FOLDER = "test/backward"
SEEDS = "seeds"
# Columns in which public sets write the calculation.
FORMULAS = ("Equation", "formula", "equation")


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question of a public set, the published row it comes from, and the set's name."""

    problem: Problem
    row: Mapping[str, Any]
    name: str


@dataclass(frozen=True, kw_only=True)
class StudySplit:
    """Seeds and test questions, and the numbers of repeats within the sets and of overlaps with the test."""

    seeds: list[Question]
    test: list[Question]
    num_repeated: int
    num_overlapping: int
    num_unusable: int


def split_questions(options: SplitOptions) -> StudySplit:
    """Read the sets and split their questions; depends on the files and the options alone."""
    questions, num_unusable = read_questions(options)
    duplicates = find_duplicates(id_pairs(questions), DedupOptions()).dropped()
    unique = [question for question in questions if question.problem.id not in duplicates]
    drawn = sorted(unique, key=lambda each: (lottery_place(each.problem.id, options.rng_seed), each.problem.id))
    test, rest = drawn[: options.test], drawn[options.test :]
    if len(test) < options.test or not rest:
        raise InputError(
            f"split: {', '.join(options.sets)} hold {len(unique):,} different questions, {options.test:,} were asked "
            "for the test and some have to be left for seeds. Lower split.test or name more sets."
        )
    matching = DecontaminateOptions(min_coverage=options.overlap, rewordings=False)
    index = TestSetIndex.build({"test": id_pairs(test)}, matching)
    overlapping = contaminated(index.find_all(id_pairs(rest)), matching)
    left = [question for question in rest if question.problem.id not in overlapping]
    if len(left) < options.seeds:
        raise InputError(
            f"split.seeds: {options.seeds:,} were asked for, {len(left):,} are left beside {options.test:,} test "
            f"questions ({len(overlapping):,} repeat one of them). Lower split.seeds or split.test."
        )
    return StudySplit(
        seeds=in_order(left[: options.seeds or len(left)]), test=in_order(test), num_repeated=len(duplicates),
        num_overlapping=len(overlapping), num_unusable=num_unusable,
    )  # fmt: skip


def id_pairs(questions: Iterable[Question]) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of questions."""
    return ((question.problem.id, question.problem.question) for question in questions)


def in_order(questions: Iterable[Question]) -> list[Question]:
    """Return questions by id."""
    return sorted(questions, key=lambda question: question.problem.id)


def read_questions(options: SplitOptions) -> tuple[list[Question], int]:
    """Return the usable questions of every set whose answers are numbers, and the number of unusable rows."""
    questions: list[Question] = []
    num_unusable = 0
    for named_set in options.sets:
        name, _, path = named_set.partition("=")
        benchmark = find_benchmark(name)
        if benchmark.build:
            raise InputError(f'split.sets: "{name}" is built from {benchmark.of}; name {benchmark.of} itself.')
        _, rows = open_rows(name, benchmark, path, options.data)
        for number, row in enumerate(rows):
            shaped = benchmark.shape(row)
            if not isinstance(shaped, str) and options.types and shaped.tags.get("type") not in options.types:
                continue
            if isinstance(shaped, str) or shaped.tags.get("numeric") is False:
                num_unusable += 1
                continue
            problem = Problem(
                id=f"{name}-{number:05d}", dataset=name, style=benchmark.style, question=shaped.question,
                answer=shaped.answer, solution=solution_of(row, shaped),
            )  # fmt: skip
            if gold_passes(problem.answer):
                questions.append(Question(problem=problem, row=row, name=name))
            else:
                num_unusable += 1
    return questions, num_unusable


def solution_of(row: Mapping[str, Any], shaped: Shaped) -> str:
    """Return the published solution, or the row's formula as a calculation; empty where it has neither."""
    formula = next((str(row[name]) for name in FORMULAS if row.get(name)), "")
    return worked(formula, shaped.answer) if formula else shaped.solution


def worked(formula: str, answer: str) -> str:
    """Return a formula as a calculation, `8 / 2 = 4`; empty where its value is not the answer."""
    left = without_brackets(formula.partition("=")[0].replace(".0 ", " ").replace(" ", ""))
    left = re.sub(r"(?<=[\d)])([-+*/])(?=[\d(])", r" \1 ", left)
    value, gold = value_of(left), value_of(answer)
    return f"{left} = {answer}" if left and value and gold and agree(value, gold) else ""


def without_brackets(formula: str) -> str:
    """Return a formula without brackets around the whole of it."""
    while formula.startswith("(") and formula.endswith(")"):
        depths = list(accumulate((mark == "(") - (mark == ")") for mark in formula))
        if 0 in depths[:-1]:
            break
        formula = formula[1:-1]
    return formula


def write_split(study: RunDir, split: StudySplit, options: SplitOptions) -> None:
    """Write the seeds, the test rows by set, and split.json."""
    study.write_records(
        SEEDS,
        (
            {"id": question.problem.id, "question": question.problem.question, "answer": question.problem.answer,
             "solution": question.problem.solution}
            for question in split.seeds
        ),
    )  # fmt: skip
    plain_folder(study.path / BACKWARD_FOLDER)
    share = options.backward / len(split.test) if options.backward else 1.0
    for name in test_sets(options):
        rows = [
            f"{json.dumps(dict(question.row), ensure_ascii=False)}\n"
            for question in split.test
            if question.name == name
        ]
        study.write_text(f"{TEST_FOLDER}/{find_benchmark(name).file}", "".join(rows))
        # The first rows, so that an original has the same row number, and so the same id, forward and backward.
        first = rows[: math.ceil(share * len(rows))]
        study.write_text(f"{BACKWARD_FOLDER}/{find_benchmark(name).file}", "".join(first))
    study.write_json("split.json", {
        "options": asdict(options), "seeds": len(split.seeds), "test": len(split.test),
        "repeated": split.num_repeated, "overlapping": split.num_overlapping, "unusable": split.num_unusable,
        "test_ids": [question.problem.id for question in split.test],
    })  # fmt: skip


def test_names(study: Path, benchmarks: Sequence[str], options: SplitOptions) -> tuple[str, ...]:
    """Return the benchmarks to evaluate: derived sets are built from the originals' file of the split."""
    names = []
    for name in benchmarks:
        benchmark = find_benchmark(name.partition("=")[0])
        originals = benchmark.of if benchmark.build and "=" not in name else ""
        if originals in test_sets(options):
            names.append(f"{name}={study / BACKWARD_FOLDER / find_benchmark(originals).file}")
        else:
            names.append(name)
    return tuple(names)


def test_sets(options: SplitOptions) -> list[str]:
    """Return the names of the sets without their paths."""
    return list(dict.fromkeys(name.partition("=")[0] for name in options.sets))
