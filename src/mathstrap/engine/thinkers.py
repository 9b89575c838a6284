"""Guess from a model's name whether it thinks before it answers, and how many tokens that takes. Sends nothing."""

from __future__ import annotations

import re

from mathstrap.patterns import regex
from mathstrap.types import Request

# Model families that reason by default, except variants named instruct, chat or non-thinking.
_THINKS = regex(
    r"(?:^|[/_-])(?:o[134](?:-|$)|gpt-?(?:[5-9]|oss)|deepseek-?(?:r\d|reasoner|v[4-9])|r1-|qwq|qwen3|gemini-?(?:2\.5|[3-9])"
    r"|magistral|grok-?(?:3-mini|[4-9])|glm-?(?:4\.[5-9]|[5-9]|z1)|kimi-?k[2-9].*think|minimax-?m\d|phi-?4.*reason"
    r"|nemotron|smollm3|exaone.*deep|ernie.*think|hunyuan-?(?:a|t)|seed-oss|olmo.*think|apriel|step-?[3-9])"
    r"|thinking|reason(?:er|ing)|[-_/]think\b|qvq",
    re.IGNORECASE,
)
_DOES_NOT = regex(
    r"instruct|non-?think|no-?think|non-?reason|gpt-5[\w.]*-chat|chat-latest|coder|embed|base$|-lite", re.IGNORECASE
)
# Tokens of thought and answer for one problem of GSM8K or MATH; models of 2025 and 2026 report 1,000 to 8,000.
TYPICAL_THOUGHT = 2_000
# The limits that `mathstrap init` writes for such a model: room for nearly every thought, and time to write it.
THINKER_MAX_TOKENS = 16_384
THINKER_TIMEOUT_SECONDS = 1_800.0


def thinks(model: str, effort: str = "") -> bool:
    """Guess from its family whether a model thinks when asked with this `reasoning_effort`."""
    return effort != "none" and bool(_THINKS.search(model)) and not _DOES_NOT.search(model)


def expected_tokens_out(request: Request, share: float) -> int:
    """Return how many tokens a reply is expected to take: a share of max_tokens, at least a typical thought."""
    most = request.sampling.max_tokens
    if thinks(request.model, request.sampling.reasoning_effort):
        return min(most, max(TYPICAL_THOUGHT, round(most * 0.2)))
    return round(most * share)
