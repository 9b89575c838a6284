"""The wire format of an OpenAI-compatible server: a request's JSON, a reply's JSON, what an error means. No sending."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mathstrap.backends.served.reply import end_of, failure_of, text_and_thought
from mathstrap.backends.served.usage import read_usage
from mathstrap.errors import InputError, PromptRefused, TeacherError, TransientError
from mathstrap.redact import bare_url
from mathstrap.types import Completion, FinishReason, Request

_TOO_LONG = re.compile(
    r"context[ _]?length|context[ _]window|context[ _]size|maximum context|(prompt|input|message)s? (is|are) too long|"
    r"too many (input |prompt )?tokens|string_above_max_length|exceeds? the (maximum|limit|available|model'?s)|"
    r"reduce the length|maximum (number of )?(input )?tokens|range of input length",
    re.IGNORECASE,
)
_OUT_OF_MONEY = re.compile(
    r"insufficient_quota|exceeded your current quota|insufficient[ _](balance|credit|funds)|credit balance is too low|"
    r"(usage|spending|billing) (hard )?limits?|billing|arrears|payment required|out of credits",
    re.IGNORECASE,
)
# A prompt that the server will never take, in the words of OpenAI, Azure, Gemini, Alibaba, z.ai and Mistral.
_PROMPT_REFUSED = re.compile(
    r"content[ _]?filter|content[ _]?policy|content management policy|responsible ?ai|invalid_prompt|usage policy|"
    r"usage policies|data_?inspection|inappropriate content|unsafe|sensitive|moderation|prohibited|flagged|"
    r"repetitive patterns|safety|blocked|harmful|high risk",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SPAN_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LIMIT_HEADERS = tuple(
    (f"x-ratelimit-remaining-{what}", f"x-ratelimit-reset-{what}") for what in ("requests", "tokens")
)
# What an error inside a reply of status 200 is called where it has no number.
_NAMED_STATUS = (
    dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "resource_exhausted", "insufficient_quota"), 429)
    | dict.fromkeys(("invalid_request_error", "invalid_prompt", "content_filter", "context_length_exceeded"), 400)
    | {"authentication_error": 401, "permission_error": 403, "not_found_error": 404, "overloaded_error": 529}
)
LONGEST_DETAIL = 300
LONGEST_WAIT_SECONDS = 86_400.0
DEEPEST_REPLY = 20


class _Reply(msgspec.Struct):
    choices: list[dict[str, Any]]
    model: str = ""
    usage: Any = None


_decode = msgspec.json.Decoder(_Reply, strict=False).decode
_encode = msgspec.json.Encoder().encode


def is_raw(request: Request) -> bool:
    """Say whether the prompt goes to `/completions`, as text without a chat template."""
    return request.messages[0].role == "raw"


def path_of(request: Request) -> str:
    """Return the path below the base URL that answers this request."""
    return "/completions" if is_raw(request) else "/chat/completions"


def body_of(request: Request, *, draws: int, tokens_field: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object that asks for `draws` replies; `extra` is added and wins, then the request's own body."""
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
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if sampling.min_p:
        body["min_p"] = sampling.min_p
    if sampling.repetition_penalty != 1.0:
        body["repetition_penalty"] = sampling.repetition_penalty
    if sampling.reasoning_effort:
        body["reasoning_effort"] = sampling.reasoning_effort
    if sampling.seed is not None:
        body["seed"] = sampling.seed + request.draw
    if draws > 1:
        body["n"] = draws
    if extra:
        body.update(extra)
    if sampling.extra_body:
        body.update(sampling.extra_body)
    return body


def encode(body: Mapping[str, Any]) -> bytes:
    """Return a request's body as bytes."""
    return _encode(body)


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What a reply holds: a completion per usable choice, for the first draws asked for, and how many choices came.

    `complaint` says what is wrong with its token counts, which are then 0.
    """

    completions: list[Completion]
    num_choices: int
    complaint: str = ""


def completions_of(requests: Sequence[Request], data: bytes, seconds: float) -> list[Completion]:
    """Return the completions of `read_reply`."""
    return read_reply(requests, data, seconds).completions


def read_reply(requests: Sequence[Request], data: bytes, seconds: float) -> Read:
    """Read the answer to one call for draws of one prompt; raises TransientError where no choice of it is a reply.

    The server counts tokens per call: the first draw carries the prompt's, and the reply's are dealt out by length.
    """
    try:
        reply = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        found = _salvaged(data)
        if found is None:
            raise not_a_reply(data, error) from error
        reply = found
    if not reply.choices:
        raise TransientError("the reply holds no choices", kind="malformed")
    may_be_blank = bool(requests[0].sampling.stop)
    usable: list[_Piece] = []
    failures: list[str] = []
    for choice in reply.choices[: len(requests)]:
        piece = _piece_of(choice, may_be_blank=may_be_blank)
        (usable if isinstance(piece, _Piece) else failures).append(piece)  # type: ignore[arg-type]
    if not usable:
        raise TransientError(failures[0], kind="no_reply")
    usage = read_usage(
        reply.usage,
        prompts=[message.content for message in requests[0].messages],
        texts=[piece.text for piece in usable] + [piece.thought for piece in usable if piece.thought],
    )
    shares, thoughts = [usage.tokens_out], [usage.tokens_reasoning]
    if len(usable) > 1:
        sizes = [len(piece.text) + len(piece.thought) for piece in usable]
        shares, thoughts = _deal(usage.tokens_out, sizes), _deal(usage.tokens_reasoning, sizes)
    completions = []
    tokens_in, usd = usage.tokens_in, usage.usd
    for request, piece, share, thought in zip(requests, usable, shares, thoughts, strict=False):
        completions.append(
            Completion(
                request=request.id, key=request.key, text=piece.text, finish_reason=piece.finish_reason,
                model=reply.model, tokens_in=tokens_in, tokens_out=share, tokens_reasoning=thought, usd=usd,
                seconds=seconds, reasoning=piece.thought, ended=piece.ended,
            )
        )  # fmt: skip
        tokens_in, usd = 0, None if usd is None else 0.0  # the first draw carries the prompt and the call's price
    return Read(completions=completions, num_choices=len(reply.choices), complaint=usage.complaint)


def not_a_reply(data: bytes, error: Exception | None = None) -> TransientError:
    """Return the message for a body of status 200 that no chat server sends: a page, or something that is not JSON."""
    if is_page(data):
        return TransientError(
            f"{page_shown(data)} came back where a reply was expected. Check teacher.base_url: it usually ends in /v1.",
            kind="page",
        )
    shown = " ".join(data[:120].decode("utf-8", "replace").split())
    what = f"{shown!r} came back" if data.strip() else "an empty body came back"
    why = f": {error}" if error is not None and data.strip() else ""
    return TransientError(f"the reply is not what a chat server sends{why}; {what}", kind="malformed")


def is_page(data: bytes) -> bool:
    """Say whether a body is an HTML page."""
    start = data[:2000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


def page_shown(data: bytes) -> str:
    """Describe an HTML page, by its title where it has one."""
    title = re.search(rb"<title[^>]{0,200}>([^<]{1,200})", data[:20_000], re.IGNORECASE)
    words = " ".join(title[1].decode("utf-8", "replace").split()) if title else ""
    return f'an HTML page ("{words[:80]}")' if words else "an HTML page"


class _Piece(msgspec.Struct):
    text: str
    thought: str
    finish_reason: FinishReason
    ended: str


def _piece_of(choice: dict[str, Any], *, may_be_blank: bool) -> _Piece | str:
    """Return what a choice holds, or why it is not a reply."""
    message = choice.get("message")
    if message is None and "text" in choice:
        message = {"content": choice["text"], **choice}
    found = text_and_thought(message) if isinstance(message, dict) else ("", "")
    if found is None:
        raise TransientError("the reply is not what a chat server sends: its content is not text", kind="malformed")
    text, thought = found
    refusal = message.get("refusal") if isinstance(message, dict) else None
    if isinstance(refusal, str) and refusal and not text:
        return _Piece(text="", thought=thought, finish_reason="content_filter", ended=f"refusal: {refusal[:200]}")
    failure = failure_of(choice, is_blank=not (text or thought), may_be_blank=may_be_blank)
    if failure:
        return failure
    reason, ended = end_of(choice.get("finish_reason", "unknown"))
    return _Piece(text=text, thought=thought, finish_reason=reason, ended=ended)


def loose_object(data: bytes) -> dict[str, Any] | None:
    """Return the object that JSON of a careless server holds: NaN, half surrogate pairs, bytes that are not UTF-8."""
    try:
        found = json.loads(data.decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def loose_json(text: str) -> Any:
    """Return the value of a text that is JSON, None for any other."""
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def encode_json(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value).encode()


def _salvaged(data: bytes) -> _Reply | None:
    """Return the usable parts of a malformed reply, because it is paid for; None where it has no text.

    Half a surrogate pair, as of an emoji that was cut in two, has no UTF-8 and becomes "?".
    """
    found = loose_object(data)
    choices = found.get("choices") if found else None
    if found is None or not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        return None
    usage, model = found.get("usage"), found.get("model")
    return _Reply(
        choices=[_mended(choice) for choice in choices],
        model=_well_formed(model) if isinstance(model, str) else "",
        usage=usage,
    )


def _mended(value: Any, depth: int = 0) -> Any:
    """Return a value with every text in it well-formed, without what is nested deeper than any reply."""
    if isinstance(value, str):
        return _well_formed(value)
    if not isinstance(value, list | dict):
        return value
    if depth > DEEPEST_REPLY:
        return None
    if isinstance(value, list):
        return [_mended(item, depth + 1) for item in value]
    return {_well_formed(key): _mended(item, depth + 1) for key, item in value.items()}


def _well_formed(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def status_of(status: int, data: bytes) -> int:
    """Return the HTTP status, or the one inside the body: some gateways answer 200 and an error object."""
    if status != 200 or b'"error"' not in data:
        return status
    found = loose_object(data)
    error = found.get("error") if found else None
    if found is None or not error or found.get("choices"):
        return status
    named = [error.get("code"), error.get("status"), error.get("type")] if isinstance(error, dict) else []
    for name in (*named, found.get("code"), found.get("status")):
        code = int(name) if isinstance(name, str) and re.fullmatch("[45][0-9]{2}", name) else name
        if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
            return code
        if isinstance(name, str) and name.lower() in _NAMED_STATUS:
            return _NAMED_STATUS[name.lower()]
    return 500


def _deal(total: int, sizes: list[int]) -> list[int]:
    whole = sum(sizes) or 1
    shares = [total * size // whole for size in sizes]
    shares[0] += total - sum(shares)
    return shares


def error_detail(data: bytes) -> str:
    """Return what a server's error body says, as one short line."""
    if is_page(data):
        return page_shown(data)
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
    if text.lstrip().startswith(("{", "[")) and (inner := loose_json(text)) is not None:
        return error_detail(encode_json(inner))  # gateways put the error of the server behind them into a string
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_DETAIL else text[:LONGEST_DETAIL] + "..."


def error_for(
    status: int, data: bytes, headers: Mapping[str, str], *, where: str, request: Request, key_from: str
) -> TeacherError | TransientError:
    """Return what an HTTP status means: asking again may help, or what the user has to fix."""
    detail = error_detail(data)
    said = f"{where}: {status} {detail}".rstrip()
    if status == 429 and b"RESOURCE_EXHAUSTED" in data:
        return _gemini_limit(said, data, headers)
    if status == 402 or (status in {400, 403, 429} and _OUT_OF_MONEY.search(detail)):
        return TeacherError(f"{said} The account has no credit left: add some and run the same command again.")
    if status == 429:
        return TransientError(said, retry_after(headers), kind="rate_limit")
    if status in {503, 529}:
        return TransientError(said, retry_after(headers), kind="overloaded")
    if status in {408, 409, 425} or status >= 500:
        return TransientError(said, retry_after(headers), kind="server")
    if 300 <= status < 400:
        target = _bare_address(headers.get("location", ""))
        to = "redirects elsewhere: check teacher.base_url"
        if target:
            to = f"redirects to {target}: set teacher.base_url to that"
        return TeacherError(f"{where}: {status}, the server {to}. The key is not sent after a redirect.")
    if status in {404, 405, 501} and is_raw(request) and not is_page(data):
        return TeacherError(
            f"{said} The server has no /completions, which raw prompts are sent to: set prompts.shape=chat, or choose "
            f'a server that takes raw prompts, or check teacher.model ("{request.model}").'
        )
    if status in {400, 413, 422} and _TOO_LONG.search(detail):
        return PromptRefused(
            f"{said} Request {request.id} does not fit the model's context: lower max_tokens "
            f"({request.sampling.max_tokens}), choose a prompt with fewer examples or a model with a longer context.",
            is_certain=True,
        )
    if status == 413:
        size = sum(len(message.content.encode("utf-8", "replace")) for message in request.messages)
        return PromptRefused(
            f"{said} Request {request.id} is {size:,} bytes, more than the server or a proxy before it takes: choose a "
            "prompt with fewer examples, or raise the limit there (nginx: client_max_body_size)."
        )
    if status in {400, 403, 422, 451} and _PROMPT_REFUSED.search(detail):
        return PromptRefused(f"{said} The server refuses the prompt of request {request.id}.", is_certain=True)
    advice = {
        401: f"The key was refused: check {key_from}.",
        403: f"The key may not use this model: check {key_from} and teacher.model.",
        404: f'Check teacher.base_url (it usually ends in /v1) and teacher.model ("{request.model}").',
        405: "Check teacher.base_url: it usually ends in /v1.",
    }.get(status, "The server refuses the request: check teacher.base_url and teacher.model.")
    if status in {400, 422}:
        return PromptRefused(
            f"{said} The server refuses the request as it is: check the model, its sampling settings and "
            "teacher.extra_body."
        )
    return TeacherError(f"{said} {advice}")


def _gemini_limit(said: str, data: bytes, headers: Mapping[str, str]) -> TeacherError | TransientError:
    """Return what Gemini's 429 means: its text speaks of plan and billing also where a minute's quota is used up."""
    delay = re.search(rb'"retryDelay\W+([0-9.]{1,12}m?s)', data)
    wait = retry_after(headers)
    if wait is None and delay:
        wait = span_seconds(delay[1].decode())
    if b"PerDay" in data:  # it names a delay of seconds then, too
        return TeacherError(
            f"{said} The quota of a day is used up: run the same command again tomorrow, or raise the quota. Every "
            "reply is kept."
        )
    return TransientError(said, wait, kind="rate_limit")


def _bare_address(location: str) -> str:
    """Return where a redirect leads as a base URL: without query and without the path of the call."""
    if not location or len(location) > 500 or not location.isprintable():
        return ""
    bare = location.partition("?")[0].partition("#")[0]
    bare = bare.removesuffix("/").removesuffix("/completions").removesuffix("/chat")
    return bare_url(bare) if "://" in bare else bare


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
