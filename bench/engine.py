"""How close the engine comes to the wire, beside a bare loop, the openai SDK and curator, all in one run.

    python bench/engine.py throughput --competitors /path/to/venv/bin/python
    python bench/engine.py ceiling
    python bench/engine.py memory --prompts 400000
    python bench/engine.py files --replies 400000
    python bench/engine.py all --competitors /path/to/venv/bin/python

Each side runs in a process of its own against bench/quick_server.py, which runs in another. The sides take turns, so
that a busy machine hurts them alike; ratios are of medians. Results: bench/results/engine.json, merged by command.
The competitors' Python has `openai` and `bespokelabs-curator` installed.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "engine.json"


@contextlib.contextmanager
def served(latency: float) -> Iterator[str]:
    """Run the server in its own process and give its URL."""
    server = subprocess.Popen(
        [sys.executable, HERE / "quick_server.py", "--latency", str(latency)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def run_side(side: str, url: str, *, prompts: int, in_flight: int, python: str = sys.executable) -> dict[str, Any]:
    """Run one side and return what it measured."""
    out = Path(tempfile.mkdtemp(prefix="mathstrap-bench-"))
    command = [python, HERE / "engine_sides.py", side, url]
    command += ["--prompts", str(prompts), "--in-flight", str(in_flight), "--out", str(out)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    if done.returncode != 0:
        sys.exit(f"{side} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    assert result["answered"] == prompts, result
    print(
        f"  {side:<10} {result['per_second']:8,.0f} req/s  {result['cpu_seconds_per_1000']:6.2f} CPU s per 1,000"
        f"  {result['peak_rss_mb']:6,.0f} MB",
        flush=True,
    )
    return result


def median(results: list[dict[str, Any]], name: str) -> float:
    """Return the median of one number over the rounds."""
    return statistics.median(result[name] for result in results)


def throughput(options: argparse.Namespace) -> dict[str, Any]:
    """Compare all sides at 256 in flight and 50 ms."""
    sides = ["bare", "mathstrap"]
    slow = ["openai", "curator"] if options.competitors else []
    measured: dict[str, list[dict[str, Any]]] = {side: [] for side in sides + slow}
    print(f"{options.prompts:,} prompts, {options.in_flight} in flight, {options.latency * 1000:g} ms")
    with served(options.latency) as url:
        for round_number in range(options.rounds):
            # The slow sides take a minute each and vary little.
            for side in sides + (slow if round_number == 0 else []):
                python = options.competitors if side in slow else sys.executable
                measured[side].append(
                    run_side(side, url, prompts=options.prompts, in_flight=options.in_flight, python=python)
                )
    ours = median(measured["mathstrap"], "per_second")
    return {
        "settings": {"prompts": options.prompts, "in_flight": options.in_flight, "latency": options.latency},
        "sides": {
            side: {name: median(results, name) for name in ("per_second", "cpu_seconds_per_1000", "peak_rss_mb")}
            for side, results in measured.items()
        },
        "ratio": {side: ours / median(results, "per_second") for side, results in measured.items() if results},
    }


def ceiling(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the share of in-flight / latency that is reached at 500 ms."""
    found = {}
    for in_flight in (256, 1024):
        prompts = in_flight * options.waves
        most = in_flight / 0.5
        print(f"{prompts:,} prompts, {in_flight} in flight, 500 ms: at most {most:,.0f} req/s")
        with served(0.5) as url:
            measured: dict[str, list[dict[str, Any]]] = {"bare": [], "mathstrap": []}
            for _ in range(options.rounds):
                for side, results in measured.items():
                    results.append(run_side(side, url, prompts=prompts, in_flight=in_flight))
        found[str(in_flight)] = {side: median(results, "per_second") / most for side, results in measured.items()}
        print(f"  share of the ceiling: {found[str(in_flight)]}")
    return found


def memory(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the peak of a long run."""
    print(f"{options.prompts:,} prompts, 256 in flight, no latency")
    with served(0.0) as url:
        result = run_side("mathstrap", url, prompts=options.prompts, in_flight=256)
    return {"prompts": options.prompts, **result}


def files(options: argparse.Namespace) -> dict[str, Any]:
    """Time planning with everything done, with half done, and reading everything back, each in a fresh process."""
    out = Path(tempfile.mkdtemp(prefix="mathstrap-bench-"))
    found: dict[str, Any] = {"replies": options.replies}
    try:
        for step in ("write", "plan", "read"):
            command = [sys.executable, __file__, "step", step, "--out", str(out), "--replies", str(options.replies)]
            found[step] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            print(f"  {step:<6} {found[step]['seconds']:6.2f} s  {found[step]['peak_rss_mb']:,.0f} MB", flush=True)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return found


def step(options: argparse.Namespace) -> None:
    """Do one step of `files` and print what it took."""
    from engine_sides import prompts
    from quick_server import TEXT

    from mathstrap.files.rundir import RunDir
    from mathstrap.prompts import request
    from mathstrap.types import Completion, Message, Sampling

    sampling = Sampling(temperature=0.7, max_tokens=512)
    plan = (
        request(
            id=f"gsm8k-train-{number:06}/rephrase.1#0",
            model="m",
            messages=(Message("user", prompt),),
            sampling=sampling,
        )
        for number, prompt in enumerate(prompts(options.replies))
    )
    started = time.perf_counter()
    if options.step == "write":
        with RunDir.open(options.out) as run:
            sink = run.sink("solve")
            for number, asked in enumerate(plan):
                sink.completion(
                    Completion(
                        request=asked.id, key=asked.key, text=f"{TEXT} {number}", finish_reason="stop", tokens_out=130
                    )
                )
        count = options.replies
    elif options.step == "plan":
        with RunDir.open(options.out) as run:
            count = options.replies - sum(1 for _ in run.todo("solve", plan))
    else:
        with RunDir.read(options.out) as run:
            count = sum(1 for completion in run.completions("solve") if completion.text)
    assert count == options.replies, count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - started, "peak_rss_mb": peak}))


def save(name: str, found: dict[str, Any], path: Path = RESULTS) -> None:
    """Merge one command's result into the results file."""
    results = json.loads(path.read_text()) if path.exists() else {}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    results[name] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "machine": {"cores": os.cpu_count(), "cpu": cpu_name(), "python": platform.python_version()},
        **found,
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(found, indent=2))


def cpu_name() -> str:
    """Return the processor's name."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def main() -> None:
    """Run the command that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["throughput", "ceiling", "memory", "files", "all", "step"])
    parser.add_argument("step", nargs="?", choices=["write", "plan", "read"], help="used by files")
    parser.add_argument("--competitors", default="", help="a Python with openai and bespokelabs-curator")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=0, help="throughput: 5000, memory: 400000")
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--waves", type=int, default=40, help="ceiling: prompts per place in flight")
    parser.add_argument("--replies", type=int, default=400_000)
    parser.add_argument("--out", type=Path, default=None, help="used by files")
    options = parser.parse_args()
    if options.command == "step":
        step(options)
        return
    commands = ["throughput", "ceiling", "files", "memory"] if options.command == "all" else [options.command]
    for name in commands:
        chosen = argparse.Namespace(**vars(options))
        chosen.prompts = options.prompts or (400_000 if name == "memory" else 5000)
        key = f"files_{options.replies}" if name == "files" else name
        if name == "throughput" and not options.competitors:
            key = "throughput_bare"  # without the others, whose last numbers stay
        save(key, {"throughput": throughput, "ceiling": ceiling, "memory": memory, "files": files}[name](chosen))


if __name__ == "__main__":
    main()
