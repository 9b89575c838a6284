"""Read possibly damaged files of JSON lines: each line is a record, or a `Damage` with its place and reason.

Knows no file names. Memory is limited to one line of MAX_LINE_BYTES, whatever the file contains.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from mathstrap.errors import InputError

T = TypeVar("T")
# The longest reply is stored in 12 MiB (engine.ledger.LARGEST_REPLY); a longer line is not one of ours.
MAX_LINE_BYTES = 64 << 20
MAX_JSON_BYTES = 256 << 20
BLOCK_BYTES = 1 << 20
KEPT_BYTES = 4096
SHOWN_BYTES = 60
SHOWN_REASON = 160
# The errors of decoding hostile bytes: not JSON or another type, not UTF-8, nested too deeply.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
KINDS = ((stat.S_ISFIFO, "named pipe"), (stat.S_ISSOCK, "socket"), (stat.S_ISCHR, "device"), (stat.S_ISBLK, "device"))


@dataclass(frozen=True, kw_only=True)
class Damage:
    """An unreadable line. `number` counts from 1; `offset` and `size` are in bytes, including the newline.

    line   the line; of a long one, its first and last KEPT_BYTES
    """

    path: Path
    number: int
    reason: str
    line: bytes
    offset: int
    size: int

    @property
    def sentence(self) -> str:
        """The place of the line, what is wrong with it, and its beginning."""
        return f"{self.path}:{self.number}: {self.reason}: {self.line[:SHOWN_BYTES]!r}."


Note = Callable[[Damage], None]


class Line(msgspec.Struct, frozen=True, gc=False):
    """A line of a file without its newline; `text` is cut if the line is too long, `size` is that of the whole line."""

    number: int
    offset: int
    size: int
    text: bytes
    is_ended: bool


def lines_of(file: IO[bytes], offset: int = 0) -> Iterator[Line]:
    """Yield the lines from `offset` on; `number` counts from there."""
    file.seek(offset)
    number = 0
    while text := file.readline(MAX_LINE_BYTES + 2):
        number += 1
        if text.endswith(b"\n"):  # nearly every line: none is longer than what was read
            yield Line(number, offset, len(text), text[:-1], True)
            offset += len(text)
        else:
            line = _line(file, number, offset, text)
            yield line
            offset += line.size


def lines_about(file: IO[bytes], offset: int, about: bytes) -> Iterator[Line]:
    """Yield the lines from `offset` on that contain `about`, and every line that does not look like a record.

    A block of complete records is searched for these bytes without splitting it, so that one family in a run of
    100,000 replies is found at the speed of the disk.
    """
    file.seek(offset)
    number = 0
    while block := file.read(BLOCK_BYTES):
        block += file.readline(MAX_LINE_BYTES + 2)
        count = block.count(b"\n")
        is_whole = block.startswith(b"{") and block.endswith(b"}\n") and block.count(b"}\n{") + 1 == count
        if is_whole:
            end, before = 0, number
            while (place := block.find(about, end)) >= 0:
                start = block.rfind(b"\n", 0, place) + 1
                before += block.count(b"\n", end, start) + 1
                end = block.index(b"\n", place) + 1
                yield _line(file, before, offset + start, block[start:end])
            number += count
            offset += len(block)
            continue
        start = 0
        while start < len(block):
            end = block.find(b"\n", start) + 1 or len(block)
            number += 1
            line = _line(file, number, offset, block[start:end])
            start = end
            offset += line.size
            if about in line.text or not (line.text.startswith(b"{") and line.text.endswith(b"}")):
                yield line


def _line(file: IO[bytes], number: int, offset: int, text: bytes) -> Line:
    """Return the line that begins with `text`, and read the rest of a line that is longer than the limit."""
    size = len(text)
    is_ended = text.endswith(b"\n")
    if not is_ended and size > MAX_LINE_BYTES:
        while rest := file.readline(1 << 20):
            size += len(rest)
            if rest.endswith(b"\n"):
                is_ended = True
                break
    kept = text[: MAX_LINE_BYTES + 2]
    return Line(number, offset, size, kept[:-1] if kept.endswith(b"\n") else kept, is_ended)


def records_in(
    path: Path, decode: Callable[[bytes], T], note: Note, *, what: str, offset: int = 0, about: bytes = b""
) -> Iterator[tuple[T, Line]]:
    """Yield each readable line decoded; unreadable ones go to `note`, blank ones are skipped.

    With `about`, lines that look like a record and do not contain these bytes are skipped. An unreadable last line
    without a newline is left out: it is being written, or was torn.
    """
    with open_file(path) as file:
        for line in lines_about(file, offset, about) if about else lines_of(file, offset):
            try:
                if len(line.text) > MAX_LINE_BYTES:
                    raise msgspec.DecodeError(f"longer than {MAX_LINE_BYTES:,} bytes")
                record = decode(line.text)
            except UNREADABLE as error:
                note_line(path, line, error, note, what=what)
                continue
            yield record, line


def values_in(
    path: Path, decode: Callable[[bytes], T], decode_lines: Callable[[bytes], list[T]], note: Note, *, what: str
) -> Iterator[T]:
    """Yield what `records_in` does, without the lines: reading whole blocks at once takes a third of the time.

    A block that `decode_lines` refuses is read line by line.
    """
    with open_file(path) as file:
        number = offset = 0
        while block := file.read(BLOCK_BYTES):
            block += file.readline(MAX_LINE_BYTES + 2) if not block.endswith(b"\n") else b""
            count = block.count(b"\n")
            end = offset + len(block)
            values: list[T] | None = None
            # Every newline must part two objects, because the decoder takes objects wherever they begin and end.
            if block.startswith(b"{") and block.endswith(b"}\n") and block.count(b"}\n{") + 1 == count:
                with suppress(*UNREADABLE):
                    values = decode_lines(block)
            if values is not None and len(values) == count:
                yield from values
                number, offset = number + count, end
                continue
            for line in lines_of(file, offset):
                number, offset = number + 1, offset + line.size
                try:
                    if len(line.text) > MAX_LINE_BYTES:
                        raise msgspec.DecodeError(f"longer than {MAX_LINE_BYTES:,} bytes")
                    value = decode(line.text)
                except UNREADABLE as error:
                    note_line(path, msgspec.structs.replace(line, number=number), error, note, what=what)
                else:
                    yield value
                if offset >= end:
                    break
            file.seek(offset)


def note_line(path: Path, line: Line, error: Exception, note: Note, *, what: str) -> None:
    """Note an unreadable line, unless it is blank or the unfinished last one."""
    if line.text.strip() and line.is_ended:
        note(damage_of(path, line, f"not a {what} ({' '.join(str(error).split())[:SHOWN_REASON]})"))


def damage_of(path: Path, line: Line, reason: str) -> Damage:
    """Return the Damage of a line."""
    text = line.text if len(line.text) <= 2 * KEPT_BYTES else line.text[:KEPT_BYTES] + line.text[-KEPT_BYTES:]
    return Damage(path=path, number=line.number, reason=reason, line=text, offset=line.offset, size=line.size)


def open_file(path: Path) -> IO[bytes]:
    """Open a file for reading; raises InputError for a pipe, a socket or a device, which could block or never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
            raise InputError(not_a_file(path, mode))
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb", buffering=1 << 20)


def read_json_file(path: Path) -> Any:
    """Return the value of a JSON file; raises InputError if it cannot be read."""
    try:
        with open_file(path) as file:
            text = file.read(MAX_JSON_BYTES + 1)
        if len(text) > MAX_JSON_BYTES:
            raise InputError(f"{path}: longer than {MAX_JSON_BYTES:,} bytes.")
        return msgspec.json.decode(text)
    except UNREADABLE as error:
        raise InputError(f"{path}: not JSON ({' '.join(str(error).split())[:SHOWN_REASON]}).") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error


def check_folder(path: Path) -> None:
    """Raise InputError if a folder contains anything but files and folders: reading a pipe or a device could block."""
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    mode = entry.stat().st_mode
                except OSError:  # a link to nothing: reading it fails, writing replaces it
                    continue
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise InputError(not_a_file(Path(entry.path), mode))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error


def not_a_file(path: Path, mode: int) -> str:
    """Return the sentence for a pipe, device or folder in place of a file."""
    kind = next((kind for is_kind, kind in KINDS if is_kind(mode)), "folder")
    return f"{path}: a {kind}, where a file is expected. Remove it."
