"""A free, deterministic teacher for tests, dry runs and demonstrations.

Its replies depend only on the request's id, key and draw, so a run with it can be killed, resumed and compared.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.backends import TeacherOptions
from mathstrap.errors import InputError, TransientError, suggest
from mathstrap.patterns import regex
from mathstrap.types import Completion, Request, root_of

Answer = Callable[[Request], str | Completion]

_QUESTION_MARK = regex(r".*(?:^|\n)\s*(?:Question|Problem|Rephrase|Q|### Instruction):[ \t\n]*", re.DOTALL)
_AFTER = regex(
    r"\n(?:Answer:|A:|Statement:| ?Result:|The same question|Rephrase the|In other words|### Response:|Think it)"
)
_GIVEN = regex(r"\n?\s*(?:The answer is|Answer:)\s*(.+?)\.?\s*(?:\n|$)")
_NUMBER = regex(r"\d[\d,]*(?:\.\d+)?")
_UNKNOWN = regex(r"\$?(?<![A-Za-z])[xX](?![A-Za-z(])")
_OPENINGS = (
    "Consider the following.",
    "Suppose this is so.",
    "Here is a situation to think about.",
    "Picture the following.",
    "Take this case.",
    "Read this and work it out.",
)


class FakeTeacher:
    """Answers from a function, from a list in turn, or by itself in the formats of the packaged prompts.

    golds              seed id -> (question, answer): lets it solve the descendants of these seeds
    accuracy           the share of questions with a known gold that it solves; otherwise it guesses from their numbers
    latency_seconds    how long a call takes
    fail_share         the share of calls that fail without an answer, decided by id and attempt
    """

    def __init__(
        self,
        answer: Answer | Iterable[str] | None = None,
        *,
        model: str = "fake",
        golds: Mapping[str, tuple[str, str]] | None = None,
        accuracy: float = 0.7,
        latency_seconds: float = 0.0,
        fail_share: float = 0.0,
        max_in_flight: int = 64,
        supports_n: bool = True,
    ) -> None:
        self.model = model
        self.supports_n = supports_n
        self.asked: dict[str, int] = {}  # request id -> how often it was asked, failed calls included
        self.answered: dict[str, int] = {}
        self._max_in_flight = max_in_flight
        self._golds = golds or {}
        self._accuracy = accuracy
        self._latency = latency_seconds
        self._fail_share = fail_share
        if answer is None or callable(answer):
            self._answer: Answer = answer or self._by_itself
        else:
            texts = iter(list(answer))
            self._answer = lambda request: _next_text(texts, request)

    @property
    def max_in_flight(self) -> int:
        """How many calls may run at once."""
        return self._max_in_flight

    async def ask(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer the draws after the latency, or break."""
        first = requests[0]
        attempt = self.asked.get(first.id, 0)
        for request in requests:
            self.asked[request.id] = self.asked.get(request.id, 0) + 1
        await asyncio.sleep(self._latency)
        if self._fail_share and _chance(f"{first.id} {attempt}").random() < self._fail_share:
            raise TransientError("the fake teacher failed, as its settings ask", kind="server")
        for request in requests:
            self.answered[request.id] = self.answered.get(request.id, 0) + 1
        return [self._complete(request, paid_prompt=request is first) for request in requests]

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _complete(self, request: Request, *, paid_prompt: bool) -> Completion:
        answer = self._answer(request)
        if isinstance(answer, Completion):
            return answer
        tokens_in = sum(len(message.content) for message in request.messages) // 4 if paid_prompt else 0
        return Completion(
            request=request.id,
            key=request.key,
            text=answer,
            finish_reason="stop",
            model=self.model,
            tokens_in=tokens_in,
            tokens_out=1 + len(answer) // 4,
        )

    def _by_itself(self, request: Request) -> str:
        prompt = request.messages[-1].content
        question = _AFTER.split(_QUESTION_MARK.sub("", prompt))[0].strip()
        chance = _chance(f"{request.id} {request.key} {request.draw}")
        if "#" not in request.id and "/self_verification" in request.id:
            return _state(question, prompt)
        if "#" not in request.id and "/" in request.id:  # any other rewrite
            return f"{chance.choice(_OPENINGS)} {question}"
        answer = self._solve(request, question, chance)
        return (
            f"First look at what is given.\nWorking through it step by step leads to {answer}.\nThe answer is: {answer}"
        )

    def _solve(self, request: Request, question: str, chance: random.Random) -> str:
        right = self._gold(request, question)
        if right and chance.random() < self._accuracy:
            return right
        numbers = [float(number.replace(",", "")) for number in _NUMBER.findall(question)[:6]] or [1.0]
        first, second = chance.choice(numbers), chance.choice(numbers)
        guess = chance.choice([first + second, first * second, abs(first - second), sum(numbers), first])
        return f"{guess:g}" if abs(guess) < 1e6 else str(int(guess))

    def _gold(self, request: Request, question: str) -> str:
        seed = self._golds.get(root_of(request.id))
        if seed is None:
            return ""
        if "unknown variable" not in question:
            return seed[1]
        hidden = _UNKNOWN.search(question)
        before = question[: hidden.start()] if hidden else ""
        number = _NUMBER.search(seed[0], len(before)) if hidden and seed[0].startswith(before) else None
        return number.group().rstrip(",") if number else ""


def check_options(options: TeacherOptions) -> None:
    """Raise InputError for an unknown setting."""
    known = ["accuracy", "fail_share", "golds", "latency_seconds"]
    for name in options.settings:
        if name not in known:
            raise InputError(f'teacher.settings: the fake teacher knows no "{name}".{suggest(name, known)}')


def open_teacher(options: TeacherOptions) -> FakeTeacher:
    """Return a fake teacher; settings: accuracy, latency_seconds, fail_share, golds (a path)."""
    check_options(options)
    settings: dict[str, Any] = dict(options.settings)
    path = settings.pop("golds", None)
    return FakeTeacher(
        model=options.model or "fake",
        golds=_read_golds(Path(path)) if path else None,
        max_in_flight=options.max_in_flight or 64,
        supports_n=options.supports_n is not False,
        **settings,
    )


def _state(question: str, prompt: str) -> str:
    given = _GIVEN.findall(prompt)
    answer = given[-1].strip() if given else "known"
    bare = re.split(r"\s*The answer is", question)[0].strip().rstrip("?.").strip()
    return f"To the question {bare[:1].lower()}{bare[1:]}, the answer is {answer}."


def _read_golds(path: Path) -> dict[str, tuple[str, str]]:
    golds = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = msgspec.json.decode(line)
            golds[row["id"]] = (row["question"], row["answer"])
        except (msgspec.DecodeError, KeyError, TypeError) as error:
            raise InputError(f"{path}:{number}: expected an object with id, question and answer ({error}).") from error
    return golds


def _next_text(texts: Any, request: Request) -> str:
    text = next(texts, None)
    if text is None:
        raise InputError(f"{request.id}: the fake teacher's list of answers is used up.")
    return str(text)


def _chance(text: str) -> random.Random:
    return random.Random(hashlib.blake2b(text.encode(), digest_size=8).digest())
