"""What the shell offers after a tab, asked for as bash, zsh and fish ask; and bash itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mathstrap.cli import app

SCRIPT = Path(sys.executable).with_name("mathstrap")


def ask(folder: Path, shell: str, typed: str) -> list[str]:
    """Return what is offered for the words typed so far; the last one may be empty."""
    variables = {"_MATHSTRAP_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        variables |= {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split(" ")) - 1)}
    else:
        variables |= {"_TYPER_COMPLETE_ARGS": typed, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, prog_name="mathstrap", env=variables)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a user: a recipe and two runs, one of which is elsewhere."""
    for name in ("runs/mine", "runs/notes", "old/first"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("runs/mine", "old/first"):
        (tmp_path / name / "manifest.json").write_text("{}")
    (tmp_path / "mine.yaml").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("mathstrap ru", ["run"]),
        ("mathstrap run dem", ["demo"]),
        ("mathstrap run mi", ["mine.yaml"]),
        ("mathstrap run demo --only so", ["solve"]),
        ("mathstrap train lora", ["lora-3b-24gb", "lora-tiny"]),
        ("mathstrap eval --backend openai", ["openai", "openai_batch"]),
        ("mathstrap eval --benchmarks gsm8k,math5", ["gsm8k,math500", "gsm8k,math500-backward-full"]),
        ("mathstrap eval --protocol fe", ["few-shot"]),
        ("mathstrap report ", ["runs/mine"]),
        ("mathstrap report ol", ["old/"]),
        ("mathstrap report old/", ["old/first"]),
        ("mathstrap push runs/", ["runs/mine"]),
        ("mathstrap show x --run runs/m", ["runs/mine"]),
        ("mathstrap export runs/mine --for t", ["trl"]),
        ("mathstrap run demo seeds.lim", ["seeds.limit="]),
        ("mathstrap run demo seeds.limit=20 budget.max_u", ["budget.max_usd="]),
        ("mathstrap train lora-tiny lora.al", ["lora.alpha="]),
        ("mathstrap eval teacher.base", ["teacher.base_url="]),
        ("mathstrap study study-cpu bootstrap.seeds.so", ["bootstrap.seeds.source="]),
    ],
)
def test_bash_is_offered(folder: Path, typed: str, offered: list[str]) -> None:
    assert ask(folder, "bash", typed) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_offered_the_same(folder: Path, shell: str) -> None:
    assert "demo" in " ".join(ask(folder, shell, "mathstrap run dem"))
    assert "runs/mine" in " ".join(ask(folder, shell, "mathstrap report runs/"))


@pytest.mark.skipif(shutil.which("bash") is None or not SCRIPT.exists(), reason="needs bash and an installed mathstrap")
def test_the_script_that_is_installed_works_in_bash_itself(folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{SCRIPT.parent}:{os.environ['PATH']}"}
    script = (
        'eval "$(mathstrap --show-completion bash)"; COMP_WORDS=(mathstrap run dem); COMP_CWORD=2; '
        'set -- $(complete -p mathstrap); while [ "$1" != -F ]; do shift; done; $2 mathstrap; '
        'echo "offered ${COMPREPLY[*]}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert "offered demo" in done.stdout, done.stdout + done.stderr
