"""Measure the verbs that people wait for: a dry run and a starter for 20,000 rows, one seed and the numbers of a run.

    python bench/waits.py

Prints and writes JSON: processor seconds (best of the rounds) of each command, and those of the dry run until its first
line. The rows are synthetic (`million_texts.py`), and so is the run of about 100,000 answers
(tests/support/synthetic_run.py), which holds its counted numbers as a finished run does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

ROWS = 20_000
SEEDS = 8_900  # of the run; a seed has about eleven answers
RECIPE = """\
name: waits
out: {folder}/never
seeds: {{source: {folder}/rows.jsonl, style: gsm8k}}
teacher: {{backend: openai, model: gpt-4o-mini}}
methods: {{ans_aug: {{draws: 4}}, rephrase: {{count: 2, draws: 2}}, self_verification: {{}}, fobar: {{}}}}
"""


def make(folder: Path) -> None:
    """Write the rows, a recipe for them, and the run."""
    from million_texts import story

    from mathstrap.files.rundir import RunDir
    from mathstrap.report.analysis import count_run, keep_count
    from synthetic_run import synthetic_run

    with (folder / "rows.jsonl").open("w", encoding="utf-8") as rows:
        for told in map(story, range(ROWS)):
            answer = "\n".join([*told.steps, f"#### {told.answer}"])
            rows.write(json.dumps({"question": told.wordings[0], "answer": answer}) + "\n")
    (folder / "waits.yaml").write_text(RECIPE.format(folder=folder), encoding="utf-8")
    synthetic_run(folder / "run", SEEDS)
    with RunDir.open(folder / "run") as run:
        keep_count(run, count_run(run))


def processor_seconds() -> float:
    """Return the processor time of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def waited(arguments: list[str]) -> tuple[float, float]:
    """Run a verb and return its processor seconds until its first line and until its end."""
    before = processor_seconds()
    with subprocess.Popen(
        [sys.executable, "-m", "mathstrap", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None, "its output is a pipe"
        process.stdout.readline()
        # The 14th and 15th field of the line; the name in front, in brackets, may hold spaces.
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        first = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        process.stdout.read()
    assert process.returncode == 0, f"{arguments[0]} ended with {process.returncode}"
    return first, processor_seconds() - before


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "waits.json")
    options = parser.parse_args()
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        for number in range(options.rounds):
            for verb, arguments in {
                "dry run": ["run", str(folder / "waits.yaml"), "--dry-run"],
                "init": ["init", str(folder / f"{number}.yaml"), "--seeds", str(folder / "rows.jsonl")],
                "show": ["show", "gsm8k-train-00007", "--run", str(folder / "run")],
                "stats": ["stats", str(folder / "run")],
            }.items():
                first, whole = waited(arguments)
                for key, seconds in ((verb, whole), (f"{verb}, first line", first)):
                    best[key] = round(min(best.get(key, seconds), seconds), 2)
    command = ["git", "rev-parse", "--short", "HEAD"]
    revision = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    result = {
        "machine": {"cpu": cpu.partition(": ")[2], "cores": os.cpu_count()},
        "date": time.strftime("%Y-%m-%d"), "commit": revision, "load_average": round(os.getloadavg()[0], 1),
        "rows": ROWS, "processor_seconds": best,
    }  # fmt: skip
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
