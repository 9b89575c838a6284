"""Measure decontamination and audit of a training set: time, and peak memory of the whole process tree.

    python bench/curate_files.py --data DATA --count 400000

The rows are made by seeded variation of GSM8K and MATH, written once, and read by each verb in a process of its own:
`decontaminate` against all seven test sets with the seeds as baseline, `audit` with every detector, seeds and test
sets, one and two workers.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from curate_data import earlier_parts, facts, make_rows, write_result


def peak_tree_mib(process: subprocess.Popen[bytes]) -> float:
    """Wait for a process and return the highest sum of resident memory over it and its children, in MiB."""
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(resident_mib(pid) for pid in tree(process.pid)))
        time.sleep(0.2)
    return peak


def tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for parent in found:
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        found += [int(child) for child in children]
    return found


def resident_mib(pid: int) -> float:
    """Return the memory of a process, pages shared with its parent counted once where the kernel says (Pss)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def measure(command: list[str], cores: int) -> dict[str, Any]:
    """Run a verb on so many cores and return its seconds and memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = peak_tree_mib(process)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert process.returncode == 0, f"{command} failed"
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor, 1),
        "peak_mib": round(peak),
        "cores": cores,
    }


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=400_000)
    parser.add_argument("--only", default="", help="Run the measurements whose name holds this; keep the others'.")
    arguments = parser.parse_args()
    seeds = str(arguments.data / "gsm8k_train.jsonl")
    verb = [sys.executable, "-m", "mathstrap"]
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        with rows.open("w", encoding="utf-8") as out:
            for row in make_rows(arguments.data, arguments.count):
                out.write(json.dumps(row) + "\n")
        data, clean = ["--data", str(arguments.data)], ["--out", str(Path(folder) / "clean.jsonl")]
        commands = {
            "dedup": [*verb, "dedup", str(rows), *clean],
            "decontaminate": [*verb, "decontaminate", str(rows), *data, "--seeds", seeds, *clean],
            "audit, 1 worker": [*verb, "audit", str(rows), *data, "--seeds", seeds, *clean],
            "audit, 2 workers": [*verb, "audit", str(rows), *data, "--seeds", seeds, *clean, "--workers", "2"],
        }
        result: dict[str, Any] = {"rows": arguments.count, "megabytes": round(rows.stat().st_size / 1e6), "verbs": {}}
        if arguments.only:
            result["verbs"] = earlier_parts("curate_files", "verbs", ("rows", arguments.count))
        for name, command in commands.items():
            if arguments.only in name:
                result["verbs"][name] = facts() | measure(command, 2 if "2 workers" in name else 1)
                print(name, result["verbs"][name], flush=True)
    write_result("curate_files", result)


if __name__ == "__main__":
    main()
