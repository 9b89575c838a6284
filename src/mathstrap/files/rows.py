"""Stream the rows of files in every supported format, compressed or not: one file, an archive, a folder or a glob.

Knows nothing of what the columns mean, except to tell a header from a first row (`text_rows.KNOWN_NAMES`).
"""

from __future__ import annotations

import glob
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from mathstrap.errors import InputError
from mathstrap.files.binary_rows import arrow_rows, excel_rows, parquet_rows
from mathstrap.files.text_rows import MAX_DOCUMENT, OnBadRow, Row, csv_rows, json_rows, xml_rows
from mathstrap.patterns import regex

__all__ = ["EXPECTED", "OnBadRow", "Row", "Starts", "files_of", "iter_rows", "place_of"]

EXPECTED = ".jsonl, .json, .csv, .tsv, .parquet or .xlsx (also .gz, .zst, .bz2, .xz or .zip)"
PACKED = (".gz", ".zst", ".bz2", ".xz")
Reader = Callable[[Path, OnBadRow], Iterator[tuple[int, Row]]]
# Where each file of several begins in the running count of rows: (rows before it, its path).
Starts = list[tuple[int, Path]]
# Files of a folder or an archive that describe it, and how those of one split are called.
DESCRIPTIONS = frozenset(
    ["dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "readme.json", "croissant.json"]
)
SPLITS = regex(r"(train|test|validation|valid|val|dev|eval)(?:ing)?(?![a-z])", re.IGNORECASE)


def iter_rows(
    path: Path | str, *, bad: OnBadRow | None = None, starts: Starts | None = None
) -> Iterator[tuple[int, Row]]:
    """Stream (number, row) from a file, a folder of files or a glob; numbers are lines (rows for tables), from 1.

    Numbers continue over several files; `starts` receives where each file begins, for `place_of`. An unreadable row
    goes to `bad(number, reason)`, or raises InputError if `bad` is None.
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
    """Return the files that a name stands for, sorted: itself, those below a folder, or those that a glob matches.

    Raises InputError if there is none, or if a file's suffix is not supported.
    """
    named = Path(path)
    if named.is_dir():
        files = sorted(file for file in named.rglob("*") if file.is_file() and is_readable(file))
        if not files:
            raise InputError(f"{path}: no file in this folder can be read. Expected {EXPECTED} files.")
        refuse_splits(path, [file.relative_to(named) for file in files])
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
    """Say whether a file below a folder contains rows; hidden files and descriptions do not."""
    is_hidden = any(part.startswith(".") or part == "__MACOSX" for part in file.parts[-2:])
    is_named = suffix_of(file) in READERS and suffix_of(file) not in (".txt", ".zip")
    return is_named and not is_hidden and file.name.lower() not in DESCRIPTIONS


def refuse_splits(where: Path | str, files: list[Path]) -> None:
    """Raise InputError if files hold both the training and the test questions of a set: no user wants both."""
    splits: dict[str, str] = {}
    for file in files:
        for part in reversed(file.parts):
            if split := SPLITS.match(part):
                splits.setdefault(split[1].lower(), str(file))
                break
    if "train" in splits and len(splits) > 1:
        shown = ", ".join(f"{split} ({file})" for split, file in sorted(splits.items()))
        raise InputError(f"{where}: holds several splits: {shown}. Name one: its file, its folder or a glob.")


def suffix_of(file: Path) -> str:
    """Return the suffix of a file's format in lower case, without that of a compression."""
    name = file.with_suffix("") if file.suffix.lower() in PACKED else file
    return name.suffix.lower()


def reader_of(file: Path) -> Reader:
    """Return the reader for a file's suffix; raises InputError for one that is not known."""
    reader = READERS.get(suffix_of(file))
    if reader is None:
        raise InputError(f'{file}: cannot read "{file.suffix}" files. Expected {EXPECTED}.')
    if reader in (parquet_rows, arrow_rows, excel_rows, zip_rows) and file.suffix.lower() in PACKED:
        raise InputError(f"{file}: packed tables are not read. Unpack it first.")
    return reader


def zip_rows(path: Path, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield the rows of the files in an archive, one after another; numbers continue."""
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory(prefix="mathstrap-") as folder:
            files = (member for member in archive.infolist() if not member.is_dir())
            members = [member for member in files if is_readable(Path(member.filename))]
            if not members:
                raise InputError(f"{path}: no file in this archive can be read. Expected {EXPECTED} files.")
            if sum(member.file_size for member in members) > MAX_DOCUMENT:
                raise InputError(f"{path}: more than {MAX_DOCUMENT >> 30} GiB unpacked. Unpack it first.")
            refuse_splits(path, [Path(member.filename) for member in members])
            before = last = 0
            for member in sorted(members, key=lambda member: member.filename):
                # A name of our own: the archive's name may point outside the folder.
                temporary = Path(folder) / f"member{''.join(Path(member.filename).suffixes[-2:])}"
                with archive.open(member) as packed, temporary.open("wb") as out:
                    left = MAX_DOCUMENT
                    while chunk := packed.read(min(1 << 20, left)):
                        out.write(chunk)
                        left -= len(chunk)
                before = last

                def shifted(number: int, reason: str, *, before: int = before) -> None:
                    bad(before + number, reason)

                for number, row in reader_of(temporary)(temporary, shifted):
                    last = before + number
                    yield last, row
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:  # the last but one: a password
        raise InputError(f"{path}: cannot be unpacked ({error}).") from None


READERS: dict[str, Reader] = {
    ".txt": csv_rows, ".tab": csv_rows, ".psv": csv_rows, ".xml": xml_rows, ".arrow": arrow_rows, ".zip": zip_rows,
    ".jsonl": json_rows, ".json": json_rows, ".ndjson": json_rows, ".csv": csv_rows, ".tsv": csv_rows,
    ".parquet": parquet_rows, ".xlsx": excel_rows, ".xlsm": excel_rows, ".xls": excel_rows, ".ods": excel_rows,
}  # fmt: skip
