"""A benchmark as a task of lm-evaluation-harness: what is written, and that its scores are ours on the same replies."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from harness_replies import OURS, harness_python
from mathstrap.errors import InputError
from mathstrap.evaluate import Changes, EvalOptions, evaluate, load_benchmark
from mathstrap.evaluate.protocols import choose_protocol, messages_for
from mathstrap.evaluate.score import SCORES
from mathstrap.evaluate.task import harness_scores, write_task
from mathstrap.types import Problem

HERE = Path(__file__).parents[1]
ROWS = [
    {"question": f"Ann has x figs and buys {n}. If we know the answer to the above question is {2 * n + 1}, what is x?",
     "answer": str(n + 1)} for n in range(3, 60)
]  # fmt: skip


@pytest.fixture
def backward(tmp_path: Path) -> str:
    """A backward test set in the published columns, named as the benchmark's file."""
    path = tmp_path / "gsm8k_backward_200.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return f"gsm8k-backward={path}"


def reply_to(problem: Problem, place: int) -> str:
    """A reply of one of the forms graders disagree on; every third is right in value, if not in form."""
    gold = problem.answer
    forms = [
        f"Step by step.\nThe answer is: {gold}", f"So x = {gold}.\n#### {gold}", f"It is \\boxed{{{gold}}}.",
        f"The answer is: {gold}.00", f"#### 1\nno\n#### {gold}", f"We get {gold} at last.", "I cannot tell.", "",
        f"The answer is: {int(gold) + 1}", f"{gold}", f"The answer is: ${gold},000", f"x is {gold}. 7 are left.",
    ]  # fmt: skip
    forms += [text for style, _, text in OURS if style == "gsm8k"]
    return forms[place % len(forms)]


def test_a_task_holds_config_questions_and_scores(tmp_path: Path, backward: str) -> None:
    loaded = load_benchmark(backward)
    made = write_task(tmp_path / "tasks", loaded, choose_protocol("metamath-2024"))
    config = yaml.load((made.folder / f"{made.name}.yaml").read_text(), Loader=Tagged)
    assert config["task"] == made.name == "mathstrap_gsm8k_backward"
    assert config["process_results"] == "mathstrap_gsm8k_backward_scores.process_results"
    assert "Instruction:" in config["generation_kwargs"]["until"]
    assert [entry["metric"] for entry in config["metric_list"]] == ["reference", "strict", "flexible", "symbolic"]
    documents = [json.loads(line) for line in (made.folder / f"{made.name}.jsonl").read_text().splitlines()]
    assert [row["id"] for row in documents] == [problem.id for problem in loaded.problems]
    shown = messages_for(choose_protocol("metamath-2024"), loaded.problems[0])
    assert documents[0]["prompt"] == shown[0].content
    compile((made.folder / f"{made.name}_scores.py").read_text(), "scores", "exec")


class Tagged(yaml.SafeLoader):
    """YAML in which `!function` is the name behind it."""


Tagged.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))


def test_a_prompt_of_several_turns_is_refused(tmp_path: Path, backward: str) -> None:
    protocol = choose_protocol("default", Changes(shots=2))
    with pytest.raises(InputError, match="a task can have one"):
        write_task(tmp_path / "tasks", load_benchmark(backward), protocol)


def test_hostile_text_reaches_the_scores_as_it_is() -> None:
    doc = {"id": "a", "dataset": "d", "style": "gsm8k", "question": "{{q}}", "answer": "3", "solution": ""}
    assert harness_scores(doc, "{{ 7*7 }} {% raw %} The answer is: 3")["symbolic"] == 1.0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_its_scores_are_ours_reply_by_reply(tmp_path: Path, backward: str) -> None:
    python = harness_python()
    loaded = load_benchmark(backward)
    protocol = choose_protocol("metamath-2024")
    made = write_task(tmp_path / "tasks", loaded, protocol)
    replies = {problem.id: reply_to(problem, place) for place, problem in enumerate(loaded.problems)}
    asked = {messages_for(protocol, problem)[0].content: replies[problem.id] for problem in loaded.problems}
    (tmp_path / "replies.json").write_text(json.dumps(asked))
    environment = {
        **os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"),
        "PYTHONPATH": str(HERE.parent / "src"),
    }  # fmt: skip
    done = subprocess.run(
        [python, str(HERE / "support" / "lm_eval_task.py"), str(made.folder), made.name, str(tmp_path / "replies.json"),
         str(tmp_path / "logs")],
        capture_output=True, text=True, timeout=1700, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"results"'))
    outputs = tmp_path / "outputs.jsonl"
    outputs.write_text("".join(json.dumps({"id": key, "text": text}) + "\n" for key, text in replies.items()))
    ours = evaluate(
        EvalOptions(benchmarks=(backward,), protocol="metamath-2024", outputs=str(outputs), out=str(tmp_path / "run"))
    )
    draws = {draw.problem: draw for draw in ours.draws}
    assert len(theirs["rows"]) == len(draws) == len(ROWS)
    assert theirs["rows"] == [
        {"id": row["id"], **{name: float(getattr(draws[row["id"]], name)) for name in row if name != "id"}}
        for row in theirs["rows"]
    ]
    for name in SCORES:
        assert theirs["results"][f"{name},none"] == pytest.approx(ours.evaluation.summaries[0].scores[name].value)
    assert len({theirs["results"][f"{name},none"] for name in SCORES}) > 1  # the replies tell the scores apart
    logged = next((tmp_path / "logs").rglob("samples_*.jsonl"))
    again = evaluate(
        EvalOptions(benchmarks=(backward,), protocol="metamath-2024", outputs=str(logged), out=str(tmp_path / "again"))
    )
    assert [draw.symbolic for draw in again.draws] == [draw.symbolic for draw in ours.draws]
