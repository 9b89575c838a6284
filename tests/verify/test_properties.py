"""Laws each tier keeps: a gold equals itself however it is written, and equality is symmetric where it should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mathstrap.verify import answers_agree
from mathstrap.verify.decide.exact import rational
from mathstrap.verify.decide.identity import same_expression
from mathstrap.verify.decide.residue import IMAGINARY, PRIME
from mathstrap.verify.find.extract import extract_boxed
from mathstrap.verify.read.nodes import NotMathError
from mathstrap.verify.read.normalize import clean, plain_number
from mathstrap.verify.read.parse import parse

Wrapper = Callable[[str], str]
WRAPPERS: list[Wrapper] = [
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


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # most random texts are not answers
@given(st.text(alphabet="0123456789x+-*/^(){}[]\\,. frac sqrt", max_size=30))
def test_any_parsed_tree_equals_itself(text: str) -> None:
    try:
        parse(text)
    except NotMathError:
        assume(False)
    assert answers_agree(text, text) == "correct"
    assert answers_agree(text, f"${text}$") == "correct"


@settings(max_examples=100, deadline=None)
@given(expressions, expressions, st.sampled_from(WRAPPERS), st.sampled_from(WRAPPERS))
def test_formatting_never_changes_a_verdict(a: str, b: str, wrap: Wrapper, other: Wrapper) -> None:
    assert answers_agree(wrap(a), other(b)) == answers_agree(a, b)


words = st.lists(
    st.sampled_from(["red", "blue", "Evelyn", "north", "even", "ellipse"]), min_size=1, max_size=2, unique=True
)


@given(words, words)
def test_words_are_compared_without_case_and_markup(a: list[str], b: list[str]) -> None:
    first, second = " ".join(a), " ".join(b)
    assert answers_agree(first, f"\\text{{{first.upper()}}}") == "correct"
    assert answers_agree(f"\\text{{{first}}}", f"The {first.lower()}.") == "correct"
    if a == b:
        assert answers_agree(first, second) == "correct"
    elif len(a) == len(b) == 1:
        assert answers_agree(first, second) == answers_agree(second, first) == "wrong"
    else:
        assert "correct" not in (answers_agree(first, second), answers_agree(second, first))


@given(st.integers(-99, 99), st.integers(1, 99), st.sampled_from("(["), st.sampled_from(")]"))
def test_an_interval_is_its_ends_and_its_brackets(low: int, width: int, opening: str, closing: str) -> None:
    gold = f"{opening}{low}, {low + width}{closing}"
    below, above = ("<" if opening == "(" else "\\le"), ("<" if closing == ")" else "\\le")
    for same in (f"x \\in {gold}", f"{low} {below} x {above} {low + width}", f"\\left{gold[:-1]}\\right{closing}"):
        assert answers_agree(gold, same) == answers_agree(same, gold) == "correct", same
    turned = {"(": "[", "[": "("}[opening] + gold[1:]
    assert answers_agree(gold, turned) == answers_agree(turned, gold) == "wrong"


@given(st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2), min_size=2, max_size=3))
def test_a_matrix_is_its_cells_in_their_places(rows: list[list[int]]) -> None:
    def matrix(kind: str, cells: list[list[int]]) -> str:
        return f"\\begin{{{kind}}}" + " \\\\ ".join(" & ".join(map(str, row)) for row in cells) + f"\\end{{{kind}}}"

    gold = matrix("pmatrix", rows)
    assert answers_agree(gold, matrix("bmatrix", rows)) == "correct"
    changed = [[rows[0][0] + 1, rows[0][1]], *rows[1:]]
    assert answers_agree(gold, matrix("pmatrix", changed)) == "wrong"
    assert answers_agree(gold, matrix("pmatrix", [*rows, [0, 0]])) == "wrong"


def test_the_field_is_prime_and_has_a_square_root_of_minus_one() -> None:
    assert all(pow(base, PRIME - 1, PRIME) == 1 for base in (2, 3, 5, 7, 11, 13))
    assert IMAGINARY**2 % PRIME == PRIME - 1


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
