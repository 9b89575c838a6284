"""Read a finished run for a report: its records as streams, its recipe, the cost of its tokens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import blake2b
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
from mathstrap.types import Asked, Outcome, Problem, Reject
from mathstrap.version import __version__

R = TypeVar("R", bound=msgspec.Struct)


class _Counted(msgspec.Struct):
    """A candidate without its text, which is not decoded."""

    id: str


class _Graded(msgspec.Struct):
    """A verdict without its answers."""

    candidate: str
    outcome: Outcome


class _Response(msgspec.Struct):
    """A sample without what is not counted."""

    id: str
    response: str


class _CountedFiles(msgspec.Struct, frozen=True):
    """The inputs of metrics.json: each file's size and mtime, the prices, the version, and metrics.json's own hash."""

    files: dict[str, tuple[int, int]]
    prices: tuple[float, float] | None
    version: str
    metrics: str


def analyse_run(run: RunDir) -> Analysis:
    """Return a run's numbers: the stored ones where its files have not changed since, else a new count."""
    return kept_count(run) or count_run(run)


def count_run(run: RunDir, *, map_chunks: ChunkMap = here) -> Analysis:
    """Count a run's records; a file that does not exist yet counts as empty."""
    recipe = read_recipe(run)
    return analyse(records_of(run), usd=usd_of(recipe), map_chunks=map_chunks, is_mixed=has_several(recipe))


def keep_count(run: RunDir, analysis: Analysis) -> None:
    """Write metrics.json, and counted.json beside it, so that a later look at the run need not count it again."""
    run.write_json("metrics.json", msgspec.to_builtins(analysis))
    run.write_json("counted.json", counted_files(run))


def kept_count(run: RunDir) -> Analysis | None:
    """Return the numbers of metrics.json; None where they may not be those of the run's present files."""
    counted = run.read_value("counted.json", _CountedFiles) if (run.path / "counted.json").exists() else None
    if counted is None or counted != counted_files(run):
        return None
    try:
        return msgspec.convert(
            nan_for_null(run.read_json("metrics.json")), Analysis, strict=False,
            dec_hook=lambda _, counts: Counter(msgspec.convert(counts, dict[int, int], strict=False)),
        )  # fmt: skip
    except (msgspec.ValidationError, RecursionError):
        return None


def counted_files(run: RunDir) -> _CountedFiles:
    """Return the present state of all inputs of a run's numbers."""
    paths = sorted(path for pattern in COUNTED for path in run.path.glob(pattern) if path.is_file())
    states = {path.name: path.stat() for path in paths}
    usd = usd_of(read_recipe(run))
    return _CountedFiles(
        files={name: (state.st_size, state.st_mtime_ns) for name, state in states.items()},
        prices=(usd(1_000_000, 0), usd(0, 1_000_000)) if usd else None,
        version=__version__,
        metrics=blake2b(read_text(run, "metrics.json").encode(), digest_size=16).hexdigest(),
    )


COUNTED = (
    "recipe.yaml", "asked-*.jsonl", "completions-*.jsonl", "failures.jsonl", "problems.jsonl", "candidates.jsonl",
    "verdicts.jsonl", "rejects.jsonl", "samples.jsonl",
)  # fmt: skip
NUMBERS = ("value", "low", "high")


def nan_for_null(value: Any) -> Any:
    """Return plain values with the nulls of estimates as NaN, which JSON writes as null.

    It is always the object `math.nan`, as in a fresh count: another NaN object would make two equal analyses differ.
    """
    if isinstance(value, list):
        return [nan_for_null(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        key: math.nan if inner is None and key in NUMBERS else nan_for_null(inner) for key, inner in value.items()
    }


def has_several(recipe: dict[str, Any]) -> bool:
    """Say whether a recipe has several teachers."""
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
        samples=rows("samples", _Response),
    )


def plan_of(run: RunDir, *, strict: bool = False) -> PlannedDraws | None:
    """Return the requests of the run's present plan; None while it is incomplete, or for a run of an older version.

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
    """An iterable that can be read several times, by a function that creates a new iterator each time."""

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self.make = make

    def __iter__(self) -> Any:
        return iter(self.make())


def usd_of(recipe: dict[str, Any]) -> Callable[[int, int], float] | None:
    """Return the price function of a resolved recipe; None where the price is unknown."""
    try:
        teacher = msgspec.convert(recipe.get("teacher") or {}, TeacherOptions)
        price = price_of(teacher, msgspec.convert(recipe.get("budget") or {}, Budget))
    except msgspec.ValidationError:  # a recipe that was edited by hand; the run's other numbers can still be shown
        return None
    return price.usd if price else None


SECTIONS = ("teacher", "budget", "curate")


def read_recipe(run: RunDir) -> dict[str, Any]:
    """Return the resolved recipe as plain values; empty without a readable recipe."""
    try:
        values = parse_yaml(read_text(run, "recipe.yaml"), "recipe.yaml")
    except RecipeError as error:
        run.tell(f"{run.path / 'recipe.yaml'}: {error} It counts as missing.")
        return {}
    # An edited or foreign recipe may have any value under a key.
    return {key: value for key, value in values.items() if key not in SECTIONS or isinstance(value, dict)}


def read_text(run: RunDir, name: str) -> str:
    """Return a text file of the run, or "" where it does not exist."""
    path = run.path / name
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
