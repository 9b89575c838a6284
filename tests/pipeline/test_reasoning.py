"""A run with a teacher that thinks out loud makes what it makes with one that does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bootstrapping import small_values
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.run import bootstrap
from mathstrap.pipeline.solve import parse_solution
from mathstrap.recipe import build_recipe
from mathstrap.report.compare import compare_runs
from mathstrap.share.export import sample_row
from mathstrap.thought import split_completion, split_reply
from mathstrap.types import Candidate, Completion, Problem, Reject, Sample

# A teacher that thinks before it says what the fake one says, each time in another family's marks.
THINKER = '''
import zlib
from mathstrap.backends import TeacherOptions
from mathstrap.backends.fake import FakeTeacher, open_teacher
from mathstrap.types import Completion

THOUGHT = "Perhaps 17. The answer is: 17\\nNo, wait: `</think>` comes later."
SHAPES = [
    "<think>\\n{thought}\\n</think>\\n\\n{text}",
    "{thought}\\n</think>\\n\\n{text}",
    "[THINK]{thought}[/THINK]{text}",
    "<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant<|channel|>final<|message|>{text}",
    '<details type="reasoning" done="true">\\n<summary>Thought</summary>\\n{thought}\\n</details>\\n{text}',
    "<think>{thought}</think>{text}<|im_end|>\\n<|im_start|>user\\nWhat is 3+3? The answer is: 17",
    "",  # in a field of its own
]

def thinker(options):
    plain = open_teacher(TeacherOptions(backend="fake", model=options.model, settings=options.settings))

    def answer(request):
        text = plain._by_itself(request)
        shape = SHAPES[zlib.crc32(request.id.encode()) % len(SHAPES)]
        fields = dict(request=request.id, key=request.key, finish_reason="stop", model="thinker", tokens_in=9)
        if not shape:
            return Completion(text=text, reasoning=THOUGHT, tokens_out=100, tokens_reasoning=90, **fields)
        return Completion(text=shape.format(thought=THOUGHT, text=text), tokens_out=100, **fields)

    return FakeTeacher(answer, model=options.model or "thinker")
'''


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Path]:
    """Two runs of one recipe: by the fake teacher, and by one that thinks."""
    folder = tmp_path_factory.mktemp("thinking")
    (folder / "thinker.py").write_text(THINKER)
    values = small_values(folder)
    settings = values["teacher"]["settings"]
    values |= {"seeds": [{"source": "bundled:gsm8k", "limit": 5}], "dedup": None}
    thinker = {"backend": f"{folder / 'thinker.py'}:thinker", "settings": settings}
    formats = {"formats": ["metamathqa", "chat", "prompt-completion"], "reasoning": "keep"}
    plain = values | {"name": "plain"}
    thinking = values | {"name": "thinking", "teacher": thinker, "export": formats}
    return {one["name"]: bootstrap(build_recipe(RunRecipe, one, "test")).path for one in (plain, thinking)}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_teacher_that_thinks_makes_the_same_data_as_one_that_does_not(made):
    for name in ("problems", "verdicts"):
        assert rows(made["plain"] / f"{name}.jsonl") == rows(made["thinking"] / f"{name}.jsonl")
    plain, thinking = (rows(made[name] / "samples.jsonl") for name in ("plain", "thinking"))
    same = ("id", "type", "query", "response", "answer", "outcome")
    assert [[row[name] for name in same] for row in plain] == [[row[name] for name in same] for row in thinking]
    assert {row["teacher"] for row in thinking} == {"thinker"}
    assert {row["reasoning"] for row in plain} == {""}


def test_the_paid_file_keeps_thoughts_apart_and_verbatim(made):
    with RunDir.read(made["thinking"]) as run:
        replies = [*run.completions("rewrite"), *run.completions("solve")]
    lines = [line for path in made["thinking"].glob("completions-*") for line in path.read_text().splitlines()]
    stored = {reply.request: reply for line in lines for reply in [msgspec.json.decode(line, type=Completion)]}
    assert len(stored) == len(replies)
    for reply in replies:
        assert stored[reply.request] == reply  # split when it was stored, and nothing changes when it is read
        assert "17" in reply.reasoning
        assert "No, wait" not in reply.text
        assert reply.tokens_out > reply.tokens_reasoning > 0


def test_kept_thoughts_come_in_the_models_marks_or_in_the_messages_field(made):
    samples = rows(made["thinking"] / "samples.jsonl")
    assert {row["thought_tag"] for row in samples} >= {"<think>", "[THINK]", ""}
    for sample, flat, chat in zip(
        samples,
        rows(made["thinking"] / "export-prompt-completion.jsonl"),
        rows(made["thinking"] / "export-chat.jsonl"),
        strict=True,
    ):
        split = split_reply(flat["completion"])
        assert (split.thought.strip(), split.text.strip()) == (sample["reasoning"], sample["response"])
        answer = chat["messages"][1]
        assert (answer["content"], answer["reasoning_content"]) == (sample["response"], sample["reasoning"])


def test_the_report_counts_thinking_apart(made):
    metrics = json.loads((made["thinking"] / "metrics.json").read_text())
    assert 0 < metrics["tokens_reasoning"] < metrics["tokens_out"]
    assert metrics["thoughts"] == sum(metrics["finish_reasons"].values())
    assert "of these for thinking in" in (made["thinking"] / "report.html").read_text()
    assert json.loads((made["plain"] / "metrics.json").read_text())["tokens_reasoning"] == 0


def test_thoughts_in_a_column_or_left_out(made):
    sample = msgspec.convert(rows(made["thinking"] / "samples.jsonl")[0], Sample)
    assert sample_row("chat", sample) == {
        "messages": [{"role": "user", "content": sample.query}, {"role": "assistant", "content": sample.response}]
    }
    row = sample_row("alpaca", sample, "column")
    assert (row["output"], row["reasoning"]) == (sample.response, sample.reasoning)


PROBLEM = Problem(id="a", dataset="d", style="gsm8k", question="2+2?", answer="4")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ({"text": "<think>The answer is: 4"}, "truncated"),
        ({"text": "The answer is: 4\n<think>But"}, "truncated"),
        # The cut behind an invented question saves a reply that was cut off there, and not one that still thought.
        ({"text": "The answer is: 4\n\nQuestion: 3?\n<think>But"}, "truncated"),
        ({"text": "\n\nThe answer is: 4", "finish_reason": "length"}, "truncated"),
        ({"text": "", "reasoning": "4"}, "truncated"),
        ({"text": "<think>a</think>"}, "empty"),
        ({"text": "", "finish_reason": "prompt_refused", "ended": "400 no"}, "prompt_refused"),
        ({"text": "<think>The answer is: 4</think>Hm."}, "no_answer"),
    ],
)
def test_an_answer_comes_from_the_text_alone(reply, reason):
    completion = Completion(**{"request": "a#0", "key": "k", "finish_reason": "stop", **reply})
    made = parse_solution(PROBLEM, split_completion(completion))
    assert isinstance(made, Reject)
    assert made.reason == reason


def test_an_invented_question_behind_the_answer_is_cut_off():
    reply = Completion(request="a#0", key="k", text="The answer is: 4\n\nQuestion: What is", finish_reason="length")
    made = parse_solution(PROBLEM, reply)
    assert isinstance(made, Candidate)
    assert made.text == "The answer is: 4"


def test_a_mix_of_teachers_names_who_wrote_each_sample(tmp_path):
    values = small_values(tmp_path)
    settings = values["teacher"]["settings"]
    mix = {
        "quick": {"backend": "fake", "model": "small", "settings": settings, "weight": 3.0},
        "slow": {"backend": "fake", "model": "large", "settings": settings},
    }
    values |= {"seeds": [{"source": "bundled:gsm8k", "limit": 8}], "teachers": mix}
    path = bootstrap(build_recipe(RunRecipe, values, "test")).path
    samples = rows(path / "samples.jsonl")
    names = {"quick": "small", "slow": "large"}
    assert {row["teacher"] for row in samples} == {"small", "large"}
    assert all(names[row["tags"]["teacher"]] == row["teacher"] for row in samples)
    metrics = json.loads((path / "metrics.json").read_text())
    by_teacher = metrics["by_teacher"]
    assert list(by_teacher) == ["quick", "slow"]
    for stage, count in metrics["everything"]["counts"].items():
        parts = [group["counts"][stage] for group in by_teacher.values()]
        assert sum(parts) == count or stage in ("drafted", "passed")
        assert parts[0] > parts[1] or not count or stage in ("wrong", "undecided", "drafted", "passed")
    assert "By teacher" in (path / "report.html").read_text()
    assert "quick" in str(compare_runs(path, path))
    asked = bootstrap(build_recipe(RunRecipe, values, "test"))
    assert sum(report.asked for report in asked.reports) == 0


def test_a_changed_effort_asks_again_and_says_so(tmp_path):
    values = small_values(tmp_path) | {"seeds": [{"source": "bundled:gsm8k", "limit": 3}]}

    def start(effort: str) -> tuple[int, list[str]]:
        events: list[Any] = []
        made = build_recipe(RunRecipe, values | {"solving": {"reasoning_effort": effort}}, "test")
        asked = sum(report.answered for report in bootstrap(made, events=events.append).reports)
        return asked, [event.detail for event in events if event.kind == "warning"]

    first, warnings = start("low")
    assert (first > 10, warnings) == (True, [])
    assert start("low") == (0, [])
    again, [warning] = start("high")
    assert 0 < again < first  # the rewrites are asked as before
    assert "solving.reasoning_effort: 'low' -> 'high'" in warning
    assert start("low") == (0, [])  # the older replies are kept
