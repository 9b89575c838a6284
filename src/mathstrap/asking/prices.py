"""Find what a model's tokens cost: the recipe's own numbers, then the price library. Unknown stays unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from mathstrap.errors import RecipeError

# Backends that run on the user's own machine cost no money per token.
FREE_BACKENDS = frozenset({"embedded", "hf", "vllm", "fake"})
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
    """Return the highest price of the coming day: some charge less at night, and a budget must hold by day too."""
    from genai_prices import Usage, calc_price

    host = urlsplit(base_url).hostname or ""
    now = datetime.now(UTC)
    # A hosting server's own prices first; a model name alone is enough where the host is not listed.
    for provider_url in (base_url, None) if host else (None,):

        def usd_per_million(usage: Usage, provider_url: str | None = provider_url) -> float:
            day = [now + timedelta(hours=hour) for hour in range(24)]
            known = [
                calc_price(usage, model, provider_api_url=provider_url, genai_request_timestamp=hour) for hour in day
            ]
            return max(float(price.total_price) for price in known) / TYPICAL_TOKENS * 1e6

        try:
            known = calc_price(Usage(), model, provider_api_url=provider_url)
            return Price(
                usd_per_million_in=usd_per_million(Usage(input_tokens=TYPICAL_TOKENS)),
                usd_per_million_out=usd_per_million(Usage(output_tokens=TYPICAL_TOKENS)),
                source=f"genai-prices, {known.provider.id}/{known.model.id}",
            )
        except LookupError:
            continue
    return None
