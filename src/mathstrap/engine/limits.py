"""Decide when the next call may be sent: concurrency limit, rate limiter, backoff and breaker. Time is an argument."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How fast the teacher is asked; 0 means no limit, or the backend's own.

    max_in_flight          the most calls at once; a backend may allow fewer
    start_in_flight        how many calls to begin with; 0 begins at the most and backs off when the server refuses
    adapt                  lower the number in flight on 429 and on latency without gain, and raise it again later
    requests_per_minute    calls sent in any minute
    tokens_per_minute      tokens in any minute, counted at their maximum until the reply states the true number
    max_attempts           calls for one request before it is left to the next run; 429 is not counted
    deadline_seconds       from a request's first call to its last; a server that asks for a longer wait ends the run
    backoff_seconds, backoff_max_seconds   the n-th wait is random in [0, min(max, backoff * 2**(n - 1))]
    breaker_failures       calls failing in a row that stop all sending (429 is not counted)
    breaker_seconds        the first pause; then one trial call is sent, and each failure doubles it, up to a minute
    breaker_give_up_seconds   a teacher that fails, or refuses every call and names no time, for this long ends the run
    connect_seconds        a server that never answered may refuse connections for this long
    watch_replies          the first replies of a stage that are judged: if more than half are empty, cut off, refused,
                           late or the same, the run pauses; 0 never does
    """

    max_in_flight: int = 256
    start_in_flight: int = 0
    adapt: bool = True
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    max_attempts: int = 8
    deadline_seconds: float = 900.0
    backoff_seconds: float = 0.5
    backoff_max_seconds: float = 30.0
    breaker_failures: int = 20
    breaker_seconds: float = 2.0
    breaker_give_up_seconds: float = 300.0
    connect_seconds: float = 5.0
    watch_replies: int = 50


def backoff(attempt: int, limits: Limits, rng: random.Random) -> float:
    """Return the wait before the call after `attempt` (from 1): full jitter spreads the callers out."""
    ceiling = min(limits.backoff_max_seconds, limits.backoff_seconds * 2.0 ** (attempt - 1))
    return rng.uniform(0.0, ceiling)


@dataclass(frozen=True, kw_only=True)
class _Window:
    limit: int
    rate: float
    latency: float


class AdaptiveLimit:
    """The number of calls in flight, adapted once per window of answers.

    Refusals (429, 503) undo the last step up, or shrink the number by their share of the window, at most by half.
    Rising latency without more work per second shrinks it by tenths, as long as that costs no throughput. Otherwise it
    grows by tenths towards `most`, as long as throughput grows. An undone step is not tried again for some windows.
    Refusals of calls sent before the last change are not counted, because they say nothing about it.
    """

    WINDOW_SECONDS = 0.5
    MIN_OUTCOMES = 16
    REFUSED_SHARE = 0.02  # a server that refuses a smaller share is just full, which is the aim
    SLOWER = 1.3
    HOLD_WINDOWS = 10

    def __init__(self, *, most: int, start: int = 0, adapt: bool = True) -> None:
        self.most = max(1, most)
        self.current = min(self.most, start) if start else self.most
        self.adapt = adapt
        self.reason = ""
        self._begun: float | None = None
        self._answers = self._refusals = 0
        self._weight = self._seconds = 0.0
        self._before: _Window | None = None
        self._anchor = _Window(limit=self.current, rate=0.0, latency=0.0)  # where the steps down began
        self._direction = 0  # of the step that the running window judges
        self._hold = 0

    def answered(self, now: float, seconds: float, tokens_out: int) -> bool:
        """Count a reply; return whether `current` changed."""
        self._answers += 1
        self._seconds += seconds
        self._weight += tokens_out or 1
        return self._judge(now)

    def refused(self, now: float, sent_at: float) -> bool:
        """Count a 429 or 503 to a call sent at `sent_at`; return whether `current` changed."""
        if self._begun is not None and sent_at < self._begun:
            return False
        self._refusals += 1
        return self._judge(now)

    @property
    def mostly_refused(self) -> bool:
        """Say whether at least half of the running window was refused."""
        return self._refusals >= max(4, self._answers)

    def _judge(self, now: float) -> bool:
        if self._begun is None:
            self._begun = now
        outcomes = self._answers + self._refusals
        span = now - self._begun
        urgent = self._refusals >= self.MIN_OUTCOMES and self.mostly_refused
        enough = outcomes >= max(self.MIN_OUTCOMES, self.current) and span >= self.WINDOW_SECONDS
        if not self.adapt or not (enough or urgent):
            return False
        share = self._refusals / outcomes
        rate = self._weight / max(span, 1e-6)
        latency = self._seconds / self._answers if self._answers else 0.0
        old = self.current
        self.current = max(1, min(self.most, self._next(share, rate, latency)))
        self._begun = now
        self._answers = self._refusals = 0
        self._weight = self._seconds = 0.0
        return self.current != old

    def _next(self, share: float, rate: float, latency: float) -> int:
        """Return the next limit: `rate` is work per second, `latency` the mean of the window that just ended."""
        step = max(1, self.current // 10)
        last = _Window(limit=self.current, rate=rate, latency=latency)
        before, self._before = self._before, last
        self._hold = max(0, self._hold - 1)
        direction, self._direction = self._direction, 0
        if share > self.REFUSED_SHARE:
            self.reason = f"{share:.0%} of the calls were refused at {self.current}"
            if direction > 0 and before is not None:
                return self._back_to(before)
            return int(self.current * (1 - min(0.5, share)))
        if direction > 0 and before is not None and rate < before.rate * 1.02 and latency > before.latency * 1.05:
            self.reason = "more calls at once answer no more per second"
            return self._back_to(before)
        if direction < 0 and before is not None:
            if rate < self._anchor.rate * 0.97:
                self.reason = "fewer calls at once answer less per second"
                return self._back_to(before)
            return self._step(-step, "fewer calls at once answer as much per second")
        if before is not None and latency > before.latency * self.SLOWER and rate < before.rate * 1.05:
            self._anchor = last
            return self._step(-step, f"latency rose from {before.latency:.2f} s to {latency:.2f} s at no gain")
        if self.current < self.most and not self._hold:
            return self._step(step, "the server keeps up")
        return self.current

    def _step(self, size: int, reason: str) -> int:
        self._direction = 1 if size > 0 else -1
        self.reason = reason
        return self.current + size

    def _back_to(self, window: _Window) -> int:
        self._hold = self.HOLD_WINDOWS
        return window.limit


class RateLimiter:
    """A token bucket that spreads an allowance evenly: in any 60 seconds at most `per_minute` pass."""

    BURST_SECONDS = 0.1

    def __init__(self, per_minute: int) -> None:
        # A full bucket plus the inflow of a minute may be spent in one minute, so the two together are the allowance.
        self._size = max(1.0, per_minute / 60.0 * self.BURST_SECONDS)
        self._per_second = max(per_minute - self._size, per_minute * 0.5) / 60.0
        self._level = self._size
        self._at: float | None = None

    def wait(self, now: float, amount: float = 1.0) -> float:
        """Return 0 and take `amount`, or return the seconds until it can be taken.

        An amount larger than the bucket passes when the bucket is full, and leaves it below zero.
        """
        if self._at is not None:
            self._level = min(self._size, self._level + (now - self._at) * self._per_second)
        self._at = now
        needed = min(amount, self._size)
        if self._level + 1e-9 >= needed:
            self._level -= amount
            return 0.0
        return (needed - self._level) / self._per_second

    def peek(self, now: float) -> float:
        """Return the seconds until one call can pass, without taking anything."""
        since = 0.0 if self._at is None else now - self._at
        return max(0.0, 1.0 - (self._level + since * self._per_second)) / self._per_second

    def give_back(self, amount: float) -> None:
        """Return the part of an allowance that a reply did not use."""
        self._level = min(self._size, self._level + amount)


class Breaker:
    """Stop sending when every call fails: a pause, one trial call, and on from there."""

    LONGEST_SECONDS = 60.0

    def __init__(self, limits: Limits) -> None:
        self._failures_allowed = limits.breaker_failures
        self._first_pause = limits.breaker_seconds
        self._give_up = limits.breaker_give_up_seconds
        self._longest = min(self.LONGEST_SECONDS, max(self._first_pause, self._give_up / 8))
        self._in_a_row = 0
        self._pause = 0.0
        self._trial_running = False
        self.opens_at = 0.0
        self.open_since: float | None = None

    def wait(self, now: float) -> float:
        """Return 0 if a call may be sent, else the seconds until a trial call; infinite while the trial runs."""
        if self.open_since is None:
            return 0.0
        if self._trial_running:
            return float("inf")
        return max(0.0, self.opens_at - now)

    def sent(self) -> bool:
        """Record that a call was sent; return whether it is the trial."""
        if self.open_since is None:
            return False
        self._trial_running = True
        return True

    def not_tried(self) -> None:
        """Record that the trial did not reach the teacher; another call may be the trial."""
        self._trial_running = False

    def succeeded(self) -> bool:
        """Close the breaker; return whether it was open."""
        was_open = self.open_since is not None
        self._in_a_row = 0
        self.open_since = None
        self._trial_running = False
        self._pause = 0.0
        return was_open

    def failed(self, now: float, *, trial: bool) -> bool:
        """Count a failure; return whether a pause begins."""
        self._in_a_row += 1
        if self.open_since is not None:
            if not trial:
                return False
            self._trial_running = False
            self._pause = min(self._longest, self._pause * 2)
        elif self._failures_allowed and self._in_a_row >= self._failures_allowed:
            self.open_since = now
            self._pause = self._first_pause
        else:
            return False
        self.opens_at = now + self._pause
        return True

    def hopeless(self, now: float) -> bool:
        """Say whether the teacher has failed for longer than the limits allow."""
        return self.open_since is not None and now - self.open_since >= self._give_up
