"""Convert requests and results of the Batch APIs of Anthropic and Gemini from and to OpenAI's format. Sends nothing.

Anthropic: platform.claude.com/docs/en/api (Message Batches). Gemini: ai.google.dev/gemini-api/docs/batch-api. Both take
the requests inside the call that creates the batch, so nothing is uploaded before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Errors by name (Anthropic) and by number (Google's RPC codes), as the equivalent HTTP status.
_ANTHROPIC_STATUS = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429, "api_error": 500,
    "timeout_error": 504, "overloaded_error": 529,
}  # fmt: skip
_RPC_STATUS = {1: 499, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 13: 500, 14: 503, 16: 401}
_GEMINI_STATES = {
    "SUCCEEDED": "completed", "PARTIALLY_SUCCEEDED": "completed", "FAILED": "failed", "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}  # fmt: skip
# Fields of OpenAI's body that the others name differently or put elsewhere; every other field is sent unchanged.
_MOVED = frozenset({"model", "messages", "max_tokens", "max_completion_tokens", "stop", "n", "temperature", "top_p"})


def anthropic_params(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of Anthropic's Messages API for the body of a chat completion."""
    system, turns = _turns(body)
    params: dict[str, Any] = {
        "model": body["model"],
        "max_tokens": body.get("max_tokens") or body.get("max_completion_tokens"),
        "messages": [{"role": role, "content": text} for role, text in turns],
    }
    if system:
        params["system"] = system
    if "temperature" in body:
        params["temperature"] = min(1.0, body["temperature"])  # its range ends at 1
    if "top_p" in body:
        params["top_p"] = body["top_p"]
    if body.get("stop"):
        params["stop_sequences"] = list(body["stop"])
    return params | {name: value for name, value in body.items() if name not in _MOVED}


def gemini_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return Gemini's GenerateContentRequest for the body of a chat completion."""
    system, turns = _turns(body)
    config: dict[str, Any] = {"maxOutputTokens": body.get("max_tokens") or body.get("max_completion_tokens")}
    for ours, theirs in (("temperature", "temperature"), ("top_p", "topP"), ("top_k", "topK"), ("seed", "seed")):
        if ours in body:
            config[theirs] = body[ours]
    if body.get("stop"):
        config["stopSequences"] = list(body["stop"])
    request: dict[str, Any] = {
        "contents": [
            {"role": "model" if role == "assistant" else "user", "parts": [{"text": text}]} for role, text in turns
        ],
        "generationConfig": config,
    }
    if system:
        request["systemInstruction"] = {"parts": [{"text": system}]}
    effort = body.get("reasoning_effort")
    if effort is not None:
        config["thinkingConfig"] = {"thinkingBudget": 0} if effort == "none" else {"thinkingLevel": effort}
    own = {name: value for name, value in body.items() if name not in _MOVED | {"top_k", "seed", "reasoning_effort"}}
    given = own.pop("generationConfig", None)
    if isinstance(given, dict):
        config.update(given)
    return request | own


def anthropic_line(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of Anthropic's results as a line of OpenAI's."""
    outcome = result.get("result")
    outcome = outcome if isinstance(outcome, dict) else {}
    line: dict[str, Any] = {"custom_id": result.get("custom_id"), "response": None}
    message = outcome.get("message")
    if outcome.get("type") == "succeeded" and isinstance(message, dict):
        blocks = [block for block in message.get("content") or [] if isinstance(block, dict)]
        usage = _dict(message.get("usage"))
        counts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
        body = {
            "model": message.get("model") or "",
            "choices": [
                {
                    "message": {
                        "content": "".join(_text(block.get("text")) for block in blocks),
                        "reasoning_content": "".join(_text(block.get("thinking")) for block in blocks),
                    },
                    "finish_reason": message.get("stop_reason"),
                }
            ],
            "usage": {
                "prompt_tokens": _sum(usage, counts),
                "completion_tokens": usage.get("output_tokens"),
            },
        }
        return line | {"response": {"status_code": 200, "body": body}}
    if outcome.get("type") == "errored":
        error = _dict(outcome.get("error"))
        error = _dict(error.get("error")) or error
        status = _ANTHROPIC_STATUS.get(str(error.get("type")), 500)
        return line | {"response": {"status_code": status, "body": {"error": error}}}
    return line


def gemini_line(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return one of Gemini's inlined responses as a line of OpenAI's results."""
    line: dict[str, Any] = {"custom_id": _dict(result.get("metadata")).get("key"), "response": None}
    error = _dict(result.get("error"))
    if error:
        code = error.get("code")
        status = code if isinstance(code, int) and code >= 400 else _RPC_STATUS.get(code, 500) if code else 500
        return line | {"response": {"status_code": status, "body": {"error": error}}}
    response = _dict(result.get("response"))
    if not response:
        return line
    blocked = _dict(response.get("promptFeedback")).get("blockReason")
    candidates = [candidate for candidate in response.get("candidates") or [] if isinstance(candidate, dict)]
    if blocked and not candidates:
        refusal = {"error": {"message": f"the prompt was blocked: {blocked}", "code": "content_filter"}}
        return line | {"response": {"status_code": 400, "body": refusal}}
    usage = _dict(response.get("usageMetadata"))
    choices = []
    for candidate in candidates:
        parts = [part for part in _dict(candidate.get("content")).get("parts") or [] if isinstance(part, dict)]
        thoughts = [part for part in parts if part.get("thought") is True]
        texts = [part for part in parts if part.get("thought") is not True]
        choices.append(
            {
                "message": {
                    "content": "".join(_text(part.get("text")) for part in texts),
                    "reasoning_content": "".join(_text(part.get("text")) for part in thoughts),
                },
                "finish_reason": candidate.get("finishReason"),
            }
        )
    body = {
        "model": response.get("modelVersion") or "",
        "choices": choices,
        "usage": {
            "prompt_tokens": usage.get("promptTokenCount"),
            "completion_tokens": usage.get("candidatesTokenCount"),
            "thoughtsTokenCount": usage.get("thoughtsTokenCount"),
            "total_tokens": usage.get("totalTokenCount"),
        },
    }
    return line | {"response": {"status_code": 200, "body": body}}


def gemini_state(state: Any) -> str:
    """Return one of Gemini's states (BATCH_STATE_SUCCEEDED, JOB_STATE_FAILED, ...) in OpenAI's words."""
    return _GEMINI_STATES.get(str(state).rpartition("_STATE_")[2], "in_progress")


def _turns(body: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    messages = [(message.role, message.content) for message in body["messages"]]
    system = "\n\n".join(text for role, text in messages if role == "system")
    return system, [(role, text) for role, text in messages if role != "system"]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _sum(usage: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    values = [usage.get(name) for name in names]
    if not all(value is None or type(value) is int for value in values):
        return usage.get(names[0])  # `read_usage` reports what is wrong with it
    return sum(value or 0 for value in values)
