"""Cut an answer into tokens: numbers, names, commands, text pieces and signs. One pass in linear time."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from mathstrap.verify.read.nodes import NotMathError
from mathstrap.verify.read.words import SINGLE_LETTER_UNITS, UNITS

MAX_CHARS = 10_000
MAX_TOKENS = 4_000
MAX_DIGITS = 4_000

Kind = Literal["number", "name", "command", "text", "sign", "end"]


class Token(msgspec.Struct, frozen=True, gc=False):
    """One token; `spaced` says that white space stands before it."""

    kind: Kind
    text: str
    spaced: bool


END = Token("end", "", True)


_TEXT_COMMANDS = (
    "text|mbox|textbf|textit|textrm|textsf|textnormal|mathrm|rm|bf|operatorname|hbox|emph|textsc"
    "|mathbf|mathit|mathsf|bold|boldsymbol|bm"
)
_TOKEN = re.compile(
    rf"(?P<text>\\(?:{_TEXT_COMMANDS})\*?\s*\{{(?P<words>[^{{}}]*)\}})"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    r"|(?P<name>[A-Za-z]+)"
    r"|(?P<command>\\(?:[A-Za-z]+|.))"
    r"|(?P<space>\s+)"
    r"|(?P<sign>.)",
    re.DOTALL,
)
# Spacing, sizing and styling: they carry no meaning.
_IGNORED_NAMES = r"""left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm displaystyle
    textstyle limits nolimits quad qquad , ; : ! / ( ) [ ] $ tt it rm bf sf normalsize large nonumber"""
_IGNORED = frozenset(_IGNORED_NAMES.split()) | {" ", "\n"}
_SPACES = frozenset({"quad", "qquad", ",", ";", ":", " ", "\n"})
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9,])")
_GROUPED = re.compile(r"(?<=[0-9])(?:\{,\}|,\\!|\\!,|\{\\,\})(?=\s{0,9}[0-9]{3}(?![0-9]))\s*")
_DOUBLED = re.compile(r"\\\\(?=[A-Za-z(\[{}])")
_ROW_SKIP = re.compile(r"\\\\\[-?[0-9.]{1,8}\s?[a-z]{2}\]")
_BRACED_UNIT = re.compile(r"(?<=[0-9])\{([a-z]{2,12})\}")  # 4{cm}, from tools that lose the \text
_OVER = re.compile(r"\{([^{}]{0,200})\\over(?![a-z])([^{}]{0,200})\}")
_WHOLE_OVER = re.compile(r"^([^{}]{1,200}\\(?:over|choose)(?![a-z])[^{}]{1,200})$")
_CHOOSE = re.compile(r"\{([^{}]{0,200})\\choose(?![a-z])([^{}]{0,200})\}")
_BARE_REPEATING = re.compile(r"(?<![0-9])\.(?=\\overline)")
_STYLES = frozenset({"mathrm", "rm", "bf", "operatorname", "mathbf", "mathit", "mathsf", "bold", "boldsymbol", "bm"})


def tokenize(text: str, *, join_thousands: bool = True) -> list[Token]:
    """Return the tokens of an answer; raises NotMathError when it is too large.

    `1,234` is one number outside brackets unless `join_thousands` is off.
    """
    if len(text) > MAX_CHARS:
        raise NotMathError("the answer is longer than 10,000 characters")
    if "\\\\" in text:
        text = _ROW_SKIP.sub(r"\\\\", text) if "\\begin" in text else _DOUBLED.sub(r"\\", text)
    if "\\over" in text or "\\choose" in text:
        text = _WHOLE_OVER.sub(r"{\1}", text)
        text = _OVER.sub(r"\\frac{\1}{\2}", text)
        text = _CHOOSE.sub(r"\\binom{\1}{\2}", text)
        text = _BARE_REPEATING.sub("0.", text)
    if "{" in text:
        text = _BRACED_UNIT.sub(lambda match: f"\\text{{{match[1]}}}" if match[1] in UNITS else match[0], text)
    if "," in text:
        text = _GROUPED.sub("", text)
        if join_thousands:
            text = _join_thousands(text)
    tokens: list[Token] = []
    spaced = False
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        part = match[0]
        if kind == "space" or part == "$" or part == "~":
            spaced = True
            continue
        if kind == "number":
            if len(part) > MAX_DIGITS:
                raise NotMathError("a number has more than 4,000 digits")
            tokens.append(Token("number", part, spaced))
        elif kind == "name":
            tokens.append(Token("name", part, spaced))
        elif kind == "sign":
            tokens.append(Token("sign", part, spaced))
        elif kind == "command":
            name = part[1:]
            if name in _IGNORED or name.isspace():
                spaced = spaced or name in _SPACES or name.isspace()
                continue
            if name.startswith("quad"):  # `\quadx`, a space that lost its own space
                tokens.append(Token("name", name[4:], True))
            else:
                tokens.append(Token("command", name, spaced))
        else:
            tokens.extend(_text_tokens(part, match["words"], tokens[-1] if tokens else END, spaced))
        spaced = False
        if len(tokens) > MAX_TOKENS:
            raise NotMathError("the answer has more than 4,000 tokens")
    return tokens


def _join_thousands(text: str) -> str:
    parts: list[str] = []
    start = depth = 0
    for match in _THOUSANDS.finditer(text):
        between = text[start : match.start()]
        depth += sum(between.count(sign) for sign in "([") - sum(between.count(sign) for sign in ")]")
        depth += between.count("\\{") - between.count("\\}")
        parts += (between, match[0].replace(",", "") if depth <= 0 else match[0])
        start = match.end()
    parts.append(text[start:])
    return "".join(parts)


def _text_tokens(part: str, content: str, before: Token, spaced: bool) -> list[Token]:
    r"""Return the tokens of `\text{...}`: a name, a number, or a phrase with its leading and trailing `and` cut off."""
    words = content.replace("~", " ").replace("\\", " ").replace("$", " ").split()
    style = part[1 : part.index("{")].rstrip("* ") in _STYLES
    if not words:
        return []
    if len(words) == 1 and words[0].isdigit() and len(words[0]) < MAX_DIGITS:
        return [Token("number", words[0], spaced)]
    if len(words) == 1 and words[0].isalpha() and (style or len(words[0]) == 1):
        is_unit = before.kind == "number" or before.text in ("}", ")", "circ", "degree")
        if not (is_unit and (not style or words[0] in SINGLE_LETTER_UNITS or words[0].lower() in UNITS)):
            return [Token("name", words[0], spaced)]
    tokens: list[Token] = []
    first = words[0].strip(",").lower()
    if first in ("and", "or") and (len(words) == 1 or before.kind != "end"):
        tokens.append(Token("name", first, True))
        words = words[1:]
    last: list[Token] = []
    if len(words) > 1 and words[-1].lower() in ("and", "or"):
        last.append(Token("name", words[-1].lower(), True))
        words = words[:-1]
    if words:
        tokens.append(Token("text", " ".join(words), True))
    return tokens + last
