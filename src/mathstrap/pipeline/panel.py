"""Choose the teacher of each request: the run's, a stage's own, or one of a weighted mix. Opens no teacher.

The choice within a mix depends only on the run's rng_seed and the request's id, so order, sharding and restarts change
nothing; a changed weight moves only the requests that it has to move.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from math import inf
from typing import Any, Literal

import msgspec

from mathstrap.backends import TeacherOptions, teacher_name
from mathstrap.errors import RecipeError
from mathstrap.types import Sampling

PanelStage = Literal["rewriting", "solving", "judging"]
# The options that locate a teacher; a teacher without any of them is another model at the recipe's address.
_ADDRESS = ("backend", "base_url", "endpoints", "model_path")


class StageOptions(Sampling, frozen=True, kw_only=True):
    """How the replies of one stage are drawn, and from which teacher.

    teacher   this stage's own teacher; without an address of its own (backend, base_url, endpoints, model_path) it is
              another model at the address of the recipe's `teacher`; null = the recipe's `teacher`, or its `teachers`
    """

    teacher: TeacherOptions | None = None

    def __post_init__(self) -> None:
        for name, is_possible, wanted in (
            ("temperature", self.temperature >= 0, "0 or more"),
            ("top_p", 0 < self.top_p <= 1, "a number above 0, at most 1"),
            ("max_tokens", self.max_tokens >= 1, "1 or more"),
            ("top_k", self.top_k >= 0, "0 or more"),
            ("min_p", 0 <= self.min_p <= 1, "a number from 0 to 1"),
            ("repetition_penalty", self.repetition_penalty > 0, "a number above 0"),
        ):
            if not is_possible:
                raise RecipeError(f"{name}: found {getattr(self, name)}, expected {wanted}.")


@dataclass(frozen=True, kw_only=True)
class MixedTeacher(TeacherOptions):
    """One teacher of a mix; without an address of its own it is another model at that of the recipe's `teacher`.

    weight   its share of the requests, relative to the others'
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.weight < inf:
            raise RecipeError(f"weight: found {self.weight}, expected a number above 0.")


@dataclass(frozen=True, kw_only=True)
class StageTeacher:
    """A teacher of one stage: its label in the recipe, the model and sampling of its requests, and its options.

    `label` is empty for the recipe's `teacher`, and the stage's name for a stage's own teacher.
    """

    label: str
    model: str
    sampling: Sampling
    options: TeacherOptions

    @property
    def name(self) -> str:
        """Return the name that reports show: the label in a mix, else the model."""
        return self.label if self.label not in ("", "rewriting", "solving", "judging") else teacher_name(self.options)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """The teachers of one stage; most runs have one."""

    members: tuple[StageTeacher, ...]
    bounds: tuple[float, ...]  # cumulated shares, the last one 1
    rng_seed: int

    def teacher_for(self, request_id: str) -> StageTeacher:
        """Return the teacher of this request."""
        if len(self.members) == 1:
            return self.members[0]
        name = f"{self.rng_seed}\x1fteacher\x1f{request_id}".encode()
        place = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") / 2**64
        # Rounding may leave the last bound just below 1.
        return self.members[min(bisect_right(self.bounds, place), len(self.members) - 1)]

    def __iter__(self) -> Iterator[StageTeacher]:
        return iter(self.members)


def panel_of(
    stage: PanelStage, options: StageOptions, teacher: TeacherOptions, mix: Mapping[str, MixedTeacher], rng_seed: int
) -> Panel:
    """Return the teachers of a stage: its own one, else the mix, else the recipe's; the judge is never a mix."""
    members: tuple[StageTeacher, ...]
    if options.teacher is not None:
        own = completed(options.teacher, teacher)
        members = (stage_teacher(stage, own, options),)
    elif mix and stage != "judging":
        members = tuple(
            stage_teacher(label, completed(entry, teacher), options) for label, entry in sorted(mix.items())
        )
    else:
        members = (stage_teacher("", teacher, options),)
    shares = [entry.weight for _, entry in sorted(mix.items())] if len(members) > 1 else [1.0]
    bounds = tuple(bound / sum(shares) for bound in accumulate(shares))
    return Panel(members=members, bounds=bounds, rng_seed=rng_seed)


def completed(own: TeacherOptions, base: TeacherOptions) -> TeacherOptions:
    """Return a teacher with its unset options taken from `base`, unless it names an address of its own.

    An API key belongs to an address and is never sent to another one.
    """
    default = TeacherOptions()
    plain = TeacherOptions(**{field.name: getattr(own, field.name) for field in fields(TeacherOptions)})
    if any(getattr(own, name) != getattr(default, name) for name in _ADDRESS):
        return plain
    changed = {
        field.name: getattr(own, field.name)
        for field in fields(TeacherOptions)
        if getattr(own, field.name) != getattr(default, field.name)
    }
    return replace(base, **changed)


def stage_teacher(label: str, teacher: TeacherOptions, options: StageOptions) -> StageTeacher:
    """Return a teacher of a stage; the recipe's own teacher (no label) has its body in the stage's options already."""
    body: dict[str, Any] = dict(options.extra_body) if not label else {**teacher.extra_body, **options.extra_body}
    values = {name: getattr(options, name) for name in Sampling.__struct_fields__}
    models = sorted({endpoint.model or teacher.model for endpoint in teacher.endpoints})
    return StageTeacher(
        label=label,
        # Any of the endpoints may answer, so all of their models are part of what is asked.
        model=" | ".join(models) if len(models) > 1 else teacher.model,
        sampling=Sampling(**{**values, "extra_body": body}),
        options=teacher,
    )


def with_body(options: StageOptions, body: Mapping[str, Any]) -> StageOptions:
    """Return a stage's options with the body of the recipe's teacher below its own."""
    return msgspec.structs.replace(options, extra_body={**body, **options.extra_body})
