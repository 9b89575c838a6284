"""Tell linear work from quadratic work on a machine of any speed and load."""

from __future__ import annotations

import time
from collections.abc import Callable


def growth(work: Callable[[int], object], size: int, factor: int = 4) -> float:
    """Return how much more processor time `factor` times the size takes: about `factor` where the work is linear.

    The least of three tries is taken for each size: other work on the machine only ever adds time. Work too short to
    be measured counts as linear.
    """
    small, large = _least_seconds(work, size), _least_seconds(work, size * factor)
    return 1.0 if large < 0.02 else large / max(small, 1e-4)


def _least_seconds(work: Callable[[int], object], size: int) -> float:
    seconds = []
    for _ in range(3):
        started = time.process_time()
        work(size)
        seconds.append(time.process_time() - started)
    return min(seconds)
