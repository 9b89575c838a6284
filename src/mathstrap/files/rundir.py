"""Read and write a run directory: its paid files, its derived files and its lock. The only module with its file names.

recipe.yaml manifest.json                        the recipe and the facts of the run
recipe-changes.yaml                              the recipe's differences from the default
given-<hash>.jsonl                               rows that were passed in Python, not in a file
completions-<stage>.jsonl failures.jsonl         PAID: append-only, one writer, never rewritten
damaged-<file>                                   lines that `mathstrap doctor` set aside
batches-<stage>.jsonl                            PAID: batches submitted to a Batch API, append-only
spending.jsonl                                   PAID: what may be owed beyond the replies, append-only
spare-room                                       disk space reserved for replies in flight when the disk is full
problems candidates verdicts rejects samples     DERIVED: written under a temporary name, then renamed
asked-<stage>.jsonl                              DERIVED: the requests of the present plan, among all paid ones
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import socket
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import tee
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, TypeVar

import msgspec

from mathstrap.errors import InputError, RunLocked, StorageError
from mathstrap.files.append_log import AppendLog, ReplyIndex, SpareRoom, read_replies, storage_error
from mathstrap.files.lines import UNREADABLE, Damage, Line, check_folder, read_json_file, records_in, values_in
from mathstrap.files.rows import iter_rows
from mathstrap.files.tables import (
    Scratch,
    is_running,
    remove_orphans,
    replacing,
    write_atomically,
    write_parquet,
    write_rows_parquet,
)
from mathstrap.patterns import regex
from mathstrap.types import Completion, Failure, Liability, ReplyUsage, Request, Sample, Usage, usage_of_reply

V = TypeVar("V")
PLAIN_ID = regex(r"[\w.:-]{1,200}", re.ASCII)
_OLD_GOLD = b'"gold":"voted"'
R = TypeVar("R", bound=msgspec.Struct)
Key = tuple[str, str]  # the id of a request and the key of what it asks


Action = Literal["flag", "approve", "edit"]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A reviewer's decision on a row, which the next run applies.

    action  flag: a sample, a problem or a seed is left out, with everything derived from it; approve: an answer is kept
            whatever its verdict; edit: an answer is graded with `text` in place of its reply's text
    text    the new text of an edited answer; an approved one may have one too
    """

    id: str
    note: str = ""
    reviewer: str = ""
    action: Action = "flag"
    text: str = ""

    @property
    def words(self) -> str:
        """The decision and the reviewer's name in words, for a sample's tags."""
        done = {"flag": "flagged", "approve": "approved", "edit": "edited"}[self.action]
        edited = ", with another text" if self.action == "approve" and self.text else ""
        return f"{done}{edited}{f' by {self.reviewer}' if self.reviewer else ''}{f': {self.note}' if self.note else ''}"


class StageSink:
    """Stores the replies of one stage for the engine; a reply that is stored already is not written again."""

    def __init__(self, run: RunDir, stage: str) -> None:
        self._run = run
        self._index = run.index(stage)
        self._log = run.log(f"completions-{stage}.jsonl")
        self._encode = msgspec.json.Encoder().encode
        self.stage = stage
        self.is_full = False  # whether the reserved disk space is in use
        run.keep_spare_room()

    def is_done(self, request: Request) -> bool:
        """Say whether this request has a reply."""
        return f"{request.id}\0{request.key}" in self._index.rows

    def completion(self, completion: Completion) -> None:
        """Write a reply; the operating system has it when this returns. Raises StorageError."""
        if f"{completion.request}\0{completion.key}" in self._index.rows:
            return
        try:
            line = self._encode(completion)
        except UnicodeEncodeError:  # half a surrogate pair cannot be encoded; the rest of the reply is kept
            line = self._encode(well_formed(completion))
        offset = self._log.append(line)
        self.is_full = self._run.is_full
        self._index.add(usage_of_reply(completion), offset, len(line))

    def failure(self, failure: Failure) -> None:
        """Record that a request was given up until the next run."""
        self._run.log("failures.jsonl").append(self._encode(failure))

    def journal(self, record: dict[str, Any]) -> None:
        """Write a line of the journal of batches; it is on the disk when this returns."""
        log = self._run.log(f"batches-{self.stage}.jsonl")
        log.append(self._encode(record))
        log.sync()

    def journal_entries(self) -> list[dict[str, Any]]:
        """Return the journal's lines, oldest first."""
        path = self._run.path / f"batches-{self.stage}.jsonl"
        if not path.exists():
            return []
        self._run.log(path.name)  # mends a torn last line before it is read
        return [entry for entry, _ in records_in(path, decode_entry, refuse_damage, what="record of a batch")]


def well_formed(completion: Completion) -> Completion:
    """Return a reply with "?" for every character that cannot be encoded in UTF-8."""
    fields = {}
    for name in ("text", "model", "reasoning", "raw", "ended"):
        fields[name] = getattr(completion, name).encode("utf-8", "replace").decode()
    before, between = (mark.encode("utf-8", "replace").decode() for mark in completion.thought_marks)
    return msgspec.structs.replace(completion, **fields, thought_marks=(before, between))


def decode_entry(line: bytes) -> dict[str, Any]:
    """Return an entry of the journal of batches; raises one of UNREADABLE for a line that is not one."""
    entry = msgspec.json.decode(line, type=dict[str, Any])
    if not (isinstance(entry.get("token"), str) and isinstance(entry.get("event"), str)):
        raise msgspec.DecodeError("no token or no event")
    return entry


def refuse_damage(damage: Damage) -> None:
    """Raise InputError: without this line, a batch that was paid for could be submitted again."""
    raise InputError(
        f"{damage.sentence} A batch named there would be paid for twice. Look at the line; if no batch is open, "
        f"`mathstrap doctor {damage.path.parent} --mend` sets it aside."
    )


class SpendingFile:
    """A log of what may be owed beyond the stored replies; a line precedes each call that the last does not cover.

    The last line counts, because lines are totals. At a start, its open requests were in flight when the process ended.
    """

    def __init__(self, run: RunDir) -> None:
        self._log = run.log("spending.jsonl")
        self._encode = msgspec.json.Encoder().encode
        line = self._log.last_line()
        try:
            self.before = msgspec.json.decode(line, type=Liability) if line else Liability()
        except UNREADABLE as error:
            self.before = last_liability(self._log.path)
            run.tell(
                f"{self._log.path}: the last line is not a record of what was spent ({error}): {line[:60]!r}. "
                "Budgets count from the last line that can be read."
            )

    def note(self, liability: Liability) -> None:
        """Write a line; the operating system has it when this returns. Raises StorageError."""
        self._log.append(self._encode(liability))


def last_liability(path: Path) -> Liability:
    """Return the last readable line of `spending.jsonl`."""
    decode = msgspec.json.Decoder(Liability).decode
    last = Liability()
    for last, _ in records_in(path, decode, lambda _: None, what="record of what was spent"):  # noqa: B007
        pass
    return last


def _open_lock(path: Path) -> IO[str]:
    try:
        path.mkdir(parents=True, exist_ok=True)
        # No symbolic link is followed: a run directory may come from a stranger.
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, "a+", encoding="utf-8", errors="replace")
    except OSError as error:
        raise storage_error(path, error) from error


def _is_free(lock: IO[str], path: Path) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        lock.close()
        raise storage_error(path / "lock", error) from error
    return True


def _owner_of(lock: IO[str]) -> str:
    """Return the owner's name in a lock, such as `process 12 on ada`; empty for any other text."""
    lock.seek(0)
    text = lock.read(200).strip()
    return text if re.fullmatch(r"process \d{1,10} on [\w.-]{1,120}", text) else ""


def _is_dead(owner: str) -> bool:
    """Say whether the owner ran on this machine and has ended; an owner elsewhere counts as alive."""
    words = owner.split()
    if len(words) != 4 or words[3] != socket.gethostname():
        return False
    return not is_running(int(words[1]))


_log = logging.getLogger(__name__)
# A lock lives as long as any process has its file open, so a forked worker that outlives a killed run would keep the
# run locked forever (CPython issue 111873 is one cause of such workers). Workers therefore close these files at once.
_LOCKS: weakref.WeakSet[IO[str]] = weakref.WeakSet()


def _close_inherited_locks() -> None:
    for lock in list(_LOCKS):
        lock.close()


os.register_at_fork(after_in_child=_close_inherited_locks)


# The entries of the manifest that are read; one of another type is ignored.
MANIFEST: dict[str, type] = {
    "name": str, "kind": str, "mathstrap": str, "mode": str, "rng_seed": int, "teacher": dict, "seeds": dict,
    "prompts": dict, "counts": dict, "tokens": dict, "seconds": dict, "shortfall": list, "older_body": dict,
    "price": str,
}  # fmt: skip


class RunDir:
    """One run's files. `open` takes the lock and may write; `read` takes no lock and may not.

    An unreadable line is left out, with one warning for each file: its reply counts as missing, and the next run asks
    for it again. `mathstrap doctor` lists all such lines.
    """

    def __init__(self, path: Path, lock: IO[str] | None) -> None:
        self.path = path
        self._lock = lock
        self._logs: dict[str, AppendLog] = {}
        self._indexes: dict[str, ReplyIndex] = {}
        self._about = b""
        self._scratch: list[Scratch[Any]] = []
        self._manifest: dict[str, Any] | None = None
        self._warned: set[str] = set()
        self._spare = SpareRoom(path / "spare-room")

    @classmethod
    def open(cls, path: str | Path) -> RunDir:
        """Create the directory if needed and lock it; raises RunLocked if another process holds it, StorageError.

        A lock whose owner on this machine is dead is taken over, with a warning: it is held by a process that the owner
        left behind, which writes nothing.
        """
        path = Path(path)
        lock = _open_lock(path)
        if not _is_free(lock, path):
            owner = _owner_of(lock)
            lock.close()
            if not _is_dead(owner):
                raise RunLocked(
                    f"{path}: {owner or 'another process'} is writing to this run. Wait for it, stop it, or name "
                    "another run directory."
                )
            _log.warning("%s: %s ended without unlocking this run; its lock is taken over.", path, owner)
            (path / "lock").unlink(missing_ok=True)
            lock = _open_lock(path)
            if not _is_free(lock, path):
                lock.close()
                raise RunLocked(f"{path}: another process took this run at this moment. Run the same command again.")
        try:
            check_folder(path)
        except InputError:
            lock.close()
            raise
        remove_orphans(path)
        _LOCKS.add(lock)
        try:
            # Unbuffered: a buffer that failed to flush on a full disk would fail again when the file is closed.
            os.ftruncate(lock.fileno(), 0)
            os.write(lock.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
        except OSError as error:
            _LOCKS.discard(lock)
            lock.close()
            raise storage_error(path / "lock", error) from error
        return cls(path, lock)

    @classmethod
    def read(cls, path: str | Path, *, about: str = "") -> RunDir:
        """Return a view for reading, even while another process writes; raises InputError if there is no directory.

        With `about`, an id, the view has only the replies whose lines contain it: many times faster for one seed.
        """
        path = Path(path)
        if not path.is_dir():
            raise InputError(f"{path}: there is no run directory here. Start one: mathstrap run RECIPE out={path}")
        check_folder(path)
        view = cls(path, None)
        # Other ids have several spellings in JSON (escapes), so their bytes cannot be searched for.
        view._about = about.encode() if PLAIN_ID.fullmatch(about) else b""
        return view

    def tell(self, sentence: str) -> None:
        """Log a warning about a file of the run, once."""
        if sentence not in self._warned:
            self._warned.add(sentence)
            _log.warning("%s", sentence)

    def _leave_out(self, damaged: list[Damage], consequence: str) -> None:
        if damaged:
            others = len(damaged) - 1
            more = f" {others:,} more lines of this file are damaged." if others else ""
            self.tell(f"{damaged[0].sentence}{more} {consequence} Details: mathstrap doctor {self.path}")

    def __enter__(self) -> RunDir:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Flush everything to the disk and release the lock."""
        try:
            for log in self._logs.values():
                log.close()
        finally:
            self._logs.clear()
            while self._scratch:
                self._scratch.pop().close()
            if self._lock is not None:
                self._spare.drop()
                self._lock.close()
                self._lock = None

    # Paid

    def keep_spare_room(self) -> None:
        """Reserve disk space for the replies in flight when the disk is full."""
        self._must_write("spare-room")
        self._spare.keep()

    @property
    def is_full(self) -> bool:
        """Whether the disk was full, so that the reserved space is in use."""
        return self._spare.is_given

    def index(self, stage: str) -> ReplyIndex:
        """Return the index of a stage's replies; scanned once, in about three seconds for a million replies."""
        if stage not in self._indexes:
            if self._lock is not None:
                self.log(f"completions-{stage}.jsonl")  # cuts a torn last line before it is indexed
            index = ReplyIndex()
            index.scan(self.path / f"completions-{stage}.jsonl", about=self._about)
            self._leave_out(index.damaged, "Lost replies are asked for again by the next run.")
            self._indexes[stage] = index
        return self._indexes[stage]

    def log(self, name: str) -> AppendLog:
        """Return the append-only log of a paid file."""
        self._must_write(name)
        if name not in self._logs:
            self._logs[name] = AppendLog(self.path / name, spare=self._spare)
        return self._logs[name]

    def sink(self, stage: str) -> StageSink:
        """Return the sink of this stage's replies."""
        self._must_write(f"completions-{stage}.jsonl")
        return StageSink(self, stage)

    def is_done(self, request: Request, stage: str) -> bool:
        """Say whether a reply with this request's id and key is stored; nothing else counts as done."""
        return f"{request.id}\0{request.key}" in self.index(stage).rows

    def todo(self, stage: str, requests: Iterable[Request]) -> Iterator[Request]:
        """Yield the requests that have no reply, lazily and in order."""
        rows = self.index(stage).rows
        return (request for request in requests if f"{request.id}\0{request.key}" not in rows)

    def request_ids(self, stage: str) -> Iterator[str]:
        """Yield the id of every stored reply; an id whose prompt has changed may come several times."""
        return (name.partition("\0")[0] for name in self.index(stage).rows)

    def num_done(self, stage: str) -> int:
        """Return how many replies are stored for a stage, whatever recipe asked for them."""
        return len(self.index(stage).rows)

    def paid_bytes(self, stage: str) -> int:
        """Return the size of a stage's file of replies, which only ever grows; 0 if there is none."""
        path = self.path / f"completions-{stage}.jsonl"
        return path.stat().st_size if path.exists() else 0

    def spent(self, *stages: str) -> Usage:
        """Return the usage of the stored replies of these stages, for a Meter's start."""
        return sum((self.index(stage).used for stage in stages), start=Usage())

    def spending(self) -> SpendingFile:
        """Return the log in which a Meter records what the replies do not show; it continues from the last line."""
        return SpendingFile(self)

    def completions(self, stage: str) -> Iterator[Completion]:
        """Yield every stored reply in id order, one at a time, including those to older prompts of the same id."""
        rows = self.index(stage).rows
        return self._read(stage, (rows[name] for name in sorted(rows)))

    def usages(self, stage: str) -> Iterator[ReplyUsage]:
        """Yield the usage of every stored reply, in id order and without reading its text."""
        return self.index(stage).usages()

    def replies(self, stage: str, keys: Iterable[Key]) -> Iterator[Completion]:
        """Yield the reply to each request that has one, in the order of `keys`."""
        return self._read(stage, self._rows_of(stage, keys))

    def replies_to(self, stage: str, ids: Collection[str]) -> Iterator[Completion]:
        """Yield the stored replies to these requests in id order, including those to older prompts."""
        rows = self.index(stage).rows
        names = sorted(name for name in rows if name.partition("\0")[0] in ids)
        return self._read(stage, (rows[name] for name in names))

    def usage_of(self, stage: str, keys: Iterable[Key]) -> Usage:
        """Return the usage of the replies to these requests, without reading their text."""
        return self.index(stage).usage_of(self._rows_of(stage, keys))

    def answered(self, stage: str, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        """Yield the requests that have a reply together with it, in the order of `requests`."""
        ours, theirs = tee(request for request in requests if self.is_done(request, stage))
        return zip(ours, self.replies(stage, ((request.id, request.key) for request in theirs)), strict=True)

    def _rows_of(self, stage: str, keys: Iterable[Key]) -> Iterator[int]:
        rows = self.index(stage).rows
        rows_or_none = (rows.get(f"{request_id}\0{key}") for request_id, key in keys)
        return (row for row in rows_or_none if row is not None)

    def _read(self, stage: str, rows: Iterable[int]) -> Iterator[Completion]:
        return read_replies(self.path / f"completions-{stage}.jsonl", self.index(stage), rows)

    def failures(self) -> Iterator[Failure]:
        """Yield every request that was ever given up, oldest first; later runs may have answered it."""
        return self._rows("failures.jsonl", Failure)

    def marks(self) -> dict[str, Mark]:
        """Return the decisions of reviewers by id; a later line wins."""
        return {mark.id: mark for mark in self._rows("flags.jsonl", Mark)}

    def flags(self) -> dict[str, str]:
        """Return id -> note of the rows that reviewers flagged."""
        return {mark.id: mark.note for mark in self.marks().values() if mark.action == "flag"}

    # Derived

    def write_records(
        self,
        name: str,
        records: Iterable[msgspec.Struct | dict[str, Any]],
        *,
        parquet: type[msgspec.Struct] | None = None,
    ) -> int:
        """Write `<name>.jsonl` and return its number of records; with a `parquet` type, write `<name>.parquet` too."""
        count = 0
        with self.writer(name) as write:

            def written() -> Iterator[Any]:
                nonlocal count
                for record in records:
                    write(record)
                    count += 1
                    yield record

            if parquet is None:
                deque(written(), maxlen=0)
            else:
                write_parquet(self.path / f"{name}.parquet", written(), parquet)
        return count

    @contextmanager
    def writer(self, name: str) -> Iterator[Callable[[msgspec.Struct | dict[str, Any]], None]]:
        """Give a function that adds a record to `<name>.jsonl`; the file appears, complete, if the block succeeds."""
        self._must_write(name)
        encode = msgspec.json.Encoder().encode
        with (
            replacing(self.path / f"{name}.jsonl", is_private=True) as path,
            path.open("wb", buffering=1 << 20) as out,
        ):
            yield lambda record: out.writelines((encode(record), b"\n"))

    def scratch(self, kind: type[R]) -> Scratch[R]:
        """Return a nameless file for records that are read back in this run; it is gone when the run is closed."""
        self._must_write("a scratch file")
        scratch = Scratch(self.path, kind)
        self._scratch.append(scratch)
        return scratch

    def write_rows(self, name: str, rows: Iterable[dict[str, Any]], *, like: dict[str, Any]) -> None:
        """Write `<name>.jsonl` and `<name>.parquet`; the row `like` defines the columns."""
        self.write_records(name, rows)
        written = (row for _, row in iter_rows(self.path / f"{name}.jsonl"))
        write_rows_parquet(self.path / f"{name}.parquet", written, like=like)

    def forget(self, name: str) -> None:
        """Delete a derived file of records that is out of date, if it exists."""
        self._must_write(name)
        (self.path / f"{name}.jsonl").unlink(missing_ok=True)

    def has(self, name: str) -> bool:
        """Say whether a derived file of records exists."""
        return (self.path / f"{name}.jsonl").exists()

    def read_records(self, name: str, kind: type[R], *, strict: bool = False, everything: bool = False) -> Iterator[R]:
        """Yield the records of `<name>.jsonl`; raises InputError if there is no such file.

        An unreadable line is left out with a warning; with `strict` it raises InputError. A directory that was opened
        for one family yields the records whose line contains its id, unless `everything` is set.
        """
        if not self.has(name):
            raise InputError(
                f"{self.path / (name + '.jsonl')}: there is no such file. Run the recipe to its end first."
            )
        about = b"" if everything else self._about
        return self._rows(f"{name}.jsonl", kind, strict=strict, about=about)

    def write_text(self, name: str, text: str) -> Path:
        """Write a whole text file, for example `report.html`, and return its path."""
        self._must_write(name)
        write_atomically(self.path / name, [text.encode("utf-8", "replace")], is_private=True)
        return self.path / name

    def write_json(self, name: str, value: Any) -> Path:
        """Write a value as readable JSON, for example `metrics.json`, and return its path."""
        return self.write_text(name, msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")

    def read_json(self, name: str, *, strict: bool = False) -> Any:
        """Return a JSON file's value, or None if there is no such file.

        A file that is not JSON counts as missing, with a warning; with `strict` it raises InputError.
        """
        path = self.path / name
        if not path.exists():
            return None
        try:
            return read_json_file(path)
        except InputError as error:
            if strict:
                raise InputError(f"{error} Delete it; it is derived and will be written again.") from error
            self.tell(f"{error} It counts as missing; the next run writes it again.")
            return None

    def read_value(self, name: str, kind: type[V]) -> V | None:
        """Return a JSON file's value as `kind`; None, with a warning, if it is of another type."""
        value = self.read_json(name)
        try:
            return None if value is None else msgspec.convert(value, kind)
        except (msgspec.ValidationError, RecursionError) as error:
            self.tell(f"{self.path / name}: {error}. It counts as missing; the next run writes it again.")
            return None

    @property
    def manifest(self) -> dict[str, Any]:
        """A copy of the manifest; empty if it is missing or unreadable."""
        if self._manifest is None:
            manifest = self.read_value("manifest.json", dict[str, Any]) or {}
            odd = [name for name, kind in MANIFEST.items() if name in manifest and type(manifest[name]) is not kind]
            if odd:
                names = ", ".join(odd)
                self.tell(f"{self.path / 'manifest.json'}: of another type than expected, and left out: {names}.")
            self._manifest = {name: value for name, value in manifest.items() if name not in odd}
        return dict(self._manifest)

    def update_manifest(self, **values: Any) -> None:
        """Set top-level entries of the manifest and write it."""
        self._manifest = {**self.manifest, **values}
        self.write_json("manifest.json", self._manifest)

    def _rows(self, file_name: str, kind: type[R], *, strict: bool = False, about: bytes = b"") -> Iterator[R]:
        path = self.path / file_name
        if not path.exists():
            return
        if about:
            yield from (record for record, _ in self._places(path, kind, strict=strict, about=about))
            return
        damaged: list[Damage] = []
        what = kind.__name__.strip("_")
        for record in values_in(path, record_decoder(kind), block_decoder(kind), damaged.append, what=what):
            if damaged and strict:
                break
            yield record
        self._judge(damaged, strict=strict)

    def records_with_places(self, name: str, kind: type[R]) -> Iterator[tuple[R, Line]]:
        """Yield the records of `<name>.jsonl`, each with its line; unreadable ones are left out with a warning."""
        return self._places(self.path / f"{name}.jsonl", kind, strict=False)

    def _places(self, path: Path, kind: type[R], *, strict: bool, about: bytes = b"") -> Iterator[tuple[R, Line]]:
        damaged: list[Damage] = []
        what = kind.__name__.strip("_")
        for record, line in records_in(path, record_decoder(kind), damaged.append, what=what, about=about):
            if damaged and strict:
                break
            yield record, line
        self._judge(damaged, strict=strict)

    def _judge(self, damaged: list[Damage], *, strict: bool) -> None:
        if damaged and strict:
            raise InputError(f"{damaged[0].sentence} To derive it again: mathstrap doctor {self.path} --mend")
        self._leave_out(damaged, "The unreadable records are missing from what follows.")

    def _must_write(self, name: str) -> None:
        assert self._lock is not None, f"{name}: this run directory was opened for reading, or is closed"
        linked = [parent for parent in Path(name).parents if parent.name and (self.path / parent).is_symlink()]
        if linked:
            raise StorageError(
                f"{self.path / linked[0]}: is a symbolic link, and none is followed for writing: remove the link."
            )


def record_decoder(kind: type[R]) -> Callable[[bytes], R]:
    """Return the decoder of a derived file's lines; samples are also read as an older version wrote them."""
    decode = msgspec.json.Decoder(kind).decode
    if kind is not Sample:
        return decode

    def decode_sample(line: bytes) -> R:
        # Older samples have `gold` in place of `gold_source`; the same bytes inside a text would have escaped quotes.
        return decode(line.replace(_OLD_GOLD, b'"gold_source":"voted"', 1) if _OLD_GOLD in line else line)

    return decode_sample


def block_decoder(kind: type[R]) -> Callable[[bytes], list[R]]:
    """Return the decoder of many lines at once; it refuses samples that only `record_decoder` reads rightly."""
    decode_lines = msgspec.json.Decoder(kind).decode_lines

    def decode_samples(block: bytes) -> list[R]:
        if _OLD_GOLD in block:
            raise msgspec.DecodeError("samples of an older version are read one by one")
        return decode_lines(block)

    return decode_samples if kind is Sample else decode_lines
