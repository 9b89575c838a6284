"""A sequence of records for notebooks: counted, indexed, shown as a table, converted to pandas or datasets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

import msgspec

from mathstrap.errors import MissingExtraError, missing_extra

T = TypeVar("T")
SHOWN = 5


class Records(Sequence[T], Generic[T]):
    """Rows or records in memory, in order. `name` is their plural noun, for "12 samples".

    >>> rows = Records([{"question": "1 + 1 = ?", "answer": "2"}], name="questions")
    >>> len(rows), rows[0]["answer"]
    (1, '2')
    """

    def __init__(self, items: Iterable[T], *, name: str = "rows", columns: Sequence[str] = ()) -> None:
        self._items = list(items)
        self.name = name
        self.columns = tuple(columns)  # the columns that a notebook shows; empty = all

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Records[T]: ...
    def __getitem__(self, place: int | slice) -> T | Records[T]:
        if isinstance(place, slice):
            return Records(self._items[place], name=self.name, columns=self.columns)
        return self._items[place]

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __repr__(self) -> str:
        return f"<{len(self):,} {self.name}>"

    def where(self, **values: Any) -> Records[T]:
        """Return the items whose fields have these values.

        >>> Records([{"type": "a", "n": 1}, {"type": "b", "n": 2}]).where(type="b").to_list()
        [{'type': 'b', 'n': 2}]
        """
        kept = (item for item in self._items if all(field_of(item, name) == value for name, value in values.items()))
        return Records(kept, name=self.name, columns=self.columns)

    def to_list(self) -> list[dict[str, Any]]:
        """Return the items as a list of mappings."""
        return [msgspec.to_builtins(item) if isinstance(item, msgspec.Struct) else dict(item) for item in self._items]  # type: ignore[call-overload]

    def to_pandas(self) -> Any:
        """Return the items as a DataFrame; nested values stay nested."""
        try:
            import pandas
        except ImportError:
            raise MissingExtraError("pandas is not installed. Run: pip install pandas") from None
        return pandas.DataFrame(self.to_list())

    def to_dataset(self) -> Any:
        """Return the items as a `datasets.Dataset`; mappings become JSON text, as in `samples.parquet`."""
        try:
            import datasets
        except ImportError:
            raise missing_extra("datasets", "hub") from None
        rows = self.to_list()
        nested = {name for row in rows for name, value in row.items() if isinstance(value, dict)}
        for row in rows:
            row.update({name: msgspec.json.encode(row[name]).decode() for name in nested & row.keys()})
        return datasets.Dataset.from_list(rows)

    def _repr_html_(self) -> str:
        from mathstrap.render.notebook import rows_cell

        shown = self[:SHOWN].to_list()
        return rows_cell(shown, columns=self.columns, caption=f"{len(self):,} {self.name}")


def field_of(item: Any, name: str) -> Any:
    """Return a field of a mapping or a record; None where it has none of that name."""
    return item.get(name) if isinstance(item, dict) else getattr(item, name, None)
