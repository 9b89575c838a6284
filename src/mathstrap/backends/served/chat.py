"""The wire format of an OpenAI-compatible server: a request's JSON, a reply's JSON, what an error means. No sending."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from mathstrap.errors import InputError, TeacherError, TransientError
from mathstrap.types import Completion, FinishReason, Request

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
}
_TOO_LONG = re.compile(
    r"context[ _]length|context[ _]window|context size|maximum context|prompt is too long|too many tokens",
    re.IGNORECASE,
)
_OUT_OF_MONEY = re.compile(
    r"insufficient_quota|exceeded your current quota|insufficient (balance|credit)", re.IGNORECASE
)
_FILTERED = re.compile(r"content_filter|content_policy|content management policy", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SPAN_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LIMIT_HEADERS = tuple(
    (f"x-ratelimit-remaining-{what}", f"x-ratelimit-reset-{what}") for what in ("requests", "tokens")
)
LONGEST_DETAIL = 300
LONGEST_WAIT_SECONDS = 86_400.0


class _Part(msgspec.Struct):
    text: str = ""


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Usage(msgspec.Struct):
    prompt_tokens: _Count = 0
    completion_tokens: _Count = 0


class _Reply(msgspec.Struct):
    choices: list[_Choice]
    model: str = ""
    usage: _Usage | None = None


_decode = msgspec.json.Decoder(_Reply, strict=False).decode
_encode = msgspec.json.Encoder().encode


def is_raw(request: Request) -> bool:
    """Say whether the prompt goes to `/completions`, as text without a chat template."""
    return request.messages[0].role == "raw"


def path_of(request: Request) -> str:
    """Return the path below the base URL that answers this request."""
    return "/completions" if is_raw(request) else "/chat/completions"


def body_of(request: Request, *, draws: int, tokens_field: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object that asks for `draws` replies; `extra` is added last and wins."""
    sampling = request.sampling
    body: dict[str, Any] = {"model": request.model}
    if is_raw(request):
        if len(request.messages) != 1:
            raise InputError(f"{request.id}: a raw prompt is one message, found {len(request.messages)}.")
        body["prompt"] = request.messages[0].content
        tokens_field = "max_tokens"
    else:
        body["messages"] = request.messages
    body["temperature"] = sampling.temperature
    if sampling.top_p != 1.0:
        body["top_p"] = sampling.top_p
    body[tokens_field] = sampling.max_tokens
    if sampling.stop:
        body["stop"] = sampling.stop
    if draws > 1:
        body["n"] = draws
    if extra:
        body.update(extra)
    return body


def encode(body: Mapping[str, Any]) -> bytes:
    """Return a request's body as bytes."""
    return _encode(body)


def completions_of(requests: Sequence[Request], data: bytes, seconds: float) -> list[Completion]:
    """Return one completion per choice, for the first draws of `requests`; raises TransientError if it is no reply.

    The server counts tokens per call: the first draw carries the prompt's, and the reply's are dealt out by length.
    """
    try:
        reply = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = _salvaged(data)
        if found is None:
            raise TransientError(f"the reply is not what a chat server sends: {error}", kind="malformed") from error
        reply = found
    if not reply.choices:
        raise TransientError("the reply holds no choices", kind="malformed")
    usage = reply.usage or _Usage()
    texts = [_text_of(choice) for choice in reply.choices]
    if len(texts) == 1:
        shares = [usage.completion_tokens]
    else:
        texts = texts[: len(requests)]
        shares = _deal(usage.completion_tokens, [len(text) for text in texts])
    return [
        Completion(
            request=request.id,
            key=request.key,
            text=text,
            finish_reason=_FINISH.get(choice.finish_reason or "", "unknown"),
            model=reply.model,
            tokens_in=usage.prompt_tokens if index == 0 else 0,
            tokens_out=share,
            seconds=seconds,
        )
        for index, (request, text, choice, share) in enumerate(
            zip(requests, texts, reply.choices, shares, strict=False)
        )
    ]


def loose_object(data: bytes) -> dict[str, Any] | None:
    """Return the object that JSON of a careless server holds: NaN, half surrogate pairs, bytes that are no UTF-8."""
    try:
        found = json.loads(data.decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _salvaged(data: bytes) -> _Reply | None:
    """Return what can be used of a reply that is not quite one, for it is paid for; None where its text is not there.

    Half a surrogate pair, as of an emoji that was cut in two, has no UTF-8 and becomes "?".
    """
    found = loose_object(data)
    choices = found.get("choices") if found else None
    if found is None or not isinstance(choices, list):
        return None
    read = []
    for choice in choices:
        text = _loose_text(choice) if isinstance(choice, dict) else None
        if text is None:
            return None
        finish = choice.get("finish_reason")
        read.append(_Choice(text=_well_formed(text), finish_reason=finish if isinstance(finish, str) else None))
    usage, model = found.get("usage"), found.get("model")
    return _Reply(
        choices=read,
        model=_well_formed(model) if isinstance(model, str) else "",
        usage=_Usage(_count(usage, "prompt_tokens"), _count(usage, "completion_tokens")),
    )


def _loose_text(choice: Mapping[str, Any]) -> str | None:
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else choice.get("text")
    if isinstance(content, list):
        texts = [part.get("text") if isinstance(part, dict) else part for part in content]
        return "".join(text for text in texts if isinstance(text, str))
    return "" if content is None else content if isinstance(content, str) else None


def _well_formed(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**53 else 0


def _text_of(choice: _Choice) -> str:
    content = choice.message.content if choice.message else choice.text
    if isinstance(content, list):
        return "".join(part.text for part in content)
    return content or ""


def status_of(status: int, data: bytes) -> int:
    """Return the HTTP status, or the one inside the body: some gateways answer 200 and an error object."""
    if status != 200 or not data.startswith(b'{"error"'):
        return status
    try:
        code = msgspec.json.decode(data)["error"]["code"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return 500
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def filtered(requests: Sequence[Request], detail: str) -> list[Completion]:
    """Return empty replies for a prompt that the server's content filter refused; none if that is not what it says."""
    if not _FILTERED.search(detail):
        return []
    return [
        Completion(request=request.id, key=request.key, text="", finish_reason="content_filter") for request in requests
    ]


def _deal(total: int, sizes: list[int]) -> list[int]:
    whole = sum(sizes) or 1
    shares = [total * size // whole for size in sizes]
    shares[0] += total - sum(shares)
    return shares


def error_detail(data: bytes) -> str:
    """Return what a server's error body says, as one short line."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = data[:2000].decode("utf-8", "replace")
    for _ in range(4):
        if isinstance(found, list) and found:
            found = found[0]
        if isinstance(found, dict):
            parts = [found.get(name) for name in ("message", "code", "type") if isinstance(found.get(name), str)]
            inner = found.get("error") or found.get("detail") or found.get("data")
            found = inner if inner else " ".join(str(part) for part in parts)
    text = found if isinstance(found, str) else str(found)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_DETAIL else text[:LONGEST_DETAIL] + "..."


def error_for(
    status: int, data: bytes, headers: Mapping[str, str], *, where: str, request: Request, key_from: str
) -> TeacherError | TransientError:
    """Return what an HTTP status means: asking again may help, or what the user has to fix."""
    detail = error_detail(data)
    said = f"{where}: {status} {detail}".rstrip()
    if status == 402 or (status == 429 and _OUT_OF_MONEY.search(detail)):
        return TeacherError(f"{said} The account has no credit left: add some and run the same command again.")
    if status == 429:
        return TransientError(said, retry_after(headers), kind="rate_limit")
    if status in {503, 529}:
        return TransientError(said, retry_after(headers), kind="overloaded")
    if status in {408, 409, 425} or status >= 500:
        return TransientError(said, retry_after(headers), kind="server")
    if status in {400, 413, 422} and _TOO_LONG.search(detail):
        return TeacherError(
            f"{said} Request {request.id} does not fit the model's context: lower max_tokens "
            f"({request.sampling.max_tokens}), choose a prompt with fewer examples or a model with a longer context."
        )
    advice = {
        400: "The server refuses the request as it is: check the model, its sampling settings and teacher.extra_body.",
        401: f"The key was refused: check {key_from}.",
        403: f"The key may not use this model: check {key_from} and teacher.model.",
        404: f'Check teacher.base_url (it usually ends in /v1) and teacher.model ("{request.model}").',
        422: "The server refuses the request as it is: check the model, its sampling settings and teacher.extra_body.",
    }.get(status, "The server refuses the request: check teacher.base_url and teacher.model.")
    return TeacherError(f"{said} {advice}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a server asks to wait, from retry-after-ms or Retry-After (seconds or a date)."""
    exact = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(exact):
        return min(float(exact) / 1000, LONGEST_WAIT_SECONDS)
    value = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(value):
        return min(float(value), LONGEST_WAIT_SECONDS)
    if not value:
        return None
    try:
        wait = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, wait), LONGEST_WAIT_SECONDS)


def exhausted_for(headers: Mapping[str, str]) -> float:
    """Return for how many seconds the x-ratelimit headers say that nothing is left; 0 if something is."""
    wait = 0.0
    for remaining_name, reset_name in _LIMIT_HEADERS:
        remaining = headers.get(remaining_name)
        if remaining is not None and remaining.strip() in {"0", "0.0", "-1"}:
            wait = max(wait, span_seconds(headers.get(reset_name, "")))
    return wait


def span_seconds(text: str) -> float:
    """Return the seconds of a span such as `6m0s`, `20ms` or `1.5`; 0 for anything else."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text) if float(text) < 1e6 else 0.0  # larger ones are dates, and clocks differ
    span = sum(float(number) * _SPAN_SECONDS[unit] for number, unit in _SPAN.findall(text))
    return min(span, LONGEST_WAIT_SECONDS)
