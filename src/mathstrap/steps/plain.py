r"""Write LaTeX's and Unicode's arithmetic in plain signs: `\frac{3}{4} \times 20` is `((3)/(4)) * 20`. One pass.

Anything without a plain form becomes a sign that no expression contains, so that nothing is read across it.
"""

from __future__ import annotations

import re

from mathstrap.patterns import regex

# A sign that no expression contains.
BREAK = "¦"
_UNICODE = str.maketrans(
    {
        "×": "*", "·": "*", "⋅": "*", "∙": "*", "✕": "*", "✖": "*", "∗": "*", "÷": "/", "∕": "/", "⁄": "/",
        "−": "-", "–": "-", "—": " - ", "‐": "-", "‑": "-", "≅": "≈", "≃": "≈", "≒": "≈", "＝": "=", "（": "(",
        "）": ")", "，": ", ", "。": ". ", "：": ": ", "％": "%", "＋": "+", "\u00a0": " ", "\u2009": " ",
        "\u202f": " ", "²": "^2", "³": "^3", "½": " 1/2", "¼": " 1/4", "¾": " 3/4", "…": BREAK, "⇒": " ; ",
        "→": " ; ", "⟹": " ; ", "∴": " ; ", "✓": " ; ", "€": "$", "£": "$", "¥": "$", "₹": "$", "′": "'",
    }
)  # fmt: skip
_SIGNS = {
    "times": "*", "cdot": "*", "ast": "*", "div": "/", "approx": "≈", "simeq": "≈", "cong": "≈", "doteq": "≈",
    "pi": " π ", "left": "", "right": "", "big": "", "Big": "", "bigg": "", "Bigg": "", "bigl": "", "bigr": "",
    "displaystyle": " ", "textstyle": " ", "quad": " ; ", "qquad": " ; ", "boxed": "", "fbox": "", "lbrack": "(",
    "rbrack": ")", "limits": "", "hspace": " ", "pounds": "$", "euro": "$", "dollar": "$", "newline": "\n",
    "hfill": " ; ", "dots": BREAK, "ldots": BREAK, "cdots": BREAK, "cancel": "",
    "implies": " ; ", "Rightarrow": " ; ", "rightarrow": " ; ", "to": " ; ", "iff": " ; ", "therefore": " ; ",
    "Longrightarrow": " ; ", "longrightarrow": " ; ", "Leftrightarrow": " ; ", "because": " ; ", "checkmark": " ; ",
}  # fmt: skip
# Commands whose argument is words.
_WORDS = frozenset(
    ("text", "mathrm", "textbf", "textit", "textrm", "mbox", "mathbf", "operatorname", "textnormal", "textsf", "mathit")
)
_PIECE = regex(
    r"\\[dtc]?frac(?![A-Za-z])\s*(?P<digits>\d\s*\d(?!\d))?(?P<half>\d(?=\s*\{))?"
    r"|\\[dt]?binom(?![A-Za-z])|\\sqrt(?![A-Za-z])\s*(?P<root>\[)?(?P<radicand>\d(?=[^\d]|\Z))?"
    r"|\\(?P<command>[A-Za-z]+)[ \t]*"
    r"|\\(?P<sign>.)|(?P<open>\{)|(?P<close>\})",
    re.DOTALL,
)
_ROOT_SIGN = regex(r"√\s?(\(|\d+(?:\.\d+)?)")
_CHOOSE = regex(r"\{([^{}\\]{1,20})\\choose(?![A-Za-z])([^{}\\]{1,20})\}")
_THOUSANDS = regex(r"(?<=\d)(?:\{,\}|,\\!|\\,)(?=\d{3})")
_POWER_OF_PYTHON = regex(r"(?<=[\w)])\*\*(?=[\w(-])")
_TIMES = regex(r"(?<=[\d)%])[ ]*[xX][ ]*(?=[\d($.])")
_DEGREES = regex(r"\^\s*(?:\(\s*°\s*\)|°)|°")
_MIXED = regex(
    r"(?<=\d)\s*\\[dt]?frac\s*(?:\{(\d{1,9})\}\s*\{(\d{1,9})\}|(\d)\s*(\d)(?!\d))(?!\s*(?:\^|\\[dt]?frac))"
)
MAX_NESTING = 40
# The plain signs for the opening and closing brace of each part of a command; "" is a brace of its own.
_OPENING = {"": "(", "top": "((", "bottom": "/(", "root": "sqrt(", "choose": "binom(", "of": "(", "words": " "}
_CLOSING = {
    "": ")", "top": ")", "bottom": "))", "root": ")", "choose": ")", "of": ")", "words": " ", "none": BREAK,
}  # fmt: skip
_CJK_ANY = regex(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


# Chinese, Japanese and Korean have no spaces between a number and its unit, or between words and a calculation.
_CJK = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_CJK_UNIT = regex(
    rf"\s?\( ?(?:{_CJK}|[/a-zA-Z²]){{1,8}} ?\)"
    rf"|(?<=\d)(?![万億亿千百倍半成折分余多兆割点又和与]){_CJK}{{1,4}}(?=\s?[,.;:!?]\s|\s*\Z|[-+*/=(])"
)
_CJK_LABEL = regex(rf"(?:\A|(?<=[,.;:!?\s])){_CJK}{{1,40}}(?=[\d(])")


def to_plain(text: str) -> str:
    """Return text with LaTeX's and Unicode's arithmetic in plain signs."""
    if not text.isascii():
        text = text.translate(_UNICODE)
        if _CJK_ANY.search(text):
            text = _CJK_LABEL.sub(" ; ", _CJK_UNIT.sub("", text))
        if "√" in text:
            text = _ROOT_SIGN.sub(lambda match: "sqrt(" if match[1] == "(" else f"sqrt({match[1]})", text)
    if "\\" in text or "{" in text:
        text = _without_latex(text)
    if "**" in text:
        text = _POWER_OF_PYTHON.sub("^", text).replace("**", "")
    return _TIMES.sub("*", text) if "x" in text or "X" in text else text


def _without_latex(text: str) -> str:
    r"""Return text without commands; `\frac{a}{b}` is `((a)/(b))`, `\sqrt{a}` is `sqrt(a)`, words are in spaces."""
    text = _MIXED.sub(lambda match: f" {match[1] or match[3]}/{match[2] or match[4]}", _THOUSANDS.sub(",", text))
    if "choose" in text:
        text = _CHOOSE.sub(r"\\binom{\1}{\2}", text)
    pieces: list[str] = []
    # The part that the next brace opens, and the parts of the open braces; a fraction's first part precedes its second.
    pending: str = ""
    open_braces: list[str] = []
    done = 0
    for match in _PIECE.finditer(text):
        between = text[done : match.start()]
        if pending and between.strip():
            pieces.append(BREAK)  # a command without its argument
            pending = ""
        pieces.append(between)
        done = match.end()
        command = match["command"]
        if match["open"]:
            if len(open_braces) >= MAX_NESTING:
                return BREAK
            pieces.append(_OPENING[pending])
            open_braces.append(pending)
            pending = ""
        elif match["close"]:
            kind = open_braces.pop() if open_braces else "none"
            pieces.append(_CLOSING[kind])
            pending = {"top": "bottom", "choose": "of"}.get(kind, "")
        elif command is None:
            whole = match[0]
            if "frac" in whole:
                if match["digits"]:
                    pieces.append(f"(({match['digits'][0]})/({match['digits'][-1]}))")
                elif match["half"]:
                    pieces.append(f"(({match['half']})")
                    pending = "bottom"
                else:
                    pending = "top"
            elif "binom" in whole:
                pending = "choose"
            elif "sqrt" in whole:
                if match["root"]:
                    pieces.append(BREAK)
                elif match["radicand"]:
                    pieces.append(f"sqrt({match['radicand']})")
                else:
                    pending = "root"
            else:
                pieces.append(_sign(match["sign"] or ""))
        elif command in _WORDS:
            pending = "words"
        elif command == "circ":
            pieces.append("°")
        elif command == "neq" or command == "ne":
            pieces.append("≠")
        else:
            pieces.append(_SIGNS.get(command, f"{BREAK}{command}{BREAK} "))
    pieces.append(text[done:])
    return _DEGREES.sub(" ", "".join(pieces).replace("&", ""))


def _sign(sign: str) -> str:
    if sign in "$%":
        return sign
    if sign == "\\":
        return " ;\n"
    if sign in "[]":
        return " ; "
    return " " if sign in ",;:! ()" else BREAK if sign in "{}" else ""
