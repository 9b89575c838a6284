"""Read the header of a GGUF file, and check that every count and size in it fits into the file.

Not by `gguf.GGUFReader`, which makes an array of every string of the vocabulary: 4.4 s of processor time at each start
of the embedded teacher, while this takes 0.06 s. It also trusts the header, as the engines do: a list of 2^60 items
beyond the end of the file makes it loop until the memory is full.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError

# The format of a metadata value by its type, as `struct` writes it; a string is 8, an array 9.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
LONGEST_VALUE = 200  # bytes of a string that is read; a chat template has thousands
VERSIONS = (2, 3)
MOST_ITEMS = 1 << 22  # of all arrays together: the largest vocabularies have a quarter of a million tokens
MOST_DIMENSIONS = 4
MOST_ALIGNMENT = 1 << 20
DEFAULT_ALIGNMENT = 32


@dataclass(frozen=True, kw_only=True)
class Header:
    """The single values of the metadata by name (no lists, no long strings), and each tensor's shape and type."""

    values: dict[str, int | float | str]
    tensors: list[tuple[tuple[int, ...], int]]


def read_header(path: Path, blocks: Mapping[int, tuple[int, int]]) -> Header:
    """Return the contents of a header; raises InputError if it is truncated or claims more than the file holds.

    `blocks` is (weights, bytes) of one block by a tensor's type.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(_Bytes(data, len(data)), blocks)
    except (ValueError, OSError, struct.error) as error:
        reason = "it ends too early" if isinstance(error, struct.error) else error
        raise InputError(f"{path}: the GGUF file is cut off or damaged: {reason}. Fetch it again.") from None


@dataclass
class _Bytes:
    """The bytes of a file and the reading position; raises struct.error at their end."""

    data: mmap.mmap
    size: int
    place: int = 0
    items: int = 0

    def number(self, shape: str) -> Any:
        value = struct.unpack_from(f"<{shape}", self.data, self.place)[0]
        self.place += struct.calcsize(f"<{shape}")
        return value

    def skip(self, count: int) -> None:
        if count > self.size - self.place:
            raise ValueError(f"{count:,} bytes are to follow at {self.place:,}, of {self.size:,} in all")
        self.place += count

    def name(self) -> str:
        length = self.number("Q")
        start = self.place
        self.skip(length)
        return self.data[start : self.place].decode("utf-8")

    def value(self, kind: int) -> int | float | str | None:
        if kind == STRING:
            length = self.number("Q")
            start = self.place
            self.skip(length)
            return self.data[start : self.place].decode("utf-8") if length <= LONGEST_VALUE else None
        if kind == ARRAY:
            self.skip_array()
            return None
        scalar: int | float = self.number(_format_of(kind))
        return scalar

    def skip_array(self) -> None:
        kind, count = self.number("I"), self.number("Q")
        self.items += count
        if self.items > MOST_ITEMS:
            raise ValueError(f"its lists hold {self.items:,} items, expected at most {MOST_ITEMS:,}")
        if kind == STRING:
            for _ in range(count):
                self.skip(self.number("Q"))
        elif kind == ARRAY:
            raise ValueError("a list of lists")
        else:
            self.skip(count * struct.calcsize(f"<{_format_of(kind)}"))


def _format_of(kind: int) -> str:
    if kind not in SCALARS:
        raise ValueError(f"no such type of value, {kind}")
    return SCALARS[kind]


def _read(header: _Bytes, blocks: Mapping[int, tuple[int, int]]) -> Header:
    if header.data[:4] != b"GGUF":
        raise ValueError(f"it starts with {header.data[:4]!r}, expected b'GGUF'")
    header.place = 4
    version, num_tensors, num_values = header.number("I"), header.number("Q"), header.number("Q")
    if version not in VERSIONS:
        raise ValueError(f"version {version}, expected one of {VERSIONS}")
    values: dict[str, int | float | str] = {}
    names: set[str] = set()
    for _ in range(num_values):
        name = _new_name(header, names)
        value = header.value(header.number("I"))
        if value is not None:
            values[name] = value
    alignment = values.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or not 0 < alignment <= MOST_ALIGNMENT or alignment & (alignment - 1):
        raise ValueError(f"an alignment of {alignment}, expected a power of two")
    names = set()
    tensors, end = [], 0
    for _ in range(num_tensors):
        tensor, tensor_end = _tensor(header, _new_name(header, names), blocks)
        tensors.append(tensor)
        end = max(end, tensor_end)
    start = -(-header.place // alignment) * alignment
    if tensors and start + end > header.size:
        raise ValueError(f"its weights end at byte {start + end:,}, the file at {header.size:,}")
    return Header(values=values, tensors=tensors)


def _new_name(header: _Bytes, names: set[str]) -> str:
    name = header.name()
    if name in names:
        raise ValueError(f"the name {name[:60]!r} occurs twice")
    names.add(name)
    return name


def _tensor(
    header: _Bytes, name: str, blocks: Mapping[int, tuple[int, int]]
) -> tuple[tuple[tuple[int, ...], int], int]:
    """Return a tensor's shape and type, and the end of its bytes, relative to the start of the first tensor."""
    num_dimensions = header.number("I")
    if not 0 < num_dimensions <= MOST_DIMENSIONS:
        raise ValueError(f"{name[:60]!r} has {num_dimensions} dimensions, expected 1 to {MOST_DIMENSIONS}")
    shape = tuple(header.number("Q") for _ in range(num_dimensions))
    kind, offset = header.number("I"), header.number("Q")
    if kind not in blocks:
        raise ValueError(f"{name[:60]!r} is of no known type, {kind}")
    weights, size = blocks[kind]
    if 0 in shape or shape[0] % weights:
        raise ValueError(f"{name[:60]!r} has the shape {shape}, expected a multiple of {weights} weights in a row")
    return (shape, kind), offset + prod(shape) // weights * size
