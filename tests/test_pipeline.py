"""A whole run with the fake teacher: what comes out, what is asked again, what is refused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from bootstrapping import digests, small_recipe, small_values

from mathstrap.errors import InputError, RecipeError, RunLocked
from mathstrap.pipeline import bootstrap
from mathstrap.problems import last_boxed
from mathstrap.rundir import RunDir
from mathstrap.types import Candidate, Problem, Reject, Sample, Verdict


def records(path: Path, name: str, kind):
    return list(RunDir.read(path).read_records(name, kind))


def asked(summary) -> dict[str, int]:
    return {report.stage: report.answered for report in summary.reports}


def test_a_run_makes_verified_samples_of_all_four_methods(tmp_path):
    summary = bootstrap(small_recipe(tmp_path))
    samples = records(summary.path, "samples", Sample)
    assert summary.is_complete
    assert len(samples) == summary.num_samples > 20
    assert {sample.method for sample in samples} == {"ans_aug", "rephrase", "self_verification", "fobar"}
    assert {sample.type for sample in samples} >= {"GSM_AnsAug", "GSM_Rephrased", "GSM_SV", "GSM_FOBAR", "MATH_AnsAug"}
    problems = {problem.id: problem for problem in records(summary.path, "problems", Problem)}
    for sample in samples:
        assert sample.response.endswith(f"The answer is: {problems[sample.problem].answer}")
        assert sample.original_question == problems[sample.seed].question
        assert sample.query == problems[sample.problem].question


def test_published_columns_are_in_the_export(tmp_path):
    summary = bootstrap(small_recipe(tmp_path))
    rows = [json.loads(line) for line in (summary.path / "export-metamathqa.jsonl").read_text().splitlines()]
    assert len(rows) == summary.num_samples
    assert {tuple(row) for row in rows} == {("type", "query", "original_question", "response")}


def test_wrong_answers_and_rejects_are_kept_with_reasons(tmp_path):
    summary = bootstrap(small_recipe(tmp_path))
    outcomes = Counter(verdict.outcome for verdict in records(summary.path, "verdicts", Verdict))
    assert outcomes["wrong"] > 0
    num_candidates = len(records(summary.path, "candidates", Candidate))
    assert sum(outcomes.values()) == num_candidates
    counts = summary.analysis.everything.counts
    assert counts["asked"] == counts["answered"] >= counts["parsed"] >= counts["correct"] >= counts["kept"]


def test_the_same_command_again_asks_nothing_and_writes_the_same_bytes(tmp_path):
    recipe = small_recipe(tmp_path)
    first = bootstrap(recipe)
    before = digests(first.path)
    again = bootstrap(recipe)
    assert asked(again) == {"rewrite": 0, "solve": 0}
    assert digests(again.path) == before
    assert len(before) >= 8


def test_a_changed_temperature_asks_only_the_stage_it_touches(tmp_path):
    bootstrap(small_recipe(tmp_path))
    changed = bootstrap(small_recipe(tmp_path, solving={"temperature": 0.9}))
    assert asked(changed)["rewrite"] == 0
    assert asked(changed)["solve"] > 0


def test_a_changed_prompt_asks_exactly_the_requests_it_touches(tmp_path):
    first = bootstrap(small_recipe(tmp_path))
    prompt = tmp_path / "mine.txt"
    prompt.write_text("[[user]]\nSolve this. End with `The answer is: N`.\n\nQuestion: [[question]]\n")
    changed = bootstrap(small_recipe(tmp_path, prompts={"files": {"backward.gsm8k": str(prompt)}}))
    backward = sum(
        group.counts["asked"] for name, group in first.analysis.by_method.items() if name in ("fobar", "self_verification")
    )
    assert asked(changed)["rewrite"] == 0
    assert 0 < asked(changed)["solve"] <= backward


def test_only_one_stage_is_paid_for(tmp_path):
    recipe = small_recipe(tmp_path)
    assert list(asked(bootstrap(recipe, only="rewrite"))) == ["rewrite"]
    path = recipe.path
    assert not (path / "completions-solve.jsonl").exists() or not (path / "completions-solve.jsonl").read_bytes()
    assert not (path / "samples.jsonl").exists()
    assert list(asked(bootstrap(recipe, only="solve"))) == ["solve"]
    summary = bootstrap(recipe, only="curate")
    assert asked(summary) == {}
    assert summary.num_samples > 20


def test_metamath_mode_runs_end_to_end(tmp_path):
    summary = bootstrap(small_recipe(tmp_path, mode="metamath-2024", verify={"grader": "metamath-2024"}))
    assert summary.num_samples > 10


def test_a_flagged_seed_leaves_the_next_run(tmp_path):
    recipe = small_recipe(tmp_path)
    summary = bootstrap(recipe)
    flagged = records(summary.path, "samples", Sample)[0].seed
    (summary.path / "flags.jsonl").write_text(json.dumps({"id": flagged, "note": "ambiguous"}) + "\n")
    again = bootstrap(recipe)
    assert asked(again) == {"rewrite": 0, "solve": 0}
    assert flagged not in {sample.seed for sample in records(again.path, "samples", Sample)}
    notes = {reject.detail for reject in records(again.path, "rejects", Reject) if reject.reason == "flagged"}
    assert notes == {"ambiguous"}


def test_wrong_answers_can_be_the_samples(tmp_path):
    summary = bootstrap(small_recipe(tmp_path, curate={"outcome": "wrong"}))
    assert {sample.outcome for sample in records(summary.path, "samples", Sample)} == {"wrong"}


def test_failed_requests_are_no_rejects_and_are_asked_again(tmp_path):
    values = small_values(tmp_path)
    settings = {**values["teacher"]["settings"], "fail_share": 0.6}
    teacher = {"backend": "fake", "settings": settings}
    limits = {"max_attempts": 1, "backoff_seconds": 0.01, "breaker_failures": 100_000}
    broken = bootstrap(small_recipe(tmp_path, teacher=teacher, limits=limits))
    assert not broken.is_complete
    assert "failed" not in {reject.reason for reject in records(broken.path, "rejects", Reject)}
    whole = bootstrap(small_recipe(tmp_path))
    (tmp_path / "fresh").mkdir()
    fresh = bootstrap(small_recipe(tmp_path / "fresh"))
    names = set(digests(whole.path)) - {"card.md", "report.html"}
    assert {name: digests(whole.path)[name] for name in names if "metrics" not in name} == {
        name: digests(fresh.path)[name] for name in names if "metrics" not in name
    }


def test_a_budget_of_requests_is_never_exceeded(tmp_path):
    summary = bootstrap(small_recipe(tmp_path, budget={"max_requests": 20}))
    assert sum(asked(summary).values()) <= 20
    assert not summary.is_complete
    assert any("max_requests" in report.message for report in summary.reports)


def test_two_runs_on_one_directory_at_once_are_refused(tmp_path):
    recipe = small_recipe(tmp_path)
    with RunDir.open(recipe.path), pytest.raises(RunLocked, match="is writing to this run"):
        bootstrap(recipe)


def test_two_sources_with_the_same_ids_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"also occurs in bundled:gsm8k.*seeds\.dataset"):
        bootstrap(small_recipe(tmp_path, seeds=[{"source": "bundled:gsm8k"}, {"source": "bundled:gsm8k"}]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": {"fobar": {"draws": 0}}}, "methods.fobar: count and draws must be 1 or more"),
        ({"verify": {"grader": "mth"}}, 'Did you mean "math"'),
        ({"export": {"formats": ["alpca"]}}, 'Did you mean "alpaca"'),
        ({"solving": {"max_tokens": 0}}, "solving: expected temperature"),
        ({"teacher": {"backend": "opneai"}}, 'Did you mean "openai"'),
        ({"prompts": {"files": {"slove": "a.txt"}}}, 'Did you mean "solve"'),
    ],
)
def test_a_recipe_that_makes_no_sense_is_a_sentence(tmp_path, changes, message):
    with pytest.raises((RecipeError, InputError)) as caught:
        bootstrap(small_recipe(tmp_path, **changes))
    assert message in str(caught.value)


def test_an_unwritable_directory_is_a_sentence(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(OSError, match="file"):
        bootstrap(small_recipe(tmp_path, out=str(blocked)))


def run_until_killed(recipe_path: Path, seconds: float) -> int:
    command = [sys.executable, "-m", "mathstrap", "run", str(recipe_path), "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return process.returncode


def paid_rows(path: Path) -> Counter:
    return Counter(
        (row["request"], row["key"])
        for name in ("completions-rewrite.jsonl", "completions-solve.jsonl")
        if (path / name).exists()
        for line in (path / name).read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
        for row in [json.loads(line)]
    )


@pytest.mark.parametrize("num_kills", [4, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_anywhere_it_ends_with_the_same_bytes_and_pays_nothing_twice(tmp_path, num_kills):
    whole = bootstrap(small_recipe(tmp_path, name="whole"))
    values = small_values(tmp_path, name="killed")
    values["teacher"]["settings"]["latency_seconds"] = 0.05
    values["teacher"]["max_in_flight"] = 4
    recipe_path = tmp_path / "killed.yaml"
    recipe_path.write_text(yaml.safe_dump(values))
    path = tmp_path / "runs" / "killed"
    rng = random.Random(11)
    before: Counter = Counter()
    for _ in range(num_kills):
        run_until_killed(recipe_path, rng.uniform(0.35, 1.6))
        paid = paid_rows(path)
        assert before - paid == Counter(), "a reply that was on disk is gone"
        before = paid
    deadline = time.monotonic() + 120
    while run_until_killed(recipe_path, 60) != 0:
        assert time.monotonic() < deadline, "the run never ended"
    paid = paid_rows(path)
    assert max(paid.values()) == 1
    killed, uninterrupted = digests(path), digests(whole.path)
    same = set(uninterrupted) - {"card.md", "report.html"}  # both name the run
    assert {name: killed[name] for name in same} == {name: uninterrupted[name] for name in same}


def test_boxed_answers_of_the_bundled_set_are_its_golds(tmp_path):
    summary = bootstrap(small_recipe(tmp_path), only="rewrite")
    for problem in records(summary.path, "problems", Problem):
        if problem.method == "seed" and "\\boxed" in problem.solution:
            assert last_boxed(problem.solution) == problem.answer
