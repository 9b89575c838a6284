"""The sides of bench/engine.py, one per process: each asks the same prompts and prints one line of JSON.

python bench/engine_sides.py SIDE URL --prompts 5000 --in-flight 256 --out DIR
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import importlib.util
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

MODEL = "gpt-4o-mini"
EXAMPLE = (
    "Question: A baker fills {a} trays with 12 rolls each and sells {b} of them. How many rolls are left?\n"
    "Answer: The trays hold rolls, some are sold, the rest is left.\n"
)


def prompts(count: int) -> Iterator[str]:
    """Yield distinct prompts of about 600 characters."""
    head = "".join(EXAMPLE.format(a=a, b=a + 3) for a in range(3, 6))
    for number in range(count):
        yield f"{head}Question: A baker fills {number} trays with 12 rolls each and sells 7. How many stay?\nAnswer:"


def bare(url: str, count: int, in_flight: int, out: Path) -> int:
    """Send with aiohttp and append the text: what a careful person writes in twenty lines."""
    import aiohttp
    import msgspec

    lines = open(out / "bare.jsonl", "ab", buffering=0)  # noqa: SIM115
    waiting = prompts(count)
    done = 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal done
        for prompt in waiting:
            body = {
                "model": MODEL,
                "messages": [{"role": "user", "content": prompt}],
                "temperature": 0.7,
                "max_tokens": 512,
            }
            async with session.post(
                f"{url}/chat/completions",
                data=msgspec.json.encode(body),
                headers={"Content-Type": "application/json", "Authorization": "Bearer x"},
            ) as response:
                reply = msgspec.json.decode(await response.read())
            lines.write(msgspec.json.encode({"text": reply["choices"][0]["message"]["content"]}) + b"\n")
            done += 1

    async def main() -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(work(session) for _ in range(in_flight)))

    asyncio.run(main())
    return done


def mathstrap(url: str, count: int, in_flight: int, out: Path) -> int:
    """Do what a run does: plan, ask, store, with a lock, an index, a budget and an event for everything."""
    from mathstrap.backends import TeacherOptions, open_backend
    from mathstrap.engine.ask import Budget, Meter, ask_all
    from mathstrap.engine.limits import Limits
    from mathstrap.engine.prices import find_price
    from mathstrap.files.rundir import RunDir
    from mathstrap.prompts import request
    from mathstrap.types import Message, Sampling

    sampling = Sampling(temperature=0.7, max_tokens=512)
    plan = (
        request(id=f"seed-{number:06}#0", model=MODEL, messages=(Message("user", prompt),), sampling=sampling)
        for number, prompt in enumerate(prompts(count))
    )
    backend = open_backend(TeacherOptions(model=MODEL, base_url=url, max_in_flight=in_flight))
    seen = 0

    def listen(_event: object) -> None:
        nonlocal seen
        seen += 1

    gc.set_threshold(20_000)  # as the command line does for its own process
    with RunDir.open(out / "run") as run:
        meter = Meter(Budget(max_usd=1000.0), price=find_price(MODEL), spent=run.spent("solve"), log=run.spending())
        report = ask_all(
            run.todo("solve", plan),
            run.sink("solve"),
            backend=backend,
            limits=Limits(max_in_flight=in_flight),
            budget=meter,
            events=listen,
            stage="solve",
        )
    print(report, seen, file=sys.stderr)
    return report.answered


def openai_sdk(url: str, count: int, in_flight: int, out: Path) -> int:
    """AsyncOpenAI with a semaphore."""
    import openai

    lines = open(out / "openai.jsonl", "a")  # noqa: SIM115
    done = 0

    async def main() -> None:
        nonlocal done
        client = openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=2)
        semaphore = asyncio.Semaphore(in_flight)

        async def one(prompt: str) -> None:
            nonlocal done
            async with semaphore:
                reply = await client.chat.completions.create(
                    model=MODEL,
                    messages=[{"role": "user", "content": prompt}],
                    temperature=0.7,
                    max_tokens=512,
                )
            lines.write(json.dumps({"text": reply.choices[0].message.content}) + "\n")
            done += 1

        await asyncio.gather(*(one(prompt) for prompt in prompts(count)))
        await client.close()

    asyncio.run(main())
    return done


def curator(url: str, count: int, in_flight: int, out: Path) -> int:
    """bespokelabs-curator with its limits out of the way."""
    os.environ.update(
        CURATOR_CACHE_DIR=str(out / "curator"), TELEMETRY_ENABLED="0", CURATOR_VIEWER="0", OPENAI_API_KEY="x"
    )
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    litellm = importlib.util.find_spec("litellm")
    if litellm is not None and litellm.origin is not None:  # its copy of the tokenizer, so that none is downloaded
        tokenizers = Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers"
        os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(tokenizers))
    from bespokelabs import curator as package

    class Solve(package.LLM):  # type: ignore[name-defined, misc]
        """The prompt as it is, the reply as it is."""

        def prompt(self, row: dict[str, str]) -> str:
            """Return the prompt."""
            return row["prompt"]

        def parse(self, row: dict[str, str], response: str) -> dict[str, str]:  # noqa: ARG002 curator's signature
            """Return the reply."""
            return {"text": response}

    solve = Solve(
        model_name=MODEL,
        backend="openai",
        generation_params={"temperature": 0.7, "max_tokens": 512},
        backend_params={
            "base_url": url,
            "api_key": "x",
            "max_requests_per_minute": 10_000_000,
            "max_tokens_per_minute": 10_000_000_000,
            "max_concurrent_requests": in_flight,
        },
    )
    rows = solve([{"prompt": prompt} for prompt in prompts(count)])
    return len(getattr(rows, "dataset", rows))


SIDES = {"bare": bare, "mathstrap": mathstrap, "openai": openai_sdk, "curator": curator}
LIBRARIES = {
    "bare": ["aiohttp", "msgspec"],
    "mathstrap": [
        "aiohttp",
        "genai_prices",
        "mathstrap.backends.served.openai",
        "mathstrap.engine.ask",
        "mathstrap.files.rundir",
    ],
    "openai": ["openai"],
    "curator": ["bespokelabs.curator"],
}


def main() -> None:
    """Run the side that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("url")
    parser.add_argument("--prompts", type=int, default=5000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    for name in LIBRARIES[options.side]:  # importing is not what is measured
        importlib.import_module(name)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    answered = SIDES[options.side](options.url, options.prompts, options.in_flight, options.out)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        json.dumps(
            {
                "side": options.side,
                "answered": answered,
                "seconds": seconds,
                "per_second": answered / seconds,
                "cpu_seconds_per_1000": cpu / answered * 1000,
                "peak_rss_mb": after.ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
