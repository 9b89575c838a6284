"""Find the equations between numbers in a solution: in prose, LaTeX and annotations.

From each equals sign, both sides are read as far as there is arithmetic: numbers with their units, operators, roots,
percentages of something. A side has no value if the words around it may be part of the calculation.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import msgspec

from mathstrap.numerals import SCALES
from mathstrap.patterns import regex
from mathstrap.steps.expression import (
    MAX_CHARS,
    canonical_number,
    tokenize,
)
from mathstrap.steps.plain import BREAK, to_plain
from mathstrap.steps.words import (
    AFTER_WORDS,
    ARTICLES,
    CALCULATING,
    CLAUSE_WORDS,
    COUNTS,
    INDEX_WORDS,
    MULTIPLES,
    NOT_AFTER,
    NOT_BEFORE,
    OF_NOUNS,
    OPEN_WORDS,
    OPERANDS,
    PARTS,
    PROSE_WORDS,
    SIGNS,
    SIGNS_BY,
    TIGHT_UNITS,
    UNIT_LETTERS,
    VERBS,
)

# Limits on hostile text: the time of a solution grows with its length and its equations, and stays bounded.
MAX_TEXT = 50_000
MAX_EQUATIONS = 300
CACHED = 20_000
MAX_CONTEXT = 600
MAX_CACHED = 300
MAX_REACH = 120
MAX_REMARK = 30

ANNOTATION = regex(r"<<([^<>\n]{1,300})>>")
# Code and drawings; a fenced block with a JSON record, `{"answer": "..."}`, counts as text.
CODE = regex(r"```(?!\w*\s*\{\s*\").*?(?:```|\Z)|\[asy\].*?(?:\[/asy\]|\Z)", re.DOTALL)
# A line break that is left from a JSON string as two characters; not the beginning of \neq or \nu.
WRITTEN_NEWLINE = regex(r"\\n(?![a-z])")
# The commonest kinds come first, and no quantifier gives back what it took: a line of LaTeX has a hundred tokens.
TOKEN = regex(
    r"(?P<word>[A-Za-zπ]++(?:['’][a-z]++)?)"
    r"|(?P<mark>[-+*/^()\[\]%!])"
    r"|(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d++(?:\.\d++)?|\.\d++)"
    r"|(?P<stop>[.,;:?])"
    r"|(?P<relation>[=≈](?<![<>!:=]=)(?!(?<==)[=>]))"
    r"|(?P<other>[^\s$])"
)
# A line without an equals sign is read only if it has a calculation and a verb.
SPOKEN = regex(
    r"\d\S{0,20}(?: [a-z]{1,15}){0,4} (?:is|are|equals|gives|makes|leaves) (?:only |just |exactly )?\$?-?\d"
)
# The most common form of an equation in word problems, between harmless words: a fast path.
_NUMBER = r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)"
USUAL = regex(
    rf"(?:\A|[A-Za-z,] (?P<before>total of|sum of|[A-Za-z]{{3,}}+):? )"
    rf"(?P<left>\$?{_NUMBER}(?: ?[-+*/] ?\$?{_NUMBER}| x \$?{_NUMBER}){{1,6}})"
    rf" ?= ?\$?(?P<right>{_NUMBER})(?=\.?\s?\Z|[.,] | (?P<after>[a-z]{{3,}})[ .,])"
)
_NUMBER_BEGINS = regex(r" ?\$?[\d.]")
# A number, with or without a unit, right before a relation; a line without one has nothing to compare.
USEFUL = regex(r"[\d)%!π\]][\s$]*+(?:[A-Za-z]{2,}+[\s.^\d/$]{0,8}){0,5}[=≈]")
CONTINUES = regex(r"[\s$;]*[=≈]")
# Long runs of words are shortened in the middle to save tokens: no unit has that many words.
PROSE = regex(r"((?:[A-Za-z]{2,} ){3})(?:[A-Za-z]{2,} )+((?:[A-Za-z]{2,} ){3})")
CLAUSE = regex(r"(?<=[.;:?]) (?=\S)")
PLAIN_ANNOTATION = regex(r"[-+*/()=.% \d]+")
BULLET = regex(r"\s*(?:[-*•+>]\s+|\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})[.)]\s+|Step \d+\s*[:.)]|#+ )+")
FRACTION_WORDS = regex(
    r"\b(?:(?P<count>a|one|two|three|four|five|six|seven)[ -])?(?P<part>half|thirds?|quarters?|fourths?|fifths?|sixths?"
    r"|sevenths?|eighths?|ninths?|tenths?)(?= of (?:the |these |those |all )?\$?\d)",
    re.IGNORECASE,
)
TIMES_WORDS = regex(r"\b(twice|double|triple|thrice)(?= \$?\d)", re.IGNORECASE)
MAGNITUDE = regex("hundred|thousand|million|billion|dozen", re.IGNORECASE)
# A line that ends in one of these is not complete.
OPEN_ENDS = ("+", "-", "*", "/", "(", "^")
_LEADING_ZERO = regex(r"(?<![\d.])0\d")


class Side(msgspec.Struct, frozen=True):
    """One side of an equation: its arithmetic without units, and the original text.

    `labelled` says that words precede it, `has_units` that there are words in or after it.
    """

    text: str
    shown: str
    labelled: bool = False
    has_units: bool = False


class Equation(msgspec.Struct, frozen=True):
    """Two or more sides and the relation between each: `=`, `≈`, or a verb.

    `line` is its line and `behind` the text after it, as far as they may say that it is rounded or wrong.
    """

    sides: tuple[Side, ...]
    relations: tuple[str, ...]
    line: str = ""
    behind: str = ""
    noted: bool = False

    def __str__(self) -> str:
        return "=".join(side.shown for side in self.sides)


class _Token(msgspec.Struct, gc=False):  # a named tuple takes three times as long to create
    kind: str
    text: str
    start: int
    end: int


def equations(text: str) -> tuple[list[Equation], list[Equation]]:
    """Return the annotated equations of a solution and the written ones, in order; never raises."""
    text = text[:MAX_TEXT]
    if "\\n" in text:
        text = WRITTEN_NEWLINE.sub("\n", text)
    if "＝" in text:
        text = text.replace("＝", "=")
    if "«" in text:
        text = text.replace("«", "<<").replace("»", ">>")
    has_code = "```" in text or "[asy]" in text
    if "<<" not in text:
        return [], list(written(CODE.sub("\n", text) if has_code else text))
    noted = list(annotated(text))
    # The calculation of an annotation is also in the prose beside it, where only the most common form is read.
    lines = frozenset() if has_code else frozenset(n for n, line in enumerate(text.split("\n")) if "<<" in line)
    text = ANNOTATION.sub("", text)
    return noted, list(written(CODE.sub("\n", text) if has_code else text, lines))


def annotated(text: str) -> Iterator[Equation]:
    """Yield the `<<left=right>>` equations in order."""
    for number, match in enumerate(ANNOTATION.finditer(text)):
        if number >= MAX_EQUATIONS:
            return
        plain, relation = match[1], "="
        if PLAIN_ANNOTATION.fullmatch(plain) is None:
            plain = to_plain(plain).replace("$", "")
            if "≈" in plain:
                plain, relation = plain.replace("≈", "="), "≈"
        sides = [Side(_outer(part), part.strip()) for part in plain.split("=")]
        if len(sides) > 1 and all(side.text for side in sides):
            yield Equation(tuple(sides), (relation,) * (len(sides) - 1), noted=True)


def _outer(text: str) -> str:
    """Return an annotation's side without stray full stops and brackets: `7.`, `(3+4`."""
    text = text.strip().rstrip(".,").strip()
    if "(" not in text and ")" not in text:
        return text
    while text.count("(") > text.count(")") and text.startswith("("):
        text = text[1:].strip()
    while text.count(")") > text.count("(") and text.endswith(")"):
        text = text[:-1].strip()
    return text


def written(text: str, noted_lines: frozenset[int] = frozenset()) -> Iterator[Equation]:
    """Yield the equations of running text and LaTeX, at most MAX_EQUATIONS."""
    num_lines = 0
    last: Side | None = None
    skipped = ""  # a clause without a calculation before its equals sign; the next line may go on from it
    goes_on = False
    lines = text.split("\n")
    for number, raw in enumerate(lines):
        if not raw or raw.isspace():
            continue
        if not ("=" in raw or "≈" in raw or "\\approx" in raw or _speaks(raw)):
            last, skipped = None, ""
            goes_on = raw.rstrip().endswith(("+", "-", "*", "/", "(", "\\times", "\\cdot"))
            continue
        num_lines += 1
        if num_lines > MAX_EQUATIONS:
            return
        behind = next((line[:100] for line in lines[number + 1 : number + 3] if line.strip()), "")
        usual = _usual(raw, behind) if not goes_on else None
        if usual is not None:
            yield from usual
            last = usual[-1].sides[-1] if raw.endswith(usual[-1].sides[-1].shown) else None
            skipped = ""
            continue
        if number in noted_lines:
            last, skipped = None, ""
            continue
        for part in CLAUSE.split(raw) if len(raw) > 100 else (raw,):
            if not ("=" in part or "≈" in part or "\\approx" in part or _speaks(part)):
                last, skipped, goes_on = None, "", False
                continue
            for clause in to_plain(part).split("\n"):
                if CONTINUES.match(clause):
                    if skipped:
                        last = yield from _of_line(skipped, raw, behind, None, goes_on=goes_on)
                elif USEFUL.search(clause) is None and not _speaks(clause):
                    last, skipped, goes_on = None, clause if "=" in clause else "", False
                    continue
                last = yield from _of_line(clause, raw, behind, last, goes_on=goes_on)
                skipped = ""
                goes_on = clause.rstrip().endswith(OPEN_ENDS)


def _usual(line: str, behind: str) -> list[Equation] | None:
    """Return the equations of a line if all have the most common form, else None."""
    # Such an equation has a number on both sides of its sign: checking that first is faster for most lines of LaTeX.
    place = line.find("=")
    if place < 0 or "≈" in line:
        return None
    while place >= 0:
        left = line[place - 2 : place].rstrip(" ") if place > 1 else line[:place]
        if not left[-1:].isdigit() or _NUMBER_BEGINS.match(line, place + 1) is None:
            return None
        place = line.find("=", place + 1)
    found = (_usual_sides if len(line) <= MAX_CACHED else _usual_sides.__wrapped__)(line)
    if found is None:
        return None
    return [Equation(sides, ("=",), line[:MAX_CONTEXT], f"{after} {behind}") for sides, after in found]


# Cached, because the draws of one question state the same calculations. Long lines rarely recur.
@lru_cache(maxsize=8_192)
def _usual_sides(line: str) -> list[tuple[tuple[Side, Side], str]] | None:
    """Return the sides of each equation of a line and what follows it, if all have the most common form, else None."""
    found: list[tuple[tuple[Side, Side], str]] = []
    for match in USUAL.finditer(line):
        before, after = (match["before"] or "").lower(), match["after"] or ""
        if before in NOT_BEFORE or after in NOT_AFTER:
            return None
        left, right = match["left"], match["right"]
        text = left.replace(" ", "").replace("$", "").replace(",", "").replace("x", "*")
        if _LEADING_ZERO.search(text):
            return None
        sides = (
            Side(text, left, labelled=bool(before)),
            Side(right.replace(",", ""), line[match.start("right") : match.end("right")], has_units=bool(after)),
        )
        found.append((sides, line[match.end() : match.end() + 160]))
    return found if len(found) == line.count("=") else None


def _speaks(line: str) -> bool:
    """Say whether a line without an equals sign may state a calculation and its result in words."""
    # Written out: any() with a generator takes five times as long, for every line of every text.
    has_verb = (
        " is " in line or " are " in line or " gives " in line or " equals " in line or " makes " in line
        or " leaves " in line
    )  # fmt: skip
    return has_verb and SPOKEN.search(line) is not None


def _of_line(
    line: str, raw: str, behind: str, last: Side | None, *, goes_on: bool
) -> Generator[Equation, None, Side | None]:
    """Yield the equations of one plain line; return the side that the following line may continue."""
    read = _calculations if len(line) <= MAX_CACHED else _calculations.__wrapped__
    found, right = read(line, last, goes_on)
    for sides, relations, after in found:
        yield Equation(sides, relations, raw[:MAX_CONTEXT], f"{after} {behind}")
    return right


@lru_cache(maxsize=8_192)
def _calculations(
    line: str, last: Side | None, goes_on: bool
) -> tuple[list[tuple[tuple[Side, ...], tuple[str, ...], str]], Side | None]:
    """Return the sides, the relations and the following text of each equation of a plain line, and its last side."""
    found: list[tuple[tuple[Side, ...], tuple[str, ...], str]] = []
    if " of " in line:
        line = FRACTION_WORDS.sub(_as_fraction, line)
        line = TIMES_WORDS.sub(lambda match: f"{MULTIPLES[match[0].lower()]} *", line)
    if len(line) > 80:
        line = PROSE.sub(r"\1\2", line)
    tokens = tokens_of(line)
    places = [place for place, token in enumerate(tokens) if token.kind == "relation"]
    if not places:
        return found, None
    sides: list[Side] = []
    relations: list[str] = []
    first = backward(tokens, 0, places[0], line)
    if first is None and places[0] == 0:
        first = last
    elif goes_on:
        first = None
    if first is not None:
        sides.append(first)
    bounds = [*places, len(tokens)]
    right: Side | None = None
    end = 0
    for place, bound in pairwise(bounds):
        right, end = forward(tokens, place + 1, bound, line)
        if right is not None and sides:
            sides.append(right)
            relations.append(tokens[place].text)
        covers = right is not None and end == bound
        if not covers or bound == len(tokens):
            if len(sides) > 1:
                after = line[tokens[end - 1].end : tokens[end - 1].end + 160]
                found.append((tuple(sides), tuple(relations), after))
            sides, relations = [], []
            if bound < len(tokens):
                following = backward(tokens, place + 1, bound, line)
                sides = [following] if following is not None else []
        elif not sides and right is not None:
            sides = [right]
    # The following line can continue only a side at the end of this one.
    return found, right if all(token.kind == "stop" for token in tokens[end:]) else None


def _as_fraction(match: re.Match[str]) -> str:
    part = match["part"].lower()
    return f"{COUNTS[(match['count'] or '').lower()]}/{PARTS.get(part) or PARTS[part.removesuffix('s')]}"


def tokens_of(line: str) -> list[_Token]:
    """Split a plain line into numbers, words, relations, operators and stops; calculating words become operators."""
    start, end = _window(line)
    tokens: list[_Token] = [_Token("other", BREAK, start, start)] if start > MAX_REACH else []
    remarks: list[int] = []
    for match in TOKEN.finditer(line, start, end):
        kind, text = match.lastgroup or "", match[0]
        begin, stop = match.span()
        if kind == "word":
            if len(text) > 10 or text.lower() not in CALCULATING:
                tokens.append(_Token(kind, text, begin, stop))
            else:
                _add_word(tokens, text, begin, stop, line)
            continue
        if kind == "mark":
            if text in "/()[]":
                added = _add_bracket(tokens, remarks, text, begin, stop, line)
                if added:
                    tokens.append(_Token(kind, added, begin, stop))
                continue
        elif kind == "number":
            if text in "23" and len(tokens) > 1 and tokens[-1].text == "^" and _is_unit_word(tokens[-2]):
                tokens.pop()  # cm^2
                continue
        elif kind == "relation":
            remarks.clear()
        tokens.append(_Token(kind, text, begin, stop))
    return tokens


def _is_unit_word(token: _Token) -> bool:
    return token.kind == "word" and len(token.text) > 1 and token.text not in OPERANDS


def _add_word(tokens: list[_Token], text: str, start: int, end: int, line: str) -> None:
    """Add a word that may calculate: as an operator or relation, merged into the number before it, or as a word."""
    lower = text.lower()
    before = tokens[-1] if tokens else None
    is_operand = before is not None and (before.kind == "number" or before.text in (")", "%"))
    kind = "word"
    if lower in SIGNS and is_operand and _number_follows(line, end):
        kind, text = "mark", SIGNS[lower]
    elif lower == "by" and before is not None and before.text.lower() in SIGNS_BY and len(tokens) > 1:
        kind, text, start = "mark", SIGNS_BY[tokens.pop().text.lower()], before.start
    elif lower == "of" and before is not None and _is_share(tokens) and _number_follows(line, end):
        kind, text = "mark", "*"
    elif lower in VERBS and _number_follows(line, end) and _ends_operand(tokens):
        kind, text = "relation", "is"
    elif lower in SCALES and before is not None and before.kind == "number":
        value = Fraction(before.text.replace(",", "")) * SCALES[lower]
        tokens[-1] = _Token("number", _decimal(value), before.start, end)
        return
    elif lower in ARTICLES and before is not None and (before.kind == "relation" or before.text == "*"):
        return
    elif lower == "x" and before is not None and before.kind == "word" and _UNIT_TIMES.match(line, end):
        kind, text = "mark", "*"  # 3 boxes x 12 pens
    elif lower == "percent" and is_operand:
        kind, text = "mark", "%"
    tokens.append(_Token(kind, text, start, end))


def _add_bracket(tokens: list[_Token], remarks: list[int], text: str, start: int, end: int, line: str) -> str:
    """Return the sign to add for a bracket or slash, or ""; removes a remark in brackets."""
    before = tokens[-1] if tokens else None
    if text == "/":  # questions/week, $20/bag
        return "" if before is not None and before.end == start and _PER.match(line, end) else text
    if text in "([":
        is_remark = before is not None and before.end < start and (
            before.kind in ("number", "word") or before.text in (")", "%")
        )  # fmt: skip
        remarks.append(len(tokens) if is_remark else -1)
        return "("
    begun = remarks.pop() if remarks else -1
    if begun >= 0 and len(tokens) - begun <= MAX_REMARK and _is_remark(tokens[begun:], line[end : end + 3]):
        del tokens[begun:]  # 4 * 2 (10% off) = 8
        return ""
    return ")"


def _window(line: str) -> tuple[int, int]:
    """Return the span of a clause's arithmetic; text far from any relation is left out."""
    bullet = BULLET.match(line)
    start = bullet.end() if bullet else 0
    useful = USEFUL.search(line, start)
    if useful is not None and useful.start() - start > MAX_REACH:
        # A break marks the cut, so that a calculation that reaches it has no value.
        start = line.find(" ", useful.start() - MAX_REACH)
    last = max(line.rfind("="), line.rfind("≈"))
    if last < 0 or len(line) - last < 200:
        return start, len(line)
    end = line.find(" ", last + 150)
    return start, end if end > 0 else len(line)


def _is_remark(tokens: Sequence[_Token], behind: str) -> bool:
    """Say whether a bracket contains a remark about a calculation rather than a part of it."""
    if behind.lstrip()[:1] == "^" or any(token.kind == "other" for token in tokens):
        return False
    return any(
        token.kind == "word" and len(token.text) > 2 and token.text.islower() and token.text not in OPERANDS
        for token in tokens
    )


_PER = regex(r" ?(?!sqrt|binom)(?:[A-Za-z]{3,}|(?:hr?|s|kg|lb|km|L)(?![A-Za-z^(]))")
_UNIT_TIMES = regex(r" \$?\d")
_FOLLOWS = regex(r"\s+(?:(?:the|these|those|all|only|just|exactly|about)\s+)?[$(-]?\s?[\d(.]")


def _number_follows(line: str, place: int) -> bool:
    return _FOLLOWS.match(line, place) is not None


def _is_share(tokens: list[_Token]) -> bool:
    """Say whether the tokens end in a percentage or a fraction, which a following `of` multiplies."""
    if tokens[-1].text == "%":
        return True
    return (
        len(tokens) > 2 and tokens[-1].kind == "number" and tokens[-2].text == "/" and tokens[-3].kind == "number"
    ) or (tokens[-1].text == ")" and any(token.text == "/" for token in tokens[-6:]))


def _ends_operand(tokens: list[_Token]) -> bool:
    """Say whether the tokens end in a number or a bracket, with up to three words after it."""
    for token in reversed(tokens[-4:]):
        if token.kind == "number" or token.text in (")", "%"):
            return True
        if token.kind != "word":
            return False
    return False


def _decimal(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.6f}".rstrip("0").rstrip(".")


def backward(tokens: Sequence[_Token], low: int, place: int, line: str) -> Side | None:
    """Return the calculation that ends right before a relation; None if the words before it may belong to it."""
    parts: list[str] = []
    place -= 1
    end = tokens[place].end if place >= low else 0
    start = end
    has_units = labelled = False
    depth = 0
    while place >= low:
        token = tokens[place]
        kind, text = token.kind, token.text
        if kind == "number" or text in OPERANDS:
            if parts and parts[-1][0] in "0123456789." and not _is_mixed(parts):
                return None
            if parts and text not in OPERANDS and parts[-1][0].isalpha() and parts[-1] not in OPERANDS:
                return None
            parts.append(text.replace(",", "") if kind == "number" else text)
        elif kind == "mark":
            if (
                text == "-"
                and place > low
                and tokens[place - 1].kind == "word"
                and not _is_unit(tokens, low, place - 1)
            ):
                return None
            depth += (text == ")") - (text == "(")
            if depth < 0 and place > low and tokens[place - 1].kind == "word":
                if tokens[place - 1].end == token.start and tokens[place - 1].text not in OPERANDS:
                    return None  # f(3 + 4 = ...
                labelled = True
                break
            parts.append(text)
        elif text == "of" and parts and place > low and tokens[place - 1].text.lower() in OF_NOUNS:
            labelled = True
            break
        elif kind == "word":
            if (
                parts
                and parts[-1] not in ("+", "-", "*", "/", ")", "^")
                and (token.end == start or len(text) == 1 or text.lower() in OPEN_WORDS)
            ):
                return None
            first = _is_unit(tokens, low, place)
            if first is not None and (not parts or parts[-1] in ("+", "-", "*", "/", ")")):
                has_units = True
                place, start = first, tokens[first].start
                place -= 1
                continue
            is_signed = parts and parts[-1] == "-" and _is_signed(tokens, place + 1)
            if parts and parts[-1] in "+-*/^%!)" and not is_signed:
                return None
            if not parts or text.lower() in OPEN_WORDS or len(text) == 1:
                return None
            words = place
            while words > low and tokens[words].kind == "word" and place - words < 4:
                words -= 1
            if tokens[words].kind == "mark" and tokens[words].text not in (")", "%"):
                return None  # 25 pens + his 3 + 4 =
            if parts[-1][0] in "(sbπ" and not (text.islower() and len(text) > 2):
                return None  # ab sqrt(15) = 3
            if text.lower() in INDEX_WORDS:
                return None
            labelled = True
            break
        elif kind == "stop":
            if token.end == start and place > low and tokens[place - 1].end == token.start and text != ";":
                return None  # 3:4 and 13,2000
            if text == "." and line[token.end : start] == "$" and token.start > 0 and line[token.start - 1] == " ":
                return None  # .$500 is a decimal
            if text == "," and depth > 0:
                return None
            break
        elif text in "\"'“”‘’#>|" and kind == "other":
            if text in "|'":
                return None
            break
        else:
            return None
        start = token.start
        place -= 1
    return _side(parts[::-1], line[start:end], labelled=labelled, has_units=has_units)


def _is_signed(tokens: Sequence[_Token], place: int) -> bool:
    """Say whether a minus sign is that of a negative number: no space after it, and one before."""
    sign = tokens[place]
    if sign.text != "-" or place + 1 >= len(tokens) or tokens[place + 1].start != sign.end:
        return False
    return place == 0 or tokens[place - 1].end < sign.start


def _is_mixed(parts: list[str]) -> bool:
    """Say whether the parts, collected backwards, end in the fraction of a mixed number."""
    return len(parts) > 2 and parts[-2] == "/" and parts[-1].isdigit() and parts[-3].isdigit()


def _is_unit(tokens: Sequence[_Token], low: int, place: int) -> int | None:
    """Return the first of the words that end at `place`, if they are the unit of the number before them."""
    first = place
    while first >= low and tokens[first].kind == "word" and place - first < 5:
        if not _can_measure(tokens[first].text):
            return None
        first -= 1
    if first < low or first == place:
        return None
    before, word = tokens[first], tokens[first + 1]
    if before.kind != "number" and before.text not in (")", "%"):
        return None
    return first + 1 if word.start > before.end or word.text.lower() in TIGHT_UNITS else None


def _can_measure(word: str) -> bool:
    """Say whether a word can be part of a unit: not a letter, an operation or the beginning of a clause."""
    if word.isupper() and len(word) < 4 and word.lower() not in TIGHT_UNITS:
        return False  # the length of a side, CP
    return len(word) > 1 and word not in OPERANDS and (word.lower() not in CLAUSE_WORDS or word.lower() == "per")


def forward(tokens: Sequence[_Token], place: int, bound: int, line: str) -> tuple[Side | None, int]:
    """Return the calculation right after a relation and its end; no side if it continues as something else."""
    parts: list[str] = []
    begin = tokens[place].start if place < bound else 0
    end = shown_end = begin
    has_units = False
    depth = 0
    while place < bound:
        token = tokens[place]
        kind, text = token.kind, token.text
        if kind == "number" or text in OPERANDS:
            if parts and parts[-1][0] in "0123456789." and text not in OPERANDS:
                is_mixed = place + 2 < bound and tokens[place + 1].text == "/" and tokens[place + 2].kind == "number"
                if not is_mixed or has_units:
                    return None, place
            if parts and has_units and parts[-1][0].isdigit() and line[end : token.start].strip():
                return None, place
            parts.append(text.replace(",", "") if kind == "number" else text)
        elif kind == "mark":
            depth += (text == "(") - (text == ")")
            if text == "!" and (place + 1 == bound or tokens[place + 1].kind == "word"):
                return None, place
            if (
                text == "("
                and parts
                and parts[-1][-1].isdigit()
                and end < token.start
                and not _closes(tokens, place, bound)
            ):
                break  # = 7 (see above)
            parts.append(text)
        elif kind == "word":
            if not parts or parts[-1] in ("+", "-", "*", "/", "^", "("):
                return None, place
            lower = text.lower()
            if token.start == end and lower not in TIGHT_UNITS:
                return None, place
            if len(text) == 1 and not (text in UNIT_LETTERS and len(parts) == 1) and text not in "aIA":
                return None, place
            if lower in AFTER_WORDS and not _is_prose(tokens, place, bound, lower):
                return None, place
            after = place
            while after < bound and tokens[after].kind == "word" and _can_measure(tokens[after].text):
                after += 1
            is_unit = after > place and (after == bound or tokens[after].kind != "word")
            has_units |= after > place
            if is_unit and (after == bound or (tokens[after].kind == "mark" and tokens[after].text != "(")):
                end = tokens[after - 1].end
                place = after
                continue
            if len(tokens) == bound and after == bound:
                place = bound
            break
        elif kind == "stop":
            if text == "," and depth > 0:
                return None, place
            following = tokens[place + 1] if place + 1 < bound else None
            is_tight = following is not None and end == token.start and following.start == token.end
            if is_tight and text != ";" and following is not None and following.kind in ("number", "other", "stop"):
                return None, place
            break
        elif text in '"“”|#' and parts:
            break
        else:
            return None, place
        end = shown_end = token.end
        place += 1
    side = _side(parts, line[begin:shown_end], has_units=has_units)
    return side, place


def _closes(tokens: Sequence[_Token], place: int, bound: int) -> bool:
    """Say whether a bracket contains only arithmetic."""
    for token in tokens[place + 1 : bound]:
        if token.text == ")":
            return True
        if token.kind not in ("number", "mark") and token.text not in OPERANDS:
            return False
    return False


def _is_prose(tokens: Sequence[_Token], place: int, bound: int, word: str) -> bool:
    """Say whether a word after a number begins a new clause, not the rest of the value (`3 and 1/2`, `3 to 5`)."""
    following = tokens[place + 1] if place + 1 < bound else None
    if word not in PROSE_WORDS:
        return False
    if word in ("more", "less"):
        return following is None or following.text.lower() != "than"
    return (
        following is not None and following.kind == "word" and following.text.lower() not in ("half", "a", "remainder")
    )


def _side(parts: list[str], shown: str, *, labelled: bool = False, has_units: bool = False) -> Side | None:
    """Return a side without unmatched outer brackets; None if nothing is left, or an operator begins or ends it."""
    num_parts = len(parts)
    while parts and parts[0] == "(" and parts.count("(") > parts.count(")"):
        parts = parts[1:]
    while parts and parts[-1] == ")" and parts.count(")") > parts.count("("):
        parts = parts[:-1]
    if len(parts) == 1 and num_parts > 1:
        labelled = True  # 2) = 32 - 4
    if any(part[0] == "0" and part[1:2].isdigit() for part in parts):
        return None  # 0900 - 0130 are times
    if not parts or parts[0] in ("+", "*", "/", "^", "%", "!", ")") or parts[-1] in ("+", "-", "*", "/", "^", "("):
        return None
    text = "".join(" " + part if number and part[0].isdigit() and parts[number - 1][-1].isdigit() else part
                   for number, part in enumerate(parts))  # fmt: skip
    if _LEADING_ZERO.search(text):
        return None  # 0900 - 0130 are times
    return Side(text, shown.strip(), labelled, has_units)


# Whole numbers and operators without spaces are in their shortest form.
SHORTEST = regex(r"[1-9]\d{0,40}(?:[-+*/][1-9]\d{0,40}){0,6}", re.ASCII)


def canonical(side: Side) -> str:
    """Return one side without spaces and with each number in its shortest form."""
    if SHORTEST.fullmatch(side.text) is not None:
        return side.text
    return _canonical(side.text) if len(side.text) <= MAX_CHARS else side.text


@lru_cache(maxsize=CACHED)
def _canonical(text: str) -> str:
    spelled = ""
    for token in tokenize(text):
        gap = " " if token[0].isdigit() and spelled[-1:].isdigit() else ""  # a mixed number
        spelled += gap + (canonical_number(token) if token[-1].isdigit() else token)
    return spelled or text.strip()
