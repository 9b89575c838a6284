"""The rules of the reference code (metamath-2024), reproduced exactly, quirks included. Knows nothing of prompts.

tests/augment/test_reference_rules.py pins every rule; docs/fidelity.md describes the effect of each on real data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mathstrap.numerals import UNITS
from mathstrap.patterns import regex
from mathstrap.types import Style
from mathstrap.verify.strings import hendrycks_form

# The only number words the reference hides, as whole lower-case tokens; "thirteen", "fourth" and all others stay.
_WORDS = {word: str(value) for word, value in UNITS.items() if 1 <= value <= 12 or value == 16} | {
    "fifth": "5", "half": "50%",
}  # fmt: skip
_DIGIT = regex(r"\d")
_EXCLUDED = regex(r'[a-zA-Z\n:()*"+–-]')
_TAIL_AFTER_LAST_DIGIT = regex(r"[^0-9]*\Z")
_KEEPS_ITS_TAIL = frozenset(",.?;”'!\"%")
_GSM8K_NUMBER = regex(r"-?\d+/?\.?\d*")
_MATH_NUMBER = regex(r"-?\d*\.?\d+")


@dataclass(frozen=True, kw_only=True)
class TokenMask:
    """A token of the question, from `start` to `end`, that the reference replaces by `replacement`."""

    token: str
    start: int
    end: int
    replacement: str


def is_candidate(token: str, style: Style) -> bool:
    """Say whether the reference would hide this token (text between two single spaces)."""
    if style == "gsm8k" and token in _WORDS:
        return True
    return _DIGIT.search(token) is not None and _EXCLUDED.search(token) is None


def replace_token(token: str, style: Style) -> str:
    """Return the reference's replacement of a token."""
    symbol = "x" if style == "gsm8k" else "X"
    if style == "gsm8k":
        token = _WORDS.get(token, token)
    if token[-1] in _KEEPS_ITS_TAIL:
        tail = _TAIL_AFTER_LAST_DIGIT.search(token)
        return symbol + (tail[0] if tail else "")
    if style == "gsm8k" and token[0] == "$":
        return f"${symbol}"
    return symbol


def find_token_masks(question: str, style: Style) -> list[TokenMask]:
    """Return every mask the reference makes of a question, in token order."""
    masks = []
    start = 0
    for token in question.split(" "):
        end = start + len(token)
        if is_candidate(token, style):
            masks.append(TokenMask(token=token, start=start, end=end, replacement=replace_token(token, style)))
        start = end + 1
    return masks


def hide_token(question: str, mask: TokenMask) -> str:
    """Return the question with the token replaced."""
    return question[: mask.start] + mask.replacement + question[mask.end :]


def kind_of(token: str) -> str:
    """Name the kind of a candidate token, as the counts of docs/fidelity.md use it."""
    if token in _WORDS:
        return "word"
    for mark, kind in (("$", "money"), ("%", "percent"), ("/", "fraction")):
        if mark in token:
            return kind
    if re.search(r"\d\.\d", token):
        return "decimal"
    return "comma" if re.search(r"\d,\d", token) else "int"


def drop_extra_zeros(number: str) -> str:
    """Return a number through the reference's float round trip: `1.50` -> `1.5`, but twenty zeros -> `100.0`."""
    try:
        text = str(float(number)).rstrip("0")
    except ValueError:
        return number
    try:
        return str(int(text.rstrip(".")) if text.endswith(".") else float(text))
    except ValueError:
        return number


def clean_gsm8k(reply: str, marker: str = "The answer is") -> str:
    """Return the last number after the last marker, the way the reference reads a GSM8K reply; "" if there is none."""
    tail = reply.split(marker)[-1].replace(",", "")
    numbers = _GSM8K_NUMBER.findall(tail)
    answer = drop_extra_zeros(numbers[-1]) if numbers else ""
    return answer.removesuffix(".").removesuffix("/")


def clean_math(reply: str, marker: str = "The answer is") -> str:
    """Return the answer of a MATH reply: after the marker, else the last box, else the last number; "" if none."""
    for here in (marker, "the answer is "):
        if here in reply:
            answer = reply.split(here)[-1].strip()
            break
    else:
        if "boxed" in reply:
            answer = last_box(reply)
        else:
            numbers = _MATH_NUMBER.findall(reply)
            answer = numbers[-1] if numbers else ""
    answer = hendrycks_form(answer.removesuffix(".").removesuffix("/"))
    return last_box(answer) if "boxed" in answer else answer


def last_box(text: str) -> str:
    """Return the content of the last `boxed`, normalised; without a brace, everything up to the next `$`."""
    inside = text.split("boxed")[-1]
    if not inside.startswith("{"):
        return hendrycks_form(inside.split("$")[0].strip())
    depth = 1
    for index, char in enumerate(inside[1:], start=1):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return hendrycks_form(inside[1:index])
    return hendrycks_form(inside[1:])


def seed_answer(answer: str, style: Style) -> str:
    """Return a seed's gold answer as in the reference's cleaned file."""
    return drop_extra_zeros(answer.removesuffix(".0")) if style == "gsm8k" else hendrycks_form(answer)


def mask_answer(token: str, style: Style, method: str) -> str:
    """Return the gold of a hidden token: GSM8K rules, except for MATH FOBAR (MATH SV is missing from its list)."""
    if style == "math" and method == "fobar":
        return clean_math(token)
    return clean_gsm8k(_WORDS.get(token, token))


def rewritten_answer(answer: str, style: Style) -> str:
    """Return the gold answer that the reference's SV rewriter receives: it goes through an extractor for replies."""
    return clean_gsm8k(answer) if style == "gsm8k" else clean_math(answer)


def split_tail(masked: str) -> tuple[str, str]:
    """Return (base, tail): the question is cut after the last full stop or comma; without one the tail is empty."""
    cut = masked.replace(",", ".").rfind(".") + 1 or len(masked)
    return masked[:cut].strip(), masked[cut:].strip()
