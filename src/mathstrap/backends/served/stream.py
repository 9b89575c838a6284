"""Assemble a reply that came as an unrequested event stream, or wrapped in something else.

Some servers stream by default, some end a whole reply with the mark of a stream's end, some keep a slow connection
alive with comment lines, and gateways wrap the reply in an object or a string of their own. The text is paid for in
each case. A body that cannot be assembled is returned unchanged, for the caller to judge.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mathstrap.backends.served.loose import encode_json, loose_json
from mathstrap.patterns import regex

_FIELD = regex(r"(data|event|id|retry)(?::|$) ?")
_DONE = "[DONE]"
_WRAPPERS = ("data", "result", "response", "body", "output")
# Parts of a delta that continue what came before; every other part of a message is replaced.
_GROWING = ("content", "reasoning_content", "reasoning", "thinking", "reasoning_details", "refusal")


def as_one_object(data: bytes) -> bytes:
    """Return the body of a reply as one JSON object; bytes that are one already, or contain none, are unchanged."""
    if data[:1] == b"{" and data[-1:] == b"}" and b"\n" not in data:
        return data
    stripped = data.strip()
    if stripped[:1] == b"{" and stripped[-1:] == b"}" and not _is_lines(stripped):
        return data
    text = stripped.decode("utf-8-sig", "replace")
    whole = loose_json(text)
    if isinstance(whole, str):
        whole = loose_json(whole)
    if isinstance(whole, list) and len(whole) == 1:
        whole = whole[0]
    if isinstance(whole, dict):
        return encode_json(whole)
    events, rest, is_ended = _events(text)
    around = loose_json(rest)
    if isinstance(around, dict):
        return encode_json(around)
    objects = [value for event in events if isinstance(value := loose_json(event), dict)]
    if not objects:
        return data
    return encode_json(_joined(objects, is_ended=is_ended))


def unwrapped(reply: dict[str, Any]) -> dict[str, Any]:
    """Return the reply inside a gateway's own object; an object without one is returned unchanged."""
    for name in _WRAPPERS:
        inner = reply.get(name)
        inner = loose_json(inner) if isinstance(inner, str) else inner
        if "choices" not in reply and isinstance(inner, dict) and isinstance(inner.get("choices"), list):
            return inner
    return reply


def _is_lines(data: bytes) -> bool:
    """Say whether a body has one object per line, rather than one object over several lines."""
    first, _, more = data.partition(b"\n")
    return bool(more) and first.rstrip().endswith(b"}") and more.lstrip().startswith(b"{")


def _events(text: str) -> tuple[list[str], str, bool]:
    """Return the events of a stream, the other lines, and whether the stream has an end mark."""
    events: list[str] = []
    open_event: list[str] = []
    rest: list[str] = []
    is_ended = False
    for line in [*re.split(r"\r\n|\n|\r", text), ""]:
        if not line.strip():
            if open_event:
                events.append("\n".join(open_event))
                open_event = []
            continue
        if line.startswith(":"):
            continue
        field = _FIELD.match(line)
        if field is None:
            rest.append(line)
        elif field[1] == "data":
            value = line[field.end() :]
            if value.strip() == _DONE:
                is_ended = True
            elif open_event and loose_json("\n".join(open_event)) is not None:
                events.append("\n".join(open_event))  # no blank line between two events
                open_event = [value]
            else:
                open_event.append(value)
    if not events:
        events, is_ended = [line for line in rest if line.startswith("{")], is_ended or len(rest) > 1
    return events, "\n".join(rest), is_ended


def _joined(objects: list[dict[str, Any]], *, is_ended: bool) -> dict[str, Any]:
    """Join the objects of a stream into one reply, or return the error that ended it."""
    choices: dict[Any, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for event in objects:
        if event.get("error"):
            return event
        for name in ("id", "model", "usage", "provider"):
            if event.get(name):
                whole[name] = event[name]
        sent = event.get("choices")
        for choice in sent if isinstance(sent, list) else []:
            if isinstance(choice, dict):
                _grow(choices.setdefault(choice.get("index", 0), {"message": {}}), choice)
    if not choices:
        return objects[0]
    for choice in choices.values():
        if "finish_reason" not in choice and not is_ended:
            choice["finish_reason"] = None  # the stream was cut off
    order: Iterable[Any] = sorted(choices, key=lambda index: index if isinstance(index, int) else 0)
    return whole | {"choices": [choices[index] for index in order]}


def _grow(grown: dict[str, Any], choice: dict[str, Any]) -> None:
    """Add the delta of one object of a stream to a choice."""
    delta = choice.get("delta") or choice.get("message")
    parts = dict(delta) if isinstance(delta, dict) else {}
    if isinstance(choice.get("text"), str):
        parts["content"] = choice["text"]
    message = grown["message"]
    for name, value in parts.items():
        before = message.get(name)
        if value is None:
            continue
        if name not in _GROWING or not before:
            message[name] = value
        elif isinstance(before, str) and isinstance(value, str):
            message[name] = before + value
        else:
            message[name] = [*_parts(before), *_parts(value)]
    for name in ("finish_reason", "error"):
        if choice.get(name) is not None:
            grown[name] = choice[name]


def _parts(content: Any) -> list[Any]:
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if isinstance(content, str) else [content]
