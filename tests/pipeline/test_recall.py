"""A resumed run takes its questions from disk where nothing that goes into them has changed, and else derives them."""

from __future__ import annotations

import json

import pytest

from bootstrapping import digests, small_recipe, small_values
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import RunRecipe, bootstrap
from mathstrap.pipeline.recall import FILE, inputs_of, recall
from mathstrap.pipeline.seeds import load_seeds
from mathstrap.recipe import build_recipe


def is_recalled(recipe: RunRecipe) -> bool:
    """Say whether the next run of this recipe would take its questions from disk."""
    from mathstrap.pipeline.derive import prompt_hashes

    seeds = load_seeds(recipe)
    with RunDir.read(recipe.path) as run:
        inputs = inputs_of(seeds.problems, prompt_hashes(recipe, seeds.problems).values(), recipe, run)
        return recall(run, inputs, seeds.problems) is not None


def test_a_finished_run_comes_back_with_the_same_bytes(tmp_path):
    recipe = small_recipe(tmp_path)
    path = bootstrap(recipe).path
    before = digests(path)
    assert is_recalled(recipe)
    bootstrap(recipe)
    assert digests(path) == before
    (path / FILE).unlink()
    bootstrap(recipe)
    assert digests(path) == before


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Make a run once; whether it would be recalled is asked of it without changing it."""
    folder = tmp_path_factory.mktemp("finished")
    bootstrap(small_recipe(folder))
    return folder


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "metamath-2024"},
        {"rng_seed": 4},
        {"dedup": None},
        {"dedup": {"threshold": 0.7}},
        {"rewriting": {"temperature": 0.1}},
        {"sampling": {"policy": "until", "target": 2}},
        {"methods": {"rephrase": {"count": 1}}},
        {"seeds": [{"source": "bundled:gsm8k", "limit": 8}]},
        {"decontaminate": {"against": ["test.jsonl"]}},
        {"prompts": {"files": {"rephrase": "rephrase.fewshot.gsm8k"}}},
    ],
    ids=str,
)
def test_whatever_goes_into_the_questions_derives_them_anew(finished, monkeypatch, change):
    monkeypatch.chdir(finished)
    (finished / "test.jsonl").write_text(json.dumps({"question": "How many are left of 3?"}) + "\n")
    assert is_recalled(small_recipe(finished))
    assert not is_recalled(small_recipe(finished, **change))


def test_a_changed_test_set_derives_them_anew(tmp_path):
    test_set = tmp_path / "test.jsonl"
    test_set.write_text(json.dumps({"question": "How many are left of 3?"}) + "\n")
    recipe = small_recipe(tmp_path, decontaminate={"against": [str(test_set)]})
    bootstrap(recipe)
    assert is_recalled(recipe)
    test_set.write_text(json.dumps({"question": "How many are left of 4?"}) + "\n")
    assert not is_recalled(recipe)


@pytest.mark.parametrize("name", ["problems.jsonl", "rejects.jsonl", "pairs.jsonl"])
def test_a_derived_file_that_is_gone_comes_back(tmp_path, name):
    recipe = small_recipe(tmp_path)
    path = bootstrap(recipe).path
    before = digests(path)
    (path / name).unlink()
    assert not is_recalled(recipe)
    bootstrap(recipe)
    assert (path / name).exists()
    assert digests(path) == before


def test_questions_whose_rewrites_are_missing_are_asked_for_again(tmp_path):
    values = small_values(tmp_path)
    few = build_recipe(RunRecipe, values | {"budget": {"max_requests": 10}}, "few")
    bootstrap(few)
    assert not is_recalled(few)
    whole = bootstrap(build_recipe(RunRecipe, values, "whole"))
    assert whole.is_complete
    apart = bootstrap(small_recipe(tmp_path, name="apart"))
    # The first two name the run; how draws shared calls, and so tokens, depends on where the budget cut.
    same = set(digests(whole.path)) - {"README.md", "report.html", "metrics.json"}
    assert {n: digests(whole.path)[n] for n in same} == {n: digests(apart.path)[n] for n in same}


def test_where_the_server_is_does_not_matter(finished):
    values = small_values(finished)
    values["teacher"] |= {"base_url": "http://localhost:1/v1"}
    values |= {"solving": {"max_tokens": 9}, "limits": {"max_in_flight": 3}}
    assert is_recalled(build_recipe(RunRecipe, values, "elsewhere"))
