"""Separate the formulas of a LaTeX text from its prose and find the numbers in them. Knows nothing of variables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mathstrap.patterns import regex


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A span of a LaTeX text that is not prose; numbers in a drawing or a table are never hidden."""

    start: int
    end: int
    kind: Literal["formula", "drawing"]


@dataclass(frozen=True, kw_only=True)
class FormulaNumber:
    """A number inside a formula that can be hidden without breaking the formula."""

    start: int
    end: int
    text: str
    kind: Literal["int", "comma", "decimal", "percent", "fraction"]
    answer: str


_DRAWINGS = (("[asy]", "[/asy]"), ("\\begin{tabular}", "\\end{tabular}"))
_OPENERS = regex(
    r"\\\$|\\\\|(?P<display>\$\$)|(?P<inline>\$)|(?P<bracket>\\\[)|(?P<paren>\\\()"
    r"|\\begin\{(?P<name>(?:align|equation|gather|eqnarray|multline)\*?)\}"
)
_NUMBER = regex(
    r"\\[dt]?frac(?:\{(?P<above>\d+)\}\{(?P<below>\d+)\}|(?P<above1>\d)(?P<below1>\d))"
    r"|(?<![\d.])(?P<grouped>\d{1,3}(?:(?:,|\{,\}|,\\!)\d{3})+(?:\.\d+)?)(?!\d|,\d)"
    r"|(?P<plain>\d+(?:\.\d+)?|(?<!\d)\.\d+)"
)
_ARGUMENT = regex(
    r"\\(?:begin|end|[hv]space\*?|hskip|kern|rule|phantom|ref|label|overline|operatorname)\s*\{[^{}]*\Z"
)
_LENGTH_AFTER = regex(r"\s?(?:pt|em|ex|mm|in)\s?[\]}]")
_GROUPED_LIST = regex(r"[(\[{,]\Z")


def find_zones(text: str) -> list[Zone] | None:
    """Return the formulas and drawings of a text, left to right; None when a delimiter has no partner."""
    zones = list(_find_drawings(text))
    at = 0
    for drawing in [*zones, None]:
        end = drawing.start if drawing else len(text)
        while opener := _OPENERS.search(text, at, end):
            at = opener.end()
            close = _closer(opener)
            if close is None:
                continue
            until = _find_unescaped(text, close, at, end)
            if until < 0:
                return None
            zones.append(Zone(start=opener.start(), end=until + len(close), kind="formula"))
            at = until + len(close)
        at = drawing.end if drawing else len(text)
    return sorted(zones, key=lambda zone: zone.start)


def _find_drawings(text: str) -> Iterator[Zone]:
    """Yield drawings and tables, left to right; one without an end is ignored."""
    at = 0
    endless: set[str] = set()
    while True:
        openings = [(text.find(opener, at), opener, close) for opener, close in _DRAWINGS if opener not in endless]
        starts = [opening for opening in openings if opening[0] >= 0]
        if not starts:
            return
        start, opener, close = min(starts)
        end = text.find(close, start)
        if end < 0:
            endless.add(opener)
            continue
        at = end + len(close)
        yield Zone(start=start, end=at, kind="drawing")


def _closer(opener: re.Match[str]) -> str | None:
    closers = {"display": "$$", "inline": "$", "bracket": "\\]", "paren": "\\)"}
    if opener["name"]:
        return f"\\end{{{opener['name']}}}"
    return closers.get(str(opener.lastgroup))


def _find_unescaped(text: str, close: str, at: int, end: int) -> int:
    while (place := text.find(close, at, end)) >= 0:
        slashes = len(text[at:place]) - len(text[at:place].rstrip("\\"))
        if close[0] == "\\" or slashes % 2 == 0:
            return place
        at = place + 1
    return -1


def find_formula_numbers(text: str, zone: Zone) -> Iterator[FormulaNumber]:
    r"""Yield the numbers of a formula that a letter can stand for.

    Left alone are indices (`a_1`, `\log_2`), bases (`101_2`), roots' degrees, exponents of letters and brackets
    (`x^2`, `f^{-1}`), bare arguments (`\sqrt2`), lengths, periods of decimals, numbers glued to a letter before them.
    """
    if zone.kind == "drawing":
        return
    for match in _NUMBER.finditer(text, zone.start, zone.end):
        start, end = match.span()
        before, after = text[zone.start : start], text[end : zone.end]
        if not _can_stand_alone(before, after, match):
            continue
        yield FormulaNumber(start=start, end=end, text=match[0], kind=_kind(match, after), answer=_answer(match))


def _can_stand_alone(before: str, after: str, match: re.Match[str]) -> bool:
    is_fraction = match[0].startswith("\\")
    if re.match(r"_|\\?\s?\\overline|\.\\overline|\.\d|!?\\!\d", after) or _LENGTH_AFTER.match(after):
        return False
    if re.search(r"_\s?\Z|_\{[^{}]*\Z|\\sqrt\s?\[[^\]]*\Z|\\\\\[[^\]]*\Z", before) or _ARGUMENT.search(before):
        return False
    if is_fraction:
        return re.search(r"\\[A-Za-z]+\Z|[\^_]\s?\Z", before) is None
    if raised := re.search(r"(?P<base>.?)\^\s?(?P<brace>\{[^{}]*)?\Z", before):
        # The exponent of a number (2^5) is a quantity; that of a letter (x^2) is the form of an expression.
        return raised["base"].isdigit() and (raised["brace"] is not None or len(match[0]) == 1)
    # A control word swallows the letter put behind it; a brace before a digit may be the first half of \frac{a}2.
    if re.search(r"\\[A-Za-z]+\Z|[A-Za-z}]\Z|\\(?:sqrt|[dt]?frac|binom) \Z", before):
        return False
    return not (match["grouped"] and (_GROUPED_LIST.search(before) or re.match(r"[,)\]}]", after)))


def _kind(match: re.Match[str], after: str) -> Literal["int", "comma", "decimal", "percent", "fraction"]:
    if match[0].startswith("\\"):
        return "fraction"
    if after.startswith("\\%"):
        return "percent"
    return "comma" if match["grouped"] else "decimal" if "." in match[0] else "int"


def _answer(match: re.Match[str]) -> str:
    if match[0].startswith("\\"):
        return f"\\frac{{{match['above'] or match['above1']}}}{{{match['below'] or match['below1']}}}"
    digits = re.sub(r"[^\d.]", "", match[0])
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" + digits if digits.startswith(".") else digits
