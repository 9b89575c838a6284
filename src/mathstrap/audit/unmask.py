"""Find the number that a backward question hides, by setting it beside the question it was made from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mathstrap.curate.wording import NUMBER_WORDS

BACKWARD = re.compile(r"unknown variable|value of \$?[xX]\$?\b")
NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+/\d+|\d+\.\d+|\.\d+|\d+")
WORD = re.compile(r"[A-Za-z]+")
# The variable as the masked question writes it: alone, or with the signs that masking left or put around it.
VARIABLE = re.compile(r"(?:\$[xX]\$|[xX])(?![A-Za-z])")
# The text after the number must go on as the masked question does, for this many characters.
MIN_TAIL = 6


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """The hidden number: its value as an answer; whether its currency or formula sign went with it.

    `also` are other values by which the same text may be asked for: a hidden `half` is 1/2, or 50 of a percentage.
    """

    answer: str
    also: tuple[str, ...] = ()
    is_percent: bool = False
    lost_dollar: bool = False


def find_hidden(original: str, query: str) -> Hidden | None:
    """Return the number that `query` hides of `original`; None where the two do not line up.

    Works from the left, so it reads questions whose end was rewritten as long as the number stands before that.
    """
    start = _common_prefix(original, query)
    # `1x` and `x` can share a digit or sign on the left; go back to where the number begins.
    while start and original[start - 1] in "0123456789.,/":
        start -= 1
    variable = VARIABLE.match(query, start)
    if variable is None:
        return None
    place = start
    took_dollar = original[place : place + 1] == "$" and not variable[0].startswith("$")
    if original[place : place + 1] == "$":
        place += 1
    number = NUMBER.match(original, place) or WORD.match(original, place)
    if number is None:
        return None
    answer = _value(number[0])
    if answer is None:
        return None
    is_half = number[0].lower() == "half"
    rest, masked_rest = original[number.end() :], query[variable.end() :]
    is_percent = rest.startswith(("%", "\\%"))
    also = ("1/2",) if is_half else ()
    if is_half and masked_rest.startswith("%"):
        masked_rest, also = masked_rest[1:], ()
    closing = False
    if not _goes_on(rest, masked_rest):
        # Masking may have taken a closing sign along: `$120\%$` -> `X`, `20,$` -> `X`, `80%` -> `x`.
        lost = re.match(r"(?:\\?%)?[,.;?!]?\$?", rest)
        tail = rest[lost.end() :] if lost else rest
        if not _goes_on(tail, masked_rest):
            return None
        closing = lost is not None and "$" in lost[0]
    return Hidden(answer=answer, also=also, is_percent=is_percent or is_half, lost_dollar=took_dollar or closing)


def _common_prefix(first: str, second: str) -> int:
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[:middle] == second[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _goes_on(rest: str, masked_rest: str) -> bool:
    """Say whether the texts after the number agree long enough, or the question ends or is cut here."""
    size = min(MIN_TAIL, len(rest.rstrip()))
    return masked_rest[:size] == rest[:size]


def _value(text: str) -> str | None:
    """Return a number as a gold answer: without separators, with a digit before the point; half is 50 (percent)."""
    if text[0].isdigit() or text[0] == ".":
        text = text.replace(",", "")
        return "0" + text if text.startswith(".") else text
    word = text.lower()
    if word == "half":
        return "50"
    value = NUMBER_WORDS.get(word)
    return value if value is not None and value[-1].isdigit() else None
