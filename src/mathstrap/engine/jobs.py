"""The calls that wait to be sent: due retries first, then the next requests of the plan. Knows nothing of sending."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence

from mathstrap.engine.budget import Reservation
from mathstrap.types import Request

NOTHING_RESERVED = Reservation(requests=0, tokens_in=0, tokens_out=0)


class Job:
    """Draws of one prompt that are sent as one call, with the count of attempts."""

    __slots__ = ("attempt", "deadline", "is_trial", "requests", "reserved", "sent_at", "tokens", "tries")

    def __init__(self, requests: Sequence[Request]) -> None:
        self.requests = requests
        self.attempt = 0  # calls sent
        self.tries = 0  # calls that count against max_attempts
        self.deadline = self.sent_at = 0.0
        self.reserved = NOTHING_RESERVED
        self.tokens = 0.0
        self.is_trial = False


class Jobs:
    """The rest of a plan, which is read at most one call ahead of what is sent."""

    def __init__(self, requests: Iterable[Request], *, most_waiting: int) -> None:
        self._source = iter(requests)
        self._most_waiting = most_waiting
        self._ahead: Request | None = None
        self._exhausted = False
        self._first: Job | None = None  # taken and put back, because it may not be sent yet
        self._again: list[tuple[float, int, Job]] = []
        self._order = itertools.count()

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is left to send; reads one request ahead to find out."""
        if self._ahead is None and not self._exhausted:
            self._ahead = next(self._source, None)
            self._exhausted = self._ahead is None
        return self._first is None and self._ahead is None and not self._again

    def next(self, now: float, *, most_draws: int) -> Job | None:
        """Return the next job, or None if there is none or the next is not due."""
        if self._first is not None:
            job, self._first = self._first, None
            return job
        if self._again and self._again[0][0] <= now:
            return heapq.heappop(self._again)[2]
        # A storm of failures must not pull the whole plan into memory.
        if self._exhausted or len(self._again) > self._most_waiting:
            return None
        first = self._ahead or next(self._source, None)
        self._ahead = None
        if first is None:
            self._exhausted = True
            return None
        if most_draws <= 1 or first.sampling.asks_one_by_one:
            return Job((first,))
        return Job(self._draws(first, most_draws))

    def _draws(self, first: Request, most: int) -> list[Request]:
        draws = [first]
        while len(draws) < most:
            following = next(self._source, None)
            if following is None or following.key != first.key:
                self._ahead = following
                break
            draws.append(following)
        return draws

    def put_back(self, job: Job) -> None:
        """Keep a job that may not be sent yet at the front."""
        self._first = job

    def again(self, job: Job, due: float) -> None:
        """Schedule a job to be sent again at `due`."""
        heapq.heappush(self._again, (due, next(self._order), job))

    @property
    def due(self) -> float | None:
        """Return the time of the earliest retry."""
        return self._again[0][0] if self._again else None

    @property
    def are_done(self) -> bool:
        """Say whether nothing is left."""
        return self._exhausted and self._first is None and not self._again
