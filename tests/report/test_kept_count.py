"""The end of a run keeps its numbers, and whoever looks at the run reads them only while they are its count."""

from __future__ import annotations

import json
import os

import msgspec
import pytest

from mathstrap.files.rundir import RunDir
from mathstrap.report.analysis import analyse_run, count_run, keep_count, kept_count
from synthetic_run import synthetic_run


def plain(analysis):
    return msgspec.json.encode(msgspec.to_builtins(analysis))  # NaN is not equal to itself


@pytest.fixture
def run(tmp_path):
    path = synthetic_run(tmp_path / "run", 6)
    with RunDir.open(path) as opened:
        keep_count(opened, count_run(opened))
    return path


def test_the_kept_count_is_the_count(run):
    kept = kept_count(RunDir.read(run))
    assert kept is not None
    assert plain(kept) == plain(count_run(RunDir.read(run)))
    assert plain(analyse_run(RunDir.read(run))) == plain(kept)


@pytest.mark.parametrize("name", ["samples.jsonl", "completions-solve.jsonl", "recipe.yaml", "verdicts.jsonl"])
def test_a_changed_file_is_counted_anew(run, name):
    text = (run / name).read_bytes()
    (run / name).write_bytes(text[: text.rindex(b"\n", 0, -1) + 1])
    assert kept_count(RunDir.read(run)) is None
    (run / name).write_bytes(text)
    os.utime(run / name, ns=(1, 1))  # the same bytes, written at another time: nobody can know
    assert kept_count(RunDir.read(run)) is None


def test_a_new_file_is_counted_anew(run):
    (run / "completions-filter.jsonl").write_text("")
    assert kept_count(RunDir.read(run)) is None


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"files": 3}', "[" * 5000, None])
@pytest.mark.parametrize("name", ["metrics.json", "counted.json"])
def test_numbers_that_were_changed_by_hand_are_not_believed(run, name, damage):
    if damage is None:
        changed = json.loads((run / name).read_text())
        changed["seeds" if name == "metrics.json" else "version"] = 7
        damage = json.dumps(changed)
    (run / name).write_text(damage)
    assert plain(analyse_run(RunDir.read(run))) == plain(count_run(RunDir.read(run)))
