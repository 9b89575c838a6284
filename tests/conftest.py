"""Where the tests find the shared benchmark files; nothing of them is committed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

if "PYTEST_XDIST_WORKER" in os.environ:  # one worker a core: more threads in each would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Images of containers often forbid Python to keep what it compiles. The tests start hundreds of processes, each of
# which would compile every module that it imports: a third of what a short command costs.
sys.dont_write_bytecode = os.environ.pop("PYTHONDONTWRITEBYTECODE", None) is None and sys.dont_write_bytecode


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a slow test an hour: it may share its cores, and the quick tests' limit would say that it hangs."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(3600))


def folder_or_skip(variable: str, fallback: Path) -> Path:
    path = Path(os.environ.get(variable, fallback))
    if not path.is_dir():
        pytest.skip(f"{path} is absent; set {variable} to the folder that holds the benchmark files")
    return path


@pytest.fixture(scope="session")
def data_path() -> Path:
    """The folder with gsm8k_train.jsonl, gsm8k_test.jsonl, math_test.jsonl and the others."""
    return folder_or_skip("MATHSTRAP_DATA", ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def cases_path() -> Path:
    """The folder with the labelled answer-checking cases."""
    return folder_or_skip("MATHSTRAP_CASES", ROOT.parent / "shared" / "cases")
