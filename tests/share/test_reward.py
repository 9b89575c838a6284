"""What a reply is worth: every shape that trainers hand over, and what people reported of other rewards."""

from __future__ import annotations

import asyncio
import decimal
import fractions
import math
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from mathstrap.errors import InputError
from mathstrap.reward import (
    FormatReward,
    MathReward,
    RewardOptions,
    async_compute_score,
    async_reward,
    compute_score,
    compute_score_batched,
    count_sentence,
    counts,
    format_reward,
    reset_counts,
    reward,
    score,
)
from mathstrap.share.adapters import score_queries
from mathstrap.share.reward import Layout, layout_of

RIGHT = "So 9 * 2 = 18.\nThe answer is: 18"


@pytest.mark.parametrize(
    ("reply", "gold", "want"),
    [
        (RIGHT, "18", 1.0),
        ("So \\boxed{18}", "18", 1.0),
        ("#### 18", "18", 1.0),
        ("\\boxed{17}", "18", 0.0),
        ("I do not know.", "18", 0.0),
        ("", "18", 0.0),
        # Replies of chat trainers: messages, parts, tool calls.
        ([{"role": "assistant", "content": RIGHT}], "18", 1.0),
        ([{"content": RIGHT}], "18", 1.0),
        ([{"content": [{"type": "text", "text": "The answer "}, {"type": "text", "text": "is: 18"}]}], "18", 1.0),
        ([{"role": "assistant", "content": [{"type": "image", "image": "x"}]}], "18", None),
        ([{"content": [{"type": "thinking", "thinking": "18"}, {"type": "text", "text": "\\boxed{3}"}]}], "18", 0.0),
        ([{"role": "assistant", "content": None, "tool_calls": [{"name": "python"}]},
          {"role": "tool", "content": "18"}, {"role": "assistant", "content": RIGHT}], "18", 1.0),
        ([{"role": "assistant", "content": RIGHT}, {"role": "assistant", "tool_calls": [{}]}], "18", None),
        ([{"role": "assistant", "tool_calls": [{}], "content": ""}], "18", None),
        ([{"role": "user", "content": RIGHT}], "18", None),
        ({"role": "assistant", "content": RIGHT}, "18", 1.0),
        ({"text": RIGHT}, "18", 1.0),
        ([{"from": "gpt", "value": RIGHT}], "18", 1.0),
        (SimpleNamespace(role="assistant", content=RIGHT), "18", 1.0),
        ([SimpleNamespace(role="assistant", content=RIGHT, tool_calls=None)], "18", 1.0),
        (["The answer is: ", "18"], "18", 1.0),
        (RIGHT.encode(), "18", 1.0),
        (None, "18", None), ([], "18", None), ([None], "18", None), (18, "18", None), (object(), "18", None),
        # Thoughts: the text behind them answers, whatever they hold.
        ("<think>maybe \\boxed{17}</think>\\boxed{18}", "18", 1.0),
        ("<think>it is \\boxed{18}</think>\\boxed{17}", "18", 0.0),
        ("<think>it is \\boxed{18}", "18", 0.0),
        ("it is \\boxed{17}</think>The answer is: 18", "18", 1.0),
        ("<|channel|>analysis<|message|>17?<|end|><|start|>assistant<|channel|>final<|message|>\\boxed{18}<|return|>",
         "18", 1.0),
        # Golds as data sets hold them.
        (RIGHT, 18, 1.0), (RIGHT, 18.0, 1.0), (RIGHT, "$18$", 1.0), (RIGHT, "\\boxed{18}", 1.0),
        (RIGHT, "9 * 2 = <<9*2=18>>18\n#### 18", 1.0), (RIGHT, ["17", "18"], 1.0), (RIGHT, ("17",), 0.0),
        (RIGHT, {"ground_truth": "18", "style": "rule"}, 1.0), (RIGHT, {"target": [18]}, 1.0), (RIGHT, b"18", 1.0),
        ("The answer is: 0.5", decimal.Decimal("0.5"), 1.0), ("The answer is: 0.5", fractions.Fraction(1, 2), 1.0),
        ("The answer is: yes", True, 1.0), ("The answer is: true", True, 1.0), ("The answer is: no", True, 0.0),
        (RIGHT, None, None), (RIGHT, "", None), (RIGHT, "  ", None), (RIGHT, math.nan, None), (RIGHT, math.inf, None),
        (RIGHT, [], None), (RIGHT, [None], None), (RIGHT, {}, None), (RIGHT, object(), None), (RIGHT, [10**5000], None),
        (RIGHT, [["18"]], None), (RIGHT, {"gold": {"gold": "18"}}, None),
        # A gold that is no mathematics: nothing is proven, so nothing is rewarded.
        ("The answer is: $x \\in$", "$$\\frac{$$", None),
        # verl PR 5839, Math-Verify issue 65: a tower of powers, which nothing may evaluate.
        ("\\boxed{\\dfrac{5^{(5^{(5^{(5^5)})} - 4)} - 5}{16}}", "195312500", None),
        ("\\boxed{{@Neillier 1276915 4951077 {1,1-3-10);5}", "92.5857658508735", 0.0),
        # Golds that TRL's own reward cannot read without dollar signs, so that every reward is None there.
        ("\\boxed{(3, \\frac{\\pi}{2})}", "(3, \\frac{\\pi}{2})", 1.0),
        ("\\boxed{x^2+1}", "x^2+1", 1.0), ("\\boxed{\\text{Evelyn}}", "\\text{Evelyn}", 1.0),
    ],
)  # fmt: skip
def test_a_reply_is_right_wrong_or_nothing(reply, gold, want):
    scored = score(reply, gold)
    assert scored.reward == want, scored
    assert scored.reason
    assert scored.reason.isprintable()
    assert (scored.reward is None) == (scored.outcome == "undecided")


@pytest.mark.parametrize(
    ("reply", "gold", "code"),
    [
        (RIGHT, None, "no_gold"), (None, "18", "no_reply"), (3.5, "18", "no_text"),
        ("<think>a", "18", "unfinished_thought"),
        ("Hm.", "18", "no_answer"), (RIGHT, "18", "correct"), (RIGHT, "19", "wrong"),
        ([{"role": "assistant", "tool_calls": [1]}], "18", "no_text"),
    ],
)  # fmt: skip
def test_a_missing_reward_says_why(reply, gold, code):
    scored = score(reply, gold)
    assert scored.code == code
    assert len(scored.reason) > 5


class Broken:
    """An object whose every look-up fails."""

    def __getattr__(self, name):
        raise RuntimeError(name)


class Numbers:
    """An array as numpy, torch and pyarrow hold it, as far as a reward looks at it."""

    def __init__(self, values, ndim=1):
        self.values, self.ndim = values, ndim

    def tolist(self):
        return self.values

    def __len__(self):
        if self.ndim == 0:
            raise TypeError("len() of unsized object")
        return len(self.values)

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return iter(self.values)


@pytest.mark.parametrize(
    ("gold", "code"),
    [
        (Numbers(18, 0), "correct"), (Numbers(["18"]), "correct"), (Numbers([None, 18.0]), "correct"),
        (Numbers([]), "no_gold"), (bytearray(b"18"), "correct"), (memoryview(b"17"), "wrong"), ({18}, "correct"),
        (range(18, 19), "correct"), (decimal.Decimal("NaN"), "no_gold"), (decimal.Decimal("-Infinity"), "no_gold"),
        (18 + 0j, "no_gold"), (len, "no_gold"), ((each for each in ["18"]), "no_gold"), ("\ud800", "gold_unreadable"),
        ({"gold": {"gold": "18"}}, "no_gold"), ("9^{9^{9^9}}", "gold_unreadable"), (False, "wrong"), (-0.0, "wrong"),
    ],
)  # fmt: skip
def test_a_gold_of_any_type_is_read_or_missing(gold, code):
    assert score(RIGHT, gold).code == code


@pytest.mark.parametrize(
    ("completions", "columns", "want"),
    [
        (None, {"solution": ["18"]}, []),
        (RIGHT, {"solution": "18"}, [1.0]),
        ((each for each in [RIGHT, "3"]), {"solution": ["18", "18"]}, [1.0, 0.0]),
        ([RIGHT, RIGHT], {"solution": Numbers(["18", None])}, [1.0, None]),
        ([RIGHT, RIGHT], {"solution": Numbers(18, 0)}, [1.0, 1.0]),
        ([RIGHT, RIGHT], {"solution": {"gold": "18"}}, [1.0, 1.0]),
        ([RIGHT], {"solution": ["18", "17"]}, [1.0]),
        ([[[RIGHT]], [[{"role": "assistant", "content": RIGHT}]]], {"solution": ["18", "18"]}, [None, None]),
        ([RIGHT], {"solution": ["18"], "completion_ids": [None]}, [1.0]),
        ([RIGHT], {"solution": ["18"], "completion_ids": None, "prompts": None, "environments": [None]}, [1.0]),
    ],
)  # fmt: skip
def test_a_batch_of_any_shape_gives_a_list(completions, columns, want):
    assert reward(completions, **columns) == want


def test_columns_of_other_trainers_may_be_missing_or_one_value():
    assert compute_score_batched(None, None, None) == []
    assert [row["score"] for row in compute_score_batched(None, [RIGHT, RIGHT], "18")] == [1.0, 1.0]
    assert [each.code for each in score_queries([RIGHT], None, None, RewardOptions())] == ["no_gold"]
    assert [each.code for each in score_queries("Q " + RIGHT, "Q", "18", RewardOptions())] == ["correct"]
    assert format_reward(None) == []
    assert format_reward([Broken(), RIGHT]) == [None, 1.0]


def test_the_last_of_many_messages_and_parts_is_found_at_once():
    def seconds(count):
        messages = [{"role": "assistant", "content": "\\boxed{3}"}] * count + [{"role": "assistant", "content": RIGHT}]
        parts = [{"content": [{"type": "text", "text": "a"}] * count + [{"type": "text", "text": RIGHT}]}]
        began = time.thread_time()
        assert score(messages, "18").reward == score(parts, "18").reward == 1.0
        return time.thread_time() - began

    seconds(10)
    assert seconds(400_000) < 4 * seconds(200_000) + 0.1  # what is read has a bound, so twice as many cost the same


def test_nothing_raises_into_a_training_loop():
    for thing in (Broken(), [Broken()], {"content": Broken()}, {"role": Broken()}, "\ud800", "\x00" * 9):
        for reply, gold in ((thing, "18"), (RIGHT, thing), (thing, None)):
            scored = score(reply, gold)
            assert scored.reward in (None, 0.0)
            assert scored.reason.isprintable()


def test_ten_megabytes_are_scored_at_once():
    began = time.thread_time()
    for text in ("x" * 10_000_000, "<think>" * 1_400_000, "\\boxed{" * 1_400_000, "The answer is 3. " * 600_000):
        assert score(text, "18").reward in (0.0, None)
    assert score("9" * 10_000_000 + "\nThe answer is: 18", "18").reward == 1.0
    assert score("<think>" + "a" * 10_000_000 + "</think>\\boxed{18}", "18").reward == 1.0
    assert score(RIGHT, "x" * 10_000_000).reward in (0.0, None)
    assert time.thread_time() - began < 2


def test_trl_calls_it_with_columns_of_its_dataset():
    extra, metrics = {}, {}
    completions = [[{"role": "assistant", "content": text}] for text in (RIGHT, "\\boxed{4}", RIGHT, RIGHT)]
    values = reward(
        prompts=[[]] * 4, completions=completions, completion_ids=[[1]] * 4, solution=["18", "18", None, "18.0"],
        id=list("abcd"), trainer_state=object(), log_extra=extra.__setitem__, log_metric=metrics.__setitem__,
    )  # fmt: skip
    assert values == [1.0, 0.0, None, 1.0]
    assert extra["outcome"] == ["correct", "wrong", "undecided", "correct"]
    assert extra["reason"][2] == "the row has no ground truth"
    assert metrics == {"reward_missing": 0.25}
    assert reward(["#### 18", "3"], ["18", "18"]) == [1.0, 0.0]  # plain completions, by position
    assert reward(completions=[RIGHT], answer=["18"]) == [1.0]
    assert reward(completions=[RIGHT], ground_truth="18", other=[1]) == [1.0]
    assert reward(completions=[RIGHT, RIGHT], solution=["18"]) == [1.0, None]
    assert reward(completions=[RIGHT]) == [None]
    assert reward(completions=[], solution=[]) == []
    assert asyncio.run(async_reward(completions, solution=["18"] * 4)) == [1.0, 0.0, 1.0, 1.0]
    own = MathReward(gold_column="truth", wrong=-1.0, undecided=0.0)
    assert own(completions, solution=["18"] * 4, truth=["18", "18", None, "1"]) == [1.0, -1.0, 0.0, -1.0]


def test_verl_calls_it_by_keyword_and_by_position():
    plain = compute_score("gsm8k", RIGHT, "18", {"index": 3})
    assert plain == compute_score(data_source="x", solution_str=RIGHT, ground_truth="18", extra_info=None)
    assert (plain["score"], plain["acc"], plain["pred"]) == (1.0, 1.0, "18")
    missing = compute_score(data_source="x", solution_str=RIGHT, ground_truth=None, reward_router_address="host")
    assert missing["score"] == 0.0
    assert missing["outcome"] == "undecided"
    assert set(missing) == set(plain)
    assert compute_score("x", RIGHT, "18", {}, detail=False) == 1.0
    assert compute_score("x", RIGHT, "19", {}, wrong=-1.0)["score"] == -1.0
    assert compute_score("x", RIGHT, "18", {}, grader="no-such")["score"] == 1.0  # said once, in the log
    assert asyncio.run(async_compute_score("x", RIGHT, "18", {})) == plain
    rows = compute_score_batched(["x"] * 2, [RIGHT, "3"], ["18"], [{}] * 2)
    assert [row["score"] for row in rows] == [1.0, 0.0]


def test_whole_texts_are_scored_without_their_prompt():
    queries = ["Q: 18? \\boxed{18} A: \\boxed{17}", "Q: 18? \\boxed{18} A: hm", "<s>Q: 2? A: #### 18"]
    prompts = ["Q: 18? \\boxed{18} A:", "Q: 18? \\boxed{18} A:", "Q: 2? A:"]
    scored = score_queries(queries, prompts, ["18", "18", "18"], RewardOptions())
    assert [each.reward for each in scored] == [0.0, 0.0, 1.0]
    assert score_queries(["\\boxed{2}"], [], [], RewardOptions())[0].code == "no_gold"


@pytest.mark.parametrize(
    ("text", "layout", "want"),
    [
        ("\\boxed{3}", "boxed", True), ("#### 3", "hash", True), ("The answer is: 3", "stated", True),
        ("#### 3", "boxed", False), ("3", "any", False), ("hm", "any", False), ("The answer is: 3", "any", True),
        ("<think>a</think>The answer is 3.", "think", True), ("<think>a</think>", "think", False),
        ("The answer is 3.", "think", False), ("<think>\\boxed{3}", "boxed", False),
    ],
)  # fmt: skip
def test_the_layout_is_rewarded_apart_from_the_answer(text: str, layout: Layout, want: bool):
    assert layout_of(text, layout) == want
    assert FormatReward(layout)([text, [{"role": "assistant", "content": text}], None]) == [float(want)] * 2 + [None]


def test_length_costs_a_part_of_a_right_answer_and_is_off_by_default():
    long = "a" * 9_000 + RIGHT
    assert score(long, "18").reward == 1.0
    shy = MathReward(length_penalty=0.5, length_start=1_000, length_end=2_000)
    assert shy([RIGHT, long, "a" * (1_500 - len(RIGHT)) + RIGHT, "a" * 9_000], solution=["18"] * 4) == [
        1.0,
        0.5,
        pytest.approx(0.75),
        0.0,
    ]
    tokens = MathReward(length_penalty=1.0, length_start=10, length_end=20, length_unit="tokens")
    assert tokens([RIGHT] * 2, solution=["18"] * 2, completion_ids=[[0] * 15, [0] * 30]) == [0.5, 0.0]
    assert tokens([RIGHT], solution=["18"]) == [1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lenght_penalty": 1}, 'Did you mean "length_penalty"'), ({"length_penalty": 2}, "expected 0"),
        ({"length_penalty": 0.1, "length_start": 5, "length_end": 5}, "start < end"), ({"mode": "x"}, "strict"),
        ({"grader": "mathh"}, 'Did you mean "math"'), ({"correct": math.nan}, "finite"),
        ({"length_unit": "x"}, "tokens"),
    ],
)  # fmt: skip
def test_options_that_cannot_work_are_refused_before_training(options, message):
    with pytest.raises(InputError, match=message):
        MathReward(**options)


def test_a_grader_of_the_users_own_that_raises_gives_no_reward(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(
        "from mathstrap.verify import Grader\ndef bad(gold, got):\n    raise ValueError('x')\ng = Grader(compare=bad)\n"
    )
    assert MathReward(grader=f"{path}:g")([RIGHT], solution=["18"]) == [None]


def test_rewards_can_be_pickled():
    for own in (reward, compute_score, async_reward, MathReward(wrong=-1.0), FormatReward("boxed")):
        again = pickle.loads(pickle.dumps(own))
        assert again.__name__ == own.__name__
    assert pickle.loads(pickle.dumps(MathReward(wrong=-1.0)))(["3"], ["18"]) == [-1.0]


def test_every_thread_gets_its_own_rewards_and_no_signal_is_set():
    before = signal.getsignal(signal.SIGALRM)
    found: dict[int, list[float | None]] = {}

    def work(number: int) -> None:
        found[number] = reward([f"\\boxed{{{number}}}", "\\boxed{x}"] * 50, [str(number)] * 100)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [1.0, 0.0] * 50 for number in range(8)}
    assert signal.getsignal(signal.SIGALRM) is before
    assert multiprocessing.active_children() == []


def test_a_fork_counts_for_itself():
    reset_counts()
    reward([RIGHT], ["18"])
    read, write = os.pipe()
    child = os.fork()
    if not child:
        reward([RIGHT, "3"], ["18", "18"])
        os.write(write, str(sum(counts().values())).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"2"
    assert counts() == {"correct": 1}


def test_what_got_no_reward_is_counted_and_said_at_the_end():
    reset_counts()
    reward([RIGHT, "3", None, RIGHT], ["18", "18", "18", None])
    assert counts() == {"correct": 1, "no_answer": 1, "no_reply": 1, "no_gold": 1} or counts()["no_gold"] == 1
    assert "2 without a reward (no_gold 1, no_reply 1)" in count_sentence()
    code = "from mathstrap.reward import reward; print(reward(['3', 'x'], ['3', None]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[1.0, None]"
    assert "2 replies scored: 1 right, 1 without a reward (no_gold 1)" in done.stderr


def test_format_reward_is_a_function_too():
    assert format_reward(completions=["#### 3", "3"], prompts=["", ""], solution=["1", "2"]) == [1.0, 0.0]


COPIED = "Anna has 5 apples."
PROMPT = "Anna has 5 apples. She buys none. How many apples does Anna have?"


@pytest.mark.parametrize(
    "prompt",
    [
        PROMPT, [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}],
        [{"from": "human", "value": PROMPT}], [{"role": "user", "content": [{"type": "text", "text": PROMPT}]}],
    ],
)  # fmt: skip
def test_a_reply_that_copies_a_sentence_of_its_prompt_is_no_answer(prompt):
    assert reward([COPIED], solution=["5"], prompts=[prompt]) == [0.0]
    assert reward(["The answer is 5."], solution=["5"], prompts=[prompt]) == [1.0]
    assert reward(["She still has 5 apples."], solution=["5"], prompts=[prompt]) == [1.0]
    assert reward([COPIED], solution=["5"]) == [1.0]  # nobody knows that it is a copy


@pytest.mark.parametrize("prompt", [None, 7, [], [None], [{"role": "assistant", "content": COPIED}], b"x", {"a": 1}])
def test_a_prompt_that_cannot_be_read_changes_nothing(prompt):
    assert reward([COPIED], solution=["5"], prompts=[prompt]) == [1.0]


def test_verl_and_openrlhf_pass_the_question_too():
    assert compute_score("x", COPIED, "5", {"question": PROMPT})["score"] == 0.0
    assert compute_score_batched(["x"], [COPIED], ["5"], [{"question": PROMPT}])[0]["score"] == 0.0
    assert [each.reward for each in score_queries([PROMPT + COPIED], [PROMPT], ["5"], RewardOptions())] == [0.0]
