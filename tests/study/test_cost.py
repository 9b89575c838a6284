"""What arms cost the teacher, what a budget of its tokens buys, and the second check, on a run of the fake teacher."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

import studying
from mathstrap.errors import InputError, RecipeError
from mathstrap.files.rundir import RunDir
from mathstrap.recipe import build_recipe
from mathstrap.study import StudyRecipe
from mathstrap.study.cost import ProblemCost, buy
from mathstrap.study.run import run_study
from mathstrap.study.words import cost_table, headline_table, markdown
from mathstrap.types import Problem

pytest.importorskip("torch", reason="the tiny model of these tests is written with the extra `train`")


def test_every_seed_gives_one_problem_before_any_gives_two_until_the_tokens_are_spent():
    costs = {
        ("rephrase", f"s{seed}/rephrase.{number}"): ProblemCost(tokens=10) for seed in range(3) for number in (1, 2)
    }
    costs["fobar", "s0/fobar.1"] = ProblemCost(tokens=1000)
    assert len(buy(costs, ["rephrase"], 0)) == 6
    bought = buy(costs, ["rephrase"], 35)
    assert sorted(name.partition("/")[0] for name in bought) == ["s0", "s1", "s2"]
    assert buy(costs, ["rephrase"], 9) == []
    assert set(bought) < set(buy(costs, ["rephrase"], 50))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cost")
    values = studying.study_values(
        folder, name="priced", students=False, base=False, diversity=False, sizes=[0], match=["passes"], rng_seeds=[0],
        second_check=5, arms={
            "sft": {"methods": ["seed"]}, "ans_aug": {"methods": ["ans_aug"]}, "rephrase": {"methods": ["rephrase"]},
            "renumber": {"methods": ["renumber"]},
        },
    )  # fmt: skip
    values["bootstrap"]["methods"]["renumber"] = {"enabled": True}
    return build_recipe(StudyRecipe, values, "test")


def test_arms_say_what_they_cost_and_what_came_again(recipe):
    run_study(recipe)
    # The fake teacher solves what it has golds for, by id: those of the second check are known once it was planned.
    checks = [json.loads(line) for line in (recipe.path / "check.jsonl").read_text().splitlines()]
    with open(recipe.bootstrap.teacher.settings["golds"], "a") as golds:
        golds.writelines(f"{json.dumps(row)}\n" for row in checks)
    shutil.rmtree(recipe.path / "check")
    result = run_study(recipe).result
    run = RunDir.read(recipe.path / "run")
    answers = [usage for usage in run.usages("solve") if "/ans_aug." in usage.request]
    costs = result.costs
    assert set(costs) == {"ans_aug", "rephrase", "renumber"}
    assert costs["ans_aug"].num_answers == len(answers)
    assert costs["ans_aug"].tokens == sum(usage.tokens_in + usage.tokens_out for usage in answers)
    rewritten = [problem for problem in run.read_records("problems", Problem) if problem.method == "rephrase"]
    assert costs["rephrase"].num_rewritten == len(rewritten) <= costs["rephrase"].num_rewritings
    assert costs["renumber"].tokens == 0
    assert costs["renumber"].num_kept
    assert costs["ans_aug"].confirmed.num == 5
    assert 0.4 <= costs["ans_aug"].confirmed.value <= 1  # the fake teacher is right four times of five
    assert [line[0] for line in cost_table(result)[1:]] == ["ans_aug", "rephrase", "renumber"]
    assert "free" in markdown(result)
    assert "answer came again" in markdown(result)
    assert headline_table(result)


def test_a_budget_of_tokens_cuts_every_arm(recipe):
    whole = run_study(recipe).result.costs["ans_aug"]
    half = dataclasses.replace(recipe, name="half", run=str(recipe.path / "run"), split=None, second_check=0,
                               evaluation=dataclasses.replace(recipe.evaluation, benchmarks=("nowhere",)))  # fmt: skip
    cut = run_study(dataclasses.replace(half, teacher_tokens=whole.tokens // 2)).result
    assert cut.costs["ans_aug"].tokens <= whole.tokens // 2
    assert cut.costs["ans_aug"].num_kept < whole.num_kept
    of_arm = next(cell for cell in cut.cells if cell.arm == "ans_aug")
    assert of_arm.num_samples == cut.costs["ans_aug"].num_kept


def test_an_arm_of_which_nothing_was_kept_has_a_cost_but_no_student(recipe):
    run_study(recipe)
    poor = dataclasses.replace(recipe, name="poor", run=str(recipe.path / "run"), split=None, second_check=0,
                               teacher_tokens=1)  # fmt: skip
    result = run_study(poor).result
    assert result.costs["ans_aug"].num_kept == 0
    assert "ans_aug" in [line[0] for line in cost_table(result)]
    assert {cell.arm for cell in result.cells} == {"sft", "renumber"}  # renumbering costs no tokens
    without = {name: arm for name, arm in recipe.arms.items() if name != "renumber"}
    with pytest.raises(InputError, match=r"no sample for ans_aug, rephrase\. Its rejects.jsonl says why"):
        run_study(dataclasses.replace(poor, name="none", arms=without))


def test_a_negative_budget_is_refused(recipe):
    with pytest.raises(RecipeError, match="expected 0 or more"):
        dataclasses.replace(recipe, teacher_tokens=-1)
