"""A run as an object: created from questions in any form, planned without cost, read as records, shown in a cell."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec

from mathstrap.engine.events import Listener
from mathstrap.engine.interface import AskReport, Stop
from mathstrap.errors import InputError, counted
from mathstrap.files.given import rows_given
from mathstrap.files.rundir import RunDir
from mathstrap.files.tables import write_atomically
from mathstrap.interactive.records import Records
from mathstrap.pipeline.closing import closing_sentences
from mathstrap.pipeline.family import Family, family_of
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.preview import Preview, preview
from mathstrap.pipeline.run import RunSummary
from mathstrap.pipeline.run import bootstrap as run_recipe
from mathstrap.pipeline.starting import holds_questions, set_teacher, starter_values, values_of
from mathstrap.recipe import build_recipe, load_recipe, merge, recipe_values
from mathstrap.report.analysis import analyse_run
from mathstrap.stats import FUNNEL, Analysis
from mathstrap.types import Problem, Reject, Sample, Stage, Verdict

if TYPE_CHECKING:
    from mathstrap.backends import TeacherOptions
    from mathstrap.files.text_rows import Row

GIVEN = "given"  # questions given as Python objects are stored in the run directory as given-<hash>.jsonl


def bootstrap(
    source: object,
    *,
    teacher: str | Mapping[str, Any] | TeacherOptions | None = None,
    out: str | Path | None = None,
    only: Stage | None = None,
    dry_run: bool = False,
    replace: bool = False,
    progress: bool | None = None,
    events: Listener | None = None,
    **settings: Any,
) -> Run:
    """Make training data from questions and return the run; the same call again resumes and pays for nothing twice.

    source     a recipe, its file or its name; or questions: a file, a folder, `hf:owner/name`, a list of mappings (or
               of pairs of question and answer), a DataFrame, a `datasets.Dataset`
    teacher    the model, such as "gpt-6-luna", "ollama/qwen3:4b", "name@http://localhost:8000/v1" or "embedded", or a
               mapping of options of a recipe's `teacher`. Questions need a teacher, a recipe has its own
    out        the run directory; by default `runs/` and the name of the recipe or the questions
    only       pay for this stage alone
    dry_run    ask nothing: `plan()` of the returned run previews its requests and cost, `resume()` starts it
    replace    allow samples to be removed where this run was made with other seeds
    progress   whether to show progress; None shows it in a notebook
    events     receives the engine's events instead
    settings   keys of a recipe, nested: `methods={"ans_aug": {"draws": 8}}`, `budget={"max_usd": 1}`

    Raises InputError for errors the caller can fix; everything paid for is kept in any case. In a notebook the stop
    button ends the requests and returns the run so far.

    >>> questions = [{"question": "Ana has 3 figs and buys 4. How many figs has she?", "answer": "7"}]
    >>> run = bootstrap(questions, teacher="fake", out=folder / "figs")
    >>> run
    <Run figs: 1 seed, 8 questions, 3 samples>
    >>> run.rejects.where(reason="duplicate")[0].stage
    'filter'
    """
    run = Run(*recipe_from(source, teacher=teacher, out=out, settings=settings))
    return run if dry_run else run.resume(only=only, replace=replace, progress=progress, events=events)


async def bootstrap_async(source: object, *, progress: bool | None = None, **options: Any) -> Run:
    """Do what `bootstrap` does without blocking the event loop.

    A cancelled call ends like Ctrl-C: replies in flight are awaited and kept, and nothing more is paid for.

    >>> import asyncio
    >>> run = asyncio.run(bootstrap_async([("1 + 2 = ?", "3")], teacher="fake", out=folder / "sums"))
    >>> run.num_seeds
    1
    """
    stop = Stop()
    work = asyncio.ensure_future(asyncio.to_thread(_bootstrap_until, stop, source, progress, options))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.press()
        await asyncio.gather(work, return_exceptions=True)
        raise


def _bootstrap_until(stop: Stop, source: object, progress: bool | None, options: dict[str, Any]) -> Run:
    run = bootstrap(source, dry_run=True, **{k: v for k, v in options.items() if k not in _RESUME_OPTIONS})
    if options.get("dry_run"):
        return run
    resumed = {name: options[name] for name in _RESUME_OPTIONS & options.keys() if name != "dry_run"}
    return run.resume(progress=progress, stop=stop, **resumed)


_RESUME_OPTIONS = {"only", "replace", "events", "dry_run"}


def recipe_from(
    source: object,
    *,
    teacher: str | Mapping[str, Any] | TeacherOptions | None = None,
    out: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
) -> tuple[RunRecipe, list[Row]]:
    """Return the recipe that `bootstrap` runs, and the rows that were given instead of a file."""
    rows: list[Row] = []
    where = "bootstrap"
    if isinstance(source, RunRecipe):
        values = recipe_values(source)
    elif isinstance(source, str | Path) and not holds_questions(str(source)):
        values, where = values_of(str(source))
    else:
        is_named = isinstance(source, str | Path)
        values = starter_values(str(source) if is_named else "questions.jsonl")
        if not is_named:
            rows = rows_given(source, where="bootstrap")
            values["seeds"] = {"source": "", "dataset": "questions"}
        if teacher is None and "teacher" not in (settings or {}):
            raise InputError(
                'bootstrap: found no teacher. Name one: teacher="gpt-6-luna" (its key is read from OPENAI_API_KEY), '
                '"ollama/qwen3:4b", "embedded", or "none" for the steps that need no teacher.'
            )
    if teacher is not None:
        is_options = not isinstance(teacher, str | Mapping)
        set_teacher(values, recipe_values(teacher) if is_options else teacher)  # type: ignore[arg-type]
    merge(values, settings or {})
    if out is not None:
        # If the settings have a name too, `out` is the folder of runs, as in a recipe.
        path = Path(out) / values["name"] if "name" in (settings or {}) else Path(out)
        values["out"], values["name"] = str(path.parent), path.name
    return build_recipe(RunRecipe, values, where), rows


class Run:
    """A run: its recipe, its directory, and its files as records. Created by `bootstrap`, opened by `Run.open`.

    >>> run = bootstrap([("2 + 2 = ?", "4")], teacher="fake", out=folder / "twos")
    >>> Run.open(folder / "twos").samples.to_list() == run.samples.to_list()
    True
    """

    def __init__(self, recipe: RunRecipe, rows: list[Row] | None = None) -> None:
        self.recipe = recipe
        self.summary: RunSummary | None = None
        self._rows = rows or []

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Return the run in a directory; raises InputError where there is none."""
        path = Path(path).resolve()
        RunDir.read(path)
        recipe = load_recipe(RunRecipe, str(path / "recipe.yaml"))
        return cls(replace(recipe, out=str(path.parent), name=path.name))  # a directory may have moved

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.recipe.path

    # Asking

    def plan(self, **settings: Any) -> Preview:
        """Return a preview of the run's requests and their cost; costs nothing and writes no files.

        With settings it previews the run with them: `run.plan(methods={"ans_aug": {"draws": 8}})`.

        >>> run = bootstrap([("2 + 3 = ?", "5")], teacher="fake", out=folder / "plan", dry_run=True)
        >>> plan = run.plan(methods={"ans_aug": {"draws": 8}})
        >>> plan.num_requests, plan.usd_most
        (22, 0.0)
        """
        with TemporaryDirectory() if self._rows else nullcontext("") as folder:
            return preview(self._with_rows(self._changed(settings), Path(folder)))

    def resume(
        self,
        *,
        only: Stage | None = None,
        replace: bool = False,
        progress: bool | None = None,
        events: Listener | None = None,
        stop: Stop | None = None,
        **settings: Any,
    ) -> Run:
        """Start or resume the run, with changed settings if any are given; returns the run itself.

        The options are those of `bootstrap`; pressing `stop`, from any thread, ends the requests like Ctrl-C.
        """
        from mathstrap.render.progress import Progress, notebook_cell

        recipe = self._with_rows(self._changed(settings), self.path)
        self._forget()
        show = notebook_cell() if events is None and progress is not False else None
        is_shown = events is None and (progress or show is not None)
        with Progress(show=show) if is_shown else nullcontext(events) as listener:
            self.summary = run_recipe(
                recipe, only=only, events=listener, may_replace=lambda _: replace, stop=stop
            )  # fmt: skip
        self.recipe, self._rows = recipe, []
        return self

    def _changed(self, settings: Mapping[str, Any]) -> RunRecipe:
        if not settings:
            return self.recipe
        values = recipe_values(self.recipe)
        if isinstance(settings.get("teacher"), str):
            set_teacher(values, settings["teacher"])
            settings = {key: value for key, value in settings.items() if key != "teacher"}
        merge(values, settings)
        return build_recipe(RunRecipe, values, "settings")

    def _with_rows(self, recipe: RunRecipe, folder: Path) -> RunRecipe:
        """Return the recipe with the given rows, if any, written to a file in a folder."""
        if not self._rows:
            return recipe
        import hashlib

        lines = [msgspec.json.encode(row) + b"\n" for row in self._rows]
        digest = hashlib.blake2b(b"".join(lines), digest_size=4).hexdigest()
        path = folder / f"{GIVEN}-{digest}.jsonl"  # named by content, so that an older recipe still finds its rows
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lines)
        sources = [options if options.source else replace(options, source=str(path)) for options in recipe.seed_sources]
        return replace(recipe, seeds=sources[0] if len(sources) == 1 else tuple(sources))

    # Reading

    def _forget(self) -> None:
        for name in ("samples", "rejects", "problems", "verdicts", "analysis"):
            self.__dict__.pop(name, None)

    def _records(self, name: str, kind: type[Any], *columns: str) -> Records[Any]:
        run = RunDir.read(self.path) if self.path.is_dir() else None
        return Records(run.read_records(name, kind) if run and run.has(name) else (), name=name, columns=columns)

    @cached_property
    def samples(self) -> Records[Sample]:
        """The training rows, in id order."""
        return self._records("samples", Sample, "id", "type", "query", "response")

    @cached_property
    def rejects(self) -> Records[Reject]:
        """The final rejects, each with its reason."""
        return self._records("rejects", Reject, "id", "stage", "reason", "detail")

    @cached_property
    def problems(self) -> Records[Problem]:
        """The seeds and every question derived from them."""
        return self._records("problems", Problem, "id", "method", "question", "answer")

    @cached_property
    def verdicts(self) -> Records[Verdict]:
        """The verdict on every answer."""
        return self._records("verdicts", Verdict, "candidate", "outcome", "got", "expected", "reason")

    @cached_property
    def analysis(self) -> Analysis:
        """Every number of the run."""
        return self.summary.analysis if self.summary is not None else analyse_run(RunDir.read(self.path))

    def family(self, record_id: str) -> Family:
        """Return a seed with all its prompts, replies, verdicts and rejects; any id of its family names it."""
        return family_of(record_id, self.recipe, RunDir.read(self.path))

    @property
    def report(self) -> Report:
        """The run's report: a notebook shows the page, other code uses it as a path."""
        return Report(self.path / "report.html")

    @property
    def num_seeds(self) -> int:
        """The number of seeds."""
        return self.summary.num_seeds if self.summary is not None else len(self.problems.where(method="seed"))

    @property
    def num_problems(self) -> int:
        """The number of questions derived from the seeds."""
        if self.summary is not None:
            return self.summary.num_problems
        return len(self.problems) - self.num_seeds

    @property
    def num_samples(self) -> int:
        """The number of training rows."""
        return self.summary.num_samples if self.summary is not None else len(self.samples)

    @property
    def reports(self) -> list[AskReport]:
        """The engine's report of each paid stage of the last `resume`; empty for a run that was only opened."""
        return self.summary.reports if self.summary is not None else []

    @property
    def is_complete(self) -> bool:
        """Whether the last `resume` answered every request; False for a run that was only opened."""
        return self.summary is not None and self.summary.is_complete

    def __repr__(self) -> str:
        seeds, questions, samples = (
            counted(number, noun)
            for number, noun in ((self.num_seeds, "seed"), (self.num_problems, "question"),
                                 (self.num_samples, "sample"))
        )  # fmt: skip
        return f"<Run {self.recipe.name}: {seeds}, {questions}, {samples}>"

    def _repr_html_(self) -> str:
        from mathstrap.render.notebook import cell

        is_made = self.path.is_dir() and RunDir.read(self.path).has("problems")
        analysis = self.analysis if is_made else None
        lines = closing_sentences(analysis, self.recipe) if analysis is not None else []
        lines += [report.message for report in self.reports if report.message]
        if analysis is not None:
            lines.append(f"Look at: run.report, run.samples, run.rejects, or mathstrap explore {self.path}")
        return cell("run", title=self.recipe.name, analysis=analysis, funnel=FUNNEL, lines=lines)


@dataclass(frozen=True)
class Report:
    """A page on disk that a notebook displays; `open()` and `os.fspath` accept it as a path."""

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        from mathstrap.render.notebook import cell

        if not self.path.exists():
            return cell("rows", rows=[], names=[], caption=f"{self.path}: not written yet; run.resume() writes it.")
        return cell("report", path=str(self.path), page=self.path.read_text(encoding="utf-8"))
