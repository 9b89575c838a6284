"""Ask the teachers of a run, which are opened for the first request, with one budget over all stages."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from mathstrap.backends import TeacherOptions, check_options, open_backend, price_of
from mathstrap.backends.mix import open_mix
from mathstrap.engine.ask import AskReport, Stop, ask_all, run_now
from mathstrap.engine.budget import Meter
from mathstrap.engine.events import Event, Listener
from mathstrap.engine.interface import Backend
from mathstrap.engine.prices import Price
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.keys import change_sentence
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.panel import PanelStage
from mathstrap.types import Request, Stage

PAID_STAGES: tuple[Stage, ...] = ("rewrite", "filter", "solve")
PANEL_STAGES: dict[Stage, PanelStage] = {"rewrite": "rewriting", "filter": "judging", "solve": "solving"}
# The stages that pause on bad first replies, with the recipe's key of their sampling. Not "filter": a judge's "yes" is
# short by design.
WATCHED: dict[Stage, str] = {"rewrite": "rewriting", "solve": "solving"}


class Teacher:
    """The backends, opened for their first request, and one budget over all stages.

    With `only`, no other stage is paid for.
    """

    def __init__(
        self,
        recipe: RunRecipe,
        run: RunDir,
        events: Listener | None,
        *,
        only: Stage | None = None,
        open_teacher: Callable[[TeacherOptions], Backend] = open_backend,
        changes: Sequence[str] = (),
        stop: Stop | None = None,
    ) -> None:
        self.recipe = recipe
        self.run = run
        self.events = events
        self.only = only
        self.open_teacher = open_teacher
        self.stop = stop or Stop()  # shared, so that a stage that begins after it was pressed asks nothing
        self.reports: list[AskReport] = []
        self.meter = Meter(
            recipe.budget, price=dearest_price(recipe), spent=run.spent(*PAID_STAGES), log=run.spending(),
            prices=own_prices(recipe),
        )  # fmt: skip
        self._backends: dict[tuple[str, ...], Backend] = {}
        self._changes: list[str] | None = list(changes)  # None once the warning was given

    def __enter__(self) -> Teacher:
        return self

    def __exit__(self, *_: object) -> None:
        for backend in self._backends.values():
            run_now(backend.close())

    def may_ask(self, stage: Stage) -> bool:
        """Say whether this stage may ask: not after an interrupted stage or a spent budget."""
        return self.only in (None, stage) and all(report.stopped == "done" for report in self.reports)

    def fill(self, stage: Stage, requests: Iterable[Request], num_requests: int) -> None:
        """Ask for the requests that have no reply; opens the teacher only if there is one.

        `requests` is always consumed to its end, even if nothing may be asked or the budget ends on the way: its
        generator notes the keys by which replies of an earlier run are found.
        """
        requests = iter(requests)
        if self.may_ask(stage):
            self.reports.append(self._ask(stage, requests, num_requests))
        deque(requests, maxlen=0)

    def note_spent_budget(self, stage: Stage) -> None:
        """Mark the last report as ended by the budget, if a round was planned smaller because of it."""
        if self.may_ask(stage) and self.reports:
            message = self.meter.sentence(self.meter.tightest)
            self.reports[-1] = replace(self.reports[-1], stopped="budget", message=message)

    def _ask(self, stage: Stage, requests: Iterator[Request], num_requests: int) -> AskReport:
        todo = self.run.todo(stage, requests)
        first = next(todo, None)
        if first is None:
            return AskReport(stage=stage)
        backend = self.open(stage)
        limits = self.recipe.limits
        # `max_in_flight` is the limit of one model; copies of it work side by side.
        limits = replace(limits, max_in_flight=limits.max_in_flight * getattr(backend, "num_models", 1))
        return ask_all(
            self.warning_of_changes(stage, chain([first], todo)), self.run.sink(stage), backend=backend, limits=limits,
            budget=self.meter, events=self.events, stage=stage, total=num_requests, watched=WATCHED.get(stage, ""),
            stop=self.stop,
        )  # fmt: skip

    def open(self, stage: Stage) -> Backend:
        """Return the backend of a stage; stages with the same teachers share it, so that a model is loaded once."""
        asked = {member.label: member.options for member in self.recipe.panels[PANEL_STAGES[stage]]}
        labels = tuple(asked)
        if labels not in self._backends:
            # A wrong setting of a later stage's teacher is found before this stage is paid for.
            check_teachers(self.recipe, PAID_STAGES[PAID_STAGES.index(stage) :] if self.only is None else (stage,))
            self._backends[labels] = open_mix(asked, self.open_teacher)
        return self._backends[labels]

    def warning_of_changes(self, stage: Stage, requests: Iterable[Request]) -> Iterator[Request]:
        """Yield the requests; warn at the first one that was answered before under other settings."""
        if self._changes is None or not self.run.num_done(stage):
            yield from requests
            return
        answered_ids = set(self.run.request_ids(stage))
        for request in requests:
            if self._changes is not None and request.id in answered_ids:
                if self.events is not None:
                    detail = f"{request.id}: {change_sentence(self._changes)}"
                    self.events(Event(kind="warning", at=time.time(), stage=stage, reason="changed", detail=detail))
                self._changes = None
            yield request


def dearest_price(recipe: RunRecipe) -> Price | None:
    """Return the price of the teacher's tokens, or the highest of several teachers; None if one is unknown."""
    prices = prices_of(recipe)
    known = [price for price in prices.values() if price is not None]
    if len(known) < len(prices):
        return None
    if len(set(known)) == 1:
        return known[0]
    return Price(
        usd_per_million_in=max(price.usd_per_million_in for price in known),
        usd_per_million_out=max(price.usd_per_million_out for price in known),
        source="the dearest of " + ", ".join(dict.fromkeys(price.source for price in known)),
    )


def check_teachers(recipe: RunRecipe, stages: Iterable[Stage]) -> None:
    """Raise InputError for options of these stages' teachers that would be refused when they are opened."""
    for stage in stages:
        if stage == "filter" and not recipe.decontaminate.judge:
            continue
        for member in recipe.panels[PANEL_STAGES[stage]]:
            check_options(member.options)


def prices_of(recipe: RunRecipe) -> dict[str, Price | None]:
    """Return the price of each teacher's tokens by its label; the judge is included if the recipe has one."""
    stages: list[PanelStage] = ["rewriting", "solving", *(["judging"] if recipe.decontaminate.judge else [])]  # type: ignore[list-item]
    return {
        member.label: price_of(member.options, recipe.budget) for stage in stages for member in recipe.panels[stage]
    }


def own_prices(recipe: RunRecipe) -> dict[str, Price]:
    """Return the prices by label if teachers differ in price; empty if one price holds for all."""
    prices = {label: price for label, price in prices_of(recipe).items() if price is not None}
    return prices if len(set(prices.values())) > 1 or len(prices) < len(prices_of(recipe)) else {}
