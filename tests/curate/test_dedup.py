from __future__ import annotations

import random
import time
import tracemalloc

import pytest

from mathstrap.curate.dedup import DedupOptions, DuplicatePair, Duplicates, find_duplicates
from mathstrap.curate.wording import canonical_number, formulas, words

APPLES = "Tom has 3 red apples and buys 4 more green apples at the market. How many apples does Tom have in total?"


def dropped(texts: list[str], **options: object) -> dict[str, str]:
    items = [(str(index), text) for index, text in enumerate(texts)]
    return find_duplicates(items, DedupOptions(**options)).dropped()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("second", "is_duplicate"),
    [
        (APPLES, True),
        (APPLES.upper().replace(".", " . "), False),  # capitals are data
        (APPLES.replace(" ", "  ").replace("How", "how") + "\n", True),
        (APPLES.replace("Tom", "Tim"), False),  # two of twenty words: 0.69
        (APPLES.replace("at the market", "at a market"), True),
        (APPLES.replace("3", "5"), False),  # other numbers
        (APPLES.replace("3", "three"), True),  # the same number in words
        (APPLES.replace("more", "less"), False),  # another problem of the same sentence
    ],
)
def test_a_question_repeats_another(second: str, is_duplicate: bool) -> None:
    assert dropped([APPLES, second]) == ({"1": "0"} if is_duplicate else {})


def test_other_numbers_are_duplicates_where_the_recipe_says_so() -> None:
    assert dropped([APPLES, APPLES.replace("3", "5").replace("4", "1,200.50")], numbers="ignore") == {"1": "0"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (r"What is $\sqrt{x+1}$ for the x that we have found just before in this problem?",
         r"What is $\sqrt{x}+1$ for the x that we have found just before in this problem?"),
        ("Solve $x^2+3x+2=0$ over the real numbers and give the sum of the roots.",
         "Solve $x^2-3x+2=0$ over the real numbers and give the sum of the roots."),
        ("In how many ways can the letters of the word CEASE be put in a row?",
         "In how many ways can the letters of the word LEASE be put in a row?"),
    ],
)  # fmt: skip
def test_a_formula_or_a_word_in_capitals_makes_another_problem(first: str, second: str) -> None:
    assert dropped([first, second], threshold=0.5) == {}


def test_layout_of_a_formula_does_not_matter() -> None:
    first = r"Compute $\dfrac{1}{2} \cdot \left( x+1 \right)$ for the number x which is given by the equation above."
    second = r"Compute $\frac{1}{2}\cdot(x + 1)$ for the number x which is given by the equation above."
    assert dropped([first, second]) == {"1": "0"}


def test_the_first_is_kept_and_chains_do_not_eat_their_middle() -> None:
    pairs = [
        DuplicatePair("a", "b", 0.9, "near"),
        DuplicatePair("b", "c", 0.9, "near"),
        DuplicatePair("c", "d", 1.0, "exact"),
    ]
    found = Duplicates(pairs=pairs, num_items=4)
    assert found.dropped() == {"b": "a", "d": "c"}


def test_the_threshold_moves_without_another_search() -> None:
    texts = [APPLES, APPLES.replace("Tom", "Tim"), APPLES.replace("market", "old market")]
    found = find_duplicates([(str(index), text) for index, text in enumerate(texts)])
    assert found.dropped(0.95) == {}
    assert found.dropped(0.8) == {"2": "0"}
    assert set(found.dropped(0.6)) == {"1", "2"}
    with pytest.raises(ValueError, match="below the floor"):
        found.dropped(0.3)


def test_results_are_the_same_twice_and_every_drop_names_a_kept_question() -> None:
    rng = random.Random(5)
    base = [f"{APPLES} {' '.join(rng.choices(['red', 'blue', 'old', 'big', 'tall'], k=12))}" for _ in range(300)]
    items = [(str(index), text) for index, text in enumerate(base + base[:50])]
    first, second = find_duplicates(items), find_duplicates(items)
    assert first.pairs == second.pairs
    gone = first.dropped()
    assert len(gone) >= 50
    assert not set(gone.values()) & set(gone)
    order = {item_id: index for index, (item_id, _) in enumerate(items)}
    assert all(order[kept] < order[item] for item, kept in gone.items())


def test_nearly_every_near_duplicate_is_found() -> None:
    rng = random.Random(1)
    vocabulary = ["".join(rng.choices("abcdefghijklmnop", k=7)) for _ in range(3000)]
    texts = []
    for _ in range(300):
        base = rng.choices(vocabulary, k=40)
        texts += [" ".join(base), " ".join([*base[:20], "changed", *base[21:]])]
    gone = dropped(texts)
    assert len(gone) >= 297


@pytest.mark.parametrize("text", ["", "   ", "???", "\ud800 broken", "é" * 5, "1" * 1_000_000, "NaN", "a " * 500_000])
def test_odd_texts_pass_and_repeat_only_themselves(text: str) -> None:
    assert dropped([text, APPLES, text]) == {"2": "0"}


def test_empty_texts_of_different_marks_are_not_one_question() -> None:
    assert dropped(["???", "!?"]) == {}
    assert find_duplicates([]).dropped() == {}


def test_a_thousand_variations_of_one_question_stay_cheap() -> None:
    rng = random.Random(2)
    colours = ["red", "green", "blue", "old", "new", "small"]
    items = [
        (str(n), APPLES.replace("red", rng.choice(colours)).replace("the", rng.choice(colours))) for n in range(2000)
    ]
    started = time.perf_counter()
    tracemalloc.start()
    assert len(find_duplicates(items).dropped()) > 1900
    assert tracemalloc.get_traced_memory()[1] < 60e6
    tracemalloc.stop()
    assert time.perf_counter() - started < 60


@pytest.mark.parametrize(
    "options", [{"floor": 0}, {"floor": 0.9}, {"threshold": 2}, {"num_perm": 127}, {"shingle_words": 0}]
)
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        dropped([APPLES], **options)


@pytest.mark.parametrize(
    ("text", "want"),
    [("1,250.50", "1250.5"), (".5", "0.5"), ("007", "7"), ("0", "0"), ("100", "100"), ("3.00", "3"), ("0.0", "0")],
)
def test_numbers_have_one_form(text: str, want: str) -> None:
    assert canonical_number(text) == want


def test_money_is_not_a_formula() -> None:
    assert formulas("He pays $5 for two and has $6 left.") == []
    assert formulas("If $x + 1 = 2$ and $y=3$") == ["x+1=2", "y=3"]


def test_words_of_a_question() -> None:
    found = words("A well-known 1,000-page book costs $12.50, half of (3 + 4)?")
    assert found == [
        "a",
        "well",
        "known",
        "1000",
        "-",
        "page",
        "book",
        "costs",
        "12.5",
        "half",
        "of",
        "(",
        "3",
        "+",
        "4",
    ]
