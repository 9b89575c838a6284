"""A sent prompt to copy: as text, as messages, and as a curl command. Knows nothing of recipes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathstrap.types import Message, Problem


@dataclass(frozen=True, kw_only=True)
class AskedPrompt:
    """A request: its messages, the other fields of its body, and its address; `key_env` may be empty."""

    messages: tuple[Message, ...]
    body: dict[str, Any]
    url: str = ""
    key_env: str = ""

    @property
    def text(self) -> str:
        """The messages as plain text, one after the other."""
        return "\n\n".join(message.content for message in self.messages)

    @property
    def messages_json(self) -> str:
        """The messages as the list that a chat API takes."""
        return json.dumps(self._messages(), indent=2, ensure_ascii=False)

    @property
    def curl(self) -> str:
        """A command that repeats the request; empty where no server was asked."""
        if not self.url:
            return ""
        body = shlex.quote(json.dumps({**self.body, "messages": self._messages()}, ensure_ascii=False))
        key = f' -H "Authorization: Bearer ${self.key_env}"' if self.key_env else ""
        url = shlex.quote(self.url.rstrip("/") + "/chat/completions")
        return f"curl {url} -H 'Content-Type: application/json'{key} -d {body}"

    def _messages(self) -> list[dict[str, str]]:
        return [{"role": message.role, "content": message.content} for message in self.messages]


# Rebuilds the prompt of a request from a run and the questions of its family; raises InputError where it cannot.
PromptOf = Callable[[Path, Sequence[Problem], str], AskedPrompt]
