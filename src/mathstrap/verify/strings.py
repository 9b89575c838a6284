"""The string rules of published graders: the Hendrycks normalisation of MATH answers, and Minerva's of final answers.

They are here for comparability: they call `1,000` and `1000` different, and `5 cm` the same as `5`.
"""

from __future__ import annotations

import re

_UNITS_AT_END = "\\text{ "


def hendrycks_form(text: str) -> str:
    """Return the string the MATH release compares: LaTeX variants folded, spaces, degrees, percent and units removed."""
    text = text.replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    text = text.replace("tfrac", "frac").replace("dfrac", "frac").replace("\\left", "").replace("\\right", "")
    text = text.replace("^{\\circ}", "").replace("^\\circ", "").replace("\\$", "")
    if text.count(_UNITS_AT_END) == 1:
        text = text.partition(_UNITS_AT_END)[0]
    text = text.replace("\\%", "").replace("%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    if text[0] == ".":
        text = "0" + text
    name, equals, value = text.partition("=")
    if equals and "=" not in value and len(name) <= 2:
        text = value
    text = _braced_roots(text).replace(" ", "")
    text = _braced_fractions(text)
    if text == "0.5":
        text = "\\frac{1}{2}"
    return _slash_to_fraction(text)


def _braced_roots(text: str) -> str:
    r"""Put braces around the one character after a bare `\sqrt`."""
    head, *parts = text.split("\\sqrt")
    for part in parts:
        head += "\\sqrt" + (part if not part or part[0] == "{" else f"{{{part[0]}}}{part[1:]}")
    return head


def _braced_fractions(text: str) -> str:
    r"""Put braces around the bare characters of `\frac12` and `\frac1{2}`; a fraction cut short leaves all as it was."""
    head, *parts = text.split("\\frac")
    for part in parts:
        if part.startswith("{"):
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
    whole = re.compile(r"-?[0-9]{1,300}")
    if slash and whole.fullmatch(top) and whole.fullmatch(bottom) and f"{int(top)}/{int(bottom)}" == text:
        return f"\\frac{{{top}}}{{{bottom}}}"
    return text


_MINERVA_WORDS = (
    "square", "ways", "integers", "dollars", "mph", "inches", "ft", "hours", "km", "units", "\\ldots", "sue", "points",
    "feet", "minutes", "digits", "cents", "degrees", "cm", "gm", "pounds", "meters", "meals", "edges", "students",
    "childrentickets", "multiples", "\\text{s}", "\\text{.}", "\\text{\ns}", "\\text{}^2", "\\text{}^3", "\\text{\n}",
    "\\text{}", "\\mathrm{th}", "^\\circ", "^{\\circ}", "\\;", ",\\!", "{,}", '"', "\\dots",
)  # fmt: skip
_MINERVA_SWAPS = (
    ("an ", ""), ("a ", ""), (".$", "$"), ("\\$", ""), ("\\ ", ""), (" ", ""), ("mbox", "text"), (",\\text{and}", ","),
    ("\\text{and}", ","), ("\\text{m}", "\\text{}"),
)  # fmt: skip
_WRAPPED = re.compile(r"\\(?:text|textbf|overline|boxed)\{([^{}]{0,500})\}")
_DOLLARS = re.compile(r"^[^$]{0,500}\$([^$]{0,500})\$")


def minerva_form(text: str) -> str:
    """Return the string the Minerva protocol compares: the last side of an equation, without units and wrappers."""
    text = text.rpartition("=")[2]
    for old, new in _MINERVA_SWAPS:
        text = text.replace(old, new)
    for word in _MINERVA_WORDS:
        text = text.replace(word, "")
    inner = _DOLLARS.match(text)
    if inner and text.rstrip().endswith("$"):
        text = inner[1]
    text = _WRAPPED.sub(r"\1", text)
    text = re.sub(r"(frac)([^{])(.)", r"\1{\2}{\3}", text)
    text = re.sub(r"(sqrt)([^{\[])", r"\1{\2}", text).replace("$", "")
    return text.replace(",", "") if text.replace(",", "").isdigit() else text
