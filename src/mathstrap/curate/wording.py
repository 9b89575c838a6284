"""Reduce a question to its words and its numbers, so that two of them can be compared. Knows nothing of datasets."""

from __future__ import annotations

import re
import unicodedata

from mathstrap.numerals import TENS, UNITS
from mathstrap.patterns import regex
from mathstrap.steps.expression import canonical_number

# A number (thousands separators inside), a word, an operator, or a bracket that opens a formula.
TOKEN = regex(r"\d+(?:,\d{3})+(?:\.\d+)?|\d*\.?\d+|[^\W\d_]+|[+*/^=<>%|!×÷≤≥·-]|[(\[{](?=[-+\d\\]|[a-z]\b)")
NUMBER = regex(r"\d+(?:,\d{3})+(?:\.\d+)?|\d*\.?\d+")
# LaTeX commands that change only the layout of a formula.
SPACING = regex(r"\\(?:left|right|displaystyle|text|mathrm|quad|qquad|[,!;: ])|[\s~]")
# The same without the spaces: a look at each space of a whole question takes longer than the rest of `formulas`.
LAYOUT = regex(r"\\(?:left|right|displaystyle|text|mathrm|quad|qquad|[,!;: ])|~")
FORMULA = regex(r"\$([^$]{1,400})\$|\\\[(.{1,400}?)\\\]|\\\((.{1,400}?)\\\)", re.DOTALL)
PROSE = regex(r"(?<![\\a-z])[a-z]{2,}")
# The dash comes first in the pattern, because the search then looks at nothing else.
HYPHEN = regex(r"-(?<=[a-z]{2}-)(?=[a-z]{2})")
# Number words with their numbers; a word used in another sense ("second") does no harm in a comparison.
NUMBER_WORDS = {word: str(value) for word, value in (UNITS | TENS).items()} | {
    "hundred": "100", "thousand": "1000", "million": "1000000", "dozen": "12", "half": "1/2", "twice": "2x",
    "double": "2x", "thrice": "3x", "triple": "3x", "third": "1/3", "thirds": "1/3", "quarter": "1/4",
    "quarters": "1/4", "fourth": "1/4", "fifth": "1/5", "sixth": "1/6", "tenth": "1/10",
}  # fmt: skip

# Words whose exchange turns a sentence into another problem.
TURNING_TEXT = (
    "larger smaller largest smallest more less fewer greater greatest least most maximum minimum max min sum "
    "difference product quotient increase decrease increased decreased gained lost before after even odd "
    "positive negative first second last perimeter area volume circumference radius diameter mean median mode range "
    "ascending descending without not neither both either inside outside sine cosine tangent sin cos tan sec csc cot"
)
TURNING = frozenset(TURNING_TEXT.split())
CAPITALS = regex(r"\b[A-Z]{3,}\b")


def fold(text: str) -> str:
    """Return the text in lower case with one form for each character and plain dashes and quotes."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(PLAIN)
    text = text.lower()
    return HYPHEN.sub(" ", text) if "-" in text else text


PLAIN = {ord(mark): plain for marks, plain in (("–—−‐‑", "-"), ("‘’", "'"), ("“”", '"')) for mark in marks}


def read(text: str) -> tuple[list[str], list[str]]:
    """Return the words of a question in order, and its marks: the words whose change makes it another question.

    Words are words, numbers and operators; punctuation and layout are gone. Marks are numbers (number words count),
    words that turn a question around (larger, smaller), and words in capitals, which are data ("the word CEASE").
    """
    entries = [_CHUNKS[chunk] for chunk in text.split()]
    return [word for entry in entries for word in entry[0]], [mark for entry in entries for mark in entry[1]]


def words(text: str) -> list[str]:
    """Return the words, numbers and operators of a question in order; punctuation and layout are gone."""
    return read(text)[0]


def read_chunk(chunk: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words and the marks of a chunk, the text between two spaces."""
    tokens = tokens_of(chunk)
    chunk_words = tuple(canonical_number(token) if token[-1].isdigit() else token for token in tokens)
    marks = [mark for word in chunk_words for mark in marks_of(word)]
    return chunk_words, (*marks, *CAPITALS.findall(chunk))


def tokens_of(chunk: str) -> list[str]:
    """Return the words of a chunk in lower case, its numbers as written."""
    # A shortcut: at the ends of a chunk these signs are never part of a word, and most chunks are one word.
    bare = chunk.lstrip("$\"'").rstrip(".,?;:\"'")
    if bare.isalnum() and chunk.isascii() and (bare.isalpha() or bare.isdigit()):
        return [bare.lower()]
    return TOKEN.findall(clean_latex(fold(chunk)))


def marks_of(word: str) -> tuple[str, ...]:
    """Return the marks of a word: its number, or itself where it is in TURNING."""
    if word[-1].isdigit():
        return (word,)
    marks = (NUMBER_WORDS[word],) if word in NUMBER_WORDS else ()
    return (*marks, word) if word in TURNING else marks


class _ReadChunks(dict[str, tuple[tuple[str, ...], tuple[str, ...]]]):
    """A cache of the words and marks of chunks.

    Questions are made of the same few thousand chunks. Long chunks, and new ones in a full cache, are read each time.
    """

    def __missing__(self, chunk: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        entry = read_chunk(chunk)
        if len(chunk) <= MAX_CHUNK and len(self) < MAX_CHUNKS:
            self[chunk] = entry
        return entry


# Caches stop here, and long chunks stay out: they rarely recur, and their keys would fill the memory.
MAX_CHUNKS = 200_000
MAX_CHUNK = 60
_CHUNKS = _ReadChunks()


def clean_latex(text: str, spacing: re.Pattern[str] = SPACING) -> str:
    """Return folded text with LaTeX's spacing gone and its variants of a command as one."""
    if "\\" not in text:
        return text
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\cdot", "*").replace("\\times", "*")
    return spacing.sub(" ", text)


def formulas(text: str) -> list[str]:
    """Return the formulas between `$` or other LaTeX delimiters, without layout, sorted; `$5 and $6` is money."""
    if "\\" not in text and text.count("$") < 2:
        return []
    bodies = ("".join(match) for match in FORMULA.findall(clean_latex(fold(text), LAYOUT)))
    return sorted("".join(formula.split()) for formula in bodies if not PROSE.search(formula))


def jaccard(first: set[int], second: set[int]) -> float:
    """Return the share of shingles that two sets have in common; 1 for two empty sets."""
    shared = len(first & second)
    union = len(first) + len(second) - shared
    return shared / union if union else 1.0
