"""Several servers in processes of their own, one of which is killed in the middle of a run and comes back."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from mathstrap.files.rundir import RunDir

SERVER = Path(__file__).parents[1] / "support" / "fake_server.py"
DRAWS = 24


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def process(*command: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command and kill it at the end if it still runs."""
    started = subprocess.Popen([sys.executable, *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def books(port: int) -> dict[str, Any]:
    """Return what a server counted; it answers as soon as it is up."""
    until = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/charged", timeout=5) as reply:
                return dict(json.load(reply))
        except OSError:
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.05)


def wait_until(reached: Callable[[], bool], run: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 100
    while not reached():
        assert run.poll() is None, "the run ended too early"
        assert time.monotonic() < until
        time.sleep(0.02)


def num_charged(ledger: Path) -> int:
    return sum(json.loads(line)["draws"] for line in ledger.read_text().splitlines())


@pytest.mark.timeout(240)
@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back_costs_the_run_only_what_it_had_in_flight(tmp_path):
    names = ("limited", "open", "dying")
    ports = {name: free_port() for name in names}
    ledgers = {name: tmp_path / f"{name}.charged" for name in names}

    def command(name: str) -> list[object]:
        return [SERVER, "--port", ports[name], "--latency", 0.1, "--charged", ledgers[name]]

    most = {"limited": 2, "open": 4, "dying": 8}
    values = {
        "out": str(tmp_path),
        "seeds": {"source": "bundled:gsm8k", "limit": 50},
        "teacher": {
            "model": "a-model",
            "supports_n": False,
            "endpoints": [{"url": f"http://127.0.0.1:{ports[name]}/v1", "max_in_flight": most[name]} for name in names],
        },
        "methods": {
            "ans_aug": {"draws": DRAWS},
            **{name: {"enabled": False} for name in ("rephrase", "self_verification", "fobar")},
        },
        "limits": {"backoff_seconds": 0.02},
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(values))
    with ExitStack() as stack:
        servers = {name: stack.enter_context(process(*command(name))) for name in names}
        for name in names:
            books(ports[name])
        run = stack.enter_context(process("-m", "mathstrap", "run", tmp_path / "run.yaml", "--quiet"))
        wait_until(lambda: books(ports["dying"])["calls"] >= 40, run)
        servers["dying"].kill()
        servers["dying"].wait()
        others = [books(ports[name])["calls"] for name in ("limited", "open")]
        wait_until(lambda: books(ports["open"])["calls"] >= others[1] + 30, run)
        assert books(ports["limited"])["calls"] > others[0]
        stack.enter_context(process(*command("dying")))
        wait_until(lambda: books(ports["dying"])["calls"] >= 20, run)
        _, error = run.communicate(timeout=200)
        assert run.returncode == 0, error.decode()
        counted = {name: books(ports[name])["most_in_flight"] for name in names}
    assert all(counted[name] <= most[name] for name in names), counted
    with RunDir.read(tmp_path / "run") as held:
        num_held = held.num_done("solve")
    assert num_held == 50 * DRAWS
    lost = sum(num_charged(ledger) for ledger in ledgers.values()) - num_held
    assert 0 <= lost <= most["dying"], "more was paid for twice than was in flight when the server died"
