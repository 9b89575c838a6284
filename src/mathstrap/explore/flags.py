"""Write down what a reviewer flags. The next `mathstrap run` drops flagged rows with the reason "flagged"."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from mathstrap.errors import InputError
from mathstrap.files.rundir import Flag, RunDir
from mathstrap.files.tables import write_atomically
from mathstrap.render.hostile import drop_unseen

MAX_NOTE_CHARS = 2_000
MAX_NAME_CHARS = 100


def set_flag(run: Path, row_id: str, note: str | None, *, reviewer: str = "") -> None:
    """Flag a row with a note, or take its flag away with None; safe beside a running `mathstrap run`."""
    set_flags(run, [row_id], note, reviewer=reviewer)


def set_flags(run: Path, row_ids: Iterable[str], note: str | None, *, reviewer: str = "") -> None:
    """Flag rows with one note, or take their flags away with None; all in one write.

    Note and reviewer may be empty. Each is kept as one line without control characters.
    """
    reviewer = one_line(reviewer)[:MAX_NAME_CHARS]
    if note is not None:
        note = one_line(note)
        if len(note) > MAX_NOTE_CHARS:
            raise InputError(f"The note has {len(note):,} characters. Write at most {MAX_NOTE_CHARS:,}.")
    with _one_writer(run):
        flags = RunDir.read(run).marks()
        for row_id in row_ids:
            if note is None:
                flags.pop(row_id, None)
            else:
                flags[row_id] = Flag(id=row_id, note=note, reviewer=reviewer)
        lines = [msgspec.json.encode(line_of(flag)) + b"\n" for _, flag in sorted(flags.items())]
        write_atomically(run / "flags.jsonl", lines, is_private=True)


def line_of(flag: Flag) -> dict[str, str]:
    """Return a flag as it is written: without a reviewer where none is named."""
    line = {"id": flag.id, "note": flag.note}
    return line | {"reviewer": flag.reviewer} if flag.reviewer else line


def one_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return " ".join(drop_unseen(text.replace("\n", " ").replace("\r", " ")).split())


@contextmanager
def _one_writer(run: Path) -> Iterator[None]:
    """Hold the directory's own lock, which is not the lock of a running stage: two reviewers take turns."""
    handle = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
