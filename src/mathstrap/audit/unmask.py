"""Find the number that a backward question hides, by comparing it with the original question."""

from __future__ import annotations

import re
from dataclasses import dataclass
from os.path import commonprefix

from mathstrap.curate.wording import NUMBER_WORDS
from mathstrap.patterns import regex

BACKWARD = regex(r"unknown variable|value of \$?[xX]\$?\b")
NUMBER = regex(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+/\d+|\d+\.\d+|\.\d+|\d+")
WORD = regex(r"[A-Za-z]+")
# The variable of the masked question, alone or in the dollar signs that masking left around it.
VARIABLE = regex(r"(?:\$[xX]\$|[xX])(?![A-Za-z])")
# The original must continue after the number like the masked question, for this many characters.
MIN_TAIL = 6


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """The hidden number: its value as an answer, and whether masking removed its currency or formula sign.

    `also` lists other right values: a hidden `half` is 1/2, or 50 as a percentage.
    """

    answer: str
    also: tuple[str, ...] = ()
    is_percent: bool = False
    lost_dollar: bool = False


def find_hidden(original: str, query: str) -> Hidden | None:
    """Return the number of `original` that `query` hides; None where the two texts do not align.

    Compares from the left, so a rewritten end of the question is no obstacle where the number comes before it.
    """
    start = len(commonprefix((original, query)))  # noqa: RUF071 - these are texts, not paths
    # `1x` and `x` can share a digit or sign on the left; go back to the number's first character.
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
        # Masking may have removed a closing sign too: `$120\%$` -> `X`, `20,$` -> `X`, `80%` -> `x`.
        lost = re.match(r"(?:\\?%)?[,.;?!]?\$?", rest)
        tail = rest[lost.end() :] if lost else rest
        if not _goes_on(tail, masked_rest):
            return None
        closing = lost is not None and "$" in lost[0]
    return Hidden(answer=answer, also=also, is_percent=is_percent or is_half, lost_dollar=took_dollar or closing)


def _goes_on(rest: str, masked_rest: str) -> bool:
    """Say whether the texts after the number agree for MIN_TAIL characters, or up to the original's end."""
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
