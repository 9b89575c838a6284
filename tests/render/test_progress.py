"""What a user sees while the engine works: plain lines, a live line, JSON lines, or only what matters."""

from __future__ import annotations

import io
import json

import pytest

from mathstrap.backends.fake import FakeTeacher
from mathstrap.engine.ask import Budget, Limits, Meter, ask_all
from mathstrap.engine.events import Event
from mathstrap.engine.prices import Price
from mathstrap.errors import TransientError
from mathstrap.render.progress import Progress, show_progress
from mathstrap.types import Message, Request, Sampling


class Nowhere:
    def completion(self, completion):
        pass

    def failure(self, failure):
        pass


def plan(count):
    for number in range(count):
        yield Request(
            id=f"s-{number}#0", key=f"k{number}", model="fake", messages=(Message("user", "q 1"),), sampling=Sampling()
        )


def events_of_a_stage():
    """200 replies in 100 s, half a cent each, of 1,000."""
    yield Event(kind="started", at=1000.0, stage="solve", total=1000, in_flight=8)
    for number in range(200):
        at = 1000.0 + (number + 1) / 2
        yield Event(
            kind="answered", at=at, stage="solve", id="s", draws=1, tokens_in=100, tokens_out=50, usd=0.005, seconds=2.0
        )
    yield Event(kind="retried", at=1100.0, stage="solve", id="s", reason="server", wait_seconds=1.0)


def test_plain_lines_say_rate_money_and_time_left():
    stream = io.StringIO()
    with Progress(stream=stream, terminal=False) as progress:
        for event in events_of_a_stage():
            progress(event)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10  # one every ten seconds
    assert lines[-1] == "solve    200/1,000 20%  2.1 req/s  310 tokens/s  $1.00 of about $5.00  6:27 left"


def test_a_note_stands_beside_the_numbers_and_the_wait_for_the_first_reply_is_counted():
    stream = io.StringIO()
    with Progress(stream=stream, terminal=False) as progress:
        progress(Event(kind="started", at=1000.0, stage="solve", total=3, in_flight=3))
        progress(Event(kind="asked", at=1012.0, stage="solve", id="s", draws=1))
        progress(Event(kind="answered", at=1030.0, stage="solve", id="s", draws=1, tokens_out=5))
        progress.note("100.0% right")
        progress(Event(kind="answered", at=1045.0, stage="solve", id="s", draws=1, tokens_out=5))
    first, *_, last = stream.getvalue().splitlines()
    assert first == "solve    0/3  waiting for the first reply, 0:12"
    assert last.startswith("solve    2/3 67%")
    assert last.endswith("  100.0% right")


def test_quiet_says_only_warnings_and_why_it_stopped():
    stream = io.StringIO()
    with Progress(stream=stream, terminal=False, quiet=True) as progress:
        ask_all(plan(50), Nowhere(), backend=FakeTeacher(), budget=Budget(max_requests=5), events=progress)
        progress(Event(kind="warning", at=1.0, detail="something odd"))
    assert stream.getvalue().count("\n") == 2
    assert "budget.max_requests" in stream.getvalue()
    assert "warning: something odd" in stream.getvalue()


def test_json_prints_every_event_as_one_line_and_nothing_else():
    shown, lines = io.StringIO(), io.StringIO()
    with Progress(stream=shown, json_stream=lines, json=True) as progress:
        ask_all(plan(3), Nowhere(), backend=FakeTeacher(), events=progress, stage="solve", total=3)
    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [event["kind"] for event in events] == ["started"] + ["asked"] * 3 + ["answered"] * 3 + ["finished"]
    assert {event["stage"] for event in events} == {"solve"}
    assert shown.getvalue() == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_failures_are_named_a_few_times_and_counted(terminal):
    class Broken(FakeTeacher):
        async def ask(self, requests):
            raise TransientError("the server hung up", kind="connection")

    stream = io.StringIO()
    with Progress(stream=stream, terminal=terminal) as progress:
        limits = Limits(max_attempts=1, breaker_failures=0)
        price = Price(usd_per_million_in=1.0, usd_per_million_out=1.0, source="test")
        ask_all(plan(9), Nowhere(), backend=Broken(), limits=limits, budget=Meter(price=price), events=progress)
    text = stream.getvalue()
    assert text.count("the server hung up. It is asked again on the next run.") == 3
    assert "9 left to the next run" in text


def test_a_verb_enters_it_and_passes_it_on():
    with show_progress(quiet=True) as listener:
        listener(Event(kind="started", at=1.0))
