"""Detect the language of a question, and describe how that language writes its numbers. Uses no library.

The script decides where it can; among languages in Latin letters, common short words do. An unknown language counts as
English, so that nothing changes for languages that are not listed here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from mathstrap.patterns import regex

Language = Literal["en", "de", "fr", "es", "it", "pt", "ru", "zh", "ja", "ko", "hi", "bn", "ar", "th", "te", "sw"]

_SCRIPTS: tuple[tuple[Language, re.Pattern[str]], ...] = (
    ("ja", regex(r"[\u3040-\u30ff]")),
    ("ko", regex(r"[\uac00-\ud7a3]")),
    ("zh", regex(r"[\u4e00-\u9fff]")),
    ("ru", regex(r"[\u0400-\u04ff]")),
    ("hi", regex(r"[\u0900-\u097f]")),
    ("bn", regex(r"[\u0980-\u09ff]")),
    ("ar", regex(r"[\u0600-\u06ff]")),
    ("th", regex(r"[\u0e00-\u0e7f]")),
    ("te", regex(r"[\u0c00-\u0c7f]")),
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Frequent short words of each language that are rare or missing in the others.
_WORDS: dict[Language, frozenset[str]] = {
    "de": _words(
        "der die das und ist ein eine einen wie viele viel hat für mit auf nicht sie er es von zu im den dem wird "
        "kostet kosten insgesamt jeder jede noch wenn als sind haben werden"
    ),
    "fr": _words(
        "le la les et est un une combien de des du pour dans il elle qui que sur par avec au aux sont ont chaque "
        "plus ses son sa quel quelle"
    ),
    "es": _words(
        "el la los las y es un una cuántos cuántas cuánto cuánta cuanto de del por para en con que su sus cada "
        "tiene más se al hay cuesta si"
    ),
    "it": _words("il lo gli è un una quanti quante quanto di del della per con che sono ha ogni più nel alla"),
    "pt": _words("o os as é um uma quantos quantas quanto de do da dos das para com que são tem cada mais não em"),
    "sw": _words("na ya wa kwa ni ngapi kila za la katika yake ana kama cha"),
    "en": _words(
        "the and is are a an how many much of for in on with he she they what if each does has have his her to at "
        "it was find that be by"
    ),
}
_LATIN_MARK: tuple[tuple[Language, re.Pattern[str]], ...] = (("es", regex("[¿¡ñ]")), ("de", regex("ß")))
_DECIMAL_COMMA = frozenset({"de", "fr", "es", "it", "pt", "ru"})


# English words that the other languages do not have. Nearly every English question has three: this test is the fast
# path.
_PLAIN_ENGLISH = (" the ", " and ", " of ", " is ", " to ", "How many ", "What ", " are ", " he ", " she ", " does ")


@lru_cache(maxsize=4096)
def language_of(text: str) -> Language:
    """Return the language of a question, English if it is unclear; formulas and digits do not count."""
    if text.isascii():
        text = text[:2000]
        if sum(word in text for word in _PLAIN_ENGLISH) > 2:
            return "en"
    prose = re.sub(r"\$[^$]*\$|\\\(.*?\\\)|\\[A-Za-z]+", " ", text)
    if not prose.isascii():
        letters = sum(letter.isalpha() for letter in prose) or 1
        for language, script in _SCRIPTS:
            count = len(script.findall(prose))
            # Japanese is recognised by its kana, of which a text with many kanji may have few.
            if count >= (0.05 if language == "ja" else 0.25) * letters:
                return language
    words = re.findall(r"[^\W\d_]{2,}", prose.lower())  # `y` and `a` are variables as well
    counts = {language: sum(word in known for word in words) for language, known in _WORDS.items()}
    if not prose.isascii():
        for language, mark in _LATIN_MARK:
            if mark.search(prose) and 2 * counts.get(language, 0) >= counts["en"]:  # an English piñata is English
                return language
    best = max(counts, key=lambda language: (counts[language], language == "en"))
    # Foreign names and loanwords must not make an English question foreign.
    return best if counts[best] > max(1.5 * counts["en"], 2) else "en"


def uses_decimal_comma(language: Language) -> bool:
    """Say whether a language writes one and a half as 1,5."""
    return language in _DECIMAL_COMMA


@dataclass(frozen=True, kw_only=True)
class Wording:
    """The backward questions in a language, and its number words with their values.

    `known` is FOBAR's sentence, with `[[answer]]` and `[[variable]]`; `asks` is the question of self-verification.
    """

    known: str
    asks: str
    numbers: dict[str, int]


ENGLISH = Wording(
    known="If we know the answer to the above question is [[answer]], "
    "what is the value of unknown variable [[variable]]?",
    asks="What is the value of unknown variable [[variable]]?",
    numbers={},
)


@lru_cache(maxsize=32)
def wording_of(language: Language) -> Wording:
    """Return the wording of a language from its file in `wording/`, else the English one."""
    path = Path(__file__).parent / "wording" / f"{language}.txt"
    if not path.exists():
        return ENGLISH
    parts = dict(line.split(": ", 1) for line in path.read_text(encoding="utf-8").splitlines() if ": " in line)
    words = parts.get("numbers", "").split()
    numbers = {word: int(value) for word, value in zip(words[::2], words[1::2], strict=True)}
    return Wording(known=parts["known"], asks=parts["asks"], numbers=numbers)


def fill_wording(sentence: str, *, answer: str = "", variable: str) -> str:
    """Return a sentence of a Wording with its blanks filled in."""
    return sentence.replace("[[variable]]", variable).replace("[[answer]]", answer)
