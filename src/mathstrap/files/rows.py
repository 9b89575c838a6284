"""Stream the rows of JSON Lines, CSV and Parquet files. Knows nothing of what the columns mean."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError

Row = dict[str, Any]
OnBadRow = Callable[[int, str], None]


def iter_rows(path: Path | str, *, bad: OnBadRow | None = None) -> Iterator[tuple[int, Row]]:
    """Stream (number, row) from a .jsonl, .csv or .parquet file; numbers are lines (rows for Parquet), from 1.

    A row that cannot be read goes to `bad(number, reason)`, or raises InputError where `bad` is None.
    """
    path = Path(path)
    readers = {
        ".jsonl": jsonl_rows, ".json": jsonl_rows, ".ndjson": jsonl_rows,
        ".csv": csv_rows, ".tsv": csv_rows, ".parquet": parquet_rows,
    }  # fmt: skip
    if not path.exists():
        raise InputError(f"{path}: no such file. Expected a .jsonl, .csv or .parquet file, or hf:owner/name.")
    if path.is_dir():
        raise InputError(f"{path}: is a directory. Name one .jsonl, .csv or .parquet file.")
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f'{path}: cannot read "{path.suffix}" files. Expected .jsonl, .csv or .parquet.')

    def stop(number: int, reason: str) -> None:
        raise InputError(f"{path}:{number}: {reason}.")

    try:
        yield from reader(path, bad or stop)
    except PermissionError:
        raise InputError(f"{path}: no permission to read it.") from None


def jsonl_rows(path: Path, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield the objects of a JSON Lines file; a .json file may instead hold one array of objects."""
    import msgspec

    # Brackets nested a few thousand deep end in a RecursionError.
    unreadable = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    decode = msgspec.json.Decoder().decode
    with open(path, "rb") as lines:
        first = lines.read(1)
        lines.seek(0)
        if first == b"[":
            try:
                rows = decode(lines.read())
            except unreadable as error:
                bad(1, f"not a JSON array ({error})")
                return
            for number, row in enumerate(rows, 1):
                if isinstance(row, dict):
                    yield number, row
                else:
                    bad(number, f"found a {type(row).__name__}, expected a JSON object")
            return
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            try:
                row = decode(line)
            except unreadable as error:
                bad(number, encoding_hint(line) or f"not JSON ({error})")
                continue
            if isinstance(row, dict):
                yield number, row
            else:
                bad(number, f"found a JSON {type(row).__name__}, expected an object with named fields")


def encoding_hint(line: bytes) -> str:
    """Return what is wrong with the encoding of a line, or nothing."""
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16 text, expected UTF-8; save the file as UTF-8"
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start} of the line; save the file as UTF-8"
    return ""


def csv_rows(path: Path, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a comma- or tab-separated file with a header line."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    previous_limit = csv.field_size_limit(10_000_000)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            for row in reader:
                if None in row or None in row.values():
                    found = sum(len(value) if isinstance(value, list) else value is not None for value in row.values())
                    bad(reader.line_num, f"found {found} columns, expected {len(reader.fieldnames or [])}")
                    continue
                yield reader.line_num, dict(row)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}. Save the file as UTF-8.") from None
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: not CSV: {error}.") from None
    finally:
        csv.field_size_limit(previous_limit)


def parquet_rows(path: Path, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a Parquet file, a batch at a time."""
    import pyarrow
    import pyarrow.parquet

    try:
        number = 0
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=4096):
                for row in batch_rows(batch):
                    number += 1
                    if isinstance(row, str):
                        bad(number, row)
                    else:
                        yield number, row
    except (FileNotFoundError, PermissionError):
        raise
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:  # the last for a column's name
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: not a Parquet file, or a damaged one ({reason}).") from None


def batch_rows(batch: Any) -> Iterator[Row | str]:
    """Yield the rows of a batch; a row with broken text, or with a date that Python has no form of, as the reason."""
    import pyarrow

    try:
        yield from batch.to_pylist()
    except pyarrow.ArrowException:
        raise
    except (ValueError, OverflowError):
        for place in range(batch.num_rows):
            try:
                yield from batch.slice(place, 1).to_pylist()
            except pyarrow.ArrowException:
                raise
            except UnicodeDecodeError:
                yield "a text of it is not UTF-8"
            except (ValueError, OverflowError) as error:
                yield f"a value of it is out of range ({error})"
