"""Read one choice of a server's reply: its text, its thought, how it ended, or why it is a failure and not a reply.

Servers of one wire format differ in where they put a thought, in the words for the end of a reply, and in where they
say that a reply failed. What is not understood is kept under its own name; nothing here raises for an odd value.
"""

from __future__ import annotations

from typing import Any

from mathstrap.types import FinishReason

# Words for the end of a reply, in lower case, of OpenAI, Anthropic, Gemini, Mistral, Cohere, Together, TGI and z.ai.
_STOP = (
    "stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "completed", "finished", "done", "end",
)  # fmt: skip
_LENGTH = (
    "length", "max_tokens", "max_output_tokens", "max_completion_tokens", "max_new_tokens", "max_length",
    "model_length", "model_context_window_exceeded", "context_length_exceeded", "token_limit", "error_limit",
    "incomplete",
)  # fmt: skip
_FILTER = (
    "content_filter", "content_filtered", "refusal", "safety", "recitation", "blocklist", "prohibited_content",
    "spii", "sensitive", "guardrail_intervened", "model_armor", "moderation", "error_toxic", "blocked",
)  # fmt: skip
_ENDS: dict[str, FinishReason] = {
    **dict.fromkeys(_STOP, "stop"),
    **dict.fromkeys(_LENGTH, "length"),
    **dict.fromkeys(_FILTER, "content_filter"),
}
# Words for a reply that broke on the way: what came is not what the model would have written.
_FAILURES = frozenset((
    "error", "failed", "insufficient_system_resource", "network_error", "server_error", "internal_error",
    "internal_server_error", "engine_error", "malformed_response", "abort", "aborted", "cancelled", "canceled",
    "timeout", "overloaded", "rate_limit",
))  # fmt: skip
# A word that says nothing: the reply was cut off before its server knew how it ended.
_UNSAID = frozenset(("", "null", "none", "finish_reason_unspecified", "unspecified"))
_THOUGHT_PARTS = ("thinking", "reasoning", "thought", "redacted_thinking", "reasoning.text", "reasoning.summary")
_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
_DEEPEST = 6


def text_and_thought(message: dict[str, Any]) -> tuple[str, str] | None:
    """Return the text of a message and the thought in its fields or content parts; None where it holds no text at all.

    A thought that several fields repeat is taken once, from the first of them.
    """
    content = message.get("content")
    thoughts: list[str] = []
    if content is None:
        text = ""
    elif isinstance(content, str):
        text = content
    elif isinstance(content, list):
        texts: list[str] = []
        for part in content:
            is_thought = isinstance(part, dict) and (part.get("type") in _THOUGHT_PARTS or part.get("thought") is True)
            (thoughts if is_thought else texts).append(words_of(part))
        text = "".join(texts)
    else:
        return None
    for name in _FIELDS:
        value = message.get(name)
        if value and (found := words_of(value)):
            thoughts.insert(0, found)
            break
    return text, "\n".join(thought for thought in thoughts if thought)


def words_of(value: Any, depth: int = 0) -> str:
    """Return the text inside a part, or a list of parts, of any server; empty where there is none."""
    if isinstance(value, str):
        return value
    if depth < _DEEPEST and isinstance(value, list):
        return "".join(words_of(part, depth + 1) for part in value)
    if depth < _DEEPEST and isinstance(value, dict):
        for name in ("text", "thinking", "reasoning", "summary", "content"):
            if found := words_of(value.get(name), depth + 1):
                return found
    return ""


def end_of(word: Any) -> tuple[FinishReason, str]:
    """Return what a server's word for the end means, and the word itself where it is not one of ours."""
    said = word if isinstance(word, str) else str(word)
    reason = _ENDS.get(said.lower(), "unknown")
    return reason, "" if reason == said else said[:100]


def failure_of(choice: dict[str, Any], *, is_blank: bool, may_be_blank: bool) -> str:
    """Return why a choice is a failure and not a reply; empty for a reply.

    `is_blank` says that it has neither text nor thought, `may_be_blank` that a stop string may have ended it at once.
    A choice that does not speak of its end at all is a reply: some servers never do.
    """
    error = choice.get("error")
    if error:
        said = words_of(error) or (error.get("message") or error.get("code") if isinstance(error, dict) else error)
        return f"the server ended the reply with an error: {str(said)[:200]}"
    word = choice.get("finish_reason", "stop" if not is_blank else None)
    said = word.lower() if isinstance(word, str) else "" if word is None else str(word)
    if said in _FAILURES:
        return f'the server ended the reply with finish_reason "{said}"'
    if said in _UNSAID:
        return "the reply has no finish_reason: it was cut off on the way"
    if is_blank and not may_be_blank and _ENDS.get(said) == "stop":
        return f'the reply is empty, though its finish_reason is "{said}"'
    return ""
