"""Workers end with their parent, leave its lock alone, and may be killed without losing work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mathstrap.errors import RunLocked
from mathstrap.files.rundir import RunDir
from mathstrap.parallel import in_processes

PROGRAM = """
import os, sys, time
from mathstrap.files.rundir import RunDir
from mathstrap.parallel import in_processes

def work(shared, chunk):
    os.write(1, f"{os.getpid()}\\n".encode())  # in one piece: two workers write to one pipe
    time.sleep(60)
    return chunk

with RunDir.open(sys.argv[1]):
    list(in_processes(2)(work, None, [[number] for number in range(20)]))
"""


def start(run: Path) -> tuple[subprocess.Popen[str], list[int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(run)], stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # under nohup it is ignored, as it should be
    )  # fmt: skip
    assert process.stdout is not None
    workers = [int(process.stdout.readline()) for _ in range(2)]
    return process, workers


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphaned workers on Linux alone")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_a_run_that_is_ended_from_outside_leaves_neither_workers_nor_a_lock(tmp_path, name):
    process, workers = start(tmp_path / "run")
    os.kill(process.pid, getattr(signal, name))
    process.wait(timeout=30)
    deadline = time.monotonic() + 30
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in workers if is_alive(pid)]
    RunDir.open(tmp_path / "run").close()


def test_a_lock_that_an_orphan_still_holds_is_taken_over_and_a_live_one_is_not(tmp_path, caplog):
    run = RunDir.open(tmp_path / "run")
    with pytest.raises(RunLocked, match=f"process {os.getpid()} on"):
        RunDir.open(tmp_path / "run")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lock = tmp_path / "run" / "lock"
    lock.write_text(lock.read_text().replace(f"process {os.getpid()}", f"process {gone.pid}"))
    RunDir.open(tmp_path / "run").close()
    assert f"process {gone.pid}" in caplog.text
    lock.write_text("\x1b[2J nobody")
    with RunDir.open(tmp_path / "run"), pytest.raises(RunLocked):
        RunDir.open(tmp_path / "run")
    run.close()


def test_a_lock_that_is_a_symbolic_link_is_not_followed(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "run" / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(Exception, match=r"lock|symbolic|loop|levels"):
        RunDir.open(tmp_path / "run")
    assert (tmp_path / "victim").read_text() == "mine"


def die_once(shared: str, chunk: list[int]) -> list[int]:
    if chunk == [5]:
        try:
            os.close(os.open(f"{shared}/died", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return chunk
        os.kill(os.getpid(), signal.SIGKILL)
    return chunk


def test_a_worker_that_the_system_kills_loses_no_work(tmp_path, caplog):
    found = list(in_processes(2)(die_once, str(tmp_path), [[number] for number in range(30)]))
    assert found == [[number] for number in range(30)]
    assert "done in this process" in caplog.text
