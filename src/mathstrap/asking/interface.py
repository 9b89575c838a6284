"""What goes into an `ask` besides the requests, and what comes out of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mathstrap.asking.budget import Meter
from mathstrap.asking.events import Event, EventKind, Listener
from mathstrap.asking.limits import Limits
from mathstrap.types import Completion, Failure

if TYPE_CHECKING:
    import asyncio


class Sink(Protocol):
    """Takes what comes back; a completion must be safe when `completion` returns."""

    def completion(self, completion: Completion, /) -> None:
        """Store a reply."""
        ...

    def failure(self, failure: Failure, /) -> None:
        """Note a request that was given up until the next run."""
        ...


@dataclass(kw_only=True)
class AskReport:
    """What one `ask` did. `usd` is None where no price is known.

    stopped    "done": every request was asked; "budget" and "interrupted": some were not, `message` says how to go on
    asked      calls sent, retries included; answered: replies stored; failed: requests left to the next run
    usd_uncertain   the most that calls may have cost whose outcome is unknown (time-outs, broken connections)
    errors     how many calls broke, by kind
    """

    stage: str = ""
    stopped: Literal["done", "budget", "interrupted"] = "done"
    message: str = ""
    asked: int = 0
    answered: int = 0
    retried: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None
    usd_uncertain: float | None = None
    seconds: float = 0.0
    most_in_flight: int = 0
    errors: dict[str, int] = field(default_factory=dict)


class Stop:
    """A switch another part of the program may press: once to drain, twice to leave what is in flight."""

    def __init__(self) -> None:
        self.presses = 0
        self._listeners: list[asyncio.Event] = []

    def press(self) -> None:
        """Press the switch; call it in the event loop's thread."""
        self.presses += 1
        for listener in self._listeners:
            listener.set()

    def listen(self, listener: asyncio.Event) -> None:
        """Have `listener` set at every press."""
        self._listeners.append(listener)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Under which terms a plan is asked: how fast, for how much, and who is told."""

    limits: Limits
    meter: Meter
    stop: Stop
    events: Listener | None = None
    stage: str = ""
    total: int | None = None

    def emit(self, kind: EventKind, **facts: Any) -> None:
        """Tell the listener, if there is one."""
        if self.events is not None:
            self.events(Event(kind=kind, at=time.time(), stage=self.stage, **facts))
