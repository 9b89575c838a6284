"""Detect changes of a run's files since the last refresh, and read appended lines. Writes only its own notes."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mathstrap.files.append_log import decode_reply
from mathstrap.files.lines import Damage, records_in
from mathstrap.types import Completion

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FileState:
    """A file's state when it was last read, by which a change is detected, and whether the file only grew."""

    inode: int = 0
    size: int = 0
    modified_ns: int = 0


def tail(path: Path, offset: int) -> Iterator[tuple[Completion, int]]:
    """Yield the complete lines after a byte offset with the offset after each; an incomplete last line waits.

    A line that cannot be read is left out, with a warning.
    """
    if not path.exists():
        return

    def tell(damage: Damage) -> None:
        where = "" if offset == 0 else f" (lines counted from byte {offset:,})"
        logger.warning("%s", f"{damage.sentence}{where} It is left out.")

    for reply, line in records_in(path, decode_reply, tell, what="stored reply", offset=offset):
        if not line.is_ended:
            return
        yield reply, line.offset + line.size


def script(connection: sqlite3.Connection, text: str) -> None:
    """Run several statements inside the open transaction; `executescript` would commit it."""
    for statement in text.split(";"):
        if statement.strip():
            connection.execute(statement)


def seen_before(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the notes of the last refresh; empty for a new database."""
    try:
        return dict(connection.execute("select name, value from about").fetchall())
    except sqlite3.OperationalError:
        return {}  # a new database


def remember(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Store a note for the next refresh."""
    connection.execute("insert or replace into about values (?, ?)", (name, value))


def look(path: Path) -> FileState:
    """Return a file's state; all zeros where it does not exist."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return FileState()
    return FileState(inode=status.st_ino, size=status.st_size, modified_ns=status.st_mtime_ns)


def states(sources: dict[str, FileState]) -> str:
    """Return the states of files as one text to compare."""
    plain: Iterable[tuple[str, FileState]] = sorted(sources.items())
    return json.dumps([[name, file.inode, file.size, file.modified_ns] for name, file in plain])
