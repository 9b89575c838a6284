"""Find reasons not to hide a number of a LaTeX question, whose answer often does not determine the number.

A count, a remainder, an extreme or a rounded value is the answer for many numbers, and a coefficient may drop out.
Worked solutions of MATH prove nothing about a number, so there are only these rules. Even those that exclude many good
numbers are kept: without them, four of ten hidden numbers could not be derived from the answer.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from mathstrap.augment.doubts import ROUNDS, WINDOW, Doubt, spaced, words
from mathstrap.augment.latex import Zone, find_zones
from mathstrap.augment.masking import Mask
from mathstrap.augment.sentences import is_format_note, split_sentences
from mathstrap.patterns import regex

_UNIT = words(
    *spaced("seconds? minutes? hours? days? weeks? months? years? dollars? cents? inch(?:es)? foot feet yards? miles?"),
    *spaced("meters? metres? centimeters? kilometers? cm mm km kg grams? kilograms? pounds? ounces? liters? gallons?"),
    *spaced("cups? degrees? percent"),
    before=r"[ -]++(?:\w++[ -])?",
)
_DOTS = regex(r"\\[lcd]?dots[a-z]?|\.\.\.|…")
_TRIG = regex(r"\\(?:sin|cos|tan|cot|sec|csc)\b(?:[^$+=,]{0,24}|\s*\([^()]{0,30})\Z")
_INEQUALITY = r"(?:<|>|\\(?:[lg]eq?|neq?|[lg]eqslant)(?![a-z]))"
_AFTER_INEQUALITY = regex(_INEQUALITY + r"\s*-?\Z")
_BEFORE_INEQUALITY = regex(r"(?:\s*\^?\{?\\circ\}?|\s*\\pi)?\s*" + _INEQUALITY)
_BOUND = words(
    "at (?:least|most)", "no (?:more|fewer|less) than", "(?:less|greater|fewer|larger|smaller|more) than", "exceeds?",
    "up to", "below", "above", "between", "first", "last", after=r"\s+\$?\Z",
)  # fmt: skip
_BASE = words("base", after=r"[- ]\$?\Z")
_SHAPE = regex(
    r"\$?\s?-?(?:gon|digit|sided|dimensional|fold|way|letter|term|degree)\b|\s?\^\s?\{?\\(?:text|mathrm|textrm)\{|"
    r"\$?\s?\\times\s?\d\$? matri"
)
_SIZE = regex(r"\$\s*\w+\s*\\times\s*\w+\s*\$")
# A length is the same on both sides of an axis, so a coordinate, or a value between bars, has a mirror image.
_SIGN_IS_LOST = words(
    "distance", "length", "magnitude", "modulus", "absolute value", "norm", "units long", "area", "volume", "perimeter"
)  # fmt: skip
_COORDINATE = regex(r"\([^()=]*\Z|\|[^|]*\Z|\\begin\{[bp]matrix\}[^&]*\Z")
# x^2 + 7x - 2 and x^2 - 7x - 2 have roots of the same size.
_LINEAR_TERM = regex(r"[a-z]\^\{?[2468]\}?\s*[-+]\s*\Z")
_BETWEEN = regex(r"\b(?:between|from)\s+[^.?!]{1,30}\b(?:and|to)\s+\$?-?\Z", re.IGNORECASE)
# There are as many ways to choose 3 of 10 as to choose 7 of them.
_CHOOSES = regex(
    r"\b(?:ways|committees?)\b.{0,200}\b(?:choose|select|pick|cho(?:os|s)en|committee|team)|\\[dt]?binom|"
    r"\b(?:choose|select|pick|read)\b.{0,200}\bways\b",
    re.IGNORECASE | re.DOTALL,
)
_NUMERATOR = regex(r"\\[dt]?frac\{?\Z|\\gcd.*=\s*\Z")
_NUMBER = regex(r"\d+(?:\.\d+)?")


def doubt_formula(question: str, mask: Mask) -> Doubt | None:
    """Return a doubt about the place of a number: in a pattern, a bound, a base, a drawing, a count in words."""
    zones = _zones(question)
    before, after = question[max(mask.start - 60, 0) : mask.start], question[mask.end : mask.end + 60]
    if mask.answer == "0" or _BASE.search(before) or _SHAPE.match(after):
        return Doubt(code="shape", firm=True)
    if mask.text in _drawn(question):
        return Doubt(code="drawn", firm=True)
    # 2, 3, 5, ... gives its members away; a list of names such as a_1, a_2, \\dots before the number does not.
    if _DOTS.search(question[max(mask.start - 25, 0) : mask.end + 60]):
        return Doubt(code="pattern", firm=True)
    if _BETWEEN.search(before):
        return Doubt(code="bound", firm=True)
    if _CHOOSES.search(question) and float(mask.answer if _NUMBER.fullmatch(mask.answer) else 0) < _largest(question):
        return Doubt(code="many_numbers_fit")
    zone = next((zone for zone in zones if zone.start <= mask.start < zone.end), None)
    if zone is None:
        is_small_word = mask.kind == "word" and mask.answer.isdigit() and int(mask.answer) <= 12
        if is_small_word and not _UNIT.match(after):
            return Doubt(code="counts_a_list")
        return Doubt(code="bound") if _BOUND.search(before) else None
    return _doubt_inside(question, mask, zone)


def _doubt_inside(question: str, mask: Mask, zone: Zone) -> Doubt | None:
    before = question[max(zone.start, mask.start - WINDOW) : mask.start]
    after = question[mask.end : min(zone.end, mask.end + WINDOW)]
    formula = question[max(zone.start, mask.start - WINDOW) : min(zone.end, mask.end + WINDOW)]
    if _DOTS.search(formula):
        return Doubt(code="pattern", firm=True)
    if _AFTER_INEQUALITY.search(before[-20:]) or _BEFORE_INEQUALITY.match(after):
        return Doubt(code="bound", firm=True)
    if zone.start >= mask.start - 2 and _BOUND.search(question[max(mask.start - 60, 0) : mask.start]):
        return Doubt(code="bound")
    if _TRIG.search(before[-40:]):
        return Doubt(code="many_numbers_fit")
    # 3\frac{4}{5} is one number; 5 \times 5 is a size.
    if re.match(r"\s*\\[dt]?frac", after) or re.search(r"\d\s*\Z", before) or _SIZE.fullmatch(formula):
        return Doubt(code="shape", firm=True)
    if mask.text == "1" and _NUMERATOR.search(before):
        return Doubt(code="shape")
    if (_SIGN_IS_LOST.search(question) or "|" in question) and _COORDINATE.search(before):
        return Doubt(code="many_numbers_fit")
    if "slope" in question and re.match(r"\s*(?:\$|[.,]|\\\])", after):
        return Doubt(code="not_used")
    if _LINEAR_TERM.search(before) and re.match(r"\s*[a-z]\b", after):
        return Doubt(code="many_numbers_fit")
    is_last = re.match(r"\s*+[,.]?\s*+(?:\$|\\\])", after) is not None
    if is_last and re.search(r"=\s*-?\Z", before) and _squares(question[mask.end :]):
        return Doubt(code="many_numbers_fit")
    # A digit often occurs twice by chance, a longer number hardly ever.
    is_repeated = _written(question)[mask.text] > (2 if len(mask.text) == 1 else 1)
    return Doubt(code="stated_twice") if is_repeated else None


@lru_cache(maxsize=64)
def _zones(question: str) -> tuple[Zone, ...]:
    return tuple(find_zones(question) or ())


def _squares(text: str) -> bool:
    """Say whether a formula of a text has an even exponent."""
    return re.search(r"\^\{?[2468]\}?(?!\d)", text[:WINDOW]) is not None


@lru_cache(maxsize=64)
def _largest(question: str) -> float:
    return max(map(float, _written(question)), default=0.0)


@lru_cache(maxsize=64)
def _drawn(question: str) -> frozenset[str]:
    """Return the numbers in the labels of the drawings and in the cells of the tables."""
    numbers: set[str] = set()
    for zone in _zones(question):
        if zone.kind == "drawing":
            drawing = question[zone.start : zone.end]
            labels = [drawing] if drawing.startswith("\\begin") else re.findall(r'"([^"]*)"', drawing)
            numbers.update(number for label in labels for number in _NUMBER.findall(label))
    return frozenset(numbers)


@lru_cache(maxsize=64)
def _written(question: str) -> Counter[str]:
    """Return how often each number occurs outside the drawings."""
    text = question
    for zone in reversed(_zones(question)):
        if zone.kind == "drawing":
            text = text[: zone.start] + text[zone.end :]
    return Counter(_NUMBER.findall(text))


_MANY_NUMBERS = words(
    # number theory
    "digits?", "remainders?", "modulo", "congruent to", r"divisib\w*", "divisors?", "divides", "factors?", "multiples?",
    "primes?", "integers?", "(?:whole|natural|counting) numbers?", "terminating", "repeating", r"palindrom\w*",
    "lattice", "parity", "even", "odd", "day of the week", "perfect (?:square|cube)s?", "relatively", "consecutive",
    r"base[- ]?(?:\$|\d|ten\b|two\b).{0}",
    # extremes
    "smallest", "least", "largest", "greatest", "minimum", "maximum", r"m(?:in|ax)imal", r"m(?:in|ax)imize", "fewest",
    "most", "longest", "shortest", "highest", "lowest",
    # what the numbers only shape
    "coefficients?", "degree of", "(?:has|of) degree", "asymptotes?", "domain", "range of", "defined for", "undefined",
    "constants? .{0,80}(?:such|so) that", "(?:can be|is) (?:written|expressed|factored) (?:as|in)",
    "(?:in|of) the form", r"partial fractions?", "inequality", "interval notation", "which of the following",
    "for all real", "sum of all (?:complex )?solutions",
    # counting and chance
    "probability", "probable", "chance", "identical", "indistinguishable", "how many (?:different|distinct)",
    "possible values", "difference between", "none of which", "(?:circular|round) table", "in a circle",
    after=r"(?:\b|(?<=\$))",
)  # fmt: skip
_MANY_SIGNS = regex(r"\\p?mod\b|\\gcd\b|\\l(?:floor|ceil)\b|\\equiv\b")
_COUNTS = words(
    "how many", "number of",
    after=r"\b(?! (?:\w+ ){0,2}(?:dollars|cents|(?:square |cubic )?(?:inches|feet|foot|yards|miles|meters|centimeters|"
    r"kilometers|units|cm|inch)|seconds|minutes|hours|days|weeks|months|years|degrees|grams|pounds|ounces|liters|gallons|"
    r"cups|ways|percent|points did|people|students|games))",
)  # fmt: skip
_NUMBER_ANSWER = regex(r"\d|\\pi|\\infty|sqrt")


@lru_cache(maxsize=64)
def doubt_question(question: str, answer: str) -> Doubt | None:
    """Return a doubt about every number of a LaTeX question: its answer is a count, an extreme, a range or a word."""
    sentences = split_sentences(question, "math")
    asked = " ".join(sentence.text for sentence in sentences if not is_format_note(sentence.text))
    if ROUNDS.search(question) or any(kind.search(asked) for kind in (_MANY_NUMBERS, _MANY_SIGNS, _COUNTS)):
        return Doubt(code="many_numbers_fit")
    bare = re.sub(r"\\text\{[^{}]*\}", "", answer)
    is_pair = re.search(r"[(\[][^,\n]*+,.*[)\]]", bare) is not None
    is_range = is_pair and any(mark in bare for mark in ("[", "]", "infty", "cup"))
    if is_range or not _NUMBER_ANSWER.search(bare):
        return Doubt(code="answer_is_no_number")
    return None
