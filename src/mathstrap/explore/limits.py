"""Limit the cost of a query of the explorer: processor time, the size of a value and of an answer.

SQLite checks the time only between instructions, so no single instruction may take long: values and patterns are
short, and functions whose time grows with the product of two lengths are replaced by Python's, which grow linearly.
"""

from __future__ import annotations

import sqlite3
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Anyone who can open the pages can send SQL, so time, memory and the size of a result have limits.
QUERY_SECONDS = 5.0
MAX_VALUE_BYTES = 16 << 20  # the longest reply that is stored, as UTF-8
MAX_ANSWER_BYTES = 32 << 20
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 500,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_ATTACHED: 1,
}
# SQLite's trim() takes time in proportion to the text's length times this many characters.
MAX_TRIMMED_CHARS = 100
MAX_HEAP_BYTES = 1 << 30  # of SQLite in this process, its caches included


class AnswerTooLong(sqlite3.OperationalError):
    """A query returned more than MAX_ANSWER_BYTES."""


def limit_queries(connection: sqlite3.Connection) -> None:
    """Set the limits on a connection that serves the browser."""
    for kind, most in LIMITS.items():
        connection.setlimit(kind, most)
    connection.create_function("instr", 2, find, deterministic=True)
    connection.create_function("replace", 3, replace, deterministic=True)
    for name, strip in (("trim", str.strip), ("ltrim", str.lstrip), ("rtrim", str.rstrip)):
        connection.create_function(name, 2, stripper(strip), deterministic=True)
    connection.execute(f"pragma hard_heap_limit = {MAX_HEAP_BYTES}")
    connection.row_factory = CountedRows()


class CountedRows:
    """A row factory that counts a query's bytes; raises AnswerTooLong."""

    def __init__(self) -> None:
        self.query: weakref.ref[sqlite3.Cursor] | None = None
        self.size = 0

    def __call__(self, cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> sqlite3.Row:
        """Return a row of the type that Datasette reads."""
        if self.query is None or self.query() is not cursor:  # each query has its own cursor
            self.query, self.size = weakref.ref(cursor), 0
        self.size += sum(sys.getsizeof(value) for value in row)
        if self.size > MAX_ANSWER_BYTES:
            raise AnswerTooLong(f"The answer is longer than {MAX_ANSWER_BYTES:,} bytes. Ask for fewer rows or columns.")
        return sqlite3.Row(cursor, row)


@contextmanager
def processor_limit(connection: sqlite3.Connection, seconds: float = QUERY_SECONDS) -> Iterator[None]:
    """End a query inside the block that takes more processor time; it raises sqlite3.OperationalError."""
    end = time.thread_time() + seconds
    connection.set_progress_handler(lambda: time.thread_time() > end, 10_000)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def text_of(value: Any) -> str:
    """Return a value of SQLite as text, as SQLite's own text functions convert it."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def find(text: Any, part: Any) -> int | None:
    """Return the place of a part, counting from 1; 0 where it does not occur."""
    return None if text is None or part is None else text_of(text).find(text_of(part)) + 1


def replace(text: Any, old: Any, new: Any) -> str | None:
    """Return a text with all occurrences of a part replaced."""
    if text is None or old is None or new is None:
        return None
    whole, before, after = text_of(text), text_of(old), text_of(new)
    if not before:
        return whole
    if len(whole) + whole.count(before) * (len(after) - len(before)) > MAX_VALUE_BYTES:
        raise ValueError("string or blob too big")
    return whole.replace(before, after)


def stripper(strip: Any) -> Any:
    """Return a replacement of SQLite's trim, ltrim or rtrim."""

    def stripped(text: Any, characters: Any) -> str | None:
        if text is None or characters is None:
            return None
        if len(text_of(characters)) > MAX_TRIMMED_CHARS:
            raise ValueError("too many characters")
        cut: str = strip(text_of(text), text_of(characters)) if text_of(characters) else text_of(text)
        return cut

    return stripped
