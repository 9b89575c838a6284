"""The paper's claims beside the numbers counted here, as rows of one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["equal", "differs", "not derivable", "needs a file"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of the paper or of a file published with it, and the number counted here.

    where     the section or table of the paper, or the file
    state     `needs a file` where the file that decides it was not given; `why` then names the file
    why       the reason for a difference, or how the number was computed; may be empty
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
    """Return the row of a claim that can be compared; two numbers are equal if their texts are."""
    written, counted = _write(claimed), _write(ours)
    state: State = "equal" if written == counted else "differs"
    return Claim(where=where, what=what, claimed=written, ours=counted, state=state, why=why)


def _write(value: int | float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"
