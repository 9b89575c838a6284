"""The Game of 24 experiment: its arms, its base, and all of it in small."""

from __future__ import annotations

import json

import pytest

from mathstrap.reproduce.game24 import game_of_n, solutions, written
from mathstrap.reproduce.game24_arms import ArmSizes, puzzle_sets, rows_of
from mathstrap.reproduce.game24_study import Game24Setting, as_page, graded, run_game24, summarise
from mathstrap.reproduce.student import LARGEST_NUMBER, Steps, StudentSize, calculations
from mathstrap.verify import grade
from mathstrap.verify.game24 import check

HANDS = [(1, 2, 3, 4), (3, 3, 8, 8), (4, 6, 8, 8)]
SMALL = ArmSizes(train=8, test=3, ans_aug=60, mixed_ans_aug=40, mixed_swapped=20)
TINY = {"size": StudentSize(hidden=16, layers=1), "num_calculations": 64, "base": Steps(steps=1, batch=16),
        "student": Steps(steps=2, batch=8), "rng_seeds": (0,)}  # fmt: skip


@pytest.fixture(scope="module")
def answers():
    return {hand: written(hand) for hand in HANDS}


def test_every_written_solution_is_right_and_every_idea_is_written(answers):
    for hand, texts in answers.items():
        assert len(texts) == len(set(texts)) >= len(solutions(hand))
        assert {check(text, hand) for text in texts} == {""}
    assert written((1, 1, 1, 1)) == ()


def test_the_arms_share_what_they_have_in_common(answers):
    sizes = ArmSizes(ans_aug=50, mixed_ans_aug=30, mixed_swapped=9)
    arms = {arm: rows_of(arm, answers, sizes, rng_seed=3) for arm in ("sft", "ans_aug", "mixed")}
    assert {arm: len(rows) for arm, rows in arms.items()} == {"sft": 3, "ans_aug": 50, "mixed": 39}
    assert arms["ans_aug"][:3] == arms["sft"]
    assert arms["mixed"][:30] == arms["ans_aug"][:30]
    assert all(row["query"].startswith("Make 24 of") for row in arms["ans_aug"])
    assert not any(row["query"].startswith("Make 24 of") for row in arms["mixed"][30:])
    for rows in arms.values():
        assert len({(row["query"], row["response"]) for row in rows}) >= len(rows) - 4  # 3 3 8 8 swaps alike twice
        for row in rows:
            target, _, hand = row["query"].removeprefix("Make ").partition(" of ")
            assert grade(f"{hand} = {target}", row["response"], grader="game24", form="answer").outcome == "correct"
    assert rows_of("sft", answers, sizes, rng_seed=4) != arms["sft"]


def test_the_games_of_n_are_asked_with_their_game_of_24():
    found = puzzle_sets(HANDS)
    assert [len(found[name]) for name in ("game24", "game_of_n")] == [3, 15]
    assert found["game_of_n"][:3] == found["game24"]
    assert len({puzzle.id for puzzle in found["game_of_n"]}) == 15
    assert [(one.hand, one.target) for one in found["game_of_n"] if one.original == "1"][1:] == game_of_n((3, 3, 8, 8))


def test_the_base_has_read_no_puzzle():
    for row in calculations(400, rng_seed=1):
        text, _, value = row["response"].rpartition(" = ")
        numbers = tuple(map(int, row["query"].removeprefix("Calculate with ").split()))
        assert check(text, numbers, abs(int(value))) == "" or int(value) < 0
        assert abs(int(value)) <= LARGEST_NUMBER
        assert len(numbers) < 4 or (value != "24" and 24 not in numbers)


def test_a_summary_compares_the_arms_in_pairs():
    puzzles = puzzle_sets(HANDS)["game_of_n"]
    right = [[written(one.hand, one.target)[0]] for one in puzzles]
    wrong = [["1 + 1"] for _ in puzzles]
    students = {
        "sft": [graded(puzzles, wrong)] * 2, "ans_aug": [graded(puzzles, right)] * 2,
        "mixed": [graded(puzzles, right)] * 2,
    }  # fmt: skip
    setting = Game24Setting(arms=ArmSizes(test=3), rng_seeds=(0, 1))
    rows = {"sft": 3, "ans_aug": 9, "mixed": 9}
    result = summarise(setting, students, num_weights=1, rows=rows, seconds={})
    assert result.accuracy["game24"]["ans_aug"].score.value == 1.0
    assert result.accuracy["game_of_n"]["sft"].score.value == 0.0
    assert [round(one.difference, 3) for one in result.differences["game24"]] == [1.0, 1.0, 0.0]
    assert "| Game of n | mixed | 9 | 100.0" in as_page(result)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_experiment_runs_in_small_and_goes_on_where_it_was(tmp_path):
    pytest.importorskip("torch", reason="students are trained with the extra `train`")
    said: list[str] = []
    setting = Game24Setting(**TINY, arms=SMALL)
    first = run_game24(tmp_path / "game24", setting, say=said.append)
    assert len(said) == 1 + 3
    replies = tmp_path / "game24" / "replies"
    assert len(json.loads((replies / "mixed-0.json").read_text())["value"]) == 15
    (replies / "mixed-0.json").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in replies.iterdir()}
    again = run_game24(tmp_path / "game24", setting, say=said.append)
    assert {name: (replies / name).stat().st_mtime_ns for name in before} == before
    assert again.accuracy == first.accuracy  # a student trained anew is the same student
    assert json.loads((tmp_path / "game24" / "game24.json").read_text())["rows"] == {
        "sft": 8, "ans_aug": 60, "mixed": 60,
    }  # fmt: skip
