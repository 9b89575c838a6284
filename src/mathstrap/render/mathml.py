r"""Convert one LaTeX formula to safe MathML. The converter is a library whose output is not trusted.

`latex2mathml` copies `\text{<img onerror=...>}`, `\href{javascript:...}` and `\style{...}` into its output and
expands macros, so its element tree is rebuilt here from an allow-list, and formulas that are long, deep or define
macros are refused before it sees them.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from mathstrap.patterns import regex
from mathstrap.render.hostile import drop_unseen, escape_silently

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# Replies are untrusted: longer or deeper sources make the converter slow or exceed Python's recursion limit.
MAX_FORMULA_CHARS = 2_000
MAX_BRACES = 30
MAX_DEPTH = 80

_LEAVES = ("mi", "mn", "mo", "mtext", "mspace", "ms")
_TABLES = ("mtable", "mtr", "mtd")
_SCRIPTS = ("msup", "msub", "msubsup", "mover", "munder", "munderover")
_ELEMENTS = frozenset(
    (*_LEAVES, *_TABLES, *_SCRIPTS, "mrow", "mfrac", "msqrt", "mroot", "mstyle", "mpadded", "mphantom", "merror")
)
_ATTRIBUTES = {
    "display": r"inline|block",
    "displaystyle|stretchy|fence|separator|largeop|movablelimits|accent|accentunder|symmetric": r"true|false",
    "mathvariant": r"[a-z-]{1,24}",
    "form": r"prefix|infix|postfix",
    "scriptlevel": r"[+-]?\d",
    "columnalign|rowlines|columnlines": r"(?:left|right|center|solid|dashed|none|\s){1,200}",
    "width|height|depth|lspace|rspace|linethickness|minsize|maxsize|voffset|rowspacing|columnspacing": (
        r"(?:[+-]?\d{0,2}(?:\.\d{1,4})?(?:em|ex|pt|px|mu)?\s?){1,20}"
    ),
}
_RULES = {name: regex(value) for names, value in _ATTRIBUTES.items() for name in names.split("|")}
_MACROS = regex(
    r"\\(?:re)?newcommand|\\providecommand|\\(?:e|g|x)?def(?![a-z])|\\let(?![a-z])|\\newenvironment|\\csname"
)
_HARMLESS = regex(r"\\renewcommand\{?\\arraystretch\}?\{[\d.]{1,5}\}")  # MATH sets row heights by it
_LINE_OF_BRACKETS = regex(r"(\\begin\{[a-z]{4,8}\*?\})\s*(?=\[)")
_ENTITY = regex(r"&#x([0-9A-Fa-f]{1,6});")


@functools.lru_cache(maxsize=4096)
def to_mathml(source: str, *, display: bool) -> str | None:
    """Return `source` as a `<math>` element, or None where it is too long or deep, or is not LaTeX."""
    from latex2mathml import exceptions
    from latex2mathml.converter import Converter

    if (
        not source.strip()
        or len(source) > MAX_FORMULA_CHARS
        or _MACROS.search(_HARMLESS.sub("", source))
        or _brace_depth(source) > MAX_BRACES
    ):
        return None
    failures: tuple[type[Exception], ...] = (
        *(value for value in vars(exceptions).values() if isinstance(value, type) and issubclass(value, Exception)),
        *(ArithmeticError, AttributeError, LookupError, RecursionError, RuntimeError, TypeError, ValueError),
    )  # the library's parser raises all of these
    source = _HARMLESS.sub("", source)
    source = _LINE_OF_BRACKETS.sub(r"\1{}", source)  # the converter takes `align*}\n[ABC]` for an option and fails
    try:
        tree = Converter(display="block" if display else "inline").convert_to_element(source)
        body = "".join(_rebuild(child, 0) for child in tree)
    except failures:
        return None
    alt = _quote(source.strip())
    return f'<math display="{"block" if display else "inline"}" alttext="{alt}">{body}</math>'


def _brace_depth(source: str) -> int:
    depth = deepest = 0
    for char in source:
        depth += (char == "{") - (char == "}")
        deepest = max(deepest, depth)
    return max(deepest, source.count(r"\begin"), source.count(r"\left"))


def _rebuild(element: Element, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise RecursionError
    tag = element.tag
    boxed = tag == "menclose"
    if boxed:  # MathML Core has no menclose, so the page's CSS draws the box
        tag = "mrow"
    children = "".join(_rebuild(child, depth + 1) + _text(child.tail) for child in element)
    if tag not in _ELEMENTS:
        return _text(element.text) + children
    attributes = "".join(
        f' {name}="{value}"'
        for name, value in element.attrib.items()
        if name in _RULES and _RULES[name].fullmatch(value) and name != "xmlns"
    )
    if boxed and "box" in element.get("notation", ""):
        attributes += ' class="boxed"'
    return f"<{tag}{attributes}>{_text(element.text)}{children}</{tag}>"


def _text(text: str | None) -> str:
    """Escape an element's text; the library writes symbols as `&#x...;`, which become the characters they name."""
    if not text:
        return ""

    def decode(match: re.Match[str]) -> str:
        code = int(match[1], 16)
        return chr(code) if 0x20 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else "\ufffd"

    return _quote(_ENTITY.sub(decode, text))


def _quote(text: str) -> str:
    """Escape, and drop control characters except the invisible operators U+2061 to U+2064, which belong to MathML."""
    return "".join(char if "\u2061" <= char <= "\u2064" else drop_unseen(char) for char in escape_silently(text))
