"""How many examples the property tests draw: few in the quick suite, more in the slow one (MATHSTRAP_FUZZ=20)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("MATHSTRAP_FUZZ", "1"))


def examples(count: int) -> settings:
    """Return the settings for a test of `count` examples, times MATHSTRAP_FUZZ."""
    return settings(max_examples=count * TIMES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
