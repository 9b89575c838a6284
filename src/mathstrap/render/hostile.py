"""Make a model's text safe to show on a page or a terminal. Knows nothing of mathematics."""

from __future__ import annotations

import html
import re

from mathstrap.patterns import regex

# C0 and C1 controls but tab and newline, and the characters that reorder or hide what follows (Unicode TR 36).
_UNSEEN = regex("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")


def escape(text: str) -> str:
    """Return `text` as HTML text: escaped, with control and direction characters replaced by visible marks."""
    return _UNSEEN.sub(_mark, escape_silently(text.replace("\r\n", "\n")))


def escape_silently(text: str) -> str:
    """Return `text` escaped for HTML text or a quoted attribute, and writable as UTF-8; nothing is made visible."""
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"), quote=True)


def drop_unseen(text: str) -> str:
    """Return `text` without control and direction characters."""
    return _UNSEEN.sub("", text)


def printable(text: str) -> str:
    """Return `text` as one line for a terminal: control and direction characters become visible escapes."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\n", " ").replace("\t", " ")
    return _UNSEEN.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def screened(text: str) -> str:
    """Return `text` for a terminal, its lines and tabs kept; other control and direction characters are spelled."""
    if text.isascii() and text.isprintable():
        return text
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n")
    return _UNSEEN.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def printable_page(page: str) -> str:
    """Return a finished HTML page in which every control and direction character is spelled, as `[U+202E]`."""
    return _UNSEEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", page.replace("\r\n", "\n"))


def _mark(match: re.Match[str]) -> str:
    code = ord(match[0])
    shown = chr(0x2400 + code) if code < 0x20 else f"U+{code:04X}"
    return f'<span class="unseen" title="U+{code:04X}">{shown}</span>'
