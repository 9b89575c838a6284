"""Store a reviewer's decisions. The next `mathstrap run` applies them: flagged rows are dropped, approved ones kept."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from mathstrap.errors import InputError
from mathstrap.files.rundir import Action, Mark, RunDir
from mathstrap.files.tables import write_atomically
from mathstrap.render.hostile import drop_unseen

# Bounds of one request's form; an edited answer may be as long as a stored reply.
MAX_NOTE_CHARS = 2_000
MAX_NAME_CHARS = 100
MAX_TEXT_CHARS = 200_000


def set_marks(
    run: Path, row_ids: Iterable[str], note: str = "", *, reviewer: str = "", action: Action = "flag", text: str = ""
) -> None:
    """Mark rows, all in one write, safe beside a running `mathstrap run`; `text` is the new text of an edited answer.

    Note and reviewer are kept as one line without control characters. Raises InputError where a text is too long, or
    where an edit has none.
    """
    note, reviewer = one_line(note), one_line(reviewer)[:MAX_NAME_CHARS]
    text = text.replace("\r\n", "\n").strip()
    if len(note) > MAX_NOTE_CHARS:
        raise InputError(f"The note has {len(note):,} characters. Write at most {MAX_NOTE_CHARS:,}.")
    if len(text) > MAX_TEXT_CHARS:
        raise InputError(f"The text has {len(text):,} characters. Write at most {MAX_TEXT_CHARS:,}.")
    if action == "edit" and not text:
        raise InputError("An edited answer needs a text. To leave the answer out, flag it.")
    with _marks_of(run) as marks:
        for row_id in row_ids:
            marks[row_id] = Mark(id=row_id, note=note, reviewer=reviewer, action=action, text=text)


def take_back(run: Path, row_ids: Iterable[str]) -> None:
    """Remove the marks of rows."""
    with _marks_of(run) as marks:
        for row_id in row_ids:
            marks.pop(row_id, None)


def line_of(mark: Mark) -> dict[str, str]:
    """Return a mark as a line of the file, without empty fields and without the default action "flag"."""
    line = {"id": mark.id, "note": mark.note}
    for name in ("reviewer", "action", "text"):
        value = getattr(mark, name)
        if value and value != "flag":
            line[name] = value
    return line


def one_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return " ".join(drop_unseen(text.replace("\n", " ").replace("\r", " ")).split())


@contextmanager
def _marks_of(run: Path) -> Iterator[dict[str, Mark]]:
    """Yield the marks of a run to change, and write them back.

    Holds a lock on the directory itself, so that two reviewers take turns; a running stage has another lock.
    """
    handle = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        marks = RunDir.read(run).marks()
        yield marks
        lines = [msgspec.json.encode(line_of(mark)) + b"\n" for _, mark in sorted(marks.items())]
        write_atomically(run / "flags.jsonl", lines, is_private=True)
    finally:
        os.close(handle)
