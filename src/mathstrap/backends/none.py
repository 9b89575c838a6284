"""No teacher: for runs without requests, such as one that only renumbers. Refuses the first request."""

from __future__ import annotations

from collections.abc import Sequence

from mathstrap.backends import TeacherOptions
from mathstrap.errors import TeacherError
from mathstrap.types import Completion, Request


class NoTeacher:
    """Answers nothing; its error ends the run."""

    model = "none"
    supports_n = False
    max_in_flight = 1

    async def ask(self, requests: Sequence[Request]) -> list[Completion]:
        """Raise TeacherError."""
        raise TeacherError(
            f"teacher.backend is none, and {requests[0].id} asks for a reply. Name a teacher, or leave the method out "
            "that asks (of the built-in ones only renumber, with draws: 0, asks for nothing)."
        )

    async def close(self) -> None:
        """Do nothing: nothing was opened."""


def open_teacher(options: TeacherOptions) -> NoTeacher:  # noqa: ARG001
    """Return a teacher that answers nothing."""
    return NoTeacher()
