"""A run of 200,000 requests: whether memory stays flat, derivation included, and how late the event loop is.

    python bench/long_run.py
    python bench/long_run.py --requests 20000 --json long_run.json

A whole `bootstrap` (planning, asking, grading, curating, exports, report) against bench/quick_server.py in a process of
its own. Twenty times a second the memory of the process is read, beside the replies stored so far; its workers are
not counted. A probe on the event loop asks to be called every 20 ms and notes how late it is, and how late the loop's
own work made it: on a machine with other work the first says little. A server that answers in 0.02 s keeps the loop
busy all the time, and so measures its throughput; a teacher takes longer. Wanted: at most 400 MiB, no growth worth
naming after the first quarter of the replies, and 99 of 100 probes less than 50 ms late.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from engine import served  # noqa: E402
from verify_common import write_result  # noqa: E402

DRAWS = 40
PROBE_SECONDS = 0.02
MOST_MIB, MOST_LAG_MS = 400, 50


class Probed(asyncio.DefaultEventLoopPolicy):
    """Event loops that carry a probe of how late they are."""

    lags: list[float] = []  # noqa: RUF012 one list for all loops of the process
    own: list[float] = []  # noqa: RUF012 what the loop's own work adds to a probe's wait

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Return a loop whose probe is already waiting."""
        loop = super().new_event_loop()

        def probe(wanted: float, used: float) -> None:
            now, cpu = loop.time(), time.thread_time()
            self.lags.append(now - wanted)
            self.own.append(max(0.0, cpu - used - PROBE_SECONDS))
            loop.call_later(PROBE_SECONDS, probe, now + PROBE_SECONDS, cpu)

        loop.call_soon(probe, loop.time(), time.thread_time())
        return loop


def resident_mib() -> float:
    """Return the memory of this process that is in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def measure(requests: int, in_flight: int, url: str, folder: Path) -> dict[str, Any]:
    """Run, and return memory by replies stored, the peak, and how late the loop was."""
    from mathstrap.pipeline import bootstrap
    from mathstrap.pipeline.options import RunRecipe
    from mathstrap.recipe import build_recipe

    seeds = folder / "seeds.jsonl"
    with seeds.open("w") as file:
        for number in range(requests // DRAWS):
            question = f"Tom has {number} apples and buys {number % 97 + 3} more. How many apples does he have?"
            file.write(json.dumps({"question": question, "answer": str(number + number % 97 + 3)}) + "\n")
    values = {
        "name": "long", "out": str(folder / "runs"), "seeds": {"source": str(seeds)}, "dedup": None,
        "teacher": {"backend": "openai", "model": "gpt-4o-mini", "base_url": url},
        "methods": {"ans_aug": {"draws": DRAWS}, "rephrase": {"enabled": False}, "fobar": {"enabled": False},
                    "self_verification": {"enabled": False}},
        "solving": {"seed": 1}, "curate": {"outcome": "wrong"}, "export": {"formats": ["metamathqa"]},
        "limits": {"max_in_flight": in_flight, "watch_replies": 0},
    }  # fmt: skip
    recipe = build_recipe(RunRecipe, values, "long")
    answered = 0
    samples: list[tuple[int, float]] = []
    done = threading.Event()

    def take(event: Any) -> None:
        nonlocal answered
        answered += event.draws if event.kind == "answered" else 0

    def watch() -> None:
        while not done.wait(0.05):
            samples.append((answered, resident_mib()))

    asyncio.set_event_loop_policy(Probed())
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    begun, cpu = time.monotonic(), time.process_time()
    summary = bootstrap(recipe, events=take)
    done.set()
    watcher.join()
    asking = {share: [mib for count, mib in samples if count <= share * answered and count > (share - 0.25) * answered]
              for share in (0.25, 0.5, 0.75, 1.0)}  # fmt: skip
    lags, own = sorted(Probed.lags), sorted(Probed.own)
    return {
        "requests": requests, "answered": answered, "samples_made": summary.num_samples,
        "seconds": round(time.monotonic() - begun, 1), "processor_seconds": round(time.process_time() - cpu, 1),
        "median_mib_by_quarter": {f"{part:.0%}": round(statistics.median(mib)) for part, mib in asking.items() if mib},
        "peak_mib": round(max(mib for _, mib in samples)),
        "peak_mib_while_asking": round(max((mib for count, mib in samples if count < answered), default=0)),
        "lag_ms": {"p50": ms(lags, 0.5), "p99": ms(lags, 0.99), "most": ms(lags, 1.0), "probes": len(lags)},
        "own_lag_ms": {"p50": ms(own, 0.5), "p99": ms(own, 0.99), "most": ms(own, 1.0)},
    }  # fmt: skip


def ms(ordered: list[float], share: float) -> float:
    """Return a quantile of seconds as milliseconds."""
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else 0.0


def main() -> int:
    """Measure; the exit code is 1 where a number is not what is wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--latency", type=float, default=0.3, help="of a reply, in seconds; a saturated loop: 0.02")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "sk-none")
    with tempfile.TemporaryDirectory(prefix="long-run-") as name, served(options.latency) as url:
        result = measure(options.requests, options.in_flight, url, Path(name))
    is_fine = result["peak_mib"] <= MOST_MIB and result["own_lag_ms"]["p99"] <= MOST_LAG_MS
    result["latency"] = options.latency
    if options.json:
        write_result(options.json, result)
    else:
        print(json.dumps(result, indent=2))
    return int(not is_fine)


if __name__ == "__main__":
    sys.exit(main())
