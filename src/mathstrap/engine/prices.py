"""Find what a model's tokens cost: the recipe's own numbers, then the price library. Unknown stays unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from mathstrap.errors import RecipeError

# Backends that run on the user's own machine cost no money per token.
FREE_BACKENDS = frozenset({"embedded", "hf", "vllm", "fake", "none"})
BATCH_DISCOUNT = 0.5
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
    """Return the price of `model`, or None where nobody knows it. Numbers given here win; both or neither."""
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
    found = _from_library(model, base_url)
    if found is None or backend != "openai_batch":
        return found
    return Price(
        usd_per_million_in=found.usd_per_million_in * BATCH_DISCOUNT,
        usd_per_million_out=found.usd_per_million_out * BATCH_DISCOUNT,
        source=f"{found.source}, half for the Batch API",
    )


def _from_library(model: str, base_url: str) -> Price | None:
    from genai_prices import Usage

    host = urlsplit(base_url).hostname or ""
    # A hosting server's own prices first; a model name alone is enough where the host is not listed.
    for provider_url in (base_url, None) if host else (None,):
        try:
            tokens_in = _dearest(Usage(input_tokens=TYPICAL_TOKENS), model, provider_url)
            tokens_out = _dearest(Usage(output_tokens=TYPICAL_TOKENS), model, provider_url)
        except LookupError:
            continue
        return Price(
            usd_per_million_in=float(tokens_in.total_price) / TYPICAL_TOKENS * 1e6,
            usd_per_million_out=float(tokens_out.total_price) / TYPICAL_TOKENS * 1e6,
            source=f"genai-prices, {tokens_in.provider.id}/{tokens_in.model.id}",
        )
    return None


def _dearest(usage: Any, model: str, provider_url: str | None) -> Any:
    """Return the price at the dearest of the coming 24 hours: some charge less at night, and a budget holds by day."""
    from genai_prices import calc_price

    now = datetime.now(UTC)
    prices = (
        calc_price(usage, model, provider_api_url=provider_url, genai_request_timestamp=now + timedelta(hours=hour))
        for hour in range(24)
    )
    return max(prices, key=lambda price: price.total_price)
