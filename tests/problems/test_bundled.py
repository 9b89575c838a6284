"""The bundled seeds: every solution computes, every gold is right, and none comes from a benchmark."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from mathstrap.augment.latex import find_zones
from mathstrap.augment.masking import find_masks
from mathstrap.steps.expression import evaluate, numbers_in, parse_expression
from mathstrap.verify import grade


def rows_of(name: str) -> list[dict[str, Any]]:
    text = (resources.files("mathstrap") / "bundled" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


GSM8K, MATH = rows_of("gsm8k"), rows_of("math")


def test_there_are_enough_seeds_with_ids_in_order() -> None:
    assert len(GSM8K) >= 60
    assert len(MATH) == 20
    assert [row["id"] for row in GSM8K] == [f"mini-gsm-{n:03d}" for n in range(1, len(GSM8K) + 1)]
    assert [row["id"] for row in MATH] == [f"mini-math-{n:03d}" for n in range(1, 21)]
    assert len({row["question"] for row in GSM8K + MATH}) == len(GSM8K) + len(MATH)


def test_easy_problems_come_first() -> None:
    steps = [row["steps"] for row in GSM8K]
    assert steps == sorted(steps)
    assert steps[:20] == [1] * 20
    assert set(steps) == {1, 2, 3, 4}
    assert {row["level"] for row in MATH} == {1, 2, 3, 4}
    assert len({row["subject"] for row in MATH}) == 7


@pytest.mark.parametrize("row", GSM8K, ids=lambda row: row["id"])
def test_every_calculation_of_a_word_problem_is_right_and_ends_in_the_gold(row: dict[str, Any]) -> None:
    steps = re.findall(r"<<([^=]+)=([^>]+)>>(\S+)", row["solution"])
    assert len(steps) == row["steps"]
    for expression, result, written in steps:
        tree = parse_expression(expression)
        assert tree is not None
        assert evaluate(tree, [float(number) for number in numbers_in(tree)]) == pytest.approx(float(result))
        assert written.startswith(result)
    assert steps[-1][1] == row["answer"]
    assert row["solution"].endswith(f"\n#### {row['answer']}")
    assert row["question"].rstrip().endswith("?")
    assert find_masks(row["question"], "gsm8k")


@pytest.mark.parametrize("row", MATH, ids=lambda row: row["id"])
def test_every_latex_solution_boxes_its_gold_and_is_well_formed(row: dict[str, Any]) -> None:
    assert f"\\boxed{{{row['answer']}}}" in row["solution"]
    assert row["solution"].count("\\boxed") == 1
    assert find_zones(row["question"]) is not None
    assert find_zones(row["solution"]) is not None
    assert find_masks(row["question"], "math")


@pytest.mark.parametrize("row", GSM8K + MATH, ids=lambda row: row["id"])
def test_every_gold_passes_the_grader(row: dict[str, Any]) -> None:
    assert grade(row["answer"], row["answer"]).outcome == "correct"


SOURCES = ("gsm8k_train", "gsm8k_test", "math_test", "math500", "svamp_test", "asdiv_test", "mawps_test", "gsm_hard")


def eight_words(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[a-z0-9]+", text.lower())
    return {tuple(words[start : start + 8]) for start in range(len(words) - 7)}


def test_no_bundled_question_shares_eight_words_in_a_row_with_a_benchmark(data_path: Path) -> None:
    ours = {run: row["id"] for row in GSM8K + MATH for run in eight_words(row["question"])}
    for source in SOURCES:
        with open(data_path / f"{source}.jsonl", encoding="utf-8") as lines:
            for line in lines:
                texts = [value for value in json.loads(line).values() if isinstance(value, str)]
                shared = ours.keys() & eight_words(" ".join(texts))
                assert not shared, f"{source}: {shared}"
