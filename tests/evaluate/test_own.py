"""A student is asked as it was trained: prompt, system turn and template arguments come from its record."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from mathstrap.evaluate.own import protocol_for
from mathstrap.evaluate.protocols import Changes, messages_for, prompt_hash, sampling_for
from mathstrap.evaluate.score import score_draw
from mathstrap.types import Completion, Problem

PROBLEM = Problem(id="t-0", dataset="t", style="gsm8k", question="2*3?", answer="6", method="seed")


def student(tmp_path, **data):
    (tmp_path / "model").mkdir()
    (tmp_path / "manifest.json").write_text(json.dumps({"recipe": {"data": data}}))
    return str(tmp_path / "model")


def test_a_student_is_asked_as_it_was_trained_where_no_protocol_is_named(tmp_path):
    path = student(tmp_path, prompt="chat", system="You are a tutor.", template_args={"enable_thinking": False})
    protocol = protocol_for("", Changes(), path)
    assert protocol.name == "own (chat template)"
    assert [(turn.role, turn.content) for turn in messages_for(protocol, PROBLEM)] == [
        ("system", "You are a tutor."), ("user", "2*3?"),
    ]  # fmt: skip
    assert sampling_for(protocol, "gsm8k").extra_body == {"chat_template_kwargs": {"enable_thinking": False}}
    assert prompt_hash(protocol, "gsm8k") != prompt_hash(protocol_for("", Changes(system=""), path), "gsm8k")
    assert protocol_for("default", Changes(), path).name == "default"


def test_the_papers_prompt_is_found_again_and_other_models_are_asked_by_the_default(tmp_path):
    path = student(tmp_path, prompt="metamath-2024")
    assert protocol_for("", Changes(), path).name == "own (training prompt)"
    assert protocol_for("", Changes(), str(tmp_path / "elsewhere" / "model")).name == "default"
    assert protocol_for("", Changes(), "").name == "default"


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ("<think>2*3: the answer is 6. But wait, let me check the", "length", "truncated"),
        ("<think>the answer is 6", "stop", "truncated"),  # the thought never ended, whatever the server says
        ("<think>maybe 5</think>The answer is 6.", "stop", "correct"),
        ("<|channel|>analysis<|message|>maybe 5<|end|><|start|>assistant<|channel|>final<|message|>It is 6.", "stop",
         "correct"),
        ("I first thought 5, but the answer is 6, not 5.", "stop", "correct"),
        ("A: 6", "stop", "correct"),
    ],
)  # fmt: skip
def test_an_answer_counts_only_outside_a_thought(text, finish, reason):
    completion = Completion(request="t-0#0", key="", text=text, finish_reason=finish)
    draw = score_draw(PROBLEM, completion, headline="symbolic", draw=0)
    assert draw.reason == reason


REPEATED = [
    ("Ann has 3 pens. She buys 3 more pens. How many pens has she?", "3", "She buys 3 more pens.", "no_answer"),
    ("Ann has 3 pens. She buys 3 more pens. How many pens has she?", "3", "Ann has 3 pens.", "no_answer"),
    ("Ann has 3 pens. She buys 3 more pens. How many pens has she?", "6", "Ann has 3 pens. So she has 6.", "correct"),
    ("Evaluate $2 + 3 + 4$.", "9", "$2 + 3 + 4$", "wrong_answer"),
    ("Evaluate $2 + 3 + 4$.", "9", "9", "correct"),
]


@pytest.mark.parametrize(("question", "gold", "text", "reason"), REPEATED)
def test_a_repeated_question_is_not_an_answer(question, gold, text, reason):
    problem = replace(PROBLEM, question=question, answer=gold)
    completion = Completion(request="t-0#0", key="", text=text, finish_reason="stop")
    assert score_draw(problem, completion, headline="symbolic", draw=0).reason == reason


def worked(n: int) -> str:
    return f"{n}+{n}=<<{n}+{n}={2 * n}>>{2 * n}\n#### {2 * n}"


def test_original_and_perturbed_questions_are_paired_by_seed(tmp_path):
    from mathstrap.backends.fake import FakeTeacher
    from mathstrap.evaluate import EvalOptions, evaluate
    from mathstrap.evaluate.versus import contrast

    rows = [{"question": f"Ann has {n} pens and buys {n} more. How many?", "answer": worked(n)}
            for n in range(3, 23)]  # fmt: skip
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    known = {row["question"]: row["answer"].rpartition("#### ")[2] for row in rows}

    def by_heart(request):
        question = next((text for text in known if text in request.messages[-1].content), "")
        text = f"The answer is {known.get(question, '0')}."
        return Completion(request=request.id, key=request.key, text=text, finish_reason="stop")

    options = EvalOptions(benchmarks=(f"gsm8k={path}", f"gsm8k-perturbed={path}"), out=str(tmp_path / "run"))
    evaluate(options, backend=FakeTeacher(by_heart))
    (found,) = contrast(options.out, options.out, ("gsm8k", "gsm8k-perturbed")).sets.values()
    assert found.num == found.num_clusters == 20
    assert found.accuracy_a == 1.0
    assert found.difference < -0.5
    assert found.high < 0, "a model that knows the originals by heart is found out"
