"""Numbers of a run against examples computed by hand."""

from __future__ import annotations

import math
import random

import pytest

from mathstrap.stats import (
    OtherReplies,
    PlannedDraws,
    RunRecords,
    analyse,
    count_steps,
    difficulty_of,
    method_of,
    quantile,
)
from mathstrap.stats.estimates import Sums, median, ratio, share, t_quantile, two_sided_p, wilson
from mathstrap.types import Candidate, Completion, Failure, Problem, Reject, Sample, Verdict
from synthetic_run import make


def seed(name, **more):
    return Problem(id=name, dataset="gsm8k", style="gsm8k", question="How many?", answer="4", **more)


def reply(request, tokens_in=100, tokens_out=10, finish="stop"):
    return Completion(
        request=request, key="k", text="t", finish_reason=finish, tokens_in=tokens_in, tokens_out=tokens_out
    )


def sample(name, response="one two\nthree\nThe answer is: 4"):
    method = method_of(name)
    return Sample(
        id=name, type="GSM_AnsAug", query="q", original_question="q", response=response, problem=name.partition("#")[0],
        seed=name[:1], dataset="gsm8k", method=method, answer="4",
    )  # fmt: skip


def verdict(name, outcome="correct"):
    return Verdict(candidate=name, outcome=outcome, got="4", expected="4", grader="math")


def hand_made():
    """Two seeds; a has 2 answers (1 kept) and a FOBAR question, b has 2 answers (0 kept) and a broken request."""
    return RunRecords(
        problems=[
            seed("a", solution="1+1=<<1+1=2>>2\n2+2=<<2+2=4>>4\n#### 4"),
            seed("b", tags={"level": "Level 3"}),
            seed("a/fobar.1", method="fobar", parent="a"),
        ],
        rewrites=[reply("a/rephrase.1#0", 40, 20)],
        replies=[reply("a#0"), reply("a#1", 0, 30), reply("b#0"), reply("a/fobar.1#0", 50, 5, "length")],
        failures=[Failure(id=name, key="k", error="x") for name in ("b#1", "b#1", "a#0")],
        candidates=[Candidate(id=i, problem="p", text="t", answer="4") for i in ("a#0", "a#1", "a/fobar.1#0")],
        verdicts=[verdict("a#0"), verdict("a#1", "wrong"), verdict("a/fobar.1#0")],
        rejects=[
            Reject(id="a/rephrase.1", stage="rewrite", reason="numbers_differ"),
            Reject(id="b#0", stage="solve", reason="no_answer"),
            Reject(id="gsm8k-9", stage="seeds", reason="bad_row"),
        ],
        samples=[sample("a#0"), sample("a/fobar.1#0")],
    )  # fmt: skip


def test_the_funnel_is_counted_by_method():
    analysis = analyse(hand_made())
    assert analysis.everything.counts == {
        "asked": 5, "answered": 4, "parsed": 3, "correct": 2, "kept": 2, "wrong": 1, "undecided": 0,
        "drafted": 2, "passed": 1,
    }  # fmt: skip
    augmented = analysis.by_method["ans_aug"].counts
    assert [augmented[stage] for stage in ("asked", "answered", "parsed", "correct", "kept")] == [4, 3, 2, 1, 1]
    assert analysis.by_method["rephrase"].counts["drafted"] == 1
    assert analysis.by_method["rephrase"].counts["passed"] == 0
    assert list(analysis.by_method) == ["ans_aug", "rephrase", "fobar"]
    assert analysis.rejects == {
        "bad_row": {"seed": 1},
        "no_answer": {"ans_aug": 1},
        "numbers_differ": {"rephrase": 1},
    }
    assert analysis.finish_reasons == {"length": 1, "stop": 4}


def test_a_failure_that_was_answered_later_is_asked_once():
    assert analyse(hand_made()).by_method["ans_aug"].counts["asked"] == 4  # a#0 failed before it was answered


def test_only_what_the_plan_asks_is_counted():
    made = vars(hand_made()) | {"verdicts": [verdict("a#0")], "samples": [sample("a#0")]}
    plan = PlannedDraws(draws={"a": (1, "k"), "b": (2, "k"), "a/fobar.1": (1, "older words")})
    analysis = analyse(RunRecords(**(made | {"plan": plan})), usd=lambda tokens_in, tokens_out: tokens_in + tokens_out)
    counts = analysis.everything.counts
    assert (counts["asked"], counts["answered"], counts["correct"], counts["kept"]) == (3, 2, 1, 1)  # b#1 failed
    assert (analysis.tokens_in, analysis.tokens_out) == (200, 20)
    assert analysis.other == OtherReplies(replies=3, tokens_in=90, tokens_out=55, usd=145.0)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (OtherReplies(), ""),
        (OtherReplies(replies=1, tokens_in=7), "paid for, not part of this recipe: 1 reply, 7 tokens"),
        (
            OtherReplies(replies=25, tokens_in=4_000, tokens_out=3_000, usd=0.021),
            "paid for, not part of this recipe: 25 replies, 7,000 tokens, $0.02",
        ),
    ],
)
def test_what_is_not_part_of_the_recipe_is_said_in_one_line(other, sentence):
    assert other.sentence == sentence


def test_yields_by_difficulty_follow_the_seed():
    groups = analyse(hand_made()).by_difficulty
    assert groups["1-2 steps"].accuracy.value == pytest.approx(2 / 3)
    assert groups["Level 3"].accuracy.value == 0.0


def test_lengths_are_those_of_kept_samples():
    analysis = analyse(hand_made())
    assert analysis.everything.words.value == 7.0
    assert analysis.everything.steps.value == 2.0
    assert analysis.by_method["ans_aug"].tokens.value == 10.0
    assert analysis.lengths["ans_aug"]["words"] == {7: 1}


def test_cost_per_kept_sample_counts_everything_spent_on_the_slice():
    analysis = analyse(hand_made(), usd=lambda tokens_in, tokens_out: tokens_in * 1e-3 + tokens_out * 1e-2)
    # ans_aug: (100+10) + (0+30) + (100+10) tokens for one kept sample
    assert analysis.by_method["ans_aug"].tokens_per_kept.value == 250.0
    assert analysis.by_method["ans_aug"].usd_per_kept.value == pytest.approx(0.2 + 0.5)
    assert analysis.tokens_in == 290
    assert analysis.tokens_out == 75
    assert analysis.usd == pytest.approx(0.29 + 0.75)
    assert math.isnan(analysis.by_method["rephrase"].tokens_per_kept.value)  # spent, and nothing kept


def test_an_empty_run_has_no_numbers_and_no_error():
    analysis = analyse(RunRecords())
    assert analysis.everything.counts["asked"] == 0
    assert math.isnan(analysis.everything.accuracy.value)
    assert analysis.by_method == {}


def test_a_large_run_adds_up():
    made = make(60)
    analysis = analyse(RunRecords(**{name: getattr(made, name) for name in vars(made)}))
    assert analysis.everything.counts["kept"] == len(made.samples)
    for groups in (analysis.by_method, analysis.by_dataset, analysis.by_difficulty):
        for stage, total in analysis.everything.counts.items():
            assert sum(group.counts[stage] for group in groups.values()) == total


@pytest.mark.parametrize(
    ("record_id", "method"),
    [
        ("gsm8k-train-00042", "ans_aug"),
        ("gsm8k-train-00042#3", "ans_aug"),
        ("gsm8k-train-00042/ans_aug.1#3", "ans_aug"),
        ("gsm8k-train-00042/fobar.1#3", "fobar"),
        ("gsm8k-train-00042/rephrase.2/fobar.1", "fobar"),
    ],
)
def test_the_method_is_read_off_the_lineage(record_id, method):
    assert method_of(record_id) == method


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a\n\nb\n#### 3\nThe answer is: 3", 2),
        ("First this. Then that. The answer is: 3", 2),
        ("It is 3.5 in all. The answer is: 3.5", 1),
        ("", 0),
        ("The answer is: 3", 0),
    ],
)
def test_steps_are_lines_or_sentences_before_the_conclusion(text, steps):
    assert count_steps(text) == steps


@pytest.mark.parametrize(
    ("tags", "solution", "want"),
    [
        ({"level": "Level 5"}, "", "Level 5"),
        ({"level": 2}, "", "Level 2"),
        ({}, "<<1+1=2>><<2+2=4>><<3+3=6>>", "3-4 steps"),
        ({}, "", "under 30 words"),
    ],
)
def test_difficulty_is_the_level_or_the_steps_or_the_length(tags, solution, want):
    assert difficulty_of(seed("a", tags=tags, solution=solution)) == want


def test_wilson_matches_the_textbook():
    low, high = wilson(0.5, 10)  # centre 0.5, reach 1.96/(1+.384) * sqrt(.025+.0096)
    assert low == pytest.approx(0.2366, abs=1e-4)
    assert high == pytest.approx(0.7634, abs=1e-4)
    assert wilson(0.0, 20)[0] == 0.0
    assert wilson(0.0, 20)[1] == pytest.approx(0.1611, abs=1e-4)
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_a_share_with_one_row_per_cluster_is_wilson_without_a_design_effect():
    top = {str(i): float(i < 6) for i in range(10)}
    found = share(top, dict.fromkeys(top, 1.0))
    # The linearised variance has 10/9 in front of p(1-p)/n, so 9 rows count.
    assert (found.low, found.high) == pytest.approx(wilson(0.6, 9))


def test_copies_of_a_row_do_not_narrow_the_interval():
    top = {str(i): float(i % 3 == 0) for i in range(30)}
    once = share(top, dict.fromkeys(top, 1.0))
    copied = share({name: 8 * value for name, value in top.items()}, dict.fromkeys(top, 8.0))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    assert copied.num == 240
    assert copied.clusters == 30


def test_where_all_succeed_each_cluster_counts_once():
    found = share({"a": 5.0, "b": 5.0}, {"a": 5.0, "b": 5.0})
    assert (found.low, found.high) == pytest.approx(wilson(1.0, 2))


def test_a_mean_has_students_interval():
    found = ratio({"a": 1.0, "b": 2.0, "c": 3.0, "d": 6.0}, dict.fromkeys("abcd", 1.0))
    # mean 3, sample variance 14/3, standard error sqrt(14/12) = 1.0801, t(3) = 3.182
    assert found.value == 3.0
    assert found.half_width == pytest.approx(3.182 * math.sqrt(14 / 12), abs=1e-3)


def test_a_mean_of_one_cluster_has_no_interval():
    found = ratio({"a": 6.0}, {"a": 2.0})
    assert found.value == 3.0
    assert math.isnan(found.low)


@pytest.mark.parametrize(("freedom", "t"), [(1, 12.706), (10, 2.228), (11, 2.201), (30, 2.042), (120, 1.980)])
def test_student_matches_the_table(freedom, t):
    assert t_quantile(0.025, freedom) == pytest.approx(t, abs=5e-4)


@pytest.mark.parametrize("freedom", [1, 2, 99, 200, 201, 2000])
def test_the_quantile_of_student_leaves_its_tail(freedom):
    for tail in (0.2, 0.025, 0.0005):
        assert two_sided_p(t_quantile(tail, freedom), freedom) == pytest.approx(2 * tail, rel=1e-6)


def test_the_median_interval_is_between_order_statistics():
    found = median([float(value) for value in range(1, 101)])
    assert found.value == 50.5
    assert (found.low, found.high) == (40.0, 61.0)  # (100 - 1.96*10)/2 = 40.2
    assert math.isnan(median([1.0, 2.0]).low)


def test_intervals_hold_the_truth_about_95_times_in_100():
    rng = random.Random(1)
    held = 0
    for _ in range(400):
        sums = Sums.empty()
        for cluster in range(40):
            p = min(1.0, max(0.0, rng.gauss(0.6, 0.2)))
            for _ in range(6):
                sums.add(str(cluster), float(rng.random() < p))
        found = sums.share()
        held += found.low <= 0.597 <= found.high  # the mean of the clipped normal distribution
    assert 0.92 <= held / 400 <= 0.98


def test_quantiles_of_counts():
    assert quantile({1: 1, 2: 2, 10: 1}, 0.5) == 2.0
    assert math.isnan(quantile({}, 0.5))
