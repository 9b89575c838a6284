"""The rules of metamath-2024, pinned to what the reference code does (PAPER 2.2 to 2.5)."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from mathstrap.augment import AUGMENTATIONS, Draft
from mathstrap.augment import reference as ref
from mathstrap.types import Completion, Problem


@pytest.fixture(scope="module")
def gsm8k_train(data_path: Path) -> list[str]:
    with open(data_path / "gsm8k_train.jsonl", encoding="utf-8") as lines:
        return [json.loads(line)["question"] for line in lines]


@pytest.fixture(scope="module")
def math_test(data_path: Path) -> list[dict[str, str]]:
    with open(data_path / "math_test.jsonl", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def masked_with(question: str, token: str, nth: int = 0) -> tuple[str, str]:
    masks = [mask for mask in ref.find_token_masks(question, "gsm8k") if mask.token == token]
    return ref.hide_token(question, masks[nth]), ref.mask_answer(token, "gsm8k", "fobar")


@pytest.mark.parametrize(
    ("index", "token", "around", "gold"),
    [
        (0, "48", "clips to x of her friends", "48"),
        (0, "half", "sold x% as many clips", "50"),
        (1, "$12", "earns $x an hour", "12"),
        (1, "50", "did x minutes", "50"),
        (2, "$100.", "costs x.", "100"),  # the dollar sign is lost
        (2, "$15", "give her $x for", "15"),
        (3, "12", "read x pages", "12"),
        (4, "2", "to x different friends", "2"),
        (5, "three", "of x different colors", "3"),
        (5, "80%", "there are x% more", "80"),
    ],
)
def test_golden_questions_are_masked_like_the_reference(
    gsm8k_train: list[str], index: int, token: str, around: str, gold: str
) -> None:
    masked, answer = masked_with(gsm8k_train[index], token)
    assert around in masked
    assert answer == gold


@pytest.mark.parametrize(
    ("index", "tokens"),
    [
        (2, ["$100.", "half", "$15"]),
        (3, ["12", "half"]),
        (4, ["2"]),
        (7, ["2", "2"]),
        (8, ["$200", "$30", "$46", "$38", "$11", "$18", "$16"]),
    ],
)
def test_golden_questions_have_exactly_these_candidates(gsm8k_train: list[str], index: int, tokens: list[str]) -> None:
    found = [mask.token for mask in ref.find_token_masks(gsm8k_train[index], "gsm8k")]
    assert found == tokens


def test_two_equal_numbers_are_two_items_with_one_gold(gsm8k_train: list[str]) -> None:
    first, second = masked_with(gsm8k_train[7], "2", 0), masked_with(gsm8k_train[7], "2", 1)
    assert first[0] != second[0]
    assert first[1] == second[1] == "2"


@pytest.mark.parametrize("index_and_word", [(2, "twice"), (3, "120-page"), (3, "twice"), (4, "3-page"), (5, "Ten")])
def test_golden_questions_leave_these_tokens_alone(gsm8k_train: list[str], index_and_word: tuple[int, str]) -> None:
    index, word = index_and_word
    assert word in gsm8k_train[index].split(" ")
    assert word not in [mask.token for mask in ref.find_token_masks(gsm8k_train[index], "gsm8k")]


@pytest.mark.parametrize(
    ("token", "replacement"),
    [
        ("$1.50", "$x"), ("$1,200,", "x,"), ("20%.", "x%."), ("2/3", "x"), ("1/2,", "x,"), ("1,000,000.", "x."),
        ("one", "x"), ("half", "x%"), ("fifth", "x"), ("sixteen", "x"), ("$.50", "$x"), (".5", "x"),
        ("50¢", "x"), ("€5", "x"), ("5×3", "x"), ("16?", "x?"), ("5'", "x'"), ("5.”", "x.”"), ("$100.", "x."),
    ],
)  # fmt: skip
def test_golden_tokens_are_replaced_like_the_reference(token: str, replacement: str) -> None:
    assert ref.is_candidate(token, "gsm8k")
    assert ref.replace_token(token, "gsm8k") == replacement


@pytest.mark.parametrize(
    "token",
    [
        "half,", "two.", "Five", "thirteen", "twice", "dozen", "3-day", "(5)", "5)", "$5/hour", "10:30", "5:6", "+5",
        "9th", "10am", "5\n", '12"', "½", "$20's", "5–7", "five,", "5kg", "Ten",
    ],
)  # fmt: skip
def test_golden_tokens_that_are_no_candidates(token: str) -> None:
    assert not ref.is_candidate(token, "gsm8k")


@pytest.mark.parametrize(
    ("token", "gold"),
    [("$.50", "50"), (".5", "5"), ("$1.50", "1.5"), ("1,000,000.", "1000000"), ("1/2,", "1/2"), ("half", "50"),
     ("$.25", "25"), ("20%.", "20"), ("5×3", "3"), ("fifth", "5")],
)  # fmt: skip
def test_the_gold_of_a_gsm8k_mask_is_the_last_number_of_the_raw_token(token: str, gold: str) -> None:
    assert ref.mask_answer(token, "gsm8k", "fobar") == gold


@pytest.mark.parametrize(
    ("token", "replacement"),
    [
        ("6,", "X,"),
        ("30", "X"),
        ("$120\\%$", "X"),
        ("20,$", "X"),
        ("1|", "X"),
        ("2^3", "X"),
        ("$5", "X"),
        ("50%", "X%"),
    ],
)
def test_golden_math_tokens_lose_their_dollars(token: str, replacement: str) -> None:
    assert ref.is_candidate(token, "math")
    assert ref.replace_token(token, "math") == replacement


def test_math_hides_no_number_words() -> None:
    assert not ref.is_candidate("two", "math")


def test_the_gold_of_a_math_mask_depends_on_the_method() -> None:
    assert ref.mask_answer("2^3", "math", "fobar") == "3"
    assert ref.mask_answer("1/2", "math", "fobar") == "2"  # the fall back to the last number
    assert ref.mask_answer("1/2", "math", "self_verification") == "1/2"  # MATH_SV is read by GSM8K's rules


def test_gsm8k_train_has_the_counts_of_the_paper_page(gsm8k_train: list[str]) -> None:
    kinds: Counter[str] = Counter()
    with_masks = lost_dollar = leading_dot = 0
    for question in gsm8k_train:
        masks = ref.find_token_masks(question, "gsm8k")
        with_masks += bool(masks)
        for mask in masks:
            kinds[ref.kind_of(mask.token)] += 1
            lost_dollar += "$" in mask.token and "$" not in mask.replacement
            leading_dot += re.search(r"(?<!\d)\.\d", mask.token) is not None
    assert len(gsm8k_train) == 7473
    assert with_masks == 7454
    assert kinds.total() == 27_723
    assert kinds == {
        "int": 16_774, "word": 4_428, "money": 4_423, "percent": 1_138, "fraction": 632, "decimal": 219, "comma": 109,
    }  # fmt: skip
    assert lost_dollar == 1_459
    assert leading_dot == 67


def test_num_skipped_tokens_with_digits_on_gsm8k_train(gsm8k_train: list[str]) -> None:
    skipped: Counter[str] = Counter()
    for question in gsm8k_train:
        for token in question.split(" "):
            if re.search(r"\d", token) and not ref.is_candidate(token, "gsm8k"):
                skipped[re.sub(r"\d+", "9", token)] += 1
    assert skipped.total() == 812
    assert skipped["9th"] == 74
    assert skipped["9-hour"] == 37


def where_it_is_cut(masked: str) -> str:
    cut = masked.replace(",", ".").rfind(".")
    if cut < 0:
        return "nowhere"
    if not masked[cut + 1 :].strip():
        return "empty tail"
    if masked[cut - 1 : cut].isdigit() and masked[cut + 1 : cut + 2].isdigit():
        return "inside a decimal" if masked[cut] == "." else "inside a thousand"
    return "full stop" if masked[cut] == "." else "comma"


def test_the_sv_split_cuts_gsm8k_where_the_reference_does(gsm8k_train: list[str]) -> None:
    cuts: Counter[str] = Counter()
    in_tail = 0
    for question in gsm8k_train:
        for mask in ref.find_token_masks(question, "gsm8k"):
            masked = ref.hide_token(question, mask)
            base, tail = ref.split_tail(masked)
            where = where_it_is_cut(masked)
            cuts[where] += 1
            in_tail += re.search(r"\bx\b", tail) is not None
            assert (tail == "") == (where in ("nowhere", "empty tail"))
            if where == "nowhere":
                assert base == masked.strip()
    share = {where: round(100 * count / cuts.total(), 1) for where, count in cuts.items()}
    assert share["comma"] == 38.9
    assert share["full stop"] == pytest.approx(57.3, abs=0.11)
    assert share["empty tail"] == 3.4
    assert share["inside a decimal"] == 0.2
    assert cuts["inside a thousand"] == 14  # 0.05 %
    assert cuts["nowhere"] == 13
    assert in_tail / cuts.total() == pytest.approx(0.056, abs=0.001)


def test_on_math_the_sv_step_spoils_a_third_of_golds_and_tails(math_test: list[dict[str, str]]) -> None:
    golds = [ref.last_box(row["solution"]) for row in math_test]
    spoiled = sum(ref.rewritten_answer(gold, "math") != gold for gold in golds)
    empty = odd = total = 0
    for row in math_test:
        for mask in ref.find_token_masks(row["problem"], "math"):
            masked = ref.hide_token(row["problem"], mask)
            total += 1
            empty += ref.split_tail(masked)[1] == ""
            odd += masked.count("$") % 2
    assert round(100 * spoiled / len(golds), 1) == 33.2
    assert round(100 * empty / total, 1) == 32.1
    assert odd / total == pytest.approx(0.21, abs=0.005)  # about a fifth


def test_the_extractor_spoils_a_bare_gold_fraction() -> None:
    assert ref.rewritten_answer("\\frac{9}{7}", "math") == "7"
    assert ref.rewritten_answer("7", "math") == "7"


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("The answer is 5 (since 2+3).", "3"),
        ("The answer is 10-5", "-5"),
        ("The answer is .5", "5"),
        ("The answer is 3.5 dollars or 350 cents", "350"),
        ("The answer is 1,250.", "1250"),
        ("So it is 4. The answer is 7/", "7"),
        ("no number", ""),
    ],
)
def test_the_gsm8k_cleaner_takes_the_last_number(reply: str, answer: str) -> None:
    assert ref.clean_gsm8k(reply) == answer


def test_dropping_zeros_goes_through_a_float() -> None:
    assert ref.drop_extra_zeros("100000000000000000000") == "100.0"
    assert ref.drop_extra_zeros("1.50") == "1.5"
    assert ref.drop_extra_zeros("20") == "20"
    assert ref.drop_extra_zeros("1/2") == "1/2"


def test_the_math_extractor_reads_marker_box_and_last_number() -> None:
    assert ref.clean_math("The answer is $\\frac12$.") == "$\\frac{1}{2}$"
    assert ref.clean_math("so \\boxed{\\dfrac{3}{4}}.") == "\\frac{3}{4}"
    assert ref.clean_math("we get \\frac{1}{2}", "The value of $X$ is") == "2"


SEED = Problem(
    id="s-1",
    dataset="s",
    style="gsm8k",
    question="A wallet costs $100. Betty has half of the money and gets $15, how much does she need?",
    answer="35.0",
)
MATH_SEED = Problem(
    id="m-1", dataset="m", style="math", question="What is $120\\%$ of 30, as an integer?", answer="\\frac{36}{1}"
)


def test_fobar_writes_the_strings_of_the_reference() -> None:
    problems = AUGMENTATIONS["fobar"].rewrite(SEED, None, mode="metamath-2024")
    assert isinstance(problems[0], Problem)
    assert problems[0].question == (
        "A wallet costs x. Betty has half of the money and gets $15, how much does she need?\n"
        "If we know the answer to the above question is 35, what is the value of unknown variable x?"
    )
    problem = AUGMENTATIONS["fobar"].rewrite(MATH_SEED, None, mode="metamath-2024")[1]
    assert isinstance(problem, Problem)
    assert problem.question == (
        "What is $120\\%$ of X, as an integer?\n"
        "### If we know the answer to the above question is \\frac{36}{1}, what is the value of unknown variable $X$?"
    )
    assert problem.answer == "30"


def test_sv_asks_for_the_tail_and_glues_the_reply_on() -> None:
    draft = AUGMENTATIONS["self_verification"].rewrite(SEED, None, mode="metamath-2024")[0]
    assert isinstance(draft, Draft)
    assert draft.fields["question"] == "how much does she need?"
    assert draft.fields["answer"] == "35"
    reply = Completion(request=draft.id, key="k", text="She needs $35.", finish_reason="stop")
    problem = AUGMENTATIONS["self_verification"].parse(SEED, draft, reply)
    assert isinstance(problem, Problem)
    assert problem.question == (
        "A wallet costs x. Betty has half of the money and gets $15, She needs $35. "
        "What is the value of unknown variable x?"
    )
    assert problem.answer == "100"


def test_sv_hands_the_rewriter_a_spoiled_math_gold() -> None:
    seed = Problem(id="m", dataset="m", style="math", question="Find $9$ over 7.", answer="\\frac{9}{7}")
    draft = AUGMENTATIONS["self_verification"].rewrite(seed, None, mode="metamath-2024")[0]
    assert isinstance(draft, Draft)
    assert draft.fields == {"question": "", "answer": "7", "context": "Find X over 7."}
