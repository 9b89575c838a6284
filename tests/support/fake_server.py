"""A loopback server that answers like an OpenAI-compatible one, and fails in every way one can: for tests and benches.

    python tests/support/fake_server.py --port 8099 --latency 0.05 --fault rate_limit=0.05 --fault server=0.02

It counts what each prompt was charged (`GET /charged`), and can write each charge down before it answers, so that the
count survives. A fault is decided by a hash of prompt, attempt and seed: a run can be repeated.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import hashlib
import json
import os
import threading
from collections import Counter
from typing import Any

from aiohttp import web

LIES: dict[str, Any] = {
    "one": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    "negative": {"prompt_tokens": -5, "completion_tokens": -20, "total_tokens": -25},
    "text": {"prompt_tokens": "many", "completion_tokens": "a few", "total_tokens": "all"},
    "nan": {"prompt_tokens": float("nan"), "completion_tokens": float("nan")},
    "huge": {"prompt_tokens": 10**15, "completion_tokens": 10**15, "total_tokens": 10**16},
    "list": [1, 2, 3],
    "dict": {"prompt_tokens": {"a": 1}, "completion_tokens": None},
}
FAULTS = (
    "rate_limit",
    "rate_limit_after",
    "server",
    "overloaded",
    "hang",
    "reset",
    "malformed",
    "truncated",
    "slow",
    "empty",
)


@dataclasses.dataclass(frozen=True)
class Wire:
    """Bytes that go out as they are, head and body, with pauses between the pieces; then the connection is closed."""

    pieces: tuple[bytes, ...]
    pause: float = 0.0


@dataclasses.dataclass
class Script:
    """How the server behaves; shares are of all calls, and add up to at most 1."""

    latency: float = 0.0
    faults: dict[str, float] = dataclasses.field(default_factory=dict)
    seed: int = 0
    supports_n: str = "yes"  # yes, ignore, refuse
    status: int = 0  # answer every call with this status
    error: Any = None  # and this body
    raw: bytes | None = None  # answer every call with these bytes
    refuses: dict[str, str] = dataclasses.field(default_factory=dict)  # field of the body -> message of the 400
    ends: str = "stop"  # the finish_reason of every reply
    says: str | None = None  # the text of every reply
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    model: str = ""  # answer under this name
    usage: bool = True
    wants: str = ""  # refuse a body without this field
    key: str = ""  # the key that opens the door
    tokens_out: int = 20
    tokens_thought: int = 0  # up to twice as many on top, charged, and said in total_tokens alone
    marks: bool = False  # keep the books by prompt and seed, and end each reply with a mark that tells which it was
    usage_says: str = ""  # of LIES: what the server says it used, whatever it counts itself
    at_once: int = 0  # more calls than this at a time get 429
    per_minute: int = 0
    retry_after: str = "0.05"
    down: bool = False  # 500 for everything
    # prompt -> what its calls get in turn; then as without. An answer is a body, a tuple of status, body and headers,
    # or a Wire; `always` is the answer to every call of any prompt.
    answers: dict[str, list[Any]] = dataclasses.field(default_factory=dict)
    always: Any = None
    charged_path: str = ""
    batch_seconds: float = 0.2
    batch_fault: str = ""  # expire, fail, partial, lose_create (the batch is made, the answer is lost)


def mark_of(prompt: str, seed: Any) -> str:
    """Return what tells a draw from every other one whose seed differs."""
    return hashlib.blake2b(f"{prompt}\0{seed}".encode(), digest_size=10).hexdigest()


class FakeServer:
    """The server and its books."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.charged: Counter[str] = Counter()  # prompt -> draws paid for
        self.attempts: Counter[str] = Counter()  # prompt -> calls
        self.calls = 0
        self.tokens = 0  # charged, by the server's own count
        self.usd = 0.0
        self.in_flight = 0
        self.most_in_flight = 0
        self.bodies: list[dict[str, Any]] = []
        self.addresses: list[str] = []  # of the bodies kept, with their query
        self.sent_headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.keep_bodies = False
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.ledger = open(self.script.charged_path, "a", buffering=1) if self.script.charged_path else None  # noqa: SIM115
        self.url = ""

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_post("/v1/completions", self.chat)
        app.router.add_post("/openai/deployments/{name}/chat/completions", self.chat)  # Azure's classic address
        app.router.add_post("/v1/embeddings", self.embed)
        app.router.add_get("/charged", self.show)
        app.router.add_post("/v1/files", self.upload)
        app.router.add_get("/v1/files/{id}/content", self.content)
        app.router.add_post("/v1/batches", self.create_batch)
        app.router.add_get("/v1/batches", self.list_batches)
        app.router.add_get("/v1/batches/{id}", self.get_batch)
        app.router.add_post("/v1/batches/{id}/cancel", self.cancel_batch)
        return app

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response({"charged": self.charged, "calls": self.calls, "most_in_flight": self.most_in_flight})

    async def embed(self, request: web.Request) -> web.Response:
        """Answer with a vector for each text that depends on the text alone."""
        texts = (await request.json())["input"]
        vectors = [[byte / 255 for byte in hashlib.blake2b(text.encode(), digest_size=8).digest()] for text in texts]
        return web.json_response({"data": [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]})

    def fault_of(self, prompt: str) -> str:
        if not self.script.faults:
            return ""
        attempt = self.attempts[prompt]
        digest = hashlib.blake2b(f"{self.script.seed} {attempt} {prompt}".encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "big") / 2**64
        for name, share in self.script.faults.items():
            if place < share:
                return name
            place -= share
        return ""

    def charge(self, prompt: str, draws: int) -> None:
        self.charged[prompt] += draws
        if self.ledger is not None:
            self.ledger.write(json.dumps({"prompt": prompt, "draws": draws}) + "\n")

    def refusal(self, request: web.Request, body: dict[str, Any]) -> web.Response | None:
        script = self.script
        if script.key and request.headers.get("Authorization") != f"Bearer {script.key}":
            sent = request.headers.get("Authorization", "none")
            return error(401, f"Incorrect API key provided: {sent}", "invalid_api_key")
        if script.raw is not None:
            return web.Response(body=script.raw, status=script.status or 200, headers=script.headers)
        for field, message in script.refuses.items():
            has_it = any(m["role"] == field for m in body.get("messages", ())) if field == "system" else field in body
            if has_it:
                return error(400, message, "unsupported_value")
        if script.status:
            return web.json_response(
                script.error or {"error": {"message": "as told"}}, status=script.status, headers=script.headers
            )
        if script.down:
            return error(500, "down")
        if script.wants and script.wants not in body:
            return error(
                400, f"Unsupported parameter: 'max_tokens'. Use '{script.wants}' instead.", "unsupported_parameter"
            )
        if body.get("n", 1) > 1 and script.supports_n == "refuse":
            return error(400, "n must be 1")
        if script.at_once and self.in_flight > script.at_once:
            return error(
                429,
                "too many at once",
                "rate_limit_exceeded",
                {"Retry-After": script.retry_after} if script.retry_after else {},
            )
        if script.per_minute:
            now = asyncio.get_running_loop().time()
            self.times = [time for time in self.times if time > now - 60.0]
            if len(self.times) >= script.per_minute:
                return error(429, "rate limit reached", "rate_limit_exceeded")
            self.times.append(now)
        return None

    async def chat(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self.answer(request)
        finally:
            self.in_flight -= 1

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        if self.keep_bodies:
            self.bodies.append(body)
            self.addresses.append(str(request.rel_url))
            self.sent_headers.append(dict(request.headers))
        prompt = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
        if self.script.marks:
            prompt = mark_of(prompt, body.get("seed"))
        refused = self.refusal(request, body)
        if refused is not None:
            return refused
        attempt, fault = self.attempts[prompt], self.fault_of(prompt)
        self.attempts[prompt] += 1
        scripted = self.script.answers.get(prompt, [])
        if attempt < len(scripted) or self.script.always is not None:
            answer = scripted[attempt] if attempt < len(scripted) else self.script.always
            if isinstance(answer, Wire):
                return await self.send_as_it_is(request, answer)
            status, data, *rest = answer if isinstance(answer, tuple) else (200, answer)
            if status == 200:
                self.charge(prompt, 1)
            data = data if isinstance(data, bytes) else json.dumps(data).encode()
            headers = {"Content-Type": "application/json"} | (rest[0] if rest else {})
            return web.Response(body=data, status=status, headers=headers)
        if fault == "rate_limit":
            return error(429, "slow down", "rate_limit_exceeded")
        if fault == "rate_limit_after":
            return error(429, "slow down", "rate_limit_exceeded", {"Retry-After": self.script.retry_after})
        if self.script.latency:
            await asyncio.sleep(self.script.latency)
        if fault == "server":
            return error(500, "oops")
        if fault == "overloaded":
            return error(503, "full")
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        draws = body.get("n", 1) if self.script.supports_n == "yes" else 1
        data = self.reply(prompt, body, draws)
        self.charge(prompt, draws)
        if fault == "malformed":
            return web.Response(body=b'{"choices": [{"mess', content_type="application/json")
        if fault == "empty":
            return web.Response(body=b"", content_type="application/json")
        if fault in {"truncated", "slow"}:
            response = web.StreamResponse(
                headers={"Content-Type": "application/json", "Content-Length": str(len(data))}
            )
            await response.prepare(request)
            if fault == "truncated":
                await response.write(data[: len(data) // 2])
                assert request.transport is not None
                request.transport.abort()
                return response
            for start in range(0, len(data), 8):
                await response.write(data[start : start + 8])
                await asyncio.sleep(0.02)
            return response
        return web.Response(body=data, content_type="application/json", headers=self.script.headers)

    async def send_as_it_is(self, request: web.Request, wire: Wire) -> web.Response:
        assert request.transport is not None
        for piece in wire.pieces:
            request.transport.write(piece)
            await asyncio.sleep(wire.pause)
        request.transport.close()
        return web.Response()

    def reply(self, prompt: str, body: dict[str, Any], draws: int) -> bytes:
        number = int.from_bytes(hashlib.blake2b(prompt.encode(), digest_size=4).digest(), "big") % 1000
        choices = []
        for draw in range(draws):
            text = f"Step by step, draw {draw}, this comes to {number}.\nThe answer is: {number}"
            if self.script.marks:
                text = f"Step by step (mark {prompt}), this comes to {number}.\nThe answer is: {number}"
            text = text if self.script.says is None else self.script.says
            choice: dict[str, Any] = {"index": draw, "finish_reason": self.script.ends}
            choice.update({"text": text} if "prompt" in body else {"message": {"role": "assistant", "content": text}})
            choices.append(choice)
        reply: dict[str, Any] = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": self.script.model or body["model"],
            "choices": choices,
        }
        tokens_in, tokens_out = 1 + len(prompt) // 4, self.script.tokens_out * draws
        thought = self.script.tokens_thought * (1 + number % 100 / 100)
        thought = int(thought) * draws
        self.tokens += tokens_in + tokens_out + thought
        self.usd += (tokens_in + 4 * (tokens_out + thought)) / 1e6  # $1 and $4 a million
        if self.script.usage_says:
            reply["usage"] = LIES[self.script.usage_says]
        elif self.script.usage:
            reply["usage"] = {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out + thought,
            }
        return json.dumps(reply).encode()

    # The Batch API

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        field = form["file"]
        assert isinstance(field, web.FileField)
        name = f"file-{len(self.files)}"
        self.files[name] = field.file.read()
        return web.json_response({"id": name, "object": "file", "purpose": str(form["purpose"])})

    async def content(self, request: web.Request) -> web.Response:
        data = self.files.get(request.match_info["id"])
        return web.Response(body=data) if data is not None else error(404, "no such file")

    async def create_batch(self, request: web.Request) -> web.Response:
        refused = self.refusal(request, {})
        if refused is not None:
            return refused
        body = await request.json()
        name = f"batch-{len(self.batches)}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "status": "in_progress",
            "input_file_id": body["input_file_id"],
            "endpoint": body["endpoint"],
            "metadata": body.get("metadata") or {},
            "ready_at": asyncio.get_running_loop().time() + self.script.batch_seconds,
        }
        if self.script.batch_fault == "lose_create":
            self.script.batch_fault = ""
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self.shown(name))

    async def list_batches(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [self.shown(name) for name in reversed(self.batches)], "has_more": False})

    async def get_batch(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self.batches:
            return error(404, "no such batch")
        self.settle(name)
        return web.json_response(self.shown(name))

    async def cancel_batch(self, request: web.Request) -> web.Response:
        return web.json_response(self.shown(request.match_info["id"]))

    def shown(self, name: str) -> dict[str, Any]:
        return {key: value for key, value in self.batches[name].items() if key != "ready_at"}

    def settle(self, name: str) -> None:
        batch = self.batches[name]
        if batch["status"] != "in_progress" or asyncio.get_running_loop().time() < batch["ready_at"]:
            return
        fault, self.script.batch_fault = self.script.batch_fault, ""
        if fault == "fail":
            batch["status"] = "failed"
            batch["errors"] = {"data": [{"code": "invalid_request", "message": "line 1 is no request", "line": 1}]}
            return
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        good, bad = [], []
        for number, line in enumerate(lines):
            body = line["body"]
            prompt = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
            if fault == "expire" and number >= len(lines) // 2:
                bad.append(
                    {
                        "custom_id": line["custom_id"],
                        "response": None,
                        "error": {"code": "batch_expired", "message": "too late"},
                    }
                )
            elif fault == "partial" and number % 3 == 0:
                answer = {"status_code": 500, "body": {"error": {"message": "oops"}}}
                bad.append({"custom_id": line["custom_id"], "response": answer, "error": None})
            elif self.attempts[prompt] < len(self.script.answers.get(prompt, [])):
                scripted = self.script.answers[prompt][self.attempts[prompt]]
                self.attempts[prompt] += 1
                status, reply = scripted[:2] if isinstance(scripted, tuple) else (200, scripted)
                answer = {"status_code": status, "body": reply}
                good.append({"custom_id": line["custom_id"], "response": answer, "error": None})
            else:
                draws = body.get("n", 1) if self.script.supports_n == "yes" else 1
                self.charge(prompt, draws)
                answer = {"status_code": 200, "body": json.loads(self.reply(prompt, body, draws))}
                good.append({"custom_id": line["custom_id"], "response": answer, "error": None})
        batch["status"] = "expired" if fault == "expire" else "completed"
        for field, rows in (("output_file_id", good), ("error_file_id", bad)):
            if rows:
                batch[field] = f"{field}-{name}"
                self.files[batch[field]] = b"".join(json.dumps(row).encode() + b"\n" for row in rows)

    # Running it

    @contextlib.contextmanager
    def running(self) -> Any:
        """Serve from a thread; `url` is the base URL while it runs."""
        started = threading.Event()
        loop = asyncio.new_event_loop()

        async def start() -> web.AppRunner:
            runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
            return runner

        def serve() -> None:
            asyncio.set_event_loop(loop)
            runner = loop.run_until_complete(start())
            started.set()
            loop.run_forever()
            loop.run_until_complete(runner.cleanup())
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert started.wait(10)
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)


def error(status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "code": code, "type": "error"}}, status=status, headers=headers
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=SHARE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--charged", default="", help="write each charge to this file before answering")
    parser.add_argument("--supports-n", default="yes", choices=["yes", "ignore", "refuse"])
    options = parser.parse_args()
    faults = {name: float(share) for name, _, share in (fault.partition("=") for fault in options.fault)}
    unknown = set(faults) - set(FAULTS)
    if unknown:
        parser.error(f"unknown faults {sorted(unknown)}; known: {', '.join(FAULTS)}")
    script = Script(
        latency=options.latency,
        faults=faults,
        seed=options.seed,
        charged_path=options.charged,
        supports_n=options.supports_n,
    )
    server = FakeServer(script)

    async def serve() -> None:
        runner = web.AppRunner(server.app(), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", options.port, backlog=4096).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
        parent = os.getppid()
        while os.getppid() == parent:  # noqa: ASYNC110 a process has no event for its parent's death
            await asyncio.sleep(1)

    asyncio.run(serve())


if __name__ == "__main__":
    main()
