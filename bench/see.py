"""Measure looking at a large run: counting it, its report, building the explorer, its pages, and the diversity gain.

    python bench/see.py --seeds 53500              # about 600,000 answers, 400,000 samples

Writes JSON: seconds of each step, the slowest of several loads of each page, and peak memory of each step. The run
is synthetic (tests/support/synthetic_run.py); pages are asked of Datasette in the same process, so no network is in
the numbers.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

LOADS = 3


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the wall seconds of one call, and its result."""
    start = time.perf_counter()
    result = work()
    return round(time.perf_counter() - start, 3), result


def peak_megabytes() -> int:
    """Return the most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def build(run: Any, database: Path) -> dict[str, float]:
    """Build the database as the explorer does while it serves, and return wall and processor seconds.

    open_seconds    until pages open, empty; ready_seconds until they show every row, can search and count;
    build_seconds   until the indexes are made by which a filter is faster
    """
    from mathstrap.explore.build import prepare, refresh

    started, processor = time.perf_counter(), time.process_time()
    prepare(run, database)
    found = {"open_seconds": round(time.perf_counter() - started, 2)}
    work = threading.Thread(target=refresh, args=(run, database))
    work.start()
    while work.is_alive():
        work.join(0.2)
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            notes = dict(connection.execute("select name, value from about").fetchall())
        if "ready_seconds" not in found and "version" in notes:
            found["ready_seconds"] = round(time.perf_counter() - started, 2)
            found["ready_processor_seconds"] = round(time.process_time() - processor, 2)
    found["build_seconds"] = round(time.perf_counter() - started, 2)
    return found | {"build_processor_seconds": round(time.process_time() - processor, 2)}


async def pages(datasette: Any, name: str, seed: str) -> dict[str, dict[str, float]]:
    """Return the slowest of a few loads of every page, the first (cold) load among them: wall and CPU seconds.

    The wall is what a reader waits on this machine as busy as it is; CPU time does not depend on other work.
    """
    from mathstrap.explore.schema import ANSWER_FACETS

    def facet(column: str, **filters: str) -> str:
        query = "&".join([f"_facet={column}", *(f"{key}={value}" for key, value in filters.items())])
        return f"/{name}/answers.json?_size=1&{query}"

    urls = {
        "first page": "/",
        "run page": f"/{name}",
        "answers": f"/{name}/answers",
        "answers of one method": f"/{name}/answers?method=fobar",
        "wrong answers of one method": f"/{name}/answers?method=fobar&outcome=wrong",
        "a rare filter": f"/{name}/answers?reason=duplicate&dataset=math&level=Level%205",
        "deep page": f"/{name}/answers?_next=500000",
        "sorted by length": f"/{name}/answers?_sort_desc=rowid&method=rephrase",
        "questions": f"/{name}/questions",
        "rejects": f"/{name}/rejects",
        "search questions": f"/{name}/questions?_search=candles+Noor",
        "search answers, words in most": f"/{name}/answers?_search=compare+simplify",
        "search answers, rare words": f"/{name}/answers?_search=897+83",
        "family": f"/-/family/{name}?id={seed}",
    }
    urls |= {f"facet {column}": facet(column) for column in ANSWER_FACETS}
    urls |= {f"facet {column} of fobar": facet(column, method="fobar") for column in ANSWER_FACETS[1:]}
    urls |= {
        f"facet {column} of wrong": facet(column, outcome="wrong") for column in ANSWER_FACETS if column != "outcome"
    }
    for one, two in combinations(("dataset", "level", "outcome", "kept"), 2):
        values = {"dataset": "math", "level": "Level%203", "outcome": "wrong", "kept": "no"}
        urls[f"facet reason of {one} and {two}"] = facet("reason", **{one: values[one], two: values[two]})
    found = {}
    for label, url in urls.items():
        wall, cpu = [], []
        for _ in range(LOADS):
            start, start_cpu = time.perf_counter(), time.process_time()
            reply = await datasette.client.get(url)
            wall.append(time.perf_counter() - start)
            cpu.append(time.process_time() - start_cpu)
            assert reply.status_code == 200, f"{url}: {reply.status_code}"
            assert "_facet=" not in url or reply.json()["facet_results"], f"{url}: no facet"
        found[label] = {"wall": round(max(wall), 3), "cpu": round(max(cpu), 3)}
        print(f"{max(wall):7.3f} s  {max(cpu):7.3f} s CPU  {label}", flush=True)
    return found


def diversity(new_rows: int, base_rows: int, width: int) -> dict[str, Any]:
    """Return seconds and memory of the distances alone, and what 400,000 x 100,000 takes at that rate."""
    import numpy

    from mathstrap.stats.diversity import nearest_squared

    rng = numpy.random.default_rng(0)
    base = rng.standard_normal((base_rows, width), dtype=numpy.float32)
    new = rng.standard_normal((new_rows, width), dtype=numpy.float32)
    before = peak_megabytes()
    seconds, _ = timed(lambda: nearest_squared(new, base))
    return {
        "new_rows": new_rows,
        "base_rows": base_rows,
        "width": width,
        "seconds": seconds,
        "gflops": round(2 * new_rows * base_rows * width / seconds / 1e9, 1),
        "memory_above_the_vectors_megabytes": peak_megabytes() - before,
        "seconds_for_400000_by_100000": round(seconds * 400_000 / new_rows * 100_000 / base_rows),
    }


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=53_500)
    parser.add_argument("--run", type=Path, default=Path("/tmp/mathstrap-bench-see"), help="made where it is absent")
    parser.add_argument("--new-rows", type=int, default=20_000)
    parser.add_argument("--base-rows", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "see.json")
    parser.add_argument("--only-build", action="store_true", help="measure nothing else, and keep the other results")
    arguments = parser.parse_args()
    from engine import save

    from mathstrap.explore.server import explorer_app, show_runs
    from mathstrap.files.rundir import RunDir
    from mathstrap.report.analysis import analyse_run
    from mathstrap.report.page import render_report
    from synthetic_run import synthetic_run

    results: dict[str, Any] = {}
    if not arguments.only_build:
        # First, in a small process: what was held before would hide what the distances need.
        results["diversity"] = diversity(arguments.new_rows, arguments.base_rows, 384)
        print(results["diversity"], flush=True)
    if not arguments.run.is_dir():
        made = [
            sys.executable,
            "-c",
            "import sys; from synthetic_run import *; synthetic_run(Path(sys.argv[1]), int(sys.argv[2]))",
        ]
        subprocess.run(
            [*made, str(arguments.run), str(arguments.seeds)],
            check=True,
            cwd=Path(synthetic_run.__code__.co_filename).parent,
        )
    run = RunDir.read(arguments.run)
    if not arguments.only_build:
        results["count_seconds"], analysis = timed(lambda: analyse_run(run))
        results["count_peak_megabytes"] = peak_megabytes()
        results["answers"] = analysis.everything.counts["answered"]
        results["samples"] = analysis.everything.counts["kept"]
        results["report_seconds"], html = timed(lambda: render_report(RunDir.read(arguments.run), analysis))
        results["report_megabytes"] = round(len(html) / 1e6, 2)
        results["report_peak_megabytes"] = peak_megabytes()
    cache = arguments.run.parent / f"{arguments.run.name}-explore"
    (shown,) = show_runs([arguments.run], cache)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{shown.database}{suffix}").unlink(missing_ok=True)
    save("build", build(run, shown.database), arguments.out)
    if arguments.only_build:
        return
    results["build_peak_megabytes"] = peak_megabytes()
    with explorer_app([arguments.run], cache) as datasette:
        results["database_megabytes"] = round(shown.database.stat().st_size / 1e6)
        results["nothing_new_seconds"], _ = timed(lambda: datasette.mathstrap.refresh(shown))
        results["page_seconds"] = asyncio.run(pages(datasette, shown.name, "gsm8k-train-00001"))
    results["slowest_page_seconds"] = max(page["wall"] for page in results["page_seconds"].values())
    results["load_average"] = os.getloadavg()[0]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    results |= {"machine": platform.platform(), "processor": platform.processor(), "commit": commit}
    results["date"] = time.strftime("%Y-%m-%d")
    results["build"] = json.loads(arguments.out.read_text())["build"]
    arguments.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps({key: value for key, value in results.items() if key != "page_seconds"}, indent=2))


if __name__ == "__main__":
    main()
