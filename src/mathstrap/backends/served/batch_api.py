"""Call the files and batches endpoints of an OpenAI-compatible server: upload, create, find, look, download."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from mathstrap.backends import TeacherOptions
from mathstrap.backends.served.chat import encode
from mathstrap.backends.served.endpoints import Endpoints, at_path
from mathstrap.backends.served.fault import error_detail, error_for
from mathstrap.backends.served.loose import loose_object
from mathstrap.engine.limits import Limits, backoff
from mathstrap.errors import TeacherError, TransientError
from mathstrap.redact import redact
from mathstrap.types import Request, Sampling

T = TypeVar("T")
PAGE = 100
# error_for needs a request for its messages; these calls concern no particular one.
NO_REQUEST = Request(id="-", key="", model="", messages=(), sampling=Sampling())


class NotFound(TeacherError):
    """The address does not exist: the server has no Batch API, or does not list a new batch yet."""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as the server shows it."""

    id: str
    status: str
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: Any = None
    metadata: dict[str, str] | None = None


class _File(msgspec.Struct):
    id: str


class _Page(msgspec.Struct):
    data: list[Batch]
    has_more: bool = False


def _read(reply: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(reply, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TransientError(f"the reply is not what a Batch API sends: {error}", kind="malformed") from error


class BatchApi:
    """One server's Batch API, in one event loop; every call that is safe to repeat is retried.

    `draws_per_line` is the most draws in one line, 0 for the server's own limit.
    """

    largest_bytes = 100 << 20  # half of OpenAI's limit
    draws_per_line = 0

    def __init__(self, options: TeacherOptions, limits: Limits) -> None:
        import aiohttp

        endpoints = Endpoints(options)
        self._endpoint = endpoints.all[0]
        self._keys = endpoints.keys
        self._model = options.model
        self._limits = limits
        self._rng = random.Random(0)
        self._headers: dict[str, str] = {}  # besides those of the endpoint
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=options.timeout_seconds), trust_env=True
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def upload(self, lines: Sequence[dict[str, Any]]) -> str:
        """Upload a batch's input and return the file's id."""
        import aiohttp

        content = b"\n".join(encode(line) for line in lines) + b"\n"

        def form() -> aiohttp.FormData:
            data = aiohttp.FormData()
            data.add_field("purpose", "batch")
            data.add_field("file", content, filename="mathstrap.jsonl", content_type="application/jsonl")
            return data

        reply = await self._retried("POST", "/files", form=form)
        return _read(reply, _File).id

    async def create_once(self, file_id: str, *, path: str, token: str) -> Batch:
        """Create a batch marked with `token`; a TransientError leaves open whether it exists."""
        body = {
            "input_file_id": file_id,
            "endpoint": f"/v1{path}",
            "completion_window": "24h",
            "metadata": {"mathstrap": token},
        }
        return _read(await self._call("POST", "/batches", body=body), Batch)

    async def find(self, token: str, *, at: float, num_lines: int) -> Batch | None:
        """Return the batch marked with `token`, or None if the server has none.

        `at` (Unix seconds) and `num_lines` tell it apart where a batch carries no mark.
        """
        del at, num_lines
        after = ""
        while True:
            query = f"?limit={PAGE}" + (f"&after={after}" if after else "")
            page = _read(await self._retried("GET", f"/batches{query}"), _Page)
            for batch in page.data:
                if (batch.metadata or {}).get("mathstrap") == token:
                    return batch
            if not page.has_more or not page.data:
                return None
            after = page.data[-1].id

    async def look(self, batch_id: str) -> Batch:
        """Return a batch's state."""
        return _read(await self._retried("GET", f"/batches/{batch_id}", may_be_missing=True), Batch)

    async def download(self, file_id: str) -> bytes:
        """Return a file's content."""
        return await self._retried("GET", f"/files/{file_id}/content")

    async def _object(
        self, method: str, path: str, *, body: Any = None, may_be_missing: bool = False
    ) -> dict[str, Any]:
        """Return the JSON object of a reply; a call with a body is made once."""
        if body is not None:
            reply = await self._call(method, path, body=body)
        else:
            reply = await self._retried(method, path, may_be_missing=may_be_missing)
        page = loose_object(reply)
        if page is None:
            raise TransientError("the reply is not what a Batch API sends: not a JSON object", kind="malformed")
        return page

    async def _retried(
        self, method: str, path: str, *, form: Any = None, may_be_missing: bool = False
    ) -> bytes:
        """Retry a call until it succeeds; with `may_be_missing`, even after a 404, because new batches appear late."""
        for attempt in range(1, self._limits.max_attempts + 1):
            try:
                return await self._call(method, path, form=form)
            except TransientError as error:
                if attempt == self._limits.max_attempts:
                    raise
                await asyncio.sleep(error.retry_after_seconds or backoff(attempt, self._limits, self._rng))
            except NotFound:
                if not may_be_missing or attempt == self._limits.max_attempts:
                    raise
                await asyncio.sleep(backoff(attempt, self._limits, self._rng))
        raise AssertionError("max_attempts is at least 1")

    async def _call(self, method: str, path: str, *, body: Any = None, form: Any = None) -> bytes:
        import aiohttp

        endpoint = self._endpoint
        headers = {**endpoint.headers, **self._headers}
        if self._headers:  # the key is sent in the provider's own header
            headers.pop("Authorization", None)
        if body is None:
            del headers["Content-Type"]  # aiohttp sets it for a form, with the form's boundary
        data = form() if form is not None else None if body is None else msgspec.json.encode(body)
        try:
            async with self._session.request(
                method, at_path(endpoint.url, path), data=data, headers=headers, allow_redirects=False
            ) as response:
                reply: bytes = await response.read()
                if response.status == 200:
                    return reply
                hidden = redact(reply[:20_000].decode("utf-8", "replace"), self._keys).encode()
                if response.status in {404, 405, 501}:
                    detail = error_detail(hidden)
                    raise NotFound(
                        f"{endpoint.shown}{path.partition('?')[0]}: {response.status} {detail} If this server has no "
                        "Batch API, ask it call by call: teacher.backend=openai. Else check teacher.base_url and "
                        "teacher.model."
                    )
                raise error_for(
                    response.status,
                    hidden,
                    response.headers,
                    where=f"{endpoint.shown}{path.partition('?')[0]}",
                    request=msgspec.structs.replace(NO_REQUEST, model=self._model),
                    key_from=endpoint.key_from,
                )
        except TimeoutError:
            raise TransientError(f"{endpoint.shown}{path}: no reply in time", kind="timeout") from None
        except (aiohttp.ClientError, OSError) as error:
            detail = redact(f"{type(error).__name__}: {error}", self._keys)[:300]
            raise TransientError(f"{endpoint.shown}{path}: {detail}", kind="connection") from None
