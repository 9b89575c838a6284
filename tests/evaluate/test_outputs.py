"""Replies made elsewhere: every way a file may not fit the questions is said, and nothing of it is lost."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mathstrap.errors import InputError
from mathstrap.evaluate import Changes, EvalOptions, evaluate
from mathstrap.evaluate.outputs import read_outputs
from mathstrap.files.rundir import RunDir
from mathstrap.types import Problem, Reject

PROBLEMS = [
    Problem(id=f"gsm8k-{i:05d}", dataset="gsm8k", style="gsm8k", question=f"{i}+{i}?", answer=str(2 * i))
    for i in range(4)
]
GOOD = [{"id": f"gsm8k-{i:05d}", "text": f"The answer is: {2 * i}"} for i in range(4)]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture
def options(tmp_path: Path) -> EvalOptions:
    rows = [{"question": p.question, "answer": f"#### {p.answer}"} for p in PROBLEMS]
    path = write(tmp_path / "gsm8k_test.jsonl", rows)
    return EvalOptions(benchmarks=(f"gsm8k={path}",), out=str(tmp_path / "run"))


@pytest.mark.parametrize(
    "rows",
    [
        GOOD,
        [{"id": f"{row['id']}#0", "completion": row["text"]} for row in reversed(GOOD)],
        [{"doc_id": i, "resps": [[row["text"]]], "filter": "none"} for i, row in enumerate(GOOD)],
        [{"id": i, "text": row["text"]} for i, row in enumerate(GOOD)],
        [{"id": i, "text": row["text"]} for i, row in enumerate(GOOD, 1)],
        [{"idx": str(i), "code": [row["text"]]} for i, row in enumerate(GOOD)],
        [{"id": float(i), "text": row["text"]} for i, row in enumerate(GOOD)],  # as pandas writes a column with a gap
        [{"id": f"{i}.0", "text": row["text"]} for i, row in enumerate(GOOD, 1)],
        [{"problem_id": row["id"], "response": row["text"], "draw": 0, "extra": 1} for row in GOOD],
        [{"question": p.question, "model_prediction": row["text"]} for p, row in zip(PROBLEMS, GOOD, strict=True)],
    ],
)
def test_outputs_are_read_in_the_shapes_people_have(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    found = read_outputs(write(tmp_path / "outputs.jsonl", rows), PROBLEMS)
    assert found.draws == 1
    assert found.texts["gsm8k-00003", 0].text == "The answer is: 6"


def test_a_row_without_an_id_is_matched_by_the_question_in_its_prompt(tmp_path: Path) -> None:
    asked = Problem(id="g-0", dataset="gsm8k", style="gsm8k", question="How many legs have 3 dogs?", answer="12")
    prompt = f"### Instruction:\n{asked.question}\n\n### Response: Let's think step by step."
    found = read_outputs(write(tmp_path / "outputs.jsonl", [{"input": prompt, "completion": "So 12."}]), [asked])
    assert found.texts["g-0", 0].text == "So 12."


def test_outputs_may_be_csv(tmp_path: Path) -> None:
    path = tmp_path / "outputs.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "output"])
        writer.writeheader()
        writer.writerows({"id": row["id"], "output": row["text"]} for row in GOOD)
    assert len(read_outputs(path, PROBLEMS).texts) == 4


def test_several_rows_of_a_question_are_its_draws_in_order(tmp_path: Path) -> None:
    rows = [{"id": row["id"], "text": f"{draw}"} for row in GOOD for draw in range(3)]
    found = read_outputs(write(tmp_path / "outputs.jsonl", rows), PROBLEMS)
    assert found.draws == 3
    assert [found.texts["gsm8k-00001", draw].text for draw in range(3)] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (GOOD[:3], r"questions without an answer: 1 \(gsm8k-00003\)"),
        ([*GOOD, {"id": "gsm8k-00099", "text": "x"}], r"ids of no question here: 1 \(gsm8k-00099\)"),
        ([*GOOD, {"id": "gsm8k-00001#0", "text": "x"}], r"draws given twice: 1 \(gsm8k-00001#0\)"),
        ([*GOOD, {"id": "gsm8k-00001", "text": "x"}], r"questions with more than one answer: 1 \(gsm8k-00001 \(2\)\)"),
        ([{"id": "other-1", "text": "x"}], "no row answers a question of the benchmark.*Ids look like gsm8k-00000"),
        ([{"id": "gsm8k-00000"}], r":1: no text field.*the row has: id\)"),
        ([{"id": "gsm8k-00000", "text": None}], r':1: "text" holds None, expected text as a string'),
        ([{"text": "x"}], r":1: no id field"),
        ([{"doc_id": 99, "text": "x"}], "doc_id 99"),
        ([{**row, "draw": 1} for row in GOOD], r"numbered 1 or more \(the first is 0\): 4 \(gsm8k-00000#1"),
    ],
)
def test_what_does_not_fit_is_said_with_its_ids(rows: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_outputs(write(tmp_path / "outputs.jsonl", rows), PROBLEMS)


def test_wrong_counts_of_draws_are_said(tmp_path: Path) -> None:
    rows = [{"id": row["id"], "text": "x"} for row in GOOD for _ in range(2)][:-1]
    with pytest.raises(InputError, match=r"other than 2 answers: 1 \(gsm8k-00003 \(1\)\)"):
        read_outputs(write(tmp_path / "outputs.jsonl", rows), PROBLEMS)
    with pytest.raises(InputError, match="other than 3 answers"):
        read_outputs(write(tmp_path / "outputs.jsonl", rows), PROBLEMS, draws=3)


def test_skipping_grades_what_fits_and_keeps_the_rest_as_rejects(options: EvalOptions, tmp_path: Path) -> None:
    rows = [*GOOD[:3], {"id": "gsm8k-00099", "text": "x"}, {"id": "gsm8k-00001#0", "text": "again"}, {"text": "lost"}]
    path = write(tmp_path / "outputs.jsonl", rows)
    with pytest.raises(InputError, match="--on-bad skip"):
        evaluate(replace(options, outputs=str(write(tmp_path / "part.jsonl", rows[:5]))))
    result = evaluate(replace(options, outputs=str(path), on_bad="skip"))
    summary = result.evaluation.summaries[0]
    assert (summary.accuracy.value, summary.accuracy.num, summary.num_unanswered) == (1.0, 3, 1)
    rejects = list(RunDir.read(options.out).read_records("rejects", Reject))
    assert [reject.id for reject in rejects] == ["outputs.jsonl:4", "outputs.jsonl:5", "outputs.jsonl:6"]


def test_a_line_that_was_cut_off_costs_that_reply_alone_when_skipped(options: EvalOptions, tmp_path: Path) -> None:
    path = write(tmp_path / "outputs.jsonl", GOOD[:3])
    path.write_text(path.read_text().rstrip() + '\n{"id": "gsm8k-00003", "te')
    with pytest.raises(InputError, match=r"outputs.jsonl:4: not JSON"):
        evaluate(replace(options, outputs=str(path)))
    result = evaluate(replace(options, outputs=str(path), on_bad="skip"))
    assert (result.evaluation.summaries[0].accuracy.num, result.evaluation.num_unanswered) == (3, 1)
    (reject,) = RunDir.read(options.out).read_records("rejects", Reject)
    assert "not JSON" in reject.detail


def test_outputs_are_graded_as_a_models_replies_are(options: EvalOptions, tmp_path: Path) -> None:
    path = write(tmp_path / "outputs.jsonl", GOOD)
    result = evaluate(replace(options, outputs=str(path), changes=Changes(shots=0)))
    assert result.evaluation.summaries[0].accuracy.value == 1.0
    assert result.evaluation.model.startswith("outputs.jsonl@")
    assert result.asked is None
    # Nothing is claimed about how the replies were made.
    assert result.evaluation.provenance["gsm8k"].prompt is None
    assert result.draws[0].prompt == ""
    assert "prompt and decoding unknown" in (result.path / "report.html").read_text()


def test_a_changed_file_is_not_mistaken_for_the_old_one(options: EvalOptions, tmp_path: Path) -> None:
    path = write(tmp_path / "outputs.jsonl", GOOD)
    evaluate(replace(options, outputs=str(path)))
    write(path, [{**row, "text": "no"} for row in GOOD])
    assert evaluate(replace(options, outputs=str(path))).evaluation.summaries[0].accuracy.value == 0.0


def test_a_file_that_is_not_there_is_said(options: EvalOptions) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        evaluate(replace(options, outputs="none.jsonl"))
