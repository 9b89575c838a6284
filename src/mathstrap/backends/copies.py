"""Ask a teacher as copies on a Ray cluster: each actor holds one opened backend, and the least busy one is next.

Ray restarts a dead copy, on another node if its own is gone; the engine asks its calls in flight again.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.engine.interface import Backend
from mathstrap.errors import MathstrapError, TeacherError, TransientError
from mathstrap.types import Completion, Request

RESTARTS = 5  # of one copy, by Ray; after that, the others go on without it
LOOK_SECONDS = 0.05
CLOSE_SECONDS = 20.0
FACTS = ("model", "supports_n", "max_n", "max_in_flight")


class TeacherActor:
    """The class of an actor. Loading is a method, because Ray loses the type of an error that a constructor raises.

    The actor must accept as many calls as the backend can use at once.
    """

    opening: asyncio.Task[Backend] | None = None

    async def load(self, options: TeacherOptions) -> dict[str, Any]:
        """Open the teacher unless it is open, and return the attributes that the engine reads."""
        self.opening = self.opening or asyncio.create_task(asyncio.to_thread(opened, options))
        self.backend = await self.opening
        return {name: getattr(self.backend, name) for name in FACTS if hasattr(self.backend, name)}

    async def ask(self, requests: Sequence[Request]) -> tuple[list[Completion], bool]:
        """Answer the draws of one prompt; also return whether the backend still takes several at once."""
        with sent_as(TransientError):
            return await self.backend.ask(requests), self.backend.supports_n

    async def close(self) -> None:
        """Unload the teacher."""
        await self.backend.close()


def opened(options: TeacherOptions) -> Backend:
    """Open a backend; raises only errors that can be sent to another process."""
    with sent_as(lambda words: TeacherError(f"The teacher cannot be loaded: {words}")):
        return open_backend(options)


@contextmanager
def sent_as(make: Callable[[str], MathstrapError]) -> Iterator[None]:
    """Pass Mathstrap's own errors on, and replace any other by `make` of its message.

    Not every error can be pickled, and a SystemExit would stop the actor's event loop.
    """
    try:
        yield
    except MathstrapError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 the retry boundary, as in the engine
        raise make(f"{type(error).__name__}: {error}") from None


@dataclass(kw_only=True, eq=False)
class Copy:
    """One actor, which takes `room` calls at once; 0 until it is loaded."""

    actor: Any
    loading: Future[dict[str, Any]] | None = None
    room: int = 0
    busy: int = 0


class CopiedTeacher:
    """Copies of one teacher. Opening waits for the first; the others are asked as soon as they are loaded.

    Opening and asking raise TeacherError if no copy is loaded within `start_seconds`, and the error of a failed load.
    """

    model: str
    supports_n: bool

    def __init__(self, ray: Any, options: TeacherOptions, actors: Sequence[Any], *, start_seconds: float) -> None:
        self.num_models = len(actors)
        self._ray = ray
        self._options = options
        self._start_seconds = start_seconds
        self._reason = f"none was within engine.start_seconds ({start_seconds:g}). `ray status` shows what has room."
        self._copies = [Copy(actor=actor) for actor in actors]
        until = time.monotonic() + start_seconds
        while not (loaded := self._loaded(until)):
            time.sleep(LOOK_SECONDS)
        self.most_in_flight = loaded[0].room * len(actors)

    @property
    def max_in_flight(self) -> int:
        """How many calls the loaded copies take; at least 1, and that call waits for a copy."""
        return max(1, sum(copy.room for copy in self._loaded()))

    async def ask(self, requests: Sequence[Request]) -> list[Completion]:
        """Ask the least busy copy; raises TransientError of kind "lost" if it dies."""
        until = time.monotonic() + self._start_seconds
        while not (loaded := self._loaded(until)):  # noqa: ASYNC110 nothing tells when time is up
            await asyncio.sleep(LOOK_SECONDS)
        copy = min(loaded, key=lambda copy: copy.busy / copy.room)
        errors = self._ray.exceptions
        copy.busy += 1
        try:
            reference = copy.actor.ask.remote(requests)
            completions, self.supports_n = await reference
        except asyncio.CancelledError:
            self._ray.cancel(reference)
            raise
        except errors.RayTaskError as error:
            raise error.cause from None
        except errors.RayError as error:
            copy.room = 0
            raise TransientError(f"a copy of the teacher was lost: {last_line(error)}", kind="lost") from None
        finally:
            copy.busy -= 1
        return list(completions)

    async def close(self) -> None:
        """Unload every copy; the cluster that started the actors ends them."""
        closing = [copy.actor.close.remote() for copy in self._copies if copy.room]
        self._ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)

    def _loaded(self, until: float = math.inf) -> list[Copy]:
        """Return the loaded copies; raises the error of a failed load, or TeacherError if none is loaded by `until`."""
        for copy in [copy for copy in self._copies if not copy.room]:
            self._look_at(copy)
        loaded = [copy for copy in self._copies if copy.room]
        if not loaded and (not self._copies or time.monotonic() > until):
            raise TeacherError(
                f"No copy of the teacher is loaded: {self._reason} Every reply is kept: run the same command to go on."
            )
        return loaded

    def _look_at(self, copy: Copy) -> None:
        """Update a copy whose load has ended; drop one that Ray no longer restarts."""
        copy.loading = copy.loading or copy.actor.load.remote(self._options).future()
        if not copy.loading.done():
            return
        loading, copy.loading = copy.loading, None
        errors = self._ray.exceptions
        try:
            facts = loading.result()
        except errors.RayTaskError as error:
            raise error.cause from None
        except errors.ActorUnavailableError:
            return  # Ray is restarting it
        except errors.RayError as error:
            self._copies.remove(copy)
            self._reason = (
                f"each died {RESTARTS + 1} times; the last: {last_line(error)} Its log is on its node, under /tmp/ray/"
                "session_latest/logs. If it ran out of memory, give a copy more with engine.teacher_cpus."
            )
            return
        copy.room = max(1, facts.pop("max_in_flight"))
        vars(self).update(facts)


def last_line(error: Exception) -> str:
    """Return the end of Ray's message, which names the cause."""
    return str(error).strip().rpartition("\n")[2].strip()[:300]
