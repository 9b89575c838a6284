"""Find the price of a model's tokens: the recipe's own numbers, then the price library. An unknown price is None."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from mathstrap.errors import RecipeError
from mathstrap.patterns import regex

# Backends that run on the user's own machine cost no money per token.
FREE_BACKENDS = frozenset({"embedded", "hf", "vllm", "fake", "none"})
BATCH_DISCOUNT = 0.5
# Prefixes that routers and clients write before a model's name, and suffixes that name the format of its weights.
_PREFIX = regex(
    r"^(?:models/|accounts/[\w-]+/models/|(?:openrouter|together|together_ai|fireworks_ai|gemini|google|ollama|groq|"
    r"deepinfra|azure|bedrock|vertex_ai|hosted_vllm|litellm_proxy)/)",
    re.IGNORECASE,
)
_QUANTIZED = regex(r"[-_.](?:fp8|fp16|bf16|awq|gptq|gguf|int[48]|q\d\w*|mxfp4|nvfp4|turbo|tee)$", re.IGNORECASE)
# Tiered prices change with the prompt's length; a few-shot prompt is about this long.
TYPICAL_TOKENS = 2000


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars per million tokens, and where the numbers come from."""

    usd_per_million_in: float
    usd_per_million_out: float
    source: str

    def usd(self, tokens_in: int, tokens_out: int) -> float:
        """Return the price of that many tokens."""
        return (tokens_in * self.usd_per_million_in + tokens_out * self.usd_per_million_out) / 1e6


def find_price(
    model: str,
    *,
    backend: str = "openai",
    base_url: str = "",
    usd_per_million_in: float | None = None,
    usd_per_million_out: float | None = None,
) -> Price | None:
    """Return the price of `model`, or None if it is unknown. Numbers given here win; both or neither are needed."""
    if usd_per_million_in is not None or usd_per_million_out is not None:
        if usd_per_million_in is None or usd_per_million_out is None:
            raise RecipeError(
                "budget: only one of usd_per_million_tokens_in and usd_per_million_tokens_out is set. Set both."
            )
        return Price(
            usd_per_million_in=usd_per_million_in, usd_per_million_out=usd_per_million_out, source="the recipe"
        )
    if backend in FREE_BACKENDS:
        return Price(usd_per_million_in=0.0, usd_per_million_out=0.0, source="runs on this machine")
    if is_own_server(base_url):
        return Price(usd_per_million_in=0.0, usd_per_million_out=0.0, source="a server of your own costs nothing")
    price = _from_library(model, base_url)
    if price is None or not backend.endswith("_batch"):
        return price
    return Price(
        usd_per_million_in=price.usd_per_million_in * BATCH_DISCOUNT,
        usd_per_million_out=price.usd_per_million_out * BATCH_DISCOUNT,
        source=f"{price.source}, half for the Batch API",
    )


def is_own_server(url: str) -> bool:
    """Say whether an address is on this machine or in a private network, where tokens are free."""
    host = (urlsplit(url).hostname or "").rstrip(".").lower() if url else ""
    if not host:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        is_bare = "." not in host and ":" not in host
        return is_bare or host.endswith((".local", ".localhost", ".internal", ".lan", ".home.arpa", ".svc"))
    return address.is_private or address.is_loopback or address.is_link_local


def names_of(model: str) -> list[str]:
    """Return a model's name in the forms that price lists use, beginning with the name as given.

    Handles `models/gemini-2.5-flash`, `openai/gpt-oss-120b`, `accounts/fireworks/models/deepseek-r1`, `qwen3:8b`, hub
    ids, and names that end in a quantization.
    """
    names = [model]

    def add(name: str) -> None:
        for form in (name, name.lower()):
            if form and form not in names:
                names.append(form)

    for known in names:
        add(known)
    for name in names:
        add(_PREFIX.sub("", name))
    for name in names:
        add(name.rpartition("/")[2])
    for name in names:
        add(_QUANTIZED.sub("", name))
        head, colon, tag = name.partition(":")
        if colon:
            add(f"{head}-{tag}")
            add(head)
    return names


def _from_library(model: str, base_url: str) -> Price | None:
    # The package keeps its prices as Python objects, not in a file, so importing them imports its HTTP client and
    # pydantic: about a second, only for runs that need a price.
    from genai_prices import Usage

    host = urlsplit(base_url).hostname or ""
    if host.endswith("openrouter.ai") and model.endswith(":free"):
        return Price(usd_per_million_in=0.0, usd_per_million_out=0.0, source="OpenRouter, free")
    # A hosting server's own prices first; a model name alone is enough where the host is not listed.
    for provider_url in (base_url, None) if host else (None,):
        for name in names_of(model):
            try:
                tokens_in = _dearest(Usage(input_tokens=TYPICAL_TOKENS), name, provider_url)
                tokens_out = _dearest(Usage(output_tokens=TYPICAL_TOKENS), name, provider_url)
            except LookupError:
                continue
            source = f"genai-prices, {tokens_in.provider.id}/{tokens_in.model.id}"
            if host and provider_url is None:
                source = f"{source}: another provider's price, {host} names none for this model"
            return Price(
                usd_per_million_in=float(tokens_in.total_price) / TYPICAL_TOKENS * 1e6,
                usd_per_million_out=float(tokens_out.total_price) / TYPICAL_TOKENS * 1e6,
                source=source,
            )
    return None


def _dearest(usage: Any, model: str, provider_url: str | None) -> Any:
    """Return the highest price of the coming 24 hours: some charge less at night, and a budget must hold by day."""
    from genai_prices import calc_price

    now = datetime.now(UTC)
    prices = (
        calc_price(usage, model, provider_api_url=provider_url, genai_request_timestamp=now + timedelta(hours=hour))
        for hour in range(24)
    )
    return max(prices, key=lambda price: price.total_price)
