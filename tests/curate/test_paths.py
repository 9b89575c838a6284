from __future__ import annotations

import json
import random
import time

import pytest

from mathstrap.curate.paths import edit_distance, false_equations, read_reasoning, select_paths
from mathstrap.steps.expression import value_of


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("48/2", "24"),
        ("2(3+4)", "14"),
        ("1,250.50 * 2", "2501"),
        ("50 * 20%", "10"),
        ("1 1/2 + 1/2", "2"),
        ("-3^2", "-9"),
        ("(-3)^2", "9"),
        ("2^-1", "1/2"),
        ("2^(1/2)", "1.4142135623730951"),
        ("5/0", None),
        ("50 + 20%", None),  # of what?
        ("12 / 3 / 2", None),  # two readings when fractions are written inline
        ("3 4", None),
        ("(3", None),
        ("", None),
        ("9^64^64", None),
        ("9" * 41, None),
        ("(" * 100 + "1" + ")" * 100, None),
        ("-" * 200 + "1", None),
        ("__import__('os')", None),
        ("1e9", None),
    ],
)
def test_arithmetic_is_exact_and_capped(text: str, want: str | None) -> None:
    value = value_of(text)
    assert (None if value is None else str(value.exact)) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("She sold 48/2 = <<48/2=25>>25 clips.", ["48/2=25"]),
        ("She sold 48/2 = 25 clips.", ["48/2=25"]),
        ("She sold 48/2 = 24 clips.", []),
        ("10/3 = 3.33 each", []),  # true to its last decimal
        ("10/3 = 3.34 each", []),
        ("10/3 = 3 each", ["10/3=3"]),  # nothing says that it is rounded
        ("17/3 = 5 and 2/3 loads", []),
        ("13 / 6 = 2 remainder 1", []),
        ("5/20 = 25%", []),
        ("5/20*100 = 25%", []),
        ("5/20 = 26%", ["5/20=26%"]),
        ("$2.50 - $2.24 = 26 cents", []),
        ("$1,200 x 3 = $3,600.", []),
        ("$1,200 x 3 = $3,500.", ["$1,200 x 3=3,500"]),
        ("It is 3+4 = 7, so 7+1 = 9.", ["7+1=9"]),
        ("3 + 4 = 6 + 1 = 8", ["3 + 4=6 + 1=8"]),
        ("1. 3 + 4 = 7", []),  # a numbered list
        ("Week 2 = 5", []),
        ("x + 3 = 5 and 2y = 6", []),
        ("20% of 50 = 10", []),
        ("half of 10 * 2 = 10", []),
        ("5 apples + 3 apples = 9 apples", ["5 apples + 3 apples=9"]),
        (r"$\frac{1}{2} + \frac{1}{3} = \frac{5}{6}$", []),
        (r"$\frac{1}{2} + \frac{1}{3} = \frac{2}{5}$", ["((1)/(2)) + ((1)/(3))=((2)/(5))"]),
        (r"$3\frac{4}{5} = 3 + \frac{4}{5}$", []),
        (r"\log(1) = 0 and f(2) = 5 - 1", []),
        ("5! = 120", []),
        (r"$2 \times 3 = 6x$ and $2^3 = 8 - y$", []),
        ("(28,365) = 1 + 0", []),
        ("The point (0, 3 + 1) = (0, 4)", []),
        ("It costs 5 = 5", []),
        ("=" * 1000, []),
        ("<<=>>", []),
        ("<<1=2=>>", []),
        ("no arithmetic", []),
    ],
)
def test_false_arithmetic_is_found_and_true_arithmetic_is_left_alone(text: str, want: list[str]) -> None:
    assert list(false_equations(text)) == want


@pytest.mark.slow
def test_gold_solutions_are_almost_never_called_false(data_path) -> None:
    rows = [json.loads(line)["answer"] for line in (data_path / "gsm8k_train.jsonl").open()]
    flagged = sum(bool(false_equations(row)) for row in rows)
    assert flagged <= 40  # of 7,473; those left are slips of the annotators, such as 192*100 = $1920
    rows = [json.loads(line)["solution"] for line in (data_path / "math_test.jsonl").open()]
    assert sum(bool(false_equations(row)) for row in rows) <= 25  # of 5,000; most define an operation of their own


def test_a_planted_false_annotation_is_always_found(data_path) -> None:
    rng = random.Random(0)
    rows = [json.loads(line)["answer"] for line in (data_path / "gsm8k_train.jsonl").open()][:500]
    planted = found = 0
    for row in rows:
        head, mark, tail = row.partition(">>")
        left, equals, right = head.rpartition("=")
        if mark and equals and right.isdigit():
            planted += 1
            found += bool(false_equations(f"{left}={int(right) + rng.randint(1, 9)}{mark}{tail}"))
    assert planted > 400
    assert found == planted


def test_hostile_text_is_quick() -> None:
    texts = [
        "1" * 500_000,
        "1=" * 200_000,
        "(" * 300_000 + "=1",
        "9^9^9^9=1 " * 10_000,
        "<<" * 100_000,
        "1,1=" * 99_999,
    ]
    texts += ["1 " * 100_000 + "= 2", "\\frac{" * 50_000, "x 3 = " * 50_000, "\ud800 1 + 1 = 3"]
    started = time.perf_counter()
    for text in texts:
        false_equations(text)
        read_reasoning(text)
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("He has 3 + 4 = <<3+4=7>>7 and 7*2.0=<<7*2.0=14>>14.", ("3+4=7", "7*2=14")),
        ("He has 3 + 4 = 7 and then 7 × 1,000 = 7000.", ("3+4=7", "7*1000=7000")),
        ("No numbers.", ()),
    ],
)
def test_equation_lists_have_one_spelling(text: str, want: tuple[str, ...]) -> None:
    assert read_reasoning(text).path == want


def test_paths_with_one_equation_list_are_one_path_and_the_most_different_stay() -> None:
    paths = [
        ("a", "Tom has 3 + 4 = 7 apples."),
        ("b", "Altogether that makes 3+4=7."),
        ("c", "Tom has 4 + 3 = 7 apples."),
        ("d", "First count the red ones, then the green ones, and add: 7 - 4 = 3, so 4 + 3 = 7 is the number."),
    ]
    assert select_paths(paths) == ["a", "d", "c"]
    assert select_paths(paths, 2) == ["a", "d"]
    assert select_paths(paths, 0) == []
    assert select_paths([]) == []
    assert select_paths([("a", ""), ("b", ""), ("c", "words")]) == ["a", "c"]


def test_edit_distance_agrees_with_the_textbook() -> None:
    def textbook(a: list[str], b: list[str]) -> int:
        row = list(range(len(b) + 1))
        for i, x in enumerate(a, 1):
            diagonal, row[0] = row[0], i
            for j, y in enumerate(b, 1):
                diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
        return row[-1]

    rng = random.Random(3)
    for _ in range(500):
        a, b = (rng.choices("abcd", k=rng.randint(0, 12)) for _ in range(2))
        assert edit_distance(a, b) == textbook(a, b)


def test_a_calculation_without_marks_at_the_end_leaves_the_last_result_open() -> None:
    marked = "The bag costs 18-3 = <<18-3=15>>15 dollars."
    assert read_reasoning(marked).last_result == 15
    assert read_reasoning(f"{marked}\nEach stick costs 15/30 = $0.50").last_result is None
