"""Clean an answer before it is compared: wrappers, trailing punctuation and Unicode. Knows no mathematics."""

from __future__ import annotations

import re

from mathstrap.verify.read.charmap import to_ascii
from mathstrap.verify.read.words import SYNONYMS

MAX_CHARS = 10_000
_PAIRS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"), ('"', '"'), ("'", "'"))
_TEXT = re.compile(r"\\(?:text|mbox|textbf|textit|textrm|mathrm|mathbf|operatorname|textnormal)\s?\{([^{}]*)\}")
_WORDS = re.compile(r"[A-Za-z0-9 ,.'()&:;\-]+")
_LETTERS = re.compile(r"[A-Za-z]{2}")
_CURRENCY = re.compile(r"(?:USD|US\$|EUR|GBP|CAD|AUD|INR|Rs\.?)\s*(?=[\d$\\])")
_CLOCK = re.compile(r"(?<=[0-9])\s?([AaPp])\.?\s?[Mm]\b\.?")
_QUALIFIER = re.compile(  # "..., k \in \mathbb{Z}" after a formula
    r"(?<=\S)\s{0,3}(?:,|\(|,\s?\(|\\quad|,\s?\\quad|\\text\{\s?(?:where|for)\s?\})\s{0,3}(?:where |for )?"
    r"[a-z](?:,\s?[a-z])?\s?\\in\s?(?:\\mathbb\s?\{?|\\mathbf\s?\{?)?[ZN]\}?(?:[_^]\{?[+*]\}?)?\s?\)?\s{0,3}$"
)
_UNIT_IN_BRACKETS = re.compile(
    r"(?<=[0-9%])\s+\((?:[A-Za-z][A-Za-z ./-]{2,60}|ft|cm|mm|km|kg|mg|ml|in|oz|g|m|l)\)$"
)  # 9 (apples)
_TIMES_TEN = re.compile(r"(?<=[0-9])\s?[xX]\s?(?=10\s?\^)")
_ADVERB = re.compile(r"^(?:\\text\{\s*)?(?:exactly|only|just|a total of|equal to)(?:\s*\}|\s+)(?=\S)", re.IGNORECASE)
_CHOICE = re.compile(r"(?:(?:[Oo]ption|[Cc]hoice) )?\(?([A-J])\)?")
_CHOICE_WITH_TEXT = re.compile(r"(?:\\text(?:bf)?\s?\{)?\(?([A-J])\)[ }.:]")
_LONG_WORD = re.compile(r"[A-Za-z]{3,}|\b(?:[Nn]o|[Aa]n?|[Tt]o)\b")
_ARTICLES = frozenset({"the", "a", "an"})
_SPACES = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")  # never one between digits: 1 1/2 is not 11/2
_BRACED_SIGN = re.compile(r"\{([0-9A-Za-z])\}(?![0-9A-Za-z{])")
_NUMBER = re.compile(r"([+-]?)([0-9]{1,400})(?:\.([0-9]{1,400}))?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3}){1,40}(?:\.[0-9]{1,40})?")


def plain_number(text: str) -> str | None:
    """Return the canonical digits of a plain decimal numeral (`-007.50` is `-7.5`), or None if it is anything else."""
    if len(text) > 900:
        return None
    if "," in text:
        if not _THOUSANDS.fullmatch(text):
            return None
        text = text.replace(",", "")
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, whole, decimals = match.groups()
    whole = whole.lstrip("0") or "0"
    decimals = decimals.rstrip("0") if decimals else ""
    digits = f"{whole}.{decimals}" if decimals else whole
    return f"-{digits}" if sign == "-" and digits != "0" else digits


def clean(text: str) -> str:
    """Return the answer without the marks around it: dollars, boxes, quotes, a full stop. Idempotent, linear time."""
    text = text.strip()
    if len(text) > MAX_CHARS:
        return text
    if not text.isascii():
        text = to_ascii(text).strip()
    for _ in range(8):
        shorter = _unwrap(text)
        if shorter == text:
            break
        text = shorter
    text = _QUALIFIER.sub("", text) if "\\in" in text else text
    text = _UNIT_IN_BRACKETS.sub("", text)
    text = _TIMES_TEN.sub(r"\\times ", text) if "10" in text else text
    text = _ADVERB.sub("", text)
    choice = _CHOICE.fullmatch(text)
    if choice:
        return choice[1]
    text = _CURRENCY.sub("", text, count=1)
    return _CLOCK.sub(lambda match: f" {match[1].lower()}m", text) if ":" in text else text


def _unwrap(text: str) -> str:
    text = text.strip().rstrip(".,;:").rstrip()
    while text.endswith("\\") and not text.endswith("\\\\"):
        text = text[:-1].rstrip()
    for opening, closing in _PAIRS:
        size = len(opening)
        if text.startswith(opening) and text.endswith(closing) and len(text) >= 2 * size:
            inner = text[size:-size]
            if closing not in inner and opening not in inner:
                return inner
    if text.startswith(("\\boxed", "\\fbox")):
        inner = text[text.index("d" if text[1] == "b" else "x") + 1 :].strip() if text[1] == "f" else text[6:].strip()
        if not inner.startswith("{"):
            return inner
        if _closes_at_end(inner):
            return inner[1:-1]
    if text.startswith("{") and "," not in text and _closes_at_end(text):
        return text[1:-1]
    match = _TEXT.fullmatch(text)
    return match[1] if match else text


def _closes_at_end(text: str) -> bool:
    """Say whether the brace that opens the text closes at its end."""
    depth = 0
    for index, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return index == len(text) - 1
    return False


def compact(text: str) -> str:
    """Return a cleaned answer without spaces and sizing commands: equal compacts are the same answer."""
    for command in ("\\left", "\\right", "\\,", "\\!", "\\;", "\\ "):
        if command in text:
            text = re.sub(re.escape(command) + ("(?![a-z])" if command[-1].isalpha() else ""), "", text)
    text = text.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    return _SPACES.sub("", _BRACED_SIGN.sub(r"\1", text))


def words_key(text: str) -> str | None:
    """Return a key for an answer in words, equal for answers that say the same; None if it is not in words."""
    text = _TEXT.sub(r" \1 ", text) if "\\" in text else text
    text = text.replace("{", "").replace("}", "").replace("$", "").strip()
    if not _WORDS.fullmatch(text) or not _LETTERS.search(text):
        return None
    # Two letters are more often a product or a segment than a word: AB is not ab.
    text = _LONG_WORD.sub(lambda word: word[0].lower(), text)
    words = text.replace("(", " ").replace(")", " ").replace(",", " , ").split()
    kept = [word.strip(".,;:'") for word in words if word not in _ARTICLES]
    key = " ".join(word for word in kept if word)
    return SYNONYMS.get(key, key) or None


def choice_letter(text: str) -> str | None:
    """Return the letter of a multiple-choice answer: `A`, `(A)`, `B) 5 apples`, or None if it is not one."""
    match = _CHOICE.fullmatch(text) or _CHOICE_WITH_TEXT.match(text)
    return match[1] if match else None


def words_set(key: str) -> tuple[str, ...]:
    """Return the sorted pieces of a key that lists several things: `red and blue` and `blue, red` agree."""
    return tuple(sorted(piece.strip() for piece in re.split(r"\band\b|,", key) if piece.strip()))


def is_text(text: str) -> bool:
    """Say whether a raw answer is marked as text in LaTeX."""
    return text.strip().strip("$").lstrip().startswith(("\\text", "\\mbox"))
