"""Files as they come: damaged, in another encoding, of other types. A sentence or a counted reject, never a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from mathstrap.cli import app
from mathstrap.errors import InputError

QUESTION = "Tom has 3 red apples and buys 4 more green apples at the market. How many apples does Tom have in total?"
GOOD = {"query": QUESTION, "response": "It is 3 + 4 = 7.\nThe answer is: 7", "gold": "7"}
VERBS = ("dedup", "decontaminate", "audit")


def lines(*rows: Any) -> bytes:
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


def run(verb: str, path: Path, folder: Path) -> Any:
    """Run a verb with both outputs and return click's result."""
    tests = folder / "tests.jsonl"
    tests.write_bytes(lines({"question": "A test question about nine pears that nobody in this file asks of anyone?"}))
    arguments = [verb, str(path), "--out", str(folder / "out.jsonl"), "--dropped", str(folder / "dropped.jsonl")]
    return CliRunner().invoke(app, arguments if verb == "dedup" else [*arguments, "--against", str(tests)])


def is_refused(verb: str, path: Path, folder: Path) -> str:
    """Say with which sentence a verb refuses a file; nothing may have been written."""
    result = run(verb, path, folder)
    assert isinstance(result.exception, InputError), (result.output, result.exception)
    assert {found.name for found in folder.iterdir()} == {path.name, "tests.jsonl"}
    return str(result.exception)


# One good row, and one that is counted and set aside.
ROWS = [
    {"other": 1},
    {"query": None, "response": "r"},
    {"query": ["q", "p"], "response": "r"},
    {"query": {"text": "q"}, "response": "r"},
    {"query": True, "response": "r"},
    {"query": "", "response": "r"},
    {"query": "x " * 600_000, "response": "r"},  # more than a megabyte
    ["a list"],
    "text",
    5,
    None,
    b'{"query": NaN, "response": "r"}\n',
    b'{"query": 1e999, "response": "r"}\n',
    b'{"query": "caf\xe9", "response": "r"}\n',
    b'{"query": "half a pair \\ud800", "response": "r"}\n',
    b'{"query": "torn',
    b'{"query": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    b"\xff\xfe\x00\n",
]


@pytest.mark.parametrize("verb", VERBS)
def test_a_row_that_is_of_no_use_is_counted_and_the_rest_goes_on(verb: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for odd in ROWS:
        path.write_bytes(lines(GOOD, odd))
        result = run(verb, path, tmp_path)
        assert result.exception is None, (odd if len(str(odd)) < 200 else str(odd)[:200], result.exception)
        assert [json.loads(line) for line in (tmp_path / "out.jsonl").open()] == [GOOD]
        (gone,) = map(json.loads, (tmp_path / "dropped.jsonl").open())
        assert gone["line"] == 2
        assert gone["reasons"][0].startswith("bad_row: ")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", b"", "no row"),
        ("rows.jsonl", b"\n \n", "no row"),
        ("rows.csv", b"", "no row"),
        ("rows.csv", b"query,response\n", "no row"),
        ("rows.jsonl", lines(GOOD["query"], 5), "no row"),
        ("rows.jsonl", lines({"a": 1}), "no column holds the question"),
        ("rows.jsonl", json.dumps(GOOD).encode("utf-16")[:-1], "not UTF-16"),
        ("rows.json", b'[{"query":', "not a JSON array"),
        ("rows.json", b"[" * 100_000, "not a JSON array"),
        ("rows.csv", "query,response\ncaf\xe9,r\n".encode("latin-1"), "not UTF-8"),
        ("rows.csv", b'query,response\n"open,r\n', "not CSV"),
        ("rows.parquet", b"PAR1xx", "not a Parquet file"),
        ("rows.parquet", b"PAR1" + b"\0" * 200 + b"PAR1", "not a Parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(
    verb: str, name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert message in is_refused(verb, path, tmp_path)


@pytest.mark.parametrize("verb", VERBS)
def test_a_damaged_page_of_a_parquet_file_is_a_sentence(verb: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([GOOD] * 50), path)
    content = bytearray(path.read_bytes())
    content[8:60] = b"\x55" * 52
    path.write_bytes(content)
    assert "a damaged one" in is_refused(verb, path, tmp_path)


@pytest.mark.parametrize("verb", VERBS)
def test_parquet_text_that_is_not_utf8_is_one_bad_row(verb: str, tmp_path: Path) -> None:
    texts = [QUESTION.encode(), b"\xff\xfe broken", None]
    queries = pyarrow.array(texts, pyarrow.binary()).view(pyarrow.string())
    path = tmp_path / "rows.parquet"
    table = {"query": queries, "response": [GOOD["response"]] * 3, "gold": ["7"] * 3}
    pyarrow.parquet.write_table(pyarrow.table(table), path)
    assert run(verb, path, tmp_path).exception is None
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").open()] == [GOOD]
    gone = [json.loads(line) for line in (tmp_path / "dropped.jsonl").open()]
    assert [row["line"] for row in gone] == [2, 3]
    assert "not UTF-8" in gone[0]["reasons"][0]


def test_a_directory_of_the_hub_is_read_and_compared(tmp_path: Path) -> None:
    pytest.importorskip("datasets", reason='needs pip install "mathstrap[hub]"')
    folder = tmp_path / "set"
    (folder / "data").mkdir(parents=True)
    rows = [GOOD, GOOD | {"query": QUESTION.lower()}, GOOD | {"query": "Another question about 5 plums?"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "data" / "train-00000-of-00001.parquet")
    for verb, kept in (("dedup", 2), ("decontaminate", 3), ("audit", 2)):
        result = run(verb, Path(f"hf:{folder}"), tmp_path)
        assert result.exception is None, result.exception
        assert len((tmp_path / "out.jsonl").read_text().splitlines()) == kept, verb
