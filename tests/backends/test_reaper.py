"""Children end with a parent that is killed outright, and only then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mathstrap

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the reaper needs pidfd")

PARENT = """
import multiprocessing, sys, time
from mathstrap.backends.reaper import Reaper

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    reaper = Reaper()
    children = [context.Process(target=time.sleep, args=(60,)) for _ in range(3)]
    for child in children:
        child.start()
    reaper.watch(child.pid for child in children[:1])
    reaper.watch(child.pid for child in children[:2])  # the third is not told of
    if sys.argv[2] == "closed":
        reaper.close()
    print(reaper._process.pid, *(child.pid for child in children), flush=True)
    time.sleep(60)
"""


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("start", "reaper", "left"),
    [
        ("spawn", "open", [False, False, False, True]),
        ("fork", "open", [False, False, False, True]),  # a forked child holds every pipe of its parent
        ("spawn", "closed", [False, True, True, True]),
    ],
)
def test_the_children_that_an_open_reaper_was_told_of_end_with_a_killed_parent(tmp_path, start, reaper, left):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(Path(mathstrap.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, script, start, reaper], env=environment, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]  # of the reaper, then of the children
        try:
            assert all(map(lives, pids[1:]))
            parent.kill()
            parent.wait()
            until = time.monotonic() + 20
            while (alive := [*map(lives, pids)]) != left and time.monotonic() < until:
                time.sleep(0.02)
            assert alive == left
        finally:
            for pid in filter(lives, pids):
                os.kill(pid, signal.SIGKILL)
