"""Seeds: every shape that is read, and a sentence for every row that is not."""

from __future__ import annotations

import json
import time

import pytest

from mathstrap.errors import InputError
from mathstrap.problems.load import SeedsOptions, iter_rows, last_boxed, load_problems

GOOD = {"question": "Ana has 3 figs and buys 4. How many figs has she?", "answer": "3+4 = <<3+4=7>>7\n#### 7"}


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def load(path, **options):
    return load_problems(SeedsOptions(source=str(path), **options))


def test_gsm8k_rows_give_solution_and_gold(tmp_path):
    problem = load(write_rows(tmp_path / "mine.jsonl", [GOOD])).problems[0]
    assert (problem.id, problem.answer, problem.style, problem.method) == ("mine-00000", "7", "gsm8k", "seed")
    assert problem.solution == "3+4 = <<3+4=7>>7"


def test_math_rows_take_the_last_boxed_answer(tmp_path):
    row = {"problem": "Find $x$.", "solution": "Not $\\boxed{1}$ but $\\boxed{\\frac{1}{2}}$.", "level": "Level 2"}
    problem = load(write_rows(tmp_path / "m.jsonl", [row])).problems[0]
    assert (problem.answer, problem.style, problem.tags) == ("\\frac{1}{2}", "math", {"level": "Level 2"})


def test_a_field_map_names_the_users_columns(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text('nr,text,gold\nq1,"Two, and two?",4\n')
    problem = load(path, fields={"id": "nr", "question": "text", "answer": "gold"}).problems[0]
    assert (problem.id, problem.question, problem.answer) == ("q1", "Two, and two?", "4")


def test_body_and_question_are_joined_and_numbers_become_text(tmp_path):
    row = {"Body": "Tom has 3 cats.", "Question": "How many cats?", "Answer": 3.0}
    problem = load(write_rows(tmp_path / "s.jsonl", [row])).problems[0]
    assert (problem.question, problem.answer) == ("Tom has 3 cats. How many cats?", "3")


def test_parquet_and_csv_hold_the_same_seeds(tmp_path):
    import pyarrow
    import pyarrow.parquet

    rows = [{"question": f"What is {n} and 1?", "answer": str(n + 1)} for n in range(5)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("question,answer\n" + "".join(f"{r['question']},{r['answer']}\n" for r in rows))
    from_parquet = load(tmp_path / "a.parquet").problems
    from_csv = load(tmp_path / "a.csv").problems
    assert [p.question for p in from_parquet] == [p.question for p in from_csv] == [r["question"] for r in rows]


def test_limit_and_offset_cut_the_rows(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [GOOD | {"id": f"q{n}"} for n in range(10)])
    assert [p.id for p in load(path, offset=2, limit=3).problems] == ["q2", "q3", "q4"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"question": "How many?", "answer": "7"', "not JSON"),
        ("[1, 2]", "expected"),
        ("7", "expected an object with named fields"),
        ('{"w": "How many?", "answer": "7"}', 'no field "question" for the question (the row has: answer, w)'),
        ('{"question": "How many?"}', 'no field "answer" for the answer'),
        ('{"question": "  ", "answer": "7"}', "the question is empty"),
        ('{"question": "How many?", "answer": ""}', "the gold answer is empty"),
        ('{"question": ["How", "many?"], "answer": "7"}', 'field "question" holds a list of 2, expected text'),
        ('{"question": null, "answer": "7"}', 'field "question" holds null'),
        ('{"question": "How many?", "answer": NaN}', 'field "answer" holds nan'),
        ('{"question": "' + "a" * 30000 + '", "answer": "7"}', "30,000 characters"),
    ],
)
def test_a_bad_row_stops_with_file_line_and_reason_or_is_counted(tmp_path, line, message):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + line + "\n")
    with pytest.raises(InputError) as caught:
        load(path)
    assert f"{path}:2: " in str(caught.value)
    assert message in str(caught.value)
    loaded = load(path, on_bad="skip")
    assert len(loaded.problems) == 1
    assert [(r.stage, r.reason) for r in loaded.rejects] == [("seeds", "bad_row")]
    assert message in loaded.rejects[0].detail


def test_a_duplicate_id_names_both_rows(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [GOOD | {"id": "q"}, GOOD | {"id": "q"}])
    with pytest.raises(InputError, match=r'a\.jsonl:2: id "q" was already used by row 1'):
        load(path)


def test_ids_from_outside_cannot_look_like_paths_or_lineage(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [GOOD | {"id": "../../etc/x#1"}])
    assert load(path).problems[0].id == "etc-x-1"


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_is_a_sentence(tmp_path, text):
    path = tmp_path / "empty.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match="no rows"):
        load(path)


def test_a_wrong_encoding_is_named(tmp_path):
    path = tmp_path / "latin.jsonl"
    path.write_bytes('{"question": "Café?", "answer": "1"}\n'.encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8 at byte"):
        load(path)
    path = tmp_path / "latin.csv"
    path.write_bytes("question,answer\nCafé?,1\n".encode("latin-1"))
    with pytest.raises(InputError, match="not UTF-8"):
        load(path)


def test_a_byte_order_mark_is_no_part_of_the_first_field(tmp_path):
    path = tmp_path / "bom.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\n")
    assert len(load(path).problems) == 1


@pytest.mark.parametrize("name", ["missing.jsonl", "a.xlsx", "folder"])
def test_a_file_that_cannot_be_read_says_what_is_expected(tmp_path, name):
    (tmp_path / "a.xlsx").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"jsonl"):
        load(tmp_path / name)


def test_a_csv_row_with_too_many_columns_is_a_bad_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("question,answer\nHow many?,7\nHow, many?,7\n")
    with pytest.raises(InputError, match=r"a\.csv:3: found 3 columns, expected 2"):
        load(path)


def test_a_field_that_is_not_ours_is_suggested(tmp_path):
    with pytest.raises(InputError, match='Did you mean "question"'):
        load(write_rows(tmp_path / "a.jsonl", [GOOD]), fields={"qestion": "question"})


def test_rows_stream_with_their_line_numbers(tmp_path):
    path = write_rows(tmp_path / "a.jsonl", [{"n": 1}, {"n": 2}])
    assert list(iter_rows(path)) == [(1, {"n": 1}), (2, {"n": 2})]


@pytest.mark.parametrize(
    ("text", "boxed"),
    [
        (r"so $\boxed{7}$", "7"),
        (r"$\boxed{\frac{a}{\sqrt{b}}}$", r"\frac{a}{\sqrt{b}}"),
        (r"$\boxed 9$ apples", "9"),
        (r"\boxed{1} then \fbox{2}", "2"),
        (r"\boxed{never closed", None),
        ("nothing", None),
    ],
)
def test_last_boxed_balances_braces(text, boxed):
    assert last_boxed(text) == boxed


@pytest.mark.parametrize(("name", "rows"), [("gsm8k_train", 7473), ("math_test", 5000)])
def test_every_gold_of_the_public_sets_passes_its_own_grader(data_path, name, rows):
    loaded = load(data_path / f"{name}.jsonl")
    assert (len(loaded.problems), loaded.rejects) == (rows, [])


@pytest.mark.parametrize(
    ("question", "style"),
    [
        ("She had $200, spent $30 on a shirt and $46 on pants. How much is left?", "gsm8k"),
        ("The soda costs $.25 an ounce. He brought $2 and leaves with $.50. How many ounces?", "gsm8k"),
        ("What is $x+1$ if $x=2$?", "math"),
        ("Compute \\frac{1}{2}.", "math"),
    ],
)
def test_money_is_not_mathematics(tmp_path, question, style):
    path = write_rows(tmp_path / "a.jsonl", [{"question": question, "answer": "3"}])
    assert load(path).problems[0].style == style


@pytest.mark.parametrize(("name", "style"), [("gsm8k_train", "gsm8k"), ("svamp_test", "gsm8k"), ("math_test", "math")])
def test_a_public_set_has_one_style(data_path, name, style):
    assert {problem.style for problem in load(data_path / f"{name}.jsonl", limit=1000).problems} == {style}


def test_hub_datasets_are_streamed_by_the_hub_library(tmp_path):
    pytest.importorskip("datasets", reason='seeds from the hub need pip install "mathstrap[hub]"')
    write_rows(tmp_path / "train.jsonl", [GOOD | {"id": f"q{n}"} for n in range(4)])
    loaded = load(f"hf:{tmp_path}", limit=3)
    assert [problem.id for problem in loaded.problems] == ["q0", "q1", "q2"]


def test_a_hub_that_does_not_answer_is_a_sentence_at_once(monkeypatch):
    """The library alone tries for half a minute."""
    pytest.importorskip("datasets", reason='seeds from the hub need pip install "mathstrap[hub]"')
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"127\.0\.0\.1:9 does not answer: Connection refused.*seeds\.source="):
        load("gsm8k")
    assert time.monotonic() - began < 10
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set, and the cache does not hold it"):
        load("gsm8k")
