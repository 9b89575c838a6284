"""An append-only file of JSON lines that survives a kill, and the index of what it holds. Knows no file names.

A line is handed to the operating system before `append` returns, so it survives the death of the process; a thread
calls fsync about once a second, which bounds what a power cut can take.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from mathstrap.errors import InputError, StorageError
from mathstrap.thought import split_completion
from mathstrap.types import Completion, Request, Usage

# An index entry packs a line's place into one integer: offset * 2**LENGTH_BITS + length.
LENGTH_BITS = 28
LENGTH_MASK = (1 << LENGTH_BITS) - 1


class AppendLog:
    """The one writer of a file of JSON lines; a torn last line is cut when it is opened, a whole one is ended."""

    def __init__(self, path: Path, *, fsync_seconds: float = 1.0) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self.size = _mend_tail(self._fd)
        except OSError as error:
            raise storage_error(path, error) from error
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._fsync_error: OSError | None = None
        self._fsync_seconds = fsync_seconds
        self._thread: threading.Thread | None = None

    def append(self, line: bytes) -> int:
        """Write one line (without its newline) and return its offset; raises StorageError, leaving no partial line."""
        if self._fsync_error is not None:
            raise storage_error(self.path, self._fsync_error)
        data = line + b"\n"
        offset = self.size
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:] if written else data)
        except OSError as error:
            if written:
                os.ftruncate(self._fd, offset)
            raise storage_error(self.path, error) from error
        self.size = offset + written
        if not self._dirty.is_set():
            self._dirty.set()
            if self._thread is None and self._fsync_seconds > 0:
                self._thread = threading.Thread(target=self._sync_forever, name="mathstrap-fsync", daemon=True)
                self._thread.start()
        return offset

    def last_line(self) -> bytes:
        """Return the last line without its newline; empty where there is none."""
        start = max(0, self.size - (1 << 16))
        lines = os.pread(self._fd, self.size - start, start).splitlines()
        return lines[-1] if lines else b""

    def sync(self) -> None:
        """Flush to the disk; raises StorageError."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise storage_error(self.path, error) from error

    def close(self) -> None:
        """Flush to the disk and close."""
        if self._fd < 0:
            return
        self._closing.set()
        self._dirty.set()
        if self._thread is not None:
            self._thread.join()
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise storage_error(self.path, error) from error
        finally:
            os.close(self._fd)
            self._fd = -1

    def _sync_forever(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            if self._closing.wait(self._fsync_seconds):
                return
            self._dirty.clear()
            try:
                os.fsync(self._fd)
            except OSError as error:
                self._fsync_error = error
                return


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return the sentence for a file that cannot be written."""
    import errno

    advice = {
        errno.ENOSPC: "Free some space and run the same command again; what is written is kept.",
        errno.EDQUOT: "Free some of your quota and run the same command again; what is written is kept.",
        errno.EACCES: "Give yourself write permission, or name another run directory.",
        errno.EPERM: "Give yourself write permission, or name another run directory.",
        errno.EROFS: "The file system is read-only: name another run directory.",
        errno.ENOTDIR: "A part of the path is a file: name another run directory.",
        errno.EEXIST: "A file is in the way: name another run directory.",
    }.get(error.errno or 0, "Check the disk and run the same command again; what is written is kept.")
    return StorageError(f"{path}: cannot be written: {error.strerror or error}. {advice}")


def _mend_tail(fd: int) -> int:
    """Cut a record that was torn, end one that lacks only its newline, and return the file's size."""
    size = os.fstat(fd).st_size
    end = size
    while end > 0:
        start = max(0, end - (1 << 16))
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        if _is_whole(os.pread(fd, size - end, end)):
            os.write(fd, b"\n")
            return size + 1
        os.ftruncate(fd, end)
    return end


def _is_whole(line: bytes) -> bool:
    """Say whether a line without its newline is a record; no beginning of one is."""
    if not (line.startswith(b"{") and line.endswith(b"}")):
        return False
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


class _Paid(msgspec.Struct):
    """The fields of a Completion that the index needs; the text is skipped, not built."""

    request: str
    key: str
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None


class Index:
    """Where each reply lies: "id NUL key" -> place. About 250 bytes a reply, whatever its length.

    Sorting the names sorts by id, since NUL comes before every other character.
    """

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.tokens_in = 0
        self.tokens_out = 0
        self.usd_stated = 0.0
        self.stated_in = 0
        self.stated_out = 0

    def add(self, request_id: str, key: str, offset: int, length: int) -> None:
        """Note where a reply's line lies."""
        self.places[f"{request_id}\0{key}"] = offset << LENGTH_BITS | length

    def count(self, paid: _Paid | Completion) -> None:
        """Count what a reply used."""
        self.tokens_in += paid.tokens_in
        self.tokens_out += paid.tokens_out
        if paid.usd is not None:
            self.usd_stated += paid.usd
            self.stated_in += paid.tokens_in
            self.stated_out += paid.tokens_out

    @property
    def used(self) -> Usage:
        """Return what the replies held used."""
        return Usage(
            requests=len(self.places), tokens_in=self.tokens_in, tokens_out=self.tokens_out,
            usd_stated=self.usd_stated, stated_in=self.stated_in, stated_out=self.stated_out,
        )  # fmt: skip

    def scan(self, path: Path) -> None:
        """Read every whole record of `path`; a torn last one is left out. A missing file holds nothing."""
        decode = msgspec.json.Decoder(_Paid).decode
        places = self.places
        try:
            with path.open("rb", buffering=1 << 20) as lines:
                offset = 0
                for number, line in enumerate(lines, start=1):
                    length = len(line)
                    is_ended = line[-1] == 10
                    try:
                        paid = decode(line)
                    except (msgspec.DecodeError, UnicodeDecodeError) as error:
                        if not is_ended:
                            break
                        raise _bad_line(path, number, line, error) from error
                    places[f"{paid.request}\0{paid.key}"] = offset << LENGTH_BITS | (length - is_ended)
                    self.count(paid)
                    offset += length
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error


def read_completions(path: Path, index: Index) -> Iterator[Completion]:
    """Yield the indexed replies in id order; holds one reply at a time besides the sorted index."""
    if not index.places:
        return
    decode = msgspec.json.Decoder(Completion).decode
    places = index.places
    fd = os.open(path, os.O_RDONLY)
    try:
        for name in sorted(places):
            place = places[name]
            yield split_completion(decode(os.pread(fd, place & LENGTH_MASK, place >> LENGTH_BITS)))
    finally:
        os.close(fd)


def read_answered(path: Path, index: Index, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
    """Yield each request that has a reply, with it, in the order of `requests`."""
    decode = msgspec.json.Decoder(Completion).decode
    places = index.places
    if not places:
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        for request in requests:
            place = places.get(f"{request.id}\0{request.key}")
            if place is not None:
                reply = decode(os.pread(fd, place & LENGTH_MASK, place >> LENGTH_BITS))
                yield request, split_completion(reply)  # older runs kept thoughts inside the text
    finally:
        os.close(fd)


def _bad_line(path: Path, number: int, line: bytes, error: Exception) -> InputError:
    return InputError(
        f"{path}:{number}: not a stored reply ({error}): {line[:60]!r}. "
        "Delete this line; the reply it held is asked for again on the next run."
    )
