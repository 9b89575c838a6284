"""Read rows passed in Python: lists, data frames, tables, datasets. Knows no file and imports no library.

Here a row only becomes a plain mapping; its meaning is decided where rows of files are read.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from mathstrap.errors import InputError
from mathstrap.files.text_rows import Row

EXPECTED = "a list of mappings, a DataFrame, a table or a datasets.Dataset"


def rows_given(given: object, *, where: str = "rows") -> list[Row]:
    """Return an object passed in Python as plain rows, in order; raises InputError if it has no rows.

    A string becomes a row with a `question`; a pair or a triple is question, answer, solution. NaN and NaT become None,
    numpy's numbers and arrays plain ones. Libraries are recognised by their methods, so none is imported.
    """
    rows = [row_given(item, f"{where}[{place}]") for place, item in enumerate(items_of(given, where))]
    if not rows:
        raise InputError(f"{where}: no rows. Expected at least one question.")
    return rows


def items_of(given: Any, where: str) -> Iterable[Any]:
    """Return the rows of an object, each still of that object's own type."""
    kind = type(given).__name__
    if hasattr(given, "to_pylist"):  # a table of pyarrow
        return given.to_pylist()  # type: ignore[no-any-return]
    if hasattr(given, "to_dicts"):  # polars
        return given.to_dicts()  # type: ignore[no-any-return]
    if hasattr(given, "iloc"):  # pandas: a DataFrame, or a Series of texts
        return given.to_dict("records") if hasattr(given, "columns") else given.tolist()  # type: ignore[no-any-return]
    if isinstance(given, Mapping):
        if any(hasattr(value, "column_names") for value in given.values()):
            splits = ", ".join(map(str, given))
            raise InputError(
                f"{where}: found several splits ({splits}). Hand over one, for example [{splits.split(', ')[0]!r}]."
            )
        return columns_as_rows(given, where)
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise InputError(f"{where}: found a {kind}, expected {EXPECTED}.")
    return given


def columns_as_rows(columns: Mapping[Any, Any], where: str) -> list[dict[str, Any]]:
    """Return a mapping of columns, all of one length, as rows."""
    lists = {str(name): list(cells) for name, cells in columns.items() if not isinstance(cells, str | bytes | Mapping)
             and isinstance(cells, Iterable)}  # fmt: skip
    lengths = {len(cells) for cells in lists.values()}
    if len(lists) != len(columns) or len(lengths) != 1:
        raise InputError(f"{where}: found a mapping, expected {EXPECTED}; columns must be lists of one length.")
    return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]


def row_given(item: Any, where: str) -> Row:
    """Return one row as a mapping of texts to plain values."""
    if isinstance(item, msgspec.Struct):
        item = msgspec.to_builtins(item)
    elif dataclasses.is_dataclass(item) and not isinstance(item, type):
        item = dataclasses.asdict(item)
    if isinstance(item, str):
        return {"question": item}
    if isinstance(item, list | tuple) and len(item) in (2, 3):
        return dict(zip(("question", "answer", "solution"), map(plain, item), strict=False))
    if not isinstance(item, Mapping):
        raise InputError(
            f"{where}: found a {type(item).__name__}, expected a mapping such as "
            '{"question": "...", "answer": "..."}, or a pair of question and answer.'
        )
    return {str(name): plain(value) for name, value in item.items()}


def plain(value: Any) -> Any:
    """Return a cell as a JSON value; a value of another type becomes its text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    if hasattr(value, "tolist"):  # a number or an array of numpy
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    text = str(value)
    return None if text in ("NaT", "<NA>", "nan") else text
