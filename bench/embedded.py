"""Measure the engines of the embedded teacher in one run: tokens per second, and agreement with transformers.

    python bench/embedded.py                                  64 prompts, up to 256 new tokens, every engine
    python bench/embedded.py --prompts 16 --tokens 64 --only openvino-f32 llama.cpp
    python bench/embedded.py --model-path FILE.gguf --only openvino-int8 llama.cpp --agreement 0   a larger one
    python bench/embedded.py --write-reference tests/data/embedded_greedy.json

Agreement: greedy replies to 20 bundled problems, up to 96 tokens, compared with transformers in float32 on the same
weights (stored for the bundled model; for another one, `transformers` must be among the engines). `equal` counts
identical replies, `common` is the mean share of a reply before the first difference.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.engine.interface import Backend
from mathstrap.problems.load import SeedsOptions, load_problems
from mathstrap.types import Completion, Message, Request, Sampling

ROOT = Path(__file__).resolve().parents[1]
ENGINES: dict[str, TeacherOptions] = {
    # The first, where it is asked for, is what the others are compared with.
    "transformers": TeacherOptions(backend="hf", settings={"batch_size": 32}),
    "openvino-f32": TeacherOptions(
        backend="embedded", settings={"engine": "openvino", "precision": "f32", "weights": "f16"}
    ),
    "openvino-bf16": TeacherOptions(
        backend="embedded", settings={"engine": "openvino", "precision": "bf16", "weights": "f16"}
    ),
    "openvino-int8": TeacherOptions(
        backend="embedded", settings={"engine": "openvino", "precision": "bf16", "weights": "int8"}
    ),
    "openvino-int8-16": TeacherOptions(
        backend="embedded", settings={"engine": "openvino", "precision": "bf16", "weights": "int8", "sequences": 16}
    ),
    "llama.cpp": TeacherOptions(backend="embedded", settings={"engine": "llama.cpp", "sequences": 16}),
}


def requests_for(questions: list[str], sampling: Sampling, tag: str) -> list[Request]:
    """Return one request per question, as a chat of one turn."""
    return [
        Request(
            id=f"{tag}-{number}#0",
            key=f"{tag}-{number}",
            model="",
            messages=(Message(role="user", content=question),),
            sampling=sampling,
        )
        for number, question in enumerate(questions)
    ]


async def answers(backend: Backend, requests: list[Request]) -> list[Completion]:
    """Ask everything at once."""
    replies = await asyncio.gather(*(backend.ask([request]) for request in requests))
    return [reply[0] for reply in replies]


def same_start(got: str, want: str) -> int:
    """Return how many characters the two begin with in common."""
    return next(
        (place for place, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want))
    )


def agreement(got: list[str], want: list[str]) -> dict[str, Any]:
    """Count identical replies and average the common starts."""
    shares = [same_start(a, b) / max(1, len(b)) for a, b in zip(got, want, strict=True)]
    return {
        "equal": sum(a == b for a, b in zip(got, want, strict=True)),
        "of": len(want),
        "common": round(sum(shares) / len(shares), 3),
    }


async def measure(name: str, args: argparse.Namespace, questions: list[str]) -> dict[str, Any]:
    """Load one engine, take its greedy replies, then its speed."""
    started = time.perf_counter()
    backend = open_backend(replace(ENGINES[name], model_path=args.model_path))
    loaded = time.perf_counter() - started
    greedy = Sampling(temperature=0.0, max_tokens=96)
    texts = [
        reply.text for reply in await answers(backend, requests_for(questions[: args.agreement], greedy, "greedy"))
    ]
    many = [f"{question} Explain every step." for question in (questions * 2)[: args.prompts]]
    sampling = Sampling(temperature=0.7, max_tokens=args.tokens)
    started = time.perf_counter()
    replies = await answers(backend, requests_for(many, sampling, "speed"))
    seconds = time.perf_counter() - started
    await backend.close()
    tokens = sum(reply.tokens_out for reply in replies)
    return {
        "engine": name,
        "load_seconds": round(loaded, 1),
        "tokens_out": tokens,
        "tokens_in": sum(reply.tokens_in for reply in replies),
        "seconds": round(seconds, 1),
        "tokens_per_second": round(tokens / seconds, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "texts": texts,
    }


def in_its_own_process(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Engines bring thread pools and memory of their own: each is measured in a fresh process."""
    given = {
        "--prompts": args.prompts, "--tokens": args.tokens, "--agreement": args.agreement,
        "--model-path": args.model_path,
    }  # fmt: skip
    options = [word for option, value in given.items() for word in (option, str(value))]
    command = [sys.executable, __file__, "--inside", name, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--agreement", type=int, default=20, help="how many greedy replies are compared, 20 at most")
    parser.add_argument("--model-path", default="", help="a GGUF file other than the bundled one")
    parser.add_argument("--only", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "embedded.json")
    parser.add_argument("--write-reference", type=Path)
    parser.add_argument("--inside", choices=list(ENGINES), help=argparse.SUPPRESS)
    args = parser.parse_args()
    questions = [problem.question for problem in load_problems(SeedsOptions(source="bundled:gsm8k")).problems]
    if args.inside:
        print(json.dumps(asyncio.run(measure(args.inside, args, questions))))
        return
    if args.write_reference:
        args.prompts, args.tokens = 1, 1
        texts = in_its_own_process("transformers", args)["texts"]
        rows = [{"question": question, "reply": text} for question, text in zip(questions, texts, strict=False)]
        args.write_reference.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
        return
    reference = json.loads((ROOT / "tests" / "data" / "embedded_greedy.json").read_text())[: args.agreement]
    wanted = [] if args.model_path else [row["reply"] for row in reference]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    report: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "commit": commit.stdout.strip(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "prompts": args.prompts,
        "new_tokens": args.tokens,
        "model": Path(args.model_path).name or "bundled",
        "engines": [],
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    for name in sorted(args.only, key=list(ENGINES).index):
        result = in_its_own_process(name, args)
        texts = result.pop("texts")
        if not wanted and name == "transformers":
            wanted = texts
        if wanted:
            result["agreement"] = agreement(texts, wanted)
        result["load_average"] = round(os.getloadavg()[0], 1)
        print(result, flush=True)
        report["engines"].append(result)
        args.out.write_text(json.dumps(report, indent=1) + "\n")  # after each engine: the slow ones may be cut short


if __name__ == "__main__":
    main()
