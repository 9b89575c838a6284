"""The teacher of a run: opened when there is something to ask, with one budget over all stages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain

from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.engine.ask import AskReport, ask_all, run_now
from mathstrap.engine.budget import Meter
from mathstrap.engine.events import Listener
from mathstrap.engine.interface import Backend
from mathstrap.engine.prices import Price, find_price
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.options import RunRecipe
from mathstrap.types import Request, Stage

PAID_STAGES: tuple[Stage, ...] = ("rewrite", "filter", "solve")


class Teacher:
    """The backend, opened when there is something to ask, and one budget over all stages."""

    def __init__(
        self,
        recipe: RunRecipe,
        run: RunDir,
        events: Listener | None,
        *,
        open_teacher: Callable[[TeacherOptions], Backend] = open_backend,
    ) -> None:
        self.recipe = recipe
        self.run = run
        self.events = events
        self.open_teacher = open_teacher
        self.reports: list[AskReport] = []
        self.meter = Meter(recipe.budget, price=price_of(recipe), spent=run.spent(*PAID_STAGES), log=run.spending())
        self._backend: Backend | None = None

    def __enter__(self) -> Teacher:
        return self

    def __exit__(self, *_: object) -> None:
        if self._backend is not None:
            run_now(self._backend.close())

    def fill(self, stage: Stage, requests: Iterable[Request], num_requests: int) -> AskReport:
        """Ask for the requests that have no reply; opens the teacher only if there is one."""
        todo = self.run.todo(stage, requests)
        first = next(todo, None)
        if first is None:
            report = AskReport(stage=stage)
        else:
            self._backend = self._backend or self.open_teacher(self.recipe.teacher)
            limits = self.recipe.limits
            # Copies of a loaded model are asked at once.
            limits = replace(limits, max_in_flight=limits.max_in_flight * getattr(self._backend, "num_models", 1))
            report = ask_all(
                chain([first], todo), self.run.sink(stage), backend=self._backend, limits=limits,
                budget=self.meter, events=self.events, stage=stage, total=num_requests,
            )  # fmt: skip
        self.reports.append(report)
        return report


def price_of(recipe: RunRecipe) -> Price | None:
    """Return what the teacher's tokens cost, None where nobody knows."""
    teacher, budget = recipe.teacher, recipe.budget
    return find_price(
        teacher.model, backend=teacher.backend, base_url=next(iter(teacher.urls), ""),
        usd_per_million_in=budget.usd_per_million_tokens_in, usd_per_million_out=budget.usd_per_million_tokens_out,
    )  # fmt: skip
