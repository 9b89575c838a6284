"""Keep spending below the budget, counting every call in flight at its maximum. Sends nothing itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import msgspec

from mathstrap.engine.prices import Price
from mathstrap.errors import RecipeError, StorageError
from mathstrap.types import Completion, Liability, Request, Usage

# A chat template wraps every turn in role markers, and some servers add a default system turn of their own.
TEMPLATE_TOKENS_PER_PROMPT = 32
TEMPLATE_TOKENS_PER_MESSAGE = 8
# Some servers let a model think beyond max_tokens, and charge for it. During the first TRIAL_REPLIES replies, each draw
# is counted with UNKNOWN_OVERRUN extra tokens, divided by four after every reply.
UNKNOWN_OVERRUN = 65_536
TRIAL_REPLIES = 8


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most a run may spend; 0 means no limit.

    max_usd        money; needs a known price
    max_requests   draws sent, retries included
    max_tokens     prompt and reply tokens, as the server counts them
    max_seconds    wall time; calls in flight at the end of it are cut off
    usd_per_million_tokens_in, usd_per_million_tokens_out   the price, where the price library has none or a wrong one
    """

    max_usd: float = 0.0
    max_requests: int = 0
    max_tokens: int = 0
    max_seconds: float = 0.0
    usd_per_million_tokens_in: float | None = None
    usd_per_million_tokens_out: float | None = None


class Reservation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The most that one call can still cost; a journaled one is recorded in the journal of a Batch API."""

    requests: int
    tokens_in: int
    tokens_out: int
    is_journaled: bool = False


class SpendingLog(Protocol):
    """A log in which a Meter records what may be owed, for the next start of the run; raises StorageError."""

    before: Liability

    def note(self, liability: Liability, /) -> None:
        """Write one line; the operating system has it when this returns."""
        ...


def most_tokens_in(request: Request) -> int:
    """Return an upper bound on the prompt's tokens: no tokenizer makes more tokens than there are UTF-8 bytes."""
    size = TEMPLATE_TOKENS_PER_PROMPT
    for message in request.messages:
        text = message.content
        size += TEMPLATE_TOKENS_PER_MESSAGE + (len(text) if text.isascii() else len(text.encode("utf-8", "replace")))
    return size


def reservation_for(requests: Sequence[Request], *, is_journaled: bool = False) -> Reservation:
    """Return the most that one call for these draws of one prompt can cost."""
    draws = len(requests)
    first = requests[0]
    return Reservation(
        requests=draws,
        tokens_in=most_tokens_in(first),
        tokens_out=draws * first.sampling.max_tokens,
        is_journaled=is_journaled,
    )


class Meter:
    """One budget over all stages of a run: reserve before sending, settle after. Not thread-safe.

    `spent` is the usage of the stored replies of the run directory. `log` records what these do not show: retries,
    calls in flight when the process died, replies without token counts. With both, a budget holds over every restart.

    `prices` are the prices of several teachers by label, if they differ; `price` is then the highest.

    A reservation counts a prompt at its bytes and a reply at max_tokens, plus an allowance for thinking beyond that: a
    large one before the first replies, then twice the largest overrun seen.
    """

    def __init__(
        self,
        budget: Budget | None = None,
        *,
        price: Price | None = None,
        spent: Usage | None = None,
        log: SpendingLog | None = None,
        prices: Mapping[str, Price] | None = None,
    ) -> None:
        self.budget = budget or Budget()
        if self.budget.max_usd and price is None:
            raise RecipeError(
                "budget.max_usd is set, but the price of this model's tokens is not known. Set "
                "budget.usd_per_million_tokens_in and budget.usd_per_million_tokens_out, or budget.max_usd=0 for a "
                "server that costs nothing."
            )
        self.price = price
        self._prices = prices or {}
        self._log = log
        before = log.before if log else Liability()
        start = spent or Usage()
        self.requests = start.requests + before.requests + before.open_requests
        self.tokens_in = start.tokens_in
        self.tokens_out = start.tokens_out
        self._usd_stated = start.usd_stated
        self._stated_in = start.stated_in
        self._stated_out = start.stated_out
        # Calls without a stored reply, and replies without token counts: the server may have charged for them.
        self.uncertain_requests = before.requests + before.open_requests
        self.uncertain_tokens_in = before.tokens_in + before.open_tokens_in
        self.uncertain_tokens_out = before.tokens_out + before.open_tokens_out
        self._reserved_requests = 0
        self._reserved_in = 0
        self._reserved_out = 0
        self._open_requests = 0  # the reservations that no journal of a Batch API records
        self._open_in = 0
        self._open_out = 0
        self._overrun_out = before.overrun_out
        self._num_seen = 0  # replies with token counts
        self._dearness = 1.0  # the highest ratio of a price that the server stated to the known price
        # What the last line of the log covers; a call is sent only after a line that covers it was written.
        self._noted = before
        self._noted_requests = self.uncertain_requests
        self._noted_in = self.uncertain_tokens_in
        self._noted_out = self.uncertain_tokens_out
        self.has_answers = False  # in this process
        self.ends_at: float | None = None
        self._needs_tokens = bool(self.budget.max_tokens or self.budget.max_usd)

    def begin(self, now: float) -> float | None:
        """Start the clock of `max_seconds`, once for all stages; return the time at which it ends."""
        if self.budget.max_seconds and self.ends_at is None:
            self.ends_at = now + self.budget.max_seconds
        return self.ends_at

    @property
    def needs_reservations(self) -> bool:
        """Say whether a reservation can be refused, or has to be logged."""
        return bool(self._needs_tokens or self.budget.max_requests or self._log is not None)

    @property
    def usd(self) -> float | None:
        """Return the money known to be spent: as the server states it, else tokens by price; None without either."""
        unstated_in, unstated_out = self.tokens_in - self._stated_in, self.tokens_out - self._stated_out
        if self.price is not None:
            return self._usd_stated + self.price.usd(unstated_in, unstated_out)
        return self._usd_stated if self._stated_out and not unstated_in and not unstated_out else None

    @property
    def usd_uncertain(self) -> float | None:
        """Return the most that calls with an unknown outcome may have cost in addition."""
        return self.price.usd(self.uncertain_tokens_in, self.uncertain_tokens_out) if self.price else None

    def priced(self, completion: Completion) -> Completion:
        """Return a reply with its cost by its own teacher's price, where the server does not state one."""
        price = self._prices.get(completion.teacher) if self._prices else None
        if price is None or completion.usd is not None or not completion.tokens_in + completion.tokens_out:
            return completion
        usd = price.usd(completion.tokens_in, completion.tokens_out)
        return msgspec.structs.replace(completion, usd=usd)

    def usd_of(self, completion: Completion) -> float | None:
        """Return the cost of one reply, None if unknown."""
        if completion.usd is not None:
            return completion.usd
        return self.price.usd(completion.tokens_in, completion.tokens_out) if self.price else None

    def reserve(self, reserved: Reservation) -> str:
        """Take `reserved` out of the budget and return "", or return the name of the budget it does not fit in.

        Raises StorageError if the reservation cannot be written down.
        """
        budget = self.budget
        if budget.max_requests and self.requests + reserved.requests > budget.max_requests:
            return "max_requests"
        if self._needs_tokens and (refused := self._token_budget_refusing(reserved)):
            return refused
        self.reserve_anyway(reserved)
        return ""

    def _token_budget_refusing(self, reserved: Reservation) -> str:
        budget = self.budget
        overrun = self._allowance * (self._reserved_requests + reserved.requests)
        if not self._reserved_requests and not self._overrun_out:
            overrun = 0  # otherwise a small budget would never send the first call, which shows the overrun
        tokens_in = self._reserved_in + reserved.tokens_in
        tokens_out = self._reserved_out + reserved.tokens_out + overrun
        if budget.max_tokens:
            spent = self.tokens_in + self.uncertain_tokens_in + self.tokens_out + self.uncertain_tokens_out
            if spent + tokens_in + tokens_out > budget.max_tokens:
                return "max_tokens"
        if budget.max_usd and self.price is not None:
            uncertain = self.price.usd(tokens_in + self.uncertain_tokens_in, tokens_out + self.uncertain_tokens_out)
            if (self.usd or 0.0) + uncertain * self._dearness > budget.max_usd:
                return "max_usd"
        return ""

    @property
    def _allowance(self) -> int:
        """The tokens that a draw may take beyond its max_tokens."""
        if self._num_seen >= TRIAL_REPLIES:
            return 2 * self._overrun_out
        return max(2 * self._overrun_out, UNKNOWN_OVERRUN >> 2 * self._num_seen)

    def reserve_anyway(self, reserved: Reservation) -> None:
        """Take `reserved` out of the budget without a check."""
        self._reserved_requests += reserved.requests
        self._reserved_in += reserved.tokens_in
        self._reserved_out += reserved.tokens_out
        self.requests += reserved.requests
        if self._log is None or reserved.is_journaled:
            return
        self._open_requests += reserved.requests
        self._open_in += reserved.tokens_in
        self._open_out += reserved.tokens_out
        if (
            self.uncertain_requests + self._open_requests > self._noted_requests
            or self.uncertain_tokens_in + self._open_in > self._noted_in
            or self.uncertain_tokens_out + self._open_out > self._noted_out
        ):
            # An eighth of spare room for longer prompts, or every second call would write a line.
            self._note(spare=max(0, self._open_in >> 3))

    def release(
        self, reserved: Reservation, *, uncertain: bool = False, unsent: bool = False, answered: int = 0
    ) -> None:  # fmt: skip
        """End a reservation whose `answered` replies are stored.

        `uncertain` keeps its tokens counted as possibly charged, `unsent` gives its requests back.
        """
        missing = reserved.requests - answered
        self._reserved_requests -= reserved.requests
        self._reserved_in -= reserved.tokens_in
        self._reserved_out -= reserved.tokens_out
        if uncertain:
            self.uncertain_tokens_in += reserved.tokens_in
            self.uncertain_tokens_out += reserved.tokens_out + self._overrun_out * reserved.requests
        if unsent or answered:  # a server that answered made no more draws than it returned
            self.requests -= missing
        else:
            self.uncertain_requests += missing
        if self._log is None or reserved.is_journaled:
            return
        self._open_requests -= reserved.requests
        self._open_in -= reserved.tokens_in
        self._open_out -= reserved.tokens_out
        owed = self.uncertain_requests + self._open_requests
        if self._noted_requests - owed > max(4, owed >> 3):
            self.settle()

    def book(self, completions: Sequence[Completion], reserved: Reservation) -> None:
        """Count the tokens and cost of a call's replies, and learn the overrun and price ratio of the next calls."""
        tokens_in = tokens_out = 0
        for completion in completions:
            tokens_in += completion.tokens_in
            tokens_out += completion.tokens_out
            if completion.usd is not None:
                self._usd_stated += completion.usd
                self._stated_in += completion.tokens_in
                self._stated_out += completion.tokens_out
                if self.price is not None:
                    self._learn_price(completion)
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.has_answers = True
        if tokens_out and reserved.requests:
            self._num_seen += 1
            # A server that ignores n returns fewer draws; the limit of each is still that of one draw.
            most = reserved.tokens_out // reserved.requests
            longest = tokens_out if len(completions) == 1 else max(c.tokens_out for c in completions)
            beyond = longest - most + max(0, tokens_in - reserved.tokens_in)
            if beyond > self._overrun_out:
                self._overrun_out = beyond
                self.settle()

    def _learn_price(self, completion: Completion) -> None:
        assert self.price is not None
        assert completion.usd is not None
        expected = self.price.usd(completion.tokens_in, completion.tokens_out)
        if expected > 0 and completion.usd > expected * self._dearness:
            self._dearness = completion.usd / expected

    def refused(self, count: int) -> None:
        """Record that refusals of `count` requests are stored as replies that cost nothing."""
        self.uncertain_requests = max(0, self.uncertain_requests - count)

    def settle(self) -> None:
        """Log exactly what may be owed, if the last line differs; on a full disk, that line stays, which owes more."""
        if self._log is not None:
            with suppress(StorageError):
                self._note(spare=0)

    def _note(self, *, spare: int) -> None:
        overrun = 2 * self._overrun_out * self._open_requests
        liability = Liability(
            requests=self.uncertain_requests,
            tokens_in=self.uncertain_tokens_in,
            tokens_out=self.uncertain_tokens_out,
            open_requests=self._open_requests,
            open_tokens_in=self._open_in + spare,
            open_tokens_out=self._open_out + overrun,
            overrun_out=self._overrun_out,
        )
        if liability == self._noted:
            return
        assert self._log is not None
        self._log.note(liability)
        self._noted = liability
        self._noted_requests = self.uncertain_requests + self._open_requests
        self._noted_in = self.uncertain_tokens_in + self._open_in + spare
        self._noted_out = self.uncertain_tokens_out + self._open_out

    @property
    def tightest(self) -> str:
        """Return the name of the budget of requests, tokens or money with the largest used share; needs one in use."""
        budget = self.budget
        tokens = self.tokens_in + self.tokens_out + self.uncertain_tokens_in + self.uncertain_tokens_out
        usd = (self.usd or 0.0) + (self.usd_uncertain or 0.0)
        used = {
            "max_requests": self.requests / budget.max_requests if budget.max_requests else 0.0,
            "max_tokens": tokens / budget.max_tokens if budget.max_tokens else 0.0,
            "max_usd": usd / budget.max_usd if budget.max_usd else 0.0,
        }
        assert any(used.values()), "nothing is spent of a budget that is used up"
        return max(used, key=lambda name: used[name])

    def sentence(self, name: str) -> str:
        """State which budget is spent, how far, and how to continue."""
        budget = self.budget
        uncertain = self.uncertain_tokens_in + self.uncertain_tokens_out
        maybe = f" (and up to {uncertain:,} more that broken calls may have cost)" if uncertain else ""
        spent = {
            "max_usd": f"${self.usd or 0:.4f} of ${budget.max_usd:g} are spent",
            "max_requests": f"{self.requests:,} of {budget.max_requests:,} requests are sent",
            "max_tokens": f"{self.tokens_in + self.tokens_out:,} of {budget.max_tokens:,} tokens are spent",
            "max_seconds": f"{budget.max_seconds:g} seconds are over",
        }[name]
        return (
            f"budget.{name}: {spent}{maybe}, and the next call could exceed it. "
            f"Every reply is kept: raise budget.{name} and run the same command to go on."
        )
