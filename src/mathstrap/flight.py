"""The inside of `ask`: which call is sent next, and what becomes of each one that comes back."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from mathstrap.asking import AskReport, Sink, Terms
from mathstrap.budget import Hold, hold_for
from mathstrap.errors import MathstrapError, StorageError, TeacherError, TransientError
from mathstrap.limits import AdaptiveLimit, Breaker, Pace, backoff
from mathstrap.types import Completion, Failure, Request

if TYPE_CHECKING:
    from mathstrap.backends import Backend

NO_HOLD = Hold(requests=0, tokens_in=0, tokens_out=0)
# Kinds of TransientError after which the server may have charged although no reply arrived.
UNCERTAIN_KINDS = frozenset({"timeout", "connection", "malformed", "error"})
# The teacher is there, but says "not now": shrink, and do not count it as a failed try.
REFUSED_KINDS = frozenset({"rate_limit", "overloaded"})
MAX_DRAWS_PER_CALL = 16
SAVE_AGAIN_SECONDS = 5.0


class Job:
    """Draws of one prompt that go out as one call, and how often they did."""

    __slots__ = ("attempt", "deadline", "hold", "requests", "tokens", "tries")

    def __init__(self, requests: Sequence[Request]) -> None:
        self.requests = requests
        self.attempt = 0  # calls sent
        self.tries = 0  # calls that count against max_attempts
        self.deadline = 0.0
        self.hold = NO_HOLD
        self.tokens = 0.0


class Flight:
    """One `ask` while it runs.

    There is no queue and no batch: `_take` decides in one place what may be sent now, every finished call takes the
    next, and `_pump` starts more of them whenever something changed. All of it runs in one event loop's thread.
    """

    def __init__(self, requests: Iterable[Request], sink: Sink, backend: Backend, terms: Terms) -> None:
        limits = terms.limits
        self.sink = sink
        self.backend = backend
        self.terms = terms
        self.report = AskReport(stage=terms.stage)
        self._source = iter(requests)
        self._ahead: Request | None = None
        self._exhausted = False
        self._pending: Job | None = None  # taken, but not allowed to go yet
        self._retries: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._active = 0
        self._workers: set[asyncio.Task[None]] = set()
        most = backend.max_in_flight
        most = min(most, limits.max_in_flight) if limits.max_in_flight else most
        self._limit = AdaptiveLimit(most=most, start=limits.start_in_flight, adapt=limits.adapt)
        self._breaker = Breaker(limits)
        self._requests_pace = Pace(limits.requests_per_minute) if limits.requests_per_minute else None
        self._tokens_pace = Pace(limits.tokens_per_minute) if limits.tokens_per_minute else None
        self._needs_hold = bool(terms.meter.needs_holds or self._tokens_pace or self._requests_pace)
        self._hold_until = 0.0
        self._rng = random.Random(0)
        self._closed = False  # nothing more is sent
        self._cut = False  # what is in flight is left
        self._error: BaseException | None = None
        self._unsaved: list[Completion] = []
        self._slowest = 0.0
        self._errors: Counter[str] = Counter()
        self._other_models: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._changed = asyncio.Event()
        self._uncertain_before = terms.meter.usd_uncertain or 0.0

    async def run(self) -> AskReport:
        """Send until there is nothing left to send, then wait for what is in flight."""
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        started = self._now()
        self.terms.stop.listen(self._changed)
        self.terms.emit("started", total=self.terms.total, in_flight=self._limit.current)
        ends_at = self.terms.meter.begin(started)
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
        await self._save_again()
        self._sum_up(self._now() - started)
        if self._error is not None:
            raise self._error
        return self.report

    async def _drive(self) -> None:
        self._pump()
        while not self._is_over() and not self._cut:
            await self._changed.wait()
            self._changed.clear()
            self._heed_stop()
            self._pump()

    async def _land(self) -> None:
        """Wait for the workers; leave them where that is wanted."""
        while self._workers and not self._cut:
            await self._changed.wait()
            self._changed.clear()
            self._heed_stop()
        if self._workers:
            for worker in self._workers:
                worker.cancel()
            await asyncio.gather(*self._workers, return_exceptions=True)

    def _heed_stop(self) -> None:
        presses = self.terms.stop.presses
        if presses and not self._closed:
            self._close("interrupted", "Interrupted. Every reply is kept: run the same command to go on.")
        if presses >= 2:
            self._cut = True

    def _out_of_time(self) -> None:
        self._close("budget", self.terms.meter.sentence("max_seconds"))
        self._cut = True
        self._changed.set()

    # What is sent next

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
        return self._closed or (self._exhausted and self._pending is None and not self._retries)

    async def _work(self, first: Job) -> None:
        """Send calls one after the other for as long as there is room."""
        job: Job | None = first
        try:
            while job is not None:
                await self._send(job)
                job = self._take() if self._has_room(0) else None
        finally:
            self._active -= 1

    def _worker_ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._fail(error)
        self._changed.set()

    def _take(self) -> Job | None:
        """Return the job to send now; None if there is none or it has to wait."""
        if self._closed:
            return None
        now = self._now()
        ends_at = self.terms.meter.ends_at
        if ends_at is not None and now + self._slowest >= ends_at:
            self._close("budget", self.terms.meter.sentence("max_seconds"))
            return None
        wait = max(self._breaker.wait(now), self._hold_until - now)
        if wait > 0:
            self._wake_at(now + wait)
            return None
        job = self._pending or self._next_retry(now) or self._next_new()
        self._pending = None
        if job is None:
            if self._retries:
                self._wake_at(self._retries[0][0])
        elif self._needs_hold and not self._may_send(job, now):
            self._pending = job
            return None
        return job

    def _next_retry(self, now: float) -> Job | None:
        if self._retries and self._retries[0][0] <= now:
            return heapq.heappop(self._retries)[2]
        return None

    def _next_new(self) -> Job | None:
        # A storm of failures must not pull the whole plan into memory.
        if self._exhausted or len(self._retries) > 4 * self._limit.most + 64:
            return None
        first = self._ahead or next(self._source, None)
        self._ahead = None
        if first is None:
            self._exhausted = True
            return None
        draws = [first]
        if self.backend.supports_n and first.sampling.temperature > 0:
            most = getattr(self.backend, "max_n", MAX_DRAWS_PER_CALL)
            while len(draws) < most:
                following = next(self._source, None)
                if following is None or following.key != first.key:
                    self._ahead = following
                    break
                draws.append(following)
        return Job(draws)

    def _may_send(self, job: Job, now: float) -> bool:
        """Reserve the job's most, in the budget and in the minute's allowances."""
        meter = self.terms.meter
        job.hold = hold_for(job.requests)
        refused = meter.reserve(job.hold)
        if refused:
            # A call in flight that costs less than its most makes room; requests sent never come back.
            if self._active <= 1 or refused == "max_requests":
                self._close("budget", meter.sentence(refused))
            return False
        wait = self._requests_pace.wait(now) if self._requests_pace else 0.0
        if wait == 0 and self._tokens_pace:
            job.tokens = job.hold.tokens_in / 4 + job.hold.tokens_out
            wait = self._tokens_pace.wait(now, job.tokens)
            if wait and self._requests_pace:
                self._requests_pace.give_back(1.0)
        if wait:
            meter.release(job.hold, unsent=True)
            self._wake_at(now + wait)
        return wait == 0

    # What comes back

    async def _send(self, job: Job) -> None:
        """Send one call and deal with its outcome; raises nothing but what ends the run."""
        now = self._now()
        job.attempt += 1
        trial = self._breaker.sent()
        if job.attempt == 1:
            job.deadline = now + self.terms.limits.deadline_seconds
        self.report.asked += 1
        if self.terms.events:
            request = job.requests[0]
            self.terms.emit("asked", id=request.id, attempt=job.attempt, draws=len(job.requests))
        try:
            if job.attempt == 1:
                completions = await self.backend.ask(job.requests)
            else:
                async with asyncio.timeout_at(job.deadline):
                    completions = await self.backend.ask(job.requests)
            if not completions and (len(job.requests) == 1 or self.backend.supports_n):
                raise TransientError("the teacher answered without a reply", kind="malformed")
        except TransientError as error:
            self._broken(job, error, trial=trial)
        except MathstrapError as error:
            self.terms.meter.release(job.hold)
            self._fail(error)
        except asyncio.CancelledError:
            self._charge_unknown(job)
            raise
        except TimeoutError:
            self._broken(job, TransientError("no answer before the deadline", kind="timeout"), trial=trial)
        except Exception as error:  # noqa: BLE001 the retry boundary: one broken call must not end the others
            self._broken(job, TransientError(f"{type(error).__name__}: {error}"), trial=trial)
        else:
            self._answered(job, completions)

    def _answered(self, job: Job, completions: list[Completion]) -> None:
        meter, report = self.terms.meter, self.report
        tokens_in = tokens_out = 0
        seconds = 0.0
        for completion in completions:
            self._store(completion)
            meter.paid(completion)
            tokens_in += completion.tokens_in
            tokens_out += completion.tokens_out
            seconds = max(seconds, completion.seconds)
            if completion.model and completion.model != job.requests[0].model:
                self._check_model(completion.model, job.requests[0].model)
        if self._needs_hold:
            meter.release(job.hold)
            if self._tokens_pace:
                self._tokens_pace.give_back(job.tokens - tokens_in - tokens_out)
        report.answered += len(completions)
        report.tokens_in += tokens_in
        report.tokens_out += tokens_out
        self._slowest = max(seconds, self._slowest * 0.99)
        if self._breaker.succeeded():
            self.terms.emit("resumed")
            self._changed.set()
        if self._limit.answered(self._now(), seconds, tokens_out):
            self._limit_changed()
        if self.terms.events:
            self.terms.emit(
                "answered",
                id=job.requests[0].id,
                attempt=job.attempt,
                draws=len(completions),
                tokens_in=tokens_in,
                tokens_out=tokens_out,
                seconds=seconds,
                usd=meter.price.usd(tokens_in, tokens_out) if meter.price else None,
            )
        rest = job.requests[len(completions) :]
        if rest and not self.backend.supports_n:
            for request in rest:
                self._push(Job((request,)), self._now())
        elif rest:
            self._push(Job(rest), self._now())

    def _store(self, completion: Completion) -> None:
        if self._unsaved:
            self._unsaved.append(completion)
            return
        try:
            self.sink.completion(completion)
        except StorageError as error:
            self._unsaved.append(completion)
            self._fail(error)

    async def _save_again(self) -> None:
        """Try for a few seconds to store what could not be stored: space may have been freed."""
        give_up_at = self._now() + SAVE_AGAIN_SECONDS
        while self._unsaved:
            try:
                self.sink.completion(self._unsaved[0])
                del self._unsaved[0]
            except StorageError as error:
                if self._now() >= give_up_at:
                    lost = len(self._unsaved)
                    self._error = StorageError(f"{error} {lost} paid replies that had arrived could not be stored.")
                    return
                await asyncio.sleep(0.25)

    def _broken(self, job: Job, error: TransientError, *, trial: bool) -> None:
        """Send the job again later, or leave it to the next run."""
        limits, now = self.terms.limits, self._now()
        kind, detail = error.kind, str(error)
        self._errors[kind] += 1
        if kind in UNCERTAIN_KINDS:
            self._charge_unknown(job)
        else:
            self.terms.meter.release(job.hold)
        job.hold = NO_HOLD
        if kind == "rate_limit":
            self._breaker.succeeded()
        else:
            job.tries += 1
            self._trip(now, detail, trial=trial)
        wait = backoff(max(1, min(job.attempt, 16)), limits, self._rng)
        if error.retry_after_seconds is not None:
            wait = error.retry_after_seconds + self._rng.uniform(0.0, limits.backoff_seconds)
        if kind in REFUSED_KINDS:
            if self._limit.mostly_refused and error.retry_after_seconds:
                self._hold_until = max(self._hold_until, now + error.retry_after_seconds)
            if self._limit.refused(now):
                self._limit_changed()
        given_up = job.tries >= limits.max_attempts or now + wait > job.deadline
        if not given_up:
            self.report.retried += 1
            self._push(job, now + wait)
        if self.terms.events:
            self.terms.emit(
                "failed" if given_up else "retried",
                id=job.requests[0].id,
                attempt=job.attempt,
                draws=len(job.requests),
                wait_seconds=0.0 if given_up else wait,
                reason=kind,
                detail=detail,
            )
        if given_up:
            self.report.failed += len(job.requests)
            for request in job.requests:
                self.sink.failure(Failure(id=request.id, key=request.key, error=detail, kind=kind))

    def _charge_unknown(self, job: Job) -> None:
        """Count a call that was sent and brought nothing back at the most it can have cost."""
        meter = self.terms.meter
        if job.hold is NO_HOLD:
            job.hold = hold_for(job.requests)
            meter.hold(job.hold)
        meter.release(job.hold, uncertain=True)

    def _trip(self, now: float, detail: str, *, trial: bool) -> None:
        breaker = self._breaker
        if breaker.failed(now, trial=trial):
            wait = breaker.wait(now)
            self.terms.emit("paused", wait_seconds=wait, detail=detail)
            self._wake_at(now + wait)
        if breaker.hopeless(now):
            self._fail(
                TeacherError(
                    f"The teacher has answered nothing for {self.terms.limits.breaker_give_up_seconds:.0f} seconds; "
                    f"last: {detail}. Every reply is kept: check the server and run the same command to go on."
                )
            )

    def _push(self, job: Job, due: float) -> None:
        heapq.heappush(self._retries, (due, next(self._order), job))
        self._wake_at(due)

    # Around it

    def _wake_at(self, due: float) -> None:
        """Look again at `due`; never, if that is infinite."""
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
        self.terms.emit("limit", in_flight=self._limit.current, detail=self._limit.reason)
        self._changed.set()

    def _check_model(self, got: str, wanted: str) -> None:
        # Servers answer with a dated name, or with the last part of a path.
        same = got.startswith(wanted) or wanted.endswith(f"/{got}") or got.endswith(f"/{wanted}")
        if not same and got not in self._other_models:
            self._other_models.add(got)
            detail = f'Asked for model "{wanted}", the server answers as "{got}". The replies are kept under that name.'
            self.terms.emit("warning", reason="other_model", detail=detail)

    def _close(self, why: Literal["budget", "interrupted"], message: str) -> None:
        """Send nothing more."""
        if not self._closed:
            self._closed = True
            self.report.stopped = why
            self.report.message = message
            self.terms.emit("stopping", in_flight=self._active, reason=why, detail=message)
            self._changed.set()

    def _fail(self, error: BaseException) -> None:
        """Send nothing more and raise `error` when what is in flight is back."""
        if self._error is None:
            self._error = error
            if not self._closed:
                self.terms.emit("stopping", in_flight=self._active, reason=type(error).__name__, detail=str(error))
        self._closed = True
        self._changed.set()

    def _sum_up(self, seconds: float) -> None:
        report, meter, before = self.report, self.terms.meter, self._uncertain_before
        report.seconds = seconds
        report.errors = dict(self._errors)
        if meter.price is not None:
            report.usd = meter.price.usd(report.tokens_in, report.tokens_out)
            report.usd_uncertain = (meter.usd_uncertain or 0.0) - before
        self.terms.emit(
            "finished",
            total=report.answered,
            tokens_in=report.tokens_in,
            tokens_out=report.tokens_out,
            seconds=seconds,
            usd=report.usd,
            reason=report.stopped,
            detail=report.message,
        )
