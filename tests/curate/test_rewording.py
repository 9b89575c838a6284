"""Test questions in other words: found by their numbers and rare words; questions that merely look alike are not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from mathstrap.curate import hashed_words
from mathstrap.curate.certificate import Certificate, certificate
from mathstrap.curate.decontaminate import DecontaminateOptions, TestSetIndex, contaminated
from mathstrap.curate.rewording import gist_of, stem
from mathstrap.curate.wording import words
from mathstrap.problems.testsets import load_test_sets

TESTS = [
    ("0", "A gardener plants 48 tulips in rows of 16. Each tulip needs 0.25 liters of water. How much is needed?"),
    ("1", "Ravi sells 17 lanterns for $23 each and spends $115 of it on candles. How much money is left?"),
    ("2", "A ferry carries 340 passengers over the strait in 5 trips. How many passengers is that per trip?"),
    ("3", "Two dogs eat 3 bones each. How many bones do the dogs eat?"),
]  # fmt: skip
REWORDED = {
    "0": "Sixteen bulbs fit into a row, and 48 tulips are to be planted. If one tulip takes 0.25 liters, how many "
    "liters of water must the gardener bring?",
    "1": "After selling 17 lanterns, priced at 23 dollars apiece, Ravi buys candles worth 115 dollars. What remains?",
    "2": "In 5 crossings of the strait, 340 passengers took the ferry. Find the mean number of passengers on one.",
}


def index(**options: object) -> TestSetIndex:
    return TestSetIndex.build({"mine": TESTS}, DecontaminateOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("test_id", REWORDED)
def test_a_test_question_in_other_words_is_found_and_dropped(test_id: str) -> None:
    (match,) = index().find("q", REWORDED[test_id])
    assert (match.test_id, match.kind) == (test_id, "reworded")
    assert set(contaminated([match], DecontaminateOptions())) == {"q"}
    assert index(rewordings=False).find("q", REWORDED[test_id]) == []


def test_a_rewording_names_the_numbers_it_shares() -> None:
    (match,) = index().find("q", REWORDED["1"])
    assert match.span == "numbers 17, 23, 115"


@pytest.mark.parametrize(
    "text",
    [
        "Ravi sells 18 lanterns for $24 each and buys candles for $116. How much is left?",  # other numbers
        "A shop has 17 red, 23 green and 115 blue marbles. How many marbles are there?",  # the numbers alone
        "Two cats eat 3 fish each. How many fish do the cats eat in all of the week?",  # small numbers say nothing
        "A ferry carries passengers over the strait. How many passengers is that per trip?",  # the words alone
        "",
    ],
)
def test_what_shares_only_numbers_or_only_words_is_not_a_rewording(text: str) -> None:
    assert [match.kind for match in index().find("q", text) if match.kind == "reworded"] == []


def test_texts_asked_together_or_again_find_what_each_finds_alone() -> None:
    texts = [*REWORDED.values(), "Is 7 prime?", "", *(text for _, text in TESTS), "1 2 2 x1 3.50 twice 99 98 97 zzz"]
    items = [(str(number), text) for number, text in enumerate([*texts, *texts[::-1]])]
    alone = [match for item in items for match in index().find(*item)]
    together = index()
    assert [match for matches in together.find_texts(items) for match in matches] == alone
    assert list(together.find_all(items)) == alone
    # The words of all texts begin anew, and what an index made of the earlier ones is gone.
    hashed_words._WITH_NUMBERS.empty()
    assert [match for matches in together.find_texts(items[::-1]) for match in matches] == [
        match for item in items[::-1] for match in index().find(*item)
    ]


def test_a_gist_is_numbers_and_stems() -> None:
    gist = gist_of(words("He paid twice, for two boxes: $1,250.50 and half of it. One box was boxed."))
    assert gist.numbers == {"2", "2x", "1250.5", "1/2"}
    assert {"paid", "box"} <= gist.stems
    assert [stem(word) for word in ("boxes", "boxed", "cars", "car", "his")] == ["box", "box", "car", "car", "his"]


def test_the_certificate_says_what_was_compared_and_by_which_rule() -> None:
    derived = [("s/rephrase.1", REWORDED["0"]), ("s/rephrase.2", "Is 7 prime?")]
    record = certificate(index(), [("s", "What is 9 times 9?")], derived)
    assert (record.num_derived, record.dropped) == (2, 1)
    (row,) = record.overlaps
    assert row.sha256 == hashlib.sha256("".join(text + "\n" for _, text in TESTS).encode()).hexdigest()
    assert record.sha256 == hashlib.sha256("".join(text + "\n" for _, text in derived).encode()).hexdigest()
    text = record.to_markdown()
    for said in (row.sha256, record.sha256, "evidence of at least 2", "the same numbers in other words: 1"):
        assert said in text
    assert msgspec.json.decode(msgspec.json.encode(record), type=Certificate) == record


def test_a_named_set_keeps_its_name_whatever_the_file_is_called(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text("".join(msgspec.json.encode({"question": text}).decode() + "\n" for _, text in TESTS))
    sets = load_test_sets([f"our exam={path}"])
    assert {name: len(questions) for name, questions in sets.items()} == {"our exam": 4}


@pytest.mark.slow
def test_train_questions_of_gsm8k_are_hardly_ever_flagged(data_path: Path) -> None:
    import json

    def questions(name: str) -> list[tuple[str, str]]:
        return [(str(n), json.loads(line)["question"]) for n, line in enumerate((data_path / name).open())]

    built = TestSetIndex.build({"gsm8k": questions("gsm8k_test.jsonl")})
    found = [built.find(item_id, text) for item_id, text in questions("gsm8k_train.jsonl")[:3000]]
    assert sum(any(match.kind == "reworded" for match in matches) for matches in found) <= 6
