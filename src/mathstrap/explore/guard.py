"""Keep the explorer to this machine: loopback names only, no foreign posts, and a strict content security policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
WRITABLE = "/-/flag/"
CSRF_COOKIE = "ds_csrftoken="


def guarded(app: App) -> App:
    """Return `app` behind the checks; what does not pass gets a sentence and never reaches the app."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = {name for name, _ in HEADERS}
                kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in ours]
                message = {**message, "headers": [*kept, *HEADERS]}
            await send(message)

        refusal = refuse(scope)
        if refusal:
            await send_with_headers(
                {
                    "type": "http.response.start",
                    "status": 403,
                    "headers": [(b"content-type", b"text/plain; charset=utf-8")],
                }
            )
            await send_with_headers({"type": "http.response.body", "body": refusal.encode()})
            return
        await app(scope, receive, send_with_headers)

    return guard


def refuse(scope: Scope) -> str:
    """Return why a request is refused, or "" where it may pass."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
    host = headers.get("host", "")
    if host_name(f"//{host}") not in LOOPBACK:
        return "This explorer answers to 127.0.0.1 and localhost only."  # a foreign name here is DNS rebinding
    if scope["method"] in ("GET", "HEAD"):
        return ""
    if scope["method"] != "POST" or not str(scope["path"]).startswith(WRITABLE):
        return "This explorer is read-only but for flags."
    origin = headers.get("origin", "")
    if origin and (urlsplit(origin).netloc != host or headers.get("sec-fetch-site", "same-origin") != "same-origin"):
        return "A form on another site may not flag rows here."
    if CSRF_COOKIE not in headers.get("cookie", ""):  # Datasette lets a post without any cookie pass unchecked
        return "Flags are set with the form on a family page."
    return ""


def host_name(url: str) -> str:
    """Return the host of a URL without its port; "" where it cannot be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
