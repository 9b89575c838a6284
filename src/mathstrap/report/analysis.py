"""Read a finished run back for a report: its records as streams, its recipe, what its tokens cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, TypeVar

import msgspec

from mathstrap.backends import TeacherOptions, price_of
from mathstrap.engine.budget import Budget
from mathstrap.errors import RecipeError
from mathstrap.files.rundir import RunDir
from mathstrap.parallel import ChunkMap, here
from mathstrap.recipe import parse_yaml
from mathstrap.stats import Analysis, PlannedDraws, RunRecords, analyse
from mathstrap.types import Asked, Outcome, Problem, Reject, Sample

R = TypeVar("R", bound=msgspec.Struct)


class _Counted(msgspec.Struct):
    """A candidate without its text, which is skipped and not built."""

    id: str


class _Graded(msgspec.Struct):
    """A verdict without its answers."""

    candidate: str
    outcome: Outcome


def analyse_run(run: RunDir, *, map_chunks: ChunkMap = here) -> Analysis:
    """Count a run's records; files that a stage has not written yet count as empty."""
    recipe = read_recipe(run)
    return analyse(records_of(run), usd=usd_of(recipe), map_chunks=map_chunks, is_mixed=has_several(recipe))


def has_several(recipe: dict[str, Any]) -> bool:
    """Say whether several teachers shared the work of a recipe."""
    endpoints = (recipe.get("teacher") or {}).get("endpoints") or ()
    endpoints = endpoints if isinstance(endpoints, list) else ()
    teachers = recipe.get("teachers") or ()
    models = {str(endpoint.get("model") or "") for endpoint in endpoints if isinstance(endpoint, dict)}
    return (isinstance(teachers, list | dict) and len(teachers) > 1) or len(models) > 1


def records_of(run: RunDir) -> RunRecords:
    """Return a run's records as streams."""

    def rows(name: str, kind: type[R]) -> Iterable[R]:
        return run.read_records(name, kind) if run.has(name) else ()

    return RunRecords(
        plan=plan_of(run),
        problems=rows("problems", Problem),
        rewrites=chain(run.usages("filter"), run.usages("rewrite")),
        replies=run.usages("solve"),
        failures=run.failures(),
        candidates=rows("candidates", _Counted),
        verdicts=rows("verdicts", _Graded),
        rejects=Rereadable(lambda: rows("rejects", Reject)),
        samples=rows("samples", Sample),
    )


def plan_of(run: RunDir, *, strict: bool = False) -> PlannedDraws | None:
    """Return what the run's present plan asks; None while it is still being made, or where an older version ran.

    Damaged lines are left out; with `strict` they raise InputError.
    """
    if not (run.has("asked-rewrite") and run.has("asked-solve")):
        return None
    draws: dict[str, tuple[int, str]] = {}
    keys: set[str] = set()
    for name in ("asked-rewrite", "asked-solve"):
        for asked in run.read_records(name, Asked, strict=strict):
            if asked.draws:  # a vote's draws come before the answers, which may be fewer
                before, key = draws.get(asked.id, (0, asked.key))
                draws[asked.id] = (max(before, asked.draws) if key == asked.key else asked.draws, asked.key)
            else:
                keys.add(f"{asked.id}\0{asked.key}")
    return PlannedDraws(draws=draws, keys=keys)


class Rereadable(Iterable[Any]):
    """An iterable that can be read several times: a function makes its iterator each time."""

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self.make = make

    def __iter__(self) -> Any:
        return iter(self.make())


def usd_of(recipe: dict[str, Any]) -> Callable[[int, int], float] | None:
    """Return what tokens cost by a resolved recipe; None where nobody knows."""
    try:
        teacher = msgspec.convert(recipe.get("teacher") or {}, TeacherOptions)
        price = price_of(teacher, msgspec.convert(recipe.get("budget") or {}, Budget))
    except msgspec.ValidationError:  # a run of somebody else's, changed by hand: its other numbers can still be shown
        return None
    return price.usd if price else None


SECTIONS = ("teacher", "budget", "curate")


def read_recipe(run: RunDir) -> dict[str, Any]:
    """Return the resolved recipe as plain values; empty where there is none."""
    try:
        found = parse_yaml(read_text(run, "recipe.yaml"), "recipe.yaml")
    except RecipeError as error:
        run.tell(f"{run.path / 'recipe.yaml'}: {error} It counts as missing.")
        return {}
    # Who edits a run's recipe, or sends one, may put anything under a key.
    return {key: value for key, value in found.items() if key not in SECTIONS or isinstance(value, dict)}


def read_text(run: RunDir, name: str) -> str:
    """Return a text file of the run, or "" where there is none."""
    path = run.path / name
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
