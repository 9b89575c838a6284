"""Measure the reward in eight threads, beside math-verify and the scorers of TRL and verl, on the same replies.

    python bench/reward.py                        # what is installed here: this reward, math-verify
    python bench/reward.py --trl-python PY --verl-python PY    # and TRL's and verl's own, each in its own environment
    python bench/reward.py --export 400000        # formats instead: seconds and memory of each

Replies are the worked solutions of GSM8K's and MATH's test sets as completions, half with their own gold, half with
another's, in the layouts that models write; and the labelled cases of answer checking, attacks left out. Seconds are
processor seconds of the thread that scores, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
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
LAYOUTS = ("So we get it.\nThe answer is: {gold}", "Thus \\boxed{{{gold}}}.", "It follows.\n#### {gold}",
           "<think>Let me see.</think>The final answer is $\\boxed{{{gold}}}$.")  # fmt: skip


def replies(count: int) -> list[Row]:
    """Return rows of reply, gold and label: whole solutions, restated in each layout, right and wrong in turn."""
    sources: list[tuple[str, str]] = []
    for line in (DATA / "gsm8k_test.jsonl").read_text(encoding="utf-8").splitlines():
        body, _, gold = json.loads(line)["answer"].rpartition("####")
        sources.append((body.strip(), gold.strip()))
    for line in (DATA / "math_test.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row.get("answer") and len(row["answer"]) < 100:
            sources.append((row["solution"].rpartition("\\boxed")[0], str(row["answer"])))
    # GSM8K and MATH in turn, not one after the other.
    sources = [pair for both in zip(sources, sources[len(sources) // 2 :], strict=False) for pair in both]
    rows = []
    for number in range(count):
        body, gold = sources[number % len(sources)]
        other = sources[(number + 7) % len(sources)][1]
        label = number // len(LAYOUTS) % 2 == 0
        text = f"{body}\n{LAYOUTS[number % len(LAYOUTS)].format(gold=gold)}"
        rows.append({"reply": text, "gold": gold if label else other, "label": label or other == gold})
    return rows


def labelled() -> list[Row]:
    """Return the labelled answer-checking cases as replies; attacks, which hang other scorers, are left out."""
    rows = []
    for case in load_cases(CASES / "dev.jsonl"):
        if case["tier"] == "core" and case["kind"] not in ("injection", "huge", "long", "nested"):
            is_whole = case["form"] == "completion"
            text = case["prediction"] if is_whole else f"So it is \\boxed{{{case['prediction']}}}."
            rows.append({"reply": text, "gold": case["gold"], "label": bool(case["label"])})
    return rows


def sets(count: int) -> dict[str, list[Row]]:
    """Return the replies by the name of their set."""
    return {"solutions": replies(count), "labelled cases": labelled()[: 2 * count]}


def mathstrap_scorer() -> Callable[[str, str], float | None]:
    """Return the reward as TRL calls it, one completion at a time."""
    from mathstrap.reward import reward

    return lambda reply, gold: reward([[{"role": "assistant", "content": reply}]], [gold])[0]


def math_verify_scorer() -> Callable[[str, str], float | None]:
    """Return math-verify as its documentation calls it, the gold in a box, without time-outs, which need signals."""
    from math_verify import parse, verify

    def score(reply: str, gold: str) -> float | None:
        found = verify(
            parse(f"\\boxed{{{gold}}}", parsing_timeout=None), parse(reply, parsing_timeout=None), timeout_seconds=None
        )
        return float(found)

    return score


def trl_scorer() -> Callable[[str, str], float | None]:
    """Return TRL's accuracy_reward on the gold as a data set holds it."""
    from trl.rewards import accuracy_reward

    return lambda reply, gold: accuracy_reward([[{"role": "assistant", "content": reply}]], [gold])[0]


def verl_scorer(source: str) -> Callable[[str, str], float | None]:
    """Return verl's default score for a data source."""
    from verl.utils.reward_score import default_compute_score

    def score(reply: str, gold: str) -> float | None:
        found = default_compute_score(source, reply, gold)
        return max(float(found["score"] if isinstance(found, dict) else found), 0.0)

    return score


SCORERS: dict[str, Callable[[], Callable[[str, str], float | None]]] = {
    "mathstrap": mathstrap_scorer,
    "math-verify": math_verify_scorer,
    "trl accuracy_reward": trl_scorer,
    "verl MATH": lambda: verl_scorer("lighteval/MATH"),
    "verl gsm8k": lambda: verl_scorer("openai/gsm8k"),
    "verl math_dapo": lambda: verl_scorer("math_dapo"),
}


def judge(name: str, rows: list[Row]) -> Row:
    """Score rows one by one and return rates with Wilson intervals, and the seconds of each call."""
    score = SCORERS[name]()
    seconds, values, errors = [], [], 0
    for row in rows[:5]:  # imports and caches
        score(row["reply"], row["gold"])
    for row in rows:
        began = time.thread_time()
        try:
            values.append(score(row["reply"], row["gold"]))
        except Exception:  # noqa: BLE001  a scorer that raises is counted
            values.append(None)
            errors += 1
        seconds.append(time.thread_time() - began)
    right = [value for row, value in zip(rows, values, strict=True) if row["label"]]
    wrong = [value for row, value in zip(rows, values, strict=True) if not row["label"]]
    return {
        "replies": len(rows), "errors": errors,
        "false_negatives": rate(sum(value != 1.0 for value in right), len(right)),
        "of_these_None": sum(value is None for value in right),
        "false_positives": rate(sum(value == 1.0 for value in wrong), len(wrong)),
        "replies_per_second": round(len(rows) / sum(seconds), 1), **slow_end(seconds),
    }  # fmt: skip


def ratio_by_round(rows: list[Row], rounds: int = 9, count: int = 150) -> Row:
    """Return how many times faster than math-verify the reward is, in rounds that score other replies each."""
    scorers = [mathstrap_scorer(), math_verify_scorer()]
    found: list[float] = []
    for number in range(rounds + 1):
        part = rows[number * count : (number + 1) * count]
        seconds = []
        for score in scorers:
            began = time.process_time()
            for row in part:
                score(row["reply"], row["gold"])
            seconds.append(time.process_time() - began)
        found.append(round(seconds[1] / seconds[0], 1))
    found = sorted(found[1:])  # the first round pays for imports
    return {"median": found[len(found) // 2], "lowest": found[0], "highest": found[-1], "rounds": rounds}


def rate(part: int, whole: int) -> Row:
    """Return a share with its 95 % Wilson interval."""
    share = part / whole
    middle = (share + 1.92 / whole) / (1 + 3.84 / whole)
    half = 1.96 * (share * (1 - share) / whole + 0.96 / whole**2) ** 0.5 / (1 + 3.84 / whole)
    return {
        "count": part,
        "of": whole,
        "share": round(share, 5),
        "interval": [round(max(middle - half, 0), 5), round(middle + half, 5)],
    }


def slow_end(seconds: list[float]) -> Row:
    """Return the slow end of a list of seconds, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 3),
        "p99_ms": round(1000 * ordered[len(ordered) * 99 // 100], 3),
        "worst_ms": round(1000 * ordered[-1], 2),
    }  # fmt: skip


def in_threads(rows: list[Row], num_threads: int, each: int) -> Row:
    """Score `each` replies in every one of several threads at once; seconds are those of the thread."""
    from mathstrap.reward import count_sentence, reset_counts

    score = mathstrap_scorer()
    reset_counts()
    seconds: list[list[float]] = [[] for _ in range(num_threads)]
    wrong = [0] * num_threads
    before = len(multiprocessing.active_children()) + children()

    def work(number: int) -> None:
        for place in range(each):
            row = rows[(place + number * 1_237) % len(rows)]
            began = time.thread_time()
            value = score(row["reply"], row["gold"])
            seconds[number].append(time.thread_time() - began)
            wrong[number] += (value == 1.0) != row["label"]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(num_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [second for part in seconds for second in part]
    return {
        "threads": num_threads, "completions": len(every), "processor_seconds": round(sum(every), 1), **slow_end(every),
        "processes_started": len(multiprocessing.active_children()) + children() - before,
        "disagree_with_label": sum(wrong), "counts": count_sentence(),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }  # fmt: skip


def children() -> int:
    """Return how many processes this one has started and not yet seen the end of."""
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def elsewhere(python: str, names: list[str], count: int) -> Row:
    """Judge scorers in another environment, and return what it found by name; those that fail say why."""
    found: Row = {}
    for name in names:
        command = [python, str(Path(__file__).resolve()), "--judge", name, "--count", str(count)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=3600, check=False)
        lines = done.stdout.strip().splitlines()
        found[name] = json.loads(lines[-1]) if done.returncode == 0 else {"failed": done.stderr.strip()[-300:]}
    return found


def make_run(folder: Path, count: int) -> Path:
    """Write a run of about `count` graded draws, four to a question, one in four wrong."""
    from mathstrap.files.rundir import RunDir
    from mathstrap.types import Candidate, Completion, Problem, Sample, Verdict

    rows = replies(8_000)
    with RunDir.open(folder) as run:

        def problems() -> Any:
            for number in range(count // 4):
                row = rows[number % len(rows)]
                asked = f"{number}: {row['reply'][:200]}?"
                yield Problem(id=f"q-{number:07d}", dataset="q", style="math", question=asked, answer=row["gold"])

        def draws(kind: str) -> Any:
            for number in range(count // 4):
                row = rows[number % len(rows)]
                for draw in range(4):
                    name, is_right = f"q-{number:07d}#{draw}", draw != number % 4
                    if kind == "samples" and not is_right:
                        continue
                    if kind == "candidates":
                        yield Candidate(id=name, problem=name[:-2], text=f"{draw}. {row['reply']}", answer=row["gold"])
                    elif kind == "verdicts":
                        yield Verdict(candidate=name, outcome="correct" if is_right else "wrong", got=row["gold"],
                                      expected=row["gold"], grader="math")  # fmt: skip
                    elif kind == "replies":
                        yield Completion(request=name, key="k", text=row["reply"], finish_reason="stop", model="m",
                                         tokens_in=9, tokens_out=len(row["reply"]) // 4)  # fmt: skip
                    else:
                        yield Sample(id=name, type="MATH_AnsAug", query=f"{number}?", original_question=f"{number}?",
                                     response=row["reply"], problem=name[:-2], seed=name[:-2], dataset="q",
                                     method="ans_aug", answer=row["gold"])  # fmt: skip

        run.write_records("problems", problems())
        for kind in ("candidates", "verdicts"):
            run.write_records(kind, draws(kind))
        run.write_records("samples", draws("samples"))
        run.write_records("completions-solve", draws("replies"))
        run.update_manifest(mathstrap="bench")  # as a run of ours: its samples were curated
    return folder


def export_all(count: int, formats: list[str]) -> Row:
    """Export a run in each format in a process of its own; processor seconds and peak memory of each."""
    from mathstrap.share.export import FORMATS
    from mathstrap.share.formats import GROUP_FORMATS

    found: Row = {"samples": count}
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder) / "run", count)
        for name in formats or [*GROUP_FORMATS, *FORMATS]:
            command = [sys.executable, "-m", "mathstrap", "export", str(run), "--format", name]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            said, _ = process.stdout.read() if process.stdout else "", None
            _, status, usage = os.wait4(process.pid, 0)
            found[name] = {
                "processor_seconds": round(usage.ru_utime + usage.ru_stime, 1), "peak_mib": usage.ru_maxrss >> 10,
                "rows": said.splitlines()[0].partition(": ")[2] if said else "", "status": status,
            }  # fmt: skip
            for suffix in ("jsonl", "parquet"):
                (run / f"export-{name}.{suffix}").unlink(missing_ok=True)
    return found


def main() -> None:
    """Parse, measure, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2_000, help="replies for the comparison")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--each", type=int, default=100_000, help="completions of each thread")
    parser.add_argument("--trl-python", default="")
    parser.add_argument("--verl-python", default="")
    parser.add_argument("--export", type=int, default=0, help="measure exports of so many samples instead")
    parser.add_argument("--formats", nargs="*", default=[], help="with --export: these formats alone")
    parser.add_argument("--only-ratio", action="store_true", help="measure the ratio to math-verify alone, by rounds")
    parser.add_argument("--judge", choices=sorted(SCORERS), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    results = Path(__file__).parent / "results"
    if options.judge:
        print(json.dumps({name: judge(options.judge, rows) for name, rows in sets(options.count).items()}))
        return
    if options.export:
        write_result(options.out or results / "reward_exports.json", export_all(options.export, options.formats))
        return
    rows = replies(8_000)
    if options.only_ratio:
        write_result(options.out or results / "reward_ratio.json", {"solutions": ratio_by_round(rows)})
        return
    scorers = elsewhere(sys.executable, ["mathstrap", "math-verify"], options.count)
    if options.trl_python:
        scorers |= elsewhere(options.trl_python, ["trl accuracy_reward"], options.count)
    if options.verl_python:
        scorers |= elsewhere(options.verl_python, ["verl MATH", "verl gsm8k", "verl math_dapo"], options.count)
    mine = scorers["mathstrap"]
    result = {
        "threads": in_threads(rows, options.threads, options.each), "scorers": scorers,
        "times_faster": {
            name: {
                part: round(mine[part]["replies_per_second"] / found["replies_per_second"], 1)
                for part, found in each.items()
                if isinstance(found, dict)
            }
            for name, each in scorers.items()
            if name != "mathstrap"
        },
    }  # fmt: skip
    write_result(options.out or results / "reward.json", result)


if __name__ == "__main__":
    main()
