"""Find the final answer a completion states. Knows nothing of equality."""

from __future__ import annotations

import re

from mathstrap.verify.record import Extraction, Mode

_STATED = re.compile(r"(?:the (?:final )?answer is:?|####)[ \t]*([^\n]+)", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def extract_answer(text: str, mode: Mode = "strict") -> Extraction | None:
    """Return the last explicitly stated answer, in flexible mode else the last number; None if there is neither."""
    boxed = _last_boxed(text)
    stated = None
    for match in _STATED.finditer(text):
        stated = match
    if stated is not None and (boxed is None or stated.start() > boxed[0]):
        answer = stated[1].strip().strip("$").rstrip(".").strip()
        if answer:
            return Extraction(answer, "stated")
    if boxed is not None:
        return Extraction(boxed[1], "boxed")
    if mode == "flexible":
        numbers = _NUMBER.findall(text)
        if numbers:
            return Extraction(numbers[-1], "last_number")
    return None


def _last_boxed(text: str) -> tuple[int, str] | None:
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for index in range(start + 6, len(text)):
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return start, text[start + 7 : index].strip()
    return None
