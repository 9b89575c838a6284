"""Read the usage that a server reports: tokens, thinking tokens, dollars. Impossible counts are discarded.

Servers differ in where thinking is counted: inside completion_tokens (OpenAI, DeepSeek), in total_tokens alone (Gemini
behind its OpenAI-compatible address), or in a field of its own (Gemini's thoughtsTokenCount). All of it is charged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

# Ten times the longest context window on offer: a larger number is a mistake of the server.
MOST_TOKENS = 20_000_000
MOST_USD = 1_000.0
# No tokenizer in use joins words of ordinary text, so a count far below the number of blanks is of another text.
BLANKS_PER_TOKEN = 4


class TokenUsage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The usage of one call. Without valid token counts all are 0, and `complaint` describes an invalid one.

    tokens_out   of thought and text, as they are charged; tokens_reasoning is the part of the thought
    usd          the charge that the server states; None if it states none
    """

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_reasoning: int = 0
    usd: float | None = None
    complaint: str = ""


NO_USAGE = TokenUsage()
# Names for the two counts in the order of OpenAI's, Anthropic's, Gemini's, Ollama's and llama.cpp's own APIs, which
# gateways pass through.
_IN = ("input_tokens", "promptTokenCount", "prompt_token_count", "prompt_eval_count", "prompt_n")
_OUT = ("output_tokens", "candidatesTokenCount", "candidates_token_count", "eval_count", "predicted_n")
_PLACES = ("usage", "usageMetadata", "usage_metadata", "timings")


def usage_in(reply: dict[str, Any]) -> Any:
    """Return the usage in a reply, wherever it is: beside the choices, inside the first, or under Groq's name."""
    choices = reply.get("choices")
    inner = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    groq = reply.get("x_groq")
    for where in (reply, *inner[:1], groq if isinstance(groq, dict) else {}):
        for name in _PLACES:
            if where.get(name):
                return where[name]
    return None


def read_usage(usage: Any, *, prompts: Sequence[str], texts: Sequence[str]) -> TokenUsage:
    """Return the counts in the `usage` of a reply to these prompts; missing and impossible counts are 0."""
    if usage is None:
        return NO_USAGE
    if isinstance(usage, list) and len(usage) == 1 and isinstance(usage[0], dict):
        usage = usage[0]
    if not isinstance(usage, dict):
        return TokenUsage(complaint=f"usage is {_shown(usage)}")
    plain = _plain(usage, prompts, texts)
    if plain is not None:
        return plain
    bad: list[str] = []

    def count(where: Any, *names: str) -> int:
        for name in names:
            value = where.get(name) if isinstance(where, dict) else None
            if value is None:
                continue
            if type(value) is int and 0 <= value <= MOST_TOKENS:
                return value
            number = _whole(value)
            if number is not None:
                return number
            bad.append(f"{name} is {_shown(value)}")
        return 0

    tokens_in = count(usage, "prompt_tokens", *_IN)
    if "prompt_tokens" not in usage:  # Anthropic's input_tokens exclude cached ones, which are charged too
        tokens_in += count(usage, "cache_read_input_tokens") + count(usage, "cache_creation_input_tokens")
    tokens_out = count(usage, "completion_tokens", *_OUT)
    total = count(usage, "total_tokens", "totalTokenCount", "total_token_count")
    details = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    thought = count(details, "reasoning_tokens", "thoughtsTokenCount") if details else 0
    thought = thought or count(usage, "reasoning_tokens", "thoughts_token_count", "thoughtsTokenCount")
    usd = _usd_of(usage)
    if bad:
        return TokenUsage(usd=usd, complaint=", ".join(bad))
    if total > tokens_in + tokens_out:
        # If completion_tokens exclude thinking, only the total includes everything that is charged.
        if tokens_in or tokens_out:  # a total alone does not show how much was thought
            thought = max(thought, total - tokens_in - tokens_out)
        tokens_out = total - tokens_in
    elif thought > tokens_out:
        tokens_out += thought
    if tokens_in or tokens_out:
        names_prompt = any(usage.get(name) is not None for name in ("prompt_tokens", *_IN))  # else it is in the total
        low = _understated(tokens_in, prompts if names_prompt else (), "prompt")
        low = low or _understated(tokens_out, texts, "completion")
        if low:
            return TokenUsage(usd=usd, complaint=low)
    return TokenUsage(tokens_in=tokens_in, tokens_out=tokens_out, tokens_reasoning=min(thought, tokens_out), usd=usd)


def _plain(usage: dict[str, Any], prompts: Sequence[str], texts: Sequence[str]) -> TokenUsage | None:
    """Return the counts of a usage with just three consistent numbers, a fast path for most replies; else None."""
    if len(usage) != 3:
        return None
    tokens_in, tokens_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(tokens_in) is not int or type(tokens_out) is not int or tokens_in < 0 or tokens_out < 0:
        return None
    if usage.get("total_tokens") != tokens_in + tokens_out or tokens_in + tokens_out > MOST_TOKENS:
        return None
    if _understated(tokens_in, prompts, "prompt") or _understated(tokens_out, texts, "completion"):
        return None
    return TokenUsage(tokens_in=tokens_in, tokens_out=tokens_out)


def _understated(tokens: int, texts: Sequence[str], what: str) -> str:
    blanks = 0
    for text in texts:
        blanks += text.count(" ")
    if tokens * BLANKS_PER_TOKEN < blanks:
        return f"{what}_tokens is {tokens:,} for {what}s of more than {blanks:,} words"
    return ""


def _whole(value: Any) -> int | None:
    """Return a count that a careless server wrote as "12" or 12.0; None if it is not a count."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) < 12):
            return None
        value = int(value)
    return int(value) if 0 <= value <= MOST_TOKENS and value == int(value) else None


def _usd_of(usage: dict[str, Any]) -> float | None:
    """Return the dollars that a server states: OpenRouter's cost, DeepInfra's, Perplexity's, or xAI's ticks."""
    cost = usage.get("cost")
    if isinstance(cost, str) and re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,12})?", cost):
        cost = float(cost)
    usd = _dollars(cost.get("total_cost") if isinstance(cost, dict) else cost)
    if usd is None:
        usd = _dollars(usage.get("estimated_cost"))
    if usd is None:
        usd = _dollars(usage.get("cost_in_usd_ticks"), scale=1e10)
    if usd is not None and usage.get("is_byok") is True:
        # With a key of your own, OpenRouter states its fee, and the provider charges the rest to that key.
        details = usage.get("cost_details")
        usd += _dollars(details.get("upstream_inference_cost") if isinstance(details, dict) else None) or 0.0
    return usd


def _dollars(value: Any, *, scale: float = 1.0) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_USD * scale:
        return None
    return float(value / scale)


def _shown(value: Any) -> str:
    return repr(value)[:40] if isinstance(value, int | float | str) else f"a {type(value).__name__}"
