"""The loop of `ask`: decide which call is sent next, and handle each outcome."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Literal

from mathstrap.engine.contact import SOON_KINDS, SOON_SECONDS, FirstContact, Refusals
from mathstrap.engine.interface import AskReport, AskSettings, Sink
from mathstrap.engine.jobs import Job, Jobs
from mathstrap.engine.ledger import Ledger
from mathstrap.engine.limits import AdaptiveLimit, Breaker, backoff
from mathstrap.errors import MathstrapError, PromptRefused, StorageError, TeacherError, TransientError
from mathstrap.types import Completion, Request

if TYPE_CHECKING:
    from mathstrap.engine.interface import Backend

# The server is up and asks for fewer calls: slow down.
REFUSED_KINDS = frozenset({"rate_limit", "overloaded"})
# Neither the request nor the teacher is at fault: no failed try, and no reason to open the breaker.
FREE_KINDS = frozenset({"rate_limit", "unavailable", "adapted"})
# The worker that asked for us died with all its calls. The teacher is not at fault, but this request may be the cause.
LOST = "lost"
MAX_DRAWS_PER_CALL = 16
REPORTED_PAUSE_SECONDS = 5.0  # shorter pauses are not reported
FULL_DISK = (
    "The disk is full. The replies in flight are stored in reserved space; nothing more is asked. Free some space and "
    "run the same command again."
)
LATE_SECONDS = 0.5  # a timer that fires this late shows that the process was suspended
LAST_LOOK_SECONDS = 0.05
AT_WORK_SECONDS = 20.0  # a call that runs longer was accepted: refusals come back sooner


class Flight:
    """One `ask` while it runs.

    There is no queue and no batch: `_take` alone decides what may be sent, every worker takes its next job there, and
    `_pump` starts more workers whenever something changed. Everything runs in the thread of one event loop.
    """

    def __init__(self, requests: Iterable[Request], sink: Sink, backend: Backend, settings: AskSettings) -> None:
        limits = settings.limits
        self.backend = backend
        self.settings = settings
        self.ledger = Ledger(sink, settings)
        self.report = self.ledger.report
        self._active = 0
        self._workers: set[asyncio.Task[None]] = set()
        most = getattr(backend, "most_in_flight", 0) or backend.max_in_flight
        most = min(most, limits.max_in_flight) if limits.max_in_flight else most
        self._jobs = Jobs(requests, most_waiting=4 * most + 64)
        self._limit = AdaptiveLimit(most=most, start=limits.start_in_flight, adapt=limits.adapt)
        self._breaker = Breaker(limits)
        self._contact = FirstContact(limits)
        self._refusals = Refusals(limits)
        self._sent_at: dict[int, float] = {}  # of the calls at the server
        self._notices: list[tuple[str, str]] = getattr(backend, "notices", [])
        self._needs_reservation = self.ledger.needs_reservations
        self._num_reserved = 0  # reservations of calls in flight
        self._paused_until = 0.0
        self._rng = random.Random(0)
        self._closed = False  # nothing more is sent
        self._cut = False  # calls in flight are abandoned
        self._error: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._changed = asyncio.Event()
        self._max_n: int = getattr(backend, "max_n", MAX_DRAWS_PER_CALL)

    async def run(self) -> AskReport:
        """Send until nothing is left to send, then wait for the calls in flight."""
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        started = self._now()
        self.settings.stop.listen(self._changed)
        self.settings.emit("started", total=self.settings.total, in_flight=self._limit.current)
        ends_at = self.settings.meter.begin(started)
        end = self._loop.call_at(ends_at, self._out_of_time) if ends_at is not None else None
        try:
            await self._drive()
        except asyncio.CancelledError:
            self._cut = True
            raise
        finally:
            self._closed = True
            for timer in (end, self._timer):
                if timer is not None:
                    timer.cancel()
            await self._land()
        self._error = self._error or self.ledger.settle_refusals()
        if self.report.stopped == "interrupted" and not self._cut and self._jobs.is_empty:
            self.report.stopped, self.report.message = "done", ""  # the last calls came back and nothing is left
        await self.ledger.save_again()
        self.ledger.finish(self._now() - started)
        if self._error is not None:
            raise self._error
        return self.report

    async def _drive(self) -> None:
        self._heed_stop()
        self._pump()
        while not self._is_over() and not self._cut:
            await self._changed.wait()
            self._changed.clear()
            self._heed_stop()
            self._pump()

    async def _land(self) -> None:
        """Wait for the workers; cancel them after a second Ctrl-C or at the end of the time."""
        while self._workers and not self._cut:
            await self._changed.wait()
            self._changed.clear()
            self._heed_stop()
        if self._workers:
            for worker in self._workers:
                worker.cancel()
            await asyncio.gather(*self._workers, return_exceptions=True)

    def _heed_stop(self) -> None:
        presses = self.settings.stop.presses
        if presses and not self._closed:
            self._close("interrupted", "Interrupted. Every reply is kept: run the same command to go on.")
        if presses >= 2:
            self._cut = True

    def _out_of_time(self) -> None:
        self._close("budget", self.settings.meter.sentence("max_seconds"))
        # Replies that arrived while the process was suspended or busy are read before the rest is cut off.
        self._loop.call_later(LAST_LOOK_SECONDS, self._cut_off)

    def _cut_off(self) -> None:
        self._cut = True
        self._changed.set()

    # Sending

    def _pump(self) -> None:
        """Start workers until the limit is reached or nothing may be sent."""
        while self._has_room(1):
            job = self._take()
            if job is None:
                break
            self._active += 1
            worker = self._loop.create_task(self._work(job))
            self._workers.add(worker)
            worker.add_done_callback(self._worker_ended)
        self.report.most_in_flight = max(self.report.most_in_flight, self._active)

    def _has_room(self, more: int) -> bool:
        return self._active + more <= self._limit.current and self._active + more <= self.backend.max_in_flight

    def _is_over(self) -> bool:
        if self._active:
            return False
        return self._closed or self._jobs.are_done

    async def _work(self, first: Job) -> None:
        """Send calls one after the other for as long as there is room."""
        job: Job | None = first
        try:
            while job is not None:
                pause = await self._send(job)
                if pause:
                    await asyncio.sleep(pause)
                if self._has_room(1):
                    self._changed.set()
                job = self._take() if self._has_room(0) else None
        finally:
            self._active -= 1

    def _worker_ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._fail(error)
        self._changed.set()

    def _take(self) -> Job | None:
        """Return the job to send now; None if there is none or it must wait."""
        if self._closed:
            return None
        now = self._now()
        ends_at = self.settings.meter.ends_at
        if ends_at is not None and now + 1.1 * self.ledger.slowest_seconds >= ends_at:
            self._close("budget", self.settings.meter.sentence("max_seconds"))
            return None
        wait = max(self._breaker.wait(now), self._paused_until - now)
        if wait > 0:
            self._wake_at(now + wait)
            return None
        job = self._jobs.next(now, most_draws=self._max_n if self.backend.supports_n else 1)
        if job is None:
            if self._jobs.due is not None:
                self._wake_at(self._jobs.due)
        elif self._needs_reservation and not self._may_send(job, now):
            self._jobs.put_back(job)
            return None
        else:
            job.is_trial = self._breaker.sent()
        return job

    def _may_send(self, job: Job, now: float) -> bool:
        """Reserve the most that the job can cost, in the budget and in the rate limits."""
        wait, spent = self.ledger.reserve(job, now)
        if spent:
            # A call in flight may cost less than its reservation and free budget, but a sent request is never refunded.
            if self._num_reserved == 0 or spent == "max_requests":
                self._close("budget", self.settings.meter.sentence(spent))
            return False
        if wait:
            self._wake_at(now + wait)
            return False
        self._num_reserved += 1
        return True

    # Outcomes

    async def _send(self, job: Job) -> float:
        """Send one call and handle its outcome; return how long its slot stays taken. Raises only CancelledError."""
        job.attempt += 1
        job.sent_at = self._now()
        if job.attempt == 1:
            job.deadline = job.sent_at + self.settings.limits.deadline_seconds
        self.ledger.sent(job)
        self._sent_at[id(job)] = job.sent_at
        try:
            if job.attempt == 1 or job.sent_at >= job.deadline:  # a late job waited for a slot; it is not slow itself
                completions = await self.backend.ask(job.requests)
            else:
                completions = await self._ask_until(job)
        except TransientError as error:
            self._broken(job, error)
            if error.kind in REFUSED_KINDS:
                # A refusal comes back at once: without a pause, this slot would be refused again and again.
                return min(self.ledger.usual_seconds, self.settings.limits.backoff_seconds)
        except PromptRefused as error:
            if self._breaker.succeeded():
                self.settings.emit("resumed")
                self._changed.set()
            ended = self.ledger.refused(job, error, self._now(), in_flight=self._limit.current)
            if ended is not None:
                self._fail(ended)
        except MathstrapError as error:
            self.ledger.settle_broken(job, "refused")
            self._fail(error)
        except asyncio.CancelledError:
            self.ledger.settle_broken(job, "timeout")
            raise
        except TimeoutError:
            self._broken(job, TransientError("no answer before the deadline", kind="timeout"))
        except Exception as error:  # noqa: BLE001 the retry boundary: one broken call must not end the others
            self._broken(job, TransientError(f"{type(error).__name__}: {error}"))
        else:
            self._answered(job, completions)
        finally:
            self._sent_at.pop(id(job), None)
            if self._needs_reservation:
                self._num_reserved -= 1
            if self._notices:
                self.ledger.tell(self._notices)
        if self.ledger.is_full and self._error is None:
            self._fail(StorageError(FULL_DISK))
        if self.ledger.pause:
            self._close("paused", self.ledger.pause)
        return 0.0

    async def _ask_until(self, job: Job) -> list[Completion]:
        """Ask, and give up at the job's deadline; after a suspension, replies that have arrived are read first."""
        async with asyncio.timeout(None) as limit:

            timers: list[asyncio.TimerHandle] = []

            def expire(*, has_waited: bool) -> None:
                if has_waited or self._now() - job.deadline <= LATE_SECONDS:
                    limit.reschedule(self._now())
                else:
                    timers.append(self._loop.call_later(LATE_SECONDS, partial(expire, has_waited=True)))

            timers.append(self._loop.call_at(job.deadline, partial(expire, has_waited=False)))
            try:
                return await self.backend.ask(job.requests)
            finally:
                for timer in timers:
                    timer.cancel()

    def _answered(self, job: Job, completions: list[Completion]) -> None:
        rest = job.requests[len(completions) :]
        if rest and not completions and (len(rest) == 1 or self.backend.supports_n):
            self._broken(job, TransientError("the teacher answered with no reply", kind="malformed"))
            return
        seconds = self._now() - job.sent_at
        self._refusals.answered()
        try:
            _, tokens_out = self.ledger.answered(job, completions, seconds)
        except StorageError as error:
            self._fail(error)
            return
        if self._breaker.succeeded():
            self.settings.emit("resumed")
            self._changed.set()
        if self._limit.answered(self._now(), seconds, tokens_out):
            self._limit_changed()
        if rest:
            parts = [rest] if self.backend.supports_n else [[request] for request in rest]
            for part in parts:
                self._push(Job(part), self._now())

    def _broken(self, job: Job, error: TransientError) -> None:
        """Send the job again later, or leave it to the next run."""
        limits, now, kind = self.settings.limits, self._now(), error.kind
        is_first = not self.settings.meter.has_answers
        lasting = self._contact.failed(now, kind) if is_first else ""
        if kind == "rate_limit" and not lasting:
            # A call that has run for long was accepted: the model may think for minutes, so the server does work.
            self._sent_at.pop(id(job), None)
            is_at_work = any(now - sent_at > AT_WORK_SECONDS for sent_at in self._sent_at.values())
            lasting = "" if is_at_work else self._refusals.refused(now, error.retry_after_seconds)
        if lasting:
            self.ledger.settle_broken(job, kind)
            self._fail(TeacherError(f"{str(error).rstrip('.')}. {lasting}"))
            return
        asked_wait = error.retry_after_seconds
        if kind == "rate_limit":
            self._breaker.succeeded()
        elif kind not in FREE_KINDS:
            if not (is_first and kind == "connect"):  # else limits.connect_seconds decides
                job.tries += 1
            if kind == LOST:
                self._breaker.not_tried()
            else:
                self._trip(now, str(error), trial=job.is_trial)
        else:
            self._breaker.not_tried()
        wait = backoff(max(1, min(job.attempt, 16)), limits, self._rng)
        if is_first and kind in SOON_KINDS:
            wait = min(wait, SOON_SECONDS)
        if asked_wait is not None:
            wait = asked_wait + self._rng.uniform(0.0, min(asked_wait, limits.backoff_seconds))
        if asked_wait is not None and (kind == "unavailable" or (kind in REFUSED_KINDS and self._limit.mostly_refused)):
            self._pause_until(now, now + asked_wait, str(error))
        if kind in REFUSED_KINDS and self._limit.refused(now, job.sent_at):
            self._limit_changed()
        if job.tries >= limits.max_attempts or (now + wait > job.deadline and kind != "unavailable"):
            self.ledger.broken(job, error, wait_seconds=None)
            return
        self.ledger.broken(job, error, wait_seconds=wait)
        self._push(job, now + wait)

    def _pause_until(self, now: float, until: float, detail: str) -> None:
        """Send nothing before `until`, because the server asks for that."""
        if until > self._paused_until:
            if until - max(now, self._paused_until) > REPORTED_PAUSE_SECONDS:
                self.settings.emit("paused", wait_seconds=until - now, detail=f"the server asks to wait: {detail}")
            self._paused_until = until

    def _trip(self, now: float, detail: str, *, trial: bool) -> None:
        breaker = self._breaker
        if breaker.failed(now, trial=trial):
            wait = breaker.wait(now)
            self.settings.emit("paused", wait_seconds=wait, detail=f"every call fails: {detail}")
            self._wake_at(now + wait)
        if breaker.hopeless(now):
            self._fail(
                TeacherError(
                    f"The teacher has answered nothing for {self.settings.limits.breaker_give_up_seconds:.0f} seconds; "
                    f"last: {detail}. Every reply is kept: check the server and run the same command to go on."
                )
            )

    def _push(self, job: Job, due: float) -> None:
        self._jobs.again(job, due)
        self._wake_at(due)

    # Timers and ends

    def _wake_at(self, due: float) -> None:
        """Wake the loop at `due`; never, if that is infinite."""
        if self._closed or due == float("inf") or (self._timer is not None and self._timer_at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_at(due, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._changed.set()

    def _limit_changed(self) -> None:
        self.settings.emit("limit", in_flight=self._limit.current, detail=self._limit.reason)
        self._changed.set()

    def _close(self, why: Literal["budget", "interrupted", "paused"], message: str) -> None:
        """Send nothing more."""
        if not self._closed:
            self._closed = True
            self.report.stopped = why
            self.report.message = message
            self.settings.emit("stopping", in_flight=self._active, reason=why, detail=message)
            self._changed.set()

    def _fail(self, error: BaseException) -> None:
        """Send nothing more, and raise `error` after the calls in flight are back."""
        if self._error is None:
            self._error = error
            if not self._closed:
                self.settings.emit("stopping", in_flight=self._active, reason=type(error).__name__, detail=str(error))
        self._closed = True
        self._changed.set()
