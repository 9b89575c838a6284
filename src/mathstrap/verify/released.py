"""The scorers released with MetaMath in February 2024, behaviour for behaviour, quirks included.

They are kept for comparability with published numbers. The GSM8K scorer rounds, reads the first number after the last
anchor, and needs the anchor's exact spelling; the MATH scorer compares strings.
"""

from __future__ import annotations

from mathstrap.patterns import regex
from mathstrap.verify.record import Extraction, Grade, Mode
from mathstrap.verify.strings import same_hendrycks

ANCHOR = "The answer is: "
MAX_DIGITS = 400  # a longer numeral overflows the float the scorer rounds
_FIRST_NUMBER = regex(r"[-+]?[0-9]*[.,/]?[0-9]+")


def released_number(text: str) -> int | None:
    """Return the whole number the GSM8K scorer reads, the first numeral rounded half to even, or None."""
    match = _FIRST_NUMBER.search(text)
    if match is None or len(match[0]) > MAX_DIGITS:
        return None
    top, slash, bottom = match[0].partition("/")
    try:
        if slash and int(bottom) != 0:
            return round(int(top) / int(bottom))
        return round(float((top if slash else match[0]).replace(",", "")))
    except (ValueError, OverflowError):
        return None


def extract_released_gsm8k(text: str, mode: Mode = "strict") -> Extraction | None:
    """Return everything after the last exact anchor; the number is read from it when it is compared."""
    del mode  # the released scorers know one way
    _, anchor, rest = text.rpartition(ANCHOR)
    return Extraction(rest.strip(), "released") if anchor else None


def extract_released_math(text: str, mode: Mode = "strict") -> Extraction | None:
    """Return what follows the last exact anchor, up to a full stop at a line's end and without one at the end."""
    del mode  # the released scorers know one way
    _, anchor, rest = text.rpartition(ANCHOR)
    if not anchor:
        return None
    answer = rest.partition(".\n")[0].strip()
    return Extraction(answer.removesuffix(".").strip(), "released")


def compare_released_gsm8k(gold: str, got: str) -> Grade:
    """Compare as `eval_gsm8k.py` does: both sides as rounded whole numbers."""
    value = released_number(got)
    expected = released_number(gold.replace(",", ""))
    if value is None:
        return Grade("wrong", "number", "no number follows the anchor", got, gold)
    if expected is None:
        return Grade("undecided", "number", "the gold answer is not a number", got, gold)
    same = value == expected
    return Grade("correct" if same else "wrong", "number", f"rounded to {value}"[:80], got, gold)


def compare_released_math(gold: str, got: str) -> Grade:
    """Compare as `eval_math.py` does: both sides after the Hendrycks normalisation, as strings."""
    same = same_hendrycks(gold, got)
    return Grade("correct" if same else "wrong", "text", "compared as normalised strings", got, gold)
