"""The run directory: what is written stays, what is torn is cut, who may write, and what it says when it cannot."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pyarrow.parquet
import pytest

from mathstrap.errors import InputError, RunLocked, StorageError
from mathstrap.files.append_log import AppendLog, ReplyIndex, SpareRoom, storage_error
from mathstrap.files.rundir import RunDir
from mathstrap.files.tables import write_atomically
from mathstrap.types import Completion, Failure, Message, Problem, Request, Sample, Sampling, Usage


def reply(number: int, key: str = "k", text: str = "x", **fields) -> Completion:
    return Completion(request=f"s-{number:03}#0", key=key, text=text, finish_reason="stop", **fields)


def asked(number: int, key: str = "k") -> Request:
    return Request(id=f"s-{number:03}#0", key=key, model="m", messages=(Message("user", "q"),), sampling=Sampling())


def filled(path, numbers, **fields):
    with RunDir.open(path) as run:
        sink = run.sink("solve")
        for number in numbers:
            sink.completion(reply(number, **fields))
    return path


def test_replies_come_back_verbatim_in_id_order(tmp_path):
    texts = ["line\nbreak", "\u2028 \U0001f600 \x00", "", '"quotes" \\frac{1}{2}', "x" * 100_000]
    with RunDir.open(tmp_path / "run") as run:
        sink = run.sink("solve")
        for number in [4, 2, 0, 3, 1]:
            sink.completion(reply(number, text=texts[number], tokens_in=2, tokens_out=number, seconds=0.5))
        assert [completion.text for completion in run.completions("solve")] == texts
    with RunDir.read(tmp_path / "run") as run:
        assert [completion.text for completion in run.completions("solve")] == texts
        assert run.spent("solve", "rewrite") == Usage(requests=5, tokens_in=10, tokens_out=10)


def test_done_is_the_same_id_and_the_same_key(tmp_path):
    filled(tmp_path / "run", [1, 3])
    with RunDir.open(tmp_path / "run") as run:
        assert run.is_done(asked(1), "solve")
        assert not run.is_done(asked(1, key="changed prompt"), "solve")
        assert not run.is_done(asked(1), "rewrite")
        assert [request.id for request in run.todo("solve", map(asked, range(5)))] == ["s-000#0", "s-002#0", "s-004#0"]
        assert run.num_done("solve") == 2


def test_a_reply_already_held_is_not_written_twice(tmp_path):
    filled(tmp_path / "run", [1, 1])
    filled(tmp_path / "run", [1])
    assert (tmp_path / "run" / "completions-solve.jsonl").read_bytes().count(b"\n") == 1


def test_replies_to_an_older_prompt_stay_and_answered_leaves_them_out(tmp_path):
    filled(tmp_path / "run", [1], key="old", text="old")
    filled(tmp_path / "run", [1, 2], key="new", text="new")
    with RunDir.read(tmp_path / "run") as run:
        assert [completion.text for completion in run.completions("solve")] == ["new", "old", "new"]
        plan = [asked(2, "new"), asked(9, "new"), asked(1, "new")]
        assert [(request.id, held.text) for request, held in run.answered("solve", plan)] == [
            ("s-002#0", "new"),
            ("s-001#0", "new"),
        ]


@pytest.mark.parametrize("torn", [b'{"request":"s-', b"\x00" * 5000, b'{"request":"s-009#0","key":"k","text":"a'])
def test_a_torn_last_line_is_cut_on_opening_and_left_out_on_reading(tmp_path, torn):
    filled(tmp_path / "run", [1, 2])
    path = tmp_path / "run" / "completions-solve.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    with RunDir.read(tmp_path / "run") as run:
        assert len(list(run.completions("solve"))) == 2
    assert path.read_bytes() == whole + torn
    filled(tmp_path / "run", [3])
    assert path.read_bytes().startswith(whole)
    with RunDir.read(tmp_path / "run") as run:
        assert [completion.request for completion in run.completions("solve")] == ["s-001#0", "s-002#0", "s-003#0"]


def test_a_file_that_is_one_torn_line_becomes_empty(tmp_path):
    filled(tmp_path / "run", [])
    path = tmp_path / "run" / "completions-solve.jsonl"
    path.write_bytes(b"x" * 200_000)
    filled(tmp_path / "run", [1])
    assert path.read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("line", [b"not json\n", b'{"key": 1}\n', b"\xff\xfe\n", b"[]\n", b"[" * 100_000 + b"\n"])
def test_a_broken_line_in_the_middle_is_named_and_left_out(tmp_path, line, caplog):
    filled(tmp_path / "run", [1])
    path = tmp_path / "run" / "completions-solve.jsonl"
    other = path.read_bytes().replace(b"s-001", b"s-002")
    path.write_bytes(path.read_bytes() + line + other)
    with RunDir.open(tmp_path / "run") as run:
        assert [held.request for held in run.completions("solve")] == ["s-001#0", "s-002#0"]
    (message,) = caplog.messages
    assert "completions-solve.jsonl:2: not a stored reply" in message
    assert "asked for again" in message


def test_a_view_of_one_id_holds_its_replies_and_still_names_broken_lines(tmp_path, caplog):
    filled(tmp_path / "run", [1, 2, 12])
    with (tmp_path / "run" / "completions-solve.jsonl").open("ab") as log:
        log.write(b'{"request":"other", torn\n')
    about = RunDir.read(tmp_path / "run", about="s-002")
    assert list(about.request_ids("solve")) == ["s-002#0"]
    assert "completions-solve.jsonl:4" in caplog.text
    odd = RunDir.read(tmp_path / "run", about='a "quoted" id')  # JSON spells it in several ways: everything is read
    assert sorted(odd.request_ids("solve")) == ["s-001#0", "s-002#0", "s-012#0"]


def test_a_second_writer_is_refused_and_a_reader_is_not(tmp_path):
    with RunDir.open(tmp_path / "run"):
        with pytest.raises(RunLocked, match=f"process {os.getpid()} on .* is writing to this run"):
            RunDir.open(tmp_path / "run")
        code = "import sys; from mathstrap.files.rundir import RunDir; RunDir.open(sys.argv[1])"
        other = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "run"], capture_output=True, text=True, check=False
        )
        assert "RunLocked" in other.stderr
        RunDir.read(tmp_path / "run").close()
    RunDir.open(tmp_path / "run").close()


def test_a_reader_sees_what_a_writer_has_written_so_far(tmp_path):
    with RunDir.open(tmp_path / "run") as writing:
        writing.sink("solve").completion(reply(1))
        with RunDir.read(tmp_path / "run") as reading:
            assert reading.num_done("solve") == 1


def test_a_missing_run_says_how_to_start_one(tmp_path):
    with pytest.raises(InputError, match="there is no run directory here"):
        RunDir.read(tmp_path / "none")


def test_a_full_disk_is_a_sentence_and_a_device_is_not_written(tmp_path):
    sentence = str(storage_error(tmp_path / "x", OSError(errno.ENOSPC, "No space left on device")))
    assert re.search(r"x: cannot be written: No space left.*run the same command again", sentence)
    with pytest.raises(StorageError, match="a device, where a file is expected"):
        AppendLog(Path("/dev/full"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_one_may_not_write_is_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="write permission"):
        RunDir.open(tmp_path / "run")


def test_a_file_in_the_way_is_a_sentence(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        RunDir.open(tmp_path / "run")
    with pytest.raises(StorageError, match="cannot be written"):
        RunDir.open(tmp_path / "run" / "deeper")


def test_failures_are_kept_in_order(tmp_path):
    with RunDir.open(tmp_path / "run") as run:
        for number in range(3):
            run.sink("solve").failure(Failure(id=f"s-{number}", key="k", error="reset", kind="connection"))
        assert [failure.id for failure in run.failures()] == ["s-0", "s-1", "s-2"]


# Derived files


def test_records_are_written_whole_and_read_back(tmp_path):
    problems = [
        Problem(id=f"p-{number}", dataset="d", style="gsm8k", question="q", answer="1", tags={"level": number})
        for number in range(5)
    ]
    with RunDir.open(tmp_path / "run") as run:
        assert run.write_records("problems", iter(problems)) == 5
        assert run.write_records("problems", problems[:3]) == 3
        assert list(run.read_records("problems", Problem)) == problems[:3]
        with pytest.raises(InputError, match="Run the recipe to its end"):
            list(run.read_records("verdicts", Problem))


def test_a_derivation_that_fails_leaves_what_was_there(tmp_path):
    def failing():
        yield reply(1)
        raise RuntimeError("stop")

    with RunDir.open(tmp_path / "run") as run:
        run.write_records("samples", [reply(7)])
        before = sorted(path.name for path in run.path.iterdir())
        with pytest.raises(RuntimeError, match="stop"):
            run.write_records("samples", failing())
        assert [row.request for row in run.read_records("samples", Completion)] == ["s-007#0"]
        assert sorted(path.name for path in run.path.iterdir()) == before


def test_records_become_a_table_with_their_types(tmp_path):
    sample = Sample(
        id="a", type="GSM_Rephrased", query="q", original_question="o", response="r\u2028", problem="p", seed="s",
        dataset="d", method="rephrase", answer="1", draw=3, tags={"level": 1},
    )  # fmt: skip
    with RunDir.open(tmp_path / "run") as run:
        run.write_records("samples", [sample, msgspec.structs.replace(sample, id="b")], parquet=Sample)
    table = pyarrow.parquet.read_table(tmp_path / "run" / "samples.parquet")
    assert table.column_names == list(Sample.__struct_fields__)
    row = table.to_pylist()[0]
    assert (row["query"], row["response"], row["draw"], row["confidence"], row["tags"]) == (
        "q", "r\u2028", 3, 1.0, '{"level":1}',
    )  # fmt: skip


def test_the_manifest_is_merged(tmp_path):
    with RunDir.open(tmp_path / "run") as run:
        run.update_manifest(version="1", counts={"seeds": 3})
        run.update_manifest(usd=2.5)
    with RunDir.read(tmp_path / "run") as run:
        assert run.manifest == {"version": "1", "counts": {"seeds": 3}, "usd": 2.5}


def test_a_whole_file_on_a_full_disk_is_a_sentence(tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        write_atomically(tmp_path / "no-such-folder" / "x", [b"1"])


def test_the_index_is_small_and_quick(tmp_path):
    path = tmp_path / "completions.jsonl"
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as out:
        for number in range(20_000):
            out.write(encode(reply(number, text="y" * 500, tokens_out=1)) + b"\n")
    index = ReplyIndex()
    index.scan(path)
    assert (len(index.rows), index.tokens_out) == (20_000, 20_000)


def test_the_index_says_what_each_reply_used_as_it_was_stored_and_when_it_is_read_again(tmp_path):
    replies = [
        Completion(request="s-1#0", key="k", text="t", finish_reason="stop", tokens_in=7, tokens_out=9),
        Completion(request="s-1#1", key="k", text="t", finish_reason="length", tokens_out=9, tokens_reasoning=5),
        Completion(request="s-2#0", key="k", text="t", finish_reason="unknown", ended="tired", reasoning=" hm "),
        Completion(request="s-2#1", key="k", text="t", finish_reason="stop", reasoning=" \n ", tokens_in=10**30),
    ]
    with RunDir.open(tmp_path / "run") as run:
        for completion in replies:
            run.sink("solve").completion(completion)
        stored = list(run.usages("solve"))
        assert run.usage_of("solve", [("s-1#1", "k"), ("s-9#0", "k"), ("s-1#0", "k")]) == Usage(
            requests=2, tokens_in=7, tokens_out=18
        )
    with RunDir.read(tmp_path / "run") as run:
        assert list(run.usages("solve")) == stored
        assert [held.request for held in run.replies_to("solve", {"s-2#1", "s-1#0"})] == ["s-1#0", "s-2#1"]
    assert [(one.finish_reason, one.ended, one.has_thought) for one in stored] == [
        ("stop", "", False), ("length", "", False), ("unknown", "tired", True), ("stop", "", False),
    ]  # fmt: skip
    assert [one.tokens_in for one in stored] == [7, 0, 0, 2**62]


def test_records_in_a_scratch_file_come_back_in_order_and_leave_nothing_behind(tmp_path):
    with RunDir.open(tmp_path / "run") as run:
        before = sorted(path.name for path in run.path.iterdir())
        scratch = run.scratch(Failure)
        for number in range(5_000):
            scratch.append(Failure(id=f"s-{number}", key="k", error="x" * 100))
        assert [failure.id for failure in scratch] == [f"s-{number}" for number in range(5_000)]
        assert sorted(path.name for path in run.path.iterdir()) == before


def test_a_line_that_fits_only_in_part_is_taken_back(tmp_path):
    code = """
import resource, sys
from mathstrap.errors import StorageError
from mathstrap.files.rundir import RunDir
from mathstrap.types import Completion
with RunDir.open(sys.argv[1]) as run:
    sink = run.sink("solve")
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
    for number in range(100):
        try:
            sink.completion(Completion(request=f"s-{number}", key="k", text="x" * 300, finish_reason="stop"))
        except StorageError as error:
            print(number, error)
            break
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "run"], capture_output=True, text=True, check=True)
    stored, sentence = done.stdout.split(" ", 1)
    assert "cannot be written: File too large" in sentence
    assert (tmp_path / "run" / "completions-solve.jsonl").read_bytes().endswith(b"}\n")
    with RunDir.read(tmp_path / "run") as run:
        assert len(list(run.completions("solve"))) == int(stored) >= 10


def test_a_full_disk_gives_the_room_kept_for_what_is_in_flight(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with RunDir.open(tmp_path / "run") as run:
        sink = run.sink("solve")
        spare = tmp_path / "run" / "spare-room"
        assert spare.stat().st_size == SpareRoom.SIZE
        real = os.write
        monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data) if not spare.exists() else full())
        sink.completion(Completion(request="s-1#0", key="k", text="x", finish_reason="stop"))
        assert sink.is_full
        assert not spare.exists()
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StorageError, match="Free some space"):
            sink.completion(Completion(request="s-2#0", key="k", text="x", finish_reason="stop"))
        monkeypatch.undo()
        assert [completion.request for completion in run.completions("solve")] == ["s-1#0"]
    with RunDir.open(tmp_path / "run") as run:
        run.sink("solve")
        assert spare.exists()
    assert not spare.exists()


def test_a_disk_that_is_full_when_the_lock_is_taken_is_a_sentence_and_leaves_no_lock(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match=r"run/lock: cannot be written.*Free some space"):
        RunDir.open(tmp_path / "run")
    monkeypatch.undo()
    with RunDir.open(tmp_path / "run") as run:
        assert run.path.is_dir()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_full_disk_behind_any_output_is_a_sentence(unbuffered):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "mathstrap", "recipes"], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left on device. Free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert "ignored" not in done.stderr
