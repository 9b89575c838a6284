"""Measure the embedded teacher in the run's own process beside copies of it on a Ray cluster of this machine's cores.

    python bench/ray_teacher.py

The same run each time, the sides taking turns: 48 answers to 8 bundled problems and their FOBAR questions. A rate is
the reply tokens of the run over the seconds of its `solve` stage, which begins when a first copy is loaded. Writes
bench/results/ray_teacher.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from engine import save

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "ray_teacher.json"
CORES = os.cpu_count() or 1
SIDES: dict[str, Any] = {
    "in the run's process": "local",
    "one copy of all cores": {"teachers": 1, "teacher_cpus": CORES},
    "a copy per core": {"teachers": CORES, "teacher_cpus": 1},
}


def run(engine: Any, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Make a run and return what its manifest says."""
    values = {
        "name": "rate",
        "out": str(folder),
        "engine": engine,
        "seeds": {"source": "bundled:gsm8k", "limit": options.problems},
        "teacher": {"backend": "embedded"},
        "prompts": {"shape": "tiny"},
        "methods": {"ans_aug": {"draws": 4}},
        "solving": {"max_tokens": options.max_tokens},
    }
    recipe = folder / "rate.yaml"
    recipe.write_text(yaml.safe_dump(values))
    # Ray's workers are nice, and would be slower for that alone wherever something else runs.
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src"), "RAY_worker_niceness": "0"}
    command = [sys.executable, "-m", "mathstrap", "run", str(recipe), "--quiet", "--only", "solve"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{engine} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    manifest = json.loads((folder / "rate" / "manifest.json").read_text())
    return {"tokens_out": manifest["tokens"]["out"], "seconds": manifest["seconds"]["solve"]}


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(options.rounds):
        for side, engine in SIDES.items():
            with tempfile.TemporaryDirectory() as folder:
                made = run(engine, Path(folder), options)
            rates[side].append(round(made["tokens_out"] / made["seconds"], 1))
            print(f"  {side:<24} {rates[side][-1]:8.1f} tokens/s", flush=True)
    save(
        "embedded",
        {
            "problems": options.problems, "draws": 4, "max_tokens": options.max_tokens,
            "load_average": os.getloadavg()[0], "tokens_per_second": rates,
        },
        RESULTS,
    )  # fmt: skip


if __name__ == "__main__":
    main()
