"""What servers send, row by row: what the run does about it, and what the user reads.

Each row is one kind that people met: with vLLM, SGLang, llama.cpp, Ollama, LM Studio, OpenRouter, LiteLLM, Groq, Azure,
Gemini, Mistral, DeepSeek, z.ai, MiniMax, Cloudflare, or a gateway before one of them.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import Any, Literal

from fake_server import Wire

TEXT = "The answer is: 4"
Does = Literal["stores", "asks again", "refuses", "ends"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is sent as the first answer to a prompt, and what comes of it.

    `reads` is a part of the sentence that the user reads; of a stored reply it is the server's word for its end.
    `tokens` are those of the prompt, of the reply, and of the thought in it.
    """

    sent: Any
    does: Does = "stores"
    reads: str = ""
    text: str = TEXT
    thought: str = ""
    finish: str = "stop"
    tokens: tuple[int, int, int] | None = None
    wait: float | None = None


def choice(content: Any = TEXT, finish: Any = "stop", **message: Any) -> dict[str, Any]:
    return {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}


def body(*choices: Any, **rest: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
    return {"id": "x", "model": "thinker", "choices": list(choices) or [choice()], "usage": usage, **rest}


def using(usage: Any, **rest: Any) -> dict[str, Any]:
    return {**body(), "usage": usage, **rest}


def fault(status: int, message: Any, headers: dict[str, str] | None = None, **error: Any) -> tuple[Any, ...]:
    return status, {"error": {"message": message, **error}}, headers or {}


def page(status: int, title: str) -> tuple[Any, ...]:
    return status, f"<!DOCTYPE html><html><head><title>{title}</title></head></html>".encode(), {
        "Content-Type": "text/html"
    }


def http(data: bytes, head: str = "", *, length: int | None = None, kind: str = "application/json") -> Wire:
    said = len(data) if length is None else length
    return Wire((f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {said}\r\n{head}\r\n".encode() + data,))


def chunked(*pieces: bytes, ends: bool = True) -> Wire:
    lines = [f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces]
    return Wire((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *lines, b"0\r\n\r\n" if ends else b""))


def delta(finish: str | None = None, **parts: Any) -> bytes:
    sent = {"model": "thinker", "choices": [{"index": 0, "delta": parts, "finish_reason": finish}]}
    return b"data: " + json.dumps(sent).encode() + b"\n\n"


GOOD = json.dumps(body()).encode()
DONE = b"data: [DONE]\n\n"
USED = b"data: " + json.dumps({"choices": [], "usage": body()["usage"]}).encode() + b"\n\n"
STREAM = (
    delta(role="assistant", content="") + delta(reasoning_content="2+") + delta(reasoning_content="2")
    + delta(content="The answer") + delta(content=" is: 4") + delta("stop") + USED + DONE
)  # fmt: skip
AS_STREAM = {"Content-Type": "text/event-stream"}
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
NATIVE = {"model": "q", "message": {"role": "assistant", "content": TEXT}, "done": True, "done_reason": "stop"}

# How the body comes over the wire.
BODIES = {
    "a stream, though none was asked for": Row(sent=(200, STREAM, AS_STREAM), thought="2+2", tokens=(10, 20, 3)),
    "a stream with comments and carriage returns": Row(
        sent=(200, (b": PROCESSING\n\n" * 3 + STREAM).replace(b"\n", b"\r\n"), AS_STREAM), thought="2+2",
    ),
    "a stream with event and id lines": Row(
        sent=(200, b"".join(b"event: message\nid: 7\n" + part + b"\n\n" for part in STREAM.split(b"\n\n")[:-1])),
        thought="2+2",
    ),
    "a stream without blank lines": Row(sent=(200, STREAM.replace(b"\n\n", b"\n")), thought="2+2"),
    "a stream of whole words that names no end": Row(
        sent=(200, delta(content=TEXT) + DONE), finish="unknown", tokens=(0, 0, 0),
    ),
    "a stream of Mistral's parts": Row(
        sent=(200, delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}]}])
              + delta(content=TEXT) + delta("stop") + DONE),
        thought="2+2", tokens=(0, 0, 0),
    ),
    "a stream of two choices, the first asked for": Row(
        sent=(200, b"data: " + json.dumps(body({"index": 1, "delta": {"content": "B"}, "finish_reason": "stop"},
                                               {"index": 0, "delta": {"content": TEXT}, "finish_reason": "stop"}))
              .encode() + b"\n\n" + DONE),
    ),
    "a stream that says its usage several times": Row(
        sent=(200, STREAM.replace(USED, USED.replace(b"20", b"7").replace(b"30", b"17") + USED)), thought="2+2",
        tokens=(10, 20, 3),
    ),
    "a stream that is cut off": Row(
        sent=(200, STREAM[: STREAM.index(b" is: 4") - 40]), does="asks again", reads="has no finish_reason",
    ),
    "an error in the middle of a stream": Row(
        sent=(200, delta(content="The") + b'data: {"error":{"message":"upstream died","code":502}}\n\n' + DONE),
        does="asks again", reads="502 upstream died",
    ),
    "a stream of nothing but an error": Row(
        sent=(200, b'data: {"error":{"message":"Rate limit exceeded","code":429}}\n\n'), does="asks again",
        reads="429 Rate limit",
    ),
    "a stream of nothing": Row(sent=(200, DONE), does="asks again", reads="'data: [DONE]' came back"),
    "a stream of pings": Row(sent=(200, b'data: {"type":"ping"}\n\n' * 3), does="asks again", reads="ping"),
    "a whole reply as one event": Row(sent=(200, b"data: " + GOOD + b"\n\n" + DONE, AS_STREAM)),
    "a whole reply with the end of a stream": Row(sent=(200, GOOD + b"\n\n" + DONE, AS_STREAM)),
    "a reply over many lines with the end of a stream": Row(
        sent=(200, json.dumps(body(), indent=2).encode() + b"\n\n" + DONE),
    ),
    "comment lines before the reply": Row(sent=(200, b": PROCESSING\n\n: PROCESSING\n\n" + GOOD)),
    "blank lines before the reply": Row(sent=(200, b"\n\n\n\n" + GOOD + b"\n")),
    "100,000 blanks before the reply": Row(sent=(200, b" " * 100_000 + GOOD)),
    "the reply as a string of JSON": Row(sent=(200, json.dumps(GOOD.decode()).encode())),
    "the reply in a list": Row(sent=(200, b"[" + GOOD + b"]")),
    "the reply in a gateway's data": Row(sent={"code": 0, "msg": "ok", "data": body()}),
    "the reply in a gateway's result": Row(sent={"success": True, "errors": [], "result": body()}),
    "the reply in a gateway's string": Row(sent={"statusCode": 200, "body": GOOD.decode()}),
    "gzip": Row(sent=http(gzip.compress(GOOD), "Content-Encoding: gzip\r\n")),
    "gzip that is not said": Row(sent=http(gzip.compress(GOOD))),
    "gzip that is said and not done": Row(sent=http(GOOD, "Content-Encoding: gzip\r\n")),
    "deflate": Row(sent=http(zlib.compress(GOOD), "Content-Encoding: deflate\r\n")),
    "deflate without its two bytes": Row(sent=http(zlib.compress(GOOD)[2:-4], "Content-Encoding: deflate\r\n")),
    "gzip that is cut off": Row(
        sent=http(gzip.compress(GOOD)[:60], "Content-Encoding: gzip\r\n"), does="asks again", reads="is cut off",
    ),
    "gzip that is broken": Row(
        sent=http(b"\x1f\x8bbroken", "Content-Encoding: gzip\r\n"), does="asks again", reads="compression is broken",
    ),
    "a compression nobody asked for": Row(
        sent=http(b"\x1b\x03\x00xyz", "Content-Encoding: br\r\n"), does="asks again", reads='compressed with "br"',
    ),
    "a length that is too great": Row(sent=http(GOOD, length=len(GOOD) + 9), does="asks again", reads="broke"),
    # Torn JSON, or a next head that cannot be read: by how much of the rest has arrived.
    "a length that is too small": Row(sent=http(GOOD, length=len(GOOD) - 9), does="asks again"),
    "two lengths": Row(
        sent=Wire((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n" + GOOD,)), does="asks again",
        reads="is not HTTP",
    ),
    "no length, then closed": Row(sent=Wire((b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + GOOD,))),
    "HTTP/1.0": Row(sent=Wire((b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + GOOD,))),
    "chunks": Row(sent=chunked(GOOD[:40], GOOD[40:])),
    "chunks that are cut midway": Row(sent=chunked(GOOD[:40], ends=False), does="asks again", reads="broke"),
    "whole chunks without the last": Row(sent=chunked(GOOD, ends=False), does="asks again", reads="broke"),
    "a chunk whose length is no number": Row(
        sent=Wire((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",)), does="asks again",
        reads="is not HTTP",
    ),
    "another protocol": Row(sent=Wire((b"SSH-2.0-OpenSSH_9.2\r\n",)), does="asks again", reads="is not HTTP"),
    "closed at once": Row(sent=Wire(()), does="asks again", reads="broke"),
    "a hint before the reply": Row(sent=Wire((HINT + http(GOOD).pieces[0],))),
    "a head of 20,000 characters": Row(sent=http(GOOD, f"X-Policy: {'a' * 20_000}\r\n")),
    "a head of no encoding": Row(sent=Wire((http(GOOD, "X-Odd: @\r\n").pieces[0].replace(b"@", b"\xff\xfe"),))),
    "Latin-1 that is said": Row(
        sent=http(json.dumps(body(choice("caf\u00e9")), ensure_ascii=False).encode("latin-1"),
                  kind="application/json; charset=latin-1"),
        text="caf\u00e9",
    ),
    "UTF-16": Row(sent=http(GOOD.decode().encode("utf-16"))),
    "an encoding nobody knows": Row(sent=http(GOOD, kind="application/json; charset=x-none")),
    "201": Row(sent=(201, GOOD)),
    "203": Row(sent=(203, GOOD)),
    "206": Row(sent=(206, GOOD)),
    "202 and a ticket": Row(sent=(202, {"id": "x", "status": "queued"}), does="asks again", reads="queued"),
    "204": Row(sent=(204, b""), does="asks again", reads="an empty body came back"),
    "null": Row(sent=(200, b"null"), does="asks again", reads="'null' came back"),
    "plain text as its type": Row(sent=(200, GOOD, {"Content-Type": "text/plain"})),
    "Ollama's own API": Row(sent=NATIVE, does="asks again", reads="Ollama's own API"),
    "Ollama's own API, line by line": Row(
        sent=(200, b"\n".join(json.dumps({**NATIVE, "done": end}).encode() for end in (False, False, True))),
        does="asks again", reads="Ollama's own API",
    ),
    "Anthropic's own API": Row(
        sent={"type": "message", "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn"},
        does="asks again", reads="Anthropic's own API",
    ),
    "Gemini's own API": Row(
        sent={"candidates": [{"content": {"parts": [{"text": TEXT}]}, "finishReason": "STOP"}]}, does="asks again",
        reads="/v1beta/openai",
    ),
    "the Responses API": Row(
        sent={"object": "response", "output": [{"type": "message"}]}, does="asks again", reads="the Responses API",
    ),
}  # fmt: skip

TOOLS = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]

# What a choice holds, and where.
CHOICES = {
    "null content and a tool call": Row(
        sent=body(choice(None, "tool_calls", tool_calls=TOOLS)), text="", finish="unknown", reads="tool_calls",
    ),
    "a text and a tool call": Row(sent=body(choice(finish="tool_calls", tool_calls=TOOLS)), finish="unknown"),
    "a text and an empty list of tools": Row(sent=body(choice(tool_calls=[]))),
    "a message that is a text": Row(sent=body({"message": TEXT, "finish_reason": "stop"})),
    "a choice that is a text": Row(sent=body(TEXT), finish="unknown"),
    "choices by number": Row(sent=body(choices={"0": choice()})),
    "a delta in place of a message": Row(sent=body({"delta": {"content": TEXT}, "finish_reason": "stop"})),
    "a list of messages": Row(
        sent=body({"messages": [{"sender_type": "BOT", "text": TEXT}], "finish_reason": "stop"}),
    ),
    "content beside the message": Row(sent=body({"content": TEXT, "finish_reason": "stop"})),
    "content that is one part": Row(sent=body(choice({"type": "text", "text": TEXT}))),
    "content that is a list of texts": Row(sent=body(choice(["The answer ", "is: 4"]))),
    "content that is a number": Row(sent=body(choice(4)), text="4"),
    "content that is true": Row(sent=body(choice(True)), does="asks again", reads="its content is not text"),
    "an empty list": Row(sent=body(choice([])), does="asks again", reads="the reply is empty"),
    "blanks alone": Row(sent=body(choice("\n\n  \n")), does="asks again", reads="the reply is empty"),
    "a refusal among the parts": Row(
        sent=body(choice([{"type": "refusal", "refusal": "I cannot."}])), text="", finish="content_filter",
        reads="refusal: I cannot.",
    ),
    "a picture among the parts": Row(sent=body(choice([{"type": "text", "text": TEXT}, {"type": "image_url"}]))),
    "references among the parts": Row(
        sent=body(choice([{"type": "text", "text": "The answer"}, {"type": "reference", "reference_ids": [1]},
                          {"type": "text", "text": " is: 4"}])),
    ),
    "null among the choices": Row(sent=body(None), does="asks again", reads="not what a chat server sends"),
    "more choices than were asked for": Row(sent=body(choice(), choice("B"), choice("C"))),
    "empty at the token limit, said to be complete": Row(
        sent={**body(choice("")), "usage": {"prompt_tokens": 10, "completion_tokens": 512,
                                           "completion_tokens_details": {"reasoning_tokens": 512}}},
        text="", finish="length", reads="empty at the token limit", tokens=(10, 512, 512),
    ),
    "empty, for another reason": Row(sent=body(choice("", "OTHER")), does="asks again", reads='"other"'),
    "a thought in parts, then empty ones": Row(
        sent=body(choice([{"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}], "closed": True},
                          {"type": "text", "text": "The answer "}, {"type": "thinking", "thinking": []},
                          {"type": "text", "text": "is: 4"}])),
        thought="2+2",
    ),
    "a thought in parts that is not closed": Row(
        sent=body(choice([{"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}], "closed": False}])),
        text="", thought="2+2", finish="length", reads="stop",
    ),
    "a thought as a list of texts": Row(sent=body(choice(reasoning=["2", "+2"])), thought="2+2"),
    "a thought as a summary": Row(
        sent=body(choice(reasoning={"summary": [{"type": "summary_text", "text": "2+2"}]})), thought="2+2",
    ),
    "thinking_blocks": Row(
        sent=body(choice(thinking_blocks=[{"type": "thinking", "thinking": "2+2", "signature": "x"}])), thought="2+2",
    ),
    "reasoning_text": Row(sent=body(choice(reasoning_text="2+2")), thought="2+2"),
    "a thought among a proxy's own fields": Row(
        sent=body(choice(provider_specific_fields={"reasoning_content": "2+2"})), thought="2+2",
    ),
    "a thought beside the message": Row(sent=body({**choice(), "reasoning_content": "2+2"}), thought="2+2"),
    "the same thought in a field and in tags": Row(
        sent=body(choice(f"<think>\n2+2\n</think>{TEXT}", reasoning_content="2+2")), thought="2+2",
    ),
    "a torn closing tag": Row(sent=body(choice(f"/think>{TEXT}", reasoning_content="2+2")), thought="2+2"),
    "a folded thought": Row(
        sent=body(choice(f'<details type="reasoning" done="true"><summary>Thought</summary>2+2</details>{TEXT}')),
        thought="2+2",
    ),
    "a folded thought that never ended": Row(
        sent=body(choice('<details type="reasoning" done="false"><summary>Thinking</summary>2+2')), text="",
        thought="2+2", finish="length", reads="stop",
    ),
    "an inner prefix": Row(sent=body(choice(f"<|inner_prefix|>2+2<|inner_suffix|>{TEXT}")), thought="2+2"),
    "Cohere's tokens": Row(
        sent=body(choice(f"<|START_THINKING|>2+2<|END_THINKING|><|START_RESPONSE|>{TEXT}<|END_RESPONSE|>")),
        thought="2+2",
    ),
    "harmony with a commentary": Row(
        sent=body(choice(f"<|channel|>analysis<|message|>2+2<|end|><|start|>assistant<|channel|>commentary<|message|>"
                         f"Well.<|end|><|start|>assistant<|channel|>final<|message|>{TEXT}<|return|>")),
        thought="2+2\nWell.",
    ),
    "the end of the turn": Row(sent=body(choice(f"{TEXT}<|im_end|>"))),
    "the end of the turn, and a question of its own": Row(
        sent=body(choice(f"{TEXT}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhat is 3+3?")),
    ),
    "DeepSeek's end of a sentence": Row(sent=body(choice(f"{TEXT}<\uff5cend\u2581of\u2581sentence\uff5c>"))),
    "the name of the role": Row(sent=body(choice(f"assistant\n\n{TEXT}"))),
    "an error inside the message": Row(
        sent=body({**choice(""), "error": {"message": "boom"}}), does="asks again", reads="boom",
    ),
    "an error of null": Row(sent=body(error=None)),
    "an error with a reply": Row(sent=body(error={"message": "a warning"})),
    "no usage": Row(sent=using(None), tokens=(0, 0, 0)),
    "usage of nulls": Row(sent=using({"prompt_tokens": None, "completion_tokens": None}), tokens=(0, 0, 0)),
    "a total alone": Row(sent=using({"total_tokens": 30}), tokens=(0, 30, 0)),
    "a thought that used up everything, in the total alone (Gemini)": Row(
        sent={**body(choice(None, "length")), "usage": {"prompt_tokens": 10, "total_tokens": 522}}, text="",
        finish="length", tokens=(10, 512, 512),
    ),
    "a total below its parts": Row(
        sent=using({"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 5}), tokens=(10, 20, 0),
    ),
    "counts under Gemini's names": Row(
        sent=using({"promptTokenCount": 10, "candidatesTokenCount": 20, "thoughtsTokenCount": 300,
                    "totalTokenCount": 330}),
        tokens=(10, 320, 300),
    ),
    "Gemini's usageMetadata": Row(
        sent=using(None, usageMetadata={"promptTokenCount": 10, "candidatesTokenCount": 20}), tokens=(10, 20, 0),
    ),
    "Anthropic's counts with its cache": Row(
        sent=using({"input_tokens": 2, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 100,
                    "output_tokens": 20}),
        tokens=(110, 20, 0),
    ),
    "usage inside the choice": Row(
        sent=using(None, choices=[{**choice(), "usage": {"prompt_tokens": 10, "completion_tokens": 20}}]),
        tokens=(10, 20, 0),
    ),
    "usage under Groq's name": Row(
        sent=using(None, x_groq={"usage": {"prompt_tokens": 10, "completion_tokens": 20}}), tokens=(10, 20, 0),
    ),
    "llama.cpp's timings": Row(sent=using(None, timings={"prompt_n": 10, "predicted_n": 20}), tokens=(10, 20, 0)),
    "usage in a list": Row(sent=using([{"prompt_tokens": 10, "completion_tokens": 20}]), tokens=(10, 20, 0)),
}  # fmt: skip

# The server's word -> ours; None where the reply is asked for again.
ENDS: dict[Any, str | None] = {
    "stop_token": "stop", "FINISH_REASON_STOP": "stop", "finish_reason_stop": "stop", "sToP": "stop", "EOS": "stop",
    "<|im_end|>": "stop", "</s>": "stop", "stop_str": "stop", "endoftext": "stop", "user_stop": "stop",
    "end of text": "stop", "LENGTH": "length", "max-tokens": "length", "token_limit_reached": "length",
    "FINISH_REASON_MAX_TOKENS": "length", "output_limit": "length", "context_window_exceeded": "length",
    "incomplete: max_output_tokens": "length", "repetition": "length", "content-filter": "content_filter",
    "Content Filter": "content_filter", "policy_violation": "content_filter", "IMAGE_SAFETY": "content_filter",
    "FinishReason_SAFETY": "content_filter", "pause_turn": "unknown", "OTHER": "unknown", "max_turns": "unknown",
    "preempted": None, "MALFORMED_FUNCTION_CALL": None, "server_overloaded": None, "failure": None,
    "interrupted": None, "Network Error": None, "FINISH_REASON_UNSPECIFIED": None,
}  # fmt: skip

GROQ = (
    "Rate limit reached for model `m` in organization `o` on tokens per minute (TPM): Limit 6000, Used 5034, Requested "
    "1443. Please try again in 0.077s. Need more tokens? Upgrade today at https://console.groq.com/settings/billing"
)
NEVER_FITS = "on tokens per minute (TPM): Limit 7000, Used 0, Requested ~12903. Please try again in 50.5s."
AZURE = "have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 20 seconds."

# Errors by status and words. `wait` is what the server asks for.
FAULTS = {
    "a rate limit that advertises": Row(
        sent=fault(429, GROQ, type="tokens", code="rate_limit_exceeded"), does="asks again", reads="TPM", wait=0.077,
    ),
    "a rate limit that names a billing page": Row(
        sent=fault(429, "Rate limit reached: Limit 3, Used 3, Requested 1. Please try again in 20ms. You can increase "
                   "it by adding a payment method at https://platform.openai.com/account/billing.", code="requests"),
        does="asks again", wait=0.02,
    ),
    "a wait in words": Row(sent=fault(429, AZURE, code="429"), does="asks again", wait=20.0),
    "a wait in minutes": Row(
        sent=fault(429, "Please try again in 1m0.36s."), does="asks again", wait=60.36,
    ),
    "a router without a deployment": Row(
        sent=fault(429, "No deployments available for selected model, Try again in 60 seconds."), does="asks again",
        wait=60.0,
    ),
    "a request larger than a minute's allowance": Row(
        sent=fault(429, f"Rate limit reached for `m` {NEVER_FITS}", code="rate_limit_exceeded"), does="refuses",
        reads="may come to 12,903 tokens, more than the 7,000",
    ),
    "a 413 of a minute's allowance": Row(
        sent=fault(413, "Request too large on tokens per minute (TPM): Limit 6,000, Requested 6,294, reduce it.",
                   code="rate_limit_exceeded"),
        does="refuses", reads="6,294 tokens, more than the 6,000",
    ),
    "a day's quota": Row(
        sent=fault(429, "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock more", code=429),
        does="ends", reads="The quota of a day is used up",
    ),
    "a day's quota that is free again soon": Row(
        sent=fault(429, "on tokens per day (TPD): Limit 10, Used 9, Requested 2. Please try again in 20m37.9s."),
        does="asks again", wait=1237.9,
    ),
    "what the provider behind it said": Row(
        sent=fault(429, "Provider returned error", metadata={"raw": "glm is temporarily rate-limited upstream"}),
        does="asks again", reads="temporarily rate-limited upstream",
    ),
    "an error inside an error": Row(
        sent=fault(400, "Provider returned error",
                   metadata={"raw": '{"error": {"message": "max_tokens is too large: 9000"}}'}),
        does="refuses", reads="The server does not take max_tokens=512",
    ),
    "429 without a word": Row(sent=(429, b""), does="asks again", reads="429"),
    "a page of 429": Row(sent=page(429, "429 Too Many Requests"), does="asks again", reads="429 Too Many"),
    "too many at once, in Chinese": Row(
        sent=fault(429, "\u60a8\u5f53\u524d\u4f7f\u7528\u8be5API\u7684\u5e76\u53d1\u6570\u8fc7\u9ad8", code="1302"),
        does="asks again",
    ),
    "no money, in Chinese": Row(
        sent=fault(429, "\u4f59\u989d\u4e0d\u8db3\u6216\u65e0\u53ef\u7528\u8d44\u6e90\u5305", code="1113"), does="ends",
        reads="no credit left",
    ),
    "a throttled 400": Row(
        sent=(400, {"message": "Too many requests, please wait before trying again.", "__type": "ThrottlingException"}),
        does="asks again", reads="Too many requests",
    ),
    "a budget of a proxy": Row(
        sent=fault(400, "Budget has been exceeded! Current cost: 20.1, Max budget: 20.0"), does="ends",
        reads="no credit left",
    ),
    "arrears": Row(
        sent=fault(400, "Access denied, please make sure your account is in good standing.", code="Arrearage"),
        does="ends", reads="no credit left",
    ),
    "a key's limit": Row(sent=fault(403, "Key limit exceeded (total limit)."), does="ends", reads="no credit left"),
    "too little for max_tokens": Row(
        sent=fault(402, "This request requires more credits, or fewer max_tokens. You can only afford 1200."),
        does="ends", reads="or lower max_tokens",
    ),
    "a firewall": Row(sent=page(403, "Just a moment..."), does="ends", reads="A web page answers, not the API"),
    "a page of 401": Row(sent=page(401, "Log in"), does="ends", reads="A web page answers, not the API"),
    "a flagged prompt": Row(
        sent=fault(403, 'Your input was flagged for "violence"'), does="refuses", reads="refuses the prompt",
    ),
    "451": Row(sent=(451, b""), does="refuses", reads="for legal reasons"),
    "an unknown model": Row(sent=fault(404, "model not found, try pulling it"), does="ends", reads="teacher.model"),
    "a model of yesterday": Row(sent=fault(410, "The model has been deprecated"), does="ends", reads="Choose another"),
    "501": Row(sent=fault(501, "Not Implemented"), does="ends", reads="check teacher.base_url"),
    "405": Row(sent=(405, {"detail": "Method Not Allowed"}), does="ends", reads="usually ends in /v1"),
    "a proxy with a password": Row(sent=page(407, "Proxy"), does="ends", reads="HTTPS_PROXY"),
    "408": Row(sent=fault(408, "Operation was timeout"), does="asks again", reads="408"),
    "409": Row(sent=fault(409, "model is loading"), does="asks again", reads="409"),
    "421": Row(sent=(421, b"Misdirected Request"), does="asks again", reads="421"),
    "424": Row(sent=fault(424, "Request failed during generation"), does="asks again", reads="424"),
    "425": Row(sent=(425, b""), does="asks again", reads="425"),
    "460": Row(sent=(460, b""), does="asks again", reads="460"),
    "498": Row(sent=fault(498, "Flex tier capacity exceeded"), does="asks again", reads="498"),
    "499": Row(sent=fault(499, "Request was cancelled"), does="asks again", reads="499"),
    "a page of 413": Row(sent=page(413, "Request Entity Too Large"), does="refuses", reads="client_max_body_size"),
    "416": Row(
        sent=fault(416, "max_completion_tokens is limited for this model to 4096"), does="refuses",
        reads="does not take max_tokens=512",
    ),
    "max_tokens out of range": Row(
        sent=fault(400, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"), does="refuses",
        reads="does not take max_tokens=512",
    ),
    "max_tokens below the thought's": Row(
        sent=fault(400, "`max_tokens` must be greater than `thinking.budget_tokens`."), does="refuses",
        reads="does not take max_tokens=512",
    ),
    "a model that always thinks": Row(
        sent=fault(400, "Reasoning is mandatory for this endpoint and cannot be disabled."), does="refuses",
        reads='reasoning_effort to "low"',
    ),
    "an unknown field, by its place": Row(
        sent=(422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "min_p"], "msg": "Extra inputs"}]}),
        does="refuses", reads="min_p: Extra inputs",
    ),
    "an unknown field, in a message": Row(
        sent=(422, {"object": "error", "message": {"detail": [{"loc": ["body", "top_k"], "msg": "Extra inputs"}]}}),
        does="refuses", reads="top_k: Extra inputs",
    ),
    "errors in a list": Row(
        sent=(400, {"success": False, "errors": [{"code": 5007, "message": "No such task"}]}), does="refuses",
        reads="No such task",
    ),
    "Gemini's list of one error": Row(
        sent=(400, [{"error": {"message": "Please use a valid role: user."}}]), does="refuses", reads="valid role",
    ),
    "a wrong key as a 400": Row(
        sent=(400, [{"error": {"message": "API key not valid. Please pass a valid API key."}}]), does="ends",
        reads="The key was refused",
    ),
    "a full context as a 500": Row(
        sent=fault(500, "Context size has been exceeded.", type="server_error"), does="refuses", reads="does not fit",
    ),
    "a full context as a 500, of vLLM": Row(
        sent=(500, {"object": "error", "message": "The decoder prompt (length 5000) is longer than the maximum model "
                    "length of 4096."}),
        does="refuses", reads="does not fit",
    ),
    "a full context behind a status of 200": Row(
        sent={"error": {"code": 400, "message": "the request exceeds the available context size"}}, does="refuses",
        reads="does not fit",
    ),
    "a queue that exceeds its maximum": Row(
        sent=fault(503, "server busy, please try again. pending requests exceed the maximum"), does="asks again",
        reads="503",
    ),
    "too little memory for the model": Row(
        sent=fault(500, "model requires more system memory (5.3 GiB) than is available (2.2 GiB)"), does="ends",
        reads="cannot load the model",
    ),
    "a model that does not load": Row(
        sent=(400, {"error": 'Failed to load model "x". Error: insufficient system resources.'}), does="ends",
        reads="cannot load the model",
    ),
    "output that its server cannot read": Row(
        sent={"error": {"message": "HarmonyError('Unexpected token 12606 while expecting start token 200006')",
                        "code": 400}},
        does="asks again", reads="HarmonyError",
    ),
    "output that its server cannot read, as a 400": Row(
        sent=fault(400, "Parsing failed. The model generated output that could not be parsed.",
                   code="output_parse_failed"),
        does="asks again", reads="output_parse_failed",
    ),
    "a page of 502": Row(sent=page(502, "502 Bad Gateway"), does="asks again", reads='HTML page ("502 Bad Gateway")'),
    "503 while it loads": Row(sent=fault(503, "Loading model", code=503), does="asks again", reads="Loading model"),
    "503 with an estimate": Row(
        sent=(503, {"error": "Model x is currently loading", "estimated_time": 20.5}), does="asks again", wait=20.5,
    ),
    "522 with a time": Row(
        sent=(522, {"title": "Error 522: Connection timed out", "detail": "no TCP connection", "retry_after": 120}),
        does="asks again", reads="no TCP connection", wait=120.0,
    ),
    "524": Row(sent=(524, b""), does="asks again", reads="524"),
    "529": Row(
        sent=(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
        does="asks again", reads="529 Overloaded",
    ),
    "Retry-After in milliseconds": Row(
        sent=fault(429, "slow", {"retry-after-ms": "40", "Retry-After": "9"}), does="asks again", wait=0.04,
    ),
    "Retry-After as a date": Row(
        sent=fault(503, "full", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), does="asks again", wait=0.0,
    ),
    "a status of 200 and a wrong path": Row(
        sent={"error": "Unexpected endpoint or method. (POST /chat/completions)"}, does="ends",
        reads="usually ends in /v1",
    ),
    "a status of 200 and an unknown model": Row(
        sent={"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
        does="ends", reads="teacher.model",
    ),
    "a status of 200 and no key": Row(sent={"message": "Unauthorized"}, does="ends", reads="The key was refused"),
    "a status of 200 and no such path": Row(sent={"detail": "Not Found"}, does="ends", reads="usually ends in /v1"),
    "a status of 200 and a rate limit": Row(
        sent={"base_resp": {"status_code": 1002, "status_msg": "rate limit exceeded"}, "choices": None},
        does="asks again", reads="429 rate limit",
    ),
    "a status of 200 and no money": Row(
        sent={"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}, "choices": None}, does="ends",
        reads="no credit left",
    ),
    "a status of 200 and a number of its own": Row(
        sent={"success": False, "error": {"message": "high demand", "code": "RATE_LIMITED"}, "status": 429},
        does="asks again", reads="429 high demand",
    ),
    "another address": Row(
        sent=(301, b"", {"Location": "https://api.z.ai/v4/chat/completions"}), does="ends",
        reads="redirects to https://api.z.ai/v4: set teacher.base_url",
    ),
    "a login page": Row(
        sent=(302, b"", {"Location": "https://login.example.com/oauth?x=1"}), does="ends",
        reads="is not the address of a chat",
    ),
    "the same address with a slash": Row(
        sent=(307, b"", {"Location": "/v1/chat/completions/"}), does="ends", reads="its own address written another",
    ),
    "304": Row(sent=(304, b""), does="ends", reads="redirects elsewhere"),
}  # fmt: skip
ROWS = {**BODIES, **CHOICES, **FAULTS}
