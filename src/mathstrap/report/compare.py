"""Compare two runs: funnels, yields and lengths with the interval of their difference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathstrap.files.rundir import RunDir
from mathstrap.render.hostile import printable
from mathstrap.render.pages import METHOD_NAMES, STAGE_NAMES, TEMPLATES, count, environment, mean_text, share_text
from mathstrap.report.analysis import analyse_run
from mathstrap.stats import FUNNEL, Analysis, GroupNumbers
from mathstrap.stats.estimates import Estimate


@dataclass(frozen=True, kw_only=True)
class ComparedNumber:
    """One compared number, as text: of run a, of run b, and b - a where it has an interval."""

    group: str
    name: str
    a: str
    b: str
    difference: str = ""
    is_clear: bool = False


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """Two runs side by side; `str()` is a table for a terminal, `html` a page, `lines` the numbers."""

    name_a: str
    name_b: str
    lines: list[ComparedNumber]
    a: Analysis
    b: Analysis

    def __str__(self) -> str:
        rows = [("", printable(self.name_a), printable(self.name_b), "difference")]
        group = ""
        for line in self.lines:
            if line.group != group:
                group = line.group
                rows.append((printable(group), "", "", ""))
            rows.append((f"  {line.name}", line.a, line.b, line.difference))
        widths = [max(len(row[place]) for row in rows) for place in range(4)]
        return "\n".join(
            f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip() for row in rows
        )

    @property
    def html(self) -> str:
        """The comparison as one self-contained HTML page."""
        css = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("look.css", "report.css"))
        template = environment().get_template("compare.html")
        return template.render(comparison=self, css=css, funnel=FUNNEL, groups=paired(self.a, self.b))


def compare_runs(a: str | Path, b: str | Path) -> RunComparison:
    """Compare two runs; the result prints as a table, and its `.html` is a page."""
    return compare(RunDir.read(a), RunDir.read(b))


def compare(a: RunDir, b: RunDir) -> RunComparison:
    """Count both runs and compare their numbers."""
    analysis_a, analysis_b = analyse_run(a), analyse_run(b)
    lines = [
        line
        for name, numbers_a, numbers_b in paired(analysis_a, analysis_b)
        for line in lines_of(name, numbers_a, numbers_b)
    ]
    name_a, name_b = str(a.manifest.get("name") or a.path.name), str(b.manifest.get("name") or b.path.name)
    if name_a == name_b:
        name_a, name_b = str(a.path), str(b.path)
    return RunComparison(name_a=name_a, name_b=name_b, lines=lines, a=analysis_a, b=analysis_b)


def paired(a: Analysis, b: Analysis) -> list[tuple[str, GroupNumbers | None, GroupNumbers | None]]:
    """Return the groups of both runs by name: all, then methods, then datasets; None where a run lacks one."""
    pairs: list[tuple[str, GroupNumbers | None, GroupNumbers | None]] = [("All", a.everything, b.everything)]
    for side in ("by_method", "by_dataset", "by_teacher"):
        groups_a: dict[str, GroupNumbers] = getattr(a, side)
        groups_b: dict[str, GroupNumbers] = getattr(b, side)
        pairs += [
            (METHOD_NAMES.get(name, name), groups_a.get(name), groups_b.get(name)) for name in {**groups_a, **groups_b}
        ]
    return pairs


def lines_of(name: str, a: GroupNumbers | None, b: GroupNumbers | None) -> list[ComparedNumber]:
    """Return one group's numbers of both runs."""

    def text(group: GroupNumbers | None, show: Any) -> str:
        return show(group) if group else "–"

    counts = [
        ComparedNumber(
            group=name,
            name=STAGE_NAMES[stage].lower(),
            a=text(a, lambda group, stage=stage: count(group.counts[stage])),
            b=text(b, lambda group, stage=stage: count(group.counts[stage])),
        )
        for stage in FUNNEL
    ]
    measured = []
    for label, attribute, scale, show in (
        ("correct of answered", "accuracy", 100, share_text),
        ("kept of asked", "kept_share", 100, share_text),
        ("words per reply", "words", 1, mean_text),
        ("steps per reply", "steps", 1, mean_text),
        ("tokens per kept row", "tokens_per_kept", 1, mean_text),
    ):
        number_a = getattr(a, attribute) if a else None
        number_b = getattr(b, attribute) if b else None
        difference, is_clear = difference_text(number_a, number_b, scale)
        shown_a = show(number_a) if number_a else "–"
        shown_b = show(number_b) if number_b else "–"
        measured.append(
            ComparedNumber(group=name, name=label, a=shown_a, b=shown_b, difference=difference, is_clear=is_clear)
        )
    return counts + measured


def difference_text(a: Estimate | None, b: Estimate | None, scale: float) -> tuple[str, bool]:
    """Return `+1.2 ± 0.9` for b - a with its 95 % interval, and whether the interval excludes 0.

    The two are treated as independent, which is conservative: runs that share seeds have a narrower interval.
    """
    if a is None or b is None or any(math.isnan(value) for value in (a.value, b.value, a.low, b.low)):
        return "", False
    change = scale * (b.value - a.value)
    half_width = scale * math.hypot(a.half_width, b.half_width)
    return f"{change:+,.1f} ± {half_width:,.1f}", abs(change) > half_width
