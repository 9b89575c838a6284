"""Know what changed in a run's files since the last look, and read what was appended. Writes only its own notes."""

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
    """What a file looked like when it was last read: enough to know that it changed, and whether it only grew."""

    inode: int = 0
    size: int = 0
    modified_ns: int = 0


def tail(path: Path, offset: int) -> Iterator[tuple[Completion, int]]:
    """Yield the whole lines after a byte offset with the offset behind each; a torn last line waits for its rest.

    A line that cannot be read is left out.
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
    """Return the notes of the last look; empty for a new database."""
    try:
        return dict(connection.execute("select name, value from about").fetchall())
    except sqlite3.OperationalError:
        return {}  # a new database


def remember(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Note something for the next look."""
    connection.execute("insert or replace into about values (?, ?)", (name, value))


def look(path: Path) -> FileState:
    """Return what a file looks like; all zeros where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return FileState()
    return FileState(inode=found.st_ino, size=found.st_size, modified_ns=found.st_mtime_ns)


def states(sources: dict[str, FileState]) -> str:
    """Return what files look like as one text to compare with."""
    plain: Iterable[tuple[str, FileState]] = sorted(sources.items())
    return json.dumps([[name, file.inode, file.size, file.modified_ns] for name, file in plain])
