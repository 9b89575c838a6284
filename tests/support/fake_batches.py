"""Fake Batch APIs of Anthropic and Gemini, by their public references, on the fake server's threads and books."""

from __future__ import annotations

import datetime
import json
from typing import Any

from aiohttp import web

from fake_server import FakeServer, error


class FakeAnthropic(FakeServer):
    """`refuse_first` answers so many creations with a 429; each batch ends at the second look."""

    refuse_first = 0
    missing_looks = 0
    outcome = "succeeded"  # of every third line; the others succeed

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/v1/messages/batches", self.create)
        app.router.add_get("/v1/messages/batches", self.list_all)
        app.router.add_get("/v1/messages/batches/{id}", self.show_one)
        app.router.add_get("/v1/messages/batches/{id}/results", self.results)
        return app

    def shown_batch(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        total = len(batch["requests"])
        ended = batch["looks"] >= 2
        counts = {"processing": 0 if ended else total, "succeeded": total if ended else 0, "errored": 0}
        return {
            "id": name, "type": "message_batch", "processing_status": "ended" if ended else "in_progress",
            "request_counts": {**counts, "canceled": 0, "expired": 0}, "created_at": batch["created_at"],
            "results_url": f"{self.url}/messages/batches/{name}/results" if ended else None,
        }  # fmt: skip

    async def create(self, request: web.Request) -> web.Response:
        assert request.headers["x-api-key"] == "k-anthropic"
        assert request.headers["anthropic-version"] == "2023-06-01"
        assert "Authorization" not in request.headers
        if self.refuse_first:
            self.refuse_first -= 1
            return error(429, "enqueued requests exceed the limit of your organization", "rate_limit_error")
        name = f"msgbatch_{len(self.batches)}"
        now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
        self.batches[name] = {"requests": (await request.json())["requests"], "looks": 0, "created_at": now}
        if self.script.batch_fault == "lose_create":
            self.script.batch_fault = ""
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self.shown_batch(name))

    async def list_all(self, request: web.Request) -> web.Response:
        shown = [self.shown_batch(name) for name in reversed(self.batches)]
        return web.json_response({"data": shown, "has_more": False})

    async def show_one(self, request: web.Request) -> web.Response:
        if self.missing_looks:
            self.missing_looks -= 1
            return error(404, "not found", "not_found_error")
        name = request.match_info["id"]
        self.batches[name]["looks"] += 1
        return web.json_response(self.shown_batch(name))

    async def results(self, request: web.Request) -> web.Response:
        lines = []
        for number, asked in enumerate(self.batches[request.match_info["id"]]["requests"]):
            lines.append({"custom_id": asked["custom_id"], "result": self.result(asked["params"], number)})
        return web.Response(body=b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def result(self, params: dict[str, Any], number: int) -> dict[str, Any]:
        self.bodies.append(params)
        prompt = params["messages"][-1]["content"]
        outcome = self.outcome if number % 3 == 0 and self.attempts[prompt] == 0 else "succeeded"
        self.attempts[prompt] += 1
        if outcome == "errored":
            said = {"type": "overloaded_error", "message": "Overloaded"}
            return {"type": "errored", "error": {"type": "error", "error": said}}
        if outcome != "succeeded":
            return {"type": outcome}
        self.charge(prompt, 1)
        content = [{"type": "thinking", "thinking": "Let me see."}, {"type": "text", "text": f"So {prompt}."}]
        usage = {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 11}
        message = {"model": params["model"], "content": content, "stop_reason": "end_turn", "usage": usage}
        return {"type": "succeeded", "message": message}


class FakeGemini(FakeServer):
    """Requests inside the creating call, results inside the operation, which is done at the second look."""

    refuse_first = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/v1beta/models/{call}", self.create)
        app.router.add_get("/v1beta/batches", self.list_all)
        app.router.add_get("/v1beta/batches/{id}", self.show_one)
        return app

    @property
    def base(self) -> str:
        return self.url.removesuffix("/v1") + "/v1beta/openai"

    def operation(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        is_done = batch["looks"] >= 2
        state = "BATCH_STATE_SUCCEEDED" if is_done else "BATCH_STATE_RUNNING"
        shown: dict[str, Any] = {
            "name": name, "metadata": {"displayName": batch["display"], "state": state, "name": name}, "done": is_done,
        }  # fmt: skip
        if is_done:
            shown["response"] = {"inlinedResponses": {"inlinedResponses": [self.result(r) for r in batch["requests"]]}}
        return shown

    async def create(self, request: web.Request) -> web.Response:
        assert request.headers["x-goog-api-key"] == "k-gemini"
        assert "Authorization" not in request.headers
        assert request.match_info["call"] == "gemini-x:batchGenerateContent"
        if self.refuse_first:
            self.refuse_first -= 1
            said = {"code": 429, "message": "Resource has been exhausted.", "status": "RESOURCE_EXHAUSTED"}
            return web.json_response({"error": said}, status=429)
        batch = (await request.json())["batch"]
        name = f"batches/{len(self.batches)}"
        self.batches[name] = {
            "display": batch["displayName"], "requests": batch["inputConfig"]["requests"]["requests"], "looks": 0,
        }  # fmt: skip
        if self.script.batch_fault == "lose_create":
            self.script.batch_fault = ""
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self.operation(name))

    async def list_all(self, request: web.Request) -> web.Response:
        return web.json_response({"operations": [self.operation(name) for name in self.batches]})

    async def show_one(self, request: web.Request) -> web.Response:
        name = f"batches/{request.match_info['id']}"
        self.batches[name]["looks"] += 1
        return web.json_response(self.operation(name))

    def result(self, asked: dict[str, Any]) -> dict[str, Any]:
        request, metadata = asked["request"], asked["metadata"]
        self.bodies.append(request)
        prompt = request["contents"][-1]["parts"][0]["text"]
        if prompt == "p1" and not self.attempts[prompt]:
            self.attempts[prompt] += 1
            return {"metadata": metadata, "error": {"code": 13, "message": "internal"}}
        if prompt == "p2":
            return {"metadata": metadata, "response": {"promptFeedback": {"blockReason": "SAFETY"}}}
        if not self.charged[prompt]:
            self.charge(prompt, 1)
        parts = [{"text": "Let me see.", "thought": True}, {"text": f"So {prompt}."}]
        usage = {"promptTokenCount": 7, "candidatesTokenCount": 5, "thoughtsTokenCount": 6, "totalTokenCount": 18}
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
        return {
            "metadata": metadata,
            "response": {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-x"},
        }
