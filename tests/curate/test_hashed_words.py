"""Reading many questions into arrays finds the words and marks that reading each one finds."""

from itertools import pairwise

import pytest

from mathstrap.curate.hashed_words import MASK, begins_run, hashed_words, runs_of, word_hash
from mathstrap.curate.wording import CAPITALS, TOKEN, clean_latex, fold, read, tokens_of
from mathstrap.steps.expression import canonical_number

TEXTS = [
    "", " ", "\n", "?!", "one", " Two  words\tapart\n", 'He paid $5, "twelve" and $1,250.50.',
    "a\u00a0b\u2003c\x1cd\x85e", "The word CEASE twice; more, not less", "half-price 007 .5 5. $.50 3.,",
    "$\\frac{1}{2}$ of \\(x \\cdot y\\) \\ left", "naïve – “quoted” ２３ ½ Ⅳ", "lone \ud800 surrogate",
    "(x+1)(-3) [y z] {2", "x" * 300 + " 9" * 50, "(a. '7' !5! 5:6 A1 1a ABC, ABC'S",
]  # fmt: skip


def listed(texts, **options):
    found = hashed_words(texts, **options)
    begins = [0, *found.ends.tolist()]
    hashes = found.hashes.tolist()
    return [hashes[begin:end] for begin, end in pairwise(begins)], found.marks.tolist()


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[::-1], TEXTS[:1], ["", ""], [*TEXTS, *TEXTS], []])
def test_words_and_marks_are_those_of_reading_one(texts):
    words, marks = listed(texts)
    assert words == [[word_hash(word) for word in read(text)[0]] for text in texts]
    assert marks == [sum(map(word_hash, read(text)[1])) & MASK for text in texts]


def test_without_numbers_all_of_them_are_one_word():
    assert listed(["12 pens", "1,300.5 pens"], numbers=False)[0] == [[word_hash("#"), word_hash("pens")]] * 2


def test_a_chunk_of_one_word_is_read_as_any_other():
    for text in TEXTS:
        for chunk in text.split():
            plain = TOKEN.findall(clean_latex(fold(chunk)))
            assert [canonical_number(token) if token[-1].isdigit() else token for token in tokens_of(chunk)] == [
                canonical_number(token) if token[-1].isdigit() else token for token in plain
            ]
            assert (CAPITALS.findall(chunk) == []) or not chunk.islower()


def test_runs_end_with_their_text():
    found = hashed_words(["a b c", "d", "", "e f"])
    assert begins_run(found.ends, 2).tolist() == [True, True, False, False, True, False]
    runs, again = runs_of(found.hashes, 2), runs_of(hashed_words(["x e f"]).hashes, 2)
    assert runs[4] == again[1]
    assert len({*runs[begins_run(found.ends, 2)].tolist()}) == 3
