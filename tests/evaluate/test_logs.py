"""The logs other tools open, and the page: complete, escaped, the same bytes for the same run."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mathstrap.backends.fake import FakeTeacher
from mathstrap.engine.budget import Budget
from mathstrap.evaluate import EvalOptions, EvalResult, evaluate
from mathstrap.types import Request

HOSTILE = '</div><script>alert(1)</script><img src=x onerror="alert(2)">\u202e $\\text{<b>}$ The answer is: <i>9</i>'
ROWS = [("Ann has 3 figs and buys 4. How many?", "7"), ("Bo has <b>10</b> nuts & eats 4. Left?", "6"), ("1+1?", "2")]


@pytest.fixture
def result(tmp_path: Path) -> EvalResult:
    path = tmp_path / "gsm8k_test.jsonl"
    path.write_text("\n".join(json.dumps({"question": q, "answer": f"it is {a}\n#### {a}"}) for q, a in ROWS))
    replies = {
        "gsm8k-00000#0": "3+4=7\nThe answer is: 7", "gsm8k-00001#0": HOSTILE, "gsm8k-00002#0": "no idea",
    }  # fmt: skip

    def answer(request: Request) -> str:
        return replies[request.id]

    options = EvalOptions(benchmarks=(f"gsm8k={path}",), out=str(tmp_path / "run"), logs=("inspect", "lm-eval"))
    return evaluate(options, backend=FakeTeacher(answer))


def test_the_inspect_log_has_every_file_and_every_sample(result: EvalResult) -> None:
    with zipfile.ZipFile(result.path / "logs" / "gsm8k.eval") as log:
        names = set(log.namelist())
        assert {"header.json", "summaries.json", "_journal/start.json", "samples/gsm8k-00001_epoch_1.json"} <= names
        header = json.loads(log.read("header.json"))
        sample = json.loads(log.read("samples/gsm8k-00001_epoch_1.json"))
        listed = json.loads(log.read("summaries.json"))[1]
    assert header["status"] == "success"
    assert header["results"]["scores"][0]["metrics"]["accuracy"]["value"] == pytest.approx(1 / 3)
    assert sample["output"]["choices"][0]["message"]["content"] == HOSTILE
    assert sample["scores"]["symbolic"]["value"] == "I"
    assert listed["model_usage"] == sample["model_usage"]  # the columns of inspect view


def test_the_harness_samples_have_a_row_per_filter(result: EvalResult) -> None:
    lines = (result.path / "logs" / "samples_gsm8k.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["filter"] for row in rows] == ["strict-match"] * 3 + ["flexible-extract"] * 3
    assert [row["doc_id"] for row in rows] == [0, 1, 2] * 2
    assert rows[3]["exact_match"] == 1.0
    assert rows[0]["filtered_resps"] == ["[invalid]"]


def test_harness_samples_can_be_graded_again_as_outputs(result: EvalResult, tmp_path: Path) -> None:
    samples = result.path / "logs" / "samples_gsm8k.jsonl"
    assert len(samples.read_text().splitlines()) == 6  # a row per reply and filter: still one draw of each question
    source = result.evaluation.summaries[0].source
    again = evaluate(EvalOptions(benchmarks=(f"gsm8k={source}",), out=str(tmp_path / "again"), outputs=str(samples)))
    assert [draw.reason for draw in again.draws] == [draw.reason for draw in result.draws]


def test_harness_samples_find_their_question_in_a_built_set_with_a_reply_missing(tmp_path: Path) -> None:
    path = tmp_path / "gsm8k_test.jsonl"
    rows = [{"question": "No gold?", "answer": "none"}]  # so the rows' places are not the questions' numbers
    for n in (11, 13):
        question = f"Anna has {n} figs. Paul buys {n + 40} more. How many?"
        rows.append({"question": question, "answer": f"<<{n}+{n + 40}={2 * n + 40}>>\n#### {2 * n + 40}"})
    path.write_text("\n".join(map(json.dumps, rows)))
    for name in (f"gsm8k-perturbed={path}", f"gsm8k={path}"):
        out = tmp_path / name.partition("=")[0]
        options = EvalOptions(benchmarks=(name,), out=str(out), logs=("lm-eval",))
        budget = Budget(max_requests=3 if "perturbed" in name else 1)
        asked = evaluate(replace(options, budget=budget), backend=FakeTeacher(lambda request: f"{request.id} 7"))
        assert asked.evaluation.num_unanswered
        (samples,) = (out / "logs").glob("samples_*.jsonl")
        again = evaluate(
            replace(options, out=f"{out}-again", logs=(), outputs=str(samples), on_bad="skip", budget=Budget())
        )
        assert [(draw.id, draw.text) for draw in again.draws] == [(draw.id, f"{draw.id} 7") for draw in asked.draws]


def test_the_inspect_log_of_a_set_says_its_own_decoding_and_what_is_missing(tmp_path: Path) -> None:
    words, maths = tmp_path / "words.jsonl", tmp_path / "maths.jsonl"
    words.write_text(json.dumps({"question": "1+1?", "answer": "#### 2"}))
    maths.write_text("\n".join(json.dumps({"problem": f"${n}+1$?", "answer": str(n + 1)}) for n in range(2)))
    options = EvalOptions(
        benchmarks=(f"gsm8k={words}", f"math500={maths}"), out=str(tmp_path / "run"), logs=("inspect",),
        budget=Budget(max_requests=2),
    )  # fmt: skip
    path = evaluate(options, backend=FakeTeacher(lambda request: "The answer is: 2")).path
    found = {}
    for name in ("gsm8k", "math500"):
        with zipfile.ZipFile(path / "logs" / f"{name}.eval") as log:
            found[name] = json.loads(log.read("header.json"))
    assert [header["eval"]["model_generate_config"]["max_tokens"] for header in found.values()] == [512, 1024]
    assert sum(header["results"]["total_samples"] for header in found.values()) == 3
    assert sum(header["results"]["completed_samples"] for header in found.values()) == 2


class Tags(HTMLParser):
    """Collects the tags of a page and the attributes that could run or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [(name, value or "") for name, value in attrs if name in ("src", "href") or name.startswith("on")]


def test_the_page_escapes_everything_and_loads_nothing(result: EvalResult) -> None:
    page = (result.path / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert not tags.tags & {"script", "img", "link", "iframe", "object"}
    assert "<b>10" not in page
    assert tags.loads == []
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page


def test_the_page_shows_every_wrong_answer_beside_the_gold_with_its_reason(result: EvalResult) -> None:
    page = (result.path / "report.html").read_text(encoding="utf-8")
    assert page.count('<div class="card ') == 2
    assert "Wrong answers (2)" in page
    assert '<div class="card wrong_answer" id="gsm8k-00001#0">' in page
    assert '<div class="card no_answer" id="gsm8k-00002#0">' in page
    assert "#only-no_answer:checked" in page
    assert result.evaluation.provenance["gsm8k"].prompt_hash in page


def test_inspect_itself_reads_the_log(result: EvalResult) -> None:
    python = os.environ.get("MATHSTRAP_INSPECT_PYTHON", "")
    if not python and importlib.util.find_spec("inspect_ai") is None:
        pytest.skip("inspect-ai is not installed here; set MATHSTRAP_INSPECT_PYTHON to a Python that has it")
    script = (
        "import sys; from inspect_ai.log import read_eval_log; log = read_eval_log(sys.argv[1]);"
        "print(log.status, len(log.samples), log.samples[1].output.completion == sys.argv[2])"
    )
    command = [python or sys.executable, "-c", script, str(result.path / "logs" / "gsm8k.eval"), HOSTILE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["success", "3", "True"]


def test_the_draws_are_a_table_too(result: EvalResult) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(result.path / "draws.parquet")
    assert table.num_rows == 3
    assert {"prompt", "text", "got", "expected", "reason", "tokens_out", "finish_reason"} <= set(table.column_names)


def test_logs_are_the_same_bytes_again(result: EvalResult, tmp_path: Path) -> None:
    source = result.evaluation.summaries[0].source
    names = ("logs/gsm8k.eval", "logs/samples_gsm8k.jsonl", "report.html")
    first = [(result.path / name).read_bytes() for name in names]
    options = EvalOptions(benchmarks=(f"gsm8k={source}",), out=str(result.path), logs=("inspect", "lm-eval"))
    evaluate(replace(options), backend=FakeTeacher(lambda request: "never asked"))
    assert first == [(result.path / name).read_bytes() for name in names]
