"""A rewriting that falls out is asked for once more and told why; old replies stay valid, and budgets are kept."""

from __future__ import annotations

import pytest

from bootstrapping import digests, small_recipe
from mathstrap.augment import Draft
from mathstrap.augment.second_chance import why
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline import bootstrap
from mathstrap.pipeline.family import family_of
from mathstrap.pipeline.preview import preview
from mathstrap.types import REASONS, Asked, Candidate, Completion, Problem, Reject, Sample

# Says the question in other words the first time for one seed in three; else leaves its first number out, and when it
# is told mends that for every second seed.
TEACHER = """
import re
from mathstrap.backends.fake import FakeTeacher

def reply(request):
    if "#" in request.id:
        return "The answer is: 1"
    first = [m for m in request.messages if m.role == "user"][0].content
    question = first.rpartition("Problem: ")[2].partition("\\nReworded:")[0]
    number = int(re.search(r"(\\d+)/", request.id)[1])
    good = "Consider the following. " + question
    lost = re.sub(r"\\d+", "some", good, count=1)
    if request.id.endswith("~again"):
        assert request.messages[-2].content == lost, "the reply is shown"
        assert re.search(r"The number \\d+ is missing", request.messages[-1].content), request.messages[-1].content
        return good if number % 2 else lost
    return good if number % 3 == 0 else lost

def open_teacher(options):
    return FakeTeacher(reply)
"""
OFF = {name: {"enabled": False} for name in ("ans_aug", "self_verification", "fobar")}


def recipe(tmp_path, *, second_chance=True, **changes):
    (tmp_path / "teacher.py").write_text(TEACHER)
    values = {
        "methods": OFF | {"rephrase": {"count": 1, "second_chance": second_chance}},
        "seeds": {"source": "bundled:gsm8k", "limit": 9},
        "teacher": {"backend": f"{tmp_path / 'teacher.py'}:open_teacher"},
    }
    return small_recipe(tmp_path, **(values | changes))


def outcome(path):
    run = RunDir.read(path)
    kept = {one.parent[-1]: one for one in run.read_records("problems", Problem) if one.method == "rephrase"}
    return kept, {one.id[9:12]: one for one in run.read_records("rejects", Reject) if one.stage == "rewrite"}


def test_what_fell_out_is_asked_for_once_more_and_told_why(tmp_path):
    summary = bootstrap(recipe(tmp_path))
    kept, rejects = outcome(summary.path)
    assert sorted(kept) == list("135679")
    assert {name for name, one in kept.items() if "second_chance" in one.tags} == set("157")
    assert kept["1"].tags["second_chance"] == "numbers_differ"
    assert [one.reason for one in rejects.values()] == ["numbers_differ"] * 3
    assert all(one.detail.startswith("asked twice; lost: ") for one in rejects.values())
    run = RunDir.read(summary.path)
    assert len([one for one in run.read_records("asked-rewrite", Asked) if one.id.endswith("~again")]) == 6
    # Both tries are counted as cost, and the question once.
    group = summary.analysis.by_method["rephrase"]
    assert (group.counts["drafted"], group.counts["passed"], summary.analysis.other.replies) == (9, 6, 0)
    assert "again" in run.manifest["prompts"]
    assert not list(run.read_records("samples", Sample)) or summary.is_complete
    first, second = family_of("mini-gsm-002", recipe(tmp_path), run).rewrites
    assert (first.reject.reason, second.reject.reason) == ("numbers_differ", "numbers_differ")
    assert second.request.messages[:-2] == first.request.messages
    assert second.completion is not None
    again = bootstrap(recipe(tmp_path))
    assert sum(report.answered for report in again.reports) == 0


def test_an_old_run_keeps_its_replies_and_only_what_fell_out_is_asked(tmp_path):
    before = bootstrap(recipe(tmp_path, second_chance=False))
    assert sorted(outcome(before.path)[0]) == list("369")
    plain = digests(before.path)
    after = bootstrap(recipe(tmp_path))
    asked = sum(report.answered for report in after.reports if report.stage == "rewrite")
    assert asked == 6
    whole = bootstrap(recipe(tmp_path, name="whole"))
    assert digests(whole.path)["problems.jsonl"] == digests(after.path)["problems.jsonl"]
    # Turned off again, the run is what it was.
    assert digests(bootstrap(recipe(tmp_path, second_chance=False)).path)["samples.jsonl"] == plain["samples.jsonl"]


def test_answers_come_before_second_chances_where_money_is_short(tmp_path):
    # Of 14 calls 7 are for rewritings, of which 2 pass; their answers and two second chances with theirs make 13.
    short = bootstrap(recipe(tmp_path, budget={"max_requests": 14}))
    run = RunDir.read(short.path)
    assert len([one for one in run.completions("rewrite") if one.request.endswith("~again")]) == 2
    kept = outcome(short.path)[0]
    assert sorted(kept) == list("136")
    assert {one.problem[9:12] for one in run.read_records("candidates", Candidate)} == {"001", "003", "006"}
    more = bootstrap(recipe(tmp_path))
    assert more.is_complete
    assert sorted(outcome(more.path)[0]) == list("135679")


def test_the_dry_run_counts_second_chances_at_most(tmp_path):
    planned = {stage.name: stage for stage in preview(recipe(tmp_path)).stages}
    again = planned["again rephrase"]
    assert (again.num_requests, again.tokens_out_expected) == (9, 0)
    assert again.tokens_out_most == planned["rewrite rephrase"].tokens_out_most
    assert "The number 1/4 is missing." in again.first[-1].content


DRAFT = Draft(
    id="s-1/self_verification.1", method="self_verification", mode="default", answer="25", tags={"variable": "x"},
    fields={"question": "How much?", "answer": "45"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "detail", "says"),
    [
        ("numbers_differ", "lost: 1/4", "The number 1/4 is missing."),
        ("numbers_differ", "lost: 1/4; added: 7", "The number 1/4 is missing. The number 7 is new: leave it out."),
        ("numbers_differ", "lost: ; added: 7, 9", "The numbers 7, 9 are new: leave them out."),
        ("numbers_differ", "lost: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9", "The numbers 0, 1, 2, 3, 4, 5, 6, 7 are missing."),
        ("not_a_question", "", "It is not a question: end with what is asked."),
        ("x_lost", "", "The unknown x is missing."),
        ("gold_lost", "", "It does not state the answer 45."),
        ("refused", "", ""),
        ("prompt_refused", "", ""),
        ("no_number", "", ""),
        ("cannot_renumber", "", ""),
    ],
)
def test_the_reason_is_a_sentence_and_some_reasons_cannot_be_mended(reason, detail, says):
    assert reason in REASONS
    assert why(Reject(id=DRAFT.id, stage="rewrite", reason=reason, detail=detail), DRAFT) == says


def test_a_prompt_without_turns_and_an_empty_reply_are_asked_again_too(tmp_path):
    from mathstrap.pipeline.again import again_request, second_chance
    from mathstrap.pipeline.derive import plan_rewrites
    from mathstrap.pipeline.seeds import load_seeds

    raw = tmp_path / "raw.txt"
    raw.write_text("[[raw]]\nQuestion: [[question]]\nIn other words:")
    plain = recipe(tmp_path, prompts={"files": {"rephrase": str(raw)}})
    (planned, *_) = plan_rewrites(load_seeds(plain).problems, plain).rewrites
    empty = Completion(request=planned.draft.id, key="k", text="", finish_reason="stop")
    chance = second_chance(planned, empty, Reject(id=planned.draft.id, stage="rewrite", reason="empty"), plain)
    assert chance is not None
    (message,) = again_request(chance, plain).messages
    assert message.role == "raw"
    assert "In other words:\n\n(nothing)\n\nThis cannot be used. It holds no text." in message.content
