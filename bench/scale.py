"""Print what 10 thousand to 100 million samples take, from measured rates; docs/scale.md holds what this prints.

    python bench/scale.py            # prints the tables
    python bench/scale.py --write    # puts them into docs/scale.md

Reads bench/results: scale.json (bench/million.py: a small run and one of a million replies) and engine.json.
Everything else that goes into the tables stands under ASSUMED.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "scale.md"
SIZES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
GIB = 1024**3


@dataclass(frozen=True)
class Assumed:
    """What was not measured: a provider's price and latency, and what a prompt and a reply come to in tokens."""

    usd_per_million_in: float = 0.15
    usd_per_million_out: float = 0.60
    tokens_in: int = 250
    tokens_out: int = 150
    seconds_a_reply: float = 4.0
    in_flight: int = 256
    usable_gib: float = 16.0


ASSUMED = Assumed()


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What one run measured: of its replies, how many became samples, and what one reply costs."""

    replies: int
    samples: int
    stages: dict[str, float]  # processor seconds
    floor_mib: float  # before the first question is made
    solve_mib: float  # with every question and the places of all replies
    peak_mib: float
    paid_bytes: float  # per reply
    derived_bytes: float  # per reply

    @property
    def seconds(self) -> float:
        """All stages together, on one core."""
        return sum(self.stages.values())


def load(name: str) -> dict[str, Any]:
    """Return a results file."""
    found: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return found


def runs(command: str) -> list[dict[str, Any]]:
    """Return what `bench/million.py` measured with a command, the smallest run first."""
    found = [entry for name, entry in load("scale.json").items() if name.startswith(f"{command}_")]
    return sorted(found, key=lambda entry: int(entry["replies"]))


def rates_of(entry: dict[str, Any]) -> Rates:
    """Return the rates of a run that was derived."""
    sizes = entry["megabytes"]
    paid = sum(size for name, size in sizes.items() if name.startswith("completions-"))
    return Rates(
        replies=entry["replies"],
        samples=entry["samples"],
        stages={name: stage["processor_seconds"] for name, stage in entry["stages"].items()},
        floor_mib=entry["stages"]["seeds"]["peak_mib"],
        solve_mib=entry["stages"]["solve"]["peak_mib"],
        peak_mib=entry["peak_mib"],
        paid_bytes=paid * 1e6 / entry["replies"],
        derived_bytes=(sum(sizes.values()) - paid) * 1e6 / entry["replies"],
    )


def predict(small: Rates, replies: int) -> tuple[float, float]:
    """Return the processor seconds and the MiB of deriving so many replies, from a smaller run.

    Time grows in proportion, and so does the memory up to the answers; what comes on top of it later (the Parquet
    writer, word vectors for the report) does not.
    """
    ratio = replies / small.replies
    growing, fixed = small.solve_mib - small.floor_mib, small.peak_mib - small.solve_mib
    return small.seconds * ratio, small.floor_mib + growing * ratio + fixed


def memory_line(small: Rates, large: Rates) -> tuple[float, float]:
    """Return the MiB that every run takes and those per reply, from the peaks of two runs."""
    slope = (large.peak_mib - small.peak_mib) / (large.replies - small.replies)
    return small.peak_mib - slope * small.replies, slope


def span(seconds: float) -> str:
    """Return a time in the unit that a person would use."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.0f} s"


def size(number: float) -> str:
    """Return bytes in the unit that a person would use."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= factor:
            return f"{number / factor:,.0f} {unit}" if number >= 10 * factor else f"{number / factor:,.1f} {unit}"
    return f"{number:,.0f} B"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, its first column left-aligned."""
    lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def plan_table(small: Rates, rates: Rates) -> str:
    """Return the table of sizes."""
    kept = rates.samples / rates.replies
    resume = runs("resume")[-1]
    start_mib, reply_mib = memory_line(small, rates)
    sent = load("engine.json")["throughput"]["sides"]["mathstrap"]["per_second"]
    usd_a_reply = (
        ASSUMED.tokens_in * ASSUMED.usd_per_million_in + ASSUMED.tokens_out * ASSUMED.usd_per_million_out
    ) / 1e6
    rows: dict[str, list[str]] = {}
    for samples in SIZES:
        replies = samples / kept
        share = replies / rates.replies
        cells = {
            "replies": f"{replies:,.0f}",
            "price": f"${replies * usd_a_reply:,.0f}",
            f"asking with {ASSUMED.in_flight} in flight": span(replies * ASSUMED.seconds_a_reply / ASSUMED.in_flight),
            "asking as fast as one engine can": span(replies / sent),
            "deriving on one core": span(share * rates.seconds),
            "of it comparing questions": span(share * rates.stages["filter"]),
            "of it grading": span(share * rates.stages["verify"]),
            "memory": f"{(start_mib + replies * reply_mib) / 1024:,.1f} GiB",
            "starting again": span(replies / resume["replies"] * resume["processor_seconds_to_first_request"]),
            "disk, paid for": size(replies * rates.paid_bytes),
            "disk, derived": size(replies * rates.derived_bytes),
        }
        for name, cell in cells.items():
            rows.setdefault(name, []).append(cell)
    return table(["samples", *(f"{samples:,}" for samples in SIZES)], [[name, *cells] for name, cells in rows.items()])


def check_table(small: Rates, large: Rates) -> str:
    """Return what was predicted for the large run from the small one, and what was measured."""
    seconds, mib = predict(small, large.replies)
    before, after = runs("resume")[0], runs("resume")[-1]
    ratio = after["replies"] / before["replies"]
    start = before["processor_seconds_to_first_request"] * ratio
    floor = small.floor_mib
    start_mib = floor + (before["peak_mib_at_first_request"] - floor) * ratio
    entry = runs("derive")[-1]
    return table(
        ["", f"predicted from {small.replies:,} replies", f"measured with {large.replies:,}"],
        [
            ["derive, verify, compare, export: processor time", span(seconds), span(large.seconds)],
            ["the same, by the clock", "", span(entry["seconds"])],
            ["its peak memory", f"{mib / 1024:.1f} GiB", f"{large.peak_mib / 1024:.1f} GiB"],
            [
                "resume, until the first request: processor time", span(start),
                span(after["processor_seconds_to_first_request"]),
            ],
            ["the same, by the clock", "", span(after["seconds_to_first_request"])],
            [
                "its peak memory", f"{start_mib / 1024:.1f} GiB",
                f"{after['peak_mib_at_first_request'] / 1024:.1f} GiB",
            ],
        ],
    )  # fmt: skip


def stage_table(large: Rates) -> str:
    """Return where the time of the large run goes."""
    peaks = {name: stage["peak_mib"] for name, stage in runs("derive")[-1]["stages"].items()}
    rows = [
        [name, span(seconds), f"{seconds / large.replies * 1e6:,.0f}", f"{peaks[name]:,} MiB"]
        for name, seconds in large.stages.items()
    ]
    return table(["stage", "processor time", "µs a reply", "peak memory so far"], rows)


def tables() -> dict[str, str]:
    """Return every table of docs/scale.md by its name."""
    derived = runs("derive")
    small, large = rates_of(derived[0]), rates_of(derived[-1])
    return {"sizes": plan_table(small, large)}


def with_tables(page: str) -> str:
    """Return the page with each table between its marks replaced by the measured one."""
    for name, text in tables().items():
        mark = re.compile(rf"(<!-- table: {name} -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)
        assert len(mark.findall(page)) == 1, f"{PAGE.name} has no single place for the table {name}"
        page = mark.sub(lambda found, text=text: f"{found[1]}{text}{found[2]}", page)
    return page


def main() -> None:
    """Print the tables, or put them into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scale.md")
    if parser.parse_args().write:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    small, large = (rates_of(runs("derive")[place]) for place in (0, -1))
    shown = {**tables(), "stages": stage_table(large), "checked": check_table(small, large)}
    for name, text in shown.items():
        print(f"{name}\n\n{text}\n")


if __name__ == "__main__":
    main()
