"""Count the correct answers a teacher gives per method, for prompts and temperatures to compare.

    mathstrap run demo && python bench/teacher_yield.py runs/demo --temperature 0.6 0.9 --draws 4
    python bench/teacher_yield.py runs/demo --backward my_backward.txt --solve my_solve.txt

The problems are those of a run directory, so every variant answers the same questions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from pathlib import Path

import msgspec

from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.engine.interface import Backend
from mathstrap.pipeline.solve import parse_solution
from mathstrap.prompts import load_prompt, render, request
from mathstrap.types import Candidate, Completion, Problem, Request, Sampling
from mathstrap.verify import grade

BACKWARD = {"self_verification", "fobar"}


def plan(problems: list[Problem], args: argparse.Namespace, temperature: float) -> list[list[Request]]:
    """Return the draws of every problem."""
    prompts = {False: load_prompt(args.solve), True: load_prompt(args.backward)}
    sampling = Sampling(temperature=temperature, max_tokens=args.max_tokens)
    return [
        [
            request(
                id=f"{problem.id}#{draw}",
                model="embedded",
                messages=render(prompts[problem.method in BACKWARD], {"question": problem.question}),
                sampling=sampling,
                draw=draw,
            )
            for draw in range(args.draws)
        ]
        for problem in problems
    ]


async def ask(backend: Backend, calls: list[list[Request]]) -> list[list[Completion]]:
    """Ask everything at once."""
    return await asyncio.gather(*(backend.ask(call) for call in calls))


def main() -> None:
    """Measure what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--solve", default="solve.tiny.gsm8k")
    parser.add_argument("--backward", default="backward.tiny.gsm8k")
    parser.add_argument("--temperature", type=float, nargs="+", default=[0.6])
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--max-tokens", type=int, default=80)
    parser.add_argument("--methods", nargs="*", default=[])
    args = parser.parse_args()
    lines = (args.run / "problems.jsonl").read_text().splitlines()
    problems = [msgspec.json.decode(line, type=Problem) for line in lines]
    problems = [problem for problem in problems if not args.methods or problem.method in args.methods]
    backend = open_backend(TeacherOptions(backend="embedded", settings={"precision": "bf16"}))
    for temperature in args.temperature:
        started = time.perf_counter()
        replies = asyncio.run(ask(backend, plan(problems, args, temperature)))
        asked: Counter[str] = Counter()
        correct: Counter[str] = Counter()
        for problem, draws in zip(problems, replies, strict=True):
            for reply in draws:
                asked[problem.method] += 1
                found = parse_solution(problem, reply)
                if isinstance(found, Candidate):
                    correct[problem.method] += grade(problem.answer, found.answer).outcome == "correct"
        seconds = round(time.perf_counter() - started, 1)
        rates = {method: f"{correct[method]}/{asked[method]}" for method in asked}
        print(json.dumps({"temperature": temperature, "seconds": seconds, **rates}))
    asyncio.run(backend.close())


if __name__ == "__main__":
    main()
