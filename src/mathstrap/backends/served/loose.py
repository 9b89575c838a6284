"""Read the JSON of careless servers, and describe a web page in its place. Knows nothing of chats."""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 20


def loose_object(data: bytes) -> dict[str, Any] | None:
    """Return the object in JSON with NaN, half surrogate pairs or bytes that are not UTF-8; None for other values."""
    value = loose_json(data.decode("utf-8-sig", "replace"))
    return value if isinstance(value, dict) else None


def loose_json(text: str) -> Any:
    """Return the value of a text that is JSON, None for any other."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def encode_json(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value).encode()


def mended(value: Any, depth: int = 0) -> Any:
    """Return a value with every text well-formed, and with None for parts nested deeper than in any real reply.

    Half a surrogate pair, as of an emoji that was cut in two, cannot be encoded in UTF-8 and becomes "?".
    """
    if isinstance(value, str):
        return well_formed(value)
    if not isinstance(value, list | dict):
        return value
    if depth > DEEPEST:
        return None
    if isinstance(value, list):
        return [mended(item, depth + 1) for item in value]
    return {well_formed(key): mended(item, depth + 1) for key, item in value.items()}


def well_formed(text: str) -> str:
    """Return a text with "?" for every character that cannot be encoded in UTF-8."""
    return text.encode("utf-8", "replace").decode()


def is_page(data: bytes) -> bool:
    """Say whether a body is an HTML page."""
    start = data[:2000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


def page_shown(data: bytes) -> str:
    """Describe an HTML page, by its title where it has one."""
    title = re.search(rb"<title[^>]{0,200}>([^<]{1,200})", data[:20_000], re.IGNORECASE)
    words = " ".join(title[1].decode("utf-8", "replace").split()) if title else ""
    return f'an HTML page ("{words[:80]}")' if words else "an HTML page"
