"""Measure how long the command line takes to start, beside a bare Python and three modules of the standard library.

    python bench/start.py

Prints and writes JSON: wall and processor seconds (best of the rounds) of each command, and its wall time as a multiple
of that of a bare `python -c pass`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import mathstrap": [sys.executable, "-c", "import mathstrap"],
    "mathstrap --help": [sys.executable, "-m", "mathstrap", "--help"],
    "mathstrap run --help": [sys.executable, "-m", "mathstrap", "run", "--help"],
    "import asyncio, json, argparse": [sys.executable, "-c", "import asyncio, json, argparse"],
}


def best_seconds(command: list[str], rounds: int) -> tuple[float, float]:
    """Return the shortest wall time and the shortest processor time of several runs."""
    times = []
    for _ in range(rounds):
        start, before = time.perf_counter(), processor_seconds()
        subprocess.run(command, check=True, capture_output=True)
        times.append((time.perf_counter() - start, processor_seconds() - before))
    return min(wall for wall, _ in times), min(spent for _, spent in times)


def processor_seconds() -> float:
    """Return the processor time of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "start.json")
    arguments = parser.parse_args()
    seconds = {name: best_seconds(command, arguments.rounds) for name, command in COMMANDS.items()}
    bare, _ = seconds["python -c pass"]
    command = ["git", "rev-parse", "--short", "HEAD"]
    revision = subprocess.run(command, capture_output=True, text=True, check=False)
    result = {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "commit": revision.stdout.strip(),
        "load_average": round(os.getloadavg()[0], 1),
        "seconds": {name: round(wall, 4) for name, (wall, _) in seconds.items()},
        "processor_seconds": {name: round(spent, 4) for name, (_, spent) in seconds.items()},
        "ratio_to_bare_python": {name: round(wall / bare, 2) for name, (wall, _) in seconds.items()},
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
