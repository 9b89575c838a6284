"""Spread calls over several servers of one model: the least busy healthy one is next, a failing one is set aside."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from mathstrap.backends import EndpointOptions, TeacherOptions
from mathstrap.backends.served.keys import read_key, secrets_sent
from mathstrap.engine.limits import RateLimiter
from mathstrap.errors import InputError, TransientError
from mathstrap.redact import NO_ADDRESS, bare_url

MOST_IN_FLIGHT = 4096  # per server; the engine's limits are usually lower
FAILURES_TO_SET_ASIDE = 3
LONGEST_ASIDE_SECONDS = 60.0
DEFAULT_URL = "https://api.openai.com/v1"


class Endpoint:
    """One server and its state."""

    def __init__(self, options: EndpointOptions, *, key: str, key_from: str, headers: Mapping[str, str]) -> None:
        self.url = options.url.rstrip("/")
        self.shown = bare_url(self.url)
        self.key = key
        self.key_from = key_from
        self.secrets = {key} | secrets_sent(self.url, headers) if key else secrets_sent(self.url, headers)
        self.model = options.model
        self.headers = {"Content-Type": "application/json", **headers}
        if key and is_azure(self.url):
            self.headers["api-key"] = key
        elif key:
            self.headers["Authorization"] = f"Bearer {key}"
        self.session: Any = None  # aiohttp's, open while a loop runs
        self._addresses: dict[str, Any] = {}
        self.most = options.max_in_flight
        self.limiter = RateLimiter(options.requests_per_minute) if options.requests_per_minute else None
        self.in_flight = 0
        self.failures = 0  # in a row
        self.ready_at = 0.0  # when its rate limits allow the next call
        self.aside_until = 0.0
        self.num_asides = 0

    def address(self, path: str) -> Any:
        """Return the parsed address of a path below the base URL."""
        address = self._addresses.get(path)
        if address is None:
            from yarl import URL

            address = self._addresses[path] = URL(at_path(self.url, path))
        return address

    @property
    def is_full(self) -> bool:
        """Whether as many calls run as this server's own limit allows."""
        return bool(self.most) and self.in_flight >= self.most

    def room(self, most: int) -> int:
        """Return how many calls it may have in flight; under a rate limit, one more than now."""
        most = min(self.most or most, most)
        return min(most, self.in_flight + 1) if self.limiter else most

    def wait(self, now: float) -> float:
        """Return the seconds until this server may be asked; 0 for now."""
        if self.aside_until and self.in_flight:
            return max(0.5, self.aside_until - now)  # its trial is running
        return max(self.ready_at, self.aside_until) - now if max(self.ready_at, self.aside_until) > now else 0.0


def at_path(url: str, path: str) -> str:
    """Return the address of a path below a base URL; a query of the base (Azure's api-version) stays at the end."""
    base, _, query = url.partition("?")
    path, _, more = path.partition("?")
    queries = "&".join(part for part in (query, more) if part)
    return base.rstrip("/") + path + (f"?{queries}" if queries else "")


def is_azure(url: str) -> bool:
    """Say whether an address is of Azure's classic kind, which names an api-version and takes the key in `api-key`."""
    return "api-version=" in urlsplit(url).query


class Endpoints:
    """All servers of a teacher; times are the event loop's clock."""

    def __init__(self, options: TeacherOptions) -> None:
        given = options.endpoints or tuple(EndpointOptions(url=url) for url in options.urls or (DEFAULT_URL,))
        self.all = [_open(endpoint, options) for endpoint in given]
        self._most = options.max_in_flight or MOST_IN_FLIGHT * len(self.all)
        self._rng = random.Random(0)
        self._freed = asyncio.Event()

    @property
    def keys(self) -> set[str]:
        """Every key, password and header in use, for `redact`."""
        return {secret for endpoint in self.all for secret in endpoint.secrets}

    @property
    def max_in_flight(self) -> int:
        """How many calls the healthy servers take together, plus one trial call of each that is set aside."""
        rooms = (1 if endpoint.aside_until else endpoint.room(self._most) for endpoint in self.all)
        return max(1, min(self._most, sum(rooms)))

    def renew(self) -> None:
        """Bind to the running event loop."""
        self._freed = asyncio.Event()

    async def take(self, clock: Callable[[], float]) -> Endpoint:
        """Return the server to ask, counted as busy; waits while the available servers are full.

        Raises TransientError of kind "unavailable" if none is available. A server that just failed comes last, because
        one that fails fast is always the least busy.
        """
        while True:
            now = clock()
            free = [endpoint for endpoint in self.all if not endpoint.is_full]
            wait = math.inf
            if free:
                best = min(free, key=lambda endpoint: _rank(endpoint, now))
                wait = best.wait(now)
                if wait <= 0 and best.limiter is not None:
                    wait = best.limiter.wait(now)
                if wait <= 0:
                    best.in_flight += 1
                    return best
                if len(free) == len(self.all):
                    raise TransientError(f"{best.shown}: may be asked again in {wait:.1f} s", wait, kind="unavailable")
            self._freed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._freed.wait(), None if wait == math.inf else wait)

    def give_back(self, endpoint: Endpoint) -> None:
        """Count a call as ended, and wake one that waits for a slot."""
        endpoint.in_flight -= 1
        self._freed.set()

    def answered(self, endpoint: Endpoint) -> None:
        """Record that a server answered, even with a refusal: it is alive."""
        endpoint.failures = 0
        endpoint.aside_until = 0.0
        endpoint.num_asides = 0

    def failed(self, endpoint: Endpoint, now: float) -> None:
        """Count a failure; the third in a row sets the server aside, and each failed trial doubles the time."""
        endpoint.failures += 1
        if len(self.all) == 1 or endpoint.failures < FAILURES_TO_SET_ASIDE:
            return
        if endpoint.aside_until <= now:
            span = min(LONGEST_ASIDE_SECONDS, 2.0**endpoint.num_asides)
            endpoint.num_asides += 1
            # Jitter, so that servers that failed together are not tried again together.
            endpoint.aside_until = now + span * self._rng.uniform(0.75, 1.25)


def _rank(endpoint: Endpoint, now: float) -> tuple[float, int, float]:
    """Return the sort key of a server: first one whose trial is due, then those available soonest."""
    if 0 < endpoint.aside_until <= now and not endpoint.in_flight:
        return -1.0, 0, 0.0
    limited = endpoint.limiter.peek(now) if endpoint.limiter else 0.0
    return max(endpoint.wait(now), limited), endpoint.failures, endpoint.in_flight / (endpoint.most or 1)


def _open(endpoint: EndpointOptions, options: TeacherOptions) -> Endpoint:
    if not endpoint.url.startswith(("http://", "https://")) or bare_url(endpoint.url) == NO_ADDRESS:
        raise InputError(
            f'teacher.base_url: "{bare_url(endpoint.url)}" is not an address; expected one like http://localhost:8000/v1.'
        )
    for name in options.extra_headers:
        if name.lower() in {"authorization", "api-key", "x-api-key"}:
            raise InputError(
                f'teacher.extra_headers: "{name}" would put a key into the recipe. Use api_key_env or api_key_command.'
            )
    env = endpoint.api_key_env or options.api_key_env
    command = "" if endpoint.api_key_env else options.api_key_command
    key_from = "teacher.api_key_command" if command else f"the environment variable {env or '(none named)'}"
    key = read_key(env=env, command=command)
    if not key and urlsplit(endpoint.url).hostname == urlsplit(DEFAULT_URL).hostname:
        missing = "printed none" if command else "is not set"
        raise InputError(
            f"{bare_url(endpoint.url)}: needs a key, and {key_from} {missing}. Set it, or name another in "
            "teacher.api_key_env; for a server of your own set teacher.base_url."
        )
    return Endpoint(endpoint, key=key, key_from=key_from, headers=options.extra_headers)
