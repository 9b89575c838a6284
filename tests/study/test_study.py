"""Whole studies with the fake teacher and a tiny random Llama: killed and resumed, planned, and told honestly."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import studying
from mathstrap.errors import InputError
from mathstrap.recipe import build_recipe, load_recipe
from mathstrap.study import StudyRecipe
from mathstrap.study.options import SplitOptions
from mathstrap.study.preview import preview_study
from mathstrap.study.run import run_study
from mathstrap.study.split import split_questions
from mathstrap.study.step import StepError, StepInput, do, run_job
from mathstrap.study.words import headline_table

pytest.importorskip("torch", reason="students are trained with the extra `train`")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATHSTRAP_CACHE", str(path / "cache"))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield path


def recipe_for(folder: Path, **changes) -> StudyRecipe:
    return build_recipe(StudyRecipe, studying.study_values(folder, **changes), "test")


def here(job, log, processes=1):
    """A step in this process, where torch is loaded already."""
    log.parent.mkdir(parents=True, exist_ok=True)
    do(job)


@pytest.fixture(scope="module")
def finished(folder):
    recipe = recipe_for(folder)
    return recipe, run_study(recipe, run_step=here)


def test_seeds_and_test_questions_do_not_overlap(folder):
    studying.study_values(folder)
    rows = (folder / "data" / "svamp_test.jsonl").read_text().splitlines()
    near = json.loads(rows[0]) | {"Question": "And how many are left for the one who keeps them?"}
    data = folder / "near"
    data.mkdir()
    (data / "svamp_test.jsonl").write_text("\n".join([*rows, json.dumps(near), rows[3]]) + "\n")
    split = split_questions(SplitOptions(sets=("svamp",), data=str(data), test=45))
    sides = {one.problem.id: side for side in ("seeds", "test") for one in getattr(split, side)}
    assert len(split.test) == 45
    assert split.num_repeated == 1
    assert "svamp-00091" not in sides
    both = {sides.get("svamp-00000"), sides.get("svamp-00090")}
    assert both != {"seeds", "test"}
    with pytest.raises(InputError, match=r"Lower split\.test"):
        split_questions(SplitOptions(sets=("svamp",), data=str(data), test=500))


def test_a_dry_run_says_the_plan_and_the_power_and_asks_nothing(folder):
    recipe = recipe_for(folder, name="dry")
    found = preview_study(recipe)
    assert found.is_assumed
    assert [test.direction for test in found.tests] == ["forward", "backward"]
    assert found.tests[1].num_originals == found.tests[0].num_questions == 12
    assert found.num_evaluations == len(found.plan.students) + 1
    assert found.num_requests == found.num_evaluations * sum(test.num_questions for test in found.tests)
    assert [power.num_comparisons for power in found.powers] == [1, 1]
    assert 0 < found.powers[0].single <= found.powers[0].adjusted < 1
    assert not (recipe.path / "run").exists()


@pytest.mark.parametrize("name", ["study-gpu", "study-paper"])
def test_a_shipped_study_is_planned_from_files(data_path, tmp_path, name):
    found = preview_study(load_recipe(StudyRecipe, name, [
        f"out={tmp_path}", f"bootstrap.out={tmp_path}", f"bootstrap.seeds.source={data_path / 'gsm8k_train.jsonl'}",
        "bootstrap.seeds.limit=130", f"evaluation.data={data_path}", "evaluation.limit=20",
        f"bootstrap.decontaminate.data={data_path}",
    ]))  # fmt: skip
    assert found.num_seeds == 130
    assert [test.direction for test in found.tests] == ["forward", "backward"]
    assert found.run is not None
    assert sum(stage.num_requests for stage in found.run.stages) > 500


@pytest.mark.parametrize("name", ["incorrect", "length", "perplexity", "rft", "scaling"])
def test_a_study_of_a_run_that_is_not_there_is_a_sentence(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="runs/study-gpu: holds no finished run"):
        run_study(load_recipe(StudyRecipe, f"study-{name}", []))  # a preview plans without the run, from its seeds


def test_a_study_that_trains_nobody_shows_what_it_measured_of_its_rows(finished):
    whole, _ = finished
    recipe = dataclasses.replace(
        whole, name="measured", split=None, run=str(whole.path / "run"), students=False, base=False, diversity=False,
        perplexity=3, sizes=(0,), match=("passes",), rng_seeds=(0,),
        train=dataclasses.replace(whole.train, global_batch=5_000),
        evaluation=dataclasses.replace(whole.evaluation, benchmarks=("nowhere",)),
    )  # fmt: skip
    assert preview_study(recipe).num_requests == 0
    summary = run_study(recipe)
    assert summary.is_complete
    table = headline_table(summary.result)
    assert "students" not in table
    assert "the median over 3 of an arm's replies at most" in table
    text = (recipe.path / "study.md").read_text()
    assert "| data | samples | perplexity |" in text
    assert "matched by" not in text
    values = json.loads((recipe.path / "perplexity.json").read_text())["values"]
    assert set(values) == {"sft-all-0", "all-all-0"}
    assert all(1 < value < 10_000 for value in values.values())
    assert "Nobody was trained." in (recipe.path / "study.html").read_text()


def test_a_study_leaves_its_table_page_and_plot(finished):
    recipe, summary = finished
    assert summary.is_complete
    result = json.loads((recipe.path / "study.json").read_text())
    assert result["is_complete"]
    cells = {(cell["arm"], cell["match"]): cell for cell in result["cells"]}
    assert len(cells) == 4
    assert {cell["num_students"] for cell in cells.values()} == {2}
    assert cells["sft", "samples"]["num_samples"] == 30
    assert cells["all", "samples"]["num_samples"] == 40
    seen = {arm: cells[arm, "samples"]["samples_seen"] for arm in ("sft", "all")}
    assert max(seen.values()) - min(seen.values()) <= 8  # one batch
    tokens = [cells[arm, "tokens"]["tokens_seen"] for arm in ("sft", "all")]
    assert max(tokens) - min(tokens) < 0.15 * max(tokens)
    assert len(result["groups"]) == 2
    assert len(result["groups"][0]["differences"]["forward"]) == 1
    assert result["cells"][0]["accuracy"]["forward"]["score"]["clusters"] == 12
    text = (recipe.path / "study.md").read_text()
    assert "no difference from sft was detected" in text
    assert "sft has 30 samples where 40 were wanted" in text
    page = (recipe.path / "study.html").read_text()
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http-equiv", "").replace(
        "http://purl.org", ""
    ).replace("http://creativecommons.org", "").replace("https://matplotlib.org", "")
    assert (recipe.path / "accuracy.png").stat().st_size > 5_000
    # What the recipe does not keep is gone, and what it needs again is there.
    assert not list((recipe.path / "students").glob("*/model*"))
    assert not list((recipe.path / "students").glob("*/checkpoints"))


def test_the_same_command_again_only_tells_the_result(finished):
    recipe, _ = finished
    before = (recipe.path / "study.json").read_bytes()
    steps = []
    run_study(recipe, listener=steps.append, run_step=here)
    assert {(step.what, step.name) for step in steps} == {("measure", "result")}
    assert (recipe.path / "study.json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_and_resumed_gives_the_same_result(folder):
    small = {"rng_seeds": [0], "match": ["samples"], "base": False, "diversity": False}
    evaluation = studying.study_values(folder)["evaluation"] | {"benchmarks": ["svamp"], "limit": 6}
    train = studying.study_values(folder)["train"] | {"epochs": 8, "save_every": 2}
    small |= {"evaluation": evaluation, "train": train}
    whole = recipe_for(folder, name="whole", **small)
    # In processes of its own too: an evaluation before it in this one changes the last bits of a training.
    run_study(whole)
    values = studying.study_values(folder, name="whole", out=str(folder / "killed"), **small)
    path = folder / "killed.yaml"
    path.write_text(json.dumps(values))
    command = [sys.executable, "-m", "mathstrap", "study", str(path)]
    broken = folder / "killed" / "whole"
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(broken.glob("students/*/checkpoints/checkpoint-*")) and child.poll() is None:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not list(broken.glob("evals/*/done.json"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("study.json", "study.md"):
        ours, theirs = ((side / name).read_text() for side in (broken, whole.path))
        assert ours.replace(str(folder / "killed"), "") == theirs.replace(str(folder / "studies"), "")
    curves = [next(side.glob("students/all-*/curve.jsonl")).read_text() for side in (broken, whole.path)]
    losses = [[json.loads(line)["loss"] for line in curve.splitlines()] for curve in curves]
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_a_study_that_ran_out_of_time_says_what_is_missing_and_goes_on(folder, finished):
    whole, _ = finished
    recipe = recipe_for(folder, name="short")
    shutil.copytree(whole.path, recipe.path)
    shutil.rmtree(recipe.path / "evals" / "sft-40-samples-1")
    for name in ("study.json", "study.md"):
        (recipe.path / name).unlink()
    stopped = run_study(recipe, stop_after_seconds=0.0, run_step=here)
    assert stopped.stopped == "time"
    assert not stopped.is_complete
    assert "1 of " in (recipe.path / "study.md").read_text()
    other = recipe_for(folder, name="short", train=studying.study_values(folder)["train"] | {"lr": 1e-2})
    stale = run_study(other, stop_after_seconds=0.0, run_step=here)
    assert stale.result is None  # evaluations of students trained otherwise are no result of this recipe
    names = []
    listener = lambda step: names.append((step.what, step.name))  # noqa: E731
    assert run_study(recipe, listener=listener, run_step=here).is_complete
    student = "sft-40-samples-1"
    assert set(names) == {("train", student), ("evaluate", student), ("measure", "result")}


def test_a_finished_run_is_taken_as_it_is_and_wrong_answers_are_an_arm(folder, finished):
    whole, _ = finished
    recipe = recipe_for(
        folder, name="wrong", run=str(whole.path / "run"), split=None, rng_seeds=[0], match=["passes"], base=False,
        arms={"sft": {"methods": ["seed"]}, "wrong": {"methods": ["ans_aug"], "outcome": "wrong"},
              "more": {"methods": ["ans_aug"], "add": [str(whole.path / "run" / "samples.jsonl")], "add_count": 7}},
        sizes=[12], diversity=False,
        evaluation={"benchmarks": ["svamp"], "data": str(whole.path / "test"), "protocol": "own",
                    "changes": {"max_tokens": 4}, "limit": 6, "teacher": {"backend": "hf"}},
    )  # fmt: skip
    assert run_study(recipe, until="plan").stopped == "plan"
    rows = [json.loads(line) for line in (recipe.path / "arms" / "wrong-12-0.jsonl").read_text().splitlines()]
    assert {row["outcome"] for row in rows} == {"wrong"}
    assert len((recipe.path / "arms" / "more-12-0.jsonl").read_text().splitlines()) == 19
    plan = json.loads((recipe.path / "plan.json").read_text())
    assert {one["arm"]: one["schedule"]["num_steps"] for one in plan["students"]} == {"sft": 2, "wrong": 2, "more": 3}


def test_a_step_that_fails_says_why_and_where(folder):
    job = StepInput(evaluate={"benchmarks": ["svamp"], "data": str(folder / "nowhere"), "out": str(folder / "failed")})
    with pytest.raises(StepError, match=r"log\.txt: the step ended with exit code 1: .*nowhere"):
        run_job(job, folder / "failing" / "log.txt")
