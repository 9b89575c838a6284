"""Serve the reward over HTTP, for OpenRLHF, NeMo-Gym and any client that sends JSON. Grades in threads.

GET  /health         the counts so far
POST /reward         {"completions": [...], "golds": [...]}; a single pair by "completion" and "gold"
POST /get_reward     OpenRLHF: {"query": [...], "prompts": [...], "labels": [...]}
POST /verify         NeMo-Gym's resources server, with /seed_session, /aggregate_metrics and /reverify_mode
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mathstrap.share.adapters import column_of, score_queries
from mathstrap.share.reward import GOLD_COLUMNS, RewardOptions, Scored, count_sentence, counts, score
from mathstrap.version import __version__

# Far above a trainer's batch; a larger request is a mistake.
MAX_ITEMS = 100_000
# Replies that a thread grades before it takes another request's replies: a large batch must not delay a small one.
CHUNK = 64
OPEN_HOSTS = ("0.0.0.0", "::")  # noqa: S104  named to warn about them
_REPLIES = ("completions", "responses", "replies", "solution_strs")
_GOLDS = ("golds", "ground_truths", "solutions", "labels", *GOLD_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """The server's address and how it grades.

    host      the address; this machine alone by default, because the server asks for no key
    port      the port; 0 = any free one
    threads   threads that grade
    max_mib   largest body of a request
    reward    how replies are rewarded
    """

    host: str = "127.0.0.1"
    port: int = 8300
    threads: int = 4
    max_mib: int = 256
    reward: RewardOptions = field(default_factory=RewardOptions)


class BadRequest(ValueError):
    """A request that cannot be answered; the message is one sentence for its sender."""


def make_app(options: ServeOptions) -> Any:
    """Return the aiohttp application."""
    from aiohttp import web

    pool = ThreadPoolExecutor(options.threads, thread_name_prefix="mathstrap-reward")

    async def in_pool(work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)

    async def score_pairs(replies: Sequence[Any], golds: Sequence[Any]) -> list[Scored]:
        scored: list[Scored] = []
        for start in range(0, len(replies), CHUNK):
            part = list(zip(replies[start : start + CHUNK], golds[start : start + CHUNK], strict=True))
            scored += await in_pool(lambda part=part: [score(a, b, options.reward) for a, b in part])
        return scored

    def answer(value: Any, status: int = 200) -> Any:
        return web.Response(body=encode_body(value), status=status, content_type="application/json")

    def handler(work: Callable[[dict[str, Any]], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
        async def handle(request: Any) -> Any:
            try:
                body = await request.read()
                sent = await in_pool(decode_body, body) if len(body) > 1 << 20 else decode_body(body)
                return answer(await work(sent))
            except BadRequest as error:
                return answer({"error": str(error)}, 400)
            except web.RequestPayloadError as error:  # cut off, or compressed by another method than its header says
                return answer({"error": f"the body cannot be received: {' '.join(str(error).split())}"}, 400)
            except web.HTTPRequestEntityTooLarge:
                return answer({"error": f"the body is larger than {options.max_mib} MiB; send smaller batches"}, 413)

        return handle

    async def health(request: Any) -> Any:
        del request
        return answer({"status": "ok", "version": __version__, "scored": counts(), "summary": count_sentence()})

    async def reward(sent: dict[str, Any]) -> Any:
        if "query" in sent:
            return await openrlhf(sent)
        is_single, replies, golds = pairs_of(sent)
        scored = await score_pairs(replies, golds)
        return batch_answer(scored)[0] if is_single else columns_of(scored)

    async def openrlhf(sent: dict[str, Any]) -> Any:
        queries = listed(sent.get("query"), "query")
        # A single label or prompt applies to every query.
        prompts, labels = (column_of(sent.get(name), len(queries)) for name in ("prompts", "labels"))
        scored: list[Scored] = []
        for start in range(0, len(queries), CHUNK):
            end = start + CHUNK
            part = (queries[start:end], prompts[start:end], labels[start:end], options.reward)
            scored += await in_pool(score_queries, *part)
        rewards = [each.reward if each.reward is not None else 0.0 for each in scored]
        missing = [float(each.outcome == "undecided") for each in scored]
        return {"rewards": rewards, "scores": rewards, "extra_logs": {"reward_missing": missing}}

    async def verify(sent: dict[str, Any]) -> Any:
        response = sent.get("response")
        output = response.get("output") if isinstance(response, dict) else response
        (scored,) = await score_pairs([gym_reply(output)], [gold_in(sent)])
        value = scored.reward if scored.reward is not None else 0.0
        return {
            **sent, "reward": value, "extracted_answer": scored.got, "outcome": scored.outcome, "reason": scored.reason,
        }  # fmt: skip

    async def seed_session(sent: dict[str, Any]) -> Any:
        del sent
        return {}

    async def aggregate(sent: dict[str, Any]) -> Any:
        responses = sent.get("verify_responses")
        rewards = [
            float(each["reward"])
            for each in (responses if isinstance(responses, list) else [])
            if isinstance(each, dict) and isinstance(each.get("reward"), int | float)
        ]
        mean = {"mean/reward": sum(rewards) / len(rewards)} if rewards else {}
        return {"group_level_metrics": [], "agent_metrics": mean, "key_metrics": mean}

    async def reverify_mode(request: Any) -> Any:
        del request
        return answer("stateless")

    async def close(app: Any) -> None:
        del app
        pool.shutdown(wait=False, cancel_futures=True)

    app = web.Application(client_max_size=options.max_mib << 20)
    app.router.add_get("/health", health)
    app.router.add_get("/reverify_mode", reverify_mode)
    for path, work in (
        ("/reward", reward), ("/get_reward", reward), ("/verify", verify), ("/seed_session", seed_session),
        ("/aggregate_metrics", aggregate),
    ):  # fmt: skip
        app.router.add_post(path, handler(work))
    app.on_cleanup.append(close)
    return app


def decode_body(body: bytes) -> dict[str, Any]:
    """Return a request's JSON object; raises BadRequest for another value."""
    try:
        sent = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Python clients send NaN, lone surrogates and huge integers, which msgspec refuses and json accepts.
        try:
            sent = json.loads(body)
        except (ValueError, RecursionError):
            raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(sent, dict):
        raise BadRequest(f"the body is a JSON {type(sent).__name__}, expected an object")
    return sent


def encode_body(value: Any) -> bytes:
    """Return a value as JSON; a lone surrogate, which msgspec cannot encode, is escaped."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value).encode("ascii")


def listed(value: Any, name: str) -> list[Any]:
    """Return a batch as a list; a single text is a batch of one. Raises BadRequest."""
    items = value if isinstance(value, list) else [value]
    if value is None:
        raise BadRequest(f'"{name}" is missing')
    if len(items) > MAX_ITEMS:
        raise BadRequest(f'"{name}" holds {len(items):,} items, expected at most {MAX_ITEMS:,}')
    return items


def pairs_of(sent: dict[str, Any]) -> tuple[bool, list[Any], list[Any]]:
    """Return whether the request is a single pair, the replies, and one gold per reply. Raises BadRequest."""
    for name in ("completion", "response", "reply", "solution_str"):
        if name in sent:
            return True, [sent[name]], [gold_in(sent)]
    name = next((name for name in _REPLIES if name in sent), "")
    if not name:
        raise BadRequest('expected "completions" and "golds", or "completion" and "gold"')
    replies = listed(sent[name], name)
    golds = next((sent[key] for key in _GOLDS if sent.get(key) is not None), None)
    if not isinstance(golds, list):
        golds = [golds] * len(replies)
    if len(golds) != len(replies):
        raise BadRequest(f"{len(replies):,} completions came with {len(golds):,} golds, expected as many")
    return False, replies, golds


def gold_in(sent: dict[str, Any]) -> Any:
    """Return the gold answer of a request, by any of the usual names, also inside NeMo-Gym's `verifier_metadata`."""
    for place in (sent, sent.get("verifier_metadata")):
        if isinstance(place, dict):
            for name in ("expected_answer", *GOLD_COLUMNS):
                if place.get(name) is not None:
                    return place[name]
    return None


def gym_reply(output: Any) -> Any:
    """Return the messages of a Responses API output; its reasoning and tool calls are other items."""
    if not isinstance(output, list):
        return output
    messages = [item for item in output if isinstance(item, dict) and item.get("type", "message") == "message"]
    if not messages and any(isinstance(item, dict) and "call" in str(item.get("type")) for item in output):
        return [{"role": "assistant", "content": None, "tool_calls": True}]
    return [{"role": "assistant", **item} for item in messages]


def batch_answer(scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return one object for each reply."""
    return [
        {"reward": each.reward, "outcome": each.outcome, "code": each.code, "got": each.got, "reason": each.reason}
        for each in scored
    ]


def columns_of(scored: Sequence[Scored]) -> dict[str, list[Any]]:
    """Return the batch as columns, in the order sent."""
    return {
        "rewards": [each.reward for each in scored], "outcomes": [each.outcome for each in scored],
        "codes": [each.code for each in scored], "got": [each.got for each in scored],
        "reasons": [each.reason for each in scored],
    }  # fmt: skip


async def serve(options: ServeOptions, announce: Callable[[str], None]) -> None:
    """Serve until cancelled; `announce` gets the address once the port is open. Raises InputError."""
    from aiohttp import web

    from mathstrap.errors import InputError

    runner = web.AppRunner(make_app(options), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port)
        try:
            await site.start()
        except OSError as error:
            raise InputError(
                f"{options.host}:{options.port}: cannot listen there ({error.strerror or error}). Name another --port."
            ) from None
        port = runner.addresses[0][1]
        announce(f"http://{options.host}:{port}")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
