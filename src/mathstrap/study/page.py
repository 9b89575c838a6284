"""Write a study's result for readers: study.md, the plot, and study.html, one self-contained page."""

from __future__ import annotations

from pathlib import Path

from mathstrap.files.rundir import RunDir
from mathstrap.render.pages import TEMPLATES, environment
from mathstrap.study import words
from mathstrap.study.plot import write_plots
from mathstrap.study.result import StudyResult


def write_pages(study: RunDir, result: StudyResult) -> dict[str, Path]:
    """Write all three and return the files by kind."""
    plots = write_plots(result, study.path)
    return {
        "md": study.write_text("study.md", words.markdown(result)),
        "html": study.write_text("study.html", page(result, plots.get("svg"))),
        **plots,
    }


def page(result: StudyResult, plot: Path | None) -> str:
    """Return the page as HTML."""
    from markupsafe import Markup

    css = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("look.css", "report.css"))
    drawn = plot.read_text(encoding="utf-8") if plot is not None else ""
    return (
        environment()
        .get_template("study.html")
        .render(
            result=result, words=words, css=css, named=words.columns(result),
            plot=Markup(drawn[drawn.find("<svg") :]) if drawn else "",  # noqa: S704 - drawn by matplotlib, which escapes
        )
    )  # fmt: skip
