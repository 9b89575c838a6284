"""Shared by the report and the explorer: the template environment, display names, numbers as text."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathstrap.render import TimeBudget, render, render_answer, svg
from mathstrap.render.hostile import escape
from mathstrap.stats.estimates import Estimate
from mathstrap.types import REASONS

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parents[1] / "templates"
METHOD_NAMES: dict[str, str] = {
    "ans_aug": "Answer augmentation",
    "rephrase": "Rephrasing",
    "self_verification": "Self-verification",
    "fobar": "FOBAR",
    "renumber": "Renumbering",
    "evolve": "Evolution",
    "compose": "Composition",
    "new_problem": "New problems",
    "reopen": "Reopening",
    "persona": "Personas",
    "explain": "Explanation",
    "seed": "Seeds",
}
STAGE_NAMES: dict[str, str] = {
    "drafted": "Drafted",
    "passed": "Passed",
    "asked": "Asked",
    "answered": "Answered",
    "parsed": "Parsed",
    "correct": "Correct",
    "kept": "Kept",
}
OUTCOME_REASONS: dict[str, str] = {
    "wrong": "the answer differs from the gold answer",
    "undecided": "the grader could not decide",
}
DASH = "–"


@functools.cache
def environment() -> Environment:
    """Return the shared template environment, which escapes everything except the HTML of our own functions.

    It is cached because compiling the report takes as long as rendering it; page-specific values go to `render`.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(vocabulary())
    return env


def vocabulary() -> dict[str, Any]:
    """Return the functions of every template, by name."""
    return {
        "bar": as_html(svg.bar),
        "stacked": as_html(svg.stacked),
        "whisker": as_html(svg.whisker),
        "histogram": as_html(svg.histogram),
        "shown": as_html(escape),
        "count": count,
        "percent": percent,
        "share_text": share_text,
        "mean_text": mean_text,
        "dollars": dollars,
        "method_name": method_name,
        "reason_name": reason_name,
        "reason_sentence": reason_sentence,
        "stage_names": STAGE_NAMES,
        "is_known": lambda value: value is not None and not math.isnan(value),
    }


def as_html(function: Callable[..., str]) -> Callable[..., Any]:
    """Return `function` with its result marked as HTML; only for functions that escape their arguments."""
    from markupsafe import Markup

    return lambda *arguments, **named: Markup(function(*arguments, **named))  # noqa: S704 the function escapes


def text_functions(budget: TimeBudget) -> dict[str, Callable[..., Any]]:
    """Return `math_text` and `math_answer`, which share one page's budget for formulas."""
    return {
        "math_text": as_html(lambda text, style="gsm8k": render(text, style, budget=budget)),
        "math_answer": as_html(lambda text, style="gsm8k": render_answer(text, style, budget=budget)),
    }


def method_name(method: str) -> str:
    """Return a method's display name."""
    return METHOD_NAMES.get(method, method.replace("_", " ").capitalize())


def reason_name(reason: str) -> str:
    """Return a reason code as words."""
    return reason.replace("_", " ")


def reason_sentence(reason: str) -> str:
    """Return the meaning of a reason code; an unknown code is returned as words."""
    return REASONS.get(reason) or OUTCOME_REASONS.get(reason) or reason_name(reason)


def count(value: float) -> str:
    """Return a whole number with thousands separators."""
    return f"{value:,.0f}"


def percent(part: float, whole: float = 1.0) -> str:
    """Return a share as `12.3 %`; a dash where the whole is 0."""
    return f"{100 * part / whole:.1f} %" if whole and not math.isnan(part) else DASH


def share_text(estimate: Estimate) -> str:
    """Return a share with its interval: `69.0 % (63.3{DASH}74.2)`."""
    if math.isnan(estimate.value):
        return DASH
    if math.isnan(estimate.low):
        return percent(estimate.value)
    return f"{percent(estimate.value)} ({100 * estimate.low:.1f}{DASH}{100 * estimate.high:.1f})"


def mean_text(estimate: Estimate | None, digits: int = 1) -> str:
    """Return a mean with half its interval: `41.5 ± 1.6`."""
    if estimate is None or math.isnan(estimate.value):
        return DASH
    value = f"{estimate.value:,.{digits}f}"
    return value if math.isnan(estimate.low) else f"{value} ± {estimate.half_width:,.{digits}f}"


def dollars(value: float | None) -> str:
    """Return an amount of dollars with enough digits not to read as zero."""
    if value is None or math.isnan(value):
        return "price unknown"
    if value == 0 or abs(value) >= 0.1:
        return f"${value:,.2f}"
    digits = min(8, 1 - math.floor(math.log10(abs(value))))
    return f"${value:.{digits}f}"
