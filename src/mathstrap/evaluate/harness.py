"""The scoring rules of lm-evaluation-harness for `gsm8k` and `hendrycks_math`, and why they differ from ours.

The harness's numbers are widely quoted, so ours must be comparable: the same replies are scored by its rules, and every
difference has one of a few named causes. tests/evaluate/test_harness.py compares this with the harness's own code.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import msgspec

from mathstrap.evaluate.score import ScoredDraw, last_answer, stated_answer
from mathstrap.patterns import regex
from mathstrap.steps.expression import plain_number
from mathstrap.types import Style
from mathstrap.verify import grade

Rule = Literal["strict-match", "flexible-extract", "hendrycks_math"]
RULES: dict[Style, tuple[Rule, ...]] = {"gsm8k": ("strict-match", "flexible-extract"), "math": ("hendrycks_math",)}
INVALID = "[invalid]"

_STRICT = regex(r"#### (\-?[0-9\.\,]+)")
_FLEXIBLE = regex(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
_IGNORED = (regex(","), regex(r"\$"), regex(r"(?s).*#### "), regex(r"\.$"))


class HarnessDisagreement(msgspec.Struct, frozen=True, kw_only=True):
    """A reply on which the harness and we disagree: both verdicts, both answers, and the cause."""

    id: str
    rule: Rule
    ours: bool
    theirs: bool
    our_answer: str
    their_answer: str
    cause: str


def harness_answer(text: str, rule: Rule) -> str:
    """Return the answer that the harness extracts from a reply; `[invalid]` where it extracts none."""
    if rule == "strict-match":
        match = _STRICT.search(text)
        return match[1].strip() if match else INVALID
    if rule == "flexible-extract":
        last = None
        for last in _FLEXIBLE.finditer(text):  # noqa: B007 - the last one is wanted
            pass
        return (last[1] or last[2]).strip() if last else INVALID
    dollars = [place for place, char in enumerate(text) if char == "$"]
    return text if len(dollars) <= 1 else text[dollars[0] + 1 : dollars[-1]]


def harness_correct(text: str, gold: str, rule: Rule) -> bool:
    """Return the harness's verdict on a reply; `gold` is the bare gold answer."""
    answer = harness_answer(text, rule)
    if rule == "hendrycks_math":
        return grade(gold, answer, grader="hendrycks").outcome == "correct"
    return _plain(answer) == _plain(gold)


def _plain(text: str) -> str:
    for pattern in _IGNORED:
        text = pattern.sub("", text)
    return text.lower()


def differences(draw: ScoredDraw) -> list[HarnessDisagreement]:
    """Return the harness's verdicts that differ from our strict and flexible ones, each with its cause."""
    disagreements = []
    for rule in RULES[draw.style]:
        ours = draw.strict if rule == "strict-match" else draw.flexible
        theirs = harness_correct(draw.text, draw.expected, rule)
        if ours != theirs:
            stated = stated_answer(draw.text, draw.question)
            extraction = stated if rule == "strict-match" else stated or last_answer(draw.text, draw.question)
            mine, their = extraction.answer if extraction else "", harness_answer(draw.text, rule)
            disagreements.append(
                HarnessDisagreement(
                    id=draw.id, rule=rule, ours=ours, theirs=theirs, our_answer=mine[:80], their_answer=their[:80],
                    cause=cause(draw, rule, their, ours=ours),
                )
            )  # fmt: skip
    return disagreements


def cause(draw: ScoredDraw, rule: Rule, their: str, *, ours: bool) -> str:
    """Return the cause of a difference; every difference has exactly one."""
    stated = stated_answer(draw.text, draw.question)
    if draw.finish_reason == "length" and stated is None and not ours:
        return "cut off before an answer: it takes the last number, we take none"
    if rule == "hendrycks_math":
        return _math_cause(draw, their, ours=ours)
    value, gold = _value(their), _value(draw.expected)
    if ours and value is not None and value == gold:
        return "the same number in another spelling: it compares text, we compare values"
    if rule == "strict-match":
        if their == INVALID:
            return "stated in another form than `#### number`: it reads only that form"
        return "`####` occurs more than once, or with text after the number: it takes the first, we the last"
    if their == INVALID or not any(char.isdigit() for char in their):
        return "the answer is a word or a formula: it reads digits only"
    if value is None:
        return "several numbers, or one with other signs: it compares their characters unchanged"
    if stated is not None:
        return "a stated answer is followed by another number: it takes the last number, we the stated answer"
    return "the closing sentence names its value before another number: it takes the last number, we the value"


def _math_cause(draw: ScoredDraw, their: str, *, ours: bool) -> str:
    if ours and their == draw.text:
        return "the reply has no pair of dollar signs: it compares the whole reply with the gold"
    if ours:
        return "it compares everything between the first and the last dollar sign, we the stated answer"
    return "we take the stated or last answer, which is not the text between its first and last dollar sign"


def _value(text: str) -> Fraction | None:
    return plain_number(text.strip().rstrip(".").replace("$", ""))
