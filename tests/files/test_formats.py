"""Every layout that people keep rows in is read as the same two rows."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.ipc
import pytest

from mathstrap.errors import InputError
from mathstrap.files.rows import Starts, iter_rows, place_of

ROWS = [{"question": "1+1? Say, 2", "answer": "2"}, {"question": "Größe; 2\t+ 2?", "answer": "4"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
TABLE = 'question,answer\n"1+1? Say, 2",2\n"Größe; 2\t+ 2?",4\n'
COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}
BY_PLACE = {name: {str(place): row[name] for place, row in enumerate(ROWS)} for name in ROWS[0]}
SERVER = {"features": [], "rows": [{"row_idx": n, "row": row, "truncated_cells": []} for n, row in enumerate(ROWS)]}


def read(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in iter_rows(path)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", LINES),
        ("a.json", LINES),  # lines under the wrong name
        ("a.jsonl", json.dumps(ROWS)),  # an array under the wrong name
        ("a.jsonl", "\ufeff" + LINES),
        ("a.json", "\n\n" + json.dumps(ROWS)),
        ("a.json", json.dumps(ROWS, indent=2)),
        ("a.json", json.dumps({"data": ROWS})),
        ("a.jsonl", json.dumps({"data": ROWS})),
        ("a.json", json.dumps({"version": 1, "meta": {"a": 1}, "questions": ROWS}, indent=1)),
        ("a.json", json.dumps({"dataset": {"data": ROWS}})),
        ("a.json", json.dumps(SERVER)),
        ("a.json", json.dumps(COLUMNS)),
        ("a.json", json.dumps(BY_PLACE)),  # pandas.DataFrame.to_json()
        ("a.json", json.dumps({"columns": list(COLUMNS), "index": [0, 1], "data": [list(r.values()) for r in ROWS]})),
        ("a.json", json.dumps([list(COLUMNS), *[list(row.values()) for row in ROWS]])),
        ("a.json", "\n".join(json.dumps(row, indent=2) for row in ROWS)),  # one printed object after another
        ("a.csv", 'question,answer\n"1+1? Say, 2",2\nGröße; 2\t+ 2?,4\n'),
        ("a.csv", 'question, answer\n"1+1? Say, 2", 2\nGröße; 2\t+ 2?, 4\n'),
        ("a.csv", 'question;answer\n1+1? Say, 2;2\n"Größe; 2\t+ 2?";4\n'),
        ("a.csv", 'sep=;\nquestion;answer\n1+1? Say, 2;2\n"Größe; 2\t+ 2?";4\n'),
        ("a.csv", 'question,answer,\n"1+1? Say, 2",2,\nGröße; 2\t+ 2?,4,\n\n'),
        ("a.json", json.dumps([list(row.values()) for row in ROWS])),  # pairs of question and answer
        ("a.txt", 'question|answer\n1+1? Say, 2|2\n"Größe; 2\t+ 2?"|4\n'),
        ("a.csv", 'My questions of 2024\n\nquestion,answer\n"1+1? Say, 2",2\nGröße; 2\t+ 2?,4\n'),
        ("a.jsonl", LINES.replace("}\n", "},\n")),
        ("a.tsv", 'question\tanswer\n1+1? Say, 2\t2\n"Größe; 2\t+ 2?"\t4\n'),
    ],
)
def test_every_layout_of_text_gives_the_same_rows(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    assert read(tmp_path / name) == ROWS


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32", "utf-32-be"])
@pytest.mark.parametrize(
    ("name", "text"), [("a.jsonl", LINES), ("a.csv", 'question,answer\n"1+1? Say, 2",2\n"Größe; 2\t+ 2?",4\n')]
)
def test_wide_encodings_are_read(tmp_path, encoding, name, text):
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert read(tmp_path / name) == ROWS


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", lambda data: pyarrow.Codec("zstd").compress(data, asbytes=True)),
    ],
)
def test_packed_files_are_read_and_damaged_ones_are_a_sentence(tmp_path, suffix, pack):
    packed = pack(LINES.encode())
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(packed)
    assert read(path) == ROWS
    path.write_bytes(b"not packed at all, whatever the name says")
    with pytest.raises(InputError, match="cannot be unpacked"):
        read(path)


def test_a_table_without_a_header_is_questions_and_answers(tmp_path):
    (tmp_path / "a.tsv").write_text('Ann says "two" and 3. How many?\t5\nWhat is "2+2\t4\n', encoding="utf-8")
    assert read(tmp_path / "a.tsv") == [
        {"question": 'Ann says "two" and 3. How many?', "answer": "5"},
        {"question": 'What is "2+2', "answer": "4"},
    ]


def test_folders_and_globs_run_on_and_name_the_file_of_a_row(tmp_path):
    for name, row in zip("ab", ROWS, strict=True):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "dataset_info.json").write_text('{"features": {}}')
    starts: Starts = []
    assert [number for number, _ in iter_rows(tmp_path, starts=starts)] == [1, 2]
    assert place_of(tmp_path, 2, starts) == f"{tmp_path / 'b.jsonl'}:1"
    assert read(tmp_path / "*.jsonl") == ROWS
    (tmp_path / "b.jsonl").write_text('{"question": \n')
    with pytest.raises(InputError, match=r"b\.jsonl:1: not JSON"):
        read(tmp_path / "*.jsonl")
    with pytest.raises(InputError, match="no file matches"):
        read(tmp_path / "*.csv")


def test_two_lists_of_rows_are_not_guessed_between(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"train": ROWS, "test": ROWS}))
    with pytest.raises(InputError, match="several lists of rows"):
        read(tmp_path / "a.json")


def test_a_row_that_holds_turns_is_one_row(tmp_path):
    row = {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}
    for name in ("a.json", "a.jsonl"):
        (tmp_path / name).write_text(json.dumps(row))
        assert read(tmp_path / name) == [row]


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def test_archives_are_read_without_what_describes_them(tmp_path):
    noise = {"__MACOSX/set/._train.jsonl": "\0", "README.json": "{}", "../../x.csv": TABLE}
    files = {"set/train.jsonl": LINES, **noise, "zz/b.csv": TABLE}
    assert read(zipped(tmp_path / "a.zip", files)) == [*ROWS, *ROWS]
    with pytest.raises(InputError, match=r"several splits: test .*, train"):
        read(zipped(tmp_path / "b.zip", {"train.jsonl": LINES, "test.jsonl": LINES}))
    (tmp_path / "c.zip").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(InputError, match="cannot be unpacked"):
        read(tmp_path / "c.zip")


def test_a_folder_with_several_splits_is_not_read_as_one(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "data.jsonl").write_text(LINES)
    with pytest.raises(InputError, match="several splits"):
        read(tmp_path)
    assert read(tmp_path / "train") == ROWS


@pytest.mark.parametrize("opener", [pyarrow.ipc.new_stream, pyarrow.ipc.new_file])
def test_arrow_files_of_a_saved_dataset_are_read(tmp_path, opener):
    table = pyarrow.Table.from_pylist(ROWS)
    with opener(str(tmp_path / "data-00000-of-00001.arrow"), table.schema) as writer:
        writer.write_table(table)
    (tmp_path / "state.json").write_text("{}")
    assert read(tmp_path) == ROWS
    (tmp_path / "data-00000-of-00001.arrow").write_bytes(b"ARROW1 torn")
    with pytest.raises(InputError, match="not an Arrow file"):
        read(tmp_path)


def test_asdivs_problems_are_read_and_a_document_type_is_not(tmp_path):
    problem = '<Set><Problem ID="p1"><Body>A.</Body><Question>B?</Question><Answer>9 (apples)</Answer></Problem></Set>'
    (tmp_path / "a.xml").write_text(problem)
    assert read(tmp_path / "a.xml") == [{"ID": "p1", "Body": "A.", "Question": "B?", "Answer": "9 (apples)"}]
    (tmp_path / "a.xml").write_text('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]>' + problem)
    with pytest.raises(InputError, match="document type"):
        read(tmp_path / "a.xml")


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "git lfs pull"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "git lfs pull"),
        ("a.json", b"<!DOCTYPE html><html></html>", "a web page"),
        ("a.csv", b"PAR1\0\0", "a Parquet file under another name"),
        ("a.csv", b"question,answer,answer\n1?,2,3\n", 'two columns are named "answer"'),
    ],
)
def test_a_file_that_is_something_else_says_what_it_is(tmp_path, name, data, found):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=found):
        read(tmp_path / name)


def test_what_is_packed_is_told_by_its_bytes_and_a_table_without_a_header_by_its_letters(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(gzip.compress(LINES.encode()))
    assert read(tmp_path / "a.jsonl") == ROWS
    (tmp_path / "mmlu.csv").write_text("Which is prime?,4,9,7,8,C\n")
    assert read(tmp_path / "mmlu.csv") == [
        {"question": "Which is prime?", "A": "4", "B": "9", "C": "7", "D": "8", "answer": "C"}
    ]
