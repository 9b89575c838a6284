"""A run as one HTML file: no network, no script, readable on any screen and on paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from mathstrap.errors import MissingExtraError
from mathstrap.files.rundir import RunDir
from mathstrap.render import TimeBudget
from mathstrap.render.pages import TEMPLATES, environment, method_name, text_functions
from mathstrap.render.picks import pick_fallen, pick_samples
from mathstrap.report.analysis import Rereadable, analyse_run, read_recipe, read_text
from mathstrap.report.extras import Extras, load_extras, quick_gains, quirks_of, read_certificate
from mathstrap.stats import FUNNEL, Analysis, quantile
from mathstrap.types import Problem, Reject, Sample, Verdict

# The report is one file to mail: examples, not the data.
EXAMPLES = 10
OPEN = 3  # examples of each kind that are unfolded, so that the page stays short enough to scroll
REASONS_OPEN = 3  # reject reasons with examples unfolded; the others are one line each until clicked
# The report's own diversity numbers come from a sample, so that the report does not take minutes.
QUICK_NEW, QUICK_BASE = 1_000, 5_000
FORMULA_SECONDS = 20.0


def write_report(run: RunDir, analysis: Analysis | None = None, *, measure: bool = True) -> Path:
    """Write `report.html` into a run directory opened for writing, and return its path."""
    return run.write_text("report.html", render_report(run, analysis, measure=measure))


def render_report(run: RunDir, analysis: Analysis | None = None, *, measure: bool = True) -> str:
    """Return the report of a run as one HTML page; with `analysis` the run need not be counted again.

    Without `measure` it shows only saved diversity numbers and no quirks of the reference: both take seconds of
    embedding and masking, which a run does not spend on a page that may never be opened.
    """
    analysis = analysis or analyse_run(run)
    functions = text_functions(TimeBudget(seconds=FORMULA_SECONDS))
    return environment().get_template("report.html").render(**context(run, analysis, measure=measure), **functions)


def context(run: RunDir, analysis: Analysis, *, measure: bool) -> dict[str, Any]:
    """Return the template's variables."""
    manifest, recipe = run.manifest, read_recipe(run)
    teacher = recipe.get("teacher") or {}
    has = run.has
    samples = Rereadable(lambda: run.read_records("samples", Sample) if has("samples") else ())
    origins: dict[str, dict[str, int]] = {}
    picked = pick_samples(counted_by_origin(samples, origins), EXAMPLES)
    return {
        "css": (TEMPLATES / "look.css").read_text(encoding="utf-8")
        + (TEMPLATES / "report.css").read_text(encoding="utf-8"),
        "title": str(manifest.get("name") or run.path.name),
        "manifest": manifest,
        "teacher": str((manifest.get("teacher") or {}).get("model") or teacher.get("model") or "a teacher"),
        "is_bundled_teacher": is_bundled_teacher(teacher),
        "mode": str(recipe.get("mode") or "default"),
        "recipe_text": read_text(run, "recipe.yaml"),
        "recipe_changes": read_text(run, "recipe-changes.yaml"),
        "num_open": OPEN,
        "num_reasons_open": REASONS_OPEN,
        "analysis": analysis,
        "funnel": FUNNEL,
        "methods": list(analysis.by_method),
        "kinds": origins,
        "is_wrong_on_purpose": (recipe.get("curate") or {}).get("outcome") == "wrong",
        "short": short_of(manifest),
        "lengths": length_panels(analysis),
        "by_method": [
            (method_name(name), group, name) for name, group in analysis.by_method.items() if name in analysis.lengths
        ],
        "extras": read_extras(run, samples) if measure else load_extras(run),
        "certificate": read_certificate(run),
        "quirks": quirks_of(run) if measure else None,
        "samples": picked,
        "fallen": pick_fallen(
            run.read_records("rejects", Reject) if has("rejects") else (),
            run.read_records("verdicts", Verdict) if has("verdicts") else (),
            lambda ids: chain(run.replies_to("rewrite", ids), run.replies_to("solve", ids)),
            run.read_records("problems", Problem) if has("problems") else (),
            EXAMPLES,
        ),
        "rejects": sorted(
            ((reason, sum(counts.values()), counts) for reason, counts in all_rejects(analysis).items()),
            key=lambda row: -row[1],
        ),
    }


def is_bundled_teacher(teacher: dict[str, Any]) -> bool:
    """Say whether a recipe's teacher is the tiny model that comes with the package."""
    return teacher.get("backend") == "embedded" and not (teacher.get("model_path") or teacher.get("model"))


def short_of(manifest: dict[str, Any]) -> list[str]:
    """Return sentences on the run's shortfalls against its plan."""
    rows = manifest.get("shortfall", ())
    return [str(row["sentence"]) for row in rows if isinstance(row, dict) and "sentence" in row]


def counted_by_origin(samples: Iterable[Sample], counts: dict[str, dict[str, int]]) -> Iterator[Sample]:
    """Yield the samples, and count them in method -> dataset -> number."""
    for sample in samples:
        row = counts.setdefault(sample.method, {})
        row[sample.dataset] = row.get(sample.dataset, 0) + 1
        yield sample


def all_rejects(analysis: Analysis) -> dict[str, dict[str, int]]:
    """Return reason -> method -> rows, with wrong and undecided answers among the reasons."""
    rejects = dict(analysis.rejects)
    for outcome in ("wrong", "undecided"):
        counts = {name: group.counts[outcome] for name, group in analysis.by_method.items() if group.counts[outcome]}
        if counts:
            rejects[outcome] = counts
    return rejects


def length_panels(analysis: Analysis) -> list[dict[str, Any]]:
    """Return one histogram per unit, of all methods and of each; they share an axis that ends at the 99 % point."""
    panels = []
    for unit in ("words", "tokens", "steps"):
        counts = {method: units[unit] for method, units in analysis.lengths.items() if units[unit]}
        if not counts:
            continue
        low = min(min(values) for values in counts.values())
        high = max(int(quantile(values, 0.99)) for values in counts.values())
        everything = sum(counts.values(), Counter[int]())
        high = max(high, low + 1)
        panels.append({"unit": unit, "low": low, "high": high, "methods": counts, "everything": everything})
    return panels


def read_extras(run: RunDir, samples: Iterable[Sample]) -> Extras:
    """Return saved diversity and perplexity numbers; without saved diversity, a quick one if the embedder exists."""
    extras = load_extras(run)
    if extras.gains:
        return extras
    try:
        gains, note = quick_gains(samples, max_new=QUICK_NEW, max_base=QUICK_BASE)
    except MissingExtraError as error:
        gains, note = [], str(error)
    return Extras(gains=gains, gain_note=note, perplexities=extras.perplexities, perplexity_note=extras.perplexity_note)
