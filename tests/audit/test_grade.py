"""Grading files: rows in, rows out, in one process or several; the command line; the optional last tier."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from mathstrap.audit.grade import VerifyFileOptions, verify_file
from mathstrap.cli import app
from mathstrap.errors import InputError
from mathstrap.files.rows import iter_rows
from mathstrap.verify import Grade, grade
from mathstrap.verify.explain import explain
from mathstrap.verify.fallback import Fallback

ROWS = [
    {"id": 1, "gold": "5", "prediction": "The answer is: 5 apples."},
    {"id": 2, "gold": "\\frac{1}{2}", "prediction": "0.5"},
    {"id": 3, "gold": 7, "prediction": 8.5},
    {"id": 4, "gold": "x", "prediction": None},
    {"id": 5, "gold": "9^{9^{9^9}}", "prediction": "5"},
]
OUTCOMES = ["correct", "correct", "wrong", "wrong", "undecided"]


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def test_rows_come_back_with_their_verdicts(answers: Path, tmp_path: Path) -> None:
    out = tmp_path / "graded.jsonl"
    summary = verify_file(answers, VerifyFileOptions(), out=out)
    rows = [row for _, row in iter_rows(out)]
    assert [row["outcome"] for row in rows] == OUTCOMES
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0]["got"] == "5 apples"
    assert set(rows[0]) == {"id", "gold", "prediction", "outcome", "got", "tier", "reason"}
    assert (summary.rows, summary.outcomes["correct"], summary.accuracy) == (5, 2, 0.4)


def test_parquet_in_and_out_gives_the_same_verdicts(answers: Path, tmp_path: Path) -> None:
    rows = [row | {"gold": str(row["gold"]), "prediction": str(row["prediction"] or "")} for row in ROWS]
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), first)
    verify_file(first, VerifyFileOptions(), out=second)
    assert pyarrow.parquet.read_table(second)["outcome"].to_pylist() == OUTCOMES


def test_workers_write_the_same_bytes_as_one_process(tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    rows = [{"gold": str(n % 7), "prediction": f"\\frac{{{n}}}{{2}}"} for n in range(1_203)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    seen: list[int] = []
    verify_file(path, VerifyFileOptions(), out=one, progress=seen.append)
    verify_file(path, VerifyFileOptions(workers=2), out=two)
    assert one.read_bytes() == two.read_bytes()
    assert seen == [500, 1000]


def test_column_names_graders_and_modes_are_options(tmp_path: Path) -> None:
    path = tmp_path / "named.jsonl"
    path.write_text('{"a": "2", "b": "The answer is: 1.8"}\n{"a": "3", "b": "1 cat, 2 dogs, then 3 and no more"}\n')
    released = VerifyFileOptions(gold="a", prediction="b", grader="metamath-2024-gsm8k", form="completion")
    assert verify_file(path, released).outcomes["correct"] == 1
    flexible = VerifyFileOptions(gold="a", prediction="b", form="completion", mode="flexible")
    assert verify_file(path, flexible).outcomes["correct"] == 1


@pytest.mark.parametrize(
    ("options", "line", "message"),
    [
        (VerifyFileOptions(gold="answer"), '{"gold": "1"}', 'answers.jsonl:1: no column "answer". Found "gold"'),
        (VerifyFileOptions(), '{"gold": [1, 2], "prediction": "1"}', '"gold" holds a list, expected text or a number'),
        (VerifyFileOptions(workers=0), "{}", "workers is 0. Expected at least 1."),
        (VerifyFileOptions(grader="maths"), "{}", 'No grader is called "maths".'),
    ],
)
def test_bad_input_gets_a_sentence(tmp_path: Path, options: VerifyFileOptions, line: str, message: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(InputError) as caught:
        verify_file(path, options, out=tmp_path / "out.jsonl")
    assert message in str(caught.value)
    assert not (tmp_path / "out.jsonl").exists()


def test_the_command_prints_a_summary(answers: Path, tmp_path: Path) -> None:
    out = tmp_path / "graded.jsonl"
    result = CliRunner().invoke(app, ["verify", str(answers), "--out", str(out)])
    assert result.exit_code == 0
    assert "correct           2   40.0%" in result.output
    assert "undecided         1   20.0%" in result.output
    assert len(out.read_text().splitlines()) == 5


QUESTION = "Natalia sold 48 clips in April and half as many in May. She then sold 24 clips. How many in all?"
REPEATING = [
    ("48", "Natalia sold 48 clips in April and half as many in May.", "wrong"),
    ("24", "She then sold 24 clips.", "wrong"),
    ("24", "So she sold 24 clips in May.", "correct"),
    ("48", "The answer is 48.", "correct"),
    ("72", "72", "correct"),
]


@pytest.mark.parametrize("column", ["question", "asked"])
@pytest.mark.parametrize("form", ["auto", "completion"])
def test_a_file_with_questions_is_graded_with_them(tmp_path: Path, column: str, form: str) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    rows = [{column: QUESTION, "gold": gold, "prediction": reply} for gold, reply, _ in REPEATING]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    named = "" if column == "question" else column
    verify_file(path, VerifyFileOptions(form=form, question=named), out=out)  # type: ignore[arg-type]
    outcomes = [row["outcome"] for _, row in iter_rows(out)]
    assert outcomes == [wanted for _, _, wanted in REPEATING]
    assert outcomes == [grade(gold, reply, form=form, question=QUESTION).outcome for gold, reply, _ in REPEATING]  # type: ignore[arg-type]


def test_choices_of_a_question_may_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    row = {"question": "How many?", "options": ["24 clips in all", "72 clips in all"], "answer": "B"}
    path.write_text(json.dumps(row | {"prediction": "So it is 72 clips in all."}) + "\n", encoding="utf-8")
    assert verify_file(path, VerifyFileOptions()).outcomes["correct"] == 1


def test_a_question_column_that_is_not_there_is_named(answers: Path) -> None:
    with pytest.raises(InputError, match=r'no column "asked".*--question'):
        verify_file(answers, VerifyFileOptions(question="asked"))


def test_explain_heeds_the_question() -> None:
    arguments = ["verify", "--explain", "24", "She then sold 24 clips."]
    assert "verdict     correct" in CliRunner().invoke(app, arguments).output
    shown = CliRunner().invoke(app, [*arguments, "--question", QUESTION]).output
    assert "verdict     wrong: the reply only repeats its question" in shown


def test_explain_shows_each_rule_and_every_grader() -> None:
    result = CliRunner().invoke(app, ["verify", "--explain", "2", "\\boxed{3} The answer is: 1.8"])
    assert result.exit_code == 0
    assert "answer      1.8\n            found by a sentence such as" in result.output
    assert "  3  - the last box; says something else" in result.output
    assert "verdict     wrong: different numbers" in result.output
    assert "metamath-2024-gsm8k correct: rounded to 2" in result.output


def test_explain_says_why_a_text_is_no_mathematics() -> None:
    lines = "\n".join(explain("5", "\\foo{5}\x07"))
    assert "the command \\foo is not known" in lines
    assert "\x07" not in lines


def test_a_wrong_option_is_answered_with_a_suggestion() -> None:
    result = CliRunner().invoke(app, ["verify", "x.jsonl", "--form", "completions"])
    assert isinstance(result.exception, InputError)
    assert 'Did you mean "completion"' in str(result.exception)


@pytest.mark.slow
def test_math_verify_settles_what_is_undecided_and_is_killed_at_its_deadline() -> None:
    pytest.importorskip("math_verify", reason='needs pip install "mathstrap[eval]"')
    undecided = grade("\\sum_{k=1}^{\\infty} \\frac{1}{2^k}", "1")  # a limit nobody here takes
    assert undecided.outcome == "undecided"
    with Fallback(timeout_seconds=6) as fallback:
        settled = fallback.settle(undecided)
        assert (settled.outcome, settled.tier) == ("correct", "math-verify")
        decided = grade("5", "6")
        assert fallback.settle(decided) is decided
        start = time.perf_counter()
        assert fallback.check("5", "\\prod_{n=1}^{1000000}n") is None
        assert time.perf_counter() - start < 60, "killed and started again"
        assert fallback.check("x+1", "1+x") is True
        assert fallback.check("5", "5" * 5_000) is None
        assert fallback.settle(Grade("undecided", "none", "", "", "5")).outcome == "undecided"
