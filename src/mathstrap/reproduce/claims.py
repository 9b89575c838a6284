"""What the paper says beside what is counted here, as rows of one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["equal", "differs", "not derivable", "needs a file"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of the paper or of a file published with it, and what it comes to here.

    where     the section or table of the paper, or the file
    state     `needs a file` where the file that would settle it was not given; `why` then names the file
    why       the reason for a difference, or how the number was found; empty where nothing needs saying
    """

    where: str
    what: str
    claimed: str
    ours: str
    state: State
    why: str = ""


def compare(
    where: str, what: str, claimed: int | float | str, ours: int | float | str, *, why: str = ""
) -> Claim:  # fmt: skip
    """Return the row of a number that can be compared; numbers are equal as they are written."""
    written, found = _write(claimed), _write(ours)
    return Claim(
        where=where, what=what, claimed=written, ours=found, state="equal" if written == found else "differs", why=why
    )


def _write(value: int | float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"
