"""Keep what is spent below what may be spent, counting every call in flight at its maximum. Sends nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from mathstrap.engine.prices import Price
from mathstrap.errors import RecipeError
from mathstrap.types import Completion, Request, Usage

# A chat template wraps every turn in role markers, and some servers add a default system turn of their own.
TEMPLATE_TOKENS_PER_PROMPT = 32
TEMPLATE_TOKENS_PER_MESSAGE = 8


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most a run may spend; 0 means no limit.

    max_usd        money; needs a known price
    max_requests   draws sent, retries included
    max_tokens     prompt and reply tokens, as the server counts them
    max_seconds    wall time; what is in flight at the end of it is cut off
    usd_per_million_tokens_in, usd_per_million_tokens_out   the price, where the price library has none or a wrong one
    """

    max_usd: float = 0.0
    max_requests: int = 0
    max_tokens: int = 0
    max_seconds: float = 0.0
    usd_per_million_tokens_in: float | None = None
    usd_per_million_tokens_out: float | None = None


class Hold(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The most one call can still cost."""

    requests: int
    tokens_in: int
    tokens_out: int


def most_tokens_in(request: Request) -> int:
    """Return an upper bound on the prompt's tokens: no tokenizer makes more tokens than there are UTF-8 bytes."""
    size = TEMPLATE_TOKENS_PER_PROMPT
    for message in request.messages:
        text = message.content
        size += TEMPLATE_TOKENS_PER_MESSAGE + (len(text) if text.isascii() else len(text.encode("utf-8", "replace")))
    return size


def hold_for(requests: Sequence[Request]) -> Hold:
    """Return the most that one call for these draws of one prompt can cost; single draws fall back at n prompts."""
    draws = len(requests)
    first = requests[0]
    return Hold(
        requests=draws,
        tokens_in=most_tokens_in(first),
        tokens_out=draws * first.sampling.max_tokens,
    )


class Meter:
    """One budget over all stages of a run: reserve before sending, settle after. Not for several threads.

    `spent` is what the run directory already paid for, so that a budget holds over every restart of a run.
    """

    def __init__(self, budget: Budget | None = None, *, price: Price | None = None, spent: Usage | None = None) -> None:
        self.budget = budget or Budget()
        if self.budget.max_usd and price is None:
            raise RecipeError(
                "budget.max_usd is set, but nobody knows what this model's tokens cost. Set "
                "budget.usd_per_million_tokens_in and budget.usd_per_million_tokens_out, or budget.max_usd=0 for a "
                "server that costs nothing."
            )
        self.price = price
        start = spent or Usage()
        self.requests = start.requests
        self.tokens_in = start.tokens_in
        self.tokens_out = start.tokens_out
        # Calls that broke after they were sent: the server may have charged for them.
        self.uncertain_tokens_in = 0
        self.uncertain_tokens_out = 0
        self._held_in = 0
        self._held_out = 0
        self.ends_at: float | None = None
        self._needs_tokens = bool(self.budget.max_tokens or self.budget.max_usd)

    def begin(self, now: float) -> float | None:
        """Start the clock of `max_seconds`, once for all stages; returns when it runs out."""
        if self.budget.max_seconds and self.ends_at is None:
            self.ends_at = now + self.budget.max_seconds
        return self.ends_at

    @property
    def needs_holds(self) -> bool:
        """Say whether reserving can ever refuse."""
        return bool(self._needs_tokens or self.budget.max_requests)

    @property
    def usd(self) -> float | None:
        """Return the money known to be spent, or None where no price is known."""
        return self.price.usd(self.tokens_in, self.tokens_out) if self.price else None

    @property
    def usd_uncertain(self) -> float | None:
        """Return the most that calls with an unknown outcome may have cost on top."""
        return self.price.usd(self.uncertain_tokens_in, self.uncertain_tokens_out) if self.price else None

    def reserve(self, hold: Hold) -> str:
        """Take `hold` out of the budget and return "", or return the name of the budget it does not fit in."""
        budget = self.budget
        if budget.max_requests and self.requests + hold.requests > budget.max_requests:
            return "max_requests"
        if self._needs_tokens:
            tokens_in = self.tokens_in + self.uncertain_tokens_in + self._held_in + hold.tokens_in
            tokens_out = self.tokens_out + self.uncertain_tokens_out + self._held_out + hold.tokens_out
            if budget.max_tokens and tokens_in + tokens_out > budget.max_tokens:
                return "max_tokens"
            if budget.max_usd and self.price and self.price.usd(tokens_in, tokens_out) > budget.max_usd:
                return "max_usd"
        self.hold(hold)
        return ""

    def hold(self, hold: Hold) -> None:
        """Take `hold` out of the budget without asking."""
        self._held_in += hold.tokens_in
        self._held_out += hold.tokens_out
        self.requests += hold.requests

    def release(self, hold: Hold, *, uncertain: bool = False, unsent: bool = False) -> None:
        """End a reservation; `uncertain` keeps it counted as possibly charged, `unsent` gives the requests back too."""
        self._held_in -= hold.tokens_in
        self._held_out -= hold.tokens_out
        if uncertain:
            self.uncertain_tokens_in += hold.tokens_in
            self.uncertain_tokens_out += hold.tokens_out
        if unsent:
            self.requests -= hold.requests

    def paid(self, completion: Completion) -> None:
        """Count a reply's tokens."""
        self.tokens_in += completion.tokens_in
        self.tokens_out += completion.tokens_out

    @property
    def tightest(self) -> str:
        """Return the name of the budget of requests, tokens or money that is used up furthest; there has to be one."""
        budget = self.budget
        used = {
            "max_requests": self.requests / budget.max_requests if budget.max_requests else 0.0,
            "max_tokens": (self.tokens_in + self.tokens_out) / budget.max_tokens if budget.max_tokens else 0.0,
            "max_usd": (self.usd or 0.0) / budget.max_usd if budget.max_usd else 0.0,
        }
        assert any(used.values()), "nothing is spent of a budget that is used up"
        return max(used, key=lambda name: used[name])

    def sentence(self, name: str) -> str:
        """Say which budget is spent, how far, and what to do."""
        budget = self.budget
        uncertain = self.uncertain_tokens_in + self.uncertain_tokens_out
        maybe = f" (and up to {uncertain:,} more that broken calls may have cost)" if uncertain else ""
        found = {
            "max_usd": f"${self.usd or 0:.4f} of ${budget.max_usd:g} are spent",
            "max_requests": f"{self.requests:,} of {budget.max_requests:,} requests are sent",
            "max_tokens": f"{self.tokens_in + self.tokens_out:,} of {budget.max_tokens:,} tokens are spent",
            "max_seconds": f"{budget.max_seconds:g} seconds are over",
        }[name]
        return (
            f"budget.{name}: {found}{maybe}, and the next call could exceed it. "
            f"Every reply is kept: raise budget.{name} and run the same command to go on."
        )
