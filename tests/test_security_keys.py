"""Keys planted wherever a user may put them are looked for in everything a run leaves and says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrapping import write_golds
from fake_server import FakeServer, Script

KEY = "sk-planted-0123456789abcdefghij"
PASSWORD = "planted-password-9876543210"


def mathstrap(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    home = {"HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "home" / "cache"), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-m", "mathstrap", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        timeout=170, env=os.environ | home | environment,
    )  # fmt: skip


def leaks(folder: Path, said: list[str]) -> list[str]:
    """Name every file and message that repeats a planted key, or a good part of one."""
    secrets = [part for key in (KEY, PASSWORD) for part in (key, key[3:19])]
    found = [text[:300] for text in said if any(secret in text for secret in secrets)]
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "key.txt":
            content = path.read_bytes()
            found += [str(path.relative_to(folder)) for secret in secrets if secret.encode() in content]
    return found


@pytest.mark.parametrize("how", ["env", "command", "address"])
def test_a_run_leaves_no_key_behind(how: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "key.txt").write_text(KEY + "\n")
    write_golds(tmp_path / "golds.jsonl")
    server = FakeServer(Script(key="" if how == "address" else KEY))
    said = []
    with server.running():
        url = server.url.replace("://", f"://user:{PASSWORD}@") if how == "address" else server.url
        base = [
            "name=kept", f"out={tmp_path / 'runs'}", "seeds.source=bundled:gsm8k", "seeds.limit=2",
            "teacher.backend=openai", "teacher.model=m", f"teacher.base_url={url}",
        ]  # fmt: skip
        environment = {}
        if how == "command":
            base.append(f"teacher.api_key_command=cat {tmp_path / 'key.txt'}")
        elif how == "env":
            base.append("teacher.api_key_env=PLANTED_KEY")
            environment["PLANTED_KEY"] = KEY
        recipe = tmp_path / "mine.yaml"
        recipe.write_text("seeds: {source: 'bundled:gsm8k'}\n")
        for more in ([], ["--dry-run"], ["--json"]):
            done = mathstrap("run", str(recipe), *base, *more, folder=tmp_path, **environment)
            assert done.returncode == 0 or "--json" in more, done.stderr
            said += [done.stdout, done.stderr]
        server.script.key = "another"  # the server refuses, and repeats what it was sent
        done = mathstrap("run", str(recipe), *base, "name=refused", folder=tmp_path, **environment)
        assert done.returncode != 0
        said += [done.stdout, done.stderr]
    run = str(tmp_path / "runs" / "kept")
    for verb in (["stats", run, "--json"], ["report", run], ["show", "mini-gsm-001", "--run", run]):
        done = mathstrap(*verb, folder=tmp_path, **environment)
        said += [done.stdout, done.stderr]
    assert (tmp_path / "runs" / "kept" / "report.html").exists()
    assert leaks(tmp_path, said) == []
