"""Break a run in every way for an hour: kills in every stage and of workers, stops, a full disk, changed keys.

    python bench/soak.py                      # an hour
    python bench/soak.py --minutes 10 --json soak.json

Each round is one run directory on a server with faults (429, 500, hanging, half a reply, resets). The run is started
again and again, and each life meets one trouble: SIGKILL, SIGTERM, SIGHUP or SIGINT at a random moment, SIGKILL of a
pool worker, SIGSTOP for some seconds, a full disk, another key. The last life of a round meets none. Every third round
has a budget that does not reach its end. The server keeps its own books, by prompt and seed, and every reply carries a
mark, so that what is stored can be held against what was charged. Counted, and all to be 0:

lost           a reply that was stored after one life and is not after a later one
doubled        a reply that is stored twice
bought_twice   a call for a reply that was stored when the life began
overspent      calls beyond the budget
differing      derived files that differ from those of a run that nothing happened to
tracebacks     lives that end in one; `unexplained`: with an exit code that no trouble explains
locked         lives that find the run locked by a dead process; `left_over`: workers alive 3 s after their parent
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests" / "support")]
from verify_common import write_result  # noqa: E402

from fake_server import FakeServer, Script  # noqa: E402

FAULTS = {"rate_limit": 0.04, "server": 0.03, "hang": 0.005, "malformed": 0.02, "reset": 0.03}
TROUBLES = ("kill", "kill", "kill_worker", "term", "hangup", "interrupt", "stop", "full_disk", "key")
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "hangup": signal.SIGHUP, "interrupt": signal.SIGINT}
COUNTS = (
    "lost", "doubled", "bought_twice", "overspent", "differing", "tracebacks", "unexplained", "locked", "left_over",
)  # fmt: skip
DERIVED = ("problems", "candidates", "verdicts", "rejects", "samples", "export-metamathqa", "asked-solve")
MARK = re.compile(rb"\(mark ([0-9a-f]{20})\)")
LIVES = 12
DISK_MB = 24
LIFE_SECONDS = 120
KEYS = ("key-of-monday", "key-of-tuesday")


class Soak:
    """One round: a run directory, its server and what was counted."""

    def __init__(self, folder: Path, rng: random.Random, counts: Counter[str], *, budget: int) -> None:
        self.folder, self.rng, self.counts, self.budget = folder, rng, counts, budget
        self.run = folder / "disk" / "runs" / "soak"
        self.stored: set[bytes] = set()
        self.life_seconds = 8.0
        self.key = 0
        self.notes: list[str] = []

    def note(self, what: str, detail: str) -> None:
        """Count something that should not be."""
        self.counts[what] += 1
        self.notes.append(f"{what}: {detail}")
        print(f"  !! {what}: {detail}", file=sys.stderr, flush=True)

    def recipe(self, url: str, out: Path, *, seeds: int, budget: int = 0) -> Path:
        """Write the recipe of the round."""
        values = {
            "name": "soak", "out": str(out), "seeds": [{"source": "bundled:gsm8k", "limit": seeds}],
            "teacher": {"backend": "openai", "model": "m", "base_url": url, "timeout_seconds": 3},
            "methods": {"ans_aug": {"draws": 30}, "fobar": {"draws": 2}, "rephrase": {"count": 1},
                        "self_verification": {"enabled": False}},
            "rewriting": {"seed": 1}, "solving": {"seed": 1}, "curate": {"outcome": "wrong"},
            "export": {"formats": ["metamathqa"]}, "budget": {"max_requests": budget} if budget else {},
            "limits": {"max_in_flight": 32, "backoff_seconds": 0.05, "backoff_max_seconds": 0.5, "watch_replies": 0,
                       "breaker_give_up_seconds": 20},
        }  # fmt: skip
        path = out.parent / f"{out.name}.yaml"
        path.write_text(json.dumps(values))
        return path

    def live(self, recipe: Path, *extra: str) -> subprocess.Popen[bytes]:
        """Start a life."""
        environment = os.environ | {"OPENAI_API_KEY": KEYS[self.key], "PYTHONFAULTHANDLER": ""}
        return subprocess.Popen(
            [sys.executable, "-m", "mathstrap", "run", str(recipe), "--quiet", *extra],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=self.folder,
        )  # fmt: skip

    def go(self, server: FakeServer, seeds: int) -> None:
        """Live through the round."""
        self.run.parent.mkdir(parents=True)
        recipe = self.recipe(server.url, self.run.parent, seeds=seeds, budget=self.budget)
        server.script.key = KEYS[0]
        for trouble in [self.rng.choice(TROUBLES) for _ in range(LIVES)]:
            self.counts["lives"] += 1
            self.counts[f"life_{trouble}"] += 1
            self.one_life(server, recipe, trouble)
            self.take_stock(server, trouble)
        started = time.monotonic()
        output, code = self.end(self.live(recipe), LIFE_SECONDS)
        self.life_seconds = max(3.0, time.monotonic() - started)
        self.judge(output, code, "none")
        if code == 3 and not self.budget:  # a request may fail eight times in a row
            output, code = self.end(self.live(recipe), LIFE_SECONDS)
            self.judge(output, code, "none")
        self.take_stock(server, "none")
        if code in (0, 3):
            self.compare(server, seeds)

    def one_life(self, server: FakeServer, recipe: Path, trouble: str) -> None:
        """Start the run, do one thing to it, and wait for its end."""
        process = self.live(recipe)
        if trouble != "kill_worker":
            time.sleep(self.rng.uniform(0.3, self.life_seconds))
        workers = children_of(process.pid)
        if trouble == "key":
            self.key = 1 - self.key
            server.script.key = KEYS[self.key]
        elif trouble == "full_disk":
            with full_disk(self.folder / "disk"):
                output, code = self.end(process, LIFE_SECONDS)
            self.judge(output, code, trouble)
            return
        elif trouble == "stop":
            process.send_signal(signal.SIGSTOP)
            time.sleep(self.rng.uniform(0.5, 6.0))
            process.send_signal(signal.SIGCONT)
        elif trouble == "kill_worker":
            while not workers and process.poll() is None:
                time.sleep(0.02)
                workers = children_of(process.pid)
            if workers:
                time.sleep(self.rng.uniform(0.0, 0.3))
                self.counts["workers_killed"] += 1
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.rng.choice(workers), signal.SIGKILL)
        else:
            process.send_signal(SIGNALS[trouble])
        output, code = self.end(process, LIFE_SECONDS)
        self.judge(output, code, trouble)
        if trouble in SIGNALS and workers:
            until = time.monotonic() + 3
            while any(map(is_alive, workers)) and time.monotonic() < until:
                time.sleep(0.05)
            for worker in filter(is_alive, workers):
                self.note("left_over", f"worker {worker} after {trouble}")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)

    def end(self, process: subprocess.Popen[bytes], seconds: float) -> tuple[bytes, int]:
        """Return what a life printed and its exit code; one that does not end is killed and counted."""
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            self.note("unexplained", f"no end after {seconds:g} s: {output[-300:]!r}")
        return output, process.returncode

    def judge(self, output: bytes, code: int, trouble: str) -> None:
        """Count what a life must not end in."""
        # Python itself, still loading its own modules, has no other answer to Ctrl-C.
        is_too_early = trouble == "interrupt" and b"KeyboardInterrupt" in output and b"mathstrap/cli" not in output
        if b"Traceback" in output and not is_too_early:
            self.note("tracebacks", f"{trouble}: {output[-1500:].decode(errors='replace')}")
        if b"is writing to this run" in output or b"took this run" in output:
            self.note("locked", f"{trouble}: {output[-300:]!r}")
        explained = {0, 3, *((-9, 137) if trouble == "kill" else ())}
        if trouble in SIGNALS and trouble != "kill":
            explained |= {128 + SIGNALS[trouble], -SIGNALS[trouble], 1}
        sentences = (b"cannot be written", b"The disk is full", b"rejected the key", b"401")
        is_sentence = any(sentence in output for sentence in sentences)
        if code not in explained and not (code == 1 and is_sentence):
            self.note("unexplained", f"{trouble}: exit code {code}: {output[-400:]!r}")

    def take_stock(self, server: FakeServer, trouble: str) -> None:
        """Hold what is stored against what was stored before and what the server charged."""
        time.sleep(0.3)  # the server finishes, and charges, what it had begun
        marks = [mark for path in self.run.glob("completions-*.jsonl") for mark in marks_in(path)]
        twice = len(marks) - len(set(marks))
        for _ in range(twice):
            self.note("doubled", trouble)
        for mark in self.stored - set(marks):
            self.note("lost", f"{mark.decode()} after {trouble}")
        for mark in self.stored:
            calls = server.attempts[mark.decode()]
            if calls != self.calls_when_stored[mark]:
                self.note("bought_twice", f"{mark.decode()} after {trouble}")
                self.calls_when_stored[mark] = calls
        for mark in set(marks) - self.stored:
            self.calls_when_stored[mark] = server.attempts[mark.decode()]
        self.stored = set(marks)
        if self.budget and server.calls > self.budget:
            self.note("overspent", f"{server.calls} calls of {self.budget} after {trouble}")

    def compare(self, server: FakeServer, seeds: int) -> None:
        """Derive the same replies again in a fresh directory, and, without a budget, run again without a fault."""
        fresh = self.folder / "fresh" / "soak"
        fresh.mkdir(parents=True)
        for path in self.run.iterdir():
            if path.name.startswith(("completions-", "spending")):
                shutil.copy(path, fresh / path.name)
        recipe = self.recipe(server.url, fresh.parent, seeds=seeds, budget=self.budget)
        calls = server.calls
        output, code = self.end(self.live(recipe, "--only", "export"), LIFE_SECONDS)
        self.judge(output, code, "none")
        self.differ(fresh, "derived again")
        if server.calls != calls:
            self.note("bought_twice", "deriving alone asked the server")
        if self.budget:
            return
        clean = self.folder / "clean" / "soak"
        clean.mkdir(parents=True)
        with FakeServer(Script(marks=True, supports_n="refuse")).running() as other:
            recipe = self.recipe(other.url, clean.parent, seeds=seeds)
            output, code = self.end(self.live(recipe), LIFE_SECONDS)
        self.judge(output, code, "none")
        if code == 0:
            self.differ(clean, "run without a fault")

    def differ(self, other: Path, how: str) -> None:
        """Count the derived files that are not the same."""
        for name in DERIVED:
            if digest(self.run / f"{name}.jsonl") != digest(other / f"{name}.jsonl"):
                self.note("differing", f"{name}.jsonl, {how}")

    calls_when_stored: dict[bytes, int]


def marks_in(path: Path) -> Iterator[bytes]:
    """Yield the mark of every whole line."""
    for line in path.read_bytes().split(b"\n")[:-1]:
        if line.strip() and (found := MARK.search(line)):
            yield found[1]


def digest(path: Path) -> str:
    """Return a hash of a file; empty where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def children_of(number: int) -> list[int]:
    """Return the processes that a process started and forked, by Linux's own list."""
    found = []
    for task in Path(f"/proc/{number}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in task.read_text().split()]
    return found


def is_alive(number: int) -> bool:
    """Say whether a process runs; one that waits to be collected does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[bool]:
    """Mount a small disk in memory where that is allowed; gives whether it was."""
    path.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(path)]
    mounted = shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(path)], capture_output=True, check=False)


@contextlib.contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Fill the small disk for as long as the block lasts; on a disk of the machine nothing is filled."""
    ballast = path / "ballast"
    if os.path.ismount(path):
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            for _ in range(DISK_MB * 16):
                file.write(bytes(1 << 16))
    try:
        yield
    finally:
        ballast.unlink(missing_ok=True)


def main() -> int:
    """Soak for the time asked for; the exit code is 1 where anything is not 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=41, help="bundled questions of a round")
    parser.add_argument("--rng-seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the counts here, with machine, commit and date")
    options = parser.parse_args()
    counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    notes: list[str] = []
    end = time.monotonic() + options.minutes * 60
    number = 0
    has_small_disk = False
    while time.monotonic() < end:
        rng = random.Random(options.rng_seed * 1000 + number)
        script = Script(faults=FAULTS, seed=number, latency=0.02, marks=True, supports_n="refuse")
        with tempfile.TemporaryDirectory(prefix="soak-") as name, small_disk(Path(name) / "disk") as mounted:
            has_small_disk = mounted
            soak = Soak(Path(name), rng, counts, budget=rng.randrange(300, 900) if number % 3 == 1 else 0)
            soak.calls_when_stored = {}
            with FakeServer(script).running() as server:
                soak.go(server, options.seeds)
                counts["calls"] += server.calls
                counts["replies"] += len(soak.stored)
            notes += soak.notes
        number += 1
        bad = {name: counts[name] for name in COUNTS if counts[name]}
        print(f"round {number}: {counts['lives']} lives, {counts['calls']:,} calls, {bad or 'all 0'}", flush=True)
    result: dict[str, Any] = {
        "minutes": options.minutes, "rounds": number, "has_small_disk": has_small_disk, **dict(sorted(counts.items())),
        "notes": notes[:50],
    }  # fmt: skip
    if options.json:
        write_result(options.json, result)
    else:
        print(json.dumps(result, indent=2))
    return int(any(counts[name] for name in COUNTS))


if __name__ == "__main__":
    sys.exit(main())
