"""The string rules of published graders: the normalisation released with MATH, and one in the style of Minerva's.

They are here for comparability: the first calls `1,000` and `1000` different and has no arithmetic at all.
"""

from __future__ import annotations

from mathstrap.patterns import regex
from mathstrap.verify.read.words import UNITS

_UNITS_FOLLOW = "\\text{ "
_WHOLE = regex(r"-?[0-9]{1,300}")


class UnreadableError(ValueError):
    """The released normalisation fails on this string, and the released scorer then compares the raw strings."""


def same_hendrycks(gold: str, got: str) -> bool:
    """Say whether two strings are the same answer by the rule released with MATH."""
    try:
        return hendrycks_form(gold, is_scorer=True) == hendrycks_form(got, is_scorer=True)
    except UnreadableError:
        return gold == got


def hendrycks_form(text: str, *, is_scorer: bool = False) -> str:
    """Return the string the MATH release compares: LaTeX variants folded, spaces, degrees and units removed.

    `is_scorer` raises UnreadableError where the released code fails, as MetaMath's scorer does; its bootstrapping code
    has the same rules and goes on.
    """
    text = text.replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    text = text.replace("tfrac", "frac").replace("dfrac", "frac").replace("\\left", "").replace("\\right", "")
    text = text.replace("^{\\circ}", "").replace("^\\circ", "").replace("\\$", "")
    if is_scorer and text.count(_UNITS_FOLLOW) > 1:
        raise UnreadableError("two units")
    text = text.partition(_UNITS_FOLLOW)[0].replace("\\%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    if text[0] == ".":
        text = "0" + text
    name, equals, value = text.partition("=")
    if equals and "=" not in value and len(name) <= 2:
        text = value
    text = _braced_fractions(_braced_roots(text, is_scorer).replace(" ", ""), is_scorer)
    return _slash_to_fraction("\\frac{1}{2}" if text == "0.5" else text)


def _braced_roots(text: str, is_scorer: bool) -> str:
    r"""Put braces around the one character after a bare `\sqrt`."""
    head, *parts = text.split("\\sqrt")
    for part in parts:
        if is_scorer and not part:
            raise UnreadableError("a root of nothing")
        head += "\\sqrt" + (part if part[:1] in ("{", "") else f"{{{part[0]}}}{part[1:]}")
    return head


def _braced_fractions(text: str, is_scorer: bool) -> str:
    r"""Put braces around the bare characters of `\frac12` and `\frac1{2}`; one cut short leaves the text as it was."""
    head, *parts = text.split("\\frac")
    for part in parts:
        if is_scorer and not part:
            raise UnreadableError("a fraction of nothing")
        if part[:1] == "{":
            head += "\\frac" + part
        elif len(part) < 2:
            return text
        elif part[1] == "{":
            head += f"\\frac{{{part[0]}}}{part[1:]}"
        else:
            head += f"\\frac{{{part[0]}}}{{{part[1]}}}{part[2:]}"
    return head


def _slash_to_fraction(text: str) -> str:
    top, slash, bottom = text.partition("/")
    is_plain = slash and _WHOLE.fullmatch(top) and _WHOLE.fullmatch(bottom)
    if is_plain and f"{int(top)}/{int(bottom)}" == text:
        return f"\\frac{{{top}}}{{{bottom}}}"
    return text


_WRAPPED = regex(r"\\(?:text|mbox|textbf|overline|boxed)\s?\{([^{}]{0,500})\}")
_WORD = regex(r"[A-Za-z]+")
_BARE_ARGUMENTS = regex(r"\\(frac|sqrt)([0-9a-z])")


def minerva_form(text: str) -> str:
    """Return the string compared in Minerva's style: the last side of an equation without wrappers, articles, units."""
    text = text.rpartition("=")[2].replace("\\left", "").replace("\\right", "").replace("dfrac", "frac")
    for mark in ("\\$", "$", "\\,", "\\!", "\\;", "\\ ", "^{\\circ}", "^\\circ", "\\%", "%", "{,}"):
        text = text.replace(mark, "")
    text = _WRAPPED.sub(r" \1 ", text)
    text = _WORD.sub(lambda word: "" if word[0].lower() in UNITS or word[0] in ("a", "an", "the") else word[0], text)
    text = _BARE_ARGUMENTS.sub(r"\\\1{\2}", text).replace(" ", "").rstrip(".")
    return text.replace(",", "") if text.replace(",", "").isdigit() else text
