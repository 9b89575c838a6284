"""Text from elsewhere never steers a terminal: verbs in a pseudo-terminal on hostile files, names and servers."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bootstrapping import small_values
from fake_server import FakeServer, Script
from mathstrap.recipe import build_recipe, recipe_yaml

# Renames the window, rings, clears, colours, reorders, links, types into the clipboard; the last two are rich's markup.
EVIL = (
    "\x1b]0;PWNED\x07\x1b[2J\x1b[35;45mx\x1b[1A\x1b[2K\u202ecod\u2066\x9b31m\x1b]8;;http://evil.example\x1b\\y\x1b]52;c;eA==\x07"
    "\x08\x08[link=http://evil.example]z[/link][/nope]"
)
# As the name of a file: no slash.
EVIL_NAME = EVIL.replace("/", "|")
DRIVER = """
import json, sys
from mathstrap import cli
for arguments in json.loads(sys.stdin.readline()):
    print("@@@", arguments[0], flush=True)
    sys.argv = ["mathstrap", *arguments]
    try:
        cli.main()
    except SystemExit as end:
        print("@@@ exit", end.code, flush=True)
    except BaseException as error:
        print("@@@ TRACEBACK", type(error).__name__, ascii(str(error))[:300], flush=True)
"""
# What rich moves the cursor with, and the styles it sets; the payload's own are told apart by their numbers.
OURS = re.compile(rb"\x1b\[(?:[0-9;]*m|\?25[lh]|[0-9]*[AG]|2K)")
RAW = {
    "escape": b"\x1b", "bell": b"\x07", "backspace": b"\x08", "bidi": "\u202e".encode(), "isolate": "\u2066".encode(),
    "C1": "\x9b".encode(),
}  # fmt: skip


def in_terminal(verbs: list[list[str]], folder: Path, *, seconds: float = 300, **environment: str) -> bytes:
    """Run verbs one after another in one process whose output is a pseudo-terminal, and return what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER], cwd=folder, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "200", "LINES": "50"} | environment,
    )  # fmt: skip
    os.close(theirs)
    assert process.stdin is not None
    process.stdin.write(json.dumps(verbs).encode() + b"\n")
    process.stdin.close()
    shown = b""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 1)[0]:
                try:
                    part = os.read(ours, 1 << 16)
                except OSError:  # the other end is closed
                    break
                shown += part
            elif process.poll() is not None:
                break
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert shown.count(b"@@@ ") >= len(verbs), shown[-3000:]
    return shown


def assert_screened(shown: bytes) -> None:
    """Check that nothing of the payload came through, and that no verb fell over it."""
    assert b"TRACEBACK" not in shown, shown[-3000:].decode(errors="replace")
    rest = b"".join(OURS.split(shown))
    found = {name: shown_around(rest, raw) for name, raw in RAW.items() if raw in rest}
    found |= {part: shown_around(shown, part.encode()) for part in ("\x1b[35;45", "\x1b]8") if part.encode() in shown}
    assert found == {}


def shown_around(shown: bytes, raw: bytes) -> str:
    place = shown.index(raw)
    verb = shown[:place].rpartition(b"@@@ ")[2][:20]
    return ascii(verb + b" ... " + shown[max(0, place - 120) : place + 40])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a finished run and files whose every text and name is hostile."""
    from mathstrap.pipeline import bootstrap
    from mathstrap.pipeline.options import RunRecipe

    folder = tmp_path_factory.mktemp("hostile")
    question = "Tom has 3 red apples and buys 4 more green apples. How many apples does he have?"
    rows = [
        {"id": f"s{number}{EVIL}", "question": f"{question} {EVIL} {number}", "answer": "#### 7", "gold": "7",
         "query": f"{question} {EVIL} {number}", "response": f"{EVIL}\nThe answer is: 7", EVIL: EVIL}
        for number in range(4)
    ]  # fmt: skip
    for name in ("rows.jsonl", f"{EVIL_NAME[:60]}.jsonl"):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "odd.jsonl").write_text(json.dumps({EVIL: 1, f"b{EVIL}": 2}) + "\n")
    (folder / "broken.jsonl").write_bytes(b"not json " + EVIL.encode() + b"\n")
    (folder / "outputs.jsonl").write_text(json.dumps({"id": EVIL, "text": EVIL}) + "\n")
    seeds = {"source": str(folder / "rows.jsonl")}
    values = small_values(folder, seeds=seeds, methods={"rephrase": {"enabled": False}})
    values["teacher"] = {"backend": "fake", "settings": {"golds": str(folder / "golds.jsonl"), "accuracy": 0.5}}
    recipe = build_recipe(RunRecipe, values, "small")
    bootstrap(recipe)
    run = recipe.path
    for name in ("completions-solve.jsonl", "candidates.jsonl", "verdicts.jsonl", "rejects.jsonl", "samples.jsonl"):
        with (run / name).open("ab") as file:  # a line that is damaged and hostile
            file.write(b'{"id":"' + EVIL.encode() + b"\n")
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | {"name": EVIL, "teacher": {"model": EVIL}}))
    metrics = json.loads((run / "exports.json").read_text()) if (run / "exports.json").exists() else {}
    (run / "exports.json").write_text(json.dumps(metrics))
    (folder / "bad.yaml").write_text(f'name: x\n"{json.dumps(EVIL)[1:-1]}": 1\nteacher: {{model: 5}}\n')
    (folder / "server.yaml").write_text(recipe_yaml(recipe))
    return folder


def test_names_rows_and_damage_do_not_steer_the_terminal(folder: Path) -> None:
    run = str(folder / "runs" / "small")
    seed = json.loads((folder / "runs/small/problems.jsonl").open().readline())["id"]
    verbs = [["stats", run], ["show", seed, "--run", run], ["quirks", "odd.jsonl"], ["run", "bad.yaml"]]
    assert_screened(in_terminal(verbs, folder))


@pytest.mark.slow
def test_no_verb_lets_a_file_steer_the_terminal(folder: Path) -> None:
    evil = f"{EVIL_NAME[:60]}.jsonl"
    run = str(folder / "runs" / "small")
    seed = json.loads((folder / "runs/small/problems.jsonl").open().readline())["id"]
    verbs = [
        ["stats", run], ["show", seed, "--run", run], ["show", EVIL, "--run", run], ["doctor", run],
        ["push", run, "ada/maths", "--dry-run", "--without", "recipe.yaml"], ["export", run, "--format", "dpo"],
        ["stats", EVIL_NAME[:60]], ["doctor", EVIL_NAME[:60]], ["compare", run, run],
        *([verb, name] for verb in ("dedup", "audit", "verify", "quirks")
          for name in ("rows.jsonl", evil, "odd.jsonl", "broken.jsonl")),
        ["decontaminate", "rows.jsonl", "--against", f"a=./{evil}"],
        ["audit", "rows.jsonl", "--field", f"query={EVIL}"],
        ["verify", "--explain", EVIL, f"The answer is: {EVIL}"], ["preflight", "rows.jsonl", "--format", "grpo"],
        ["preflight", evil, "--format", "dpo"], ["init", "new.yaml", "--seeds", evil],
        ["init", "new2.yaml", "--seeds", "odd.jsonl"], ["run", "bad.yaml"], ["run", evil],
        ["run", "server.yaml", "--dry-run"], ["export", evil, "--format", "grpo"], ["recipes", EVIL],
        ["eval", "--outputs", "outputs.jsonl", "--benchmarks", evil], ["train", "bad.yaml"], ["study", "bad.yaml"],
    ]  # fmt: skip
    assert_screened(in_terminal(verbs, folder))


SLOW = [pytest.param(code, marks=pytest.mark.slow) for code in (0, 401, 404, 429, 500)]


@pytest.mark.parametrize("status", [400, *SLOW])
def test_what_a_server_says_does_not_steer_the_terminal(folder: Path, tmp_path: Path, status: int) -> None:
    error = {"error": {"message": f"bad {EVIL}", "type": EVIL, "code": EVIL}}
    script = Script(status=status, error=error if status else None, model=f"m{EVIL}", says=f"{EVIL} The answer is: 7")
    with FakeServer(script).running() as server:
        changed = [
            f"out={tmp_path}/runs", "teacher.backend=openai", f"teacher.base_url={server.url}", "teacher.model=m",
            "teacher.settings={}", "limits.max_attempts=2", "limits.deadline_seconds=5", "limits.backoff_seconds=0.1",
            "limits.breaker_give_up_seconds=3", "limits.breaker_seconds=0.5",
        ]  # fmt: skip
        shown = in_terminal([["run", "server.yaml", *changed]], folder, OPENAI_API_KEY="sk-x")
    assert_screened(shown)
    assert b"PWNED" in shown  # what the server said, or its name, is shown, spelled out
