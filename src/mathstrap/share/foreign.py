"""Call code that is not ours: a user's reward or grader, or an object from a trainer.

An exception of such code becomes a value, so that it ends neither a training loop nor the check of a file.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import msgspec

P = ParamSpec("P")
T = TypeVar("T")


class Raised(msgspec.Struct, frozen=True):
    """An exception of foreign code as one line: its name and its message."""

    reason: str


def call_foreign(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T | Raised:
    """Return a function's result, or the exception it raised as Raised. KeyboardInterrupt and SystemExit propagate."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  foreign code may raise anything
        # Not str(error): foreign code's __str__ may raise too.
        return Raised(traceback.format_exception_only(error)[-1].strip())
