"""Ask `math-verify` about what the tiers left undecided, in a process of its own, killed at its deadline. Optional.

The worker is started before it is needed, limited in memory, and replaced after every kill, so no input can hang the
caller, exhaust the machine or run in it. Safe to share between threads.
"""

from __future__ import annotations

import importlib.util
import json
import select
import subprocess
import sys
import tempfile
import threading
import time
from types import TracebackType
from typing import IO

from mathstrap.errors import missing_extra
from mathstrap.verify.record import Grade

START_SECONDS = 60.0
MAX_CHARS = 2_000


class Fallback:
    """A worker process with a deadline. Use as a context manager; `check` answers True, False or None."""

    def __init__(self, *, timeout_seconds: float = 3.0, memory_mib: int = 1024) -> None:
        if importlib.util.find_spec("math_verify") is None:
            raise missing_extra("math-verify", "eval")
        self.timeout_seconds = timeout_seconds
        self.memory_mib = memory_mib
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="mathstrap-verify-")
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    def __enter__(self) -> Fallback:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the worker and remove its empty directory."""
        self._kill()
        self._folder.cleanup()

    def check(self, gold: str, got: str) -> bool | None:
        """Say what `math-verify` thinks of a pair; None when it fails, takes too long or needs too much memory."""
        if len(gold) > MAX_CHARS or len(got) > MAX_CHARS:
            return None
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            process = self._process
            assert process is not None, "the worker was started"
            assert process.stdin is not None, "the worker reads from a pipe"
            assert process.stdout is not None, "the worker writes to a pipe"
            try:
                process.stdin.write(json.dumps([gold, got]).encode() + b"\n")
                process.stdin.flush()
            except OSError:
                self._kill()
                return None
            line = _line_before(process.stdout, time.monotonic() + self.timeout_seconds)
            if not line:
                self._kill()
                self._start()
                return None
            answer = json.loads(line)
            return answer if isinstance(answer, bool) else None

    def settle(self, verdict: Grade) -> Grade:
        """Return the verdict, or for an undecided one what `math-verify` says, if it says anything."""
        if verdict.outcome != "undecided" or not verdict.got.strip():
            return verdict
        answer = self.check(verdict.expected, verdict.got)
        if answer is None:
            return verdict
        reason = "math-verify finds them equal" if answer else "math-verify finds them different"
        return Grade("correct" if answer else "wrong", "math-verify", reason, verdict.got, verdict.expected)

    def _start(self) -> None:
        command = [sys.executable, "-m", "mathstrap.verify.worker", str(self.memory_mib)]
        self._process = subprocess.Popen(  # noqa: S603  our own module, no text of a model in the command
            command, cwd=self._folder.name, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdout is not None, "the worker writes to a pipe"
        if not _line_before(self._process.stdout, time.monotonic() + START_SECONDS):
            self._kill()
            raise RuntimeError(
                "the math-verify worker did not start; run python -m mathstrap.verify.worker 1024 to see why"
            )

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
            process.wait()


def _line_before(stream: IO[bytes], deadline: float) -> bytes:
    """Read one line of a pipe, or return nothing once the deadline has passed or the pipe is closed."""
    line = b""
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            return b""
        part = stream.read1(4096) if hasattr(stream, "read1") else stream.readline()
        if not part:
            return b""
        line += part
    return line
