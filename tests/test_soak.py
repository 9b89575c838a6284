"""Ten minutes of bench/soak.py: killed, stopped, out of disk, with other keys; nothing may be lost or paid twice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).resolve().parents[1] / "bench" / "soak.py"


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers of a run in /proc")
def test_ten_minutes_of_trouble_cost_nothing(tmp_path: Path) -> None:
    found = tmp_path / "soak.json"
    done = subprocess.run(
        [sys.executable, SOAK, "--minutes", "10", "--json", found], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    counts = json.loads(found.read_text())
    assert counts["lives"] >= 12
    assert counts["replies"] > 100
