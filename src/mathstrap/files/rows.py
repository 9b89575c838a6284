"""Stream the rows of files: JSON in all its layouts, CSV, Parquet, Excel, packed or not, one file, a folder or a glob.

Knows nothing of what the columns mean, but for telling a header line from a first row (`text_rows.KNOWN_NAMES`).
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError, MissingExtraError, missing_extra
from mathstrap.files.text_rows import OnBadRow, Row, csv_rows, json_rows

__all__ = ["EXPECTED", "OnBadRow", "Row", "Starts", "files_of", "iter_rows", "place_of"]

EXPECTED = ".jsonl, .json, .csv, .tsv, .parquet or .xlsx (also .gz, .zst, .bz2 or .xz)"
PACKED = (".gz", ".zst", ".bz2", ".xz")
Reader = Callable[[Path, OnBadRow], Iterator[tuple[int, Row]]]
# Where each file of several begins in the running count of rows: (rows before it, its path).
Starts = list[tuple[int, Path]]


def iter_rows(
    path: Path | str, *, bad: OnBadRow | None = None, starts: Starts | None = None
) -> Iterator[tuple[int, Row]]:
    """Stream (number, row) from a file, a folder of files or a glob; numbers are lines (rows for tables), from 1.

    Over several files the numbers run on; `starts` receives where each file begins, for `place_of`. A row that cannot
    be read goes to `bad(number, reason)`, or raises InputError where `bad` is None.
    """
    files = files_of(path)
    starts = [] if starts is None else starts
    before = last = 0

    def refuse(number: int, reason: str) -> None:
        nonlocal last
        last = max(last, before + number)
        if bad is None:
            raise InputError(f"{place_of(path, before + number, starts)}: {reason}.")
        bad(before + number, reason)

    for file in files:
        before = last
        starts.append((before, file))
        try:
            for number, row in reader_of(file)(file, refuse):
                last = before + number
                yield last, row
        except PermissionError:
            raise InputError(f"{file}: no permission to read it.") from None


def place_of(source: Path | str, number: int, starts: Starts) -> str:
    """Return `file:line` of a running number; without `starts` the source and the number."""
    before, file = next((pair for pair in reversed(starts) if pair[0] < number), (0, Path(str(source))))
    return f"{file}:{number - before}"


def files_of(path: Path | str) -> list[Path]:
    """Return the files that a name stands for, sorted: itself, those below a folder, or those a glob matches.

    Raises InputError where there is none, or where the name of the only one says that it cannot be read.
    """
    named = Path(path)
    if named.is_dir():
        files = sorted(file for file in named.rglob("*") if file.is_file() and is_readable(file))
        if not files:
            raise InputError(f"{path}: no file in this folder can be read. Expected {EXPECTED} files.")
        return files
    if not named.exists() and any(letter in str(path) for letter in "*?["):
        names = sorted(glob.glob(str(named), recursive=True))  # noqa: PTH207  (an absolute pattern with **)
        files = [Path(name) for name in names if Path(name).is_file()]
        if not files:
            raise InputError(f"{path}: no file matches. Expected the pattern of {EXPECTED} files.")
    elif not named.exists():
        raise InputError(f"{path}: no such file. Expected {EXPECTED}, a folder, a glob, or hf:owner/name.")
    else:
        files = [named]
    for file in files:
        reader_of(file)
    return files


def is_readable(file: Path) -> bool:
    """Say whether a file below a folder is one of rows; hidden files and descriptions are not."""
    is_description = file.name in ("dataset_info.json", "dataset_infos.json", "state.json", "README.json")
    is_hidden = any(part.startswith(".") for part in file.parts[-2:])
    return suffix_of(file) in READERS and not is_hidden and not is_description


def suffix_of(file: Path) -> str:
    """Return the suffix that says what a file holds, in lower case; that of the packing does not."""
    name = file.with_suffix("") if file.suffix.lower() in PACKED else file
    return name.suffix.lower()


def reader_of(file: Path) -> Reader:
    """Return the reader for a file's suffix; raises InputError for one that is not known."""
    reader = READERS.get(suffix_of(file))
    if reader is None:
        raise InputError(f'{file}: cannot read "{file.suffix}" files. Expected {EXPECTED}.')
    if reader in (parquet_rows, excel_rows) and file.suffix.lower() in PACKED:
        raise InputError(f"{file}: packed tables are not read. Unpack it first.")
    return reader


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


def excel_rows(path: Path, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a workbook's first sheet that holds any; the first row names the columns.

    A cell that Excel turned into a date (it does so with `1/2`) is a bad row: what was typed is lost.
    """
    try:
        import python_calamine
    except ImportError:
        raise MissingExtraError(f"{missing_extra('python-calamine', 'excel')}. Or save {path} as .csv.") from None
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        sheets = (book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in book.sheet_names)
        table = next((sheet for sheet in sheets if any(any(cell != "" for cell in row) for row in sheet)), [])
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        problem = f"{path}: not an Excel workbook, or a damaged one ({reason})"
        raise InputError(f"{problem}. Save it again, or as .csv or .jsonl.") from None
    header: list[str] | None = None
    for number, cells in enumerate(table, 1):
        if all(cell == "" for cell in cells):
            continue
        if header is None:
            header = [str(cell).strip() for cell in cells]
            continue
        row = {name: cell for name, cell in zip(header, cells, strict=False) if name}
        dates = [name for name, cell in row.items() if not isinstance(cell, (str, int, float, bool))]
        if dates:
            bad(number, f'"{dates[0]}" holds a date or time; Excel makes one of 1/2: format the column as text')
        else:
            yield number, row


READERS: dict[str, Reader] = {
    ".jsonl": json_rows, ".json": json_rows, ".ndjson": json_rows, ".csv": csv_rows, ".tsv": csv_rows,
    ".parquet": parquet_rows, ".xlsx": excel_rows, ".xlsm": excel_rows, ".xls": excel_rows, ".ods": excel_rows,
}  # fmt: skip
