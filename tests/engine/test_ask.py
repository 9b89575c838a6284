"""What the engine promises, with a teacher in memory."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc

import msgspec
import pytest

from mathstrap.backends.fake import FakeTeacher
from mathstrap.engine.ask import AskReport, Budget, Limits, Meter, Stop, ask, ask_all
from mathstrap.engine.prices import Price
from mathstrap.errors import StorageError, TeacherError, TransientError
from mathstrap.types import Completion, Failure, Message, Request, Sampling

FAST = Limits(backoff_seconds=0.005, backoff_max_seconds=0.02)


class Kept:
    """A sink that keeps everything in memory."""

    def __init__(self) -> None:
        self.completions: list[Completion] = []
        self.failures: list[Failure] = []

    def completion(self, completion):
        self.completions.append(completion)

    def failure(self, failure):
        self.failures.append(failure)

    @property
    def ids(self):
        return sorted(completion.request for completion in self.completions)


def asked_for(number: int, draw: int = 0, max_tokens: int = 100) -> Request:
    return Request(
        id=f"s-{number:05}#{draw}",
        key=f"k{number}",
        model="fake",
        messages=(Message("user", f"Question: What is {number} plus 3?\nAnswer:"),),
        sampling=Sampling(max_tokens=max_tokens),
        draw=draw,
    )


def plan(count: int, draws: int = 1):
    return (asked_for(number, draw) for number in range(count) for draw in range(draws))


class Teacher(FakeTeacher):
    """A fake teacher whose latency and faults are functions of the request and of how often it was asked."""

    def __init__(self, *, seconds=lambda request: 0.0, fault=lambda request, attempt: None, **options):
        super().__init__(**options)
        self.seconds, self.fault = seconds, fault
        self.in_flight = self.most_in_flight = self.calls = 0

    async def ask(self, requests):
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        attempt = self.asked.get(requests[0].id, 0)
        try:
            await asyncio.sleep(self.seconds(requests[0]))
            error = self.fault(requests[0], attempt)
            if error is not None:
                self.asked[requests[0].id] = attempt + 1
                raise error
            return await super().ask(requests)
        finally:
            self.in_flight -= 1


def test_every_request_is_answered_once():
    kept = Kept()
    report = ask_all(plan(50, draws=3), kept, backend=FakeTeacher())
    assert kept.ids == [request.id for request in plan(50, draws=3)]
    assert (report.stopped, report.asked, report.answered, report.failed) == ("done", 50, 150, 0)


def test_an_empty_plan_is_done():
    assert ask_all([], Kept(), backend=FakeTeacher()) == AskReport(seconds=pytest.approx(0, abs=0.5))


def test_synchronous_code_inside_a_running_loop_may_ask_too():
    async def notebook_cell():
        kept = Kept()
        ask_all(plan(10), kept, backend=FakeTeacher())
        return len(kept.completions)

    assert asyncio.run(notebook_cell()) == 10


def test_no_more_calls_are_in_flight_than_allowed():
    teacher = Teacher(seconds=lambda request: 0.002)
    report = ask_all(plan(200), Kept(), backend=teacher, limits=Limits(max_in_flight=7))
    assert teacher.most_in_flight == report.most_in_flight == 7


def test_the_plan_is_read_only_as_fast_as_calls_are_sent():
    teacher = Teacher(seconds=lambda request: 0.001, supports_n=False)
    read = 0

    def counted():
        nonlocal read
        for request in plan(300):
            read += 1
            assert read <= teacher.calls + 8 + 1
            yield request

    ask_all(counted(), Kept(), backend=teacher, limits=Limits(max_in_flight=8))
    assert read == 300


@pytest.mark.slow
def test_memory_does_not_grow_with_the_plan():
    class Nowhere:
        def completion(self, completion):
            pass

        def failure(self, failure):
            pass

    class Plain(FakeTeacher):
        async def ask(self, requests):
            await asyncio.sleep(0)
            return [
                Completion(request=request.id, key=request.key, text="x", finish_reason="stop") for request in requests
            ]

    def peak(count):
        gc.collect()
        tracemalloc.start()
        ask_all(plan(count), Nowhere(), backend=Plain(supports_n=False))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(6000) < peak(600) + 200_000


@pytest.mark.parametrize(("name", "told"), [("fake@1a2b3c4d dtype=bf16", 0), ("fake dtype=bf16", 0), ("other", 1)])
def test_what_an_evaluation_adds_to_a_models_name_is_no_other_model(name, told):
    events = []
    ask_all([msgspec.structs.replace(asked_for(0), model=name)], Kept(), backend=FakeTeacher(), events=events.append)
    assert [event.reason for event in events if event.kind == "warning"] == ["other_model"] * told


def test_one_slow_request_holds_up_nothing():
    teacher = Teacher(seconds=lambda request: 0.5 if request.id == "s-00000#0" else 0.001, supports_n=False)
    kept = Kept()
    ask_all(plan(400), kept, backend=teacher, limits=Limits(max_in_flight=4))
    # All 399 others come before it on a quiet machine; three, were it waited for.
    assert [completion.request for completion in kept.completions].index("s-00000#0") > 20


def test_what_may_pass_is_asked_again_and_what_does_not_pass_is_left_to_the_next_run():
    def fault(request, attempt):
        if request.id == "s-00003#0":
            return TransientError("always", kind="server")
        return TransientError("once", kind="server") if attempt == 0 else None

    kept = Kept()
    report = ask_all(plan(10), kept, backend=Teacher(fault=fault), limits=Limits(backoff_seconds=0.001, max_attempts=4))
    assert [failure.id for failure in kept.failures] == ["s-00003#0"]
    assert kept.failures[0] == Failure(id="s-00003#0", key="k3", error="always", kind="server")
    assert (report.answered, report.failed, report.retried) == (9, 1, 9 + 3)
    assert report.errors == {"server": 9 + 4}


def test_a_request_is_given_up_at_its_deadline():
    teacher = Teacher(fault=lambda request, attempt: TransientError("busy", 0.05, kind="rate_limit"))
    started = time.monotonic()
    report = ask_all(plan(3), Kept(), backend=teacher, limits=Limits(deadline_seconds=0.3))
    assert report.failed == 3
    assert 0.1 < time.monotonic() - started < 15


def test_a_second_attempt_ends_at_the_deadline_too():
    teacher = Teacher(
        seconds=lambda request: 30.0 if teacher.asked.get(request.id) else 0.0,
        fault=lambda request, attempt: TransientError("once", kind="server"),
    )
    report = ask_all(plan(1), Kept(), backend=teacher, limits=Limits(deadline_seconds=0.2, backoff_seconds=0.001))
    assert report.errors == {"server": 1, "timeout": 1}


def test_an_unexpected_error_of_a_backend_breaks_one_call_only():
    teacher = Teacher(fault=lambda request, attempt: KeyError("choices") if attempt == 0 else None)
    kept = Kept()
    ask_all(plan(5), kept, backend=teacher, limits=FAST)
    assert len(kept.completions) == 5


def test_a_refusal_for_good_stops_at_once_and_keeps_what_was_in_flight():
    teacher = Teacher(
        seconds=lambda request: 0.02 if request.id < "s-00008" else 0.01,
        fault=lambda request, attempt: TeacherError("bad key") if request.id == "s-00005#0" else None,
        supports_n=False,
    )
    kept = Kept()
    with pytest.raises(TeacherError, match="bad key"):
        ask_all(plan(10_000), kept, backend=teacher, limits=Limits(max_in_flight=8))
    assert teacher.calls <= 16
    assert len(kept.completions) == teacher.calls - 1


def test_an_error_of_the_plan_reaches_the_caller_after_what_was_in_flight():
    def broken():
        yield from plan(20)
        raise RuntimeError("the plan broke")

    kept = Kept()
    teacher = Teacher(seconds=lambda request: 0.02, supports_n=False)
    with pytest.raises(RuntimeError, match="the plan broke"):
        ask_all(broken(), kept, backend=teacher, limits=Limits(max_in_flight=8))
    assert len(kept.completions) == 20


# Storing


class FullDisk(Kept):
    """Stores `room` replies, then none until space is freed."""

    def __init__(self, room, freed_after=10**9):
        super().__init__()
        self.room, self.freed_after, self.refused = room, freed_after, 0

    def completion(self, completion):
        if len(self.completions) >= self.room and self.refused < self.freed_after:
            self.refused += 1
            raise StorageError("run: no space left")
        super().completion(completion)


def test_a_full_disk_stops_asking_and_says_how_many_replies_were_lost():
    kept = FullDisk(room=10)
    teacher = Teacher(seconds=lambda request: 0.01, supports_n=False)
    with pytest.raises(StorageError, match="replies that had arrived could not be stored"):
        ask_all(plan(10_000), kept, backend=teacher, limits=Limits(max_in_flight=8))
    assert teacher.calls <= 26


def test_replies_in_flight_are_stored_once_space_is_freed():
    kept = FullDisk(room=10, freed_after=2)
    teacher = Teacher(seconds=lambda request: 0.01, supports_n=False)
    with pytest.raises(StorageError, match="no space left"):
        ask_all(plan(10_000), kept, backend=teacher, limits=Limits(max_in_flight=8))
    assert len(kept.completions) == teacher.calls


def test_a_sink_that_is_nearly_full_stops_the_asking_and_loses_nothing():
    class NearlyFull(Kept):
        is_full = False

        def completion(self, completion):
            super().completion(completion)
            self.is_full = len(self.completions) >= 10

    kept = NearlyFull()
    teacher = Teacher(seconds=lambda request: 0.01, supports_n=False)
    with pytest.raises(StorageError, match="The replies in flight are stored"):
        ask_all(plan(10_000), kept, backend=teacher, limits=Limits(max_in_flight=8))
    assert len(kept.completions) == teacher.calls <= 26


# Stopping


def test_a_pressed_stop_drains_and_a_second_press_leaves():
    async def pressed(times, seconds):
        stop, kept = Stop(), Kept()
        teacher = Teacher(seconds=lambda request: seconds, supports_n=False)
        running = asyncio.create_task(
            ask(plan(10_000), kept, backend=teacher, limits=Limits(max_in_flight=8), stop=stop)
        )
        await asyncio.sleep(0.05)
        for _ in range(times):
            stop.press()
        return await running, kept, teacher

    report, kept, teacher = asyncio.run(pressed(1, 0.02))
    assert report.stopped == "interrupted"
    assert "run the same command" in report.message
    assert len(kept.completions) == teacher.calls
    report, kept, teacher = asyncio.run(pressed(2, 30.0))
    assert (report.stopped, len(kept.completions), teacher.calls) == ("interrupted", 0, 8)


def test_cancelling_the_caller_stops_the_paying():
    async def main():
        teacher = Teacher(seconds=lambda request: 0.01)
        running = asyncio.create_task(ask(plan(10_000), Kept(), backend=teacher, limits=Limits(max_in_flight=4)))
        await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        calls = teacher.calls
        await asyncio.sleep(0.05)
        assert teacher.calls == calls
        assert teacher.in_flight == 0

    asyncio.run(main())


# Budgets


@pytest.mark.parametrize("limit", [1, 10, 57])
def test_no_more_requests_are_sent_than_the_budget_allows(limit):
    def fault(request, attempt):
        return TransientError("x", kind="server") if attempt == 0 and request.id.endswith("7#0") else None

    teacher = Teacher(seconds=lambda request: 0.001, fault=fault, supports_n=False)
    report = ask_all(plan(200), Kept(), backend=teacher, limits=FAST, budget=Budget(max_requests=limit))
    assert teacher.calls == limit
    assert report.stopped == "budget"
    assert f"{limit} of {limit} requests are sent" in report.message


@pytest.mark.parametrize("limit", [300, 2000, 20_000])
def test_tokens_stay_within_the_budget_with_many_calls_in_flight(limit):
    teacher = Teacher(seconds=lambda request: 0.001, supports_n=False)
    report = ask_all(plan(2000), Kept(), backend=teacher, budget=Budget(max_tokens=limit))
    assert report.stopped == "budget"
    assert limit - 220 < report.tokens_in + report.tokens_out <= limit


def test_one_meter_holds_over_several_stages():
    price = Price(usd_per_million_in=1000.0, usd_per_million_out=2000.0, source="test")
    meter = Meter(Budget(max_usd=2.0), price=price)
    first = ask_all(plan(20), Kept(), backend=FakeTeacher(), budget=meter, stage="rewrite")
    second = ask_all(plan(2000), Kept(), backend=FakeTeacher(), budget=meter, stage="solve")
    assert (first.stopped, second.stopped) == ("done", "budget")
    assert first.usd + second.usd == pytest.approx(meter.usd)
    assert 1.7 < meter.usd <= 2.0


def test_time_is_never_overrun_and_what_fits_is_waited_for():
    teacher = Teacher(seconds=lambda request: 0.05, supports_n=False)
    started = time.monotonic()
    kept = Kept()
    report = ask_all(
        plan(10_000), kept, backend=teacher, limits=Limits(max_in_flight=4), budget=Budget(max_seconds=0.4)
    )
    assert 0.25 < time.monotonic() - started < 15
    assert report.stopped == "budget"
    assert len(kept.completions) == teacher.calls
    slow = Teacher(seconds=lambda request: 30.0)
    started = time.monotonic()
    report = ask_all(plan(10), Kept(), backend=slow, budget=Budget(max_seconds=0.2))
    assert time.monotonic() - started < 15
    assert report.stopped == "budget"


def test_calls_of_unknown_outcome_count_as_paid():
    teacher = Teacher(fault=lambda request, attempt: TransientError("hung", kind="timeout") if attempt == 0 else None)
    price = Price(usd_per_million_in=1.0, usd_per_million_out=1.0, source="test")
    meter = Meter(Budget(max_tokens=10**9), price=price)
    report = ask_all(plan(10), Kept(), backend=teacher, limits=FAST, budget=meter)
    assert meter.uncertain_tokens_out == 10 * 100
    assert report.usd_uncertain > report.usd > 0


# A teacher that is down


def test_a_dead_teacher_is_left_alone_and_asked_on_when_it_is_back():
    down = True
    teacher = Teacher(
        seconds=lambda request: 0.001,
        fault=lambda request, attempt: TransientError("down", kind="server") if down else None,
        supports_n=False,
    )
    events, kept = [], Kept()

    def listen(event):
        nonlocal down
        events.append(event)
        if event.kind == "paused" and sum(event.kind == "paused" for event in events) == 3:
            assert teacher.calls <= 20 + 16 + 2  # until the breaker opened, what was in flight then, two trials
            down = False

    limits = Limits(max_in_flight=16, breaker_failures=20, breaker_seconds=0.05, backoff_seconds=0.01)
    ask_all(plan(300), kept, backend=teacher, limits=limits, events=listen)
    assert len(kept.completions) == 300
    assert not kept.failures
    assert [event.kind for event in events if event.kind in {"paused", "resumed"}] == ["paused"] * 3 + ["resumed"]


def test_a_teacher_that_stays_dead_ends_the_run():
    teacher = Teacher(fault=lambda request, attempt: TransientError("down", kind="connect"))
    limits = Limits(breaker_failures=5, breaker_seconds=0.02, breaker_give_up_seconds=0.2, backoff_seconds=0.005)
    with pytest.raises(TeacherError, match="last: down"):
        ask_all(plan(300), Kept(), backend=teacher, limits=limits)
    assert teacher.calls < 120


# Events


def test_every_call_leaves_its_events():
    teacher = Teacher(fault=lambda request, attempt: TransientError("x", kind="server") if attempt == 0 else None)
    events = []
    ask_all(plan(4), Kept(), backend=teacher, limits=FAST, events=events.append, stage="solve", total=4)
    kinds = [event.kind for event in events]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert [kinds.count(kind) for kind in ("asked", "retried", "answered", "failed")] == [8, 4, 4, 0]
    assert {event.stage for event in events} == {"solve"}
    assert [event.attempt for event in events if event.kind == "answered"] == [2, 2, 2, 2]


def test_a_request_held_back_past_its_deadline_still_gets_its_call():
    teacher = Teacher(fault=lambda request, attempt: TransientError("down", kind="server") if attempt == 0 else None)
    limits = Limits(
        max_in_flight=4, breaker_failures=4, breaker_seconds=0.4, deadline_seconds=0.3, backoff_seconds=0.001
    )
    kept = Kept()
    report = ask_all(plan(4), kept, backend=teacher, limits=limits)
    assert (len(kept.completions), report.errors) == (4, {"server": 4})


def test_a_stop_after_which_everything_came_back_is_no_interruption():
    class Pressing(FakeTeacher):
        async def ask(self, requests):
            if not stop.presses:
                stop.press()
            return await super().ask(requests)

    for number, ended in ((2, "done"), (400, "interrupted")):
        stop = Stop()
        report = ask_all(plan(number), Kept(), backend=Pressing(), stop=stop)
        assert report.stopped == ended
        assert bool(report.message) == (ended == "interrupted")
