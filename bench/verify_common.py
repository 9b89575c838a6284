"""What the verify benches share: where the cases are, and the record of a result."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CASES = Path(os.environ.get("MATHSTRAP_CASES", ROOT.parent / "shared" / "cases"))
DATA = Path(os.environ.get("MATHSTRAP_DATA", ROOT.parent / "shared" / "data"))


def load_cases(path: Path) -> list[dict[str, Any]]:
    """Read labelled cases; long repetitive strings are stored run-length encoded under `<field>_rle`."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    for row in rows:
        for field in ("gold", "prediction"):
            runs = row.pop(f"{field}_rle", None)
            if runs is not None:
                row[field] = "".join(text * count for text, count in runs)
    return rows


def machine() -> dict[str, Any]:
    """Return where and when a result was measured."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return {
        "cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "commit": commit.strip(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Print a result and write it with machine, commit and date."""
    text = json.dumps({"machine": machine(), **result}, indent=2, ensure_ascii=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    print(text)
