"""Learn from a server's refusals which fields it rejects, and leave them out of every later call. Sends nothing itself.

Five things differ between models behind one wire format: the name of the token limit, and the support of a temperature,
a system message, stop strings and `reasoning_effort`. Each is learnt once, from the first call that is refused for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from mathstrap.patterns import regex
from mathstrap.types import Completion, Message

_REFUSES = regex(
    r"not (?:currently )?(?:supported?|enabled|permitted|allowed|available|accepted)|unsupported|isn'?t supported|"
    r"(?:does|do) not (?:support|accept|allow)|only the default|deprecated|no longer|unexpected|unknown|unrecognized|"
    r"extra (?:inputs|fields)|cannot both|must alternate|invalid role|supported values|"
    r"only (?:\S+ is|be set to|user and assistant)|should be (?:equal|['\"`]user)|"
    r"must be (?:exactly )?1(?:\.0)?\b(?! (?:to|and))",
    re.IGNORECASE,
)
_SYSTEM = regex(
    r"\bsystem[\w' \"`-]{0,20}(?:role|messages?|instructions?|prompts?)|roles?[^.]{0,60}\bsystem\b|"
    r"value: ['\"`]system|developer instruction|roles must alternate|only user and assistant roles|"
    r"role[^.]{0,40}should be ['\"`]user",
    re.IGNORECASE,
)
_LISTS_VALUES = regex(r"['\"`]none['\"`]|unsupported value|supported values|one of", re.IGNORECASE)
_BOTH = regex(r"(?:temperature|top_p)[^.]{0,20}\band\b[^.]{0,10}(?:temperature|top_p)", re.IGNORECASE)


class Adaptation:
    """The fields that a server turned out to reject; `apply` changes a request's JSON accordingly."""

    def __init__(self) -> None:
        self._tokens_field = "max_tokens"
        self._dropped: set[str] = set()
        self._merges_system = False

    @property
    def cuts_here(self) -> bool:
        """Whether replies have to be cut at their stop strings, because the server does not."""
        return "stop" in self._dropped

    def apply(self, body: dict[str, Any], kept: Sequence[str] = ()) -> dict[str, Any]:
        """Return the JSON object to send; fields named in `kept` are the user's own and stay."""
        if self._tokens_field != "max_tokens" and _may_rename(body, kept):
            body[self._tokens_field] = body.pop("max_tokens")
        for name in self._dropped:
            if name not in kept:
                body.pop(name, None)
        if self._merges_system and "messages" in body:
            body["messages"] = merged_system(body["messages"])
        return body

    def learn(self, detail: str, body: dict[str, Any], kept: Sequence[str] = ()) -> str:
        """Return how later calls differ from `body`, which was refused with `detail`; "" if the detail is no reason.

        Calls in flight during the first refusal learn the same again, and are asked again like it.
        """
        if "max_completion_tokens" in detail and _may_rename(body, kept):
            self._tokens_field = "max_completion_tokens"
            return "the server wants max_completion_tokens"
        if not _REFUSES.search(detail):
            return ""
        if _BOTH.search(detail) and "top_p" in body and "top_p" not in kept:
            self._dropped.add("top_p")
            return "the server takes temperature or top_p, not both; top_p is left out"
        if re.search(r"\bstop\b", detail) and "stop" in body and "stop" not in kept:
            self._dropped.add("stop")
            return "the server takes no stop strings; replies are cut at them when they are here"
        for name in ("temperature", "top_p"):
            if re.search(rf"\b{name}\b", detail) and name in body and name not in kept:
                self._dropped.add(name)
                return f"the server takes no {name} but its own; {name} is left out"
        # A server that does not know the field has a model that does not think, which is what "none" asks for. One that
        # lists other values has a model that always thinks: the user has to decide, so this refusal is passed on.
        is_none = body.get("reasoning_effort") == "none"
        if is_none and re.search("reasoning_?effort", detail, re.IGNORECASE) and not _LISTS_VALUES.search(detail):
            self._dropped.add("reasoning_effort")
            return "the server has no reasoning_effort, and no thought to switch off; the field is left out"
        if _SYSTEM.search(detail) and any(_role(message) == "system" for message in body.get("messages", ())):
            self._merges_system = True
            return "the server takes no system message; its text is put before the question"
        return ""


def cut_at_stop(completion: Completion, stop: Sequence[str]) -> Completion:
    """Return a reply up to its first stop string, as a server that supports them would have sent it."""
    places = [place for word in stop if (place := completion.text.find(word)) >= 0]
    if not places:
        return completion
    return msgspec.structs.replace(completion, text=completion.text[: min(places)], finish_reason="stop")


def merged_system(messages: Sequence[Message]) -> list[Message]:
    """Return the turns with the text of system turns put before the first user turn."""
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    turns = [message for message in messages if message.role != "system"]
    if not system:
        return turns
    for place, turn in enumerate(turns):
        if turn.role == "user":
            turns[place] = Message("user", f"{system}\n\n{turn.content}")
            return turns
    return [Message("user", system), *turns]


def _may_rename(body: dict[str, Any], kept: Sequence[str]) -> bool:
    return "messages" in body and "max_tokens" in body and "max_tokens" not in kept


def _role(message: Any) -> str:
    return str(getattr(message, "role", ""))
