"""Classify a failed call: asking again may help, one prompt is refused, or the user has something to fix.

Servers of one wire format agree on neither status nor words: a full context is a 400, a 413, a 422 or a 500; an empty
account is a 400, a 401, a 402, a 403 or a 429; some errors come with status 200. The text decides where the status does
not.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urljoin

import msgspec

from mathstrap.backends.served.loose import is_page, loose_json, loose_object, page_shown
from mathstrap.errors import PromptRefused, TeacherError, TransientError
from mathstrap.patterns import regex
from mathstrap.redact import bare_url
from mathstrap.types import Request

_TOO_LONG = regex(
    r"context[ _]?length|context[ _]window|context[ _]size|maximum context|(prompt|input|message)s? (is|are) too long|"
    r"too many (input |prompt )?tokens|string_above_max_length|exceeds? the (maximum|limit|available|model'?s)|"
    r"reduce the length|maximum (number of )?(input )?tokens|range of input length|maximum model length|"
    r"(inputs?|prompt) tokens?`? ?\+ ?`?max_new_tokens",
    re.IGNORECASE,
)
_OF_PROMPT = regex(r"context|token|prompt|input|model length", re.IGNORECASE)  # not of a queue or a disk
_OUT_OF_MONEY = regex(
    r"insufficient[ _]quota|exceeded your current quota|insufficient[ _](balance|credit|funds)|"
    r"credit balance is too low|(usage|spending|billing) (hard )?limits?|key limit exceeded|"
    r"billing_(hard_limit|not_active)|check your (plan and )?billing|account is not active|"
    r"arrear|account is in good standing|payment required|out of credits|not enough credits|"
    r"budget has been exceeded|exceededbudget|budget_exceeded|over budget|余额不足|欠费|请充值",
    re.IGNORECASE,
)
_FULL_MINUTE = regex(
    r"rate[ _-]?limit|too many (requests|concurrent)|please wait before|throttl|qps ?over|"
    r"per (minute|second|min)\b|并发|频率|capacity[ _]exceeded|no (healthy )?deployments? available|"
    r"temporarily (unavailable|rate-limited)",
    re.IGNORECASE,
)
_FULL_DAY = regex(
    r"per[- ]?day|\b[RT]PD\b|daily (limit|quota)|(limit|quota) (of|for) (the|this) day", re.IGNORECASE
)
_ALLOWANCE = regex(r"limit:?\s+([\d,]{1,12})\b.{0,60}?requested:?\s+~?([\d,]{1,12})\b", re.IGNORECASE)
_TRY_AGAIN = regex(
    r"(?:try(?:ing)? again|retry|wait|available again)\s*+(?:again\s*+)?(?:in|after|for)?\s*+(?:at least|about)?\s*+"
    r"((?:\d++(?:\.\d++)?\s*+(?:ms|milliseconds?|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])\s*+)+)",
    re.IGNORECASE,
)
# A prompt that the server will never accept, in the words of OpenAI, Azure, Gemini, Alibaba, z.ai and Mistral.
_PROMPT_REFUSED = regex(
    r"content[ _]?filter|content[ _]?policy|content management policy|responsible ?ai|invalid_prompt|usage policy|"
    r"usage policies|data_?inspection|inappropriate content|unsafe|sensitive|moderation|prohibited|flagged|"
    r"repetitive patterns|safety|blocked|harmful|high risk",
    re.IGNORECASE,
)
# The server could not parse its own model's output: another draw may succeed.
_OWN_OUTPUT = regex(
    r"harmony|unexpected tokens? .{0,40}(message header|start token)|output_parse_failed|tool_use_failed|"
    r"failed to parse (the )?(model|tool|input at pos)|model (output|generated output).{0,40}(pars|malformed)",
    re.IGNORECASE,
)
_WRONG_KEY = regex(
    r"api[ _-]?key (is )?(not valid|invalid|expired)|(invalid|incorrect) api[ _-]?key", re.IGNORECASE
)
_CANNOT_LOAD = regex(
    r"requires more (system|gpu|video) memory|insufficient system resources|(unable|failed|error) (to )?load(ing)? "
    r"(the )?(llama server|model)",
    re.IGNORECASE,
)
_TOKEN_LIMIT = regex(
    r"max_(?:completion_|new_|output_)?tokens\b.{0,80}?(?:too large|too high|at most|range|limited|exceed|less than|"
    r"greater than|maximum|must be|between|invalid)|invalid\W+max_(?:completion_|new_|output_)?tokens",
    re.IGNORECASE,
)
_THINKS_ALWAYS = regex(
    r"reasoning is mandatory|(thinking|reasoning) (can ?not|can't) be (disabled|turned off)", re.I
)
_NUMBER = regex(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_SPAN = regex(r"(\d+(?:\.\d+)?)\s*(ms|milli|s|m|h|d)", re.IGNORECASE)
_SPAN_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LIMIT_HEADERS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
)
# Statuses below 500 that are temporary: time-outs, conflicts, and a gateway's codes for a client that disconnected.
_PASSING = frozenset({408, 409, 420, 421, 424, 425, 449, 460, 498, 499})
_NEVER = frozenset({501, 505})  # not implemented, another version of HTTP
# The names of errors inside a reply of status 200 that have no number.
_NAMED_STATUS = (
    dict.fromkeys(
        ("rate_limit_exceeded", "rate_limit_error", "rate_limited", "resource_exhausted", "insufficient_quota"), 429
    )
    | dict.fromkeys(
        ("invalid_request_error", "invalid_prompt", "content_filter", "context_length_exceeded", "badrequesterror"), 400
    )
    | dict.fromkeys(("not_found_error", "notfounderror", "model_not_found"), 404)
    | {"authentication_error": 401, "permission_error": 403, "overloaded_error": 529}
)
# The words of errors of status 200 with neither number nor name; the first match counts.
_WORDED_STATUS = (
    (402, _OUT_OF_MONEY),
    (429, _FULL_MINUTE),
    (401, regex(r"unauthori[sz]ed|not authenticated|login fail|api secret key", re.IGNORECASE)),
    (404, regex(r"not found|unexpected endpoint|does not exist|no such (model|route)", re.IGNORECASE)),
)
_VAGUE = regex(r"provider returned error|upstream error|bad request|internal (server )?error", re.IGNORECASE)
# Other APIs, by a field that only their replies have, with the right address.
_OTHER_APIS = (
    ("done", "Ollama's own API, whose OpenAI-compatible address ends in /v1"),
    ("candidates", "Gemini's own API, whose OpenAI-compatible address ends in /v1beta/openai"),
    ("stop_reason", "Anthropic's own API, whose OpenAI-compatible address is https://api.anthropic.com/v1"),
    ("output", "the Responses API; expected is the address below which /chat/completions lies"),
    ("generated_text", "the text-generation API of Hugging Face, whose chat address ends in /v1"),
)
LONGEST_DETAIL = 300
LONGEST_WAIT_SECONDS = 86_400.0
LONGEST_DAY_WAIT_SECONDS = 3_600.0  # a daily quota that resets sooner is waited for
_EARLIEST_DATE = 1e9  # a Retry-After of more seconds is a date in seconds since 1970


def status_of(status: int, data: bytes) -> int:
    """Return the HTTP status, or the one inside the body: some gateways answer 200 and an error object."""
    if 200 <= status < 300:
        status = 200
    head = data[:2000]
    if status != 200 or b'"choices": [{' in head or b'"choices":[{' in head:
        return status
    reply = loose_object(data)
    if reply is None or reply.get("choices"):
        return status
    error = reply.get("error")
    base = reply.get("base_resp")  # MiniMax
    if not error and not isinstance(base, dict) and reply.get("object") != "error":
        texts = (reply.get(name) for name in ("message", "msg", "detail"))
        return _worded(next((text for text in texts if isinstance(text, str)), "")) or status
    named = [error.get("code"), error.get("status"), error.get("type")] if isinstance(error, dict) else []
    for name in (*named, reply.get("code"), reply.get("status"), reply.get("type")):
        code = int(name) if isinstance(name, str) and re.fullmatch("[45][0-9]{2}", name) else name
        if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
            return code
        if isinstance(name, str) and name.lower() in _NAMED_STATUS:
            return _NAMED_STATUS[name.lower()]
    return _worded(error_detail(data)) or 500


def _worded(text: str) -> int:
    return next((status for status, pattern in _WORDED_STATUS if pattern.search(text)), 0)


def not_a_reply(data: bytes, error: Exception | None = None) -> TransientError:
    """Return the error for a body of status 200 that is not a chat reply: a web page, or something that is not JSON."""
    if is_page(data):
        return TransientError(
            f"{page_shown(data)} came back where a reply was expected. Check teacher.base_url: it usually ends in /v1.",
            kind="page",
        )
    shown = " ".join(data[:120].decode("utf-8", "replace").split())
    reply = loose_object(data)
    for name, api in _OTHER_APIS:
        if reply is not None and name in reply and "choices" not in reply:
            return TransientError(
                f"the reply is not what a chat server sends but that of {api}: check teacher.base_url; {shown!r} came "
                "back",
                kind="malformed",
            )
    what = f"{shown!r} came back" if data.strip() else "an empty body came back"
    why = f": {error}" if error is not None and data.strip() else ""
    return TransientError(f"the reply is not what a chat server sends{why}; {what}", kind="malformed")


def error_detail(data: bytes) -> str:
    """Return the message in a server's error body, as one short line."""
    if is_page(data):
        return page_shown(data)
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = data[:2000].decode("utf-8", "replace")
    text = _words_of(body)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_DETAIL else text[:LONGEST_DETAIL] + "..."


def _words_of(value: Any, depth: int = 0) -> str:
    """Return the words of an error from nested objects, lists and strings of JSON."""
    if isinstance(value, str):
        inner = loose_json(value) if value.lstrip().startswith(("{", "[")) and depth < 4 else None
        return value if inner is None else _words_of(inner, depth + 1)
    if isinstance(value, list) and value and depth < 8:
        return "; ".join(text for item in value[:3] if (text := _words_of(item, depth + 1)))
    if not isinstance(value, dict) or depth >= 8:
        return str(value)
    if isinstance(value.get("msg"), str) and isinstance(value.get("loc"), list):  # pydantic's, of FastAPI servers
        place = ".".join(str(part) for part in value["loc"] if part != "body")
        return f"{place}: {value['msg']}" if place else value["msg"]
    metadata = value.get("metadata")
    if isinstance(metadata, dict) and metadata.get("raw"):  # OpenRouter keeps the provider's error here
        own = value.get("message")
        raw = _words_of(metadata["raw"], depth + 1)
        return raw if isinstance(own, str) and _VAGUE.search(own) else f"{own} {raw}"
    for name in ("error", "errors", "detail", "data", "base_resp"):
        inner = value.get(name)
        if inner and (text := _words_of(inner, depth + 1)):
            return text
    names = ("message", "msg", "status_msg", "title", "Message", "errorMessage", "error_description")
    words = [_words_of(value[name], depth + 1) for name in names if value.get(name)][:1]
    words += [value[name] for name in ("code", "type") if isinstance(value.get(name), str)]
    return " ".join(words)


def error_for(
    status: int, data: bytes, headers: Mapping[str, str], *, where: str, request: Request, key_from: str
) -> TeacherError | TransientError:
    """Return the error for an HTTP status: transient if asking again may help, else with the advice to the user."""
    detail = error_detail(data)
    report = f"{where}: {status} {detail}".rstrip()
    plain = re.sub(r"https?://\S+", "", detail)  # links to billing pages appear in messages about anything
    wait = asked_wait(headers, data, detail)
    if status == 429 and b"RESOURCE_EXHAUSTED" in data:
        return _gemini_limit(report, data, wait)
    if status in {400, 413, 429} and (never := _never_fits(report, plain, request)) is not None:
        return never
    if status in {400, 403, 429} and _FULL_MINUTE.search(plain) and "insufficient_quota" not in plain:
        return _full(report, plain, wait)
    if status == 402 or (status in {400, 401, 403, 429} and _OUT_OF_MONEY.search(plain)):
        more = ", or lower max_tokens, for which the account has to have enough," if "max_tokens" in plain else ""
        return TeacherError(f"{report} The account has no credit left: add some{more} and run the same command again.")
    if status == 429:
        return _full(report, plain, wait)
    if _TOO_LONG.search(plain) and (
        status in {400, 413, 416, 422} or (status in {500, 503} and _OF_PROMPT.search(plain))
    ):
        return PromptRefused(
            f"{report} Request {request.id} does not fit the model's context: lower max_tokens "
            f"({request.sampling.max_tokens}), choose a prompt with fewer examples or a model with a longer context.",
            is_certain=True,
        )
    if status in {400, 500, 503} and _CANNOT_LOAD.search(plain):
        return TeacherError(
            f"{report} The server cannot load the model: choose a smaller one, or free some memory there."
        )
    if status in {503, 529}:
        return TransientError(report, wait, kind="overloaded")
    if status in _PASSING or (status >= 500 and status not in _NEVER):
        return TransientError(report, wait, kind="server")
    if status in {400, 422} and _OWN_OUTPUT.search(plain):
        return TransientError(report, wait, kind="no_reply")
    if 300 <= status < 400:
        return TeacherError(f"{where}: {status}, {_redirect(where, headers.get('location', ''))}")
    if status in {404, 405, 501} and request.messages and request.messages[0].role == "raw" and not is_page(data):
        return TeacherError(
            f"{report} The server has no /completions, which raw prompts are sent to: set prompts.shape=chat, or "
            f'choose a server that takes raw prompts, or check teacher.model ("{request.model}").'
        )
    if status == 413:
        size = sum(len(message.content.encode("utf-8", "replace")) for message in request.messages)
        return PromptRefused(
            f"{report} Request {request.id} is {size:,} bytes, more than the server or a proxy before it takes: choose "
            "a prompt with fewer examples, or raise the limit there (nginx: client_max_body_size)."
        )
    if status in {400, 403, 422, 451} and _PROMPT_REFUSED.search(plain):
        return PromptRefused(f"{report} The server refuses the prompt of request {request.id}.", is_certain=True)
    if status == 400 and _WRONG_KEY.search(plain):
        return TeacherError(f"{report} The key was refused: check {key_from}.")
    if status in {400, 416, 422, 451}:
        return PromptRefused(f"{report} {_refused_advice(status, plain, request)}")
    if is_page(data) and status in {401, 403}:
        return TeacherError(
            f"{report} A web page answers, not the API: check teacher.base_url, {key_from}, and whether a firewall, a "
            "proxy or a login page lies in between."
        )
    advice = {
        401: f"The key was refused: check {key_from}.",
        403: f"The key may not use this model: check {key_from} and teacher.model.",
        404: f'Check teacher.base_url (it usually ends in /v1) and teacher.model ("{request.model}").',
        405: "Check teacher.base_url: it usually ends in /v1.",
        407: "The proxy before the server wants a name and a password: HTTPS_PROXY=http://name:password@proxy:port.",
        410: f'Choose another model: teacher.model ("{request.model}").',
    }.get(status, "The server refuses the request: check teacher.base_url and teacher.model.")
    return TeacherError(f"{report} {advice}")


def _refused_advice(status: int, plain: str, request: Request) -> str:
    if _TOKEN_LIMIT.search(plain):
        return f"The server does not take max_tokens={request.sampling.max_tokens}: set it to what the server allows."
    if _THINKS_ALWAYS.search(plain):
        return 'This model always thinks: set reasoning_effort to "low", or leave it out, and give max_tokens room.'
    if status == 451:
        return "The server refuses it for legal reasons: look at the prompt, and at where the server may be used."
    return "The server refuses the request as it is: check the model, its sampling settings and teacher.extra_body."


def _never_fits(report: str, plain: str, request: Request) -> PromptRefused | None:
    """Return the refusal of a request that is larger than the account's whole allowance of a minute."""
    allowance = _ALLOWANCE.search(plain)
    if allowance is None:
        return None
    limit, requested = (int(group.replace(",", "") or 0) for group in allowance.groups())
    if requested <= limit:
        return None
    return PromptRefused(
        f"{report} Request {request.id} may come to {requested:,} tokens, more than the {limit:,} that the account may "
        f"use at a time: lower max_tokens ({request.sampling.max_tokens}), or have the limit raised.",
        is_certain=True,
    )


def _full(report: str, plain: str, wait: float | None) -> TeacherError | TransientError:
    """Return the error for a used-up quota: a minute's is waited for, a day's ends the run."""
    if _FULL_DAY.search(plain) and (wait is None or wait > LONGEST_DAY_WAIT_SECONDS):
        return TeacherError(
            f"{report} The quota of a day is used up: run the same command again tomorrow, or raise the quota. Every "
            "reply is kept."
        )
    return TransientError(report, wait, kind="rate_limit")


def _gemini_limit(report: str, data: bytes, wait: float | None) -> TeacherError | TransientError:
    """Return the error for Gemini's 429, whose text mentions plan and billing even if only a minute's quota is used."""
    return _full(report, "per day" if b"PerDay" in data else "", None if b"PerDay" in data else wait)


def _redirect(where: str, location: str) -> str:
    """Describe where a redirect leads, and what to do about it."""
    kept = "The key is not sent after a redirect."
    if not location or len(location) > 500 or not location.isprintable():
        return f"the server redirects elsewhere: check teacher.base_url. {kept}"
    address = urljoin(where.rstrip("/") + "/chat/completions", location).partition("?")[0].partition("#")[0]
    base = address.rstrip("/").removesuffix("/completions").removesuffix("/chat")
    shown = bare_url(base)
    if base == address.rstrip("/"):
        return (
            f"the server redirects to {shown}, which is not the address of a chat: check teacher.base_url, and whether "
            f"a login page lies in between. {kept}"
        )
    if shown.rstrip("/") == where.rstrip("/"):
        return f"the server redirects to {bare_url(address)}, its own address written another way. {kept}"
    return f"the server redirects to {shown}: set teacher.base_url to that. {kept}"


def asked_wait(headers: Mapping[str, str], data: bytes = b"", detail: str = "") -> float | None:
    """Return the seconds a server asks to wait: in a header, in a field of its error, or in the error's words."""
    wait = retry_after(headers)
    if wait is not None:
        return wait
    if (match := re.search(rb'"retryDelay\W+([0-9.]{1,12}m?s)', data)) is not None:
        return span_seconds(match[1].decode())
    if (match := re.search(rb'"(?:retry_after|estimated_time)"\s*:\s*([0-9.]{1,12})', data)) is not None:
        return min(_seconds(match[1].decode()) or 0.0, LONGEST_WAIT_SECONDS)
    worded = _TRY_AGAIN.search(detail)
    return span_seconds(worded[1]) if worded else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a server asks to wait, from retry-after-ms or Retry-After: seconds, a span, or a date."""
    exact = _seconds(headers.get("retry-after-ms", ""))
    if exact is not None:
        return min(exact / 1000, LONGEST_WAIT_SECONDS)
    value = headers.get("retry-after", "").strip()
    number = _seconds(value)
    if number is not None and not _EARLIEST_DATE < number < 2 * _EARLIEST_DATE * 1000:
        return min(number, LONGEST_WAIT_SECONDS)
    if _SPAN.match(value):
        return span_seconds(value)
    try:
        if number is not None:
            moment = number / 1000 if number > 100 * _EARLIEST_DATE else number
        elif re.match(r"\d{4}-\d\d-\d\dT", value):
            moment = datetime.fromisoformat(value).timestamp()
        else:
            moment = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
    return min(max(0.0, moment - time.time()), LONGEST_WAIT_SECONDS)


def exhausted_for(headers: Mapping[str, str]) -> float:
    """Return for how many seconds the x-ratelimit headers say that nothing is left; 0 if something is."""
    wait = 0.0
    for remaining_name, reset_name in _LIMIT_HEADERS:
        remaining = headers.get(remaining_name)
        if remaining is not None and remaining.strip() in {"0", "0.0", "-1"}:
            wait = max(wait, span_seconds(headers.get(reset_name, "")))
    return wait


def _seconds(text: str) -> float | None:
    text = text.strip()
    return float(text) if _NUMBER.fullmatch(text) else None


def span_seconds(text: str) -> float:
    """Return the seconds of a span such as `6m0s`, `20ms`, `2 minutes` or `1.5`; 0 for anything else."""
    number = _seconds(text)
    if number is not None:
        return number if number < 1e6 else 0.0  # larger numbers are dates, which depend on the server's clock
    span = sum(float(number) * _SPAN_SECONDS[unit.lower()] for number, unit in _SPAN.findall(text))
    return min(span, LONGEST_WAIT_SECONDS)
