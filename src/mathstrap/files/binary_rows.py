"""Read the rows of tables that are not text: Parquet, Arrow, workbooks. Knows nothing of what the columns mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError, MissingExtraError, first_line, missing_extra
from mathstrap.files.text_rows import OnBadRow, Row, is_title, not_text


def parquet_rows(path: Path, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a Parquet file, a batch at a time."""
    import pyarrow
    import pyarrow.parquet

    with path.open("rb") as opened:
        head = opened.read(64)
    if not head.startswith(b"PAR1") and (fault := not_text(head)):
        raise InputError(f"{path}: {fault}")
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from numbered_rows(file.iter_batches(batch_size=4096), bad)
    except (FileNotFoundError, PermissionError):
        raise
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:  # the last for a column's name
        reason = first_line(error)
        raise InputError(f"{path}: not a Parquet file, or a damaged one ({reason}).") from None


def numbered_rows(batches: Iterable[Any], bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield the rows of batches with their numbers from 1; unreadable ones go to `bad`."""
    for number, row in enumerate(chain.from_iterable(map(batch_rows, batches)), start=1):
        if isinstance(row, str):
            bad(number, row)
        else:
            yield number, row


def batch_rows(batch: Any) -> Iterator[Row | str]:
    """Yield the rows of a batch; in place of a row with broken text or an impossible date, yield the reason."""
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
    """Yield the rows of a workbook's first sheet that is not empty; the first row with two cells names the columns.

    A row with a cell that Excel turned into a date (it does so with `1/2`) is bad: the original text is lost.
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
        reason = first_line(error)
        problem = f"{path}: not an Excel workbook, or a damaged one ({reason})"
        raise InputError(f"{problem}. Save it again, or as .csv or .jsonl.") from None
    header: list[str] | None = None
    width = max((sum(cell != "" for cell in cells) for cells in table[:30]), default=0)
    for number, cells in enumerate(table, 1):
        if all(cell == "" for cell in cells):
            continue
        if header is None:
            if is_title(cells, number, width):
                continue
            header = [str(cell).strip() for cell in cells]
            if repeated := next((name for name in header if name and header.count(name) > 1), ""):
                raise InputError(f'{path}:{number}: two columns are named "{repeated}". Rename one.')
            continue
        row = {name: cell for name, cell in zip(header, cells, strict=False) if name}
        dates = [name for name, cell in row.items() if not isinstance(cell, (str, int, float, bool))]
        if dates:
            bad(number, f'"{dates[0]}" holds a date or time; Excel makes one of 1/2: format the column as text')
        else:
            yield number, row


def arrow_rows(path: Path, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield the rows of an Arrow file or stream, such as `datasets.save_to_disk` writes, a batch at a time."""
    import pyarrow
    import pyarrow.ipc

    try:
        with path.open("rb") as file:
            is_file = file.read(6) == b"ARROW1"
        with pyarrow.memory_map(str(path)) as source:
            reader = pyarrow.ipc.open_file(source) if is_file else pyarrow.ipc.open_stream(source)
            batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
            slices = (batch.slice(start, 4096) for batch in batches for start in range(0, batch.num_rows, 4096))
            yield from numbered_rows(slices, bad)
    except (FileNotFoundError, PermissionError):
        raise
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = first_line(error)
        raise InputError(f"{path}: not an Arrow file, or a damaged one ({reason}).") from None
