"""A teacher as copies on a Ray cluster: an actor holds one opened backend, the least busy one is asked next.

A copy that dies is started again, elsewhere if its node is gone; what it had in flight is asked again by the engine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from mathstrap.backends import SERVED, TeacherOptions, open_backend
from mathstrap.errors import MathstrapError, TeacherError, TransientError
from mathstrap.types import Completion, Request

MOST_DEATHS = 3  # of one copy, without a reply between them
LOOK_SECONDS = 0.05
CLOSE_SECONDS = 20.0
AT_ONCE = 100_000  # calls an actor takes in; the backend says how many it can use


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an actor says: the replies it was asked for, and what its backend can do."""

    completions: list[Completion] = field(default_factory=list)
    model: str
    room: int
    max_n: int | None
    supports_n: bool


class TeacherActor:
    """The actor's inside. Errors are returned as values, so that they arrive as they were raised."""

    async def open(self, options: TeacherOptions) -> Answer | MathstrapError:
        """Load the teacher."""
        try:
            self.backend = await asyncio.to_thread(open_backend, options)
        except MathstrapError as error:
            return error
        return self.answer([])

    async def ask(self, requests: Sequence[Request]) -> Answer | MathstrapError:
        """Answer the draws of one prompt."""
        try:
            return self.answer(await self.backend.ask(requests))
        except MathstrapError as error:
            return error
        except Exception as error:  # noqa: BLE001 the retry boundary, as in the engine
            return TransientError(f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        """Unload the teacher."""
        await self.backend.close()

    def answer(self, completions: list[Completion]) -> Answer:
        """Return replies with what the backend can do."""
        backend = self.backend
        return Answer(
            completions=completions, model=backend.model, room=backend.max_in_flight, supports_n=backend.supports_n,
            max_n=getattr(backend, "max_n", None),
        )  # fmt: skip


@dataclass(kw_only=True, eq=False)
class Copy:
    """One actor: `opened` is settled when its teacher is loaded; `room` is how many calls it takes at once, then."""

    actor: Any
    opened: Future[Answer | MathstrapError]
    room: int = 0
    busy: int = 0
    deaths: int = 0


class CopiedTeacher:
    """Copies of one teacher. Opening waits for the first; the others are asked as soon as they are loaded."""

    actor: type[TeacherActor] = TeacherActor

    def __init__(
        self, ray: Any, options: TeacherOptions, *, count: int, cpus: float, gpus: float, start_seconds: float
    ) -> None:
        self.num_models = 1 if options.backend in SERVED else count
        self._ray = ray
        self._options = options
        self._start_seconds = start_seconds
        self._make = ray.remote(self.actor).options(
            num_cpus=cpus, num_gpus=gpus, max_restarts=0, max_task_retries=0, max_concurrency=AT_ONCE,
            scheduling_strategy="SPREAD",
        )  # fmt: skip
        self._copies = [self._start() for _ in range(count)]
        until = time.monotonic() + start_seconds
        while not self._ready():
            self._wait_no_longer_than(until)
            time.sleep(LOOK_SECONDS)
        first = self._ready()[0].opened.result()
        assert isinstance(first, Answer), "a copy with room has told what it can do"
        self.model = first.model
        self.supports_n = first.supports_n
        self.most_in_flight = first.room * count
        if first.max_n is not None:
            self.max_n = first.max_n

    @property
    def max_in_flight(self) -> int:
        """Return how many calls the loaded copies take; at least one, which waits until there is a copy."""
        return max(1, sum(copy.room for copy in self._ready()))

    async def ask(self, requests: Sequence[Request]) -> list[Completion]:
        """Have the least busy copy answer; raises TransientError of kind "lost" if it dies over it."""
        copy = await self._free_copy()
        errors = self._ray.exceptions
        copy.busy += 1
        try:
            reference = copy.actor.ask.remote(requests)
            try:
                answer = await reference
            except asyncio.CancelledError:
                self._ray.cancel(reference)
                raise
        except errors.RayActorError as error:
            if copy in self._copies and isinstance(error, errors.ActorDiedError):
                self._replace(copy, error)
            raise TransientError(f"a copy of the teacher was lost: {last_line(error)}", kind="lost") from None
        finally:
            copy.busy -= 1
        if isinstance(answer, MathstrapError):
            raise answer
        copy.room, copy.deaths, self.supports_n = answer.room, 0, answer.supports_n
        return list(answer.completions)

    async def close(self) -> None:
        """Unload every copy and give its place back."""
        closing = [copy.actor.close.remote() for copy in self._ready()]
        if closing:
            self._ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        for copy in self._copies:
            self._ray.kill(copy.actor)

    async def _free_copy(self) -> Copy:
        until = time.monotonic() + self._start_seconds
        while True:
            ready = self._ready()
            free = [copy for copy in ready if copy.busy < copy.room]
            if free:
                return min(free, key=lambda copy: copy.busy / copy.room)
            if not ready:
                self._wait_no_longer_than(until)
            await asyncio.sleep(LOOK_SECONDS)

    def _ready(self) -> list[Copy]:
        """Return the loaded copies; what died while loading is started again, what cannot be loaded is raised."""
        for copy in self._copies:
            if copy.room or not copy.opened.done():
                continue
            try:
                answer = copy.opened.result()
            except self._ray.exceptions.RayActorError as error:
                self._replace(copy, error)
                continue
            if isinstance(answer, MathstrapError):
                raise answer
            copy.room = max(1, answer.room)
        return [copy for copy in self._copies if copy.room]

    def _start(self, deaths: int = 0) -> Copy:
        actor = self._make.remote()
        return Copy(actor=actor, opened=actor.open.remote(self._options).future(), deaths=deaths)

    def _replace(self, copy: Copy, error: Exception) -> None:
        deaths = copy.deaths + 1
        if deaths > MOST_DEATHS:
            raise TeacherError(
                f"A copy of the teacher died {deaths} times without a reply between; last: {last_line(error)} "
                "Its log is on its node under /tmp/ray/session_latest/logs. If it ran out of memory, give a copy more "
                "with engine.teacher_cpus or teacher.settings. Every reply is kept: run the same command to go on."
            )
        self._copies[self._copies.index(copy)] = self._start(deaths)

    def _wait_no_longer_than(self, until: float) -> None:
        if time.monotonic() > until:
            raise TeacherError(
                f"No copy of the teacher was loaded within engine.start_seconds: {self._start_seconds:g}. Look at "
                "`ray status`: the cluster may have no room for one. Every reply is kept."
            )


def last_line(error: Exception) -> str:
    """Return the end of Ray's message, which names the cause."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
