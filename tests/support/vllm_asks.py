"""Ask a vLLM teacher in this process, for tests and benches: reads a task as JSON, prints the replies and the speed.

    python tests/support/vllm_asks.py '{"backend": "vllm", "model_path": "folder", "questions": ["What is 2+2?"]}'

Keys: those of a teacher, `questions`, `max_tokens`, `temperature`, `draws`, and `warm`, asked before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from mathstrap.backends import TeacherOptions, open_backend
from mathstrap.engine.interface import Backend
from mathstrap.recipe import build_recipe
from mathstrap.types import Completion, Message, Request, Sampling


def requests_for(questions: list[str], task: dict[str, Any], purpose: str) -> list[list[Request]]:
    """Return one request per draw, the draws of a question together."""
    sampling = Sampling(temperature=task.get("temperature", 0.0), max_tokens=task.get("max_tokens", 32))
    return [
        [
            Request(
                id=f"{purpose}-{number}#{draw}", key="k", model="", draw=draw, sampling=sampling,
                messages=(Message(role="user", content=question),),
            )
            for draw in range(task.get("draws", 1))
        ]
        for number, question in enumerate(questions)
    ]  # fmt: skip


async def ask(backend: Backend, asked: list[list[Request]]) -> list[Completion]:
    """Ask everything at once: the teacher batches."""
    return [reply for replies in await asyncio.gather(*map(backend.ask, asked)) for reply in replies]


def main() -> None:
    """Do the task of the command line; the replies are the last line printed."""
    task = json.loads(sys.argv[1])
    own = ("questions", "max_tokens", "temperature", "draws", "warm")
    options = build_recipe(TeacherOptions, {key: value for key, value in task.items() if key not in own}, "task")
    started = time.perf_counter()
    backend = open_backend(options)
    loaded = time.perf_counter()
    asyncio.run(ask(backend, requests_for(task.get("warm", []), task, "warm")))
    begun = time.perf_counter()
    replies = asyncio.run(ask(backend, requests_for(task["questions"], task, "question")))
    seconds = time.perf_counter() - begun
    asyncio.run(backend.close())
    print(
        json.dumps(
            {
                "texts": [reply.text for reply in replies],
                "tokens_in": sum(reply.tokens_in for reply in replies),
                "tokens_out": sum(reply.tokens_out for reply in replies),
                "seconds": round(seconds, 3),
                "load_seconds": round(loaded - started, 1),
            }
        )
    )


if __name__ == "__main__":  # vLLM starts processes that import this file
    main()
