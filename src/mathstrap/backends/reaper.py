"""End the children of a process that has ended, even by SIGKILL, which leaves it no time to end them itself.

The reaper is this file, run in a process of its own: it reads the children's ids and waits for its parent. It needs
Linux (pidfd); elsewhere it ends at once and the children keep running.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable


class Reaper:
    """A watchdog process: it kills the registered children when this process is gone, unless it was closed before."""

    def __init__(self) -> None:
        # A session of its own, so that Ctrl-C and signals to the run's process group do not reach it.
        self._process = subprocess.Popen(  # noqa: S603 - this file, and a number
            [sys.executable, "-I", "-S", __file__, str(os.getpid())],
            bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        self._registered: set[int] = set()

    def watch(self, pids: Iterable[int]) -> None:
        """Register children that must not outlive this process; registered ones are skipped."""
        assert self._process.stdin is not None, "opened with a pipe"
        fresh = set(pids) - self._registered
        self._registered |= fresh
        with contextlib.suppress(BrokenPipeError):  # a dead reaper is no reason to end the run
            for pid in fresh:
                self._process.stdin.write(b"%d\n" % pid)

    def close(self) -> None:
        """End the reaper and leave the children alone."""
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """Wait for the process that argument one names to end, then kill those that standard input named."""
    # A pidfd refers to one process even after its id is reused. The end of standard input would not show that the
    # parent ended, because its forked children hold that pipe too.
    try:
        parent = os.pidfd_open(int(sys.argv[1]))
    except ProcessLookupError:  # it ended while this one started
        parent = os.open(os.devnull, os.O_RDONLY)  # always ready, as is the pidfd of a process that has ended
    children = []
    while True:
        ready, _, _ = select.select([0, parent], [], [])
        pids = os.read(0, 4096).split() if 0 in ready else []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                children.append(os.pidfd_open(int(pid)))
        if parent in ready and not pids:
            break
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
