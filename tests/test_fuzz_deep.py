"""The property tests again, each with twenty times as many examples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(
    str(path.relative_to(HERE)) for path in HERE.rglob("test_*.py") if "from bounded import" in path.read_text()
)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [name for name in FILES if name != Path(__file__).name])
def test_more_examples_find_nothing(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=1700", str(HERE / name)],
        capture_output=True, text=True, check=False, env=os.environ | {"MATHSTRAP_FUZZ": "20"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
