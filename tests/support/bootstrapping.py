"""Helpers of the pipeline tests: a small recipe on the bundled seeds with the fake teacher."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from mathstrap.pipeline.options import RunRecipe
from mathstrap.problems.load import SeedsOptions, load_problems
from mathstrap.recipe import build_recipe

# What a run derives from its replies; manifest.json holds times and is not among them.
DERIVED = (
    "problems.jsonl", "candidates.jsonl", "verdicts.jsonl", "rejects.jsonl", "samples.jsonl", "metrics.json",
    "README.md", "export-metamathqa.jsonl", "export-metamathqa.parquet", "samples.parquet", "report.html",
)  # fmt: skip


def write_golds(path: Path) -> Path:
    """Write the file from which the fake teacher knows the bundled golds."""
    rows = [
        {"id": problem.id, "question": problem.question, "answer": problem.answer}
        for source in ("bundled:gsm8k", "bundled:math")
        for problem in load_problems(SeedsOptions(source=source)).problems
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def small_values(folder: Path, **changes: object) -> dict[str, object]:
    """Return the values of a recipe of 12 seeds, all four methods, the fake teacher."""
    golds = folder / "golds.jsonl"
    if not golds.exists():
        write_golds(golds)
    values: dict[str, object] = {
        "name": "small",
        "out": str(folder / "runs"),
        "rng_seed": 3,
        "seeds": [{"source": "bundled:gsm8k", "limit": 9}, {"source": "bundled:math", "limit": 3}],
        "teacher": {"backend": "fake", "settings": {"golds": str(golds), "accuracy": 0.7}},
        "methods": {"ans_aug": {"draws": 3}, "rephrase": {"count": 2, "draws": 2}},
    }
    return values | changes


def small_recipe(folder: Path, **changes: object) -> RunRecipe:
    """Return the checked recipe of small_values."""
    return build_recipe(RunRecipe, small_values(folder, **changes), "small")


def digests(path: Path) -> dict[str, str]:
    """Return name -> hash of every derived file that exists."""
    return {name: hashlib.sha256((path / name).read_bytes()).hexdigest() for name in DERIVED if (path / name).exists()}
