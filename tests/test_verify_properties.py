"""Laws each tier keeps: a gold equals itself however it is written, and equality is symmetric where it should be."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mathstrap.verify import answers_agree
from mathstrap.verify.exact import rational
from mathstrap.verify.extract import extract_boxed
from mathstrap.verify.identity import same_expression
from mathstrap.verify.normalize import clean, plain_number
from mathstrap.verify.parse import parse

WRAPPERS = [
    lambda text: f"${text}$", lambda text: f"  {text} ", lambda text: f"\\boxed{{{text}}}", lambda text: f"{text}.",
    lambda text: f"\\({text}\\)", lambda text: f"\\[ {text} \\]", lambda text: f"**{text}**",
    lambda text: f"$${text}$$",
    lambda text: text.replace("\\frac", "\\dfrac"), lambda text: text.replace("-", "\u2212"),
]  # fmt: skip

whole = st.integers(-(10**9), 10**9)
decimals = st.decimals(-(10**6), 10**6, places=3, allow_nan=False).map(str)
fractions = st.builds(Fraction, st.integers(-999, 999), st.integers(1, 999))
expressions = st.recursive(
    st.sampled_from(["x", "y", "2", "3", "7", "\\pi", "\\sqrt{2}", "\\frac{1}{2}"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} + {pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} - {pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]} \\cdot {pair[1]}"),
        inner.map(lambda text: f"({text})^2"),
        inner.map(lambda text: f"\\sqrt{{{text}}}"),
    ),
    max_leaves=6,
)


@given(whole)
def test_a_whole_number_survives_separators_units_and_a_name(value: int) -> None:
    for written in (
        f"{value:,}",
        f"{value}.0",
        f"x = {value}",
        f"{value} apples",
        f"\\${value:,}",
        f"{value}.00 dollars",
    ):
        assert answers_agree(str(value), written) == "correct", written
    assert answers_agree(str(value), str(value + 1)) == "wrong"
    assert answers_agree(str(value), str(value * 100 + 1)) == "wrong"


@given(decimals, decimals)
def test_numbers_agree_exactly_when_they_are_equal(a: str, b: str) -> None:
    expected = "correct" if Fraction(a) == Fraction(b) else "wrong"
    assert answers_agree(a, b) == answers_agree(b, a) == expected
    assert (plain_number(a) == plain_number(b)) == (Fraction(a) == Fraction(b))


@given(fractions)
def test_a_fraction_has_many_spellings(value: Fraction) -> None:
    top, bottom = value.numerator, value.denominator
    gold = f"\\frac{{{top}}}{{{bottom}}}"
    for written in (
        f"{top}/{bottom}",
        f"{top} / {bottom}",
        f"\\dfrac{{{top * 3}}}{{{bottom * 3}}}",
        f"({top})/{bottom}",
    ):
        assert answers_agree(gold, written) == "correct", written
        assert answers_agree(written, gold) == "correct", written
    assert rational(parse(gold)) == value


@settings(max_examples=150, deadline=None)
@given(expressions, expressions)
def test_equality_of_expressions_is_symmetric_and_survives_rearranging(a: str, b: str) -> None:
    assert answers_agree(a, b) == answers_agree(b, a)
    assert answers_agree(f"{a} + {b}", f"{b} + {a}") == "correct"
    assert answers_agree(f"({a}) \\cdot ({b})", f"({b})({a})") == "correct"
    assert answers_agree(f"({a}) + 1", f"({a})") == "wrong"


@settings(max_examples=100, deadline=None)
@given(st.lists(expressions, min_size=2, max_size=4, unique=True), st.randoms(use_true_random=False))
def test_lists_and_sets_are_unordered_and_tuples_are_not(items: list[str], rng: object) -> None:
    moved = items[1:] + items[:1]
    assert answers_agree(", ".join(items), ", ".join(moved)) == "correct"
    assert answers_agree("\\{" + ", ".join(items) + "\\}", "\\{" + ", ".join(moved) + "\\}") == "correct"
    assert answers_agree(", ".join(items), ", ".join(items[:-1])) == "wrong"
    if same_expression(parse(items[0]), parse(items[1])) is False:
        assert answers_agree(f"({items[0]}, {items[1]})", f"({items[1]}, {items[0]})") == "wrong"


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_two_texts_get_a_verdict(a: str, b: str) -> None:
    assert answers_agree(a, b) in ("correct", "wrong", "undecided")
    assert clean(clean(a)) == clean(a)


@given(st.text(alphabet="0123456789x+-*/^(){}[]\\,. frac sqrt", max_size=30))
def test_any_parsed_tree_equals_itself(text: str) -> None:
    if clean(text):
        assert answers_agree(text, f"${text}$") == "correct" or "$" in clean(f"${text}$") or clean(text)[0] in "\\.,"


def test_every_shared_gold_equals_itself_however_it_is_wrapped(data_path: Path) -> None:
    golds = set()
    for line in (data_path / "math_test.jsonl").read_text(encoding="utf-8").splitlines():
        extraction = extract_boxed(json.loads(line)["solution"])
        assert extraction is not None
        golds.add(extraction.answer)
    for line in (data_path / "gsm8k_train.jsonl").read_text(encoding="utf-8").splitlines():
        golds.add(json.loads(line)["answer"].rpartition("#### ")[2])
    failed = [
        (gold, wrap(gold))
        for gold in sorted(golds)
        for wrap in WRAPPERS
        if answers_agree(gold, wrap(gold)) != "correct"
    ]
    assert failed == []
