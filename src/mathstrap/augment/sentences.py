"""Split a question into sentences and find the asking one. Knows decimals, abbreviations and formulas."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mathstrap.augment.latex import find_zones
from mathstrap.patterns import regex
from mathstrap.types import Style


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence of a text, from `start` to `end`, without the white space around it."""

    start: int
    end: int
    text: str


# A full stop after these never ends a sentence; after a unit or an hour it does when a capital follows.
_TITLE = regex(r"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|St|Sr|Jr|Mt|No|Nos|vs|etc|e\.g|i\.e|approx|Fig|Eq|[A-Z])\.\Z")
_END = regex(r"[.?!]+[\"'”’)\]]*(?=\s|\Z)|(?<=[a-z)\d][.?!])(?=[A-Z][a-z])|[。！？؟।]+[\"'”’)\]」』]*|\n\s*\n")
_STARTS_SENTENCE = regex(r"\s*(?:[A-Z0-9À-ÖØ-ÞА-ЯЁ¿¡«\"'“‘($¢£€\[\\]|[^\W\d_a-zß-öø-ÿа-яё]|\Z)")
_IMPERATIVE = regex(
    r"(?:^|[,;:]\s+|\b(?:then|and|please)\s+)"
    r"(?:find|calculate|compute|determine|evaluate|solve|simplify|factor|expand|count|estimate|"
    r"prove|show|list|name|write|give|state|tell|work out|figure out|convert|identify)\b",
    re.IGNORECASE,
)
_FORMAT_NOTE = regex(
    r"^(?:please |and |\()?(?:express|round|write|give|enter|leave|put|state|assume|note|simplify|report|submit|type|"
    r"use|answer|order|separate|list|include|do not|hint|recall)\b.*"
    r"(?:answer|form|fraction|decimal|nearest|integer|terms|percent|radical|degrees|radians|simplest|place|hundredth|"
    r"tenth|cent|dollar|units|mixed|number|notation|commas?)",
    re.IGNORECASE | re.DOTALL,
)
_ASKS = regex(
    r"\b(?:how|what|what's|which|who|whose|whom|where|when|why|is|are|was|were|do|does|did|can|could|will|would|should)\b",
    re.IGNORECASE,
)


def split_sentences(text: str, style: Style) -> list[Sentence]:
    """Return the sentences of a text; joined with the white space between them, they are the text again."""
    plain = _blank_formulas(text) if style == "math" else text
    sentences: list[Sentence] = []
    start = 0
    for match in _END.finditer(plain):
        if _ends_sentence(plain, start, match):
            _add(sentences, text, start, match.end())
            start = match.end()
    _add(sentences, text, start, len(text))
    return sentences


def _blank_formulas(text: str) -> str:
    """Return the text with each formula as a word of its length; a full stop at the end of a formula is kept."""
    pieces = []
    at = 0
    for zone in find_zones(text) or []:
        inside = text[zone.start : zone.end]
        closing = re.search(r"([.?!])\s*(?:\$+|\\\]|\\\)|\\end\{\w+\*?\})\Z", inside)
        word = "m" * len(inside)
        pieces += [text[at : zone.start], word[:-1] + closing[1] if closing else word]
        at = zone.end
    return "".join(pieces) + text[at:]


def _ends_sentence(plain: str, start: int, match: re.Match[str]) -> bool:
    if not match[0].strip() or any(mark in match[0] for mark in "?!。！？؟।"):
        return True
    return not _TITLE.search(plain[max(start, match.end() - 12) : match.end()]) and bool(
        _STARTS_SENTENCE.match(plain, match.end())
    )


def _add(sentences: list[Sentence], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    if not piece.strip():
        return
    begin = start + len(piece) - len(piece.lstrip())
    sentences.append(Sentence(start=begin, end=begin + len(piece.strip()), text=piece.strip()))


def find_question(text: str, style: Style) -> Sentence | None:
    """Return the asking sentence: the last with a question mark, else the last with a command, else the last one.

    Notes on the form of the answer ("Express your answer as a common fraction.") do not count. None for empty text.
    """
    sentences = split_sentences(text, style)
    relevant = [sentence for sentence in sentences if not is_format_note(sentence.text)] or sentences
    for sentence in reversed(relevant):
        if re.search(r"[?？؟][\"'”’)\]」』]*\Z|か。\Z", sentence.text):
            return sentence
    for sentence in reversed(relevant):
        if is_command(sentence.text):
            return sentence
    return relevant[-1] if relevant else None


def is_format_note(sentence: str) -> bool:
    """Say whether a sentence only describes the form of the answer."""
    return _FORMAT_NOTE.search(sentence) is not None and not sentence.rstrip().endswith("?")


def is_command(sentence: str) -> bool:
    """Say whether a sentence tells the reader to compute something."""
    return _IMPERATIVE.search(sentence) is not None


def asks_plainly(text: str, style: Style) -> bool:
    """Say whether a text has a question mark or a command; "So each part is 5 meters long." has neither."""
    if any(mark in text for mark in "?？؟") or "か。" in text:
        return True
    return any(is_command(sentence.text) for sentence in split_sentences(text, style))


def asks_something(text: str) -> bool:
    """Say whether a text asks something, or tells the reader to compute something."""
    return any(mark in text for mark in "?？؟") or is_command(text) or _ASKS.search(text) is not None
