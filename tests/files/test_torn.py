"""A paid file torn at any byte: no record before the tear is lost, nothing is paid twice, the next line is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bounded import examples
from mathstrap.files.append_log import AppendLog
from mathstrap.files.rundir import RunDir
from mathstrap.types import Completion, Failure, Message, Request, Sampling

TEXTS = ("first", "second", 'a "quoted" \\ line\nand {"request": "forged"}', "caf\u00e9 \U0001f600 \u2028 }")
FILE = "completions-solve.jsonl"


def asked(number: int) -> Request:
    return Request(id=f"s-{number}#0", key="k", model="m", messages=(Message("user", "q"),), sampling=Sampling())


def fill(path: Path, paid: list[int]) -> None:
    """Ask for what is missing, as the engine does, and note what is paid for."""
    with RunDir.open(path) as run:
        sink = run.sink("solve")
        for request in list(run.todo("solve", map(asked, range(len(TEXTS))))):
            number = int(request.id[2:-2])
            paid.append(number)
            sink.completion(Completion(request=request.id, key="k", text=TEXTS[number], finish_reason="stop"))


def test_a_paid_file_torn_at_any_byte_of_its_last_two_records_is_mended(tmp_path: Path) -> None:
    path = tmp_path / "run"
    fill(path, [])
    whole = (path / FILE).read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    assert len(ends) == len(TEXTS)
    for size in range(ends[1], len(whole) + 1):
        (path / FILE).write_bytes(whole[:size])
        # A record is there once its last brace is; the newline after it may be lost.
        there = [number for number, end in enumerate(ends) if size >= end - 1]
        with RunDir.read(path) as run:
            assert [held.text for held in run.completions("solve")] == [TEXTS[number] for number in there], size
        paid: list[int] = []
        fill(path, paid)
        assert paid == [number for number in range(len(TEXTS)) if number not in there], size
        assert (path / FILE).read_bytes() == whole, size


def test_a_journal_torn_at_any_byte_is_mended(tmp_path: Path) -> None:
    with RunDir.open(tmp_path / "run") as run:
        for number in range(3):
            run.sink("solve").journal({"event": "closed", "token": str(number)})
    path = tmp_path / "run" / "batches-solve.jsonl"
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for size in range(last, len(whole) + 1):
        path.write_bytes(whole[:size])
        with RunDir.open(tmp_path / "run") as run:
            sink = run.sink("solve")
            found = len(sink.journal_entries())
            assert found == (3 if size >= len(whole) - 1 else 2)
            sink.journal({"event": "closed", "token": "new"})
        assert len([json.loads(line) for line in path.read_bytes().splitlines()]) == found + 1


def test_a_last_line_without_its_newline_is_read(tmp_path: Path) -> None:
    with RunDir.open(tmp_path / "run") as run:
        run.sink("solve").failure(Failure(id="a", key="k", error="e", kind="server"))
    (tmp_path / "run" / "flags.jsonl").write_text('{"id": "a"}\n{"id": "b", "note": "by hand"}')
    with RunDir.read(tmp_path / "run") as run:
        assert run.flags() == {"a": "", "b": "by hand"}
        assert [failure.id for failure in run.failures()] == ["a"]


@examples(60)
@given(st.binary(max_size=40).filter(lambda tail: b"\n" not in tail), st.integers(0, 2))
def test_any_tail_without_a_newline_leaves_the_lines_before_it(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, count: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_bytes(b'{"a": 1}\n' * count + tail)
    log = AppendLog(path, fsync_seconds=0)
    offset = log.append(b'{"b": 2}')
    log.close()
    lines = path.read_bytes().splitlines(keepends=True)
    assert lines[:count] == [b'{"a": 1}\n'] * count
    assert lines[-1] == b'{"b": 2}\n'
    assert path.read_bytes()[offset:] == lines[-1]
    assert len(lines) - count - 1 in ({0, 1} if tail.startswith(b"{") else {0})
