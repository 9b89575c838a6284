"""Helpers of the study tests: sets in the published shape, a fake teacher, the tiny random Llama."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import tiny_llama
from mathstrap.evaluate.score import ScoredDraw

NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "June")
THINGS = ("apples", "clips", "marbles", "pages", "stamps", "coins", "shells", "pens")
PLACES = ("at the market", "in a drawer", "by the lake", "under the bed", "from her aunt", "in two bags", "on Monday")


def write_svamp(folder: Path, count: int = 90) -> Path:
    """Rows in SVAMP's shape, each with its own wording."""
    rng = random.Random(5)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "svamp_test.jsonl", "w") as file:
        for number in range(count):
            a, b = rng.randint(20, 99), rng.randint(2, 19)
            name, thing, place = rng.choice(NAMES), rng.choice(THINGS), rng.choice(PLACES)
            word = "".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(3))
            row = {
                "Body": f"{name} keeps {a} {word} {thing} {place} and loses {b} of them to {word} {number + 100}",
                "Question": f"How many {word} {thing} are left for {name}?", "Equation": f"( {a}.0 - {b}.0 )",
                "Answer": float(a - b), "Type": "Subtraction", "ID": str(number),
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    return folder


def study_values(folder: Path, **changes: Any) -> dict[str, Any]:
    """A study of two arms, two seeds, two ways of matching; seconds on two cores where its steps share a process."""
    if not (folder / "data").exists():
        write_svamp(folder / "data")
        tiny_llama.save_llama(folder / "model")
        rows = [json.loads(line) for line in (folder / "data" / "svamp_test.jsonl").read_text().splitlines()]
        with open(folder / "golds.jsonl", "w") as file:
            for number, row in enumerate(rows):
                question = f"{row['Body']}. {row['Question']}"
                answer = f"{row['Answer']:g}"
                file.write(json.dumps({"id": f"svamp-{number:05d}", "question": question, "answer": answer}) + "\n")
    values: dict[str, Any] = {
        "name": "tiny", "out": str(folder / "studies"),
        "split": {"sets": ["svamp"], "data": str(folder / "data"), "test": 12, "seeds": 30},
        "bootstrap": {
            "teacher": {"backend": "fake", "settings": {"golds": str(folder / "golds.jsonl"), "accuracy": 0.8}},
            "methods": {"ans_aug": {"draws": 3}, "rephrase": {"count": 1, "draws": 2}},
        },
        "arms": {
            "sft": {"methods": ["seed"]},
            "all": {"methods": ["ans_aug", "rephrase", "self_verification", "fobar"]},
        },
        "sizes": [40], "match": ["samples", "tokens"], "rng_seeds": [0, 1],
        "train": {
            "model": str(folder / "model"), "global_batch": 8, "micro_tokens": 2000, "epochs": 1, "lr": 3e-3,
            "precision": "fp32", "data": {"prompt": "chat"},
        },
        "evaluation": {
            "benchmarks": ["svamp", "svamp-backward-full"], "protocol": "own", "changes": {"max_tokens": 6},
            "teacher": {"backend": "hf"},
        },
    }  # fmt: skip
    return values | changes


def draw(problem: str, *, right: bool, benchmark: str = "svamp", length: int = 10) -> ScoredDraw:
    return ScoredDraw(
        id=f"{problem}#0", problem=problem, benchmark=benchmark, cluster=problem.partition("/")[0], draw=0,
        outcome="correct" if right else "wrong", reason="correct" if right else "wrong_answer", is_correct=right,
        strict=right, flexible=right, symbolic=right, reference=right, got="", expected="1", extractor="",
        grader="math", tier="", detail="", finish_reason="stop", tokens_in=1, tokens_out=1, seconds=0.0, style="gsm8k",
        question="x" * length, solution="", prompt="", text="",
    )  # fmt: skip
