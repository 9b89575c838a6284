"""Write requests and read replies in the wire format of an OpenAI-compatible server. Sends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mathstrap.backends.served.fault import not_a_reply
from mathstrap.backends.served.loose import loose_object, mended, well_formed
from mathstrap.backends.served.reply import end_of, failure_of, message_of, refusal_of, said_end, text_and_thought
from mathstrap.backends.served.stream import unwrapped
from mathstrap.backends.served.usage import read_usage, usage_in
from mathstrap.errors import InputError, TransientError
from mathstrap.types import Completion, FinishReason, Request


class _ChatReply(msgspec.Struct):
    choices: list[dict[str, Any]]
    model: str = ""
    usage: Any = None


# Not strict: some servers write numbers as strings.
_decode = msgspec.json.Decoder(_ChatReply, strict=False).decode
_encode = msgspec.json.Encoder().encode


def is_raw(request: Request) -> bool:
    """Say whether the prompt goes to `/completions`, as text without a chat template."""
    return request.messages[0].role == "raw"


def path_of(request: Request) -> str:
    """Return the path below the base URL that answers this request."""
    return "/completions" if is_raw(request) else "/chat/completions"


def body_of(request: Request, *, draws: int, tokens_field: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object that asks for `draws` replies; `extra` overrides it, and the request's own body both."""
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


class ParsedReply(msgspec.Struct, frozen=True, kw_only=True):
    """A completion for each usable choice, for the first draws of the call, and the number of choices in the reply.

    `complaint` says what is wrong with its token counts, which are then 0.
    """

    completions: list[Completion]
    num_choices: int
    complaint: str = ""


def read_reply(requests: Sequence[Request], data: bytes, seconds: float) -> ParsedReply:
    """Parse the reply to one call for draws of one prompt; raises TransientError if no choice of it is usable.

    The server counts tokens per call: the first draw carries those of the prompt, and those of the reply are divided by
    length.
    """
    try:
        reply = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        salvaged = _salvaged(data)
        if salvaged is None:
            raise not_a_reply(data, error) from error
        reply = salvaged
    if not reply.choices:
        raise TransientError("the reply holds no choices", kind="malformed")
    may_be_blank = bool(requests[0].sampling.stop)
    usable: list[_Piece] = []
    failures: list[str] = []
    for choice in reply.choices[: len(requests)]:
        piece = _piece_of(choice, may_be_blank=may_be_blank)
        (usable if isinstance(piece, _Piece) else failures).append(piece)  # type: ignore[arg-type]
    stated_usage = reply.usage or usage_in(loose_object(data) or {})
    if not usable and _used_up(stated_usage, requests[0], draws=len(failures)):
        # A hidden thought used up max_tokens: asking again would cost as much and be as empty.
        usable = [_Piece(text="", thought="", finish_reason="length", ended="empty at the token limit")] * len(failures)
    if not usable:
        raise TransientError(failures[0], kind="no_reply")
    usage = read_usage(
        stated_usage,
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
    return ParsedReply(completions=completions, num_choices=len(reply.choices), complaint=usage.complaint)


class _Piece(msgspec.Struct):
    text: str
    thought: str
    finish_reason: FinishReason
    ended: str


def _piece_of(choice: dict[str, Any], *, may_be_blank: bool) -> _Piece | str:
    """Return the text, thought and end of a choice, or why it is not a reply."""
    message = message_of(choice)
    parts = text_and_thought(message)
    if parts is None:
        raise TransientError("the reply is not what a chat server sends: its content is not text", kind="malformed")
    text, thought = parts
    refusal = refusal_of(message)
    if refusal and not text:
        return _Piece(text="", thought=thought, finish_reason="content_filter", ended=f"refusal: {refusal[:200]}")
    word = said_end(choice)
    failure = failure_of(choice, word, is_blank=not (text.strip() or thought.strip()), may_be_blank=may_be_blank)
    if failure:
        return failure
    reason, ended = end_of(word)
    return _Piece(text=text, thought=thought, finish_reason=reason, ended=ended)


def _salvaged(data: bytes) -> _ChatReply | None:
    """Return the usable parts of a malformed or wrapped reply, because it is paid for; None if it has no text."""
    reply = loose_object(data)
    reply = unwrapped(reply) if reply else None
    choices = reply.get("choices") if reply else None
    if isinstance(choices, dict):
        choices = list(choices.values())
    if isinstance(choices, list):
        choices = [{"message": choice} if isinstance(choice, str) else choice for choice in choices]
    if reply is None or not isinstance(choices, list):
        return None
    objects = [choice for choice in choices if isinstance(choice, dict)]  # null beside good ones: those are paid for
    if choices and not objects:
        return None
    model = reply.get("model")
    return _ChatReply(
        choices=[mended(choice) for choice in objects],
        model=well_formed(model) if isinstance(model, str) else "",
        usage=usage_in(reply),
    )


def _used_up(stated_usage: Any, request: Request, *, draws: int) -> bool:
    """Say whether empty replies used all of max_tokens, even if the server calls them complete."""
    used = read_usage(stated_usage, prompts=(), texts=())
    return draws > 0 and used.tokens_out >= draws * request.sampling.max_tokens


def _deal(total: int, sizes: list[int]) -> list[int]:
    whole = sum(sizes) or 1
    shares = [total * size // whole for size in sizes]
    shares[0] += total - sum(shares)
    return shares
