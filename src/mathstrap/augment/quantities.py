"""Read the numbers of an English sentence: digits, number words, fractions. Knows nothing of masks or variables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from mathstrap.augment.languages import Language, language_of, uses_decimal_comma, wording_of
from mathstrap.numerals import ORDINALS, SCALES, TENS, UNITS
from mathstrap.patterns import regex

MULTIPLES = {
    "twice": 2, "double": 2, "doubled": 2, "doubles": 2, "doubling": 2, "triple": 3, "tripled": 3, "triples": 3,
    "tripling": 3, "thrice": 3, "quadruple": 4, "quadrupled": 4, "quadruples": 4,
}  # fmt: skip
_PART_WORDS = {"quarter": 4} | {word: value for word, value in ORDINALS.items() if value <= 10 or value == 12}
PARTS = {"half": 2, "halves": 2, "hundredths": 100} | {
    word + plural: value for word, value in _PART_WORDS.items() for plural in ("", "s")
}
GLYPHS = {
    "½": Fraction(1, 2), "⅓": Fraction(1, 3), "⅔": Fraction(2, 3), "¼": Fraction(1, 4), "¾": Fraction(3, 4),
    "⅕": Fraction(1, 5), "⅖": Fraction(2, 5), "⅗": Fraction(3, 5), "⅘": Fraction(4, 5), "⅙": Fraction(1, 6),
    "⅚": Fraction(5, 6), "⅐": Fraction(1, 7), "⅛": Fraction(1, 8), "⅜": Fraction(3, 8), "⅝": Fraction(5, 8),
    "⅞": Fraction(7, 8), "⅑": Fraction(1, 9), "⅒": Fraction(1, 10),
}  # fmt: skip

_GLYPH = "[" + "".join(GLYPHS) + "]"
# Scripts whose words touch the digits beside them: Arabic, the scripts of India, Thai, Japanese, Chinese, Korean.
_SPACELESS = (
    "\u0600-\u065f\u066a-\u06ef\u0900-\u0965\u0970-\u09e5\u09f0-\u0d7f\u0e00-\u0e4f"
    "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
)
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_UNIT = "(?:" + "|".join(sorted(UNITS, key=len, reverse=True)) + ")"
_TEN = "(?:" + "|".join(TENS) + ")"
_SMALL = rf"(?:{_TEN}(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|{_UNIT})"
_HUNDREDS = rf"(?:(?:{_SMALL}|a)[- ]hundred(?:(?: and)? {_SMALL})?|{_SMALL})"
_WORDS = rf"(?:(?:{_HUNDREDS}|a)[- ]thousand(?:,?(?: and)? {_HUNDREDS})?|{_HUNDREDS})"
_PART = "(?:" + "|".join(sorted(PARTS, key=len, reverse=True)) + ")"
_HALF = r"(?:an? half|one[- ]half|1/2|an? quarter|one[- ]quarter|three[- ]quarters|1/4|3/4|an? third)"

# The first alternative that matches at a place wins, so long forms come first. The lookahead before each half skips
# most places at once.
NUMBER = regex(
    rf"(?=[\d.{''.join(GLYPHS)}])(?:"
    rf"(?P<mixed>(?<![\w.,/:])\d+(?:[ -]\d+/\d+|{_GLYPH}|(?: and {_HALF})))(?![\w/])"
    rf"|(?P<fraction>(?<![\w.,/:])\d+/\d+)(?![\w/]|[.,]\d)"
    rf"|(?P<glyph>(?<!\w){_GLYPH})(?!\w)"
    rf"|(?P<digits>(?<![^\W{_SPACELESS}])(?<!\d[.,]){_DIGITS})(?!\d))"
    r"|\b(?=[aefhnostz])(?:"
    rf"(?P<mixed_words>{_SMALL} and {_HALF})\b(?!/)"
    rf"|(?P<part>(?:an?|{_UNIT})[- ]{_PART})\b"
    rf"|(?P<words>{_WORDS})\b"
    r"|(?P<dozen>a dozen)\b"
    r"|(?P<half>half|halves|halved|halving)\b)",
    re.IGNORECASE,
)


# The longest number in words has 66 characters; a model's reply may contain a million digits.
_MAX_CHARS = 100


@dataclass(frozen=True, kw_only=True)
class WrittenNumber:
    """A number as a text writes it, from `start` to `end`; `form` is the name of the pattern that matched it."""

    start: int
    end: int
    text: str
    form: str
    value: Fraction


def find_quantities(text: str, start: int = 0, end: int | None = None) -> Iterator[WrittenNumber]:
    """Yield every number of a text (or of a part of it), left to right, including clock times and labels.

    Separators and number words are those of the text's language.
    """
    end = len(text) if end is None else end
    if _is_plain(text):
        yield from _find_english(text, start, end)
        return
    local = sorted(_find_local(text, start, end), key=lambda quantity: quantity.start)
    taken = {place for quantity in local for place in range(quantity.start, quantity.end)}
    english = _find_english(text, start, end)
    others = [quantity for quantity in english if quantity.start not in taken]
    yield from sorted([*local, *others], key=lambda quantity: quantity.start)


# Cached, because the parts of a question are searched one by one: testing the whole each time took quadratic time.
@lru_cache(maxsize=64)
def _is_plain(text: str) -> bool:
    return text.isascii() and not _FOREIGN_HINT.search(text)


# Hints in ASCII text that separators may follow another language's rules.
_FOREIGN_HINT = regex(r"\d\.\d{3}(?!\d)|\d,\d{1,2}(?!\d)|\d \d{3}(?!\d)|\b(?:der|die|und|les?|las?|los|del?|il)\b")
_LOCAL = regex(r"(?<![\w.,])(?:\d{1,3}(?:[.\u00a0\u202f ]\d{3})+(?:,\d+)?|\d+,(?:\d{1,2}|\d{4,}))(?![\d]|[.,]\d)")
_SPACED = regex(r"(?<![\w.,/] )(?<![\w.,/])[1-9]\d{0,2}(?:[\u00a0\u202f ]\d{3})+(?!\d|[.,:/]\d| \d)")
# Only before a measure word: 一共, 一样, 第三 and the like count nothing.
_MEASURES = "个名只条支本块元角天周年月岁倍人位张件棵朵枝颗斤千米杯箱盒袋分次页双套辆把间层排行匹头"
_HAN = regex(
    r"(?<![第每一二三四五六七八九十百千万])(?:[二两三四五六七八九]?[百千][零一二三四五六七八九十百]*"
    rf"|[一二三四五六七八九]?十[一二三四五六七八九]?|[二两三四五六七八九])(?=[{_MEASURES}])"
)
_HAN_DIGITS = {letter: value for value, letter in enumerate("零一二三四五六七八九")} | {"两": 2}


def _find_local(text: str, start: int, end: int) -> Iterator[WrittenNumber]:
    """Yield the numbers in the notation of a language other than English."""
    language = language_of(text)
    if uses_decimal_comma(language):
        for match in _LOCAL.finditer(text, start, end):
            value = Fraction(re.sub(r"[.\s]", "", match[0]).replace(",", "."))
            yield WrittenNumber(start=match.start(), end=match.end(), text=match[0], form="digits", value=value)
    elif re.search("[€£₽\u00a0\u202f]", text):
        for match in _SPACED.finditer(text, start, end):
            value = Fraction(re.sub(r"\s", "", match[0]))
            yield WrittenNumber(start=match.start(), end=match.end(), text=match[0], form="digits", value=value)
    if language == "zh":
        for match in _HAN.finditer(text, start, end):
            yield WrittenNumber(
                start=match.start(), end=match.end(), text=match[0], form="words", value=Fraction(han_value(match[0]))
            )
    words = wording_of(language).numbers
    if words:
        pattern = _words_pattern(language)
        for match in pattern.finditer(text, start, end):
            value = Fraction(words[match[0].lower()])
            yield WrittenNumber(start=match.start(), end=match.end(), text=match[0], form="words", value=value)


@lru_cache(maxsize=32)
def _words_pattern(language: Language) -> re.Pattern[str]:
    words = sorted(wording_of(language).numbers, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, words)) + r")(?![\w\u0900-\u09ff])", re.IGNORECASE)


def han_value(text: str) -> int:
    """Return the value of a number in Chinese characters below ten thousand, for example `三十二` or `两百`."""
    total, digit = 0, 0
    for letter in text:
        scale = {"十": 10, "百": 100, "千": 1000}.get(letter)
        if scale is None:
            digit = _HAN_DIGITS[letter]
        else:
            total += (digit or 1) * scale
            digit = 0
    return total + digit


def _find_english(text: str, start: int, end: int) -> Iterator[WrittenNumber]:
    for match in NUMBER.finditer(text, start, end):
        form = str(match.lastgroup)
        value = value_of(match[0], form)
        if value is not None:
            yield WrittenNumber(start=match.start(), end=match.end(), text=match[0], form=form, value=value)


@lru_cache(maxsize=4_096)  # making a fraction takes ten times as long as finding one
def value_of(text: str, form: str) -> Fraction | None:
    """Return the value of a matched number; None for a fraction with denominator zero and for too many digits."""
    if len(text) > _MAX_CHARS:
        return None
    text = text.casefold()
    if form in ("half", "dozen"):
        return Fraction(1, 2) if form == "half" else Fraction(12)
    if form == "glyph":
        return GLYPHS[text]
    if form == "digits":
        return Fraction(text.replace(",", "") if text[0] != "." else f"0{text}")
    if form == "fraction":
        above, below = text.split("/")
        return Fraction(int(above), int(below)) if int(below) else None
    if form == "part":
        count, part = re.split(r"[- ]", text, maxsplit=1)
        return Fraction(UNITS.get(count, 1), PARTS[part])
    if form in ("mixed", "mixed_words"):
        return _mixed_value(text)
    return Fraction(words_value(text))


def _mixed_value(text: str) -> Fraction | None:
    if text[-1] in GLYPHS:
        return int(text[:-1]) + GLYPHS[text[-1]]
    whole, _, rest = text.partition(" and ") if " and " in text else re.split(r"([ -])", text, maxsplit=1)
    tail = value_of(rest, "fraction" if "/" in rest else "part")
    head = int(whole) if whole.isdigit() else words_value(whole)
    return None if tail is None else head + tail


def words_value(text: str) -> int:
    """Return the value of a number in words, for example `two hundred and fifty-one`."""
    total = current = 0
    for word in re.split(r"[\s,-]+", text.casefold()):
        if word in ("hundred", "thousand"):
            current = max(current, 1) * SCALES[word]
            if word == "thousand":
                total, current = total + current, 0
        elif word not in ("and", "a"):
            current += UNITS.get(word, TENS.get(word, 0))
    return total + current


PERCENT = regex(r"\s?(?:\\?%|percent\b|per cent\b)", re.IGNORECASE)
_SCALE = regex(r"[ -](hundred|thousand|million|billion|dozen)\b", re.IGNORECASE)
_MULTIPLE = regex(r"\b(?:" + "|".join(MULTIPLES) + r")\b", re.IGNORECASE)


# Cached, because many replies in a row are compared with the same question. Callers must not change the result.
@lru_cache(maxsize=64)
def count_numbers(text: str) -> Counter[Fraction]:
    """Return how often each value occurs in a text, however it is written.

    `half`, `1/2`, `0.5` and `50%` are one value, and so are `twice`, `double` and `2`, `a dozen` and `12`. The words
    "one", "a" and "an" are not counted, because they are more often articles than numbers; nor are ordinals.
    """
    counts: Counter[Fraction] = Counter()
    for quantity in find_quantities(text):
        if quantity.text.lower() == "one":
            continue
        value = quantity.value
        if PERCENT.match(text, quantity.end):
            value /= 100
        elif scale := _SCALE.match(text, quantity.end):
            value *= SCALES[scale[1].casefold()]
        counts[value] += 1
    for match in _MULTIPLE.finditer(text):
        counts[Fraction(MULTIPLES[match[0].casefold()])] += 1
    return counts


def describe_numbers(numbers: Counter[Fraction]) -> str:
    """Return the values of a count as text, smallest first, for the detail of a Reject."""
    return ", ".join(str(value) for value in sorted(numbers.elements()))
