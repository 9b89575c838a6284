"""Run the answer checker and math-verify on exams that others published for checkers, with intervals.

    python bench/verify_public.py                                        # what is in the data folder
    python bench/verify_public.py --verifybench verify_bench.jsonl --verifybench-hard verify_bench_hard.jsonl
    python bench/verify_public.py --verifierbench verifierbench.json --var test.json --hacking hacking.jsonl

The published files are read by path, as JSON or JSON Lines; this script downloads nothing. Where each of them is:

    VerifyBench, -Hard  hf: ZJU-REAL/VerifyBench       answer, completion, gold_correct
    VerifierBench       hf: opencompass/VerifierBench  gold_answer, llm_response, gold_judgment (A is right)
    VAR                 hf: IAAR-Shanghai/VAR          correct_answer, llm_output, human_judgment_result
    hacking patterns    hf: hkust-nlp/rl-verifier-pitfalls_hacking_data; every row must be refused

The columns of the first two are those of their cards; the last two were not at hand when this was written, so
several usual spellings are tried.
A file with other columns is read with `--columns gold=...,prediction=...,label=...`. A set whose file is not given is
listed under `not_at_hand`. From the data folder: GSM8K and MATH solutions against their own gold and the next one's,
MATH golds against the golds of other problems, and the hacking patterns of tests/verify/test_hacking.py. Two
problems may share an answer: neighbours whose golds have the same letters and digits are left out.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "verify"))
from verify import GRADERS
from verify_common import DATA, write_result

Row = dict[str, Any]
SETS = ("verifybench", "verifybench-hard", "verifierbench", "var", "hacking")
# The columns these sets use, first the documented one; the rest are spellings seen in copies.
GOLD = ("answer", "gold_answer", "correct_answer", "ground_truth", "reference_answer", "gold")
PREDICTION = ("completion", "llm_response", "llm_output", "response", "prediction", "model_output", "output")
LABEL = (
    "gold_correct",
    "gold_judgment",
    "human_judgment_result",
    "label",
    "correct",
    "judgment",
    "gpt4o_judgment_result",
)
RIGHT = {"a", "correct", "true", "1", "1.0", "yes", "right"}
WRONG = {"b", "c", "incorrect", "false", "0", "0.0", "no", "wrong", "invalid"}


def wilson(part: int, whole: int) -> list[float] | None:
    """Return a proportion with its 95 % Wilson interval, in percent; None of nothing."""
    if not whole:
        return None
    z, p = 1.96, part / whole
    middle = (p + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z * math.sqrt(p * (1 - p) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    return [round(100 * each, 2) for each in (p, max(0.0, middle - half), min(1.0, middle + half))]


def rows_of(path: Path) -> list[Row]:
    """Read a JSON list, or JSON Lines."""
    text = path.read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def published(path: Path, columns: dict[str, str], *, all_wrong: bool = False) -> list[Row]:
    """Return the pairs of a published file with their labels; exits with a sentence where a column is missing."""
    rows = rows_of(path)
    if not rows:
        raise SystemExit(f"{path}: no rows.")
    names: dict[str, str] = {}
    for part, usual in (("gold", GOLD), ("prediction", PREDICTION), ("label", LABEL)):
        name = columns.get(part) or next((name for name in usual if name in rows[0]), "")
        if not name and not (part == "label" and all_wrong):
            raise SystemExit(
                f"{path}: no column for the {part}. Found {', '.join(rows[0])}. Name it with --columns {part}=NAME."
            )
        names[part] = name
    found = []
    for number, row in enumerate(rows):
        label = False if all_wrong else label_of(row[names["label"]], path, number)
        gold, prediction = str(row[names["gold"]]), str(row[names["prediction"]])
        found.append({"gold": gold, "prediction": prediction, "form": "completion", "label": label})
    return found


def label_of(value: Any, path: Path, number: int) -> bool:
    """Read a label: true or false, 1 or 0, A or B, "Correct" or "Incorrect"."""
    text = str(value).strip().lower()
    if text in RIGHT or text in WRONG:
        return text in RIGHT
    raise SystemExit(
        f"{path}: row {number}: the label is {text[:40]!r}. Expected true, false, A, B, correct or incorrect."
    )


def solutions(name: str, split: Callable[[Row], tuple[str, str]], rng: random.Random) -> Iterator[Row]:
    """Yield each published solution with its own gold and with the gold of another problem."""
    pairs = [split(json.loads(line)) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
    golds = [gold for gold, _ in pairs]
    for gold, text in pairs:
        yield {"gold": gold, "prediction": text, "form": "completion", "label": True}
        other = rng.choice(golds)
        if plain(other) != plain(gold):
            yield {"gold": other, "prediction": text, "form": "completion", "label": False}


def plain(gold: str) -> str:
    r"""Return the letters and digits of a gold: `\frac16` and `\frac{1}{6}` are one, and so are 90 and 90 degrees."""
    return re.sub(r"[^0-9A-Za-z]|circ|(?<=\\)[dt](?=frac)|text", "", gold)


def gold_pairs(rng: random.Random, count: int) -> Iterator[Row]:
    """Yield MATH golds wrapped in other ways, which are right, and against other golds, which are not."""
    golds = sorted({gold for gold, _ in math_solutions()})
    wraps: list[Callable[[str], str]] = [
        lambda gold: f"${gold}$",
        lambda gold: f"\\boxed{{{gold}}}",
        lambda gold: f"{gold}.",
    ]
    for gold in golds:
        yield {"gold": gold, "prediction": rng.choice(wraps)(gold), "form": "answer", "label": True}
    for _ in range(count):
        gold, other = rng.sample(golds, 2)
        if plain(gold) != plain(other):
            yield {"gold": gold, "prediction": other, "form": "answer", "label": False}


def math_solutions() -> list[tuple[str, str]]:
    """Return (gold, solution) of MATH's test split."""
    from mathstrap.verify.find.boxes import last_box

    lines = (DATA / "math_test.jsonl").read_text(encoding="utf-8").splitlines()
    solutions = [json.loads(line)["solution"] for line in lines]
    return [(box.content, text) for text in solutions if (box := last_box(text)) is not None]


def hacking_rows(count: int) -> list[Row]:
    """Return every hacking pattern for a sample of GSM8K and MATH golds."""
    from test_hacking import PATTERNS, rows

    sample = random.Random(0).sample(rows(DATA), count)
    return [
        {"gold": gold, "prediction": pattern(gold, question), "form": "completion", "label": False}
        for pattern in PATTERNS.values()
        for gold, question in sample
    ]


def at_hand(options: argparse.Namespace) -> dict[str, list[Row]]:
    """Return the sets that can be read here, largest last."""
    rng = random.Random(0)
    gsm = list(solutions("gsm8k_test.jsonl", lambda row: (row["answer"].rpartition("#### ")[2], row["answer"]), rng))
    from mathstrap.verify.find.boxes import last_box

    def of_math(row: Row) -> tuple[str, str]:
        box = last_box(row["solution"])
        return (box.content if box else "", row["solution"])

    sets = {
        "gsm8k_solutions": gsm,
        "math_solutions": list(solutions("math_test.jsonl", of_math, rng)),
        "math_golds": list(gold_pairs(rng, 3_000)),
        "hacking_patterns": hacking_rows(40),
    }
    for name in SETS:
        path = getattr(options, name.replace("-", "_"))
        if path is not None:
            sets[name] = published(path, options.columns, all_wrong=name == "hacking")
    return sets


def judge(check: Callable[[Row], bool], rows: list[Row]) -> Row:
    """Return accuracy, false positives and false negatives with intervals, and pairs per processor second."""
    called = []
    start = time.process_time()
    for row in rows:
        try:
            called.append(check(row))
        except Exception:  # noqa: BLE001  a checker that raises accepts nothing
            called.append(False)
    seconds = time.process_time() - start
    right = sum(row["label"] for row in rows)
    wrong = len(rows) - right
    false_positives = [row for row, says in zip(rows, called, strict=True) if says and not row["label"]]
    false_negatives = [row for row, says in zip(rows, called, strict=True) if not says and row["label"]]
    return {
        "pairs": len(rows),
        "accuracy_percent": wilson(len(rows) - len(false_positives) - len(false_negatives), len(rows)),
        "false_positives": len(false_positives), "false_positive_percent": wilson(len(false_positives), wrong),
        "false_negatives": len(false_negatives), "false_negative_percent": wilson(len(false_negatives), right),
        "pairs_per_second": round(len(rows) / seconds, 1) if seconds else None,
        "examples": [
            {"gold": row["gold"][:80], "end": row["prediction"][-120:], "label": row["label"]}
            for row in (false_positives + false_negatives)[:5]
        ],
    }  # fmt: skip


def columns(text: str) -> dict[str, str]:
    """Read `gold=a,prediction=b,label=c`."""
    found = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    if not found or not found.keys() <= {"gold", "prediction", "label"}:
        raise argparse.ArgumentTypeError("expected gold=NAME,prediction=NAME,label=NAME")
    return found


def main() -> None:
    """Read, judge with both checkers, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in SETS:
        parser.add_argument(f"--{name}", type=Path, help="path of the published file")
    parser.add_argument("--columns", type=columns, default={}, help="gold=NAME,prediction=NAME,label=NAME")
    parser.add_argument("--peers", nargs="*", default=["mathstrap", "math-verify"], choices=sorted(GRADERS))
    parser.add_argument("--slow-pairs", type=int, default=1_000, help="pairs of each set that math-verify judges")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "verify_public.json")
    options = parser.parse_args()
    sets = at_hand(options)
    result: Row = {"not_at_hand": [name for name in SETS if name not in sets], "sets": {}}
    for name, rows in sets.items():
        random.Random(1).shuffle(rows)
        result["sets"][name] = {}
        for peer in options.peers:
            share = rows[: options.slow_pairs] if peer == "math-verify" else rows
            result["sets"][name][peer] = judge(GRADERS[peer](), share)
    write_result(options.out, result)


if __name__ == "__main__":
    main()
