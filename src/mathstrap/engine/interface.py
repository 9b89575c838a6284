"""The protocols, settings and report of an `ask`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mathstrap.engine.budget import Meter
from mathstrap.engine.events import Event, EventKind, Listener
from mathstrap.engine.limits import Limits
from mathstrap.types import Completion, Failure, Request


class Backend(Protocol):
    """A teacher. Created outside any event loop; connections are opened at the first ask.

    Optional: `max_n: int` (the most draws in one call), `most_in_flight: int` (the most that `max_in_flight` may grow
    to), `num_models: int` (copies of the model behind it, each with the recipe's limits.max_in_flight), and `async
    release()`, which closes what belongs to the running event loop (connections) and keeps the rest (a loaded model),
    so that the next ask may run in another loop.
    """

    model: str
    supports_n: bool

    @property
    def max_in_flight(self) -> int:
        """Return how many calls of `ask` may run at once; may change while running."""
        ...

    async def ask(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer the draws of one prompt, in order.

        If fewer are returned, the rest is asked again, one by one if `supports_n` became false. Raises TransientError
        if asking again may help, TeacherError if it cannot.
        """
        ...

    async def close(self) -> None:
        """Release everything."""
        ...


class Sink(Protocol):
    """Stores replies; a completion must be safe when `completion` returns."""

    def completion(self, completion: Completion, /) -> None:
        """Store a reply."""
        ...

    def failure(self, failure: Failure, /) -> None:
        """Record a request that was given up until the next run."""
        ...


@dataclass(kw_only=True)
class AskReport:
    """The result of one `ask`. `usd` is None where no price is known.

    stopped    "done": every request was asked; otherwise `message` says how to go on: "budget", "interrupted", "paused"
               (the first replies were not worth their money)
    asked      calls sent, retries included; answered: replies stored; failed: requests left to the next run
    refused    prompts that the server rejects, stored as refused and not asked again
    usd_uncertain   the most that calls with an unknown outcome (time-outs, broken connections) may have cost
    errors     how many calls broke, by kind
    """

    stage: str = ""
    stopped: Literal["done", "budget", "interrupted", "paused"] = "done"
    message: str = ""
    asked: int = 0
    answered: int = 0
    retried: int = 0
    failed: int = 0
    refused: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None
    usd_uncertain: float | None = None
    seconds: float = 0.0
    most_in_flight: int = 0
    errors: dict[str, int] = field(default_factory=dict)


class Stop:
    """A stop button for other parts of the program: pressed once, calls in flight are awaited; twice, abandoned."""

    def __init__(self) -> None:
        self.presses = 0
        self._listeners: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def press(self) -> None:
        """Press the switch; any thread may."""
        self.presses += 1
        for loop, listener in self._listeners:
            with suppress(RuntimeError):  # the loop of an earlier stage is closed
                loop.call_soon_threadsafe(listener.set)

    def listen(self, listener: asyncio.Event) -> None:
        """Set `listener`, an event of the running event loop, at every press."""
        self._listeners.append((asyncio.get_running_loop(), listener))


@dataclass(frozen=True, kw_only=True)
class AskSettings:
    """The settings of one `ask`: rate limits, budget, listener.

    watched   the recipe's key of the stage's sampling, if its first replies are to be judged
    """

    limits: Limits
    meter: Meter
    stop: Stop
    events: Listener | None = None
    stage: str = ""
    total: int | None = None
    watched: str = ""

    def emit(self, kind: EventKind, **facts: Any) -> None:
        """Send the listener an event, if there is one."""
        if self.events is not None:
            self.events(Event(kind=kind, at=time.time(), stage=self.stage, **facts))
