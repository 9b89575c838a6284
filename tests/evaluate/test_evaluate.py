"""An evaluation from questions to metrics with a teacher that costs nothing: numbers, resuming, bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest

from mathstrap.backends.fake import FakeTeacher
from mathstrap.engine.budget import Budget
from mathstrap.errors import InputError
from mathstrap.evaluate import Changes, EvalOptions, compare, evaluate, read_evaluation
from mathstrap.evaluate.live import EvalProgress
from mathstrap.evaluate.protocols import PROTOCOLS, choose_protocol, messages_for, sampling_for
from mathstrap.evaluate.run import plan
from mathstrap.evaluate.versus import evaluate_prompts
from mathstrap.files.rundir import RunDir
from mathstrap.train.prompt import metamath_prompt
from mathstrap.types import Completion, Problem, Request

ROWS = [
    ("Ann has 3 figs and buys 4. How many?", "3+4=<<3+4=7>>7", "7"),
    ("Bo has 10 nuts and eats 4. How many are left?", "10-4=<<10-4=6>>6", "6"),
    ("Cy reads 5 pages on each of 6 days. How many pages?", "5*6=<<5*6=30>>30", "30"),
    ("Di splits 12 pens among 4 friends. How many each?", "12/4=<<12/4=3>>3", "3"),
]


@pytest.fixture
def gsm8k(tmp_path: Path) -> str:
    path = tmp_path / "gsm8k_test.jsonl"
    path.write_text("\n".join(json.dumps({"question": q, "answer": f"{s}\n#### {a}"}) for q, s, a in ROWS))
    return f"gsm8k={path}"


@pytest.fixture
def options(gsm8k: str, tmp_path: Path) -> EvalOptions:
    return EvalOptions(benchmarks=(gsm8k,), out=str(tmp_path / "run"))


def says(replies: dict[str, str] | Callable[[Request], str]) -> FakeTeacher:
    def answer(request: Request) -> str:
        return replies(request) if callable(replies) else replies[request.id]

    return FakeTeacher(answer)


RIGHT = {f"gsm8k-{i:05d}#0": f"Let us see.\nThe answer is: {row[2]}" for i, row in enumerate(ROWS)}


def test_every_reply_is_scored_by_every_score(options: EvalOptions) -> None:
    replies = {
        "gsm8k-00000#0": "3+4=7\nThe answer is: 7",  # right by all four
        "gsm8k-00001#0": "It is 6.",  # only a last number: right by flexible and symbolic
        "gsm8k-00002#0": "The answer is 30",  # no colon: the reference reads nothing
        "gsm8k-00003#0": "The answer is: 3.2",  # the reference rounds
    }
    result = evaluate(options, backend=says(replies))
    draws = {draw.problem: draw for draw in result.draws}
    table = [
        [draws[f"gsm8k-{i:05d}"].strict, draws[f"gsm8k-{i:05d}"].flexible, draws[f"gsm8k-{i:05d}"].symbolic,
         draws[f"gsm8k-{i:05d}"].reference] for i in range(4)
    ]  # fmt: skip
    assert table == [
        [True, True, True, True], [False, True, True, False], [True, True, True, False], [False, False, False, True],
    ]  # fmt: skip
    summary = result.evaluation.summaries[0]
    assert summary.accuracy.value == 0.75
    assert sum(row.count for row in summary.disagreements) == 3
    assert summary.slices["question length"]["short"].num == 2


def test_the_same_command_again_asks_nothing_and_gives_the_same_bytes(options: EvalOptions) -> None:
    evaluate(options, backend=says(RIGHT))
    names = ("draws.jsonl", "metrics.json", "report.html")
    first = {name: (Path(options.out) / name).read_bytes() for name in names}
    again = says(RIGHT)
    evaluate(options, backend=again)
    assert not again.asked
    assert first == {name: (Path(options.out) / name).read_bytes() for name in names}


def test_a_budget_stops_and_the_next_run_goes_on(options: EvalOptions) -> None:
    stopped = evaluate(_with_budget(options, 2), backend=says(RIGHT))
    summary = stopped.evaluation.summaries[0]
    assert summary.num_unanswered == 2
    assert summary.notes[0] == "2 of 4 replies are missing; the numbers cover the others, asked in random order."
    teacher = says(RIGHT)
    whole = evaluate(options, backend=teacher)
    assert len(teacher.asked) == 2
    assert whole.evaluation.summaries[0].num_unanswered == 0


def test_the_part_answered_first_is_a_fair_sample_and_the_last_requests_are_short() -> None:
    protocol = choose_protocol("default")
    problems = [
        Problem(id=f"gsm8k-{i:05d}/fobar.{n}", dataset="gsm8k", style="gsm8k", question="long " * i, answer="1")
        for i in range(1, 401) for n in (1, 2)
    ]  # fmt: skip
    requests = plan(problems, protocol, draws=2, model="m")
    assert requests == plan(problems[::-1], protocol, draws=2, model="m")
    assert len({request.id for request in requests}) == 1600
    lengths = [int(request.id[6:11]) for request in requests]
    for part in (400, 800, 1200):  # the mean length of so many at random is 200, give or take 9
        assert abs(fmean(lengths[:part]) - 200) < 25
    assert lengths[1200:] == sorted(lengths[1200:], reverse=True)
    assert lengths[-1] < 20
    roots = [request.id.partition("/")[0] for request in requests[:1200]]
    assert sum(a != b for a, b in pairwise(roots)) == 299  # variants and draws of one seed question follow each other


def _with_budget(options: EvalOptions, requests: int) -> EvalOptions:
    from dataclasses import replace

    return replace(options, budget=Budget(max_requests=requests))


def test_a_changed_body_asks_anew_unless_the_evaluation_is_older_than_such_keys(options: EvalOptions) -> None:
    from dataclasses import replace

    def asked(effort: str) -> int:
        body = {"reasoning_effort": effort}
        teacher = says(RIGHT)
        evaluate(replace(options, teacher=replace(options.teacher, extra_body=body)), backend=teacher)
        return len(teacher.asked)

    assert [asked("low"), asked("low"), asked("high")] == [4, 0, 4]
    with RunDir.open(options.out) as run:
        run.update_manifest(keys_cover_body=False)
    assert asked("high") == 4, "keys without a body, as an older version made them"
    assert asked("low") == 0


def test_a_changed_protocol_asks_anew_and_is_named_so(options: EvalOptions) -> None:
    from dataclasses import replace

    evaluate(options, backend=says(RIGHT))
    teacher = says(RIGHT)
    result = evaluate(replace(options, changes=Changes(max_tokens=64)), backend=teacher)
    assert len(teacher.asked) == 4
    made = result.evaluation.provenance["gsm8k"]
    assert (made.protocol, made.max_tokens, made.grader) == ("default+changed", 64, "math")
    assert len(made.prompt_hash) == 12


def test_several_draws_give_pass_and_majority(options: EvalOptions) -> None:
    from dataclasses import replace

    def answer(request: Request) -> str:
        gold = ROWS[int(request.id[6:11])][2]
        return f"The answer is: {gold if request.draw < 3 else 99}"

    sampled = replace(options, draws=4, changes=Changes(temperature=0.7))
    summary = evaluate(sampled, backend=says(answer)).evaluation.summaries[0]
    assert summary.accuracy.value == 0.75
    assert summary.accuracy.num == 16
    assert summary.accuracy.clusters == 4
    assert summary.pass_at["1"].value == summary.avg_at["4"].value == 0.75
    assert summary.pass_at["2"].value == 1.0
    assert summary.maj_at["4"].value == 1.0


def test_several_greedy_draws_are_refused(options: EvalOptions) -> None:
    from dataclasses import replace

    with pytest.raises(InputError, match="3 draws at temperature 0"):
        evaluate(replace(options, draws=3), backend=says(RIGHT))


def test_truncated_unparseable_empty_and_refused_are_counted_apart(options: EvalOptions) -> None:
    made = {
        "gsm8k-00000#0": ("and so 7", "length"), "gsm8k-00001#0": ("I do not know.", "stop"),
        "gsm8k-00002#0": ("", "stop"), "gsm8k-00003#0": ("3", "content_filter"),
    }  # fmt: skip

    def answer(request: Request) -> Completion:
        text, finish = made[request.id]
        return Completion(request=request.id, key=request.key, text=text, finish_reason=finish)  # type: ignore[arg-type]

    result = evaluate(options, backend=FakeTeacher(answer))
    reasons = {draw.problem: draw.reason for draw in result.draws}
    # The reply that was cut off ends in the right number by accident: it is not an answer.
    assert reasons["gsm8k-00000"] == "truncated"
    assert reasons["gsm8k-00001"] == "no_answer"
    assert reasons["gsm8k-00002"] == "empty"
    summary = result.evaluation.summaries[0]
    assert summary.truncated.value == 0.25
    assert summary.unparseable.value == 0.5


def test_a_model_that_returns_nothing_is_said_and_kept(options: EvalOptions) -> None:
    result = evaluate(options, backend=says(lambda request: ""))
    summary = result.evaluation.summaries[0]
    assert summary.reasons == {"empty": 4}
    assert any("Every reply is empty" in note for note in summary.notes)
    assert len(list(RunDir.read(options.out).completions("solve"))) == 4


def test_a_limit_that_goes_to_reasoning_alone_is_said(options: EvalOptions) -> None:
    def answer(request: Request) -> Completion:
        return Completion(request=request.id, key=request.key, text="", finish_reason="length")

    summary = evaluate(options, backend=FakeTeacher(answer)).evaluation.summaries[0]
    assert "Every reply is empty and cut off" in summary.notes[0]


def test_progress_tells_the_accuracy_with_its_interval(options: EvalOptions) -> None:
    seen: list[EvalProgress] = []
    evaluate(options, backend=says(RIGHT), progress=seen.append)
    last = seen[-1]
    assert (last.done, last.total, last.correct) == (4, 4, 4)
    assert 0 < last.low < last.high <= 1
    assert last.eta_seconds == 0


def test_progress_of_a_resumed_run_speaks_of_all_replies(options: EvalOptions) -> None:
    replies = {**RIGHT, "gsm8k-00000#0": "no idea"}
    first = evaluate(_with_budget(options, 2), backend=says(replies))
    seen: list[EvalProgress] = []
    whole = evaluate(options, backend=says(replies), progress=seen.append)
    assert first.evaluation.num_unanswered == 2
    assert (seen[-1].done, seen[-1].correct, seen[-1].unparseable) == (4, 3, 1)
    assert seen[-1].accuracy == whole.evaluation.summaries[0].accuracy.value


def test_metamath_2024_asks_with_the_published_text_and_stop_strings() -> None:
    problem = Problem(id="q", dataset="gsm8k", style="gsm8k", question="What is {1} + $1?\nSay.", answer="2")
    protocol = PROTOCOLS["metamath-2024"]
    (message,) = messages_for(protocol, problem)
    assert message.role == "raw"
    assert message.content == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nWhat is {1} + $1?\nSay.\n\n### Response: Let's think step by step."
    )
    words = ("Question", "USER", "ASSISTANT", "Instruction", "Response")
    assert sampling_for(protocol, "gsm8k").stop == tuple(text for word in words for text in (f"{word}:", word))
    assert [sampling_for(protocol, style).max_tokens for style in ("gsm8k", "math")] == [512, 2048]
    assert sampling_for(protocol, "gsm8k").temperature == 0.0
    assert protocol.headline == "reference"


@pytest.mark.parametrize("style", ["gsm8k", "math"])
@pytest.mark.parametrize("template", ["chat", "raw"])
def test_demonstrations_come_before_the_question_in_either_template(style: str, template: str) -> None:
    problem = Problem(id="q", dataset="d", style=style, question="THE QUESTION", answer="2")  # type: ignore[arg-type]
    for prompt in ("zero", "bare", "boxed"):
        changes = Changes(prompt=prompt, template=template, shots=3)  # type: ignore[arg-type]
        messages = messages_for(choose_protocol("default", changes), problem)
        text = "".join(message.content for message in messages)
        assert text.count("The answer is: ") >= 3
        assert text.rindex("THE QUESTION") > text.rindex("The answer is: ") or prompt == "zero"
        assert {message.role for message in messages} <= ({"raw"} if template == "raw" else {"user", "assistant"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"benchmarks": ("gsm8",)}, 'Did you mean "gsm8k"'),
        ({"benchmarks": ()}, "benchmarks: found none"),
        ({"protocol": "metamath"}, 'Did you mean "metamath-2024"'),
        ({"changes": Changes(prompt="zeroo")}, 'Did you mean "zero"'),
        ({"changes": Changes(shots=99)}, "demonstrations"),
        ({"changes": Changes(top_p=0.0)}, "top_p"),
        ({"limit": 0}, "limit: found 0, expected 1 or more"),
        ({"benchmarks": ("gsm8k=a.jsonl", "gsm8k=b.jsonl")}, "gsm8k: named with several files"),
    ],
)
def test_bad_options_are_refused_before_anything_is_paid(
    options: EvalOptions, change: dict[str, object], message: str
) -> None:
    from dataclasses import replace

    teacher = says(RIGHT)
    with pytest.raises(InputError, match=message):
        evaluate(replace(options, **change), backend=teacher)  # type: ignore[arg-type]
    assert not teacher.asked


def test_a_directory_of_another_kind_is_left_alone(options: EvalOptions) -> None:
    with RunDir.open(options.out) as run:
        run.update_manifest(recipe="bootstrapping")
    with pytest.raises(InputError, match="not an evaluation"):
        evaluate(options, backend=says(RIGHT))


def test_two_evaluations_are_compared_on_the_same_questions(options: EvalOptions, tmp_path: Path) -> None:
    from dataclasses import replace

    worse = RIGHT | {"gsm8k-00003#0": "The answer is: 4"}
    evaluate(options, backend=says(RIGHT))
    other = replace(options, out=str(tmp_path / "other"), changes=Changes(shots=1))
    evaluate(other, backend=says(worse))
    found = compare(options.out, other.out)
    assert found.sets["gsm8k"].lost == ["gsm8k-00003"]
    assert found.sets["gsm8k"].difference == -0.25
    assert "shots 0 against 1" in found.warnings[0]
    with pytest.raises(InputError, match="not an evaluation"):
        compare(options.out, tmp_path)


def test_a_comparison_of_variants_says_that_p_takes_them_as_independent(options: EvalOptions, tmp_path: Path) -> None:
    from dataclasses import replace

    variants = replace(options, benchmarks=(options.benchmarks[0].replace("gsm8k=", "gsm8k-perturbed="),))
    other = replace(variants, out=str(tmp_path / "other"))
    for each in (variants, other):
        evaluate(each, backend=says(lambda request: "The answer is: 7"))
    found = compare(variants.out, other.out)
    assert found.sets["gsm8k-perturbed"].num_clusters == 4 < found.sets["gsm8k-perturbed"].num
    assert "come from 4 seed questions" in found.warnings[-1]


def test_a_prompt_sensitivity_run_gives_mean_lowest_and_highest(options: EvalOptions) -> None:
    def answer(request: Request) -> str:
        gold = ROWS[int(request.id[6:11])][2]
        boxed = "boxed" in request.messages[-1].content
        return f"\\boxed{{{gold}}}" if boxed or request.id == "gsm8k-00000#0" else "no idea"

    results, spread = evaluate_prompts(options, ["zero", "boxed"], backend=says(answer))
    assert len(results) == 2
    found = spread[0]
    assert found.accuracies == {"zero": 0.25, "boxed": 1.0}
    assert (found.mean, found.lowest, found.highest) == (0.625, 0.25, 1.0)
    assert (found.always, found.never) == (0.25, 0.0)
    with pytest.raises(InputError, match="two different prompts"):
        evaluate_prompts(options, ["zero"])
    with pytest.raises(InputError, match="zero: two prompts of this name"):
        evaluate_prompts(options, ["zero", "mine/zero.txt"])


def test_a_finished_evaluation_is_read_back_whole(options: EvalOptions) -> None:
    result = evaluate(options, backend=says(RIGHT))
    evaluation, draws = read_evaluation(options.out)
    assert evaluation == result.evaluation
    assert draws == result.draws
    assert draws[0].prompt.startswith("[user]\n")


def test_a_model_we_trained_is_asked_with_its_training_prompt(tmp_path: Path) -> None:
    from mathstrap.evaluate.own import protocol_for

    (tmp_path / "manifest.json").write_text(json.dumps({"recipe": {"data": {"prompt": "metamath-2024"}}}))
    (tmp_path / "model").mkdir()
    protocol = protocol_for("own", Changes(), str(tmp_path / "model"))
    assert (protocol.prompt, protocol.template) == ("trained", "raw")
    one = Problem(id="q", dataset="d", style="gsm8k", question="One?", answer="1")
    two = Problem(id="q", dataset="d", style="gsm8k", question="One?\nTwo?", answer="1")
    assert messages_for(protocol, one)[0].content.endswith("### Instruction:\nOne?\n\n### Response:")
    # Trained with the first line as instruction and the rest as input: asked in the same way.
    assert messages_for(protocol, two)[0].content.endswith("Instruction:\nOne?\n\n### Input:\nTwo?\n\n### Response:")
    elsewhere = protocol_for("own", Changes(), str(tmp_path / "model" / "none"))
    assert (elsewhere.prompt, elsewhere.template) == ("terse", "chat")


def test_the_training_prompt_is_the_trainers_own(tmp_path: Path) -> None:
    protocol = choose_protocol("default", Changes(prompt="trained", template="raw"))
    for question in ("One?", "One?\nTwo?\n\nThree?"):
        problem = Problem(id="q", dataset="d", style="math", question=question, answer="1")
        assert messages_for(protocol, problem)[0].content == metamath_prompt(question)


def test_retrained_weights_in_the_same_folder_are_another_model(tmp_path: Path) -> None:
    from mathstrap.backends import TeacherOptions
    from mathstrap.evaluate.record import model_name

    weights = tmp_path / "model.safetensors"
    weights.write_bytes(bytes(300_000))
    teacher = TeacherOptions(backend="hf", model_path=str(tmp_path))
    first = model_name("sft", teacher)
    assert first == model_name("sft", teacher)
    weights.write_bytes(bytes(150_000) + b"\1" * 150_000)
    assert model_name("sft", teacher) != first
    assert model_name("gpt", TeacherOptions(model="gpt")) == "gpt"
    rounded = TeacherOptions(backend="embedded", settings={"precision": "bf16", "sequences": 4})
    assert model_name("tiny", rounded) == "tiny precision=bf16"
