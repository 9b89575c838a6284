from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from mathstrap.audit.clean import SourceRows, decontaminate_file, dedup_file
from mathstrap.cli import app
from mathstrap.curate.certificate import Certificate
from mathstrap.curate.decontaminate import TestSetIndex
from mathstrap.curate.dedup import DedupOptions
from mathstrap.errors import InputError
from mathstrap.problems.testsets import DEFAULT, load_test_sets

APPLES = "Tom has 3 red apples and buys 4 more green apples at the market. How many apples does Tom have in total?"
PEARS = "Ann has 9 pears and gives her four brothers two pears each before lunch. How many pears are left for Ann?"


def rows_file(path: Path, rows: list[Any]) -> Path:
    path.write_bytes(b"".join(row if isinstance(row, bytes) else msgspec.json.encode(row) + b"\n" for row in rows))
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.open()]


def test_dedup_writes_what_stays_and_tells_why_the_rest_goes(tmp_path: Path) -> None:
    source = rows_file(
        tmp_path / "in.jsonl",
        [
            {"question": APPLES, "n": 1},
            {"question": APPLES.replace("the", "a")},
            b"{\n",
            {"question": 5},
            {"question": PEARS},
        ],
    )
    out, gone, pairs = tmp_path / "out.jsonl", tmp_path / "gone.jsonl", tmp_path / "pairs.json"
    text = run("dedup", source, "--out", out, "--dropped", gone, "--pairs", pairs)
    assert "5 rows: 3 kept, 2 dropped (1 of them without a question)" in text
    assert lines_of(out) == [{"question": APPLES, "n": 1}, {"question": 5}, {"question": PEARS}]
    assert [row["reasons"][0].partition(":")[0] for row in lines_of(gone)] == ["duplicate", "bad_row"]
    again = run("dedup", source, "--reuse", pairs, "--threshold", 0.95)
    assert "4 kept, 1 dropped" in again


def test_the_pairs_of_another_search_are_refused(tmp_path: Path) -> None:
    source = rows_file(tmp_path / "in.jsonl", [{"question": APPLES}, {"question": PEARS}])
    found, _ = dedup_file(SourceRows(name=str(source)), DedupOptions())
    with pytest.raises(InputError, match="only the threshold may differ"):
        dedup_file(SourceRows(name=str(source)), DedupOptions(numbers="ignore"), known=found)
    other = rows_file(tmp_path / "other.jsonl", [{"question": APPLES}])
    with pytest.raises(InputError, match="has 1 questions, the pairs are of 2"):
        dedup_file(SourceRows(name=str(other)), DedupOptions(), known=found)


def test_decontamination_takes_the_original_questions_as_its_baseline(tmp_path: Path) -> None:
    rows = [
        {"query": APPLES + " Please.", "original_question": APPLES, "response": "r"},
        {"query": PEARS, "original_question": "Something else.", "response": "r"},
        {"query": "Innocent question about 5 plums?", "original_question": "Innocent 5 plums?", "response": "r"},
    ]
    source = rows_file(tmp_path / "in.jsonl", rows)
    index = TestSetIndex.build({"test": [("0", APPLES), ("1", PEARS)]})
    out, matches = tmp_path / "out.jsonl", tmp_path / "matches.jsonl"
    record, sifted = decontaminate_file(SourceRows(name=str(source)), index, out=out, matches_out=matches)
    (row,) = record.overlaps
    assert (row.seed_items, row.derived_items, row.items_introduced, row.introduced) == (1, 2, 1, 1)
    assert (record.num_seeds, record.num_derived, record.dropped) == (3, 3, 2)
    assert (sifted.kept, sifted.dropped) == (1, 2)
    assert lines_of(out) == rows[2:]
    assert [(match["id"], match["test_id"]) for match in lines_of(matches)] == [("line 1", "0"), ("line 2", "1")]
    assert record.seed_examples[0].id == "original question of line 1"
    assert [match.id for match in record.derived_examples] == ["line 1", "line 2"]


def test_decontaminate_on_the_command_line(tmp_path: Path) -> None:
    source = rows_file(tmp_path / "in.jsonl", [{"question": PEARS}, {"question": "Innocent question about 5 plums?"}])
    tests = rows_file(tmp_path / "tests.jsonl", [{"problem": PEARS, "answer": "1"}])
    seeds = rows_file(tmp_path / "seeds.jsonl", [{"question": APPLES}])
    markdown, record = tmp_path / "c.md", tmp_path / "c.json"
    text = run("decontaminate", source, "--against", tests, "--seeds", seeds, "--certificate", markdown)
    assert "2 rows: 1 kept, 1 dropped" in text
    assert "| 1 | 0 (0.00 %) | 1 (100.00 %) |" in markdown.read_text()
    run("decontaminate", source, "--against", tests, "--certificate", record, "--ngram", 6, "--numbers", "mask")
    assert msgspec.json.decode(record.read_bytes(), type=Certificate).dropped == 1


def test_audit_on_the_command_line(tmp_path: Path) -> None:
    rows = [
        {"query": APPLES, "response": "It is 3 + 4 = 7.\nThe answer is: 7", "original_question": APPLES},
        {"query": APPLES, "response": "It is 3 + 4 = 8.\nThe answer is: 8", "original_question": APPLES},
    ]
    source = rows_file(tmp_path / "in.jsonl", rows)
    seeds = rows_file(tmp_path / "seeds.jsonl", [{"question": APPLES, "answer": "3 + 4 = 7\n#### 7"}])
    out, report = tmp_path / "clean.jsonl", tmp_path / "report.json"
    text = run("audit", source, "--seeds", seeds, "--out", out, "--json", report, "--no-contamination")
    assert "2 rows: 1 sound, 1 with a defect that drops them" in text
    assert "wrong_answer" in text
    assert "false_arithmetic" in text
    assert lines_of(out) == rows[:1]
    assert json.loads(report.read_text())["dropped"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dedup", "absent.jsonl"], "no such file"),
        (["dedup", "FILE", "--threshold", "3"], "--threshold 3"),
        (["dedup", "FILE", "--numbers", "ignored"], 'expected differ or ignore. Did you mean "ignore"'),
        (["dedup", "FILE", "--field", "query"], "expected PART=COLUMN"),
        (["dedup", "FILE", "--field", "query=qestion"], 'no column "qestion" for the query. Did you mean "question"'),
        (["dedup", "FILE", "--reuse", "FILE"], "the pairs are of 0. Search again"),
        (["decontaminate", "FILE", "--against", "gsm8kk"], 'no such benchmark "gsm8kk". Did you mean "gsm8k"'),
        (["decontaminate", "FILE", "--against", "FILE", "--ngram", "2"], "ngram_words: found 2, expected 6 or more"),
        (["audit", "FILE", "--drop", "wrong"], 'no such defect "wrong"'),
        (["audit", "FILE"], "no column holds the response"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(arguments: list[str], message: str, tmp_path: Path) -> None:
    source = rows_file(tmp_path / "in.jsonl", [{"question": APPLES}])
    result = CliRunner().invoke(app, [str(source) if word == "FILE" else word for word in arguments])
    assert result.exit_code != 0
    assert message in str(result.exception)


def test_an_empty_file_and_one_without_questions_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    for content in (b"", b"{\n", b'{"question": ""}\n'):
        source = tmp_path / "in.jsonl"
        source.write_bytes(content)
        with pytest.raises(InputError, match="no row with a question"):
            dedup_file(SourceRows(name=str(source)), DedupOptions(), out=tmp_path / "out.jsonl")
        assert list(tmp_path.iterdir()) == [source]


def test_the_usual_test_sets_are_read_whole(data_path: Path) -> None:
    sets = load_test_sets(data=str(data_path))
    assert list(sets) == list(DEFAULT)
    assert {name: len(questions) for name, questions in sets.items()} == {
        "gsm8k": 1319, "math": 5000, "math500": 500, "svamp": 1000, "asdiv": 2215, "mawps": 2065, "gsm-hard": 1319,
    }  # fmt: skip


def test_csv_and_parquet_are_read_too(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [{"question": APPLES, "n": 1}, {"question": PEARS, "n": 2}, {"question": APPLES.lower(), "n": None}]
    table = tmp_path / "in.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), table)
    csv = tmp_path / "in.csv"
    csv.write_text("question,n\n" + "".join(f'"{row["question"]}",{row["n"] or ""}\n' for row in rows))
    for source in (table, csv):
        assert "3 rows: 2 kept, 1 dropped" in run("dedup", source, "--out", tmp_path / "out.jsonl")
        assert [row["question"] for row in lines_of(tmp_path / "out.jsonl")] == [APPLES, PEARS]


def test_a_file_in_another_encoding_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_bytes(f"question\n{APPLES}\ncaf\xe9\n".encode("latin-1"))
    result = CliRunner().invoke(app, ["dedup", str(source), "--out", str(out)])
    assert "not UTF-8" in str(result.exception)
    assert not out.exists()
