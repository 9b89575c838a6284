"""Restrict the explorer to this machine: loopback names only, no cross-site posts, a strict content security policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from mathstrap.render.hostile import printable_page

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
    """Return `app` behind the checks; a refused request gets a sentence and never reaches the app."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        page = Page()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = {name for name, _ in HEADERS}
                kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in ours]
                message = {**message, "headers": [*kept, *HEADERS]}
            for ready in page.take(message):
                await send(ready)

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


class Page:
    """A filter of responses: it buffers each HTML page and removes characters that hide or reorder text.

    Our templates make such characters visible; Datasette's templates and form fields would repeat them unchanged.
    """

    def __init__(self) -> None:
        self.start: Message | None = None
        self.parts: list[bytes] = []

    def take(self, message: Message) -> list[Message]:
        """Return the messages that can be sent after this one."""
        if message["type"] == "http.response.start" and is_html(message):
            self.start = message
            return []
        if self.start is None or message["type"] != "http.response.body":
            return [message]
        self.parts.append(message.get("body", b""))
        if message.get("more_body"):
            return []
        body = printable_page(b"".join(self.parts).decode("utf-8", "replace")).encode()
        headers = [(name, value) for name, value in self.start["headers"] if name.lower() != b"content-length"]
        start = {**self.start, "headers": [*headers, (b"content-length", str(len(body)).encode())]}
        self.start, self.parts = None, []
        return [start, {"type": "http.response.body", "body": body}]


def is_html(message: Message) -> bool:
    """Say whether a response is an HTML page."""
    return any(name.lower() == b"content-type" and b"html" in value for name, value in message.get("headers", []))


def refuse(scope: Scope) -> str:
    """Return why a request is refused, or "" where it may pass."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
    host = headers.get("host", "")
    if host_name(f"//{host}") not in LOOPBACK:
        return "This explorer answers to 127.0.0.1 and localhost only."  # another host name means DNS rebinding
    if scope["method"] in ("GET", "HEAD"):
        return ""
    if scope["method"] != "POST" or not str(scope["path"]).startswith(WRITABLE):
        return "This explorer is read-only except for reviews."
    origin = headers.get("origin", "")
    if origin and (urlsplit(origin).netloc != host or headers.get("sec-fetch-site", "same-origin") != "same-origin"):
        return "A form on another site may not mark rows here."
    if CSRF_COOKIE not in headers.get("cookie", ""):  # Datasette does not check a post without any cookie
        return "Rows are marked with the form on a family page."
    return ""


def host_name(url: str) -> str:
    """Return the host of a URL without its port; "" where it cannot be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
