"""Measure the answer checker on labelled cases against math-verify and the string rule released with MATH, in one run.

    python bench/verify.py                          # everything, about three minutes
    python bench/verify.py --peers mathstrap        # the product alone, seconds
    python bench/verify.py --completions runs/x/completions-solve.jsonl --gold-column gold   # add model outputs

Each grader runs in a process of its own, in an empty directory, one pair after another; a pair that gives no verdict
within `--deadline` seconds counts as a hang and the process is replaced. A file that appears in the directory counts as
executed code. Undecided counts as not correct. Times are processor seconds of the grader's process, so that other work
on the machine does not count; a hang counts with its deadline.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from verify_common import CASES, DATA, load_cases, write_result

Row = dict[str, Any]
Verdict = dict[str, Any]
PEERS = ("mathstrap", "math-verify", "hendrycks")


def mathstrap_grader() -> Callable[[Row], bool]:
    """Return the product's grader."""
    from mathstrap.verify import grade

    return lambda row: grade(row["gold"], row["prediction"], form=row["form"]).outcome == "correct"


def math_verify_grader() -> Callable[[Row], bool]:
    """Return math-verify as its documentation calls it, with its own time-outs."""
    from math_verify import parse, verify

    def delimited(text: str) -> str:
        return text if "$" in text or "\\boxed" in text or "\\[" in text or "\\(" in text else f"${text}$"

    def check(row: Row) -> bool:
        prediction = row["prediction"] if row["form"] == "completion" else delimited(row["prediction"])
        return bool(verify(parse(delimited(row["gold"])), parse(prediction)))

    return check


def hendrycks_grader() -> Callable[[Row], bool]:
    """Return the string rule released with MATH: the last box of a completion, compared as a normalised string."""
    from mathstrap.verify import grade

    return lambda row: grade(row["gold"], row["prediction"], form=row["form"], grader="hendrycks").outcome == "correct"


GRADERS = {"mathstrap": mathstrap_grader, "math-verify": math_verify_grader, "hendrycks": hendrycks_grader}


def serve(name: str) -> None:
    """Grade the rows of stdin, one JSON line each; what a peer's process runs."""
    check = GRADERS[name]()
    replies, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        row = json.loads(line)
        start = time.process_time()
        try:
            if isinstance(row, list):  # many at once, for throughput: no waiting for the next line in between
                verdict, error = sum(map(check, row)) == len(row), ""
            else:
                verdict, error = check(row), ""
        except Exception as caught:  # noqa: BLE001  a peer that raises is counted, not repaired
            verdict, error = False, type(caught).__name__
        seconds = time.process_time() - start
        print(json.dumps({"correct": verdict, "seconds": seconds, "error": error}), file=replies, flush=True)


class Peer:
    """A grader's process: one row in, one verdict out, replaced when it dies or passes the deadline."""

    def __init__(self, name: str, folder: str, deadline: float) -> None:
        self.name, self.folder, self.deadline = name, folder, deadline
        self.start()

    def start(self) -> None:
        """Start the process and a thread that reads its replies."""
        command = [sys.executable, str(Path(__file__).resolve()), "--serve", self.name]
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.replies: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self.read, args=(self.process.stdout, self.replies), daemon=True).start()

    @staticmethod
    def read(stream: Any, replies: queue.Queue[str]) -> None:
        """Move lines from the process to the queue; an empty line marks its end."""
        for line in stream:
            replies.put(line)
        replies.put("")

    def grade(self, row: Row) -> Verdict:
        """Return the verdict on a row, with error "hang" or "crash" where there is none."""
        try:
            self.process.stdin.write(json.dumps({key: row[key] for key in ("gold", "prediction", "form")}) + "\n")  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
            line = self.replies.get(timeout=self.deadline)
            error = "" if line else "crash"
        except (queue.Empty, BrokenPipeError) as caught:
            line, error = "", "hang" if isinstance(caught, queue.Empty) else "crash"
        if error:
            self.process.kill()
            self.process.wait()
            self.start()
            return {"correct": False, "seconds": self.deadline if error == "hang" else 0.0, "error": error}
        return json.loads(line)

    def seconds_for(self, rows: list[Row]) -> float:
        """Return the processor seconds that rows take one after another, without a pause."""
        assert self.process.stdin is not None, "the process reads from a pipe"
        self.process.stdin.write(json.dumps(rows) + "\n")
        self.process.stdin.flush()
        return float(json.loads(self.replies.get())["seconds"])

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def rates(rows: list[Row], verdicts: list[Verdict]) -> dict[str, Any]:
    """Return accuracy, false positives and false negatives of one set of rows."""
    positives = sum(bool(row["label"]) for row in rows)
    false_positives = [
        row["id"] for row, each in zip(rows, verdicts, strict=True) if each["correct"] and not row["label"]
    ]
    false_negatives = [
        row["id"] for row, each in zip(rows, verdicts, strict=True) if not each["correct"] and row["label"]
    ]
    wrong = len(false_positives) + len(false_negatives)
    return {
        "cases": len(rows), "accuracy": round(1 - wrong / len(rows), 5) if rows else None,
        "false_positives": len(false_positives), "false_positive_rate": ratio(len(false_positives),
        len(rows) - positives),
        "false_negatives": len(false_negatives), "false_negative_rate": ratio(len(false_negatives), positives),
        "failed_ids": (false_positives + false_negatives)[:40],
    }  # fmt: skip


def ratio(part: int, whole: int) -> float | None:
    """Return part / whole, or None of nothing."""
    return round(part / whole, 5) if whole else None


def times(verdicts: list[Verdict]) -> dict[str, Any]:
    """Return throughput and the slow end of a list of verdicts, by the seconds measured in the grader's process."""
    seconds = sorted(each["seconds"] for each in verdicts)
    return {
        "pairs": len(seconds), "pairs_per_second": round(len(seconds) / sum(seconds), 1),
        "p50_ms": round(1000 * seconds[len(seconds) // 2], 3),
        "p99_ms": round(1000 * seconds[len(seconds) * 99 // 100], 3),
        "worst_ms": round(1000 * seconds[-1], 1),
    }  # fmt: skip


def gsm8k_rows(count: int) -> list[Row]:
    """Return GSM8K solutions as completions: half with their own gold, half with the next one's."""
    lines = (DATA / "gsm8k_test.jsonl").read_text(encoding="utf-8").splitlines()[:count]
    solutions = [json.loads(line)["answer"] for line in lines]
    golds = [text.rpartition("#### ")[2] for text in solutions]
    return [
        {"id": f"g{index}", "gold": golds[(index + index % 2) % len(golds)], "prediction": text, "form": "completion"}
        for index, text in enumerate(solutions)
    ]


def model_rows(path: Path, options: argparse.Namespace) -> list[Row]:
    """Return the rows of a file of model outputs; labels are not known, so only times and agreement are reported."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        {"id": str(row.get("id", index)), "gold": str(row[options.gold_column]),
         "prediction": str(row[options.text_column]), "form": "completion"}
        for index, row in enumerate(rows)
    ]  # fmt: skip


def measure(name: str, cases: list[Row], outputs: list[Row], options: argparse.Namespace) -> tuple[Row, list[Verdict]]:
    """Run one grader over everything and return its report and its verdicts on the outputs."""
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(name, folder, options.deadline)
        for row in cases[:20]:  # warm-up: imports and caches
            peer.grade(row)
        verdicts = [peer.grade(row) for row in cases]
        share = outputs if name != "math-verify" else outputs[: options.slow_outputs]
        on_outputs = [peer.grade(row) for row in share]
        peer.close()
        executed = sorted(path.name for path in Path(folder).iterdir())

    def only(keep: Callable[[Row], bool]) -> tuple[list[Row], list[Verdict]]:
        pairs = [(row, each) for row, each in zip(cases, verdicts, strict=True) if keep(row)]
        return [row for row, _ in pairs], [each for _, each in pairs]

    core = only(lambda row: row["tier"] == "core")
    report = {
        "core": rates(*core),
        "core_bare": rates(*only(lambda row: row["tier"] == "core" and row["form"] == "answer")),
        "core_completions": rates(*only(lambda row: row["tier"] == "core" and row["form"] == "completion")),
        "core_real_outputs": rates(*only(lambda row: row["tier"] == "core" and "real" in row["kind"])),
        "stated_format": rates(*only(lambda row: "The answer is: " in row["prediction"] and row["tier"] == "core")),
        "policy": rates(*only(lambda row: row["tier"] == "policy")),
        "hard_recall": ratio(sum(each["correct"] for each in only(lambda row: row["tier"] == "hard")[1]),
                             len(only(lambda row: row["tier"] == "hard")[0])),
        "time_all_cases": times(verdicts),
        "time_mixed_without_attacks": times(only(lambda row: row["kind"] not in ("injection", "huge", "long",
        "nested"))[1]),
        "time_outputs": times(on_outputs) if on_outputs else None,
        "executed_files": len(executed), "crashes": sum(each["error"] not in ("", "hang") for each in verdicts),
        "hangs": sum(each["error"] == "hang" for each in verdicts),
    }  # fmt: skip
    return report, on_outputs


def spread_of_ratio(cases: list[Row], outputs: list[Row], options: argparse.Namespace) -> dict[str, Any]:
    """Return how many times faster than math-verify this checker is, once per round, lowest and highest first and last.

    In every round both judge the same pairs one after the other, each in its own process, timed by its processor
    seconds, so that what else the machine does weighs on both. Every round has other pairs, so nothing is answered from
    a cache. Attacks are left out: on them math-verify times out.
    """
    mixed = [row for row in cases if row["kind"] not in ("injection", "huge", "long", "nested")]
    random.Random(0).shuffle(mixed)
    count = options.ratio_pairs
    warm, mixed = mixed[:300], mixed[300:]
    sources = {"mixed": mixed, "outputs": outputs}
    found: dict[str, list[float]] = {name: [] for name in sources}
    with tempfile.TemporaryDirectory() as folder:
        peers = {name: Peer(name, folder, options.deadline) for name in ("mathstrap", "math-verify")}
        for name, peer in peers.items():
            for row in warm if name == "mathstrap" else warm[:30]:  # imports, and what mpmath works out once
                peer.grade(row)
        for number in range(options.rounds):
            for name, source in sources.items():
                start = number * count % max(1, len(source) - count)
                rows = source[start : start + count]
                seconds = {peer: each.seconds_for(rows) for peer, each in peers.items()}
                found[name].append(round(seconds["math-verify"] / seconds["mathstrap"], 1))
        for peer in peers.values():
            peer.close()
    return {
        name: {"median": sorted(each)[len(each) // 2], "lowest": min(each), "highest": max(each), "rounds": len(each)}
        for name, each in found.items()
    }


def main() -> None:
    """Parse, measure each peer, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, default=CASES / "dev.jsonl")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS)
    parser.add_argument("--completions", type=Path, help="model outputs to add, JSON lines")
    parser.add_argument("--gold-column", default="gold")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--deadline", type=float, default=20.0, help="seconds before a pair counts as a hang")
    parser.add_argument("--slow-outputs", type=int, default=400, help="outputs math-verify is timed on")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "verify.json")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the ratio to math-verify")
    parser.add_argument("--ratio-pairs", type=int, default=200, help="pairs a round judges, of each kind")
    parser.add_argument("--only-ratio", action="store_true", help="the ratio alone: verify_ratio.json")
    parser.add_argument("--serve", choices=PEERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    cases = load_cases(options.cases)
    outputs = model_rows(options.completions, options) if options.completions else gsm8k_rows(1319)
    if options.only_ratio:
        write_result(options.out.with_name("verify_ratio.json"), spread_of_ratio(cases, outputs, options))
        return
    reports: dict[str, Any] = {}
    on_outputs: dict[str, list[Verdict]] = {}
    for name in options.peers:
        reports[name], on_outputs[name] = measure(name, cases, outputs, options)
    result: dict[str, Any] = {"outputs": str(options.completions or "gsm8k_test solutions"), "graders": reports}
    if "mathstrap" in reports and "math-verify" in reports:
        mine, theirs = reports["mathstrap"], reports["math-verify"]
        result["ratio_by_round"] = spread_of_ratio(cases, outputs, options)
        slow = len(on_outputs["math-verify"])
        result["times_faster_than_math_verify"] = {
            key: round(mine[key]["pairs_per_second"] / theirs[key]["pairs_per_second"], 1)
            for key in ("time_all_cases", "time_mixed_without_attacks", "time_outputs")
        }
        result["outputs_agreeing_with_math_verify"] = ratio(
            sum(
                a["correct"] == b["correct"]
                for a, b in zip(on_outputs["mathstrap"][:slow], on_outputs["math-verify"], strict=True)
            ),
            slow,
        )
    write_result(options.out, result)


if __name__ == "__main__":
    main()
