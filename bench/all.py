"""Re-measure what the docs claim, one bench after another, and write docs/results/performance.md.

    python bench/all.py --data ../shared/data            # everything that runs without another tool: about an hour
    python bench/all.py --data ../shared/data --only start verify
    python bench/all.py --page                           # only the page, from the results that are there

Nothing else may run on the machine meanwhile. A bench that fails is named, and its older result stays on the page with
its own commit and date. What needs another tool's environment (engine's competitors, evaluate, vllm) or a GPU is
measured by its own script, whose docstring says how; the page takes its last result.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PAGE = ROOT / "docs" / "results" / "performance.md"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One number: where a bench wrote it, and what it must be.

    result   the file in bench/results, without .json
    path     keys to the number; those to the part that has its own date and commit come first, behind a "|"
    bar      at least, or with `is_most` at most, this
    limit    what bounds it: the machine, the wire, the peer
    """

    what: str
    result: str
    path: str
    bar: float
    unit: str = ""
    is_most: bool = False
    limit: str = ""
    of: Callable[[Any], float] = float


def _first(value: Any) -> float:
    return float(value[0] if isinstance(value, list) else value)


CLAIMS = (
    Claim(what="requests per second, engine against a bare aiohttp loop", result="engine",
          path="throughput_bare|ratio.bare", bar=0.98, unit="x", limit="the wire and the event loop"),
    Claim(what="processor time of the engine per 1,000 requests", result="engine",
          path="throughput_bare|sides.mathstrap.cpu_seconds_per_1000", bar=0.2, unit="s", is_most=True,
          limit="the processor: the bare loop's own time is in The engine"),
    Claim(what="verdicts on mixed pairs against math-verify, median of at least five rounds", result="verify_ratio",
          path="|mixed.median", bar=100, unit="x"),
    Claim(what="verdicts on model outputs against math-verify, median of at least five rounds", result="verify_ratio",
          path="|outputs.median", bar=100, unit="x"),
    Claim(what="slowest verdict of a hundred (p99)", result="verify", path="|graders.mathstrap.time_all_cases.p99_ms",
          bar=2, unit="ms", is_most=True),
    Claim(what="rewards on worked solutions against math-verify, median of nine rounds", result="reward_ratio",
          path="|solutions.median", bar=50, unit="x"),
    Claim(what="slowest reward of a hundred, eight threads (p99)", result="reward", path="|threads.p99_ms", bar=5,
          unit="ms", is_most=True),
    Claim(what="`mathstrap --help`", result="start", path="|processor_seconds.mathstrap --help", bar=0.1, unit="s",
          is_most=True, limit="typer and rich"),
    Claim(what="dry run of 20,000 rows, processor time", result="waits", path="|processor_seconds.dry run", bar=5,
          unit="s", is_most=True),
    Claim(what="first line of that dry run, processor time", result="waits",
          path="|processor_seconds.dry run, first line", bar=1, unit="s", is_most=True),
    Claim(what="`init` for 20,000 rows, processor time", result="waits", path="|processor_seconds.init", bar=1,
          unit="s", is_most=True, limit="every question and gold is read"),
    Claim(what="`show` in a run of 100,000 answers, processor time", result="waits", path="|processor_seconds.show",
          bar=1, unit="s", is_most=True),
    Claim(what="`stats` of a finished run of 100,000 answers, processor time", result="waits",
          path="|processor_seconds.stats", bar=1, unit="s", is_most=True),
    Claim(what="rows renumbered from GSM8K's training set, processor time", result="renumber",
          path="|gsm8k_train.cpu_seconds", bar=300, unit="s", is_most=True),
    Claim(what="near-duplicates among 200,000 questions, processor time", result="curate_dedup",
          path="sides.mathstrap|processor_seconds", bar=6, unit="s", is_most=True),
    Claim(what="decontaminating 400,000 rows, processor time", result="curate_files",
          path="verbs.decontaminate|processor_seconds", bar=30, unit="s", is_most=True),
    Claim(what="auditing 400,000 rows, processor time", result="curate_files",
          path="verbs.audit, 2 workers|processor_seconds", bar=150, unit="s", is_most=True),
    Claim(what="deriving everything from a million replies, processor time", result="scale",
          path="derive_22900_seeds|processor_seconds", bar=90, unit="s", is_most=True),
    Claim(what="coming back to a million replies, to the first request", result="scale",
          path="resume_22900_seeds|seconds_to_first_request", bar=5, unit="s", is_most=True),
    Claim(what="explorer of 400,000 samples, every row shown and searchable, processor time", result="see",
          path="build|ready_processor_seconds", bar=15, unit="s", is_most=True),
    Claim(what="training on a CPU, useful tokens against the reference's way", result="train",
          path="|variants.compiled.times_the_reference", bar=2.5, unit="x"),
    Claim(what="135M teacher on a CPU, tokens per second in bf16, beside vLLM's CPU build", result="vllm",
          path="cpu|sides.embedded bf16.tokens_per_second", bar=900, unit="tokens/s", of=_first),
)  # fmt: skip


def commands(data: Path) -> dict[str, list[str]]:
    """Return what measures each result anew; `all.py` runs them in this order."""
    return {
        "start": ["start.py"],
        "waits": ["waits.py"],
        "verify": ["verify.py"],
        "verify_ratio": ["verify.py", "--only-ratio", "--rounds", "9"],
        "reward": ["reward.py"],
        "reward_ratio": ["reward.py", "--only-ratio"],
        "engine": ["engine.py", "throughput"],
        "renumber": ["renumber.py", "--data", str(data)],
        "curate_dedup": ["curate_dedup.py", "--data", str(data), "--count", "200000"],
        "curate_files": ["curate_files.py", "--data", str(data), "--count", "400000"],
        "train": ["train.py", "--data", str(data / "gsm8k_train.jsonl"), "--fresh"],
        "see": ["see.py", "--seeds", "53500"],
    }


def measure(names: list[str], data: Path) -> list[str]:
    """Run the benches named, one at a time, and return those that failed."""
    failed = []
    for name, command in commands(data).items():
        if names and name not in names:
            continue
        started = time.monotonic()
        done = subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], cwd=ROOT, check=False)
        said = "done" if done.returncode == 0 else "failed"
        print(f"{name}: {said} in {time.monotonic() - started:.0f} s", flush=True)
        failed += [name] if done.returncode else []
    return failed


def read(claim: Claim) -> tuple[float | None, str, str]:
    """Return a claim's number, its machine and its commit with the date; None where it was never measured."""
    path = HERE / "results" / f"{claim.result}.json"
    if not path.exists():
        return None, "", ""
    whole = part = json.loads(path.read_text())
    head, _, tail = claim.path.partition("|")
    for key in filter(None, head.split(".")):
        part = part.get(key) or {}
    value: Any = part
    rest = tail
    while rest and isinstance(value, dict):  # a key may hold a dot: the longest that is there is meant
        keys = [key for key in value if rest == key or rest.startswith(f"{key}.")]
        if not keys:
            return None, "", ""
        key = max(keys, key=len)
        value, rest = value[key], rest[len(key) + 1 :]
    part = part if part.get("date") or part.get("machine") else whole
    machine = part.get("machine") or {}
    told = machine if isinstance(machine, dict) else {}
    cpu = str(told.get("cpu") or "x86-64").replace("(R)", "").replace(" Processor", "")
    cores = told.get("cores") or 2
    commit = str(part.get("commit") or told.get("commit") or "")[:7]
    date = str(part.get("date") or told.get("date") or "")[:10]
    return (None if value is None or value == {} else claim.of(value)), f"{cpu}, {cores} cores", f"{commit}, {date}"


def shown(value: float, unit: str) -> str:
    """Return a number with its unit, in three figures."""
    number = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{number}{'' if unit == 'x' else ' '}{unit}".strip()


def table() -> str:
    """Return the page's table: every claim with its bar, whether it holds, and when and where it was measured."""
    lines = ["| claim | bar | measured | holds | machine | commit, date |", "| --- | ---: | ---: | --- | --- | --- |"]
    for claim in CLAIMS:
        value, machine, when = read(claim)
        sign = "at most" if claim.is_most else "at least"
        bar = f"{sign} {shown(claim.bar, claim.unit)}"
        if value is None:
            lines.append(f"| {claim.what} | {bar} | never measured | no | | |")
            continue
        holds = value <= claim.bar if claim.is_most else value >= claim.bar
        what = claim.what + (f" (limit: {claim.limit})" if claim.limit else "")
        lines.append(
            f"| {what} | {bar} | {shown(value, claim.unit)} | {'yes' if holds else '**no**'} | {machine} | {when} |"
        )
    return "\n".join(lines)


HEAD = """# Performance

Every speed that these pages claim, with the bar it was built for and what was measured last. Made by
`python bench/all.py`; a row keeps the commit and the date of its own measurement, so that a number older than the code
it speaks of can be seen. Ratios are taken within one run, side by side with the other tool; seconds are processor
seconds where the row says so. Bars that do not hold are open work.

"""


def main() -> None:
    """Measure what is asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--only", nargs="*", default=[], help="results to measure anew; none: all")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    chosen = parser.parse_args()
    unknown = set(chosen.only) - set(commands(chosen.data))
    if unknown:
        parser.error(f"no bench {', '.join(sorted(unknown))}; known: {', '.join(commands(chosen.data))}")
    failed = [] if chosen.page else measure(chosen.only, chosen.data)
    PAGE.write_text(HEAD + table() + "\n", encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
