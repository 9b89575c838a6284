"""kill -9 at random moments, and Ctrl-C: what was paid for is kept, once, and never paid again."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from fake_server import FakeServer, Script

WORKER = Path(__file__).parents[1] / "support" / "kill_worker.py"
FAULTS = {"rate_limit": 0.05, "server": 0.02, "hang": 0.01, "malformed": 0.01, "reset": 0.01}


def start(server, directory, count, timeout_seconds=2.0):
    return subprocess.Popen(
        [sys.executable, WORKER, server.url, directory, str(count), str(timeout_seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stored(directory) -> list[str]:
    """The prompts whose reply is whole on the disk, one entry per line."""
    path = directory / "completions-solve.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [f"p{int(json.loads(line)['request'][2:7])}" for line in lines]


def wait_for(server, worker, calls):
    until = time.monotonic() + 30
    while server.calls < calls and worker.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.002)


def live_and_die(tmp_path, *, kills, count, latency):
    rng = random.Random(kills)
    script = Script(faults=FAULTS, latency=latency, charged_path=str(tmp_path / "charged.jsonl"))
    calls_when_stored: dict[str, int] = {}
    lost_in_flight: Counter[str] = Counter()
    with FakeServer(script).running() as server:

        def take_stock():
            kept = stored(tmp_path / "run")
            assert len(kept) == len(set(kept))  # none doubled
            for prompt in kept:  # what is stored is never asked for again
                assert calls_when_stored.setdefault(prompt, server.attempts[prompt]) == server.attempts[prompt]
            return set(kept)

        for _ in range(kills):
            goal = server.calls + rng.randrange(1, max(2, 2 * count // (kills + 1)))
            worker = start(server, tmp_path / "run", count)
            wait_for(server, worker, goal)
            time.sleep(rng.uniform(0.0, 2 * latency))
            worker.kill()
            worker.communicate()
            time.sleep(2.5 * latency)  # the server finishes, and charges, what it had begun
            kept = take_stock()
            lost_in_flight.update(prompt for prompt in server.charged if prompt not in kept)
        worker = start(server, tmp_path / "run", count)
        out, err = worker.communicate(timeout=120)
        assert worker.returncode == 0, err
        assert out.startswith("done"), out
        assert take_stock() == {f"p{number}" for number in range(count)}  # none lost
        twice = {prompt: charge - 1 for prompt, charge in server.charged.items() if charge > 1}
        # Paid twice is what was in flight when the process died; the rest the server charged and then garbled or reset.
        garbled = sum(extra for prompt, extra in twice.items() if prompt not in lost_in_flight)
        assert garbled <= count * 0.03


def test_killed_five_times_nothing_paid_is_lost_or_bought_twice(tmp_path):
    live_and_die(tmp_path, kills=5, count=300, latency=0.02)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_a_hundred_times_nothing_paid_is_lost_or_bought_twice(tmp_path):
    live_and_die(tmp_path, kills=100, count=2000, latency=0.02)


def test_a_reply_torn_by_the_kill_is_cut_and_asked_again(tmp_path):
    with FakeServer(Script()).running() as server:
        assert start(server, tmp_path / "run", 20).wait(30) == 0
        path = tmp_path / "run" / "completions-solve.jsonl"
        whole = path.read_bytes()
        path.write_bytes(whole[:-30])
        assert start(server, tmp_path / "run", 20).wait(30) == 0
        assert sorted(stored(tmp_path / "run")) == sorted(f"p{number}" for number in range(20))
        assert sorted(server.charged.values()) == [1] * 19 + [2]


def test_ctrl_c_waits_for_what_is_in_flight_and_a_second_one_does_not(tmp_path):
    with FakeServer(Script(latency=0.4)).running() as server:
        worker = start(server, tmp_path / "run", 500, 60)
        wait_for(server, worker, server.calls + 32)
        worker.send_signal(signal.SIGINT)
        out, _ = worker.communicate(timeout=20)
        assert out.startswith("interrupted")
        assert "run the same command" in out
        assert len(stored(tmp_path / "run")) == sum(server.charged.values()) < 500
    with FakeServer(Script(latency=30.0)).running() as server:
        worker = start(server, tmp_path / "run", 500, 60)
        wait_for(server, worker, server.calls + 32)
        started = time.monotonic()
        worker.send_signal(signal.SIGINT)
        time.sleep(0.1)
        worker.send_signal(signal.SIGINT)
        out, _ = worker.communicate(timeout=20)
        assert out.startswith("interrupted")
        assert time.monotonic() - started < 15  # not the 30 that the replies take


def test_a_stopped_process_reads_what_arrived_before_it_gives_up(tmp_path):
    with FakeServer(Script(latency=0.3)).running() as server:
        worker = start(server, tmp_path / "run", 64, 1.5)
        wait_for(server, worker, server.calls + 32)
        worker.send_signal(signal.SIGSTOP)
        time.sleep(3.0)  # longer than a call may take
        worker.send_signal(signal.SIGCONT)
        out, err = worker.communicate(timeout=60)
        assert out.startswith("done 64"), (out, err)
        assert set(server.charged.values()) == {1}  # nothing was bought twice
