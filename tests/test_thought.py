"""A reply is thought and text: what every family of models writes around its thinking, tidy and torn."""

from __future__ import annotations

import random

import msgspec
import pytest

from growth import growth
from mathstrap import thought
from mathstrap.thought import split_completion, split_reply
from mathstrap.types import Completion, to_json

FINISHED = [
    # reply, thought, text
    ("2 + 2 = 4. The answer is: 4", "", "2 + 2 = 4. The answer is: 4"),
    ("", "", ""),
    ("<think>2+2</think>The answer is: 4", "2+2", "The answer is: 4"),
    ("<think>\n2+2\n</think>\n\nThe answer is: 4", "\n2+2\n", "\n\nThe answer is: 4"),
    ("\n<think>\n\n</think>\n\nWhat is 3?", "\n\n", "\n\nWhat is 3?"),  # thinking switched off leaves an empty pair
    ("<think></think>4", "", "4"),
    ("<think/>4", "", "4"),
    ("<thinking>a</thinking>b", "a", "b"),
    ("<thought>a</thought>b", "a", "b"),
    ("<thoughts>a</thoughts>b", "a", "b"),
    ("<reasoning>a</reasoning><answer>4</answer>", "a", "4"),
    ("<THINK>a</THINK>b", "a", "b"),
    ('<think budget="200">a</think>b', "a", "b"),
    ("<seed:think>a<seed:cot_budget_reflect>I have used 512 tokens.</seed:cot_budget_reflect>b</seed:think>c",
     "a<seed:cot_budget_reflect>I have used 512 tokens.</seed:cot_budget_reflect>b", "c"),
    ("<mm:think>a</mm:think>b", "a", "b"),
    ("<longcat_think>a</longcat_think>b", "a", "b"),
    ("[THINK]a[/THINK]b", "a", "b"),
    ("◁think▷a◁/think▷b", "a", "b"),
    ("<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>b<|end_of_solution|>", "a", "b"),
    ("<|START_THINKING|>a<|END_THINKING|>b", "a", "b"),
    ("<|channel>thought\na<channel|>b", "a", "b"),
    ("<unused94>thought\na<unused95>b", "a", "b"),
    ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>", "a", "b"),
    ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b", "a", "b"),
    ("<|channel|>final<|message|>b<|return|>", "", "b"),
    ("a<|end|><|start|>assistant<|channel|>final<|message|>b", "a", "b"),  # the prompt opened the channel
    ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>c<|end|>"
     "<|start|>assistant<|channel|>final <|constrain|>json<|message|>b<|return|>", "a\nc", "b"),
    ('analysisWe need "2+2".assistantfinalThe answer is: 4', 'We need "2+2".', "The answer is: 4"),
    ("Here is my thought process:\na\nHere is my response:\nb", "\na\n", "\nb"),
    ("Here are my reasoning steps:\na\n[BEGIN FINAL RESPONSE]\nb\n[END FINAL RESPONSE]", "\na\n", "\nb\n"),
    # The chat template wrote the opening mark into the prompt.
    ("First add.\n</think>\n\nThe answer is: 4", "First add.\n", "\n\nThe answer is: 4"),
    ("It costs $5</think>**$5**", "It costs $5", "**$5**"),
    ("a[/THINK]b", "a", "b"),
    ("a</think>", "a", ""),
    # A thinking budget closed the thought, and the model went on.
    ("<think>a</think>b</think>c", "a</think>b", "c"),
    ("<think>a</think>The answer is: 4</think>\n", "a", "The answer is: 4\n"),
    # Nested, unpaired, and spoken of inside a thought.
    ("<think>a<think>b</think>c</think>d", "a<think>b</think>c", "d"),
    ("<think>a<think>b</think>d", "a<think>b", "d"),
    ("<think>The user wants <think> and </think> tags.</think>d", "The user wants <think> and </think> tags.", "d"),
    ("<think>It ends at `</think>` they say.</think>d", "It ends at `</think>` they say.", "d"),
    ("<think>```python\nx = 1</think>\nd ```x```", "```python\nx = 1", "\nd ```x```"),
    ("<think>a</thinking>b", "a", "b"),
    ("<think>a</think>b<think>c</think>d", "a\nc", "bd"),
    ("Sure!\n<think>a</think>b", "a", "Sure!\nb"),
    ("<think>a [THINK] b</think>c", "a [THINK] b", "c"),
    ("<think>a</think><answer>\\boxed{4}</answer>", "a", "\\boxed{4}"),
    ("<think>a</think>The answer is <answer>4</answer>", "a", "The answer is <answer>4</answer>"),
    # Text, however much it looks like a mark.
    ("The tag `<think>` begins a thought and `</think>` ends it.", "",
     "The tag `<think>` begins a thought and `</think>` ends it."),
    ('He wrote "<think>" on the board.', "", 'He wrote "<think>" on the board.'),
    ("Write \\texttt{</think>} after it.", "", "Write \\texttt{</think>} after it."),
    ("Let $a </think> b$ be an operator.", "", "Let $a </think> b$ be an operator."),
    ("We use the <think> tag here.", "", "We use the <think> tag here."),
    ("```xml\n<think>a</think>\n```\nis XML.", "", "```xml\n<think>a</think>\n```\nis XML."),
    ("<think about it>\n4", "", "<think about it>\n4"),
    ("If 3 <thinking 5 then [think] a > b.", "", "If 3 <thinking 5 then [think] a > b."),
    ("Here is my thought process: 2+2. The answer is: 4", "", "Here is my thought process: 2+2. The answer is: 4"),
    ("analysis of the numbers gives 4", "", "analysis of the numbers gives 4"),
    ("<answer>4</answer>", "", "<answer>4</answer>"),
]  # fmt: skip

UNFINISHED = [
    ("<think>The answer is: 4", "The answer is: 4", ""),
    ("<think>\nThe answer is: 4", "\nThe answer is: 4", ""),
    ("<think>", "", ""),
    ("<think>It ends at `</think>` they", "It ends at `</think>` they", ""),
    ("[THINK]The answer is: 4", "The answer is: 4", ""),
    ("<|channel|>analysis<|message|>The answer is: 4", "The answer is: 4", ""),
    ("<|channel|>analysis<|message|>The answer is: 4<|end|>", "The answer is: 4", ""),
    ("<|channel|>commentary<|message|>{}<|call|>", "{}", ""),
    ("<|channel|>analysis", "<|channel|>analysis", ""),
    ("analysisWe need 4. The answer is: 4", "We need 4. The answer is: 4", ""),
    ("<|channel>thought\nThe answer is: 4", "The answer is: 4", ""),
    ("The answer is: 4\n<think>Let me check", "Let me check", "The answer is: 4\n"),
    ("<think>a</think>The answer is: 4\n<think>But", "a\nBut", "The answer is: 4\n"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "thought", "text"), FINISHED)
def test_a_reply_splits_into_thought_and_text(reply, thought, text):
    split = split_reply(reply)
    assert (split.thought, split.text, split.is_finished) == (thought, text, True)


@pytest.mark.parametrize(("reply", "thought", "text"), UNFINISHED)
def test_a_thought_that_never_ends_is_unfinished(reply, thought, text):
    split = split_reply(reply)
    assert (split.thought, split.text, split.is_finished) == (thought, text, False)


def rebuilt(completion: Completion) -> str:
    before, between = completion.thought_marks
    thought = completion.reasoning if before or between else ""
    return completion.raw or before + thought + between + completion.text


@pytest.mark.parametrize("reply", [row[0] for row in FINISHED + UNFINISHED])
def test_a_split_completion_gives_the_reply_back_and_splits_no_further(reply):
    completion = Completion(request="a#0", key="k", text=reply, finish_reason="stop", tokens_out=40)
    split = split_completion(completion)
    assert rebuilt(split) == reply
    assert split_completion(split) == split
    assert msgspec.json.decode(to_json(split), type=Completion) == split


def made(**fields):
    return Completion(**{"request": "a#0", "key": "k", "text": "", "finish_reason": "stop", "tokens_out": 40} | fields)


@pytest.mark.parametrize(
    ("completion", "want"),
    [
        (made(text="<think>abc</think>d"), {"text": "d", "reasoning": "abc", "tokens_reasoning": 30}),
        (made(text="<think>abc</think>d", tokens_reasoning=33), {"tokens_reasoning": 33}),
        (made(text="<think>4"), {"text": "", "reasoning": "4", "finish_reason": "length", "ended": "stop"}),
        (made(text="<think>4", finish_reason="length"), {"finish_reason": "length", "ended": ""}),
        (made(text="d", reasoning="abc"), {"text": "d", "tokens_reasoning": 30, "finish_reason": "stop"}),
        # A stop string that struck inside the thought, or a server that lost the text.
        (made(text="", reasoning="abc"), {"finish_reason": "length", "ended": "stop"}),
        (made(text=" \n", reasoning="abc", finish_reason="content_filter"), {"finish_reason": "content_filter"}),
        (made(text="abc</think>d", reasoning="Hm."), {"text": "d", "reasoning": "Hm.\nabc", "raw": "abc</think>d"}),
        # The thought ended and nothing came after it: an empty reply.
        (made(text="<think>abc</think>"), {"text": "", "finish_reason": "stop"}),
    ],
)
def test_a_completion_keeps_its_thought_apart(completion, want):
    split = split_completion(completion)
    assert {name: getattr(split, name) for name in want} == want


def test_a_completion_of_an_older_run_reads_and_splits():
    line = b'{"request":"a#0","key":"k","text":"<think>a</think>b","finish_reason":"stop","model":"m","tokens_out":4}'
    old = msgspec.json.decode(line, type=Completion)
    assert (old.reasoning, old.tokens_reasoning, old.ended) == ("", 0, "")
    assert split_completion(old).text == "b"


@pytest.mark.parametrize(
    "hostile",
    [
        lambda n: "<think>" * 2 * n,
        lambda n: "<think>" * n + "</think>" * n,
        lambda n: "a <think> b " * n,
        lambda n: "</think>" * 2 * n,
        lambda n: "<think>a</think>b" * n,
        lambda n: "`" * 6 * n + "<think>",
        lambda n: "```a" * 2 * n + "</think>",
        lambda n: "$<think>$" * n,
        lambda n: "<|channel|>analysis<|message|>" * n,
        lambda n: "<|start|>" * 2 * n + "<|channel|>",
        lambda n: "<" * 10 * n,
        lambda n: "<|" * 6 * n,
        lambda n: "<think " + " " * 10 * n,
        lambda n: "analysisA" * n,
    ],
)
def test_a_hostile_reply_splits_in_linear_time(hostile):
    assert growth(lambda size: split_reply(hostile(size)), 1_500) < 11  # four times the size; a square takes 16 times


def test_the_short_way_for_one_plain_thought_splits_as_the_whole_search_does() -> None:
    rng = random.Random(5)
    parts = ["<think>", "</think>", "a b", "\n", "$x$", "`", '"', "<b>", "{", "}", "\\", "Let me see.", "$", "~~~", " "]
    replies = ["".join(rng.choice(parts) for _ in range(rng.randint(2, 9))) for _ in range(20_000)]
    replies += [f"{text}<think>{text}</think>{text}" for text in ("", "\n", "x\n", 'say "', "$3 ", "`", "{", "x ")]
    found = [(reply, thought._split_plain(reply)) for reply in replies]
    assert sum(split is not None for _, split in found) > 30
    assert [reply for reply, split in found if split is not None and split != thought._split_marks(reply)] == []
