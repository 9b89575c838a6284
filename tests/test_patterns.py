"""Patterns that are compiled at their first use work as compiled ones do, and all of the package can be compiled."""

from __future__ import annotations

import ast
import pickle
import re

import pytest

from mathstrap.patterns import LatePattern, regex
from regex_attacks import CALLS, SOURCE, patterns


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


def test_every_pattern_of_the_package_can_be_compiled():
    assert len(patterns()) > 500


def test_late_patterns_are_neither_given_to_the_functions_of_re_nor_compared():
    wrong = []
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        late = {
            target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
            if ast.unparse(node.value.func) == "regex"
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        wrong += [
            f"{path.relative_to(SOURCE)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
            if ast.unparse(node.func.value) == "re" and node.func.attr in CALLS
            if isinstance(node.args[0], ast.Name) and node.args[0].id in late
        ]
        # `match.re` is the compiled pattern and never the late one.
        wrong += [
            f"{path.relative_to(SOURCE)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Compare)
            if any(isinstance(side, ast.Attribute) and side.attr == "re" for side in (node.left, *node.comparators))
        ]
    assert not wrong, wrong


def test_a_late_pattern_is_compiled_once():
    pattern = regex("a")
    assert isinstance(pattern, LatePattern)
    assert "search" not in vars(pattern)
    pattern.search("a")
    first = vars(pattern)["search"]
    pattern.match("a")
    assert vars(pattern)["search"] is first
