"""bench/fuzz.py on a few tens of thousands of inputs: no parser raises, hangs or grows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[1] / "bench" / "fuzz.py"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_parser_raises_hangs_or_grows(tmp_path: Path) -> None:
    found = tmp_path / "fuzz.json"
    command = [sys.executable, FUZZ, "--inputs", "40000", "--seconds", "20", "--json", found]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    counts = json.loads(found.read_text())
    assert counts["inputs"] > 39_000
    assert counts["peak_mib"] < counts["peak_mib_after_a_tenth"] + 400
