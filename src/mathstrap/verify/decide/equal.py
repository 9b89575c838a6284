"""Compare a bare answer with the gold, tier by tier: text, number, then structure and expression. Nothing is executed.

Each tier either decides or passes on; what no tier decides is undecided, which is neither correct nor wrong.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

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
    Ratio,
    Relation,
    Sym,
    Union,
)
from mathstrap.verify.read.normalize import choice_letter, clean, compact, is_text, plain_number, words_key, words_set
from mathstrap.verify.read.parse import parse
from mathstrap.verify.read.words import number_from_words

Tier = Literal["empty", "number", "text", "structure", "expression", "none"]


class Decision(msgspec.Struct, frozen=True):
    """What the tiers say of two bare answers."""

    outcome: Outcome
    tier: Tier
    reason: str


_SPACED_NUMBERS = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:\s+-?[0-9]+(?:\.[0-9]+)?)+")
_UNIT_LETTER = re.compile(r"(?<=[0-9])\s+([mgsLhNJWVAKCF])$")
_EMPTY_SETS = frozenset({"\\emptyset", "\\varnothing", "\\{\\}"})
NO_GOLD = Decision("undecided", "empty", "the gold answer is empty")
NO_ANSWER = Decision("wrong", "empty", "the answer is empty")
SAME_NUMBER = Decision("correct", "number", "the same number")
OTHER_NUMBER = Decision("wrong", "number", "different numbers")
SAME_TEXT = Decision("correct", "text", "the same text")
OTHER_TEXT = Decision("wrong", "text", "different text")


def decide(gold: str, got: str) -> Decision:
    """Compare a bare answer with the gold answer. Never raises, and is bounded in time and memory for any text."""
    left, right = plain_number(gold), plain_number(got)
    if left is not None and right is not None and (left == right or len(left) < 15 > len(right)):
        return SAME_NUMBER if left == right else OTHER_NUMBER
    gold_text, got_text = clean(gold), clean(got)
    if not gold_text:
        return NO_GOLD
    if not got_text:
        return NO_ANSWER
    left, right = plain_number(gold_text), plain_number(got_text)
    if left is not None and right is not None and (left == right or len(left) < 15 > len(right)):
        return SAME_NUMBER if left == right else OTHER_NUMBER
    if compact(gold_text) == compact(got_text):
        return SAME_TEXT
    return _decide_words(gold, gold_text, got_text) or _decide_parsed(gold_text, got_text)


def _decide_words(gold: str, gold_text: str, got_text: str) -> Decision | None:
    choice, other_choice = choice_letter(gold_text), choice_letter(got_text)
    if choice and other_choice:
        return SAME_TEXT if choice == other_choice else OTHER_TEXT
    key = words_key(gold_text)
    if key is None:
        return None
    other = words_key(got_text)
    if other is not None and (key == other or ("(" not in gold_text and words_set(key) == words_set(other))):
        return SAME_TEXT
    if key == "no solutions" and compact(got_text) in _EMPTY_SETS:
        return SAME_TEXT
    if (
        is_text(gold) and key.isalpha() and number_from_words(key) is None
    ):  # \text{odd} is a word, never o times d times d
        return OTHER_TEXT
    return None


def _parsed(text: str, *, join_thousands: bool = True) -> Node | NotMathError:
    try:
        return parse(text, join_thousands=join_thousands)
    except NotMathError as error:
        number = number_from_words(text) if len(text) < 100 else None
        if number is not None:
            return parse(number)
        if len(text) < 200 and _SPACED_NUMBERS.fullmatch(text):
            return parse(", ".join(text.split()))
        return error
    except RecursionError:
        return NotMathError("the answer is nested too deeply")


def _decide_parsed(gold_text: str, got_text: str) -> Decision:
    gold = _parsed(gold_text)
    got = _parsed(got_text)
    if isinstance(gold, NotMathError):
        if words_key(gold_text) is not None and len(gold_text) < 200:
            return OTHER_TEXT
        return Decision("undecided", "none", f"the gold is not mathematics: {gold}")
    if isinstance(got, NotMathError):
        return Decision("wrong", "text", f"the answer is not mathematics: {got}")
    answer = _compare(gold, got)
    if answer is not True and "," in gold_text and "," in got_text:
        mine, theirs = _parsed(gold_text, join_thousands=False), _parsed(got_text, join_thousands=False)
        if (mine, theirs) != (gold, got) and isinstance(mine, Group) and isinstance(theirs, Group):
            answer = _compare(mine, theirs) or answer
    if answer is False:
        bare_gold, bare_got = _without_unit_letter(gold_text, got_text), _without_unit_letter(got_text, gold_text)
        if (bare_gold, bare_got) != (gold_text, got_text):
            return _decide_parsed(bare_gold, bare_got)
    tier: Tier = "expression" if _is_expression(gold) and _is_expression(got) else "structure"
    if type(gold) is Num and type(got) is Num:
        tier = "number"
    if answer is None:
        return Decision("undecided", "none", "neither equality nor a difference could be established")
    what = {"number": "number", "expression": "value", "structure": "structure"}[tier]
    return Decision("correct", tier, f"the same {what}") if answer else Decision("wrong", tier, f"a different {what}")


def is_number(text: str) -> bool:
    """Say whether an answer is one rational number, with or without a unit, a name before it or a percent sign."""
    text = clean(text)
    if plain_number(text) is not None:
        return True
    node = _parsed(text)
    if isinstance(node, NotMathError):
        return False
    node = canonical(node)
    if isinstance(node, Relation) and node.signs == ("=",):
        node = node.items[1]
    return rational(strip_marks(node)) is not None


def _without_unit_letter(text: str, other: str) -> str:
    """Return `8 m` as `8` when the other answer does not mention an m."""
    match = _UNIT_LETTER.search(text)
    return text[: match.start()] if match and match[1] not in other else text


def _compare(gold: Node, got: Node) -> bool | None:
    begin()
    try:
        return same_answer(gold, got)
    except (EffortError, RecursionError, ArithmeticError, ValueError, MemoryError):
        return None


def _is_expression(node: Node) -> bool:
    return isinstance(node, Num | Sym | Add | Mul | Pow | Call) and not isinstance(
        node, Group | Matrix | Ratio | Relation | Union
    )
