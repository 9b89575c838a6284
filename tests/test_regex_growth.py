"""No regular expression of the package blows up: twice the text takes a few times as long, not a thousand times."""

from __future__ import annotations

import random
import signal
import warnings
from types import FrameType

import pytest

from mathstrap.augment.checks import _REMARK
from mathstrap.problems.golds import _LETTER, _TAGGED, _UNIT_IN_BRACKETS
from mathstrap.verify.find.reply import _NEXT, _NEXT_HEADING
from regex_attacks import attacks, patterns, seconds

SIZE = 400
MOST_ATTACKS = 24
# A search that takes less says nothing; one that takes the limit grew beyond measuring.
LEAST_SECONDS, MOST_SECONDS = 0.01, 30.0
CUBIC = 5.7  # growth of the time when the text doubles: 4 is quadratic, 8 is cubic


class TooLong(Exception):
    """A search took MOST_SECONDS of processor time."""


def give_up(number: int, frame: FrameType | None) -> None:
    raise TooLong


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (_NEXT, "\n" + "-" * 5000 + "x"), (_NEXT, "\n" + "* *" * 2000 + "x"), (_NEXT, "\n# " * 2000),
        (_NEXT_HEADING, "\n[exercises" + " " * 5000 + "x"), (_REMARK, "\n " * 3000), (_REMARK, "\n**" + " " * 5000),
        (_TAGGED, "<answer>" + " " * 5000), (_UNIT_IN_BRACKETS, "1" * 5000), (_LETTER, " " * 5000 + "1"),
    ],
)  # fmt: skip
def test_what_once_hung_is_searched_at_once(pattern: object, text: str) -> None:
    assert seconds(pattern, text) < 20  # type: ignore[arg-type]


def test_a_rule_of_dashes_in_a_reply_is_no_work() -> None:
    from mathstrap.verify import extract_answer

    found = extract_answer("We add.\n" + "-" * 200 + "\nThe answer is: 12")
    assert found is not None
    assert found.answer == "12"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_pattern_grows_faster_than_the_square_of_its_text() -> None:
    warnings.simplefilter("ignore")
    before = signal.signal(signal.SIGVTALRM, give_up)
    found = {}
    try:
        for where, pattern in patterns().items():
            if where.startswith("backends/fake"):  # a teacher for tests, fed with prompts of ours
                continue
            for number, (head, turn, tail) in enumerate(attacks(pattern, random.Random(1))):
                if number >= MOST_ATTACKS:
                    break
                turns = max(1, SIZE // len(turn))
                signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
                try:
                    first = seconds(pattern, head + turn * turns + tail)
                    second = seconds(pattern, head + turn * 2 * turns + tail) if first > LEAST_SECONDS / 8 else 0.0
                except TooLong:
                    first, second = 1e-9, MOST_SECONDS
                finally:
                    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
                growth = second / first if second > LEAST_SECONDS else 0.0
                # What a busy machine adds to one measurement it does not add to three.
                for _ in range(2 if CUBIC < growth < 20 else 0):
                    once = seconds(pattern, head + turn * turns + tail)
                    growth = min(growth, seconds(pattern, head + turn * 2 * turns + tail) / once)
                if growth > CUBIC:
                    found[where] = (round(growth, 1), head, turn, tail)
                    break
    finally:
        signal.signal(signal.SIGVTALRM, before)
    assert len(patterns()) > 500
    assert found == {}
