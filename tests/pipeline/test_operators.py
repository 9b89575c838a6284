"""The methods beyond the paper's, through a whole run: what becomes of their golds, solutions and thoughts."""

from __future__ import annotations

import json

import pytest

from bootstrapping import small_recipe
from mathstrap.errors import InputError, RecipeError
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import bootstrap
from mathstrap.pipeline.preview import preview
from mathstrap.types import Problem, Reject, Sample

OFF = {name: {"enabled": False} for name in ("ans_aug", "rephrase", "self_verification", "fobar")}
THINKER = """
from mathstrap.backends.fake import FakeTeacher

def reply(request):
    text = "The answer is: 9"
    return text if request.draw == 1 else f"<think>Nine, and {request.draw} ways to check it.</think>\\n{text}"

def open_teacher(options):
    return FakeTeacher(reply)
"""


def test_two_worked_solutions_make_a_sample_without_a_teacher(tmp_path):
    method = {"enabled": True, "count": 2, "wording": "rule", "draws": 0}
    recipe = small_recipe(
        tmp_path,
        methods=OFF | {"compose": method},
        seeds={"source": "bundled:gsm8k"},
        teacher={"backend": "none"},
    )
    assert preview(recipe).stages == [] or all("solve" not in stage.name for stage in preview(recipe).stages)
    summary = bootstrap(recipe)
    run = RunDir.read(summary.path)
    samples = list(run.read_records("samples", Sample))
    problems = [one for one in run.read_records("problems", Problem) if one.method == "compose"]
    assert len(samples) == len(problems) > 30
    assert all(one.gold_source == "given" and len(set(one.tags["parents"])) == 2 for one in samples)
    assert all("<<" not in one.response and "So N = " in one.response for one in samples)
    fell_out = {one.reason for one in run.read_records("rejects", Reject)}
    assert fell_out <= {"no_partner", "duplicate"}


def test_an_explanation_keeps_its_thought_apart(tmp_path):
    (tmp_path / "thinker.py").write_text(THINKER)
    values = {
        "methods": OFF | {"explain": {"enabled": True, "draws": 3}},
        "seeds": {"source": "bundled:gsm8k", "limit": 1},
        "teacher": {"backend": f"{tmp_path / 'thinker.py'}:open_teacher"},
    }
    with pytest.raises(RecipeError, match=r"export.reasoning: drop leaves out what methods.explain is for"):
        small_recipe(tmp_path, **values)
    export = {"formats": ["alpaca", "chat"], "reasoning": "keep"}
    summary = bootstrap(small_recipe(tmp_path, export=export, **values))
    run = RunDir.read(summary.path)
    samples = list(run.read_records("samples", Sample))
    assert [one.reasoning for one in samples] == ["Nine, and 0 ways to check it."]
    assert "think" not in samples[0].response
    (row,) = (json.loads(line) for line in (summary.path / "export-alpaca.jsonl").open())
    assert row["output"].startswith("<think>")
    assert [one.reason for one in run.read_records("rejects", Reject)] == ["no_reasoning", "same_reply"]
    assert "explain.chat.gsm8k" in run.manifest["prompts"]


@pytest.mark.parametrize(("method", "number"), [("compose", 2), ("new_problem", 3)])
def test_a_method_of_several_parents_on_one_seed_says_so(tmp_path, method, number):
    one = {"source": "bundled:gsm8k", "limit": 1}
    recipe = small_recipe(tmp_path, methods=OFF | {method: {"enabled": True}}, seeds=one)
    with pytest.raises(InputError, match=f"{method}: makes each question from {number} seeds, and this run has 1"):
        bootstrap(recipe)
    with pytest.raises(InputError, match=f"methods.{method}"):
        preview(recipe)


def test_every_method_runs_off_one_recipe_and_is_off_by_default(tmp_path):
    names = ("evolve", "compose", "new_problem", "reopen", "persona", "explain")
    plain = small_recipe(tmp_path)
    assert not set(names) & set(plain.method_names)
    methods = OFF | {name: {"enabled": True} for name in names}
    export = {"formats": ["chat"], "reasoning": "keep"}
    recipe = small_recipe(tmp_path, methods=methods, vote={"draws": 3}, export=export)
    asked = {stage.name.split()[1] for stage in preview(recipe).stages}
    assert asked == set(names) - {"reopen"}, "no bundled seed has choices"
    summary = bootstrap(recipe)
    assert summary.is_complete
    again = bootstrap(recipe)
    assert sum(report.answered for report in again.reports) == 0
    rejects = {one.reason for one in RunDir.read(summary.path).read_records("rejects", Reject)}
    assert {"no_choices", "no_reasoning"} <= rejects
    page = (summary.path / "report.html").read_text()
    assert "Composition" in page
