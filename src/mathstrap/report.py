"""A run as one HTML file: no network, no script, readable on any screen and on paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from mathstrap.errors import MissingExtraError, RecipeError
from mathstrap.recipe import parse_yaml
from mathstrap.render import Budget
from mathstrap.render.pages import TEMPLATES, environment, text_functions
from mathstrap.render.picks import pick_fallen, pick_samples
from mathstrap.rundir import RunDir
from mathstrap.see_extras import Extras, load_extras, quick_gains, quirks_of, read_certificate
from mathstrap.spread import Spread, here
from mathstrap.stats import FUNNEL, Analysis, Records, analyse, quantile
from mathstrap.types import Outcome, Problem, Reject, Sample, Verdict

if TYPE_CHECKING:
    from mathstrap.compare_runs import RunComparison

R = TypeVar("R", bound=msgspec.Struct)

EXAMPLES = 10
# The report's own diversity numbers come from a sample, so that the end of a run is not held up.
QUICK_NEW, QUICK_BASE = 1_000, 5_000
FORMULA_SECONDS = 20.0


class _Counted(msgspec.Struct):
    """A candidate without its text, which is skipped and not built."""

    id: str


class _Graded(msgspec.Struct):
    """A verdict without its answers."""

    candidate: str
    outcome: Outcome


def write_report(run: RunDir, analysis: Analysis | None = None) -> Path:
    """Write `report.html` into a run directory opened for writing, and return its path."""
    return run.write_text("report.html", render_report(run, analysis))


def render_report(run: RunDir, analysis: Analysis | None = None) -> str:
    """Return the report of a run as one HTML page; `analysis` saves counting the run again."""
    analysis = analysis or analyse_run(run)
    functions = text_functions(Budget(seconds=FORMULA_SECONDS))
    return environment().get_template("report.html").render(**context(run, analysis), **functions)


def analyse_run(run: RunDir, *, spread: Spread = here) -> Analysis:
    """Count a run's records; files that a stage has not written yet count as empty."""
    return analyse(records_of(run), usd=price_of(run), spread=spread)


def records_of(run: RunDir) -> Records:
    """Return a run's records as streams."""

    def rows(name: str, kind: type[R]) -> Iterable[R]:
        return run.read_records(name, kind) if run.has(name) else ()

    return Records(
        problems=rows("problems", Problem),
        rewrites=chain(run.completions("filter"), run.completions("rewrite")),
        replies=run.completions("solve"),
        failures=run.failures(),
        candidates=rows("candidates", _Counted),
        verdicts=rows("verdicts", _Graded),
        rejects=Twice(lambda: rows("rejects", Reject)),
        samples=rows("samples", Sample),
    )


class Twice(Iterable[Any]):
    """An iterable that can be gone through again, made anew by a function each time."""

    def __init__(self, make: Callable[[], Iterable[Any]]) -> None:
        self.make = make

    def __iter__(self) -> Any:
        return iter(self.make())


def price_of(run: RunDir) -> Callable[[int, int], float] | None:
    """Return what tokens cost in this run, from its resolved recipe; None where nobody knows."""
    from mathstrap.asking.prices import find_price

    recipe = read_recipe(run)
    teacher, budget = recipe.get("teacher") or {}, recipe.get("budget") or {}
    url = teacher.get("base_url") or ""
    price = find_price(
        str(teacher.get("model") or ""),
        backend=str(teacher.get("backend") or "openai"),
        base_url=url if isinstance(url, str) else next(iter(url), ""),
        usd_per_million_in=budget.get("usd_per_million_tokens_in"),
        usd_per_million_out=budget.get("usd_per_million_tokens_out"),
    )
    return price.usd if price else None


def read_recipe(run: RunDir) -> dict[str, Any]:
    """Return the resolved recipe as plain values; empty where there is none."""
    try:
        return parse_yaml(read_text(run, "recipe.yaml"), "recipe.yaml")
    except RecipeError:
        return {}


def read_text(run: RunDir, name: str) -> str:
    """Return a text file of the run, or "" where there is none."""
    path = run.path / name
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def context(run: RunDir, analysis: Analysis) -> dict[str, Any]:
    """Return what the template shows."""
    manifest, recipe = run.manifest, read_recipe(run)
    teacher = recipe.get("teacher") or {}
    has = run.has
    samples = Twice(lambda: run.read_records("samples", Sample) if has("samples") else ())
    return {
        "css": (TEMPLATES / "look.css").read_text(encoding="utf-8")
        + (TEMPLATES / "report.css").read_text(encoding="utf-8"),
        "title": str(manifest.get("name") or run.path.name),
        "manifest": manifest,
        "teacher": str((manifest.get("teacher") or {}).get("model") or teacher.get("model") or "a teacher"),
        "is_bundled_teacher": is_bundled_teacher(teacher),
        "mode": str(recipe.get("mode") or "default"),
        "recipe_text": read_text(run, "recipe.yaml"),
        "analysis": analysis,
        "funnel": FUNNEL,
        "methods": list(analysis.by_method),
        "kinds": kinds(samples),
        "is_wrong_on_purpose": (recipe.get("curate") or {}).get("outcome") == "wrong",
        "short": short_of(manifest),
        "lengths": length_panels(analysis),
        "extras": read_extras(run, samples),
        "certificate": read_certificate(run),
        "quirks": quirks_of(run),
        "samples": pick_samples(samples, EXAMPLES),
        "fallen": pick_fallen(
            run.read_records("rejects", Reject) if has("rejects") else (),
            run.read_records("verdicts", Verdict) if has("verdicts") else (),
            run.completions("solve"),
            run.completions("rewrite"),
            run.read_records("problems", Problem) if has("problems") else (),
            EXAMPLES,
        ),
        "rejects": sorted(
            ((reason, sum(counts.values()), counts) for reason, counts in all_rejects(analysis).items()),
            key=lambda row: -row[1],
        ),
    }


def is_bundled_teacher(teacher: dict[str, Any]) -> bool:
    """Say whether a recipe's teacher is the tiny one that comes with the package."""
    return teacher.get("backend") == "embedded" and not (teacher.get("model_path") or teacher.get("model"))


def short_of(manifest: dict[str, Any]) -> list[str]:
    """Return sentences on what a run has less of than was planned."""
    return [str(row["sentence"]) for row in manifest.get("shortfall", ())]


def kinds(samples: Iterable[Sample]) -> dict[str, dict[str, int]]:
    """Return method -> dataset -> rows of the data set that was made."""
    found: dict[str, dict[str, int]] = {}
    for sample in samples:
        row = found.setdefault(sample.method, {})
        row[sample.dataset] = row.get(sample.dataset, 0) + 1
    return found


def all_rejects(analysis: Analysis) -> dict[str, dict[str, int]]:
    """Return reason -> method -> rows, with wrong and undecided answers among the reasons."""
    rejects = dict(analysis.rejects)
    for outcome in ("wrong", "undecided"):
        counts = {name: group.counts[outcome] for name, group in analysis.by_method.items() if group.counts[outcome]}
        if counts:
            rejects[outcome] = counts
    return rejects


def length_panels(analysis: Analysis) -> list[dict[str, Any]]:
    """Return one histogram per unit and method; methods of a unit share an axis that ends at the 99 % point."""
    panels = []
    for unit in ("words", "tokens", "steps"):
        counts = {method: units[unit] for method, units in analysis.lengths.items() if units[unit]}
        if not counts:
            continue
        low = min(min(values) for values in counts.values())
        high = max(int(quantile(values, 0.99)) for values in counts.values())
        panels.append({"unit": unit, "low": low, "high": max(high, low + 1), "methods": counts})
    return panels


def read_extras(run: RunDir, samples: Iterable[Sample]) -> Extras:
    """Return saved diversity and perplexity numbers; where no diversity is saved, a quick one where an embedder is."""
    extras = load_extras(run)
    if extras.gains:
        return extras
    try:
        gains, note = quick_gains(samples, max_new=QUICK_NEW, max_base=QUICK_BASE)
    except MissingExtraError as error:
        gains, note = [], str(error)
    return Extras(gains=gains, gain_note=note, perplexities=extras.perplexities, perplexity_note=extras.perplexity_note)


def compare_runs(a: str | Path, b: str | Path) -> RunComparison:
    """Return two runs side by side: printed it is a table for a terminal, `.html` is a page."""
    from mathstrap.compare_runs import compare

    return compare(RunDir.read(a), RunDir.read(b))
