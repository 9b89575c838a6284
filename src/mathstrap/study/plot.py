"""Draw a study: accuracy against samples for every arm, by direction, and the diversity gain beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mathstrap.study.result import DIRECTIONS, CellResult, StudyResult

# Okabe and Ito's colours, which colour-blind readers can distinguish; the markers differ too.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
# More markers than colours, and no common divisor: the eighth arm has the first's colour, but not its marker.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
# Sizes closer than this share of the larger one would be printed over each other.
CLOSEST_TICKS = 0.25


def write_plots(result: StudyResult, folder: Path) -> dict[str, Path]:
    """Write accuracy.svg and accuracy.png; nothing without matplotlib or without numbers."""
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG
    except ImportError:  # a study must not fail for its figure
        return {}
    files = {"svg": folder / "accuracy.svg", "png": folder / "accuracy.png"}
    with rc_context({"svg.hashsalt": "mathstrap", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = draw(result)
        if figure is None:
            return {}
        FigureCanvasAgg(figure).print_png(files["png"], metadata={"Software": None})
        FigureCanvasSVG(figure).print_svg(files["svg"], metadata={"Date": None})
    return files


def draw(result: StudyResult) -> Any:
    """Return the figure: a row for each way of matching, a column for each direction, and the gains."""
    from matplotlib.figure import Figure

    matches = list(dict.fromkeys(cell.match for cell in result.cells if cell.accuracy))
    directions = [name for name in DIRECTIONS if any(name in cell.accuracy for cell in result.cells)]
    if not matches or not directions:
        return None
    has_gains = any(cell.gain is not None for cell in result.cells)
    columns = len(directions) + has_gains
    figure = Figure(figsize=(4.2 * columns, 3.4 * len(matches) + 0.5), layout="constrained")
    grid = figure.subplots(len(matches), columns, squeeze=False)
    arms = list(dict.fromkeys(cell.arm for cell in result.cells))
    style = {arm: (COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]) for place, arm in enumerate(arms)}
    for line, match in enumerate(matches):
        cells = [cell for cell in result.cells if cell.match == match]
        for column, direction in enumerate(directions):
            accuracy_axes(grid[line][column], cells, direction, style, result)
            grid[line][column].set_title(f"{direction}, matched by {match}", fontsize=10)
        if has_gains:
            gain_axes(grid[line][-1], cells, style)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def accuracy_axes(
    axes: Any, cells: list[CellResult], direction: str, style: dict[str, tuple[str, str]], result: StudyResult
) -> None:
    """Draw accuracy with its intervals against the samples of a student."""
    reference = result.recipe["reference"]
    arms = [arm for arm in style if any(cell.arm == arm and direction in cell.accuracy for cell in cells)]
    sizes = {cell.size or cell.num_samples for cell in cells}
    for place, arm in enumerate(arms):
        own = sorted((cell for cell in cells if cell.arm == arm and direction in cell.accuracy), key=size_of)
        # Shifted, so that the arms' intervals do not cover each other.
        shift = 1 + 0.03 * (place - (len(arms) - 1) / 2)
        scores = [cell.accuracy[direction].score for cell in own]
        colour, marker = style[arm]
        axes.errorbar(
            [size_of(cell) * shift for cell in own], [100 * score.value for score in scores],
            yerr=[
                [100 * (score.value - score.low) for score in scores],
                [100 * (score.high - score.value) for score in scores],
            ],
            color=colour, marker=marker, markersize=5, linewidth=1.3, capsize=2, label=arm,
            linestyle="--" if arm == reference else "-",
        )  # fmt: skip
        if arm == reference and len(own) == 1:
            axes.axhline(100 * scores[0].value, color=colour, linestyle="--", linewidth=0.8)
    if direction in result.base:
        level = 100 * result.base[direction].score.value
        axes.axhline(level, color="#777777", linestyle=":", linewidth=1, label="untrained")
    axes.set_xscale("log")
    ticks: list[float] = []
    for size in sorted(sizes):
        if not ticks or ticks[-1] <= size * (1 - CLOSEST_TICKS):
            ticks.append(size)
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(min(sizes) / 1.25, max(sizes) * 1.25)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("training samples")
    axes.set_ylabel("accuracy, %")
    axes.grid(visible=True, alpha=0.25)


def size_of(cell: CellResult) -> float:
    """Return a cell's position on the axis of samples."""
    return cell.size or cell.num_samples


def gain_axes(axes: Any, cells: list[CellResult], style: dict[str, tuple[str, str]]) -> None:
    """Draw each arm's diversity gain at its largest size."""
    largest = {cell.arm: cell for cell in sorted(cells, key=size_of) if cell.gain is not None}
    arms = [arm for arm in style if arm in largest][::-1]
    axes.barh(arms, [largest[arm].gain or 0.0 for arm in arms], color=[style[arm][0] for arm in arms], height=0.55)
    axes.set_title("diversity gain over the seeds' questions", fontsize=10)
    axes.set_xlabel("mean squared distance to the nearest")
    axes.grid(visible=True, axis="x", alpha=0.25)
