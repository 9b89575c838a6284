"""Measure how fast requests are planned: masks, drafts, prompts filled in, keys hashed. No model is asked.

    python bench/planning.py --seeds ../shared/data/gsm8k_train.jsonl

Prints and writes JSON: seconds to plan 400,000 requests per prompt shape, and seconds to make every rewrite of the
seeds with the four methods, each beside the time Python's json module needs to serialise the same requests.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from mathstrap.augment import AUGMENTATIONS
from mathstrap.pipeline.solve import solve_requests
from mathstrap.problems.load import SeedsOptions, load_problems
from mathstrap.prompts import choose_prompt
from mathstrap.types import Method, Problem, Sampling

METHODS: tuple[Method, ...] = ("ans_aug", "rephrase", "self_verification", "fobar")


def seconds_of(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="bundled:gsm8k")
    parser.add_argument("--requests", type=int, default=400_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "planning.json")
    arguments = parser.parse_args()
    seeds = load_problems(SeedsOptions(source=arguments.seeds, style="gsm8k")).problems
    sampling = Sampling()

    def plan(problems: list[Problem], shape: str) -> None:
        prompt = choose_prompt("solve", "gsm8k", shape=shape)
        for number in range(arguments.requests):
            problem = problems[number % len(problems)]
            next(solve_requests(problem, [number], prompt=prompt, model="teacher", sampling=sampling))

    def dump(problems: list[Problem], shape: str) -> None:
        prompt = choose_prompt("solve", "gsm8k", shape=shape)
        one = next(solve_requests(problems[0], [0], prompt=prompt, model="teacher", sampling=sampling))
        body = {"model": one.model, "messages": [{"role": m.role, "content": m.content} for m in one.messages]}
        for _ in range(arguments.requests):
            json.dumps(body)

    planning = {shape: seconds_of(lambda shape=shape: plan(seeds, shape)) for shape in ("chat", "fewshot", "tiny")}
    dumping = {shape: seconds_of(lambda shape=shape: dump(seeds, shape)) for shape in ("chat", "fewshot", "tiny")}
    rewriting = {
        method: seconds_of(lambda method=method: [AUGMENTATIONS[method].rewrite(seed, None) for seed in seeds])
        for method in METHODS
    }
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    result = {
        "machine": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "commit": revision.stdout.strip(),
        "seeds": len(seeds),
        "requests": arguments.requests,
        "planning_seconds": {shape: round(value, 2) for shape, value in planning.items()},
        "json_dumps_seconds": {shape: round(value, 2) for shape, value in dumping.items()},
        "rewriting_seconds": {method: round(value, 2) for method, value in rewriting.items()},
    }
    text = json.dumps(result, indent=2)
    print(text)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
