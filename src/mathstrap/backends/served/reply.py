"""Read one choice of a server's reply: its text, its thought, how it ended, or why it is a failure.

Servers of one wire format differ in where they put a thought, in their words for the end of a reply, and in where they
report a failure. An unknown word is kept as it is; nothing here raises for an odd value.
"""

from __future__ import annotations

import re
from typing import Any

from mathstrap.patterns import regex
from mathstrap.types import FinishReason

# Words for the end of a reply, as `_plain_word` leaves them, of OpenAI, Anthropic, Gemini, Mistral, Cohere, Together,
# TGI, SGLang and z.ai.
_STOP = (
    "stop", "eos", "eos_token", "end_turn", "stop_sequence", "stop_token", "stop_word", "stop_str", "user_stop",
    "complete", "completed", "finished", "done", "end", "end_of_text", "endoftext", "normal", "natural", "success",
)  # fmt: skip
_LENGTH = (
    "length", "limit", "max_tokens", "max_output_tokens", "max_completion_tokens", "max_new_tokens", "max_length",
    "max_output_reached", "model_length", "model_context_window_exceeded", "context_window_exceeded",
    "context_length_exceeded", "token_limit", "token_limit_reached", "output_limit", "error_limit", "incomplete",
    "truncated", "repetition", "repetition_truncation",
)  # fmt: skip
_FILTER = (
    "content_filter", "content_filtered", "refusal", "safety", "recitation", "blocklist", "prohibited_content",
    "spii", "sensitive", "guardrail_intervened", "model_armor", "moderation", "error_toxic", "blocked",
    "policy_violation", "content_policy_violation", "image_safety", "language",
)  # fmt: skip
# The model calls a tool that was not offered. Its text is kept, with the server's word.
_TOOLS = frozenset(("tool_calls", "tool_use", "function_call"))
_ENDS: dict[str, FinishReason] = {
    **dict.fromkeys(_STOP, "stop"),
    **dict.fromkeys(_LENGTH, "length"),
    **dict.fromkeys(_FILTER, "content_filter"),
}
# Words for a broken reply: its text is not what the model would have written.
_FAILURES = frozenset((
    "error", "failed", "insufficient_system_resource", "network_error", "server_error", "internal_error",
    "internal_server_error", "engine_error", "malformed_response", "abort", "aborted", "cancelled", "canceled",
    "timeout", "overloaded", "server_overloaded", "rate_limit", "failure", "interrupted", "preempted",
    "malformed_function_call", "unexpected_tool_call",
))  # fmt: skip
# Empty words: the reply was cut off before the server knew how it ended.
_UNSAID = frozenset(("", "null", "none", "finish_reason_unspecified", "unspecified"))
_THOUGHT_PARTS = ("thinking", "reasoning", "thought", "redacted_thinking", "reasoning.text", "reasoning.summary")
_FIELDS = (
    "reasoning_content", "reasoning", "thinking", "reasoning_details", "thinking_blocks", "reasoning_text", "thoughts",
)  # fmt: skip
_FIELD_NAMES = frozenset(_FIELDS)
_END_MARK = regex(r"<[|｜/].{1,30}>", re.DOTALL)
_PREFIX = regex(r"finish_?reason_")
_DEEPEST = 6


def message_of(choice: dict[str, Any]) -> dict[str, Any]:
    """Return the message of a choice, wherever its server put it; empty if there is none."""
    for name in ("message", "delta", "messages"):
        message = choice.get(name)
        if isinstance(message, list) and message and isinstance(message[-1], dict):  # MiniMax's turns, the last is new
            message = {"content": message[-1].get("text"), **message[-1]}
        if isinstance(message, str):
            return {"content": message}
        if isinstance(message, dict):
            # Proxies put fields that they do not know under a name of their own, or beside the message.
            more = message.get("provider_specific_fields")
            if not isinstance(more, dict) and _FIELD_NAMES.isdisjoint(choice):
                return message
            beside = {name: choice[name] for name in _FIELDS if choice.get(name)}
            return {**beside, **(more if isinstance(more, dict) else {}), **message}
    return {"content": choice.get("text", choice.get("content")), **choice}


def text_and_thought(message: dict[str, Any]) -> tuple[str, str] | None:
    """Return the text of a message and the thought in its fields or content parts; None if its content is not text.

    A thought that several fields repeat is taken once, from the first of them.
    """
    content = message.get("content")
    thoughts: list[str] = []
    if isinstance(content, dict) and isinstance(content.get("text"), str):
        content = [content]
    if content is None:
        text = ""
    elif isinstance(content, str):
        text = content
    elif isinstance(content, int | float) and not isinstance(content, bool):  # a proxy that parsed the reply as JSON
        text = str(content)
    elif isinstance(content, list):
        texts: list[str] = []
        for part in content:
            is_thought = isinstance(part, dict) and (part.get("type") in _THOUGHT_PARTS or part.get("thought") is True)
            (thoughts if is_thought else texts).append(words_of(part))
        text = "".join(texts)
    else:
        return None
    for name in () if _FIELD_NAMES.isdisjoint(message) else _FIELDS:
        value = message.get(name)
        if value and (thought := words_of(value)):
            thoughts.insert(0, thought)
            break
    return text, "\n".join(thought for thought in thoughts if thought)


def refusal_of(message: dict[str, Any]) -> str:
    """Return the refusal in place of a text; empty if there is none."""
    content = message.get("content")
    if isinstance(content, str) and content:
        return ""
    parts = content if isinstance(content, list) else []
    refusals = [message.get("refusal"), *(part.get("refusal") for part in parts if isinstance(part, dict))]
    return next((refusal for refusal in refusals if isinstance(refusal, str) and refusal), "")


def words_of(value: Any, depth: int = 0) -> str:
    """Return the text inside a part, or a list of parts, of any server; empty if there is none."""
    if isinstance(value, str):
        return value
    if depth < _DEEPEST and isinstance(value, list):
        return "".join(words_of(part, depth + 1) for part in value)
    if depth < _DEEPEST and isinstance(value, dict):
        for name in ("text", "thinking", "reasoning", "summary", "content"):
            if words := words_of(value.get(name), depth + 1):
                return words
    return ""


def said_end(choice: dict[str, Any]) -> Any:
    """Return the server's word for the end of a choice: None for null, "unknown" if there is no such field.

    A gateway that translates the word keeps the provider's word too; if the two differ, a word for "cut off" or
    "filtered" counts.
    """
    word = choice.get("finish_reason")
    if isinstance(word, str) and "native_finish_reason" not in choice:
        return word
    names = [name for name in ("finish_reason", "finishReason", "done_reason") if name in choice]
    word = choice[names[0]] if names else "unknown"
    if isinstance(word, dict):
        word = word.get("type")
    if isinstance(word, list):
        word = word[0] if word else None
    native = choice.get("native_finish_reason")
    if isinstance(native, str) and _ENDS.get(_plain_word(native)) in ("length", "content_filter"):
        return native if _ENDS.get(_plain_word(word)) == "stop" else word
    return word


def _plain_word(word: Any) -> str:
    """Return a word for the end of a reply without the prefixes and marks that servers add."""
    if word is None:
        return ""
    text = str(word)
    if text in _ENDS:
        return text
    if _END_MARK.fullmatch(text):  # the token that ended it, as in <|im_end|>
        return "stop"
    plain = re.sub(r"[\s-]+", "_", text.strip().lower())
    return _PREFIX.sub("", plain).rpartition(":")[2].strip("_")


def end_of(word: Any) -> tuple[FinishReason, str]:
    """Return the meaning of a server's word for the end, and the word itself if it is not one of ours."""
    reason = _ENDS.get(_plain_word(word), "unknown")
    return reason, "" if reason == str(word) else str(word)[:100]


def failure_of(choice: dict[str, Any], word: Any, *, is_blank: bool, may_be_blank: bool) -> str:
    """Return why a choice is a failure and not a reply; empty for a reply.

    `word` is the server's word for its end; `is_blank` says that it has neither text nor thought, `may_be_blank` that a
    stop string may have ended it at once. A choice without any word for its end is a reply: some servers never send
    one.
    """
    error = choice.get("error")
    if error:
        text = words_of(error) or (error.get("message") or error.get("code") if isinstance(error, dict) else error)
        return f"the server ended the reply with an error: {str(text)[:200]}"
    plain_word = _plain_word(word)
    if plain_word in _FAILURES:
        return f'the server ended the reply with finish_reason "{plain_word}"'
    if plain_word in _UNSAID or (plain_word == "unknown" and is_blank):
        return "the reply has no finish_reason: it was cut off on the way"
    reason = _ENDS.get(plain_word, "unknown")
    if is_blank and not may_be_blank and reason in ("stop", "unknown") and plain_word not in _TOOLS:
        return f'the reply is empty, though its finish_reason is "{plain_word}"'
    return ""
