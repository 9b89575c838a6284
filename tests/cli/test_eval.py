"""The verbs eval and compare, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mathstrap.cli import app
from mathstrap.errors import InputError
from mathstrap.evaluate.choose import choose_teacher


def rows(tmp_path: Path) -> tuple[str, str]:
    test, outputs = tmp_path / "gsm8k_test.jsonl", tmp_path / "outputs.jsonl"
    test.write_text("\n".join(json.dumps({"question": f"{i}+1?", "answer": f"#### {i + 1}"}) for i in range(6)))
    lines = [{"id": f"gsm8k-{i:05d}", "text": f"The answer is: {i + (i != 2)}"} for i in range(6)]
    outputs.write_text("\n".join(map(json.dumps, lines)))
    return f"gsm8k={test}", str(outputs)


def test_outputs_are_evaluated_and_compared(tmp_path: Path) -> None:
    benchmark, outputs = rows(tmp_path)
    run = CliRunner()
    for name in ("a", "b"):
        done = run.invoke(app, ["eval", "-b", benchmark, "--outputs", outputs, "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
        assert "83.3%" in done.output
        assert "report.html" in done.output
    found = run.invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "b")])
    assert found.exit_code == 0, found.output
    assert "p = 1" in found.output
    assert "with 0 flips among 6 questions no difference reaches 80 % power" in found.output
    as_json = run.invoke(app, ["compare", "--json", str(tmp_path / "a"), str(tmp_path / "b")])
    assert json.loads(as_json.output)["sets"]["gsm8k"]["num"] == 6


def test_every_benchmark_is_listed() -> None:
    done = CliRunner().invoke(app, ["eval", "--list"])
    assert done.exit_code == 0
    assert "drop-number" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-b", "gsm8"], 'Did you mean "gsm8k"'),
        (["--logs", "inspekt"], 'Did you mean "inspect"'),
        (["limits.max_in_flight=many"], "limits.max_in_flight"),
        (["bogus=1"], 'no such key "bogus"'),
        (["--temperature", "-0.5"], "temperature must be 0 or more"),
        (["--shots", "-2"], "shots at least 0"),
        (["--limit", "0"], "limit: found 0, expected 1 or more"),
        (["-b", " , "], "no benchmark named"),
        (["--model", "sft-tinny/model"], "sft-tinny/model: no such folder or .gguf file. For a model of that name"),
    ],
)
def test_bad_arguments_are_sentences(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["eval", *arguments])
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_a_flag_goes_before_the_recipe_also_where_it_names_the_default(tmp_path: Path) -> None:
    benchmark, outputs = rows(tmp_path)
    recipe = tmp_path / "eval.yaml"
    recipe.write_text(f"benchmarks: [svamp]\nprotocol: few-shot\nties: first\noutputs: {outputs}\n")
    arguments = ["eval", "--recipe", str(recipe), "--out", str(tmp_path / "run"), "-b", benchmark, "-p", "default"]
    done = CliRunner().invoke(app, [*arguments, "--ties", "share", "--logs", "inspect, lm-eval"])
    assert done.exit_code == 0, done.output
    options = json.loads((tmp_path / "run" / "manifest.json").read_text())["options"]
    assert (options["benchmarks"], options["protocol"], options["ties"]) == ([benchmark], "default", "share")
    assert options["outputs"] == outputs
    assert options["logs"] == ["inspect", "lm-eval"]


def test_incomplete_outputs_exit_with_3_when_skipped(tmp_path: Path) -> None:
    benchmark, outputs = rows(tmp_path)
    lines = Path(outputs).read_text().splitlines()
    Path(outputs).write_text("\n".join([*lines[:4], json.dumps({"id": "gsm8k-00077", "text": "7"})]))
    arguments = ["eval", "-b", benchmark, "--outputs", outputs, "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, [*arguments, "--on-bad", "skip"])
    assert done.exit_code == 3
    assert "2 of 6 replies are missing" in done.output
    assert "add them to the file" in done.output
    assert "rows that fit no question: 1" in done.output
    assert "tokens" not in done.output  # the file does not say how many


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    benchmark, _ = rows(tmp_path)
    server = ["-m", "m", "--base-url", "http://127.0.0.1:9/v1"]
    arguments = ["eval", "-b", benchmark, *server, "--out", str(tmp_path / "o")]
    done = CliRunner().invoke(app, [*arguments, "limits.max_attempts=1", "limits.breaker_failures=0"])
    assert done.exit_code == 1
    assert "http://127.0.0.1:9/v1: no server listens there" in str(done.exception)
    assert "start the server" in str(done.exception)


def test_a_sensitivity_run_prints_the_spread_and_every_report(tmp_path: Path) -> None:
    benchmark, _ = rows(tmp_path)
    arguments = ["eval", "-b", benchmark, "--backend", "fake", "--out", str(tmp_path / "s"), "teacher.model=oracle"]
    done = CliRunner().invoke(app, [*arguments, "--prompt", "zero", "--prompt", "terse", "--quiet"])
    assert done.exit_code == 0, done.output
    for part in ("lowest", "prompt eval.zero.gsm8k", "prompt-terse/report.html"):
        assert part in done.output.replace("\n", "")


def test_the_backend_is_told_from_the_model(tmp_path: Path) -> None:
    assert choose_teacher("", "", "") == {"backend": "embedded"}
    assert choose_teacher("x.gguf", "", "") == {"backend": "embedded", "model_path": "x.gguf"}
    with pytest.raises(InputError, match=r"no config\.json, so this is not the folder of a model\.$"):
        choose_teacher(str(tmp_path), "", "")
    (tmp_path / "model").mkdir()
    with pytest.raises(InputError, match=f"Did you mean {tmp_path / 'model'}"):
        choose_teacher(str(tmp_path), "", "")
    (tmp_path / "config.json").write_text("{}")
    assert choose_teacher(str(tmp_path), "", "") == {"backend": "hf", "model_path": str(tmp_path)}
    assert choose_teacher("m", "", "http://h/v1") == {"backend": "openai", "model": "m", "base_url": "http://h/v1"}
    assert choose_teacher("gpt-4o-mini", "", "") == {"backend": "openai", "model": "gpt-4o-mini"}
    assert choose_teacher("m", "vllm", "") == {"backend": "vllm", "model": "m"}


def test_an_adapter_is_put_on_the_model_it_was_trained_on(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "base/model"}))
    assert choose_teacher(str(tmp_path), "", "") == {
        "backend": "hf", "model_path": "base/model", "model": tmp_path.name, "settings": {"adapter": str(tmp_path)},
    }  # fmt: skip
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="names no base model"):
        choose_teacher(str(tmp_path), "", "")


def test_a_directory_that_is_no_run_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["compare", str(tmp_path), str(tmp_path)])
    assert "not a run directory" in str(done.exception)
