"""Judge the first calls of a run: no server, a web page in its place, or replies that are not worth their money.

Persistent faults end a run within seconds and show the response; persistent waste pauses it and names the key to
change.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mathstrap.engine.limits import Limits
from mathstrap.types import Completion, Request

# Calls of each kind that may fail before the first reply, over all requests; so many are unlikely to be chance.
LASTING = {"page": 2, "malformed": 8, "timeout": 20, "no_reply": 20}
# Before the first reply, such failures are retried soon: a wrong address should show within seconds.
SOON_KINDS = frozenset({"connect", "page", "malformed"})
SOON_SECONDS = 1.0
LONG_WAITS = 3  # refusals since the last reply that ask for a wait beyond the deadline; a single one may be an outlier
SHORT_TEXT = 16  # characters; shorter replies such as "yes" and "no" may well be equal


class FirstContact:
    """Counts how calls fail until one is answered."""

    def __init__(self, limits: Limits) -> None:
        self._connect_seconds = limits.connect_seconds
        self._counts: Counter[str] = Counter()
        self._refused_since: float | None = None

    def failed(self, now: float, kind: str) -> str:
        """Count a failure; return advice once failures have persisted, "" until then."""
        self._counts[kind] += 1
        if kind == "connect":
            if self._refused_since is None:
                self._refused_since = now
            if now - self._refused_since >= self._connect_seconds:
                return (
                    f"No call was answered in {now - self._refused_since:.0f} seconds: start the server, or check "
                    "teacher.base_url; limits.connect_seconds waits longer for one that is still loading."
                )
        count = self._counts[kind]
        if count < LASTING.get(kind, count + 1):
            return ""
        if kind == "timeout":
            return (
                f"None of the first {count} calls was answered in time: raise teacher.timeout_seconds, lower "
                "max_tokens, or lower limits.max_in_flight if the server works on few calls at once."
            )
        if kind == "no_reply":
            return (
                f"The first {count} replies were all unusable, and paid for: raise max_tokens (a model that thinks may "
                "use up all of it), look at the server's log, or choose another model."
            )
        return f"All of the first {count} replies were like that, so the run stops."


class Refusals:
    """Counts the refusals of a server that asks for a later retry, until it answers again."""

    def __init__(self, limits: Limits) -> None:
        self._longest_wait = limits.deadline_seconds
        self._give_up_seconds = limits.breaker_give_up_seconds
        self._since: float | None = None
        self._num_long = 0

    def answered(self) -> None:
        """Forget the refusals so far."""
        self._since = None
        self._num_long = 0

    def refused(self, now: float, wait: float | None) -> str:
        """Count a refusal; return why to stop, or "" while waiting helps.

        A wait beyond the deadline would spend one call on each request only to leave all of them to the next run.
        """
        self._since = now if self._since is None else self._since
        if wait is not None:
            self._num_long += wait > self._longest_wait
            minutes = wait / 60
            if self._num_long >= LONG_WAITS:
                return f"The server asks to wait {minutes:,.0f} minutes: run the same command again then."
            return ""
        if now - self._since >= self._give_up_seconds:
            return (
                f"The server has refused every call for {now - self._since:.0f} seconds: look at the account's limits, "
                "or lower limits.requests_per_minute and limits.max_in_flight."
            )
        return ""


@dataclass(kw_only=True)
class FirstReplies:
    """The faults of a stage's first replies; `key` is the recipe's key of its sampling, for example `solving`."""

    size: int
    key: str
    num_seen: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    num_thought: int = 0
    num_late: int = 0
    detail: str = ""

    @property
    def is_over(self) -> bool:
        """Say whether enough replies were seen."""
        return self.num_seen >= self.size

    def late(self) -> str:
        """Count a call that was not answered in time; return why to pause, or ""."""
        self.num_late += 1
        self.num_seen += 1
        return self._judge("late", self.num_late)

    def seen(self, request: Request, completion: Completion) -> str:
        """Count a stored reply; return why to pause, or ""."""
        self.num_seen += 1
        fault = ""
        if completion.finish_reason in ("content_filter", "prompt_refused"):
            fault = "refused"
            self.detail = completion.ended or self.detail
        elif completion.finish_reason == "length":
            fault = "cut"
        elif not completion.text.strip():
            fault = "empty"
        self.num_thought += bool(completion.reasoning)
        if fault:
            self.bad[fault] += 1
            return self._judge(fault, self.bad[fault]) or self._judge("bad", sum(self.bad.values()))
        text = completion.text.strip()
        if len(text) >= SHORT_TEXT and request.sampling.temperature > 0:
            self.texts[text] += 1
            return self._judge("same", self.texts[text])
        return ""

    def _judge(self, fault: str, count: int) -> str:
        if 2 * count <= self.size:
            return ""
        seen = f"{count} of the first {self.num_seen} replies"
        tokens = f"raise {self.key}.max_tokens"
        thinks = ", or set a lower reasoning_effort for the model" if self.num_thought else ""
        said = f": {self.detail.rstrip('.')}" if self.detail else ""
        advice = {
            "late": f"{count} of the first {self.num_seen} calls were not answered in time: raise "
            f"teacher.timeout_seconds, lower {self.key}.max_tokens, or lower limits.max_in_flight.",
            "cut": f"{seen} were cut off at the token limit: {tokens}{thinks}.",
            "empty": f"{seen} are empty: {tokens} (a model that thinks may use up all of it){thinks}.",
            "refused": f"{seen} were refused by the server{said}. Look at the questions, or choose another model.",
            "same": f"{seen} are the same text. The server repeats itself: a cache or a fixed seed. Turn its cache "
            "off, and take a seed out of teacher.extra_body.",
            "bad": f"{seen} are cut off, empty or refused: {tokens}{thinks}, and look at some with `mathstrap show`.",
        }[fault]
        return f"{advice} Every reply is kept; limits.watch_replies=0 goes on all the same."
