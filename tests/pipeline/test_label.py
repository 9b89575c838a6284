"""Questions that a method made without a gold: the draws vote, and everything says that the label is a vote."""

from __future__ import annotations

import json
from dataclasses import replace

from bootstrapping import digests, small_recipe
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import bootstrap
from mathstrap.pipeline.preview import preview
from mathstrap.plugins import run_file
from mathstrap.types import Candidate, Problem, Reject, Sample

OFF = {name: {"enabled": False} for name in ("ans_aug", "rephrase", "self_verification", "fobar")}
# Makes a question harder; answers 11 three times in four, but to every third seed always something else.
TEACHER = """
import re
from mathstrap.backends.fake import FakeTeacher

def reply(request):
    question = request.messages[-1].content.rpartition("Problem: ")[2].partition("\\nChange:")[0]
    if "#" not in request.id:
        return "Later on the same day: " + question
    number = int(re.search(r"(\\d+)/", request.id)[1])
    draw = int(request.id.rpartition("#")[2])
    return f"The answer is: {draw if number % 3 == 0 else 5 if draw % 4 == 3 else 11}"

def open_teacher(options):
    return FakeTeacher(reply)
"""


def recipe(tmp_path, **changes):
    (tmp_path / "teacher.py").write_text(TEACHER)
    values = {
        "methods": OFF | {"evolve": {"enabled": True, "count": 2}},
        "seeds": {"source": "bundled:gsm8k", "limit": 6},
        "teacher": {"backend": f"{tmp_path / 'teacher.py'}:open_teacher"},
        "vote": {"draws": 4, "min_agreement": 0.6},
        "export": {"formats": ["alpaca", "openai"]},
        "dedup": None,  # the teacher below says the same of both changes
    }
    return small_recipe(tmp_path, **(values | changes))


def test_draws_label_a_new_question_and_every_record_says_that_it_is_a_vote(tmp_path):
    summary = bootstrap(recipe(tmp_path))
    run = RunDir.read(summary.path)
    problems = {one.id: one for one in run.read_records("problems", Problem) if one.method == "evolve"}
    labelled = {name: one for name, one in problems.items() if one.answer}
    assert len(problems) == 12
    assert len(labelled) == 8
    labels = {(one.answer, one.tags["gold"], one.tags["confidence"]) for one in labelled.values()}
    assert labels == {("11", "voted", 0.75)}
    rejects = [one for one in run.read_records("rejects", Reject) if one.reason == "no_majority"]
    assert {one.id for one in rejects} == problems.keys() - labelled.keys()
    assert {one.stage for one in rejects} == {"solve"}
    samples = list(run.read_records("samples", Sample))
    assert {one.problem for one in samples} == labelled.keys()
    assert {(one.gold_source, one.confidence, one.type) for one in samples} == {("voted", 0.75, "GSM_Evolved")}
    rows = [json.loads(line) for line in (summary.path / "export-alpaca.jsonl").open()]
    assert all((row["gold_source"], row["confidence"]) == ("voted", 0.75) for row in rows)
    assert all(set(json.loads(line)) == {"messages"} for line in (summary.path / "export-openai.jsonl").open())
    card = (summary.path / "README.md").read_text()
    assert f"**{len(samples)} of the {len(samples)} samples have a voted gold**" in card
    # The draws of the vote are the answers; nothing is asked twice, and those of a question that fell out are counted.
    assert len(list(run.read_records("candidates", Candidate))) == 32
    assert summary.analysis.other.replies == 0
    assert preview(recipe(tmp_path)).stages[-1].num_requests == 48


def test_a_run_that_is_stopped_while_it_votes_comes_to_the_same_bytes(tmp_path):
    whole = bootstrap(recipe(tmp_path))
    again = bootstrap(recipe(tmp_path))
    assert sum(report.answered for report in again.reports) == 0
    cut = recipe(tmp_path, name="cut", budget={"max_requests": 30})
    stopped = bootstrap(cut)
    waiting = [one for one in RunDir.read(stopped.path).read_records("problems", Problem) if one.method == "evolve"]
    assert any(not one.answer for one in waiting)
    assert not [one for one in RunDir.read(stopped.path).read_records("rejects", Reject) if one.reason == "no_majority"
                and one.id not in {r.id for r in RunDir.read(whole.path).read_records("rejects", Reject)}]  # fmt: skip
    bootstrap(recipe(tmp_path, name="cut"))
    names = ("problems.jsonl", "candidates.jsonl", "verdicts.jsonl", "rejects.jsonl", "samples.jsonl")
    first, second = digests(whole.path), digests(stopped.path)
    assert {name: first[name] for name in names} == {name: second[name] for name in names}
    # A stricter vote needs no new draw.
    strict = bootstrap(recipe(tmp_path, vote={"draws": 4, "min_agreement": 0.8}))
    assert strict.num_samples == 0
    assert sum(report.answered for report in strict.reports) == 0


# Three draws of eight are right, five forget the figs that Ana has already. With an answer put back, the hidden number
# is worked out: only the right answer gives it back.
JUDGED = """
import re
from mathstrap.backends.fake import FakeTeacher

def reply(request):
    question = request.messages[-1].content.rpartition("Problem: ")[2]
    if "~check" in request.id:
        known = int(re.search(r"question is (\\d+)", question)[1])
        left = int(re.search(r"\\d+", question.split("?")[0])[0])
        return f"The answer is: {known - left}"
    has, more = map(int, re.findall(r"\\d+", question))
    return f"The answer is: {has + more if request.draw < 3 else more}"

def open_teacher(options):
    return FakeTeacher(reply)
"""


def judged(tmp_path, **vote):
    (tmp_path / "judged.py").write_text(JUDGED)
    rows = [{"id": f"q{n}", "question": f"Ana has {n + 2} figs and buys {n + 30} more. How many?"} for n in range(4)]
    rows.append({"id": "q9", "question": "Ana has 9 figs and buys 9 more. How many?"})
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return small_recipe(
        tmp_path,
        seeds={"source": str(tmp_path / "q.jsonl"), "gold": "voted"},
        methods=OFF | {"ans_aug": {"draws": 1}},
        teacher={"backend": f"{tmp_path / 'judged.py'}:open_teacher"},
        vote={"draws": 8, "min_agreement": 0.3} | vote,
    )


def test_an_answer_that_gives_a_hidden_number_back_gains_weight(tmp_path):
    plain = bootstrap(judged(tmp_path))
    votes = {one.id: one for one in RunDir.read(plain.path).read_records("problems", Problem) if one.method == "seed"}
    assert [votes[f"q{n}"].answer for n in range(4)] == ["30", "31", "32", "33"]
    summary = bootstrap(judged(tmp_path, judge="fobar"))
    run = RunDir.read(summary.path)
    seeds = {one.id: one for one in run.read_records("problems", Problem) if one.method == "seed"}
    assert [seeds[f"q{n}"].answer for n in range(4)] == ["32", "34", "36", "38"]
    tags = seeds["q0"].tags
    assert (tags["gold"], tags["agreement"], tags["given_back"], tags["calibrated"]) == ("voted", 0.375, 1.0, False)
    assert tags["confidence"] == round((0.375 * 5 / 6) ** 0.5, 4)
    # Checks are paid for, and are no answers: every answer that was asked for was graded.
    group = summary.analysis.by_method["ans_aug"]
    assert group.counts["asked"] == group.counts["parsed"] == 40
    assert summary.analysis.other.replies == 0
    assert len([one for one in run.completions("solve") if "~check" in one.request]) == 40
    assert {one.confidence for one in run.read_records("samples", Sample)} == {tags["confidence"]}
    again = bootstrap(judged(tmp_path, judge="fobar"))
    assert sum(report.answered for report in again.reports) == 0
    planned = {stage.name: stage for stage in preview(judged(tmp_path, judge="fobar")).stages}
    assert (planned["check ans_aug"].num_requests, planned["check ans_aug"].tokens_out_expected) == (60, 0)


def test_a_judged_run_that_is_stopped_goes_on_and_a_question_without_a_number_is_voted_on(tmp_path):
    whole = bootstrap(judged(tmp_path, judge="fobar"))
    recipe = judged(tmp_path, judge="fobar")
    cut = bootstrap(replace(recipe, name="cut", budget=replace(recipe.budget, max_requests=60)))
    assert not cut.is_complete
    bootstrap(replace(recipe, name="cut"))
    names = ("problems.jsonl", "candidates.jsonl", "verdicts.jsonl", "rejects.jsonl", "samples.jsonl")
    first, second = digests(whole.path), digests(cut.path)
    assert {name: first[name] for name in names} == {name: second[name] for name in names}
    (tmp_path / "q.jsonl").write_text(json.dumps({"id": "w", "question": "Ana has some figs. How many?"}) + "\n")
    (tmp_path / "judged.py").write_text(JUDGED.replace("has, more = map", "has, more = 1, 2 #"))
    run_file.cache_clear()
    silent = bootstrap(replace(recipe, name="silent"))
    (seed, *_) = RunDir.read(silent.path).read_records("problems", Problem)
    assert (seed.answer, seed.tags["confidence"]) == ("2", 0.625)
    assert "given_back" not in seed.tags
