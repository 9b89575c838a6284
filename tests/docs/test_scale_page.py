"""docs/scale.md says what bench/scale.py computes from the measured rates, and those say what the page claims."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def scale() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_scale", ROOT / "bench" / "scale.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_scale"] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_holds_the_measured_tables(scale):
    page = scale.PAGE.read_text(encoding="utf-8")
    assert page == scale.with_tables(page), "run: python bench/scale.py --write"


def test_a_million_replies_were_measured_and_resume_within_their_bounds(scale):
    derived, resumed = scale.runs("derive"), scale.runs("resume")
    assert derived[-1]["replies"] >= 1_000_000
    assert resumed[-1]["replies"] >= 1_000_000
    assert resumed[-1]["peak_mib_at_first_request"] < 2048
    assert resumed[-1]["seconds_to_first_request"] < 30
    assert derived[-1]["peak_mib_with_workers"] < 2048
    assert derived[0]["replies"] <= derived[-1]["replies"] / 5, "the prediction needs a smaller run"


def test_what_the_smaller_run_predicts_is_what_the_larger_one_took(scale):
    small, large = scale.rates_of(scale.runs("derive")[0]), scale.runs("derive")[-1]
    seconds, mib = scale.predict(small, large["replies"])
    assert seconds == pytest.approx(large["processor_seconds"], rel=0.3)
    assert large["peak_mib_with_workers"] < 1.3 * mib


def test_a_prediction_grows_in_proportion(scale):
    small = scale.rates_of(scale.runs("derive")[0])
    seconds, mib = scale.predict(small, small.replies * 10)
    assert seconds == pytest.approx(small.seconds * 10)
    assert mib > small.peak_mib
    fixed = small.floor_mib + small.peak_mib - small.solve_mib  # what a larger run does not need more of
    assert mib - fixed == pytest.approx((small.solve_mib - small.floor_mib) * 10)


@pytest.mark.parametrize(
    ("seconds", "text"), [(3, "3 s"), (119, "119 s"), (150, "2.5 min"), (8000, "2.2 h"), (90 * 86_400, "90 d")]
)
def test_times_are_said_in_the_unit_a_person_would_use(scale, seconds, text):
    assert scale.span(seconds) == text
