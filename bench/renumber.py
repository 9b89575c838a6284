"""Count the seeds that can be renumbered, the rows a core makes of them, and the rows a second execution calls wrong.

python bench/renumber.py --data FOLDER [--count 100]

FOLDER has gsm8k_train.jsonl, svamp_test.jsonl and asdiv_test.jsonl. Times are processor seconds; `per_execution` is the
time for a row divided by the time to execute its solution once, so it does not depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from pathlib import Path

from curate_data import write_result

from mathstrap.augment.renumber import rewrite
from mathstrap.augment.worked import recheck
from mathstrap.types import Problem, Reject


def seeds(path: Path) -> list[Problem]:
    """Return the rows of one of the three sets as seeds with their solution or equation."""
    made = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        tags = {}
        if "Body" in row:
            body = row["Body"] if row["Body"][-1] in ".!?," else f"{row['Body']}."
            question, solution, tags = f"{body} {row['Question']}", "", {"equation": row["Equation"]}
            answer = str(row["Answer"]).removesuffix(".0")
        elif "body" in row:
            question, solution, tags = f"{row['body']} {row['question']}", "", {"equation": row["formula"]}
            answer = re.sub(r"\s*\([^()]*\)\s*$", "", row["answer"])
        else:
            question, solution = row["question"], row["answer"]
            answer = solution.rpartition("####")[2].strip()
        made.append(
            Problem(
                id=f"{path.stem}-{number:05d}", dataset=path.stem, style="gsm8k", question=question, answer=answer,
                solution=solution, tags=tags,
            )
        )  # fmt: skip
    return made


def measure(problems: list[Problem], count: int) -> dict[str, object]:
    """Renumber every seed `count` times and execute each row again."""
    reasons: Counter[str] = Counter()
    rows: list[tuple[str, str]] = []
    usable = 0
    start = time.process_time()
    for problem in problems:
        made = rewrite(problem, count)
        if isinstance(made[0], Reject):
            reasons[made[0].detail.partition(":")[0]] += 1
            continue
        usable += 1
        rows += [(row.solution, row.answer) for row in made if isinstance(row, Problem)]
    seconds = time.process_time() - start
    start = time.process_time()
    wrong = sum(recheck(solution, answer) != "" for solution, answer in rows)
    executing = time.process_time() - start
    return {
        "seeds": len(problems), "usable": usable, "share": usable / len(problems), "rows": len(rows), "wrong": wrong,
        "cpu_seconds": round(seconds, 1), "per_execution": round(seconds / executing, 1) if executing else None,
        "refused": dict(reasons.most_common()),
    }  # fmt: skip


def main() -> None:
    """Measure the three sets and write bench/results/renumber.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--count", type=int, default=100, help="rows per GSM8K seed; the small sets get 3")
    arguments = parser.parse_args()
    found = {}
    for name, count in (("gsm8k_train", arguments.count), ("svamp_test", 3), ("asdiv_test", 3)):
        found[name] = measure(seeds(arguments.data / f"{name}.jsonl"), count)
        print(name, json.dumps(found[name]), flush=True)
    write_result("renumber", found)


if __name__ == "__main__":
    main()
