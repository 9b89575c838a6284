"""Call code that is not ours: a user's reward or grader, or an object that a trainer handed over.

Whatever such code raises becomes a reason, so that neither a training loop nor a check of a file ends by it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import msgspec

P = ParamSpec("P")
T = TypeVar("T")


class Raised(msgspec.Struct, frozen=True):
    """What foreign code raised, as one line: the name of the exception and its message."""

    reason: str


def call_foreign(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T | Raised:
    """Return what a function returns, or what it raised. An interrupt and an exit pass."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001  the one place: nothing is known of what foreign code raises
        # Not str(error), which may raise as well.
        return Raised(traceback.format_exception_only(error)[-1].strip())
