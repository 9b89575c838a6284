"""Draw the loss curve of a run as PNG and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mathstrap.train.watch import Point, Validation


def write_curve(points: Sequence[Point], validations: Sequence[Validation], folder: Path) -> dict[str, Path]:
    """Write curve.png and curve.svg; nothing where there is no point or no matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:  # a run of hours must not fail for its figure
        return {}
    if not points:
        return {}
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([point.step for point in points], [point.loss for point in points], color="#3b6ea5", label="training")
    if validations:
        axes.plot(
            [validation.step for validation in validations], [validation.eval_loss for validation in validations],
            "o-", color="#c4572e",
            label="held out",
        )  # fmt: skip
        axes.legend(frameon=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("loss, nats per response token")
    axes.grid(visible=True, alpha=0.25)
    files = {"curve": folder / "curve.png", "curve_svg": folder / "curve.svg"}
    FigureCanvasAgg(figure).print_png(files["curve"])
    FigureCanvasSVG(figure).print_svg(files["curve_svg"], metadata={"Date": None})
    return files
