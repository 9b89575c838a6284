"""Cut an answer into tokens: numbers, names, commands, text pieces, currencies and signs. One pass in linear time."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Literal

import msgspec

from mathstrap.patterns import regex
from mathstrap.verify.read.nodes import NotMathError
from mathstrap.verify.read.words import (
    FLAT_ENVIRONMENTS,
    IGNORED,
    MAGNITUDES,
    RELATIONS,
    SINGLE_LETTER_UNITS,
    SPACES,
    STYLES,
    TEXT_COMMANDS,
    UNITS,
    cjk_number,
)

MAX_CHARS = 10_000
MAX_TOKENS = 4_000
MAX_DIGITS = 4_000

Kind = Literal["number", "name", "command", "text", "currency", "sign", "end"]


class Token(msgspec.Struct, frozen=True, gc=False):
    """One token; `spaced` says that white space stands before it."""

    kind: Kind
    text: str
    spaced: bool


END = Token("end", "", True)

_TOKEN = re.compile(
    rf"(?P<text>\\(?:{'|'.join(TEXT_COMMANDS)})\*?\s*\{{(?P<words>[^{{}}]*)\}})"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    r"|(?P<name>[A-Za-z]+)"
    r"|(?P<command>\\(?:[A-Za-z]+|.))"
    r"|(?P<space>[\s~]+)"
    r"|(?P<currency>[€£¥₹₩₽])"
    r"|(?P<foreign>[^\W\d_]+)"
    r"|(?P<sign>.)",
    re.DOTALL,
)
_THOUSANDS = re.compile(
    r"(?<![0-9.,])(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3})(?![0-9,])"  # also 12,34,567 of India
)
_DOT_THOUSANDS = regex(r"(?<![0-9.,])[0-9]{1,3}(?:\.[0-9]{3})(?:(?:\.[0-9]{3})+(?:,[0-9]+)?|,[0-9]+)(?![0-9.,])")
_GROUPED = re.compile(r"(?<=[0-9])(?:\{,\}|,\\!|\\!,|\{\\,\})(?=\s{0,9}[0-9]{3}(?![0-9]))\s*")
_SWISS = regex(r"(?<=[0-9])'(?=[0-9]{3}(?![0-9]))")
_DOUBLED = regex(r"\\\\(?=[A-Za-z(\[{}])")
_ROW_SKIP = regex(r"\\\\\[-?[0-9.]{1,8}\s?[a-z]{2}\]")
_BRACED_UNIT = re.compile(r"(?<=[0-9])\{([a-z]{2,12})\}")  # 4{cm}, from tools that lose the \text
_OVER = regex(r"\{([^{}]{0,200})\\over(?![a-z])([^{}]{0,200})\}")
_WHOLE_OVER = regex(r"^([^{}]{1,200}\\(?:over|choose)(?![a-z])[^{}]{1,200})$")
_CHOOSE = regex(r"\{([^{}]{0,200})\\choose(?![a-z])([^{}]{0,200})\}")
_BARE_REPEATING = regex(r"(?<![0-9])\.(?=\\overline)")
# ]0, 1[ for (0, 1), as written in French and German.
_TURNED = regex(r"(?<![^\s=(,:])([\[\]])([^\[\]]{1,80}[,;][^\[\]]{1,80})([\[\]])(?![^\s),.;])")
_MODULO = regex(
    r"(?:\(\s*)?(?:\\pmod|\\bmod|\\mod|\\(?:text|mathrm|operatorname)\{\s*mod\s*\}"
    r"|(?<=\()mod(?=\s))\s*\{?\s*([0-9A-Za-z^]{1,20})\s*\}?(?:\s*\))?"
)
_NEEDS_CARE = re.compile(r"[\\,{.'\[]|mod")
_MONEY = regex(r"\$(?=\s?-?\s?\.?[0-9])")


def tokenize(text: str, *, join_thousands: bool = True) -> list[Token]:
    """Return the tokens of an answer; raises NotMathError when it is too large.

    `1,234` is one number outside brackets unless `join_thousands` is off.
    """
    if len(text) > MAX_CHARS:
        raise NotMathError("the answer is longer than 10,000 characters")
    text = _prepared(text, join_thousands) if _NEEDS_CARE.search(text) else text
    dollar_is_money = "$" in text and len(_MONEY.findall(text)) == text.replace("\\$", "").count("$")
    tokens: list[Token] = []
    spaced = False
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        part = match[0]
        if kind == "space":
            spaced = True
            continue
        if kind == "number":
            if len(part) > MAX_DIGITS:
                raise NotMathError("a number has more than 4,000 digits")
            tokens.append(Token("number", part, spaced))
        elif kind == "name":
            tokens.append(Token("name", part, spaced))
        elif kind == "sign":
            if part == "$":
                if not dollar_is_money:
                    spaced = True
                    continue
                kind = "currency"
            tokens.append(Token("currency" if kind == "currency" else "sign", part, spaced))
        elif kind == "currency":
            tokens.append(Token("currency", part, spaced))
        elif kind == "command":
            name = part[1:]
            if name == "$":
                tokens.append(Token("currency", "$", spaced))
            elif name in IGNORED or name.isspace():
                spaced = spaced or name in SPACES or name.isspace()
                continue
            elif name.startswith("quad"):  # `\quadx`, a space that lost its own space
                tokens.append(Token("name", name[4:], True))
            else:
                tokens.append(Token("command", name, spaced))
        elif kind == "foreign":
            tokens.extend(_foreign_tokens(part, tokens[-1] if tokens else END, spaced))
        else:
            tokens.extend(_text_tokens(part, match["words"], tokens[-1] if tokens else END, spaced))
        spaced = False
        if len(tokens) > MAX_TOKENS:
            raise NotMathError("the answer has more than 4,000 tokens")
    return _flattened(tokens) if "\\begin" in text else tokens


def has_thousands(text: str) -> bool:
    """Say whether a text has numbers that may be one number with separators or several."""
    return _THOUSANDS.search(text) is not None


def _prepared(text: str, join_thousands: bool) -> str:
    """Return the text with old TeX fractions in braces and separated thousands joined."""
    if "\\\\" in text:
        text = _ROW_SKIP.sub(r"\\\\", text) if "\\begin" in text else _DOUBLED.sub(r"\\", text)
    if "\\over" in text or "\\choose" in text:
        text = _WHOLE_OVER.sub(r"{\1}", text)
        text = _OVER.sub(r"\\frac{\1}{\2}", text)
        text = _CHOOSE.sub(r"\\binom{\1}{\2}", text)
        text = _BARE_REPEATING.sub("0.", text)
    if text[-1:] == "[" or text[:1] == "]" or ("]" in text and "[" in text and _TURNED.search(text)):
        text = _TURNED.sub(_turned, text)
    if "mod" in text:
        text = _MODULO.sub(r"\\pmod{\1}", text)
    if "{" in text:
        text = _BRACED_UNIT.sub(lambda match: f"\\text{{{match[1]}}}" if match[1] in UNITS else match[0], text)
    if "." in text:  # 1.234.567 and 1.234,5 can only be the thousands of Spanish, German and others
        text = _DOT_THOUSANDS.sub(lambda match: match[0].replace(".", "").replace(",", "."), text)
    if "'" in text:
        text = _SWISS.sub("", text)  # 1'234'567
    if "," in text:
        text = _GROUPED.sub("", text)
        if join_thousands:
            text = _join_thousands(text)
    return text


def _turned(match: re.Match[str]) -> str:
    opening, inner, closing = match.groups()
    return f"{'[' if opening == '[' else '('}{inner}{']' if closing == ']' else ')'}"


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
    style = part[1 : part.index("{")].rstrip("* ") in STYLES
    if not words:
        return []
    if len(words) == 1 and words[0].isdigit() and len(words[0]) < MAX_DIGITS:
        return [Token("number", words[0], spaced)]
    if len(words) == 1 and words[0].isalpha() and (style or len(words[0]) == 1):
        is_unit = before.kind == "number" or before.text in ("}", ")", "circ", "degree")
        if not (is_unit and (not style or words[0] in SINGLE_LETTER_UNITS or words[0].lower() in UNITS)):
            is_operator = part.startswith("\\operatorname") and len(words[0]) > 1 and not words[0].isupper()
            return [Token("command" if is_operator else "name", words[0], spaced)]
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


def _foreign_tokens(part: str, before: Token, spaced: bool) -> list[Token]:
    """Return the tokens of a run of letters of another script: a Chinese numeral is a number, the rest words."""
    if before.kind == "number" and (not spaced or part in MAGNITUDES):  # 5万 is 50,000
        magnitude = next((size for size in (2, 1) if part[:size] in MAGNITUDES), 0)
        if magnitude and part[magnitude:]:
            return [Token("text", part[:magnitude], False), Token("text", part[magnitude:], False)]
        return [Token("text", part, spaced)]
    number, rest = cjk_number(part)
    if number is None:
        return [Token("text", part, spaced)]
    return [Token("number", number, spaced), *([Token("text", rest, False)] if rest else [])]


def _flattened(tokens: list[Token]) -> list[Token]:
    r"""Drop environments that only set lines: their rows continue a chain of relations or are items of a list."""
    kept: list[Token] = []
    open_names: list[str] = []
    columns = [place for place, token in enumerate(tokens) if token.text == "&"]
    ends = [place for place, token in enumerate(tokens) if token.text == "end" and token.kind == "command"]
    index = 0
    while index < len(tokens):
        token = tokens[index]
        following = tokens[index + 1] if index + 1 < len(tokens) else END
        if token.kind == "command" and token.text in ("begin", "end") and following.text == "{":
            end = index + 2
            while end < min(len(tokens), index + 5) and tokens[end].text != "}":
                end += 1
            name = "".join(each.text for each in tokens[index + 2 : end]).rstrip("*")
            flat = name in FLAT_ENVIRONMENTS or (name == "cases" and not _has_columns(columns, ends, end))
            if token.text == "begin":
                open_names.append(name if flat else "")
                opened = flat
            else:
                opened = bool(open_names and open_names.pop())
            if opened:
                if kept and kept[-1].text == "," and token.text == "end":
                    kept.pop()  # the last row ends with `\\`
                index = end + 1
                if token.text == "begin" and name in ("alignat", "tabular") and index < len(tokens):
                    index += 3 * (tokens[index].text == "{")
                continue
        if open_names and open_names[-1]:
            if token.text == "&":
                index += 1
                continue
            if token.kind == "command" and token.text == "\\":
                ahead = index + 1
                while ahead < len(tokens) and tokens[ahead].text == "&":
                    ahead += 1
                if ahead < len(tokens) and tokens[ahead].text not in RELATIONS and kept and kept[-1].text != ",":
                    kept.append(Token("sign", ",", False))
                index = ahead
                continue
        kept.append(token)
        index += 1
    return kept


def _has_columns(columns: list[int], ends: list[int], start: int) -> bool:
    """Say whether an `&` stands between a place and the next end of an environment."""
    column, end = bisect_left(columns, start), bisect_left(ends, start)
    return column < len(columns) and (end == len(ends) or columns[column] < ends[end])
