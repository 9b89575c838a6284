"""The Batch API against the fake server: submit, poll, resume without submitting twice, ask again what has no reply."""

from __future__ import annotations

import pytest

from fake_server import FakeServer, Script
from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.engine.ask import Budget, Limits, Meter, ask_all
from mathstrap.errors import TeacherError
from mathstrap.files.rundir import RunDir
from mathstrap.prompts import request
from mathstrap.types import Message, Request, Sampling

MODEL = "gpt-4o-mini"


def plan(count: int, draws: int = 1) -> list[Request]:
    return [
        request(
            id=f"s-{number:03}#{draw}",
            model=MODEL,
            messages=(Message("user", f"p{number}"),),
            sampling=Sampling(),
            draw=draw,
        )
        for number in range(count)
        for draw in range(draws)
    ]


def teacher(server: FakeServer, **settings):
    options = {"trial": False, "lines": 10, "batches": 2, "poll_seconds": 0.05, **settings}
    return open_backend(TeacherOptions(backend="openai_batch", model=MODEL, base_url=server.url, settings=options))


def ask(server, run, requests, *, limits=None, budget=None, **settings):
    todo = run.todo("solve", requests)
    fast = limits or Limits(backoff_seconds=0.01)
    return ask_all(
        todo, run.sink("solve"), backend=teacher(server, **settings), limits=fast, budget=budget, stage="solve"
    )


@pytest.fixture
def server():
    with FakeServer(Script(batch_seconds=0.05)).running() as running:
        yield running


def paid_once(server, run, requests):
    held = {completion.request for completion in run.completions("solve")}
    return held == {request.id for request in requests} and set(server.charged.values()) == {
        len(requests) // len(server.charged)
    }


def test_a_plan_goes_out_in_batches_and_comes_back_whole(server, tmp_path):
    with RunDir.open(tmp_path / "run") as run:
        report = ask(server, run, plan(45))
        assert (report.stopped, report.answered, len(server.batches)) == ("done", 45, 5)
        assert paid_once(server, run, plan(45))
        assert ask(server, run, plan(45)).asked == 0


def test_draws_of_one_prompt_share_a_line(server, tmp_path):
    with RunDir.open(tmp_path / "run") as run:
        ask(server, run, plan(6, draws=4))
        assert len(server.batches) == 1
        assert paid_once(server, run, plan(6, draws=4))


@pytest.mark.parametrize("fault", ["expire", "partial"])
def test_what_a_batch_leaves_out_is_asked_again(server, tmp_path, fault):
    server.script.batch_fault = fault
    with RunDir.open(tmp_path / "run") as run:
        report = ask(server, run, plan(20))
        assert report.retried > 0
        assert paid_once(server, run, plan(20))


def test_a_batch_whose_creation_got_no_answer_is_found_and_not_submitted_twice(server, tmp_path):
    server.script.batch_fault = "lose_create"
    with RunDir.open(tmp_path / "run") as run:
        ask(server, run, plan(10))
        assert len(server.batches) == 1
        assert paid_once(server, run, plan(10))


def test_a_refused_batch_ends_the_run_with_the_servers_words(server, tmp_path):
    server.script.batch_fault = "fail"
    with RunDir.open(tmp_path / "run") as run, pytest.raises(TeacherError, match="line 1 is no request"):
        ask(server, run, plan(10))


class Killed(BaseException):
    """Stands for the death of the process at a chosen step."""


class DyingSink:
    """A stage's sink whose process dies before or after it writes a step into the journal."""

    def __init__(self, sink, step, time):
        self.completion, self.failure, self.journal_entries = sink.completion, sink.failure, sink.journal_entries
        self._sink, self._step, self._time = sink, step, time

    def journal(self, record):
        dies = record["event"] == self._step
        if dies and self._time == "before":
            raise Killed
        self._sink.journal(record)
        if dies:
            raise Killed


@pytest.mark.parametrize("step", ["submitting", "submitted", "closed"])
def test_a_death_between_any_two_steps_submits_nothing_twice(server, tmp_path, step):
    for time in ("before", "after"):
        path = tmp_path / time
        requests = [
            request(
                id=f"{time}-{number}#0",
                model=MODEL,
                messages=(Message("user", f"{step} {time} {number}"),),
                sampling=Sampling(),
            )
            for number in range(10)
        ]
        with RunDir.open(path) as run:
            sink = DyingSink(run.sink("solve"), step, time)
            with pytest.raises(Killed):
                ask_all(requests, sink, backend=teacher(server), limits=Limits(), stage="solve")
        before = len(server.batches)
        with RunDir.open(path) as run:
            ask(server, run, requests)
            assert {completion.request for completion in run.completions("solve")} == {
                request.id for request in requests
            }
        created = len(server.batches) - before
        # Only a death before the batch was created leaves it to the next run.
        assert created == (1 if step == "submitting" else 0)
    assert set(server.charged.values()) == {1}


def test_a_resumed_batch_that_expired_is_asked_again(server, tmp_path):
    with RunDir.open(tmp_path / "run") as run:
        sink = DyingSink(run.sink("solve"), "submitted", "after")
        with pytest.raises(Killed):
            ask_all(plan(10), sink, backend=teacher(server), limits=Limits(), stage="solve")
    server.script.batch_fault = "expire"
    with RunDir.open(tmp_path / "run") as run:
        ask(server, run, plan(15))
        assert paid_once(server, run, plan(15))


def test_the_budget_bounds_what_is_submitted(server, tmp_path):
    with RunDir.open(tmp_path / "run") as run:
        report = ask(server, run, plan(50), budget=Meter(Budget(max_requests=25)))
        assert report.stopped == "budget"
        assert sum(server.charged.values()) == 25
