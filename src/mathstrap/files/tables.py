"""Write files atomically, under a temporary name that is flushed and renamed: JSON lines and Parquet."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from mathstrap.errors import MathstrapError
from mathstrap.files.append_log import storage_error

ROWS_PER_GROUP = 20_000  # rows in memory while a table is written
R = TypeVar("R")
S = TypeVar("S", bound=msgspec.Struct)


@contextmanager
def replacing(path: Path, *, is_private: bool = False) -> Iterator[Path]:
    """Give an empty temporary file beside `path`; on success it is flushed and renamed, on an error removed.

    A private file can only be read by its owner. The rename replaces a symbolic link at `path` instead of following it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # left by an earlier process of this number, or a link planted by a stranger
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if is_private else 0o666))
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except MathstrapError:
        raise
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_orphans(folder: Path) -> None:
    """Delete the temporary files in a folder whose processes are dead."""
    for path in folder.glob(".*.tmp"):
        number = path.name.removesuffix(".tmp").rpartition(".")[2]
        if number.isascii() and number.isdecimal() and len(number) < 10 and not is_running(int(number)):
            with suppress(OSError):
                path.unlink()


def is_running(number: int) -> bool:
    """Say whether a process of this number runs on this machine."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def write_atomically(path: Path, chunks: Iterable[bytes], *, is_private: bool = False) -> None:
    """Write all chunks to `path`, or leave what was there; raises StorageError."""
    with replacing(path, is_private=is_private) as temporary, temporary.open("wb", buffering=1 << 20) as out:
        out.writelines(chunks)


def open_whole(stack: ExitStack, path: Path | None) -> IO[bytes] | None:
    """Open a file that appears under its name when `stack` closes without an error; for None, return None."""
    if path is None:
        return None
    return stack.enter_context(stack.enter_context(replacing(path)).open("wb", buffering=1 << 20))


class Scratch(Generic[S]):
    """A nameless file of records: appended to, then read. The system removes it however the process ends."""

    def __init__(self, folder: Path, kind: type[S]) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=1 << 20)  # noqa: SIM115 held until close
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(kind).decode

    def append(self, record: S) -> None:
        """Add a record; raises StorageError."""
        try:
            self._file.writelines((self._encode(record), b"\n"))
        except OSError as error:
            raise storage_error(Path(str(self._file.name)), error) from error

    def __iter__(self) -> Iterator[S]:
        """Yield the records from the first; one reader at a time."""
        self._file.seek(0)
        return map(self._decode, self._file)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()


def write_parquet(path: Path, records: Iterable[msgspec.Struct], kind: type[msgspec.Struct]) -> None:
    """Write records as a table with one column per field of `kind`; dicts and tuples become JSON text."""
    import pyarrow

    hints = get_type_hints(kind)
    names = list(kind.__struct_fields__)
    as_json = {name for name in names if (get_origin(hints[name]) or hints[name]) in {dict, list, tuple}}
    schema = pyarrow.schema([(name, _column(hints[name], pyarrow)) for name in names])

    def table(batch: list[msgspec.Struct]) -> Any:
        columns = {
            name: [
                msgspec.json.encode(value).decode() if name in as_json else value
                for value in (getattr(row, name) for row in batch)
            ]
            for name in names
        }
        return pyarrow.table(columns, schema=schema)

    _write_groups(path, records, schema, table)


def write_rows_parquet(path: Path, rows: Iterable[dict[str, Any]], *, like: dict[str, Any]) -> None:
    """Write plain rows as a table with the column types of the row `like`, which works for no rows too."""
    import pyarrow

    schema = pyarrow.Table.from_pylist([like]).schema
    _write_groups(path, rows, schema, lambda batch: pyarrow.Table.from_pylist(batch, schema=schema))


def _write_groups(path: Path, rows: Iterable[R], schema: Any, table: Callable[[list[R]], Any]) -> None:
    import pyarrow.parquet

    left = iter(rows)
    with (
        replacing(path, is_private=True) as temporary,
        pyarrow.parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        while batch := list(itertools.islice(left, ROWS_PER_GROUP)):
            writer.write_table(table(batch))


def _column(hint: Any, pyarrow: Any) -> Any:
    kinds = {type(value) for value in get_args(hint)} if "Literal" in str(get_origin(hint)) else {hint}
    if kinds == {bool}:
        return pyarrow.bool_()
    if kinds == {int}:
        return pyarrow.int64()
    if kinds == {float}:
        return pyarrow.float64()
    return pyarrow.string()
