"""Call the Batch APIs of Anthropic and Gemini through the interface of OpenAI's."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec

from mathstrap.backends import TeacherOptions
from mathstrap.backends.served.batch_api import PAGE, Batch, BatchApi
from mathstrap.backends.served.batch_shapes import (
    anthropic_line,
    anthropic_params,
    gemini_line,
    gemini_request,
    gemini_state,
)
from mathstrap.backends.served.loose import loose_object
from mathstrap.engine.limits import Limits
from mathstrap.errors import TransientError

ANTHROPIC_VERSION = "2023-06-01"
CLOCKS_APART_SECONDS = 300.0


class InlineBatches(BatchApi):
    """A Batch API that takes the requests in the call that creates the batch, one draw each."""

    draws_per_line = 1

    def __init__(self, options: TeacherOptions, limits: Limits) -> None:
        super().__init__(options, limits)
        self._lines: Sequence[dict[str, Any]] = ()

    async def upload(self, lines: Sequence[dict[str, Any]]) -> str:
        """Keep the lines for the call that creates the batch."""
        self._lines = lines
        return ""


class AnthropicBatches(InlineBatches):
    """Anthropic's Message Batches; they carry no mark of ours, so they are identified by time and size."""

    largest_bytes = 200 << 20  # the service's limits are 256 MB and 100,000 requests

    def __init__(self, options: TeacherOptions, limits: Limits) -> None:
        super().__init__(options, limits)
        self._headers = {"x-api-key": self._endpoint.key, "anthropic-version": ANTHROPIC_VERSION}

    async def create_once(self, file_id: str, *, path: str, token: str) -> Batch:
        """Create the batch; a TransientError leaves open whether it exists."""
        del file_id, path, token
        requests = [{"custom_id": line["custom_id"], "params": anthropic_params(line["body"])} for line in self._lines]
        return _anthropic_batch(await self._object("POST", "/messages/batches", body={"requests": requests}))

    async def find(self, token: str, *, at: float, num_lines: int) -> Batch | None:
        """Return the batch of `num_lines` lines that was created after `at`, or None if the server has none."""
        del token
        after = ""
        while True:
            query = f"limit={PAGE}" + (f"&after_id={after}" if after else "")
            page = await self._object("GET", f"/messages/batches?{query}")
            shown = [batch for batch in page.get("data") or [] if isinstance(batch, dict)]
            for batch in shown:
                counts = batch.get("request_counts")
                total = sum(n for n in counts.values() if isinstance(n, int)) if isinstance(counts, dict) else -1
                created = _seconds(batch.get("created_at"))
                if created < at - CLOCKS_APART_SECONDS:
                    return None  # the newest come first
                if total == num_lines:
                    return _anthropic_batch(batch)
            if not page.get("has_more") or not shown:
                return None
            after = str(shown[-1].get("id"))

    async def look(self, batch_id: str) -> Batch:
        """Return a batch's state."""
        return _anthropic_batch(await self._object("GET", f"/messages/batches/{batch_id}", may_be_missing=True))

    async def download(self, file_id: str) -> bytes:
        """Return the results as OpenAI's lines."""
        data = await self._retried("GET", f"/messages/batches/{file_id}/results")
        return _lines_of([loose_object(line) for line in data.splitlines() if line.strip()], anthropic_line)


class GeminiBatches(InlineBatches):
    """Gemini's batches with the requests inside; the display name carries our token."""

    largest_bytes = 15 << 20  # the service's limit is 20 MB in one call

    def __init__(self, options: TeacherOptions, limits: Limits) -> None:
        super().__init__(options, limits)
        self._endpoint.url = self._endpoint.url.removesuffix("/openai")
        self._headers = {"x-goog-api-key": self._endpoint.key}
        self._results: dict[str, list[Any]] = {}

    async def create_once(self, file_id: str, *, path: str, token: str) -> Batch:
        """Create the batch; a TransientError leaves open whether it exists."""
        del file_id, path
        requests = [
            {"request": gemini_request(line["body"]), "metadata": {"key": line["custom_id"]}} for line in self._lines
        ]
        model = self._model.removeprefix("models/")
        body = {"batch": {"displayName": token, "inputConfig": {"requests": {"requests": requests}}}}
        return self._batch(await self._object("POST", f"/models/{model}:batchGenerateContent", body=body))

    async def find(self, token: str, *, at: float, num_lines: int) -> Batch | None:
        """Return the batch named `token`, or None if the server has none."""
        del at, num_lines
        after = ""
        while True:
            page = await self._object("GET", f"/batches?pageSize={PAGE}" + (f"&pageToken={after}" if after else ""))
            for operation in page.get("operations") or page.get("batches") or []:
                if isinstance(operation, dict) and _meta(operation).get("displayName") == token:
                    return self._batch(operation)
            after = str(page.get("nextPageToken") or "")
            if not after:
                return None

    async def look(self, batch_id: str) -> Batch:
        """Return a batch's state."""
        return self._batch(await self._object("GET", f"/{batch_id}", may_be_missing=True))

    async def download(self, file_id: str) -> bytes:
        """Return the results as OpenAI's lines."""
        if file_id not in self._results:
            await self.look(file_id)
        return _lines_of(self._results.pop(file_id, []), gemini_line)

    def _batch(self, operation: dict[str, Any]) -> Batch:
        name = str(operation.get("name") or "")
        state = gemini_state(_meta(operation).get("state"))
        response = operation.get("response") or _meta(operation).get("output") or {}
        responses = response.get("inlinedResponses") if isinstance(response, dict) else None
        responses = responses.get("inlinedResponses") if isinstance(responses, dict) else responses
        if not name:
            raise TransientError("the reply is not what Gemini's Batch API sends: it names no batch", kind="malformed")
        if isinstance(responses, list):
            self._results[name] = responses
            state = "completed" if operation.get("done") and state == "in_progress" else state
        elif state == "completed":
            state = "in_progress"  # its results follow a moment later
        return Batch(
            id=name, status=state, output_file_id=name if isinstance(responses, list) else None,
            errors=operation.get("error"),
        )  # fmt: skip


def _lines_of(results: Sequence[Any], line_of: Any) -> bytes:
    """Return results as OpenAI's lines; a row that is not an object stays unreadable, so that it is fetched again."""
    return b"".join(msgspec.json.encode(line_of(row)) + b"\n" if isinstance(row, dict) else b"?\n" for row in results)


def _meta(operation: dict[str, Any]) -> dict[str, Any]:
    metadata = operation.get("metadata")
    return metadata if isinstance(metadata, dict) else operation


def _anthropic_batch(shown: dict[str, Any]) -> Batch:
    if not isinstance(shown.get("id"), str):
        raise TransientError("the reply is not what Anthropic's Batch API sends: it names no batch", kind="malformed")
    is_ended = shown.get("processing_status") == "ended"
    return Batch(
        id=shown["id"], status="completed" if is_ended else "in_progress",
        output_file_id=shown["id"] if is_ended else None,
    )  # fmt: skip


def _seconds(time: Any) -> float:
    try:
        return datetime.datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return 0.0
