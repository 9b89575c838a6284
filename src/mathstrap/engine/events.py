"""The engine's events: one small record each, which is one line of JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

EventKind = Literal[
    "working",  # a slow step without requests begins: detail
    "started",  # a stage begins: total, where it is known
    "asked",  # a call was sent: id, attempt, draws
    "answered",  # a reply is on disk: id, tokens, seconds, usd
    "retried",  # a call failed and will be sent again: id, attempt, wait_seconds, reason, detail
    "refused",  # the server rejects a prompt, which is final: id, draws, detail
    "failed",  # a request was given up until the next run: id, attempt, reason, detail
    "limit",  # the number of calls in flight was adapted: in_flight, detail
    "paused",  # the breaker stopped sending: wait_seconds, detail
    "resumed",  # the breaker lets calls through again
    "warning",  # given once: detail
    "stopping",  # nothing more is sent; calls in flight are awaited: in_flight, reason, detail
    "finished",  # the stage is over: totals, detail
]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event; `at` is in Unix seconds, `usd` is its cost if a price is known."""

    kind: EventKind
    at: float
    stage: str = ""
    id: str = ""
    attempt: int = 0
    draws: int = 0
    total: int | None = None
    in_flight: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    wait_seconds: float = 0.0
    usd: float | None = None
    reason: str = ""
    detail: str = ""


Listener = Callable[[Event], None]
