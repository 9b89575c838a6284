"""An append-only log of JSON lines that survives a kill, and an index of its replies. Knows no file names.

A line is handed to the operating system before `append` returns, so it survives the death of the process; a thread
calls fsync about once a second, which limits the loss of a power cut.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from math import isnan
from pathlib import Path

import msgspec

from mathstrap.errors import InputError, StorageError
from mathstrap.files.lines import MAX_LINE_BYTES, UNREADABLE, Damage, not_a_file, open_file, records_in
from mathstrap.thought import split_completion
from mathstrap.types import Completion, FinishReason, ReplyUsage, Usage

# An index entry packs a line's place into one integer: offset * 2**LENGTH_BITS + length.
LENGTH_BITS = 28  # lines up to 256 MiB, more than MAX_LINE_BYTES, and files up to 64 GiB
LENGTH_MASK = (1 << LENGTH_BITS) - 1
NAN = float("nan")
MOST_TOKENS = 2**62  # larger claims of a server are counted as this much, which fits into the index's 64 bits


class SpareRoom:
    """A file that reserves disk space; it is deleted when the disk is full, so that replies in flight can be stored."""

    SIZE = 8 << 20  # thousands of replies

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_given = False
        self._lock = threading.Lock()

    def keep(self) -> None:
        """Reserve the space; if the disk has none left, or cannot reserve any, the first write reports it."""
        with suppress(OSError):
            fd = open_for_writing(self.path, os.O_RDWR)
            try:
                os.posix_fallocate(fd, 0, self.SIZE)
            except OSError:
                os.unlink(self.path)  # noqa: PTH108 beside the descriptor it belongs to
            finally:
                os.close(fd)

    def give(self, error: OSError) -> bool:
        """Delete the file if the disk is full; return whether that may have made room."""
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return False
        with self._lock:
            had_room, self.is_given = not self.is_given, True
            with suppress(OSError):
                self.path.unlink()
            return had_room

    def drop(self) -> None:
        """Delete the file at the end of a run."""
        with suppress(OSError):
            self.path.unlink()


class AppendLog:
    """The single writer of a log of JSON lines; opening it cuts a torn last line and ends a complete one."""

    def __init__(self, path: Path, *, fsync_seconds: float = 1.0, spare: SpareRoom | None = None) -> None:
        self.path = path
        self._spare = spare
        try:
            self._fd = open_for_writing(path, os.O_RDWR | os.O_APPEND)
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
        try:
            self._write(data, offset)
        except OSError as error:
            if self._spare is None or not self._spare.give(error):
                raise storage_error(self.path, error) from error
            try:
                self._write(data, offset)  # into the space that was reserved for replies in flight
            except OSError as again:
                raise storage_error(self.path, again) from again
        self.size = offset + len(data)
        if not self._dirty.is_set():
            self._dirty.set()
            if self._thread is None and self._fsync_seconds > 0:
                self._thread = threading.Thread(target=self._sync_forever, name="mathstrap-fsync", daemon=True)
                self._thread.start()
        return offset

    def _write(self, data: bytes, offset: int) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:] if written else data)
        except OSError:
            if written:
                os.ftruncate(self._fd, offset)
            raise

    def last_line(self) -> bytes:
        """Return the last line without its newline; empty if there is none."""
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


def open_for_writing(path: Path, flags: int) -> int:
    """Open or create a file that only its owner may read; return the descriptor.

    A run directory may come from a stranger: no symbolic link is followed, and no pipe or device is written to. Raises
    OSError.
    """
    # O_NONBLOCK: opening a pipe must not block, and the check below refuses it.
    fd = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(mode := os.fstat(fd).st_mode):
        os.close(fd)
        raise StorageError(not_a_file(path, mode))
    return fd


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return the sentence for a file that cannot be written."""
    if isinstance(error, StorageError):
        return error
    advice = {
        errno.ENOSPC: "Free some space and run the same command again; what is written is kept.",
        errno.EDQUOT: "Free some of your quota and run the same command again; what is written is kept.",
        errno.EACCES: "Give yourself write permission, or name another run directory.",
        errno.EPERM: "Give yourself write permission, or name another run directory.",
        errno.EROFS: "The file system is read-only: name another run directory.",
        errno.ENOTDIR: "A part of the path is a file: name another run directory.",
        errno.EEXIST: "A file is in the way: name another run directory.",
        errno.ELOOP: "It is a symbolic link, and none is followed for writing: remove the link.",
    }.get(error.errno or 0, "Check the disk and run the same command again; what is written is kept.")
    return StorageError(f"{path}: cannot be written: {error.strerror or error}. {advice}")


def _mend_tail(fd: int) -> int:
    """Cut a torn last record, end one that lacks only its newline, and return the file's size."""
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
        if size - end <= MAX_LINE_BYTES and _is_whole(os.pread(fd, size - end, end)):
            os.write(fd, b"\n")
            return size + 1
        os.ftruncate(fd, end)
    return end


def _is_whole(line: bytes) -> bool:
    """Say whether a line without its newline is a complete record."""
    if not (line.startswith(b"{") and line.endswith(b"}")):
        return False
    try:
        msgspec.json.decode(line)
    except UNREADABLE:
        return False
    return True


# Finish reason, the server's own word, model and label of a reply. A run has few different ones, so they are numbered.
Ending = tuple[FinishReason, str, str, str]


class ReplyIndex:
    """The position and usage of each reply: "id NUL key" -> row. About 250 bytes a reply, whatever its length.

    Sorting the names sorts by id, since NUL comes before every other character. Usage is kept because rounds, budgets
    and the report need it of every reply, without its text.

    damaged   unreadable lines: their replies were paid for, but are lost
    """

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.tokens_in = 0
        self.tokens_out = 0
        self.usd_stated = 0.0
        self.stated_in = 0
        self.stated_out = 0
        self._places = array("Q")
        self._tokens = array("q")  # three of each reply: prompt, reply, and those of the reply's thought
        self._usd = array("d")  # the charge that the server stated; NaN if it stated none
        self._endings = array("L")  # number of an Ending, times two, plus one for a thought
        self._ending_numbers: dict[Ending, int] = {}
        self._most = (0, 0)  # the most tokens in and out of a readable reply
        self.damaged: list[Damage] = []

    def add(self, usage: ReplyUsage, offset: int, length: int) -> None:
        """Add a reply and the position of its line; a later line of the same id and key replaces an earlier one."""
        tokens = (usage.tokens_in, usage.tokens_out, usage.tokens_reasoning)
        ending = (usage.finish_reason, usage.ended, usage.model, usage.teacher)
        place = offset << LENGTH_BITS | length
        self._put(f"{usage.request}\0{usage.key}", place, tokens, usage.usd, ending, has_thought=usage.has_thought)

    def _put(
        self,
        name: str,
        place: int,
        tokens: tuple[int, int, int],
        usd: float | None,
        ending: Ending,
        *,
        has_thought: bool,
    ) -> None:
        number = self._ending_numbers.setdefault(ending, len(self._ending_numbers)) * 2 + has_thought
        if max(tokens) > MOST_TOKENS or min(tokens) < 0:
            first, second, third = (max(0, min(number, MOST_TOKENS)) for number in tokens)
            tokens = (first, second, third)
        if usd is not None and usd < 0:
            usd = None
        if tokens[0] > self._most[0] or tokens[1] > self._most[1]:
            self._most = (max(self._most[0], tokens[0]), max(self._most[1], tokens[1]))
        row = self.rows.setdefault(name, len(self._places))
        if row == len(self._places):
            self._places.append(place)
            self._tokens.extend(tokens)
            self._usd.append(NAN if usd is None else usd)
            self._endings.append(number)
        else:
            self._places[row] = place
            self._tokens[3 * row : 3 * row + 3] = array("q", tokens)
            self._usd[row] = NAN if usd is None else usd
            self._endings[row] = number
        self.tokens_in += tokens[0]
        self.tokens_out += tokens[1]
        if usd is not None:
            self.usd_stated += usd
            self.stated_in += tokens[0]
            self.stated_out += tokens[1]

    @property
    def used(self) -> Usage:
        """The usage of all stored replies, including replaced and damaged ones: all of them were paid for."""
        readable = Usage(
            requests=len(self.rows), tokens_in=self.tokens_in, tokens_out=self.tokens_out,
            usd_stated=self.usd_stated, stated_in=self.stated_in, stated_out=self.stated_out,
        )  # fmt: skip
        return sum(map(self.usage_of_damage, self.damaged), start=readable)

    def usage_of_damage(self, damage: Damage) -> Usage:
        """Return the usage in a damaged line; where it is unreadable, the most that another reply used."""
        most_in, most_out = self._most
        tokens_in, tokens_out = _count_in(damage.line, b"tokens_in"), _count_in(damage.line, b"tokens_out")
        return Usage(
            requests=1,
            tokens_in=most_in if tokens_in is None else tokens_in,
            tokens_out=most_out if tokens_out is None else tokens_out,
        )

    def mean_usage(self, damage: Damage) -> Usage:
        """Return the expected usage of asking again for a damaged reply: that in its line, else the others' mean."""
        count = max(1, len(self.rows))
        tokens_in, tokens_out = _count_in(damage.line, b"tokens_in"), _count_in(damage.line, b"tokens_out")
        return Usage(
            requests=1,
            tokens_in=round(self.tokens_in / count) if tokens_in is None else tokens_in,
            tokens_out=round(self.tokens_out / count) if tokens_out is None else tokens_out,
        )

    def usage_of(self, rows: Iterable[int]) -> Usage:
        """Return the usage of these replies."""
        requests = tokens_in = tokens_out = stated_in = stated_out = 0
        usd_stated = 0.0
        for row in rows:
            used_in, used_out, usd = self._tokens[3 * row], self._tokens[3 * row + 1], self._usd[row]
            requests, tokens_in, tokens_out = requests + 1, tokens_in + used_in, tokens_out + used_out
            if not isnan(usd):
                usd_stated, stated_in, stated_out = usd_stated + usd, stated_in + used_in, stated_out + used_out
        return Usage(
            requests=requests, tokens_in=tokens_in, tokens_out=tokens_out,
            usd_stated=usd_stated, stated_in=stated_in, stated_out=stated_out,
        )  # fmt: skip

    def place(self, row: int) -> tuple[int, int]:
        """Return offset and length of a reply's line."""
        return self._places[row] >> LENGTH_BITS, self._places[row] & LENGTH_MASK

    def usages(self) -> Iterator[ReplyUsage]:
        """Yield the usage of every reply, in id order."""
        endings = list(self._ending_numbers)
        for name in sorted(self.rows):
            row = self.rows[name]
            request_id, _, key = name.partition("\0")
            tokens_in, tokens_out, tokens_reasoning = self._tokens[3 * row : 3 * row + 3]
            number, has_thought = divmod(self._endings[row], 2)
            finish_reason, ended, model, teacher = endings[number]
            yield ReplyUsage(
                request=request_id, key=key, finish_reason=finish_reason, ended=ended, tokens_in=tokens_in,
                tokens_out=tokens_out, tokens_reasoning=tokens_reasoning, has_thought=bool(has_thought),
                usd=None if isnan(self._usd[row]) else self._usd[row], model=model, teacher=teacher,
            )  # fmt: skip

    def scan(self, path: Path, *, about: bytes = b"") -> None:
        """Index every complete record of `path`; a torn last one is left out, and a missing file has none.

        With `about`, only records whose line contains these bytes. Unreadable lines are added to `damaged`. Every field
        is decoded, so that an indexed record is readable.
        """
        try:
            for reply, line in records_in(
                path, decode_reply, self.damaged.append, what="stored reply", about=about
            ):
                self._put(
                    f"{reply.request}\0{reply.key}",
                    line.offset << LENGTH_BITS | len(line.text),
                    (reply.tokens_in, reply.tokens_out, reply.tokens_reasoning),
                    reply.usd,
                    (reply.finish_reason, reply.ended, reply.model, reply.teacher),
                    has_thought=reply.has_thought,
                )
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from error


_decode_completion = msgspec.json.Decoder(Completion).decode


def decode_reply(line: bytes) -> Completion:
    """Return a stored reply; raises one of UNREADABLE for a line that is not a reply."""
    reply = _decode_completion(line)
    if "\0" in reply.request or "\0" in reply.key:
        raise msgspec.DecodeError("NUL in an id")  # the index joins id and key by it
    return reply


def _count_in(line: bytes, name: bytes) -> int | None:
    # Inside a text every quote is escaped by a backslash, so this matches the field itself.
    match = re.search(rb'"%s":(\d{1,9})[,}]' % name, line)
    return int(match[1]) if match else None


def request_in(line: bytes) -> str:
    """Return the id of the request that a damaged line answered, if it is still readable; else ""."""
    match = re.match(rb'\{"request":"([^"\\\x00-\x1f]{1,500})"', line)
    return match[1].decode("utf-8", "replace") if match else ""


def key_in(line: bytes) -> str:
    """Return the key in a damaged line, if it is still readable; else ""."""
    match = re.search(rb'"key":"([0-9A-Za-z_.:-]{1,200})"', line[:4096])
    return match[1].decode() if match else ""


def read_replies(path: Path, index: ReplyIndex, rows: Iterable[int]) -> Iterator[Completion]:
    """Yield the replies of these rows of the index, in the given order and one at a time."""
    if not index.rows:
        return
    with open_file(path) as file:
        fd = file.fileno()
        for row in rows:
            offset, length = index.place(row)
            try:
                reply = _decode_completion(os.pread(fd, length, offset))
            except UNREADABLE as error:  # it was readable when it was indexed
                raise InputError(f"{path}: byte {offset}: changed while it was being read ({error}).") from error
            yield split_completion(reply)  # older runs kept thoughts inside the text
