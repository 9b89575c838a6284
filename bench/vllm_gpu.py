"""Measure the vLLM teacher on a GPU beside transformers on the same model and prompts, taking turns.

    python bench/vllm_gpu.py

Needs vLLM, the extra train and a GPU. Sides: the hf teacher in bfloat16, vLLM as it is, and vLLM without its prefix
cache; the prompts are few-shot, so that there is a prefix to keep. Writes bench/results/vllm_gpu.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from verify_common import write_result
from vllm_cpu import ask, prompts

RESULTS = Path(__file__).resolve().parent / "results" / "vllm_gpu.json"


def sides(folder: str, batch_size: int) -> dict[str, dict[str, Any]]:
    """Return the teacher of each side."""

    def vllm(**arguments: Any) -> dict[str, Any]:
        settings = {"engine_args": {"dtype": "bfloat16", **arguments}}
        return {"backend": "vllm", "model_path": folder, "n_ctx": 2048, "settings": settings}

    hf = {"backend": "hf", "model_path": folder, "settings": {"dtype": "bfloat16", "batch_size": batch_size}}
    return {"transformers": hf, "vllm": vllm(), "vllm, no prefix cache": vllm(enable_prefix_caching=False)}


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=256, help="of transformers")
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    import torch

    from mathstrap.train.model import resolve_model

    asked = prompts(chosen.prompts)
    task = {
        "questions": asked, "max_tokens": chosen.max_tokens, "draws": chosen.draws, "temperature": 0.7,
        "warm": asked[:8],
    }  # fmt: skip
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(chosen.rounds):
        for name, teacher in sides(resolve_model("embedded"), chosen.batch_size).items():
            made = ask(sys.executable, task | teacher)
            side = found.setdefault(name, {"reply_tokens_per_second": [], "load_seconds": []})
            side["reply_tokens_per_second"].append(round(made["tokens_out"] / made["seconds"], 1))
            side["load_seconds"].append(made["load_seconds"])
            # After every side: time on a GPU may end before the bench does.
            write_result(RESULTS, {
                "device": torch.cuda.get_device_name(), "prompts": chosen.prompts, "draws": chosen.draws,
                "max_tokens": chosen.max_tokens, "batch_size": chosen.batch_size, "sides": found,
            })  # fmt: skip


if __name__ == "__main__":
    main()
