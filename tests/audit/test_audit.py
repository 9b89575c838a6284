from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mathstrap.audit import DEFECTS, AuditOptions, AuditReport, audit, seed_map, table
from mathstrap.audit.defects import broken_formula
from mathstrap.audit.unmask import find_hidden
from mathstrap.augment.masking import find_masks, hide
from mathstrap.curate.decontaminate import TestSetIndex
from mathstrap.errors import InputError
from mathstrap.problems.columns import Columns, find_columns
from planted_defects import plant, score_planted

CLEAN = {
    "type": "GSM_AnsAug", "query": "Tom has 3 apples and buys 4 more. How many has he?",
    "original_question": "Tom has 3 apples and buys 4 more. How many has he?",
    "response": "He has 3 + 4 = 7 apples.\nThe answer is: 7", "gold": "7",
}  # fmt: skip
FOBAR = {
    "type": "GSM_FOBAR", "original_question": CLEAN["query"], "gold": "4",
    "query": "Tom has 3 apples and buys x more. How many has he?\nIf we know the answer to the above question is 7, "
    "what is the value of unknown variable x?",
    "response": "He has 3 apples, so x = 7 - 3 = 4.\nThe answer is: 4",
}  # fmt: skip


def write(path: Path, rows: list[Any]) -> str:
    path.write_bytes(b"".join(row if isinstance(row, bytes) else msgspec.json.encode(row) + b"\n" for row in rows))
    return str(path)


def found(tmp_path: Path, *rows: dict[str, Any], **facts: Any) -> set[str]:
    report = audit(write(tmp_path / "rows.jsonl", list(rows)), **facts)
    return {name for name, count in report.found().items() if count}


@pytest.mark.parametrize(
    ("change", "want"),
    [
        ({}, set()),
        ({"response": "He has a lot of apples."}, {"no_answer"}),
        ({"response": "He has 3 + 4 = 7 apples.\nThe answer is: 8"}, {"wrong_answer"}),
        ({"response": "He has 7.\n#### 7\nThe answer is: 7"}, {"double_answer"}),
        ({"response": "He has 7.\n#### 8\nThe answer is: 7"}, {"conflicting_answers"}),
        ({"response": "He has 7. The answer is therefore 7.\n#### 7"}, {"double_answer"}),
        ({"response": "He has 7.\n#### 7.0\nThe answer is: 7"}, {"double_answer"}),
        ({"response": "He has some apples, so the"}, {"truncated", "no_answer"}),
        ({"response": "He has 3+4=<<3+4=7>>7.\nThe answer is: 19", "gold": ""}, {"contradicts_steps"}),
        ({"response": "He has 3+4=<<3+4=7>>7, twice that is 14.\nThe answer is: 14", "gold": ""}, set()),
        ({"response": "It takes 3+4=<<3+4=7>>7, so eleven days.\nThe answer is: 11", "gold": ""}, set()),
        ({"response": "It takes 3+4=<<3+4=7>>7 hours.\nThe answer is: 420", "gold": ""}, set()),  # minutes
        ({"response": "He has 3 + 4 = 7.\nThe answer is: 7\nQuestion: Jim has"}, {"truncated"}),
        # how other people's answers end: whole sentences, named values, records in a fence, money before a letter
        ({"response": "3 + 4 = 7.\nTherefore, 7 apples must be carried home.", "gold": ""}, set()),
        ({"response": "He has 3 + 4 = 7 apples.\n\nAnswer: 7"}, set()),
        ({"response": "So he has:\n- Apples: 7\n- Pears: 0", "gold": ""}, set()),
        ({"response": '```json\n{\n "answer": "3 + 4 = 7. The answer is: 7"\n}\n```', "gold": ""}, set()),
        ({"response": "The answer is: 7. Let us check it.\nThe final answer is \\(\\boxed{7}\\)."}, {"double_answer"}),
        ({"response": "The answer is: 130 candies.\nThe answer is: 8 cups.", "gold": ""}, set()),
        ({"query": "Ed pays $p each week. How much in w weeks?", "response": "He pays \\(\\boxed{pw}\\).", "gold": "",
          "original_question": "", "type": ""}, set()),
        ({"response": "He has 3 + 4 = 8.\nThe answer is: 7"}, {"false_arithmetic"}),
        ({"response": "He has <<3+4=7>>7 and <<1+1=2.\nThe answer is: 7"}, {"broken_math"}),
        ({"type": "MATH_AnsAug", "query": "What is $3+4?"}, {"broken_math"}),
        ({"type": "GSM_AnsAug", "query": "Tom pays $3 and then pays four more. How many dollars?"}, set()),  # money
    ],
)
def test_a_row_shows_its_defects(change: dict[str, str], want: set[str], tmp_path: Path) -> None:
    assert found(tmp_path, CLEAN | change) == want


@pytest.mark.parametrize(
    ("change", "want"),
    [
        ({}, set()),
        ({"gold": "3", "response": "So x = 3.\nThe answer is: 3"}, {"wrong_backward_gold"}),
        (
            {
                "original_question": CLEAN["query"].replace("4 more", "half more"),
                "gold": "1/2",
                "response": "So x = 0.5.\nThe answer is: 0.5",
            },
            set(),
        ),
        (
            {
                "original_question": CLEAN["query"].replace("4 more", "half more"),
                "gold": "1/3",
                "response": "So x = 1/3.\nThe answer is: 1/3",
            },
            {"wrong_backward_gold"},
        ),
        ({"original_question": CLEAN["query"].replace("4 more", "$4 more")}, {"lost_dollar"}),
    ],
)
def test_a_backward_row_is_set_beside_its_original(change: dict[str, str], want: set[str], tmp_path: Path) -> None:
    assert found(tmp_path, FOBAR | change) == want


def test_a_mask_that_does_not_matter_is_found_in_the_seeds_solution(tmp_path: Path) -> None:
    question = "A shop in a town of 350 people sells 4 of its 10 apples. How many apples are left?"
    seeds = seed_map([(question, "6", "There are 10 - 4 = <<10-4=6>>6 apples left.\n#### 6")])
    ask = "\nIf we know the answer to the above question is 6, what is the value of unknown variable x?"

    def row(masked: str, answer: str) -> dict[str, str]:
        response = f"So x = {answer}.\nThe answer is: {answer}"
        return FOBAR | {"original_question": question, "query": masked + ask, "gold": answer, "response": response}

    bad = row(question.replace("350", "x"), "350")
    good = row(question.replace("10", "x"), "10")
    assert found(tmp_path, bad, seeds=seeds) == {"irrelevant_mask"}
    assert found(tmp_path, good, seeds=seeds) == set()


def test_repeats_and_contamination(tmp_path: Path) -> None:
    same_path = CLEAN | {"response": "Adding them up: 3+4=7.\nThe answer is: 7"}
    assert found(tmp_path, CLEAN, CLEAN | {"query": CLEAN["query"].upper()}) == {"duplicate"}
    assert found(tmp_path, CLEAN, same_path) == {"same_path"}
    long = "At the market in the old town Tom has 3 apples and then he buys 4 more. How many apples has he got by now?"
    near = CLEAN | {"query": long.replace("old town", "old city"), "response": "It is 4 + 3 = 7.\nThe answer is: 7"}
    assert found(tmp_path, CLEAN | {"query": long}, near) == {"near_duplicate"}
    index = TestSetIndex.build({"test": [("17", CLEAN["query"])]})
    report = audit(write(tmp_path / "rows.jsonl", [CLEAN]), index=index)
    assert report.found()["contaminated"] == 1
    assert "test 17 (exact 1.00)" in next(d for d in report.defects if d.name == "contaminated").examples[0].detail


def test_the_clean_file_keeps_rows_unchanged_and_every_dropped_row_has_its_reason(tmp_path: Path) -> None:
    wrong = CLEAN | {"gold": "8"}
    rows = [CLEAN, wrong, b"not json\n", b'{"query": "caf\xe9"}\n', ["a list"], {"query": None, "response": "x"}, FOBAR]
    source = write(tmp_path / "rows.jsonl", rows)
    clean, dropped = tmp_path / "clean.jsonl", tmp_path / "dropped.jsonl"
    report = audit(source, clean_path=clean, dropped_path=dropped)
    assert [json.loads(line) for line in clean.open()] == [CLEAN, FOBAR]
    gone = [json.loads(line) for line in dropped.open()]
    assert sorted(row["line"] for row in gone) == [2, 3, 4, 5, 6]
    reasons = {row["line"]: row["reasons"][0] for row in gone}
    assert reasons[2].startswith("wrong_answer: states 7, the gold is 8")
    assert "not JSON" in reasons[3]
    assert "not UTF-8" in reasons[4]
    assert "expected an object" in reasons[5]
    assert reasons[6] == 'bad_row: no text for the question in "query" (found nothing)'
    assert (report.num_rows, report.kept, report.dropped, report.bad_rows) == (7, 2, 5, 4)


def test_which_defects_drop_a_row_is_the_users(tmp_path: Path) -> None:
    source = write(tmp_path / "rows.jsonl", [CLEAN | {"gold": "8"}, CLEAN | {"response": "#### 7\nThe answer is: 7"}])
    assert audit(source, AuditOptions(keep=("wrong_answer",))).kept == 2
    assert audit(source, AuditOptions(drop=("double_answer",))).kept == 0
    assert audit(source, AuditOptions(skip=("wrong_answer",))).kept == 2
    with pytest.raises(InputError, match=r'no such defect "wrong_anser"\. Did you mean "wrong_answer"'):
        audit(source, AuditOptions(drop=("wrong_anser",)))


def test_two_workers_find_what_one_finds(tmp_path: Path) -> None:
    rows = [CLEAN | {"gold": str(n % 9), "query": f"{CLEAN['query']} {n % 300}"} for n in range(800)]
    source = write(tmp_path / "rows.jsonl", [*rows[:400], b"{\n", *rows[400:]])
    one = audit(source, clean_path=tmp_path / "1.jsonl")
    two = audit(source, AuditOptions(num_workers=2), clean_path=tmp_path / "2.jsonl")
    assert one == two
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no rows"),
        (b"\n\n", "no rows"),
        (b"nonsense\n", "no row could be read; the first: line 1"),
        (b'{"a": 1, "b": 2}\n', "no column holds the question"),
        (b'{"query": "q"}\n', "no column holds the response"),
    ],
)
def test_a_file_that_cannot_be_audited_says_why(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        audit(str(path), clean_path=tmp_path / "clean.jsonl")
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="no such file"):
        audit(str(tmp_path / "absent.jsonl"))


@pytest.mark.parametrize(
    "row",
    [
        {"query": "q " * 600_000, "response": "r"},  # a megabyte and more
        {"query": float("nan"), "response": "r"},
        {"query": True, "response": "r"},
        {"query": ["q", "p"], "response": "r"},
        {"query": "   ", "response": "r"},
        {"query": "q", "response": {"text": "r"}},
        {"other": 1},
    ],
)
def test_an_odd_row_is_counted_and_the_audit_goes_on(row: dict[str, Any], tmp_path: Path) -> None:
    lines = [CLEAN, json.dumps(row).encode() + b"\n", FOBAR]
    report = audit(write(tmp_path / "rows.jsonl", lines))
    assert (report.num_rows, report.bad_rows, report.kept) == (3, 1, 2)


def test_numbers_are_text_and_hostile_text_is_only_text(tmp_path: Path) -> None:
    hostile = ["{" * 50_000, "$" * 50_001, "<<" * 30_000, "1=" * 30_000, "\\boxed{" * 20_000, "####" * 20_000]
    rows = [CLEAN | {"gold": 7.0}, CLEAN | {"gold": None, "query": 5}]
    rows += [CLEAN | {"response": text, "query": text[:9000]} for text in hostile]
    report = audit(write(tmp_path / "rows.jsonl", rows))
    assert report.num_rows == len(rows)
    assert report.bad_rows == 0


def test_the_report_is_json_and_a_table(tmp_path: Path) -> None:
    report = audit(write(tmp_path / "rows.jsonl", [CLEAN, CLEAN | {"gold": "8"}]))
    assert msgspec.json.decode(msgspec.json.encode(report), type=AuditReport) == report
    rows = {name: (count, share) for name, count, share, *_ in table(report)}
    assert rows["wrong_answer"] == ("1", "50.00 %")
    assert rows["contaminated"] == ("-", "not checked")
    assert report.by_type == {"GSM_AnsAug": {"rows": 2, "wrong_answer": 1, "duplicate": 1}}


@pytest.mark.parametrize(
    ("row", "given", "want"),
    [
        (
            CLEAN,
            {},
            Columns(query="query", response="response", original="original_question", gold="gold", type="type"),
        ),
        ({"question": "q", "answer": "long " * 20}, {}, Columns(query="question", response="answer")),
        ({"question": "q", "answer": "5"}, {}, Columns(query="question", gold="answer")),
        ({"messages": []}, {}, Columns(chat="messages")),
        ({"a": "q", "b": "r"}, {"query": "a", "response": "b"}, Columns(query="a", response="b")),
    ],
)
def test_columns_are_found_by_their_usual_names(row: dict[str, Any], given: dict[str, str], want: Columns) -> None:
    assert find_columns(row, given) == want


def test_a_wrong_field_map_is_named() -> None:
    with pytest.raises(InputError, match=r'no column "qery" for the query\. Did you mean "query"'):
        find_columns(CLEAN, {"query": "qery"})
    with pytest.raises(InputError, match=r'no such part "qury"\. Did you mean "query"'):
        find_columns(CLEAN, {"qury": "query"})


@pytest.mark.parametrize(
    ("original", "masked", "want"),
    [
        ("sold clips to 48 of her friends", "sold clips to x of her friends", ("48", False, False)),
        ("earns $12 an hour", "earns $x an hour", ("12", False, False)),
        ("costs $100. Betty has", "costs x. Betty has", ("100", False, True)),  # the reference eats the dollar
        ("costs $.25 each day", "costs $x each day", ("0.25", False, False)),
        ("costs $1,250.50 in all", "costs $x in all", ("1250.50", False, False)),
        ("are 80% more there", "are x% more there", ("80", True, False)),
        ("sold half as many clips", "sold x% as many clips", ("50", True, False)),
        ("sold half as many clips", "sold x as many clips", ("50", True, False)),
        ("has three pens here", "has x pens here", ("3", False, False)),
        ("eats 2/3 of it now", "eats x of it now", ("2/3", False, False)),
        (r"is $120\%$ of 30 here", "is X of 30 here", ("120", True, True)),
        ("at 20,$ where n is", "at X where n is", ("20", False, True)),
        ("They have 7.", "They have x.", ("7", False, False)),
        ("You have 32$ to spend", "You have x$ to spend", ("32", False, False)),
        ("There are 5 pens and", "There are $X$ pens and", ("5", False, False)),
        ("Same text without it", "Same text without it", None),
        ("has some pens here", "has x pens here", None),
        ("has 3 pens here", "owns x pens here", None),
        ("", "", None),
    ],
)  # fmt: skip
def test_the_hidden_number_is_found(original: str, masked: str, want: tuple[str, bool, bool] | None) -> None:
    hidden = find_hidden(original, masked)
    assert (hidden and (hidden.answer, hidden.is_percent, hidden.lost_dollar)) == want


def test_the_hidden_number_of_every_mask_of_real_questions_is_found(data_path: Path) -> None:
    masks = right = 0
    for line in list((data_path / "gsm8k_train.jsonl").open())[:1500]:
        question = json.loads(line)["question"]
        for mask in find_masks(question, "gsm8k"):
            if mask.kind in ("int", "comma", "decimal", "money", "percent", "fraction"):
                masks += 1
                hidden = find_hidden(question, hide(question, mask, "x") + "\nIf we know the answer")
                right += hidden is not None and hidden.answer.rstrip("0").rstrip(".") == mask.answer.rstrip("0").rstrip(
                    "."
                )
    assert right >= 0.99 * masks


@pytest.mark.parametrize(
    ("text", "is_math", "want"),
    [
        ("It costs $5.", False, None),
        ("It is $5.", True, None),  # money, whatever the style
        (r"$120 + $6 = $126. Then 5% of $126 is $6.30. It is \boxed{132.3}.", True, None),
        (r"$40*5=$200 and $3 in all, \boxed{203}", True, None),
        ("$<<3*4=12>>12 for \\boxed{12}", True, None),
        ("You have 32$ and $.50", True, None),
        ("Let $x$ be the price, $5 for each of them", True, None),
        ("Let $x$ be 5 and y$ be 6", True, "an odd number of $"),
        ("So $x + 5 = 7", True, "an odd number of $"),
        (r"in $\left\{X,\frac{1}{8}\right\}$", True, None),
        ("shift by 1 << 3 and $x$", True, None),
        ("```python\nprint(f'{x', '$')\n``` so $x$", True, None),
        (r"It costs \$5 and $x$", True, None),
        (r"$\frac{1}{2$", True, "{ and } do not pair up"),
        (r"$\left( x )$", True, r"\left and \right do not pair up"),
        (r"\begin{align} x", True, r"\begin and \end do not pair up"),
        (r"\leftarrow and $\{1, 2\}$ \\[2pt]", True, None),
        ("<<1+1=2", False, "<< and >> do not pair up"),
    ],
)
def test_formulas_that_do_not_close(text: str, is_math: bool, want: str | None) -> None:
    assert broken_formula(text, is_math=is_math) == want


def test_every_detector_is_named_and_explained() -> None:
    assert all(defect.sentence and (defect.find.__doc__ or "").startswith("Find") for defect in DEFECTS.values())


# Below these the extra rows are real: slips of GSM8K's annotators, and masks that the seeds' solutions never need.
LEAST_PRECISION = {"false_arithmetic": 0.7, "irrelevant_mask": 0.75}
LEAST_RECALL = {"irrelevant_mask": 0.7}  # the rest is "unknown", never called irrelevant


@pytest.mark.slow
def test_planted_defects_are_found_with_high_precision_and_recall(data_path: Path, tmp_path: Path) -> None:
    scores = score_planted(plant(data_path, rng_seed=11), tmp_path)
    assert {score.defect for score in scores} == set(DEFECTS)
    for score in scores:
        assert score.planted == 40
        assert score.recall >= LEAST_RECALL.get(score.defect, 0.95), score
        assert score.precision >= LEAST_PRECISION.get(score.defect, 0.9), score
