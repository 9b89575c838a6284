"""Files of rows hold anything: each row is read or refused with its place, and nothing else is ever raised."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bounded import examples
from mathstrap.errors import InputError
from mathstrap.evaluate.outputs import read_outputs
from mathstrap.files.rows import iter_rows
from mathstrap.problems.benchmarks import BENCHMARKS
from mathstrap.problems.load import SeedsOptions, load_problems
from mathstrap.problems.shapes import Shaped, contest_integer
from mathstrap.train import DataOptions
from mathstrap.train.data import load_pairs
from mathstrap.types import Completion, Problem

PIECES = [
    b'{"question": "1+1?", "answer": "2"}', b'{"id": "p-0", "text": "a"}', b"question,answer", b"1+1?,2", b'"', b'""',
    b",", b"\t", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"[", b"]", b"{", b"}",
    b"[" * 3000, b"NaN", b"1e999", b"9" * 5000, b'{"a": "\\ud800"}', b"null", b"true", b'{"question": 5}',
    b'{"question": null, "answer": [1]}',
]  # fmt: skip
soup = st.one_of(st.binary(max_size=60), st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
PROBLEMS = [Problem(id=f"p-{n}", dataset="p", style="gsm8k", question=f"{n}?", answer=str(n)) for n in range(2)]


def read_everything(path: Path) -> list[dict[str, Any]]:
    """Read a file in every way the product does; the rows, where all of it could be read."""
    found: list[dict[str, Any]] = []
    bad: list[int] = []
    try:
        found = [row for _, row in iter_rows(path, bad=lambda number, reason: bad.append(number))]
        assert all(isinstance(row, dict) for row in found)
    except InputError as error:
        assert path.name in str(error)  # noqa: PT017
    for read in (
        lambda: list(iter_rows(path)),
        lambda: load_problems(SeedsOptions(source=str(path), on_bad="skip")),
        lambda: load_pairs(DataOptions(path=str(path), on_bad="skip"), rng_seed=0),
        lambda: read_outputs(path, PROBLEMS, on_bad="skip"),
    ):
        try:
            read()
        except InputError as error:
            assert str(error)  # noqa: PT017
    return found


@examples(120)
@given(soup, st.sampled_from([".jsonl", ".json", ".csv", ".tsv"]))
@example(b'{"id": "p-0#\xc2\xb2", "text": "a"}', ".jsonl")
@example(b'{"id": "p-0", "draw": "' + b"9" * 5000 + b'", "text": "a"}', ".jsonl")
@example(b'{"doc_id": "\xc2\xb2", "text": "a"}', ".jsonl")
def test_any_bytes_are_rows_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes, kind: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{kind}"
    path.write_bytes(content)
    read_everything(path)


def parquet() -> bytes:
    file = io.BytesIO()
    rows = [{"question": f"{n}+1?", "answer": str(n + 1), "id": f"p-{n}", "text": "a", "n": n} for n in range(3)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file, compression="none")
    return file.getvalue()


GOOD = parquet()


@examples(80)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=4),
    st.sampled_from([0, 8, 200, -1]),
)
def test_a_damaged_parquet_file_is_rows_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(GOOD)
    for place, byte in changes:
        content[place] = byte
    path = tmp_path_factory.getbasetemp() / "any.parquet"
    path.write_bytes(content if cut < 0 else content[:-cut] if cut else content)
    read_everything(path)


def test_a_column_name_that_is_not_utf8_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "named.parquet"
    path.write_bytes(GOOD.replace(b"question", b"\x80uestion"))
    with pytest.raises(InputError, match=r"named\.parquet: not a Parquet .* can't decode byte 0x80"):
        list(iter_rows(path))
    read_everything(path)


@pytest.mark.parametrize(
    "column",
    [
        pyarrow.array([2**52], pyarrow.timestamp("s")),
        pyarrow.array([2**62], pyarrow.duration("s")),
        pyarrow.array([2**31 - 1], pyarrow.date32()),
        pyarrow.array([b"\xff\xfe"], pyarrow.binary()),
        pyarrow.array([1], pyarrow.timestamp("ns", "Mars/Olympus")),
        pyarrow.array([{"a": [b"x"]}]),
    ],
)
def test_values_that_python_has_no_form_of_are_rows_or_a_sentence(column: Any, tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    table = pyarrow.table({"question": ["1+1?"], "answer": ["2"], "odd": column})
    pyarrow.parquet.write_table(table, path)
    read_everything(path)


def test_a_row_with_a_date_out_of_range_is_one_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "dates.parquet"
    days = pyarrow.array([1, 2**31 - 1, 2], pyarrow.date32())
    pyarrow.parquet.write_table(pyarrow.table({"question": ["a", "b", "c"], "day": days}), path)
    bad: dict[int, str] = {}
    assert [row["question"] for _, row in iter_rows(path, bad=bad.__setitem__)] == ["a", "c"]
    assert "out of range" in bad[2]


def number_row(digits: str) -> bytes:
    return b'{"question": "1+1?", "answer": %b}' % digits.encode()


@pytest.mark.parametrize("digits", ["9" * 5000, "-" + "9" * 400, "1e400", "0." + "1" * 5000])
def test_endless_numbers_are_rows_or_a_sentence(digits: str, tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    path.write_bytes(number_row(digits) + b"\n" + number_row("2"))
    read_everything(path)


odd = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.just("p-0"), st.just("p-1#1"),
    st.just("²"), st.lists(st.text(max_size=3) | st.lists(st.text(max_size=3), max_size=2), max_size=2),
)  # fmt: skip
NAMES = (
    "id", "request", "doc_id", "draw", "filter", "text", "resps", "output", "finish_reason", "tokens_out", "seconds",
)  # fmt: skip
output_rows = st.dictionaries(st.sampled_from(NAMES), odd, max_size=5)


FIELDS = (
    "question", "answer", "problem", "solution", "level", "subject", "input", "target", "Body", "Question", "Answer",
    "body", "passage", "answers_spans", "original_question", "perturbation_type", "seed_question", "type", "Equation",
    "solution_type", "formula", "year", "url",
)  # fmt: skip
told = st.one_of(
    odd, st.sampled_from(["1+1?", "#### 2", "1" * 400, "12.0", "9007199254740993", "Level 5", "\\boxed{", "nan"]),
    st.fixed_dictionaries({"types": odd | st.just(["number"]), "spans": odd | st.just(["3"])}),
)  # fmt: skip


@examples(150)
@given(st.dictionaries(st.sampled_from(FIELDS), told, max_size=8))
def test_any_row_of_a_test_set_has_a_shape_or_a_reason(row: dict[str, Any]) -> None:
    for benchmark in BENCHMARKS.values():
        if not benchmark.build:
            shaped = benchmark.shape(row)
            assert isinstance(shaped, Shaped | str)
            assert isinstance(shaped, str) or (shaped.question and shaped.answer)


def test_a_whole_number_of_a_contest_keeps_every_digit() -> None:
    shaped = contest_integer({"problem": "p", "answer": "9007199254740993.0"})
    assert isinstance(shaped, Shaped)
    assert shaped.answer == "9007199254740993"


@examples(100)
@given(st.lists(output_rows, max_size=4), st.sampled_from(["stop", "skip"]))
@example([{"id": "p-0", "text": "a", "tokens_out": -1, "seconds": 1e308}], "skip")
@example([{"id": "p-0", "text": "a", "tokens_out": 2**70, "seconds": 10**400}], "skip")
def test_any_outputs_are_replies_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], on_bad: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "outputs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    try:
        found = read_outputs(path, PROBLEMS, on_bad=on_bad)
    except InputError as error:
        assert "outputs.jsonl" in str(error)  # noqa: PT017
        return
    for (_, draw), completion in found.texts.items():
        assert draw >= 0
        assert completion.tokens_out >= 0
        assert msgspec.json.decode(msgspec.json.encode(completion), type=Completion) == completion
