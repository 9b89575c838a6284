"""Run a recipe as a list of stages. Everything but the replies can be thrown away and is derived again."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mathstrap.backends.cluster import Cluster
from mathstrap.curate.mix import Part
from mathstrap.curate.sampling import Shortfall
from mathstrap.engine.ask import AskReport, Stop
from mathstrap.engine.events import Event, Listener
from mathstrap.errors import InputError
from mathstrap.files.rundir import RunDir
from mathstrap.parallel import here, in_processes
from mathstrap.pipeline.answers import solve, verify
from mathstrap.pipeline.curate import curate, in_order
from mathstrap.pipeline.keys import start_run
from mathstrap.pipeline.label import label
from mathstrap.pipeline.options import RunRecipe, read_named_files
from mathstrap.pipeline.outcome import short_of, write_outcome
from mathstrap.pipeline.questions import make_questions
from mathstrap.pipeline.replacing import samples_that_go
from mathstrap.pipeline.seeds import load_seeds
from mathstrap.pipeline.state import Context, StageFunction, State
from mathstrap.pipeline.teacher import Teacher
from mathstrap.stats import Analysis
from mathstrap.types import Stage

# In order; where `only` has several names for a stage, the last one. A stage plans its requests, has the teacher answer
# those without a reply, and derives the rest from the replies; it returns a new state and keeps nothing.
STAGES: tuple[tuple[Stage, StageFunction], ...] = (
    ("seeds", label),
    ("filter", make_questions),
    ("solve", solve),
    ("verify", verify),
    ("curate", curate),
)
WORK: dict[Stage, str] = {
    "seeds": "looking at the seeds", "filter": "planning the questions", "solve": "planning the answers",
    "verify": "grading the answers", "curate": "choosing the samples",
}  # fmt: skip
# Where `only` stops, if not at the stage of that name: rewriting and filtering questions are one stage.
LAST_STAGE: dict[Stage, Stage] = {"seeds": "filter", "rewrite": "filter", "export": "curate"}


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """The result of a run: where it is, what each paid stage did, and whether anything is left to do.

    `shortfall` lists the rewrites, draws or correct answers that each method lacks, `parts` how the mix was filled.
    """

    path: Path
    num_seeds: int
    num_problems: int
    num_samples: int
    analysis: Analysis
    reports: list[AskReport] = field(default_factory=list)
    shortfall: list[Shortfall] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    @property
    def short(self) -> list[Shortfall | Part]:
        """What the run has less of than was planned."""
        return short_of(self.shortfall, self.parts)

    @property
    def is_paused(self) -> bool:
        """Say whether the run stopped because its first replies were not worth their money."""
        return any(report.stopped == "paused" for report in self.reports)

    @property
    def is_complete(self) -> bool:
        """Say whether every request was answered."""
        return all(report.stopped == "done" and not report.failed for report in self.reports)


def bootstrap(
    recipe: RunRecipe,
    *,
    only: Stage | None = None,
    events: Listener | None = None,
    may_replace: Callable[[str], bool] | None = None,
    stop: Stop | None = None,
) -> RunSummary:
    """Run a recipe to its end, or from where it stopped; the same recipe and replies give the same bytes.

    With `only`, no other stage is paid for: earlier stages are derived from the replies in the run directory, later
    ones are skipped. Where samples of this run come from seeds that the recipe no longer has, `may_replace` receives a
    sentence that counts them before anything is written; if it returns False, InputError with that sentence is raised.
    Pressing `stop`, from any thread, ends the requests as Ctrl-C does. Raises what loading, the teacher and the disk
    raise; everything paid for until then is kept.
    """
    read_named_files(recipe)  # first: a broken file of the user's own must fail before anything is paid for
    tell(events, "reading the seeds")
    seeds = load_seeds(recipe)
    with ExitStack() as stack:
        run = stack.enter_context(RunDir.open(recipe.path))
        if may_replace is not None and (sentence := samples_that_go(run, seeds)) and not may_replace(sentence):
            raise InputError(sentence)
        recipe, changes = start_run(recipe, run)
        if recipe.cluster is None:
            teacher = Teacher(recipe, run, events, only=only, changes=changes, stop=stop)
            map_chunks, map_searches = in_processes(), here
        else:
            cluster = stack.enter_context(Cluster(recipe.cluster))
            teacher = Teacher(
                recipe, run, events, only=only, open_teacher=cluster.open_teacher, changes=changes, stop=stop
            )
            map_chunks = map_searches = cluster.map_chunks
        stack.enter_context(teacher)
        context = Context(recipe=recipe, run=run, teacher=teacher, map_chunks=map_chunks, map_searches=map_searches)
        state = State(seeds=seeds, rejects=tuple(seeds.rejects))
        for name, run_stage in STAGES:
            tell(events, WORK[name])
            state = run_stage(state, context)
            if only is not None and name == LAST_STAGE.get(only, only):
                break
        tell(events, "counting, and writing the report")
        return finish(state, context)


def tell(events: Listener | None, detail: str) -> None:
    """Report a step that asks no teacher: a large run would be silent for minutes."""
    if events is not None:
        events(Event(kind="working", at=time.time(), detail=detail))


def finish(state: State, context: Context) -> RunSummary:
    """Write the rejects and the results of the run, and return the summary."""
    context.run.write_records("rejects", in_order(state.rejects))
    return RunSummary(
        path=context.run.path,
        num_seeds=len(state.seeds.problems),
        num_problems=len(state.problems),
        num_samples=state.num_samples,
        analysis=write_outcome(state, context),
        reports=context.teacher.reports,
        shortfall=list(state.shortfall),
        parts=list(state.parts),
    )
