"""Ask any OpenAI-compatible server over HTTP."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from mathstrap.backends import TeacherOptions
from mathstrap.backends.served.adapt import Adaptation, cut_at_stop
from mathstrap.backends.served.chat import body_of, encode, path_of, read_reply
from mathstrap.backends.served.endpoints import Endpoint, Endpoints
from mathstrap.backends.served.fault import error_detail, error_for, exhausted_for, status_of
from mathstrap.backends.served.stream import as_one_object
from mathstrap.backends.served.unpack import ACCEPTED, LARGEST_BODY_BYTES, unpacked
from mathstrap.errors import InputError, PromptRefused, TeacherError, TransientError, check_name
from mathstrap.redact import redact
from mathstrap.types import Completion, Request

MOST_DRAWS_PER_CALL = 16
LARGEST_HEADER_BYTES = 64 << 10  # gateways send policies and cookies above aiohttp's default of 8 KiB
SPARE_FILES = 256
USUAL_IN_FLIGHT = 256


class OpenAITeacher:
    """Asks `/chat/completions`, or `/completions` for raw prompts."""

    def __init__(self, options: TeacherOptions) -> None:
        check_options(options)
        self.model = options.model
        self.supports_n = options.supports_n is not False
        self.max_n = int(options.settings.get("max_n", MOST_DRAWS_PER_CALL))
        self._options = options
        self._endpoints = Endpoints(options)
        self._keys = self._endpoints.keys
        self._has_models = any(endpoint.model for endpoint in self._endpoints.all)
        self.notices: list[tuple[str, str]] = []  # (reason, sentence) of warnings that the engine emits once
        self._noticed: set[str] = set()
        self._adaptation = Adaptation()
        self._sockets = allow_sockets(self._endpoints.max_in_flight)
        if self._sockets < min(self._endpoints.max_in_flight, USUAL_IN_FLIGHT):
            self._notice("open_files", f"{self._few_files()} Until then {self._sockets:,} calls at most run at once.")
        self._took_n = False  # several draws were answered in one call
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watcher: asyncio.TimerHandle | None = None
        self._calls: dict[asyncio.Task[Any], float] = {}  # in flight, and since when
        self._overdue: set[asyncio.Task[Any]] = set()
        self._awake = 0.0  # seconds in which this process was running; time-outs are measured in these
        self._looked_at = 0.0

    @property
    def max_in_flight(self) -> int:
        """How many calls may run at once; fewer while an endpoint is set aside, or if open files are limited."""
        return min(self._endpoints.max_in_flight, self._sockets)

    async def ask(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer the draws of one prompt in one call."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._open_sessions(loop)
        endpoint = await self._endpoints.take(loop.time)
        alive = False
        try:
            completions = await self._call(endpoint, requests, loop)
            alive = True
        except TransientError as error:
            alive = error.kind == "rate_limit"
            if error.retry_after_seconds is not None:
                endpoint.ready_at = max(endpoint.ready_at, self._own_pause(endpoint, error, loop.time()))
            raise
        except TeacherError:
            alive = True
            raise
        finally:
            self._endpoints.give_back(endpoint)
            if alive:
                self._endpoints.answered(endpoint)
            else:
                self._endpoints.failed(endpoint, loop.time())
        return completions

    def body(self, requests: Sequence[Request]) -> dict[str, Any]:
        """Return the JSON object that asks for these draws of one prompt."""
        extra = self._options.extra_body
        body = body_of(requests[0], draws=len(requests), tokens_field="max_tokens", extra=extra)
        return self._adaptation.apply(body, kept=self._own_fields(requests[0]))

    def as_asked(self, completions: list[Completion], request: Request) -> list[Completion]:
        """Return replies cut at the request's stop strings, if these were left out of the request."""
        stop = request.sampling.stop
        if not stop or not self._adaptation.cuts_here:
            return completions
        return [cut_at_stop(completion, stop) for completion in completions]

    def _own_fields(self, request: Request) -> tuple[str, ...]:
        """Return the fields of a body that the user wrote, which are never adapted."""
        return (*self._options.extra_body, *request.sampling.extra_body)

    async def release(self) -> None:
        """Close the connections, which belong to the running event loop."""
        for endpoint in self._endpoints.all:
            if endpoint.session is not None:
                await endpoint.session.close()
                endpoint.session = None
        if self._watcher is not None:
            self._watcher.cancel()
        self._loop = self._watcher = None

    async def close(self) -> None:
        """Close the connections."""
        await self.release()

    async def _call(
        self, endpoint: Endpoint, requests: Sequence[Request], loop: asyncio.AbstractEventLoop
    ) -> list[Completion]:
        import aiohttp

        first, draws = requests[0], len(requests)
        body = self.body(requests)
        if self._has_models:  # the request's model then lists the models of all endpoints
            body["model"] = endpoint.model or self.model
        data = encode(body)
        task = asyncio.current_task()
        assert task is not None, "a coroutine of the event loop runs in a task"
        started = loop.time()
        self._calls[task] = self._awake
        try:
            # No redirect is followed, because the key would be sent to its target.
            async with endpoint.session.post(
                endpoint.address(path_of(first)), data=data, allow_redirects=False
            ) as response:
                reply = as_one_object(await _whole(response))
                status, headers = status_of(response.status, reply), response.headers
        except aiohttp.ClientConnectorError as error:
            raise self._cannot_connect(endpoint, error) from None
        except TimeoutError:
            raise self._timed_out(endpoint) from None
        except asyncio.CancelledError:
            if task not in self._overdue:
                raise
            self._overdue.discard(task)
            if task.uncancel() > 0:  # the caller cancels it too
                raise
            raise self._timed_out(endpoint) from None
        except aiohttp.InvalidURL as error:
            raise TeacherError(f"teacher.base_url: {self._hide(error)} is not an address.") from None
        except aiohttp.ClientResponseError as error:  # an unreadable header: another protocol, or a broken gateway
            raise TransientError(
                f"{endpoint.shown}: what came back is not HTTP ({self._hide(error)})", kind="malformed"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            detail = f"{type(error).__name__}: {self._hide(error)}"
            raise TransientError(f"{endpoint.shown}: the connection broke ({detail})", kind="connection") from None
        finally:
            del self._calls[task]
        pause = exhausted_for(headers)
        if pause:
            endpoint.ready_at = max(endpoint.ready_at, loop.time() + pause)
        if status != 200:
            refusal = error_for(
                status,
                redact(reply[:20_000].decode("utf-8", "replace"), self._keys).encode(),
                headers,
                where=endpoint.shown,
                request=first,
                key_from=endpoint.key_from,
            )
            if isinstance(refusal, PromptRefused) and status in {400, 422}:
                self._adapt(error_detail(reply), body, first)
            unsure = isinstance(refusal, PromptRefused) and not refusal.is_certain
            if unsure and draws > 1 and not self._took_n:  # perhaps the server rejects `n`
                self.supports_n = False
                return []
            raise refusal
        read = read_reply(requests, reply, loop.time() - started)
        if read.complaint:
            self._notice(
                "bad_usage",
                f"The server reports impossible token counts ({read.complaint}). They are ignored; budgets "
                "count such calls at their maximum.",
            )
        if read.num_choices < draws:
            self.supports_n = False
        elif draws > 1:
            self._took_n = True
        return self.as_asked(read.completions, first)

    def _adapt(self, detail: str, sent: dict[str, Any], request: Request) -> None:
        """Adapt to a field that the server rejects and have the call sent again; do nothing for any other fault."""
        learnt = self._adaptation.learn(detail, sent, kept=self._own_fields(request))
        if learnt:
            self._notice("adapted", f"{learnt[0].upper()}{learnt[1:]}. It said: {redact(detail, self._keys)}")
            raise TransientError(f"{learnt}; asking again", 0.0, kind="adapted")

    def _notice(self, reason: str, sentence: str) -> None:
        """Have the engine emit a warning, once for each reason."""
        if reason not in self._noticed or reason == "adapted":
            if sentence not in self._noticed:
                self.notices.append((reason, sentence))
            self._noticed |= {reason, sentence}

    def _cannot_connect(self, endpoint: Endpoint, error: Any) -> TeacherError | TransientError:
        """Return the error for a failed connection: fatal for a bad certificate or scheme, else transient."""
        import aiohttp

        cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return TeacherError(
                f"{endpoint.shown}: the server's certificate is not trusted ({self._hide(cause)}). Where a company's "
                "proxy re-signs traffic, put its certificate authority into a file and set the environment variable "
                "SSL_CERT_FILE to its path."
            )
        if isinstance(error, aiohttp.ClientConnectorSSLError) and re.search(
            r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|UNKNOWN_PROTOCOL|HTTP_REQUEST", str(error)
        ):
            return TeacherError(f"{endpoint.shown}: the server speaks no TLS. Write http:// instead of https://.")
        if getattr(cause, "errno", None) in {errno.EMFILE, errno.ENFILE}:
            self._notice("open_files", self._few_files())
            return TransientError(self._few_files(), 0.5, kind="unavailable")
        why = f"cannot connect ({self._hide(error)})"
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            why = f"no server of that name is known ({self._hide(cause)})"
        elif isinstance(cause, ConnectionRefusedError):
            why = f"no server listens there ({self._hide(cause)})"
        return TransientError(f"{endpoint.shown}: {why}", kind="connect")

    def _few_files(self) -> str:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return (
            f"This process may have {soft:,} files and connections open at most (the hard limit is {hard:,}). Raise it "
            "with `ulimit -n 8192` before the command, or lower limits.max_in_flight."
        )

    def _own_pause(self, endpoint: Endpoint, error: TransientError, now: float) -> float:
        """Return when this server may be asked after a Retry-After; if it is the only one, the engine decides."""
        if len(self._endpoints.all) == 1 or error.kind not in {"rate_limit", "overloaded"}:
            return endpoint.ready_at
        return now + (error.retry_after_seconds or 0.0)

    def _hide(self, error: BaseException) -> str:
        return redact(str(error), self._keys)[:300]

    def _open_sessions(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open a session per server, with everything prepared that its calls share."""
        import aiohttp

        self._endpoints.renew()
        for endpoint in self._endpoints.all:
            # limit=0 because the engine limits the sockets; the cookie jar costs time on every call and brings nothing.
            endpoint.session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=60.0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(30.0, self._options.timeout_seconds)),
                headers={"User-Agent": "mathstrap", "Accept-Encoding": ACCEPTED, **endpoint.headers},
                auto_decompress=False,  # `unpacked` limits the size and tolerates wrong headers
                max_line_size=LARGEST_HEADER_BYTES,
                max_field_size=LARGEST_HEADER_BYTES,
                proxy=_proxy_for(endpoint.url),
                loop=loop,
            )
        self._loop = loop
        self._looked_at = loop.time()
        self._watch(loop)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cancel overdue calls, at intervals while the loop runs: a watchdog costs less than a timer for each call."""
        if self._loop is not loop:
            return
        seconds = self._options.timeout_seconds
        pause = min(1.0, max(0.01, seconds / 20))
        # A suspended laptop or process must read the replies that have arrived before it times them out: time beyond
        # the planned pause does not count against a call.
        now = loop.time()
        self._awake += min(now - self._looked_at, 2 * pause)
        self._looked_at = now
        latest = self._awake - seconds
        for task, started in self._calls.items():
            if started <= latest and task not in self._overdue:
                self._overdue.add(task)
                task.cancel()
        self._watcher = loop.call_later(pause, self._watch, loop)

    def _timed_out(self, endpoint: Endpoint) -> TransientError:
        seconds = self._options.timeout_seconds
        return TransientError(f"{endpoint.shown}: no whole reply in {seconds:g} s", kind="timeout")


def check_options(options: TeacherOptions) -> None:
    """Raise InputError where no model is named, and for an unknown setting."""
    if not options.model:
        raise InputError(
            "teacher.model: empty; expected the model's name as the server knows it, for example "
            "teacher.model=qwen3:4b (the server lists its models at base_url/models)."
        )
    known = ["max_n"]
    for name in options.settings:
        check_name("teacher.settings: ", "setting", name, known)


def open_teacher(options: TeacherOptions) -> OpenAITeacher:
    """Return a teacher that asks a server."""
    return OpenAITeacher(options)


async def _whole(response: Any) -> bytes:
    """Return the body as UTF-8; an endless body is cut off."""
    if response.content_length is not None and response.content_length <= LARGEST_BODY_BYTES:
        data = bytes(await response.read())
    else:
        parts, size = [], 0
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > LARGEST_BODY_BYTES:
                raise TransientError(f"the reply is longer than {LARGEST_BODY_BYTES:,} bytes", kind="malformed")
        data = b"".join(parts)
    return unpacked(data, encoding=response.headers.get("Content-Encoding", ""), charset=response.charset or "")


def allow_sockets(count: int) -> int:
    """Raise the process's soft limit of open files if the sockets need it; return how many fit, at least 1."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return count
    return max(1, soft - min(SPARE_FILES, soft // 4))


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for this address."""
    parts = urlsplit(url)
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
