"""Small plots as inline SVG that stretch with their column. Knows nothing of runs; colours come from the page's CSS.

Positions are percentages, so that circles stay round and strokes thin at any width, and no `style` attribute is needed,
which a strict content security policy forbids.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from mathstrap.render.hostile import escape_silently
from mathstrap.stats.estimates import Estimate

NUM_BINS = 24


def bar(share: float, *, label: str = "", kind: str = "") -> str:
    """Return a horizontal bar filled to `share` of its width, 0 to 1."""
    width = 0.0 if math.isnan(share) else 100 * min(1.0, max(0.0, share))
    return (
        f'<svg class="bar {escape_silently(kind)}" width="100%" height="12" role="img" '
        f'aria-label="{escape_silently(label)}">'
        '<rect class="track" width="100%" height="12" rx="2"/>'
        f'<rect class="fill" width="{width:.2f}%" height="12" rx="2"/>'
        "</svg>"
    )


def stacked(parts: Mapping[str, float], *, label: str = "") -> str:
    """Return a bar of segments; keys are CSS classes, values shares of the width that sum to at most 1."""
    pieces, x = [], 0.0
    for name, share in parts.items():
        width = 100 * max(0.0, share)
        if width:
            pieces.append(f'<rect class="{escape_silently(name)}" x="{x:.2f}%" width="{width:.2f}%" height="12"/>')
        x += width
    return (
        f'<svg class="bar" width="100%" height="12" role="img" aria-label="{escape_silently(label)}">'
        f'<rect class="track" width="100%" height="12" rx="2"/>{"".join(pieces)}</svg>'
    )


def whisker(estimate: Estimate, *, low: float = 0.0, high: float = 1.0, label: str = "") -> str:
    """Return a dot with its 95 % interval on an axis from `low` to `high`, with a hair line at each quarter."""
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return 100 * min(1.0, max(0.0, (value - low) / span))

    lines = "".join(f'<line class="grid" x1="{x}%" x2="{x}%" y1="0" y2="28"/>' for x in (0, 25, 50, 75, 100))
    marks = ""
    if not math.isnan(estimate.value):
        if not math.isnan(estimate.low):
            left, right = place(estimate.low), place(estimate.high)
            marks += f'<line class="interval" x1="{left:.2f}%" x2="{right:.2f}%" y1="14" y2="14"/>'
        marks += f'<circle class="dot" cx="{place(estimate.value):.2f}%" cy="14" r="4"/>'
    name = escape_silently(label)
    return f'<svg class="whisker" width="100%" height="28" role="img" aria-label="{name}">{lines}{marks}</svg>'


def histogram(counts: Mapping[int, int], *, low: int, high: int, label: str = "", height: int = 56) -> str:
    """Return a histogram of value -> rows between `low` and `high`; larger values go into the last bin."""
    bins = [0] * min(NUM_BINS, max(1, high - low + 1))
    size = max(1, high - low + 1) / len(bins)
    for value, rows in counts.items():
        bins[max(0, min(len(bins) - 1, int((value - low) / size)))] += rows
    top = max(bins) or 1
    step = 100 / len(bins)
    width = min(step * 0.88, 9.0)
    bars = "".join(
        f'<rect class="fill" x="{place * step + (step - width) / 2:.2f}%" width="{width:.2f}%" '
        f'y="{height - height * rows / top:.1f}" height="{height * rows / top:.1f}"/>'
        for place, rows in enumerate(bins)
        if rows
    )
    return (
        f'<svg class="histogram" width="100%" height="{height}" role="img" aria-label="{escape_silently(label)}">'
        f'<line class="grid" x1="0" x2="100%" y1="{height}" y2="{height}"/>{bars}</svg>'
    )
