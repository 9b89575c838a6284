"""Compare a bare answer with the gold, tier by tier: text, number, then structure and expression. Nothing is executed.

Each tier either decides or passes on; what no tier decides is undecided, which is neither correct nor wrong. So is an
answer that cannot be read: only what was understood is called wrong.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import msgspec

from mathstrap.patterns import regex
from mathstrap.types import Outcome
from mathstrap.verify.decide.compare import same_answer
from mathstrap.verify.decide.effort import EffortError, begin
from mathstrap.verify.decide.exact import rational
from mathstrap.verify.decide.identity import strip_marks
from mathstrap.verify.decide.structure import canonical
from mathstrap.verify.read.nodes import (
    Add,
    Call,
    Group,
    Matrix,
    Mul,
    Node,
    NotMathError,
    Num,
    Pow,
    Quantity,
    Ratio,
    Relation,
    Sym,
    Union,
    symbols,
)
from mathstrap.verify.read.normalize import (
    MAX_CHARS,
    choice_of,
    clean,
    compact,
    integer_names,
    is_text,
    plain_number,
    remainder,
    split_qualifier,
    words_key,
    words_set,
)
from mathstrap.verify.read.parse import ChangedValueError, parse
from mathstrap.verify.read.tokens import has_thousands
from mathstrap.verify.read.words import NO_NUMBERS, counted_in_words, expression_from_words, named_set, ordinal

Tier = Literal["empty", "number", "text", "structure", "expression", "none"]


class Decision(msgspec.Struct, frozen=True):
    """What the tiers say of two bare answers."""

    outcome: Outcome
    tier: Tier
    reason: str


class _Answer(msgspec.Struct, frozen=True):
    """An answer prepared for comparison; `number` is its digits if it is a plain number or an amount of money."""

    text: str
    compact: str
    number: str | None
    currency: str
    qualifier: str


MAX_CACHED_CHARS = 300
_HAS_CONTENT = re.compile(r"(?<![\\A-Za-z])[A-Za-z0-9]")
_SPACED_NUMBERS = regex(r"-?[0-9]+(?:\.[0-9]+)?(?:\s+-?[0-9]+(?:\.[0-9]+)?)+")
_LETTERS_TOGETHER = re.compile(r"(?=[A-H]{2,6}$)A?B?C?D?E?F?G?H?")
_LETTERS_APART = regex(r"\(?[A-H]\)?(?:\s?,\s?\(?[A-H]\)?){1,5}")
_UNIT_LETTER = re.compile(r"(?<=[0-9])\s+([mgsLhNJWVAKCF])(?:\^\{?([23])\}?)?$")
_TOUCHING_UNIT = re.compile(r"(?<=[0-9])([mgLs])(?:\^\{?([23])\}?)?$")  # 1.5m, beside another unit
_HAS_UNIT = regex(r"[0-9}](?:\s|\\,|\\text\s?\{)*[A-Za-z]{2}")
_AREA_UNIT = regex(r"\b(?:sq|square|cu|cubic)\.?\s+[a-z]{1,2}\b")
_IN_TEXT = regex(r"\\text\{[^{}]*\}")
_LETTER = regex(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])")
_MONEY = re.compile(r"(-?)\s?\\?([$€£¥₹₩₽])\s?(-?[0-9.,]+)")
_DECIMAL_COMMA = re.compile(r"(-?)([0-9]+),([0-9]{1,9})(?!,)(\s?[^0-9,]{0,30})")
_DIGITS = regex(r"[0-9]+")
_DOT_THOUSANDS = regex(r"-?[0-9]{1,3}\.[0-9]{3}")
_BOUND_IN_WORDS = regex(
    r"(at most|no more than|up to|less than|fewer than|under|below|at least|no less than|no fewer than|more than"
    r"|greater than|over|above|larger than|smaller than)\s+(.{1,100})",
    re.IGNORECASE | re.DOTALL,
)
_UPPER = frozenset({"at most", "no more than", "up to"})
_STRICT_UPPER = frozenset({"less than", "fewer than", "under", "below", "smaller than"})
_LOWER = frozenset({"at least", "no less than", "no fewer than"})
_EMPTY_SETS = frozenset({"\\emptyset", "\\varnothing", "\\{\\}"})
_SETS = {"positive integers", "integers >= 0", "naturals"}
NO_GOLD = Decision("undecided", "empty", "the gold answer is empty")
NO_ANSWER = Decision("wrong", "empty", "the answer is empty")
SAME_NUMBER = Decision("correct", "number", "the same number")
OTHER_NUMBER = Decision("wrong", "number", "different numbers")
SAME_TEXT = Decision("correct", "text", "the same text")
OTHER_TEXT = Decision("wrong", "text", "different text")
OTHER_KIND = Decision("wrong", "text", "one answer is a number and the other words")
CHANGED_VALUE = Decision("wrong", "structure", "the words after the value make another value of it")
TOO_MUCH_WORK = Decision("undecided", "none", "the comparison takes too much work")
OTHER_CONDITIONS = Decision("undecided", "none", "the same value, but the conditions after it differ")
TOO_LONG = Decision("undecided", "none", "longer than is read")
UNCLEAR_SEPARATOR = Decision("undecided", "none", "a comma or dot may separate decimals or thousands")


def decide(gold: str, got: str) -> Decision:
    """Compare a bare answer with the gold answer. Never raises, and is bounded in time and memory for any text."""
    left = plain_number(gold)
    if gold == got and _HAS_CONTENT.search(gold):
        return SAME_TEXT if left is None else SAME_NUMBER
    right = None if left is None else plain_number(got)
    if left is not None and right is not None and (decision := _decide_numbers(left, right, got)):
        return decision
    begin()
    try:
        return _decide(gold, got)
    except (EffortError, RecursionError, ArithmeticError, ValueError, MemoryError):
        return TOO_MUCH_WORK


def _decide(gold: str, got: str) -> Decision:
    if max(len(gold), len(got)) > MAX_CHARS and (len(gold.strip()) > MAX_CHARS) != (len(got.strip()) > MAX_CHARS):
        return TOO_LONG  # neither is read beyond that length, and as texts the two differ
    mine, theirs = _prepare(gold), _prepare(got)
    if not mine.text:
        return NO_GOLD
    if not theirs.text:
        return NO_ANSWER
    if mine.number is not None and theirs.number is not None and (not mine.currency or not theirs.currency):
        decision = _decide_numbers(mine.number, theirs.number, theirs.text)
        if decision:
            return decision
    if mine.compact == theirs.compact:
        return OTHER_CONDITIONS if _conditions_differ(mine, theirs) else SAME_TEXT
    options = _decide_options(mine, theirs)
    return options or _decide_words(gold, mine.text, theirs.text) or _decide_parsed(mine, theirs)


def _decide_numbers(gold: str, got: str, text: str) -> Decision | None:
    """Compare canonical digits; None for numbers that need care, as a float that prints its noise."""
    if gold == got:
        return SAME_NUMBER
    if len(gold) >= 15 or len(got) >= 15:
        return None
    if "." in text and _DOT_THOUSANDS.fullmatch(text) and text.replace(".", "") == gold:
        return UNCLEAR_SEPARATOR
    return OTHER_NUMBER


def _prepare(text: str) -> _Answer:
    return (_prepared_once if len(text) <= MAX_CACHED_CHARS else _prepared)(text)


def _prepared(text: str) -> _Answer:
    text = clean(text)
    number, currency = plain_number(text), ""
    if number is None and len(text) < 60 and (money := _MONEY.fullmatch(text)):
        number = plain_number(money[1] + money[3])
        currency = money[2] if number is not None else ""
    qualifier = ""
    if number is None and 5 < len(text) <= MAX_CHARS:
        text, qualifier = split_qualifier(text)
    return _Answer(text, compact(text), number, currency, qualifier)


_prepared_once = lru_cache(maxsize=8192)(_prepared)


# --- words ---


def _decide_options(mine: _Answer, theirs: _Answer) -> Decision | None:
    """Compare the letters of two options, or the text of one with an answer that has no letter."""
    if "," in theirs.text and _LETTERS_TOGETHER.fullmatch(mine.text) and _LETTERS_APART.fullmatch(theirs.text):
        same = sorted(mine.text) == sorted(re.findall("[A-H]", theirs.text))
        return SAME_TEXT if same else OTHER_TEXT
    choice, other = choice_of(mine.text), choice_of(theirs.text)
    if choice and other:
        return SAME_TEXT if choice[0] == other[0] else OTHER_TEXT
    for option in (other, choice):
        if option and option[1]:
            text = _with_text(theirs if option is other else mine, clean(option[1]))
            pair = (mine, text) if option is other else (text, theirs)
            if pair[0].compact == pair[1].compact or _decide_parsed(*pair).outcome == "correct":
                return Decision("correct", "structure", "the text of the option is the same")
    return None


def _decide_words(gold: str, gold_text: str, got_text: str) -> Decision | None:
    mine, theirs = remainder(gold_text), remainder(got_text)
    if mine or theirs:
        return Decision("correct" if mine == theirs else "wrong", "structure", "compared as quotient and remainder")
    key = words_key(gold_text)
    other = words_key(got_text)
    if key and other and (place := ordinal(key)) is not None and (theirs_place := ordinal(other)) is not None:
        return SAME_TEXT if place == theirs_place else OTHER_TEXT
    if other == "no solutions" and compact(gold_text) in _EMPTY_SETS:
        return SAME_TEXT
    if key is None or named_set(gold_text):
        return None
    if other is not None and (key == other or ("(" not in gold_text and words_set(key) == words_set(other))):
        return SAME_TEXT
    if key == "infinitely many" and compact(got_text) == "\\infty":
        return SAME_TEXT
    if key == "no solutions" and compact(got_text) in _EMPTY_SETS:
        return SAME_TEXT
    if is_text(gold) and key.isalpha() and expression_from_words(key) is None and (other is None or other.isalpha()):
        return OTHER_TEXT  # \text{odd} is a word, never o times d times d
    return None


def _words_differ(gold: str, got: str) -> Decision | None:
    """Compare a gold that only words can say with an answer; None when it may say the same in other words."""
    key, other = words_key(gold), words_key(got)
    if key is None or len(gold) >= 200:
        return None
    if other is None:
        return OTHER_KIND if key.isalpha() or key in NO_NUMBERS else None
    if key.isalpha() and other.isalpha():
        return OTHER_TEXT
    if key in NO_NUMBERS and other in NO_NUMBERS:
        return OTHER_TEXT
    if _DIGITS.sub("#", key) == _DIGITS.sub("#", other):
        return OTHER_TEXT  # June 20 and June 21
    mine, theirs = words_set(key), words_set(other)
    is_list = len(mine) > 1 or len(theirs) > 1
    return OTHER_TEXT if is_list and all(word.isalpha() for word in (*mine, *theirs)) else None


# --- trees ---


def _parsed(text: str, *, join_thousands: bool = True) -> Node | NotMathError:
    try:
        formula = _formula_in_words(text) if len(text) < 120 and text[-1:].isalnum() else None
        if isinstance(formula, Node):
            return formula
        return parse(formula or text, join_thousands=join_thousands)
    except NotMathError as error:
        if len(text) < 200 and _SPACED_NUMBERS.fullmatch(text):
            return parse(", ".join(text.split()))
        return error
    except RecursionError:
        return NotMathError("the answer is nested too deeply")


def _formula_in_words(text: str) -> Node | str | None:
    """Return what number words, the name of a set or a bound in words say; None for any other text."""
    if text.isdigit() or not _SPELLED.search(text):
        return None
    if (counted := _TIMES_WORDS.get(text.lower())) is not None:
        return Num(Fraction(counted))
    if ratio := _RATIO_IN_WORDS.fullmatch(text):
        return f"{ratio[1]}:{ratio[2]}"
    if (excepted := _EXCEPT.fullmatch(text)) and (name := named_set(excepted[1])):
        points = parse(excepted[2])
        return Call("setminus", (Sym(name), Group("{", points.items if isinstance(points, Group) else (points,), "}")))
    if name := named_set(text):
        return parse(r"\mathbb{R}_{" + name.removeprefix("reals ") + "}") if name.startswith("reals ") else Sym(name)
    bound = _BOUND_IN_WORDS.fullmatch(text)
    if bound:
        words = bound[1].lower()
        value = _parsed(bound[2])
        if isinstance(value, NotMathError):
            raise value
        sign = "<=" if words in _UPPER else "<" if words in _STRICT_UPPER else ">=" if words in _LOWER else ">"
        return Relation((Sym("value"), value), (sign,))
    return expression_from_words(text) or counted_in_words(text)


_SPELLED = re.compile(r"[A-Za-z]{3}|[0-9] to [0-9]")
_TIMES_WORDS = {"once": 1, "twice": 2, "thrice": 3}
_RATIO_IN_WORDS = regex(r"([0-9]{1,9})\s+to\s+([0-9]{1,9})")
_EXCEPT = regex(
    r"(.{4,40}?),? (?:except|other than|excluding|but not|besides|but)(?: for)? (.{1,30})", re.IGNORECASE
)


def _decide_parsed(mine: _Answer, theirs: _Answer) -> Decision:
    gold, got = _parsed(mine.text), _parsed(theirs.text)
    if isinstance(gold, NotMathError):
        return _words_differ(mine.text, theirs.text) or Decision("undecided", "none", f"the gold is not read: {gold}")
    if isinstance(got, NotMathError):
        return _decide_unread(gold, got, mine.text, theirs.text)
    integers = integer_names(mine.qualifier) | integer_names(theirs.qualifier)
    answer = _compare(gold, got, integers)
    if answer is not True and (has_thousands(mine.text) or has_thousands(theirs.text)):
        first, second = _parsed(mine.text, join_thousands=False), _parsed(theirs.text, join_thousands=False)
        if (first, second) != (gold, got) and isinstance(first, Group) and isinstance(second, Group):
            answer = _compare(first, second, integers) or answer
    if answer is not True:
        bare_gold, bare_got = _with_unit_letter(mine.text, theirs.text), _with_unit_letter(theirs.text, mine.text)
        if (bare_gold, bare_got) != (mine.text, theirs.text):
            return _decide_parsed(_with_text(mine, bare_gold), _with_text(theirs, bare_got))
        other = _other_separators(gold, got, mine.text, theirs.text)
        if other is not None:
            return other
    if answer and _conditions_differ(mine, theirs):
        return OTHER_CONDITIONS
    if answer is False and (_holds_only_for(gold, got) or _holds_only_for(got, gold)):
        return Decision("undecided", "none", "the same value, but only one side says for what it holds")
    if answer is False and (_may_be_roman(mine.text, got) or _may_be_roman(theirs.text, gold)):
        return Decision("undecided", "none", "the capitals may be a Roman numeral")
    return _decision(gold, got, answer)


def _holds_only_for(node: Node, other: Node) -> bool:
    """Say whether an answer is the other one with a bound on its letter: `x^2 - 1, x >= 0` and `x^2 - 1`."""
    if not (isinstance(node, Group) and node.opening == "" and len(node.items) == 2 and symbols(other)):
        return False
    if isinstance(other, Relation) and other.signs != ("=",):
        return False  # both bounds are the answer
    value, bound = node.items
    return isinstance(bound, Relation) and "=" not in bound.signs and value == other


_ROMAN = regex(r"(?=[IVX]{2})(X{0,3})(IX|IV|V?I{0,3})")
_ROMAN_PARTS = {"": 0, "I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9}


def _may_be_roman(text: str, other: Node) -> bool:
    """Say whether a text is the Roman numeral of the other answer."""
    match = _ROMAN.fullmatch(text) if text[:1] in "IVX" else None
    return match is not None and other == Num(Fraction(10 * len(match[1]) + _ROMAN_PARTS[match[2]]))


def _decision(gold: Node, got: Node, answer: bool | None) -> Decision:
    tier: Tier = "expression" if _is_expression(gold) and _is_expression(got) else "structure"
    if type(gold) is Num and type(got) is Num:
        tier = "number"
    if answer is None:
        return Decision("undecided", "none", "neither equality nor a difference could be established")
    what = {"number": "number", "expression": "value", "structure": "structure"}[tier]
    return Decision("correct", tier, f"the same {what}") if answer else Decision("wrong", tier, f"a different {what}")


def _decide_unread(gold: Node, error: NotMathError, gold_text: str, text: str) -> Decision:
    """Say what is certain of an answer that is not read: a changed value is not that value, `no` is not a number."""
    value = rational(strip_marks(gold))
    if isinstance(error, ChangedValueError) and value is not None and rational(error.value) == value:
        return CHANGED_VALUE
    if value is not None and (key := words_key(text)) in NO_NUMBERS and not (key == "none" and value == 0):
        return OTHER_KIND
    if gold_text.isalpha() and text.isalpha() and len(gold_text) > 2:
        return OTHER_TEXT  # red and blue
    return Decision("undecided", "none", f"the answer is not read: {error}")


def _with_text(answer: _Answer, text: str) -> _Answer:
    return _Answer(text, compact(text), plain_number(text), "", answer.qualifier)


def _conditions_differ(mine: _Answer, theirs: _Answer) -> bool:
    """Say whether both state a range for their letters, and not the same."""
    first, second = mine.qualifier, theirs.qualifier
    signs = ("\\ge", "\\le", "\\ne", "<", ">")
    is_stated = all(any(sign in each for sign in signs) for each in (first, second))
    return is_stated and re.sub(r"\W|[a-z]", "", first) != re.sub(r"\W|[a-z]", "", second)


def _other_separators(gold: Node, got: Node, gold_text: str, got_text: str) -> Decision | None:
    """Read `0,5` and `3,14` as decimals where the other side is one number; a single decimal may be a list of two."""
    for text, node, other in ((got_text, got, gold), (gold_text, gold, got)):
        match = _DECIMAL_COMMA.fullmatch(text)
        if not match or isinstance(other, Group | Ratio | Relation) or not isinstance(node, Group | Num | Quantity):
            continue
        whole, decimals, unit = match[2], match[3], match[4]
        read = _parsed(f"{match[1]}{whole}.{decimals}{unit}")
        if isinstance(read, NotMathError) or not _compare(
            *((other, read) if text is got_text else (read, other)), frozenset()
        ):
            continue
        is_certain = whole == "0" or unit.strip() or len(decimals) not in (1, 3)
        return (
            Decision("correct", "structure", "the same number, with a decimal comma")
            if is_certain
            else UNCLEAR_SEPARATOR
        )
    return None


def is_number(text: str) -> bool:
    """Say whether an answer is one rational number, with or without a unit, a name before it or a percent sign."""
    answer = _prepare(text)
    if answer.number is not None:
        return True
    begin()
    try:
        node = _parsed(answer.text)
        if isinstance(node, NotMathError):
            return False
        node = canonical(node)
        if isinstance(node, Relation) and node.signs == ("=",):
            node = node.items[1]
        return rational(strip_marks(node)) is not None
    except (EffortError, RecursionError, ArithmeticError, ValueError, MemoryError):
        return False


def _with_unit_letter(text: str, other: str) -> str:
    """Return `8 m` with its m as a unit when the other answer does not use m as a variable."""
    match = _UNIT_LETTER.search(text)
    if match is None and (touching := _TOUCHING_UNIT.search(text)) is not None and _HAS_UNIT.search(other):
        match = touching
    if match is None:
        return text
    other = _AREA_UNIT.sub(" ", other)
    if match[1] in _LETTER.findall(_IN_TEXT.sub("", other)) and not _UNIT_LETTER.search(other):
        return text
    return f"{text[: match.start()]}\\text{{ {match[1]}{'^' + match[2] if match[2] else ''}}}"


def _compare(gold: Node, got: Node, integers: frozenset[str]) -> bool | None:
    try:
        return same_answer(gold, got, integers=integers)
    except (RecursionError, ArithmeticError, ValueError):
        return None


def _is_expression(node: Node) -> bool:
    return isinstance(node, Num | Sym | Add | Mul | Pow | Call) and not isinstance(
        node, Group | Matrix | Ratio | Relation | Union
    )
