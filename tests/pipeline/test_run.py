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
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from bootstrapping import digests, small_recipe, small_values
from mathstrap.errors import InputError, RecipeError, RunLocked
from mathstrap.files.rundir import RunDir
from mathstrap.parallel import here
from mathstrap.pipeline import bootstrap
from mathstrap.pipeline.curate import held_out
from mathstrap.pipeline.run import STAGES, finish
from mathstrap.pipeline.seeds import load_seeds
from mathstrap.pipeline.state import Context, State
from mathstrap.pipeline.teacher import Teacher
from mathstrap.problems.load import last_boxed
from mathstrap.report.analysis import analyse_run
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


HALF_THE_SEEDS = {"seeds": [{"source": "bundled:gsm8k", "limit": 4}, {"source": "bundled:math", "limit": 2}]}
FEWER_DRAWS = {"methods": {"ans_aug": {"draws": 1}, "rephrase": {"count": 1, "draws": 2}}}
WORKED = {"methods": {"ans_aug": {"draws": 3}, "rephrase": {"count": 1}, "renumber": {"enabled": True, "count": 2}}}


@pytest.mark.parametrize("changes", [HALF_THE_SEEDS, FEWER_DRAWS, WORKED])
def test_a_smaller_recipe_in_the_same_run_has_the_numbers_of_a_fresh_one(tmp_path, changes):
    first = bootstrap(small_recipe(tmp_path))
    assert not first.analysis.other.replies
    again = bootstrap(small_recipe(tmp_path, **changes))
    fresh = bootstrap(small_recipe(tmp_path, **changes, out=str(tmp_path / "elsewhere")))
    left_over = again.analysis.other
    assert left_over.replies > 0
    assert replace(again.analysis, other=fresh.analysis.other) == fresh.analysis
    assert left_over.sentence in (again.path / "README.md").read_text().replace("Paid for", "paid for")
    assert left_over.sentence in (again.path / "report.html").read_text()
    assert analyse_run(RunDir.read(again.path)) == again.analysis


def test_going_back_to_the_larger_recipe_counts_its_replies_again(tmp_path):
    first = bootstrap(small_recipe(tmp_path))
    bootstrap(small_recipe(tmp_path, **HALF_THE_SEEDS))
    back = bootstrap(small_recipe(tmp_path))
    assert asked(back) == {"rewrite": 0, "solve": 0}
    assert back.analysis == first.analysis


@pytest.mark.parametrize(
    ("limits", "lost"),
    [
        ((6, 9), 0),  # more seeds take nothing away
        ((9, 9), 0),
        ((9, 6), 3),
    ],
)
def test_other_seeds_under_the_same_name_take_no_samples_away_unasked(tmp_path, limits, lost):
    before, after = (
        small_recipe(tmp_path, seeds={"source": "bundled:gsm8k", "limit": limit}) for limit in limits
    )
    path = bootstrap(before).path
    kept = digests(path)
    asked = []
    if lost:
        with pytest.raises(InputError, match=f"come from {lost} seeds that the present recipe does not have"):
            bootstrap(after, may_replace=lambda sentence: asked.append(sentence) or False)
        assert digests(path) == kept
        assert "recipe.yaml" not in asked[0]
    bootstrap(after, may_replace=lambda sentence: asked.append(sentence) or True)
    assert len(asked) == 2 * bool(lost)


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
    groups = first.analysis.by_method
    backward = sum(groups[name].counts["asked"] for name in ("fobar", "self_verification"))
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
    card = (summary.path / "README.md").read_text()
    assert "final answer is wrong, on purpose" in card
    assert "agreed" not in card
    assert "with a wrong answer, on purpose, by method" in (summary.path / "report.html").read_text()


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
    names = set(digests(whole.path)) - {"README.md", "report.html"}
    assert {name: digests(whole.path)[name] for name in names if "metrics" not in name} == {
        name: digests(fresh.path)[name] for name in names if "metrics" not in name
    }


def test_a_budget_of_requests_is_never_exceeded(tmp_path):
    summary = bootstrap(small_recipe(tmp_path, budget={"max_requests": 20}))
    assert sum(asked(summary).values()) <= 20
    assert not summary.is_complete
    assert any("max_requests" in report.message for report in summary.reports)
    sentences = [short.sentence for short in summary.short]
    assert sum("lacks" in sentence for sentence in sentences) >= 2
    assert [row["sentence"] for row in RunDir.read(summary.path).manifest["shortfall"]] == sentences
    for name in ("README.md", "report.html"):
        assert all(sentence in (summary.path / name).read_text() for sentence in sentences), name
    whole = bootstrap(small_recipe(tmp_path))
    assert RunDir.read(whole.path).manifest["shortfall"] == []
    assert "Fewer than planned" not in (whole.path / "report.html").read_text()


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
        ({"methods": {"fobar": {"draws": 0}}}, "methods.fobar.draws: found 0, expected 1 or more"),
        ({"verify": {"grader": "mth"}}, 'Did you mean "math"'),
        ({"export": {"formats": ["alpca"]}}, 'Did you mean "alpaca"'),
        ({"solving": {"max_tokens": 0}}, "solving.max_tokens: found 0, expected 1 or more"),
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
    same = set(uninterrupted) - {"README.md", "report.html"}  # both name the run
    assert {name: killed[name] for name in same} == {name: uninterrupted[name] for name in same}


def test_boxed_answers_of_the_bundled_set_are_its_golds(tmp_path):
    summary = bootstrap(small_recipe(tmp_path), only="rewrite")
    for problem in records(summary.path, "problems", Problem):
        if problem.method == "seed" and "\\boxed" in problem.solution:
            assert last_boxed(problem.solution) == problem.answer


def test_until_draws_more_where_answers_fail_and_stops_where_they_do_not(tmp_path):
    sampling = {"policy": "until", "target": 2, "max_tries": 8, "max_per_round": 3}
    recipe = small_recipe(tmp_path, sampling=sampling, curate={"same_reply": "keep"})
    summary = bootstrap(recipe)
    correct, tries = Counter(), Counter()
    for verdict in records(summary.path, "verdicts", Verdict):
        problem = verdict.candidate.rpartition("#")[0]
        tries[problem] += 1
        correct[problem] += verdict.outcome == "correct"
    assert all(correct[problem] >= 2 or tries[problem] == 8 for problem in tries)
    assert len(set(tries.values())) > 1
    missing = sum(max(0, 2 - correct[problem]) for problem in tries)
    assert sum(short.missing for short in summary.shortfall) == missing
    before = digests(summary.path)
    assert asked(bootstrap(recipe)) == {"rewrite": 0, "solve": 0}
    assert digests(summary.path) == before


def test_a_budget_is_shared_between_methods(tmp_path):
    one = bootstrap(small_recipe(tmp_path, name="whole"))
    rewrites = one.reports[0].answered
    wanted = one.analysis.everything.counts["asked"]
    half = bootstrap(small_recipe(tmp_path, name="half", budget={"max_requests": (rewrites + wanted) // 2}))
    shares = {
        name: half.analysis.by_method[name].counts["asked"] / group.counts["asked"]
        for name, group in one.analysis.by_method.items()
    }
    assert all(0.3 < share < 0.7 for share in shares.values()), shares
    assert {short.group for short in half.shortfall} == set(shares)


@pytest.mark.parametrize("share", ["wanted", "equal"])
def test_a_budget_of_tokens_is_shared_between_rewrites_and_answers_of_every_method(tmp_path, share):
    whole = bootstrap(small_recipe(tmp_path, name="whole"))
    tokens = sum(row.get("tokens_in", 0) + row.get("tokens_out", 0) for row in replies(whole.path))
    recipe = small_recipe(tmp_path, name="half", budget={"max_tokens": tokens // 2}, sampling={"share": share})
    half = bootstrap(recipe)
    spent = sum(row.get("tokens_in", 0) + row.get("tokens_out", 0) for row in replies(half.path))
    assert 0.6 * tokens // 2 < spent <= tokens // 2
    assert all(group.counts["asked"] for group in half.analysis.by_method.values())
    short = {(row.group, row.of): row.missing for row in half.shortfall}
    assert short["rephrase", "rewrites"] > 0
    before = digests(half.path)
    assert asked(bootstrap(recipe)) == {"rewrite": 0, "solve": 0}
    assert digests(half.path) == before
    richer = bootstrap(small_recipe(tmp_path, name="half", budget={"max_tokens": tokens * 20}))
    assert not richer.shortfall
    assert sorted(row["request"] for row in replies(richer.path)) == sorted(
        row["request"] for row in replies(whole.path)
    )


def replies(path):
    return [json.loads(line) for file in path.glob("completions-*.jsonl") for line in file.open()]


def test_seeds_that_repeat_each_other_are_held_out_together(tmp_path):
    question = "Tom has {} red apples and buys {} more green apples at {} market. How many apples does Tom have in all?"
    seeds = [
        Problem(
            id=f"q{n}.{twin}", dataset="q", style="gsm8k", question=question.format(n, 4, where), answer=str(n + 4),
        )
        for n in range(20)
        for twin, where in enumerate(("the", "a"))
    ]  # fmt: skip
    held = held_out(seeds, 0.3, rng_seed=5)
    assert len(held) == 12
    assert all((f"q{n}.0" in held) == (f"q{n}.1" in held) for n in range(20))
    assert not held_out(seeds, 0.0, rng_seed=5)


def test_questions_without_answers_are_labelled_by_their_majority(tmp_path):
    rows = [{"id": f"q{n}", "question": f"Ana has {n + 2} figs and buys {n + 3} more. How many?"} for n in range(6)]
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    golds = tmp_path / "golds.jsonl"
    golds.write_text("".join(json.dumps({**row, "answer": str(2 * n + 5)}) + "\n" for n, row in enumerate(rows)))
    recipe = small_recipe(
        tmp_path,
        seeds={"source": str(path), "gold": "voted"},
        teacher={"backend": "fake", "settings": {"golds": str(golds), "accuracy": 0.8}},
        vote={"draws": 8},
    )
    summary = bootstrap(recipe)
    seeds = {p.id: p for p in records(summary.path, "problems", Problem) if p.method == "seed"}
    assert len(seeds) >= 4
    assert all(seed.answer == str(2 * int(name[1:]) + 5) for name, seed in seeds.items())
    samples = records(summary.path, "samples", Sample)
    assert {sample.gold_source for sample in samples} == {"voted"}
    assert all(0.5 <= sample.confidence <= 1 for sample in samples)
    draws = [c for c in records(summary.path, "candidates", Candidate) if c.problem == "q0/ans_aug.1"]
    assert len(draws) == 8, "the vote's draws serve as answer augmentation and are not paid for twice"


def test_a_mix_keeps_counts_and_says_what_fell_short(tmp_path):
    targets = [{"where": {"method": "fobar"}, "count": 3}, {"where": {"method": "rephrase"}, "count": 500}]
    summary = bootstrap(small_recipe(tmp_path, mix={"targets": targets}))
    kinds = Counter(sample.method for sample in records(summary.path, "samples", Sample))
    assert kinds["fobar"] == 3
    assert set(kinds) == {"fobar", "rephrase"}
    assert [part.shortfall > 0 for part in summary.parts] == [False, True]


def test_false_arithmetic_is_flagged_or_dropped(tmp_path):
    rows = [{"id": "q", "question": "Ana has 2 figs and buys 3 more. How many figs has she now?", "answer": "5"}]
    (tmp_path / "q.jsonl").write_text(json.dumps(rows[0]) + "\n")
    replies = tmp_path / "replies"
    common = {"seeds": {"source": str(tmp_path / "q.jsonl")}, "methods": {"ans_aug": {"draws": 2}}}
    for name in ("rephrase", "self_verification", "fobar"):
        common["methods"][name] = {"enabled": False}
    recipe = small_recipe(replies.parent, **common)
    with RunDir.open(recipe.path) as run:
        from mathstrap.pipeline.derive import plan_rewrites, plan_solves
        from mathstrap.problems.load import SeedsOptions, load_problems
        from mathstrap.types import Completion

        seeds = load_problems(SeedsOptions(source=str(tmp_path / "q.jsonl"))).problems
        texts = ["2 + 3 = 5. The answer is: 5", "2 + 3 = 6, but one is bad. The answer is: 5"]
        sink = run.sink("solve")
        for request, text in zip(plan_solves(plan_rewrites(seeds, recipe).problems, recipe), texts, strict=True):
            sink.completion(Completion(request=request.id, key=request.key, text=text, finish_reason="stop"))
    flagged = records(bootstrap(recipe).path, "samples", Sample)
    assert [bool(sample.tags.get("bad_arithmetic")) for sample in flagged] == [False, True]
    dropped = bootstrap(small_recipe(replies.parent, **common, curate={"bad_arithmetic": "drop"}))
    assert dropped.num_samples == 1
    assert {r.reason for r in records(dropped.path, "rejects", Reject)} == {"bad_arithmetic"}


def test_validation_rows_share_no_seed_with_training_rows(tmp_path):
    summary = bootstrap(small_recipe(tmp_path, export={"formats": ["metamathqa"], "validation_share": 0.25}))
    train, held = (
        {json.loads(line)["original_question"] for line in (summary.path / name).read_text().splitlines()}
        for name in ("export-metamathqa.jsonl", "export-metamathqa-validation.jsonl")
    )
    assert train
    assert held
    assert not train & held


def test_questions_a_test_set_asks_too_are_dropped_and_certified(tmp_path):
    from mathstrap.problems.load import SeedsOptions, load_problems

    seeds = load_problems(SeedsOptions(source="bundled:gsm8k", limit=9)).problems
    rows = [{"question": seeds[4].question, "answer": seeds[4].answer}]
    test_set = tmp_path / "test.jsonl"
    test_set.write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = bootstrap(small_recipe(tmp_path, decontaminate={"against": [str(test_set)]}))
    dropped = [reject for reject in records(summary.path, "rejects", Reject) if reject.reason == "contaminated"]
    assert {reject.id.partition("/")[0] for reject in dropped} == {seeds[4].id}
    assert seeds[4].id not in {sample.seed for sample in records(summary.path, "samples", Sample)}
    card = (summary.path / "README.md").read_text()
    assert "test.jsonl" in card
    assert "Not checked" not in card


COUNTING_METHOD = """
from pathlib import Path
from mathstrap.augment import Augmentation, Draft
from mathstrap.types import Problem

def rewrite(parent, count, *, mode="default", rng_seed=0):
    return [Draft(id=f"{parent.id}/echo.{n}", method="echo", mode=mode, fields={"question": parent.question},
                  answer=parent.answer) for n in range(1, count + 1)]

def prompt(parent, draft, prompt):
    from mathstrap.prompts import render
    with Path("rendered.txt").open("a") as out:
        out.write(draft.id + "\\n")
    return render(prompt, draft.fields)

def parse(parent, draft, completion):
    return Problem(id=draft.id, dataset=parent.dataset, style=parent.style, question=f"{draft.id} {parent.question}",
                   answer=draft.answer, method="echo", parent=parent.id)

ECHO = Augmentation(name="echo", rewrite=rewrite, prompt=prompt, parse=parse, template="[[user]]\\n[[question]]")
"""


def test_a_prompt_is_rendered_once_on_its_way_whether_it_is_asked_or_already_answered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "echo.py").write_text(COUNTING_METHOD)
    methods = {name: {"enabled": False} for name in ("rephrase", "self_verification", "fobar")}
    methods["own"] = {"echo": {"code": "echo.py:ECHO", "count": 2}}
    recipe = small_recipe(tmp_path, methods=methods)
    for _ in range(2):
        summary = bootstrap(recipe)
        rendered = Counter((tmp_path / "rendered.txt").read_text().split())
        assert len(rendered) == 24
        assert set(rendered.values()) == {1}, rendered
        (tmp_path / "rendered.txt").unlink()
    assert summary.num_problems > 24


def test_the_replies_of_a_run_are_gone_through_once(tmp_path):
    """Besides the index of what is there, one pass reads the answers, and the report those few that it shows."""
    recipe = small_recipe(tmp_path)
    summary = bootstrap(recipe)
    num_replies = sum(report.answered for report in summary.reports)
    assert num_replies > 100
    read = Counter()
    unwatched = os.pread

    def watched(fd, length, offset):
        read["completions" in str(Path(f"/proc/self/fd/{fd}").readlink())] += 1
        return unwatched(fd, length, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", watched)
        bootstrap(small_recipe(tmp_path, name="other"))
    shown = sum(min(10, sum(counts.values())) for counts in summary.analysis.rejects.values()) + 20
    assert num_replies <= read[True] <= num_replies + shown


@pytest.mark.slow
def test_the_end_of_a_run_of_a_thousand_samples_takes_under_two_seconds_of_processor_time(tmp_path):
    asked = "Ana has {} figs and buys {} more in {}. How many?"
    rows = [
        {"id": f"q{n}", "question": asked.format(n + 2, n + 3, 1900 + n), "answer": str(2 * n + 5)} for n in range(130)
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = small_recipe(
        tmp_path,
        seeds={"source": str(path)},
        teacher={"backend": "fake", "settings": {"golds": str(path), "accuracy": 1.0}},
        dedup=None,
        curate={"same_reply": "keep"},
    )
    bootstrap(recipe)
    with RunDir.open(recipe.path) as run, Teacher(recipe, run, None) as teacher:
        context = Context(recipe=recipe, run=run, teacher=teacher, map_chunks=here, map_searches=here)
        state = State(seeds=load_seeds(recipe))
        for _, run_stage in STAGES:
            state = run_stage(state, context)
        started = time.process_time()
        summary = finish(state, context)
        seconds = time.process_time() - started
    assert summary.num_samples >= 1_000
    assert seconds < 20
