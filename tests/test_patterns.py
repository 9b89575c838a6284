"""Patterns that are compiled at their first use work as compiled ones do, and those of the package can be compiled."""

from __future__ import annotations

import pickle
import re
import sys

import pytest

from mathstrap.patterns import LatePattern, regex
from regex_attacks import CALLS, SOURCE


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("search", ("a 12 b 3",)), ("match", ("12", 1)), ("fullmatch", ("12",)), ("findall", ("1 22",)),
        ("sub", ("x", "1 22", 1)), ("subn", ("x", "1 22")), ("split", ("a1b22c",)),
    ],
)  # fmt: skip
def test_a_late_pattern_answers_as_a_compiled_one(method, arguments):
    late, compiled = getattr(regex(r"\d+"), method)(*arguments), getattr(re.compile(r"\d+"), method)(*arguments)
    assert str(late) == str(compiled)


def test_the_text_and_flags_of_a_late_pattern_can_be_read():
    pattern = regex(r"(?P<year>\d{4})", re.IGNORECASE)
    assert (pattern.pattern, pattern.flags & re.IGNORECASE) == (r"(?P<year>\d{4})", re.IGNORECASE)
    assert pattern.groupindex == {"year": 1}
    assert [match["year"] for match in pattern.finditer("1999, 2001")] == ["1999", "2001"]
    assert regex(rb"\d").search(b"a1") is not None


def test_a_late_pattern_goes_to_other_processes_before_and_after_its_first_use():
    pattern = regex("a+", re.IGNORECASE)
    assert pickle.loads(pickle.dumps(pattern)).findall("AAb") == ["AA"]
    assert pattern.findall("AAb") == ["AA"]
    assert pickle.loads(pickle.dumps(pattern)).findall("AAb") == ["AA"]


def test_a_text_that_is_not_a_pattern_fails_at_its_first_use():
    pattern = regex("(")
    with pytest.raises(re.error):
        pattern.search("a")


def test_the_patterns_of_a_run_can_be_compiled():
    import mathstrap.pipeline.run  # noqa: F401  it imports nearly all modules that have patterns

    modules = [module for name, module in sys.modules.items() if name.startswith("mathstrap.")]
    late = {value for module in modules for value in vars(module).values() if isinstance(value, LatePattern)}
    assert len(late) > 300
    for pattern in late:
        pattern.search  # noqa: B018  the first use compiles it


def test_late_patterns_are_neither_given_to_the_functions_of_re_nor_compared():
    wrong = []
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        late = set(re.findall(r"^(\w+) = regex\(", text, re.MULTILINE))
        given = re.findall(rf"\bre\.(?:{'|'.join(CALLS)})\((\w+)[,)]", text)
        # `match.re` is the compiled pattern and never the late one.
        compared = re.findall(r"\w\.re (?:is|==|!=|in|not) .*", text)
        wrong += [(path.name, name) for name in [*late.intersection(given), *compared]]
    assert not wrong


def test_a_late_pattern_is_compiled_once():
    pattern = regex("a")
    assert isinstance(pattern, LatePattern)
    assert "search" not in vars(pattern)
    pattern.search("a")
    first = vars(pattern)["search"]
    pattern.match("a")
    assert vars(pattern)["search"] is first
