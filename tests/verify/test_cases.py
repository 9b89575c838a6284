"""The labelled cases and the shared gold answers: the rates the checker promises."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mathstrap.verify import extract_answer, grade
from mathstrap.verify.find.extract import extract_boxed


def load_cases(path: Path) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for row in rows:
        for field in ("gold", "prediction"):
            runs = row.pop(f"{field}_rle", None)
            if runs is not None:
                row[field] = "".join(text * count for text, count in runs)
    return rows


@pytest.fixture(scope="module")
def verdicts(cases_path: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, object], bool]]:
    """Each case with whether it was called correct; graded in an empty directory that has to stay empty."""
    folder = tmp_path_factory.mktemp("empty")
    before = Path.cwd()
    os.chdir(folder)
    try:
        graded = [
            (row, grade(str(row["gold"]), str(row["prediction"]), form=row["form"]).outcome == "correct")  # type: ignore[arg-type]
            for row in load_cases(cases_path / "dev.jsonl")
        ]
        assert list(folder.iterdir()) == [], "grading created a file"
    finally:
        os.chdir(before)
    return graded


def test_core_cases_reach_the_promised_rates(verdicts: list[tuple[dict[str, object], bool]]) -> None:
    core = [(row, called) for row, called in verdicts if row["tier"] == "core"]
    false_positives = [row["id"] for row, called in core if called and not row["label"]]
    false_negatives = [row["id"] for row, called in core if not called and row["label"]]
    assert len(false_positives) <= 0.001 * sum(not row["label"] for row, _ in core), false_positives
    assert len(false_negatives) <= 0.008 * sum(bool(row["label"]) for row, _ in core), false_negatives
    assert len(false_positives) + len(false_negatives) <= 0.005 * len(core)


def test_real_model_outputs_have_no_false_positive(verdicts: list[tuple[dict[str, object], bool]]) -> None:
    real = [
        row["id"]
        for row, called in verdicts
        if called and not row["label"] and "real" in str(row["kind"]) and row["tier"] == "core"
    ]
    assert real == []


def test_every_answer_in_the_trained_format_is_graded_rightly(verdicts: list[tuple[dict[str, object], bool]]) -> None:
    stated = [(row, called) for row, called in verdicts if row["kind"] == "metamath-format"]
    assert [row["id"] for row, called in stated if called != row["label"]] == []


def test_hard_cases_are_recalled(verdicts: list[tuple[dict[str, object], bool]]) -> None:
    hard = [called for row, called in verdicts if row["tier"] == "hard"]
    assert sum(hard) >= 0.35 * len(hard)


def test_every_math_gold_equals_itself(data_path: Path) -> None:
    golds = []
    for line in (data_path / "math_test.jsonl").read_text(encoding="utf-8").splitlines():
        extraction = extract_boxed(json.loads(line)["solution"])
        assert extraction is not None
        golds.append(extraction.answer)
    assert len(golds) == 5000
    assert [gold for gold in golds if grade(gold, gold).outcome != "correct"] == []


def test_every_math_solution_states_its_boxed_answer(data_path: Path) -> None:
    missed = []
    for line in (data_path / "math_test.jsonl").read_text(encoding="utf-8").splitlines():
        solution = json.loads(line)["solution"]
        boxed = extract_boxed(solution)
        assert boxed is not None
        if grade(boxed.answer, solution, form="completion").outcome != "correct":
            missed.append(boxed.answer)
    assert len(missed) <= 8, "solutions with two boxes state two answers"


@pytest.mark.parametrize("name", ["gsm8k_test.jsonl", "gsm8k_train.jsonl"])
def test_every_gsm8k_solution_states_its_gold(data_path: Path, name: str) -> None:
    for line in (data_path / name).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        solution = row.get("answer") or row.get("solution")
        gold = solution.rpartition("#### ")[2]
        assert grade(gold, solution, form="completion", grader="gsm8k").outcome == "correct", gold
        extraction = extract_answer(f"So it is.\nThe answer is: {gold}")
        assert extraction is not None
        assert grade(gold, extraction.answer).outcome == "correct"


def test_telling_answers_and_completions_apart_changes_no_verdict(
    cases_path: Path, verdicts: list[tuple[dict[str, object], bool]]
) -> None:
    for row, called in verdicts:
        assert (grade(str(row["gold"]), str(row["prediction"])).outcome == "correct") is called, row["id"]


def test_a_gold_column_of_whole_solutions_is_read_by_its_last_line(data_path: Path) -> None:
    for line in (data_path / "gsm8k_test.jsonl").read_text(encoding="utf-8").splitlines():
        solution = json.loads(line)["answer"]
        verdict = grade(solution, solution)
        assert (verdict.outcome, verdict.expected) == ("correct", solution.rpartition("#### ")[2])
