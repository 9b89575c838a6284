"""Write down what a reviewer flags. The next `mathstrap run` drops flagged rows with the reason "flagged"."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from mathstrap.errors import InputError
from mathstrap.files.rundir import RunDir
from mathstrap.files.tables import write_atomically
from mathstrap.render.hostile import drop_unseen

MAX_NOTE_CHARS = 2_000


def set_flag(run: Path, row_id: str, note: str | None) -> None:
    """Flag a row with a note, or take its flag away with None; safe beside a running `mathstrap run`.

    The note may be empty. It is kept as one line without control characters.
    """
    if note is not None:
        note = " ".join(drop_unseen(note.replace("\n", " ").replace("\r", " ")).split())
        if len(note) > MAX_NOTE_CHARS:
            raise InputError(f"The note has {len(note):,} characters. Write at most {MAX_NOTE_CHARS:,}.")
    with _one_writer(run):
        flags = RunDir.read(run).flags()
        if note is None:
            flags.pop(row_id, None)
        else:
            flags[row_id] = note
        lines = [msgspec.json.encode({"id": name, "note": text}) + b"\n" for name, text in sorted(flags.items())]
        write_atomically(run / "flags.jsonl", lines, is_private=True)


@contextmanager
def _one_writer(run: Path) -> Iterator[None]:
    """Hold the directory's own lock, which is not the lock of a running stage: two reviewers take turns."""
    handle = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
