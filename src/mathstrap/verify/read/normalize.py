"""Clean an answer before it is compared: wrappers, trailing punctuation and Unicode. Knows no mathematics."""

from __future__ import annotations

import re

from mathstrap.patterns import regex
from mathstrap.verify.read.charmap import to_ascii
from mathstrap.verify.read.words import SYNONYMS, cjk_fraction

MAX_CHARS = 10_000
# Marks that may stand around an answer, by the character they begin with; the longer ones first.
_PAIRS: dict[str, tuple[tuple[str, str], ...]] = {
    "$": (("$$", "$$"), ("$", "$")), "\\": (("\\(", "\\)"), ("\\[", "\\]")), "*": (("**", "**"), ("*", "*")),
    "`": (("```", "```"), ("`", "`")), '"': (('"', '"'),), "'": (("'", "'"),),
    "【": (("【", "】"),), "「": (("「", "」"),),
}  # fmt: skip
_TEXT = re.compile(r"\\(?:text|mbox|textbf|textit|textrm|mathrm|mathbf|operatorname|textnormal)\s?\{([^{}]*)\}")
_WORDS = re.compile(r"[A-Za-z0-9 ,.'()&:;\-]+")
_LETTERS = re.compile(r"[A-Za-z]{2}")
_CURRENCY = regex(r"(USD|US\$|US\\\$|EUR|GBP|CAD|AUD|A\$|C\$|INR|Rs\.?|RMB|CNY|JPY)\s*(?=[\d$\\])")
_CURRENCY_SIGNS = {"EUR": "€", "GBP": "£", "INR": "₹", "Rs": "₹", "Rs.": "₹", "RMB": "¥", "CNY": "¥", "JPY": "¥"}
_CURRENCY_LETTERS = frozenset("UEGCAIRJ")  # what a code of _CURRENCY begins with
_CLOCK = regex(r"(?<=[0-9])\s?([AaPp])\.?\s?[Mm]\b\.?")
_O_CLOCK = regex(r"^([0-9]{1,2})(?:\\text\s?\{)?\s?o'?\s?clock\}?", re.IGNORECASE)
_CHOSEN = regex(r"([0-9]{1,4})\s?(C|P|(?<=\s)choose(?=\s))\s?([0-9]{1,4})")  # 10C3, 10 choose 3
_HOUR = re.compile(r"[0-9]{1,2}\s?[AaPp]\.?\s?[Mm]\.?")
_NOON = re.compile(r"^(?:12(?::00)?\s?)?(?:\\text\s?\{\s*)?(noon|midnight)\}?$", re.IGNORECASE)
# Commands that add nothing, with what they hold.
_DROPPED = re.compile(
    r"\\(?:color|require|definecolor|textcolor|colorbox|hspace|vspace|hskip|tag|label|phantom|hphantom|vphantom"
    r"|rule|footnote|cite|ref|unskip"
    r"|fontsize|selectfont|kern|mkern|raisebox|enclose|fcolorbox\s?\{[^{}]{0,40}\})\*?\s?(?:\[[^\[\]]{0,40}\])?\s?\{[^{}]{0,60}\}"
)
_BBOX = regex(r"(\\bbox)\s?\[[^\[\]]{0,60}\]")
_HTML = regex(
    r"</?(?:b|strong|i|em|u|p|span|div|code|mark|font|h[1-6]|br|center|big|math|mn|mi|mrow)\b[^<>\n]{0,80}>",
    re.IGNORECASE,
)
_ALIGNED = regex(r"&\s*(?:=|\\[gl]eq?\b|[<>])")
_ARRAY = regex(r"^\s*\\begin\{array\}\s*\{[^{}]{0,20}\}")
_NULL_DELIMITERS = regex(r"^\\left\s?\.(.*)\\right\s?\.$", re.DOTALL)
_KERN = regex(r"\\(?:hskip|kern|mkern|mskip)\s?-?[0-9.]{1,8}\s?(?:pt|em|ex|mu|cm|mm)")
_WRAPPER = re.compile(
    r"\\(ensuremath|mathtt|pmb|framebox|box|makebox|underline|uline|textbf|textit|textrm|texttt|textsf|textup"
    r"|mbox|hbox|mathrm"
    r"|mathbf|mathit|mathsf|boldsymbol|bm|bold|text|operatorname|textnormal|emph|smash|mathord|mathop|boxed"
    r"|fbox|bbox|tcbox|mathclap|mathllap|mathrlap|mathinner|answer|ans|finalanswer|mathbb(?=\{[0-9])|Large|large|huge|Huge|LARGE)\*?\s?(?=\{)"
)
_FEET = regex(r"^([0-9]+)\s?'\s?([0-9]+(?:\.[0-9]+)?)\s?(?:\"|'')$")
_SHORT_TIME = regex(r"(?<![\w.])([0-9]+)\s?h(?:rs?)?\s?([0-9]+)\s?(?:m|mins?)?$")
_LETTER_UNIT = re.compile(r"^([0-9.]+)\s?([hmgLs]|kg|km|cm|min)\s([0-9.]+)\s?([hmgLs]|kg|cm|mm|min|mL|ml)$")
_RATE = regex(
    r"(?<=[0-9}])\s?((?:m|km|cm|mm|ft|mi|L|g|kg|N|J|mL|mi|rad)\s?/\s?(?:s|h|hr|min|L|m|kg|g|cm|mL"
    r"|sec)(?:\^\{?[234]\}?)?)$"
)
_BASE = regex(
    r"^([0-9A-Za-z]{1,60})\s*(?:\\text\s?\{)?\s*\(?(?:in )?base[ -]?"
    r"([0-9]{1,2}|two|three|four|five|six|seven|eight|nine|twelve|sixteen)\)?\}?$"
)
_CONTINUED = re.compile(r"\.[0-9]+\.{2,}$")  # 0.333...
_PLUS_WORD = re.compile(
    r"^([0-9]+)\s*(?:\\text\s?\{\s*|\\mathrm\s?\{\s*)?(?:R|r|rem\.?|[Rr]emainder)\s*\}?\s*(?:of\s*)?([0-9]+)$"
)
# Remarks behind a value, each with a part of every text that it is worth looking for it in.
_REMARKS = (
    (("all", "total", "respectively", "required", "desired", "needed", "altogether"), regex(
        r"(?<=\S),?\s+(?:in total|altogether|in all|overall|total|respectively|as (?:required|desired|needed))$"
    )),
    (("not", "rather", "instead"), regex(
        r"(?:(?<=\S),\s*|(?<=[0-9A-Z)\]}$%])\s+|(?<=\S)\s+(?!not))(?:and not|but not|not|rather than|instead of)\s+"
        r"(?!exactly|quite|sure|certain|only|always|all\b)\$?[^,;\s][^,;]{0,40}$"
    )),
    ((" as ", "since", "because", "so", "which", "and"), regex(
        r"(?<=[\d}%)]),\s+(?:as|since|because|so|which|and (?:I|we|that|this))\s.{1,80}$"
    )),
    (("-",), regex(r"(?<=[\d}%)])\s+-+\s+the\s[a-z ]{3,60}$")),
)  # fmt: skip
_QUALIFIER_STARTS = regex(
    r"(?:,\s*|\(\s*|\\q?quad\s*|\\text\s?\{[\s,(]*|\s)(?:\(|\\quad\s*|\\text\s?\{\s*|\$)*"
    r"(?=(?:for|where|with|\\forall)\b|[a-zA-Z](?:\s?,\s?[a-z])?\s?\\in\b|[a-z] (?:is|are|any) "
    r"|[a-z]\s?(?:\\neq?(?![a-z])|(?<=[kmn])\s?\\geq?(?:slant)?(?![a-z])|(?<=[kmn])\s?>))"
)
_QUALIFIER_HINTS = ("for", "where", "with", "\\in", " is ", " are ", " any ", "\\ne", "\\ge", ">")
# "1/x, x \\ne 0" says where the formula holds; in "x > 1, x \\ne 2" both parts are the answer.
_BOUNDED = regex(r"[<>]|\\(?:[lg]eq?|[lg]eqslant|neq?|in|mid|cup|cap)(?![a-z])")
_PLACE_LEFT_OUT = regex(r"([a-z]) ?(?:\\neq?|>|\\geq?(?:slant)?)(?![a-z])")
_FORMULA_SET = regex(
    r"\\\{\s*+(?![a-z]\s*+(?:\\in|[:|]|\\mid|\\colon))(.{1,80}?)\s*(?:\\mid(?![a-z])|\\colon|:|\|)\s*(.{3,60}?)\s*\\\}"
)
_WITHOUT = regex(r"(\\math(?:bb|bf)\s?\{?\s?R\s?\}?)\s*-\s*\\\{")  # R - {0}
_SLASHED = regex(r"(?:\{\})?\^\{?([0-9]{1,6})\}?(?:\\!)?\s?/(?:\\!)?\s?_\{?([0-9]{1,6})\}?")
_CONSTANT_IN_WORDS = regex(r"(?<=\+)\s?(?:\\text\s?\{\s*)?const(?:ant|\.)?\s*\}?$")
_EMPTY_ABOVE = regex(r"\\(?:overset|underset|stackrel)\s?\{\s*\}")
_ADJECTIVE = (
    r"(?:all|any|every|each|some|an?|the|arbitrary|real|integers?|positive|non-?negative|natural|whole|fixed|numbers?"
    r"|constants?|values?|of|reals?|non-?zero|is|are|being|be|parameters?)"
)
_ONE = r"[a-zA-Z](?:_[01])?"
_START = rf"(?:for|where|with)? ?(?:{_ADJECTIVE} )*"
_QUALIFIERS = (
    regex(rf"{_START}{_ONE}(?: ?(?:,|and) ?{_ONE})?(?: {_ADJECTIVE})*"),
    regex(
        rf"{_START}{_ONE}(?: ?, ?{_ONE})* ?\\in ?(?:\\math(?:bb|bf) ?)?[ZNRQ](?: ?[_^] ?[+*0]| ?_? ?\\ge q? ?[01])?"
    ),
    regex(rf"{_START}[kmn] ?(?:\\geq?|\\geqslant|>=?) ?[0-9]"),
    regex(r"[a-z] ?(?:\\neq?|!=) ?-?[0-9]{1,3}"),
    regex(rf"{_START}[kmn] ?= ?0 ?,(?: ?\\pm)? ?1 ?,.{{1,30}}"),
)
_INTEGERS = regex(r"integer|whole|natural|\\math(?:bb|bf) ?[ZN]|\\in ?[ZN]\b|= ?0 ?,|\\ge|>")
_LETTER = regex(r"(?<![a-zA-Z\\])[a-zA-Z](?![a-zA-Z])")
_UNIT_IN_BRACKETS = re.compile(
    r"(?<=[0-9%])\s+\((?:[A-Za-z][A-Za-z ./-]{2,60}|ft|cm|mm|km|kg|mg|ml|in|oz|g|m|l)\)$"
)  # 9 (apples)
_TIMES_TEN = regex(r"(?<=[0-9])\s?[xX]\s?(?=10\s?\^)")
_ADVERB = re.compile(
    r"^(?:\\text\{\s*)?(?:exactly|only|just|a total of|equal to|(?:final )?answer\s?[:=])(?:\s*\}|\s+)(?=\S)",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer):? )?\(?([A-J])\)?")
_SMALL_CHOICE = re.compile(r"(?:[Oo]ption |[Cc]hoice |[Aa]nswer )?\(?([a-j])\)")
_CHOICE_WITH_TEXT = re.compile(
    r"(?:\\(?:text|textbf|textrm|mathrm|mathbf|mbox|bf|textit)\s?\{\s?)?(?:[Oo]ption |[Cc]hoice |[Aa]nswer )?"
    r"(?:\(([A-J])\)|([A-J])(?:\)|\.(?![0-9])|:|\.(?=[0-9])))[.:]?\s*\}?(?:[\s:.~]|\\ |\\quad)*(.*)",
    re.DOTALL,
)
_LONG_WORD = regex(r"[A-Za-z]{3,}|\b(?:[Nn]o|[Aa]n?|[Tt]o)\b")
_ARTICLES = frozenset({"the", "a", "an"})
_SPACES = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")  # never one between digits: 1 1/2 is not 11/2
_SIZES = re.compile(r"\\(?:left|right)(?![a-z])|\\[,!; ]")
_BRACED_SIGN = re.compile(r"\{([0-9A-Za-z])\}(?![0-9A-Za-z{])")
_NUMBER = re.compile(r"([+-]?)([0-9]{1,400})(?:\.([0-9]{1,400}))?")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3}){1,40}(?:\.[0-9]{1,40})?")


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
    """Return the answer without the marks around it: dollars, boxes, quotes, colours, a full stop. Linear time."""
    text = text.strip()
    if len(text) > MAX_CHARS:
        return text
    if not text.isascii():
        text = to_ascii(text).strip()
    if "\\" in text:
        text = _DROPPED.sub(" ", text) if "{" in text else text
        text = _BBOX.sub(r"\1", text) if "bbox" in text else text
        text = _EMPTY_ABOVE.sub("", text) if "{}" in text else text
        text = text.replace("\\surd", "\\sqrt") if "\\surd" in text else text
        if text.startswith("\\left]") or (text.endswith("\\right[") and text.startswith("\\left")):
            text = text.replace("\\left", "").replace("\\right", "").strip()
        if text.startswith("\\left") and (bare := _NULL_DELIMITERS.match(text)):
            text = bare[1]
        text = _KERN.sub(" ", text).strip() if "kern" in text or "skip" in text else text.strip()
    if "-" in text and "R" in text:
        text = _WITHOUT.sub(r"\1\\setminus\\{", text)
    if "/" in text and "_" in text:
        text = _SLASHED.sub(r"\\frac{\1}{\2}", text)
    if "const" in text:
        text = _CONSTANT_IN_WORDS.sub(" C", text)
    if text.startswith("<") and "</" in text:
        text = _HTML.sub("", text)
    if "\\text" in text and "_" in text:
        text = _LETTER_DIGIT.sub(r"\1", text)
    for _ in range(8):
        shorter = _unwrap(text)
        if shorter == text:
            break
        text = shorter
    if " " in text:
        text = _without_remark(text)
    last, first = text[-1:], text[:1]
    if last == ")":
        text = _UNIT_IN_BRACKETS.sub("", text)
    if "10" in text and ("x" in text or "X" in text):
        text = _TIMES_TEN.sub(r"\\times ", text)
    if first.isalpha() or first == "\\":
        text = _ADVERB.sub("", text)
    choice = _CHOICE.fullmatch(text) if len(text) <= 12 else None
    if choice:
        return choice[1]
    if "\u5206\u4e4b" in text and (fraction := cjk_fraction(text)) is not None:
        return fraction
    if not _CURRENCY_LETTERS.isdisjoint(text):
        text = _CURRENCY.sub(lambda match: _CURRENCY_SIGNS.get(match[1], "\\$"), text, count=1)
    return _with_spelled_units(text) if text[:1].isdigit() or text[:1] in "nNmM\\" else text


# The letters in `1\text{F}_{16}` are digits of the numeral.
_LETTER_DIGIT = regex(r"(?<=[0-9A-F])\\text\s?\{\s?([0-9A-Fa-f]{1,8})\s?\}(?=[0-9A-Fa-f]{0,8}_\{?\(?1[1-6])")


def _without_remark(text: str) -> str:
    head, tail = text[:-140], text[-140:]
    for hints, remark in _REMARKS:
        if any(hint in tail for hint in hints):
            tail = remark.sub("", tail) or tail
    return (head + tail).strip()


def _with_spelled_units(text: str) -> str:
    """Write times of day, feet and inches, hours and minutes and rates in the words the grammar reads."""
    if ":" in text or _HOUR.fullmatch(text):
        return _CLOCK.sub(lambda match: f" {match[1].lower()}m", text)
    if len(text) < 20 and ("C" in text or "P" in text or "choose" in text) and (chosen := _CHOSEN.fullmatch(text)):
        return f"P({chosen[1]},{chosen[3]})" if chosen[2] == "P" else f"\\binom{{{chosen[1]}}}{{{chosen[3]}}}"
    last = text[-1:]
    if last.lower() in "kn}t" and (match := _NOON.match(text)):
        return "12:00 pm" if match[1].lower() == "noon" else "12:00 am"
    if "clock" in text.lower():
        return _O_CLOCK.sub(r"\1:00 ", text).strip()
    if last in "\"'":
        return _FEET.sub(r"\1 feet \2 inches", text)
    if "base" in text:
        return _BASE.sub(r"\1_{\2}", text)
    if last in "mMns0123456789Lgh}":
        text = _SHORT_TIME.sub(r"\1 hours \2 minutes", text) if "h" in text else text
        text = _LETTER_UNIT.sub(r"\1\\text{ \2} \3\\text{ \4}", text)
        if "/" in text:
            text = _RATE.sub(lambda match: f"\\text{{ {match[1].replace('{', '').replace('}', '')}}}", text)
    return text


def split_qualifier(text: str) -> tuple[str, str]:
    r"""Return an answer and the remark after it that says what its letters are: `, k \in \mathbb{Z}`, `for all x`.

    The remark is "" when there is none, or one that says more than that.
    """
    if not any(hint in text for hint in _QUALIFIER_HINTS):
        return text, ""
    if text.startswith("\\{") and (values := _FORMULA_SET.fullmatch(text)):  # {n pi : n in Z}: the values of a formula
        body, qualifier = split_qualifier(f"{values[1]}, {values[2]}")
        if qualifier and body == values[1]:
            return body, qualifier
    start = max(0, len(text) - 140)
    for match in _QUALIFIER_STARTS.finditer(text, start):
        if not match.start():
            continue
        tail = (
            text[match.start() :]
            .replace("\\text", " ")
            .replace("\\quad", " ")
            .replace("\\qquad", " ")
            .replace("\\ ", " ")
        )
        tail = re.sub(r"[{}()$,.]+(?=\s|$)|[{}()$]", " ", tail).strip(" ,.")
        tail = re.sub(r"\s+", " ", tail)
        tail = tail.replace("\\forall", "for all").removeprefix("for all for all")
        left_out = _PLACE_LEFT_OUT.match(tail)
        if left_out and (left_out[1] not in text[: match.start()] or _BOUNDED.search(text[: match.start()])):
            continue
        if any(form.fullmatch(tail) for form in _QUALIFIERS):
            return text[: match.start()].rstrip(" ,(\\"), tail
    return text, ""


def integer_names(qualifier: str) -> frozenset[str]:
    """Return the letters a qualifier declares to be integers."""
    return frozenset(_LETTER.findall(qualifier)) if qualifier and _INTEGERS.search(qualifier) else frozenset()


def remainder(text: str) -> tuple[int, int] | None:
    """Return quotient and remainder of `5 R 2` and `5 remainder 2`."""
    match = _PLUS_WORD.match(text) if "r" in text or "R" in text else None
    return (int(match[1]), int(match[2])) if match and len(text) < 60 else None


def _unwrap(text: str) -> str:
    text = text.strip()
    if not _CONTINUED.search(text[-40:]):
        text = text.rstrip(".,;:").rstrip()
    while text.endswith("\\") and not text.endswith("\\\\"):
        text = text[:-1].rstrip()
    for opening, closing in _PAIRS.get(text[:1], ()):
        size = len(opening)
        if text.startswith(opening) and text.endswith(closing) and len(text) >= 2 * size:
            inner = text[size:-size]
            if closing not in inner and opening not in inner:
                return inner
    if text.startswith(("\\boxed", "\\fbox")):
        inner = text[text.index("d" if text[1] == "b" else "x") + 1 :].strip() if text[1] == "f" else text[6:].strip()
        if not inner.startswith("{"):
            return inner
    if text.startswith("\\") and (match := _WRAPPER.match(text)) and _closes_at_end(text[match.end() :]):
        return text[match.end() + 1 : -1]
    if text.startswith("\\left\\{") and "\\begin" in text[:20] and text.endswith("\\right"):
        inner = text[7:-6]  # a system of equations behind one brace, or a function by cases
        if inner.rstrip().endswith("\\end{array}") and "&" in inner and not _ALIGNED.search(inner):
            inner = _ARRAY.sub(r"\\begin{cases}", inner.rstrip().removesuffix("\\end{array}")) + "\\end{cases}"
        return inner
    if text.startswith("{") and "," not in text and _closes_at_end(text):
        return text[1:-1]
    return text


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
    if "\\" in text:
        text = _SIZES.sub("", text).replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    if "{" in text:
        text = _BRACED_SIGN.sub(r"\1", text)
    return text if text.isalnum() else _SPACES.sub("", text)


def words_key(text: str) -> str | None:
    """Return a key for an answer in words, equal for answers that say the same; None if it is not in words."""
    if not _LETTERS.search(text):
        return None
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


def choice_of(text: str) -> tuple[str, str] | None:
    """Return the letter of a multiple-choice answer and the text of its option: `(A)`, `option (b)`, `B) 5 apples`."""
    match = _CHOICE.fullmatch(text) or _SMALL_CHOICE.fullmatch(text)
    if match:
        return match[1].upper(), ""
    if "A" <= text[:1] <= "J" or text[:1] in "(\\oOcCaA":
        match = _CHOICE_WITH_TEXT.fullmatch(text)
        if match:
            rest = match[3].strip()
            return match[1] or match[2], rest
    return None


def words_set(key: str) -> tuple[str, ...]:
    """Return the sorted pieces of a key that lists several things: `red and blue` and `blue, red` agree."""
    return tuple(sorted(piece.strip() for piece in re.split(r"\band\b|,", key) if piece.strip()))


def is_text(text: str) -> bool:
    """Say whether a raw answer is marked as text in LaTeX."""
    return text.strip().strip("$").lstrip().startswith(("\\text", "\\mbox"))
