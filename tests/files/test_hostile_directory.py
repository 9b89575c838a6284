"""A run directory from elsewhere: links, pipes, devices and leftovers lead nowhere, and reading locks nothing."""

from __future__ import annotations

import ast
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mathstrap.backends.local import gguf
from mathstrap.cli import app
from mathstrap.errors import InputError, StorageError
from mathstrap.explore.marks import set_marks
from mathstrap.files.private import is_own_file, plain_folder, private_folder
from mathstrap.files.rundir import RunDir
from mathstrap.files.tables import write_atomically
from mathstrap.types import Completion, Failure

SOURCE = Path(__file__).resolve().parents[2] / "src" / "mathstrap"
REPLY = Completion(request="s-1#0", key="k", text="x", finish_reason="stop")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Give a run directory with a reply."""
    with RunDir.open(tmp_path / "run") as opened:
        opened.sink("solve").completion(REPLY)
        opened.write_json("manifest.json", {"name": "x"})
        opened.write_records("problems", [])
    return tmp_path / "run"


@pytest.mark.parametrize(
    "name",
    ["completions-rewrite.jsonl", "failures.jsonl", "spending.jsonl", "batches-solve.jsonl", "spare-room", "lock"],
)
def test_what_is_appended_follows_no_link(run: Path, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(victim)
    with contextlib.suppress(StorageError), RunDir.open(run) as opened:
        opened.sink("rewrite").completion(REPLY)
        opened.sink("rewrite").failure(Failure(id="a", key="k", error="e"))
        opened.sink("solve").journal({"event": "closed", "token": "a"})
        opened.spending()
    assert victim.read_text() == "mine\n"


def test_what_is_written_whole_takes_the_place_of_a_link(run: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    for name in ("report.html", "samples.jsonl", "flags.jsonl", f".samples.jsonl.{os.getpid()}.tmp"):
        (run / name).symlink_to(victim)
    with RunDir.open(run) as opened:
        opened.write_text("report.html", "page")
        opened.write_records("samples", [])
    set_marks(run, ["s-1"], "odd")
    assert victim.read_text() == "mine\n"
    assert not any((run / name).is_symlink() for name in ("report.html", "samples.jsonl", "flags.jsonl"))


def test_a_folder_that_is_a_link_is_not_written_into(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (run / "arms").symlink_to(tmp_path / "elsewhere")
    with RunDir.open(run) as opened, pytest.raises(StorageError, match="arms: is a symbolic link"):
        opened.write_text("arms/a.jsonl", "x")
    with pytest.raises(StorageError, match="symbolic link"):
        plain_folder(run / "arms")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "link to a device"])
def test_what_is_no_file_is_refused_and_hung_on_by_no_verb(run: Path, kind: str) -> None:
    path = run / "samples.jsonl"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        if os.geteuid():
            pytest.skip("only root may make a device")
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    elif kind == "socket":
        bound = socket.socket(socket.AF_UNIX)
        here = Path.cwd()
        os.chdir(run)  # a socket's address is at most about 100 characters
        bound.bind("samples.jsonl")
        os.chdir(here)
    else:
        path.symlink_to("/dev/zero")
    for arguments in (["stats", str(run)], ["show", "s-1", "--run", str(run)], ["doctor", str(run)],
                      ["report", str(run)], ["push", str(run), "a/b", "--dry-run"]):  # fmt: skip
        done = CliRunner().invoke(app, arguments)
        assert isinstance(done.exception, InputError), (arguments, done.output, done.exception)
        assert "where a file is expected" in str(done.exception)
    with pytest.raises(InputError, match="where a file is expected"):
        RunDir.open(run)


def test_temporary_files_of_dead_processes_go_and_those_of_living_ones_stay(run: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    dead, living = run / f".samples.jsonl.{child.pid}.tmp", run / f".samples.jsonl.{os.getppid()}.tmp"
    for path in (dead, living, run / ".notes.tmp"):
        path.write_text("half")
    RunDir.open(run).close()
    assert not dead.exists()
    assert living.exists()
    assert (run / ".notes.tmp").exists()


def test_files_that_hold_replies_are_their_owners_alone(run: Path) -> None:
    with RunDir.open(run) as opened:
        opened.write_records("candidates", [])
        opened.write_rows("rows", [{"a": 1}], like={"a": 1})
        opened.spending()
    set_marks(run, ["s-1"], "odd")
    assert {path.name: oct(path.stat().st_mode & 0o077) for path in run.iterdir() if path.stat().st_mode & 0o077} == {}


def test_reading_takes_no_lock_and_writes_nothing(run: Path) -> None:
    (run / "lock").unlink(missing_ok=True)
    before = sorted(path.name for path in run.iterdir())
    for arguments in (["stats", str(run)], ["show", "s-1", "--run", str(run)], ["doctor", str(run)],
                      ["compare", str(run), str(run)], ["push", str(run), "a/b", "--dry-run"]):  # fmt: skip
        CliRunner().invoke(app, arguments)
    assert sorted(path.name for path in run.iterdir()) == before


# Caches


def test_a_cache_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "cache")
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert private_folder(folder).stat().st_mode & 0o777 == 0o700
    (folder / "a").write_text("x")
    (folder / "b").symlink_to(folder / "a")
    assert is_own_file(folder / "a")
    assert not is_own_file(folder / "b")
    (folder / "a").chmod(0o666)
    assert not is_own_file(folder / "a")
    if os.geteuid() == 0:
        os.chown(folder, 12345, -1)
        with pytest.raises(StorageError, match="belongs to another user"):
            private_folder(folder)


def test_the_widened_model_is_read_from_a_private_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF" + bytes(64))
    monkeypatch.setattr(gguf, "write_as", lambda path, target, kind: target.write_bytes(b"wide"))
    planted = tmp_path / "cache" / "mathstrap" / f"model-{gguf.fingerprint(model)}-F16.gguf"
    planted.parent.mkdir(parents=True)
    planted.symlink_to(model)
    made = gguf.widened(model, tmp_path / "cache")
    assert made == planted
    assert made.read_bytes() == b"wide"
    assert not made.is_symlink()
    assert made.parent.stat().st_mode & 0o777 == 0o700
    assert made.stat().st_mode & 0o077 == 0


# The source

MODES = ("w", "wb", "a", "ab", "r+", "r+b", "w+", "w+b")
WRITERS = {"files/append_log.py", "files/rundir.py", "files/tables.py", "files/private.py"}


def test_files_are_written_in_one_place() -> None:
    """Nothing but the writing helpers opens a file by name for writing: they follow no link and leave no half."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        name, text = path.relative_to(SOURCE).as_posix(), path.read_text()
        if name in WRITERS or not any(word in text for word in ("open(", "write_bytes(", "copyfile(")):
            continue
        for node in ast.walk(ast.parse(text)):
            called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            if called not in ("open", "write_bytes", "copyfile") or not isinstance(node, ast.Call):
                continue
            values = [*node.args, *(word.value for word in node.keywords)]
            writes = called != "open" or any(isinstance(v, ast.Constant) and v.value in MODES for v in values)
            # What is opened inside `replacing` is its temporary file.
            owner = ast.unparse(getattr(node.func, "value", node.func))
            if writes and owner not in ("temporary", "json_path"):
                found.append(f"{name}:{node.lineno}: {owner}.{called}")
    assert found == []


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(StorageError):
        write_atomically(tmp_path / "a", [b"x"])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
