"""A ceiling on the work of one verdict, counted in evaluated nodes and compared pairs; each thread counts its own."""

from __future__ import annotations

import threading

MAX_EFFORT = 20_000  # about a tenth of a second
_local = threading.local()


class EffortError(RuntimeError):
    """One verdict took more work than it may; the outcome is undecided."""


def begin() -> None:
    """Start counting for a new verdict."""
    _local.spent = 0


def spend(amount: int) -> None:
    """Count some work; raises EffortError beyond the ceiling."""
    spent: int = getattr(_local, "spent", 0) + amount
    _local.spent = spent
    if spent > MAX_EFFORT:
        raise EffortError("the comparison takes too much work")
