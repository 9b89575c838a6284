"""Combine several teachers into one: each call goes to the teacher that its requests name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mathstrap.backends import TeacherOptions
from mathstrap.engine.interface import Backend
from mathstrap.types import Completion, Request


class MixedTeachers:
    """A Backend over several teachers, chosen by the label in `Request.teacher`; draws of one call share a teacher.

    Several draws are sent in one call only if every teacher supports that.
    """

    def __init__(self, teachers: Mapping[str, Backend]) -> None:
        self.model = ""
        self._teachers = dict(teachers)
        self.supports_n = all(teacher.supports_n for teacher in self._teachers.values())
        self.notices: list[tuple[str, str]] = []
        for teacher in self._teachers.values():
            if hasattr(teacher, "notices"):
                self.notices += teacher.notices
                teacher.notices = self.notices
        self.num_models = sum(getattr(teacher, "num_models", 1) for teacher in self._teachers.values())

    @property
    def max_in_flight(self) -> int:
        """How many calls all teachers together take at once."""
        return sum(teacher.max_in_flight for teacher in self._teachers.values())

    @property
    def max_n(self) -> int:
        """The most draws that every teacher takes in one call."""
        return min(getattr(teacher, "max_n", 16) for teacher in self._teachers.values())

    async def ask(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer the draws of one prompt, in order."""
        teacher = self._teachers[requests[0].teacher]
        if len(requests) > 1 and not teacher.supports_n:
            self.supports_n = False
            return []
        replies = await teacher.ask(requests)
        self.supports_n = self.supports_n and teacher.supports_n
        return replies

    async def release(self) -> None:
        """Close what belongs to the running event loop."""
        for teacher in self._teachers.values():
            release = getattr(teacher, "release", None)
            if release is not None:
                await release()

    async def close(self) -> None:
        """Close them all."""
        for teacher in self._teachers.values():
            await teacher.close()


def open_mix(options: Mapping[str, TeacherOptions], open_teacher: Callable[[TeacherOptions], Backend]) -> Backend:
    """Return the teachers of a stage, by label, as one backend; a single teacher is returned as it is."""
    teachers = {label: open_teacher(teacher) for label, teacher in options.items()}
    return MixedTeachers(teachers) if len(teachers) > 1 else next(iter(teachers.values()))
