"""Write the pages of the documentation that a script makes, or say which of them differ."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def write(pages: Mapping[Path, str]) -> int:
    """Write the pages and return 0; with `--check` write none, name those that differ, and return 1 if one does."""
    if "--check" not in sys.argv[1:]:
        for path, text in pages.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return 0
    old = [path for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    for path in old:
        print(f"{path.relative_to(ROOT)} is out of date: run python scripts/{Path(sys.argv[0]).name}")
    return int(bool(old))
