"""A budget holds over kills and reruns: what the server itself counts is never more than was allowed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fake_server import LIES, FakeServer, Script
from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.engine.ask import ask_all
from mathstrap.engine.budget import Budget, Meter, reservation_for
from mathstrap.engine.prices import Price
from mathstrap.errors import TeacherError
from mathstrap.files.rundir import RunDir
from mathstrap.prompts import request as prompt_request
from mathstrap.types import Completion, Liability, Message, Request, Sampling

WORKER = Path(__file__).parents[1] / "support" / "kill_worker.py"
STORM = {"rate_limit": 0.05, "server": 0.03, "malformed": 0.03, "reset": 0.03}
PRICE = Price(usd_per_million_in=1.0, usd_per_million_out=4.0, source="test")


def worker(server, directory, *, count=1000, **options):
    return subprocess.Popen(
        [sys.executable, WORKER, server.url, directory, str(count), "10", json.dumps({"in_flight": 256, **options})],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def counted(server):
    """What the server charged, in the words of the budgets; a call that it refused or broke is a request too."""
    return {"max_requests": server.calls, "max_tokens": server.tokens, "max_usd": server.usd}


BUDGETS = [{"max_requests": 300}, {"max_tokens": 30_000}, {"max_usd": 0.1}]
NAMES = [next(iter(budget)) for budget in BUDGETS]
# Each of these starts a process up to six times.
PROCESSES = [BUDGETS[0], *(pytest.param(budget, marks=pytest.mark.slow) for budget in BUDGETS[1:])]


@pytest.mark.parametrize("budget", PROCESSES, ids=NAMES)
def test_killed_four_times_at_256_in_flight_a_budget_holds(tmp_path, budget):
    name, most = next(iter(budget.items()))
    with FakeServer(Script(latency=0.05, faults={"server": 0.03, "reset": 0.03})).running() as server:
        for _ in range(4):
            before = server.calls
            run = worker(server, tmp_path / "run", budget=budget, max_tokens=40)
            until = time.monotonic() + 30
            while server.calls < before + 40 and run.poll() is None and time.monotonic() < until:
                time.sleep(0.002)
            run.send_signal(signal.SIGKILL)
            run.communicate()
            time.sleep(0.15)  # the server finishes, and charges, what it had begun
            assert counted(server)[name] <= most
        for _ in range(2):
            out, err = worker(server, tmp_path / "run", budget=budget, max_tokens=40).communicate(timeout=60)
            assert out.startswith("budget"), (out, err)
            assert counted(server)[name] <= most
        assert counted(server)[name] > 0  # each kill costs 256 calls at their most


@pytest.mark.parametrize("budget", PROCESSES, ids=NAMES)
def test_three_clean_reruns_in_a_storm_hold_one_budget(tmp_path, budget):
    name, most = next(iter(budget.items()))
    # Nothing is killed here, and all 1,000 replies would fit into the whole of it.
    most = most / 3 if name == "max_usd" else most // 3
    budget = {name: most}
    with FakeServer(Script(latency=0.01, faults=STORM)).running() as server:
        for _ in range(3):
            out, err = worker(server, tmp_path / "run", budget=budget, max_tokens=40).communicate(timeout=60)
            assert out.startswith("budget"), (out, err)
            assert counted(server)[name] <= most
        assert counted(server)[name] > 0


def ask_again(server, directory, budget, count=1000):
    plan = [
        prompt_request(id=f"s-{number:05}#0", model="m", messages=(Message("user", f"p{number}"),),
                       sampling=Sampling(max_tokens=40))
        for number in range(count)
    ]  # fmt: skip
    backend = open_backend(TeacherOptions(model="m", base_url=server.url, timeout_seconds=5))
    with RunDir.open(directory) as run:
        meter = Meter(budget, price=PRICE, spent=run.spent("solve"), log=run.spending())
        return ask_all(run.todo("solve", plan), run.sink("solve"), backend=backend, budget=meter, stage="solve")


USAGES = [
    pytest.param(Script(usage=False), id="missing"),
    pytest.param(Script(tokens_thought=300), id="thought counted in the total alone"),
    *(pytest.param(Script(usage_says=lie), id=lie) for lie in LIES),
]


@pytest.mark.parametrize("script", USAGES)
@pytest.mark.parametrize("budget", BUDGETS[1:], ids=NAMES[1:])
def test_usage_that_is_missing_understated_or_impossible_breaks_no_budget(tmp_path, script, budget):
    name, most = next(iter(budget.items()))
    with FakeServer(script).running() as server:
        for _ in range(2):
            report = ask_again(server, tmp_path / "run", Budget(**{name: most / 4}))
            assert report.stopped == "budget"
            assert 0 < counted(server)[name] <= most / 4


def test_calls_with_a_key_that_was_refused_count_in_the_runs_after(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-monday")
    with FakeServer(Script(latency=0.05, key="key-of-tuesday")).running() as server:
        with pytest.raises(TeacherError, match="401"):
            ask_again(server, tmp_path / "run", Budget(max_requests=400))
        refused = server.calls
        assert refused > 1
        server.script.key = "key-of-monday"
        assert ask_again(server, tmp_path / "run", Budget(max_requests=400)).stopped == "budget"
        assert refused < server.calls <= 400


def test_prompts_that_a_server_refuses_hide_no_call_that_broke(tmp_path):
    refusal = (400, {"error": {"message": "content policy", "code": "content_policy_violation"}})
    refused = {f"p{number}": [refusal] * 9 for number in range(0, 1000, 5)}
    with FakeServer(Script(latency=0.01, faults={"server": 0.2}, answers=refused)).running() as server:
        for most in (40, 60, 80):
            assert ask_again(server, tmp_path / "run", Budget(max_requests=most)).stopped == "budget"
            assert server.calls <= most
        report = ask_again(server, tmp_path / "run", Budget(max_requests=400), count=60)
        assert report.stopped == "done"
        assert server.calls <= 400


def test_time_is_one_budget_for_all_stages_and_ends_a_run_that_waits(tmp_path):
    with FakeServer(Script(latency=60.0)).running() as server:
        started = time.monotonic()
        out, err = worker(server, tmp_path / "run", budget={"max_seconds": 0.5}).communicate(timeout=60)
        assert out.startswith("budget"), (out, err)
        assert time.monotonic() - started < 40


# Without a server


def request(number=0, max_tokens=100):
    return Request(
        id=f"s-{number}#0", key="k", model="m", messages=(Message("user", "What?"),),
        sampling=Sampling(max_tokens=max_tokens),
    )  # fmt: skip


def reply(tokens_out, tokens_in=5, usd=None):
    return Completion(
        request="s-0#0", key="k", text="x", finish_reason="stop", tokens_in=tokens_in, tokens_out=tokens_out, usd=usd
    )


def ledger_lines(path):
    return [json.loads(line) for line in (path / "spending.jsonl").read_text().splitlines()]


def test_calls_in_flight_at_the_end_of_the_process_are_counted_at_their_most(tmp_path):
    with RunDir.open(tmp_path) as run:
        meter = Meter(Budget(max_requests=10), log=run.spending())
        for _ in range(7):
            assert meter.reserve(reservation_for([request()])) == ""
        meter.release(reservation_for([request()]), uncertain=True)
    with RunDir.open(tmp_path) as run:
        meter = Meter(Budget(max_requests=10), log=run.spending())
        assert (meter.requests, meter.uncertain_tokens_out) == (7, 7 * 100)
        assert [meter.reserve(reservation_for([request()])) for _ in range(4)] == ["", "", "", "max_requests"]


def test_a_run_that_ended_in_order_owes_nothing_and_writes_few_lines(tmp_path):
    with RunDir.open(tmp_path) as run:
        meter = Meter(log=run.spending())
        reservations = [reservation_for([request()]) for _ in range(256)]
        for reserved in reservations:
            meter.reserve_anyway(reserved)
        for _ in range(20):
            for reserved in reservations:
                meter.book([reply(50)], reserved)
                meter.release(reserved, answered=1)
                meter.reserve_anyway(reserved)
        for reserved in reservations:
            meter.release(reserved, answered=1)
        meter.settle()
    lines = ledger_lines(tmp_path)
    assert lines[-1] == {}
    assert len(lines) < 400  # for 5,376 calls


def test_a_torn_last_line_is_cut_and_the_one_before_counts(tmp_path):
    (tmp_path / "spending.jsonl").write_text('{"requests":3,"tokens_out":9}\n{"requests":4,"tok')
    with RunDir.open(tmp_path) as run:
        assert run.spending().before == Liability(requests=3, tokens_out=9)


def test_tokens_beyond_max_tokens_are_learnt_and_reserved_for():
    meter = Meter(Budget(max_tokens=100_000))
    reserved = reservation_for([request()])
    assert meter.reserve(reserved) == ""
    assert meter.reserve(reserved) == "max_tokens"  # nothing is known of this server: the first call goes alone
    meter.book([reply(3000)], reserved)
    meter.release(reserved, answered=1)
    for _ in range(7):
        meter.book([reply(2000)], reserved)
    together = 0
    while not meter.reserve(reserved):
        together += 1
    assert 10 < together < 17  # twice the longest thought each
    assert meter.tokens_out + together * 3000 <= 100_000


def test_a_server_that_names_its_price_is_believed_and_a_dearer_one_reserved_for():
    meter = Meter(Budget(max_usd=1.0), price=PRICE)
    reserved = reservation_for([request(max_tokens=1000)])
    for _ in range(8):
        meter.book([reply(1000, usd=0.04)], reserved)  # ten times the price of the library
    assert meter.usd == pytest.approx(0.32)
    together = 0
    while not meter.reserve(reserved):
        together += 1
    assert 14 <= together <= 17
