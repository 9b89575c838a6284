"""Measure how long the command line takes to start, beside a bare Python and three modules of the standard library.

    python bench/start.py

Prints and writes JSON: seconds (best of the rounds) of each command and its ratio to a bare `python -c pass`.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import mathstrap": [sys.executable, "-c", "import mathstrap"],
    "mathstrap --help": [sys.executable, "-m", "mathstrap", "--help"],
    "import asyncio, json, argparse": [sys.executable, "-c", "import asyncio, json, argparse"],
}


def best_seconds(command: list[str], rounds: int) -> float:
    """Return the shortest wall time of several runs."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "start.json")
    arguments = parser.parse_args()
    seconds = {name: best_seconds(command, arguments.rounds) for name, command in COMMANDS.items()}
    bare = seconds["python -c pass"]
    command = ["git", "rev-parse", "--short", "HEAD"]
    revision = subprocess.run(command, capture_output=True, text=True, check=False)
    result = {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "commit": revision.stdout.strip(),
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "ratio_to_bare_python": {name: round(value / bare, 2) for name, value in seconds.items()},
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
