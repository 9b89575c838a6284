"""Check the header of a GGUF file before anything else reads it: every count and size fits into the file.

The readers believe what a header says: one that claims 2^60 items makes them loop, or fill the memory.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mathstrap.errors import InputError

# Bytes of a metadata value by its type; a string is 8, an array 9.
SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
UINT32, STRING, ARRAY = 4, 8, 9
VERSIONS = (2, 3)
MOST_ITEMS = 1 << 22  # of all arrays together: the largest vocabularies have a quarter of a million tokens
MOST_DIMENSIONS = 4
MOST_ALIGNMENT = 1 << 20
DEFAULT_ALIGNMENT = 32


def check_header(path: Path, blocks: Mapping[int, tuple[int, int]]) -> None:
    """Raise InputError where a header is cut off or claims what the file cannot hold.

    `blocks` is (weights, bytes) of one block by a tensor's type. Strings are not looked into, but for the names.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check(_Header(data, len(data)), blocks)
    except (ValueError, OSError, struct.error) as error:
        reason = "it ends too early" if isinstance(error, struct.error) else error
        raise InputError(f"{path}: the GGUF file is cut off or damaged: {reason}. Fetch it again.") from None


@dataclass
class _Header:
    """The bytes of a file and how far they are read; raises struct.error at their end."""

    data: mmap.mmap
    size: int
    place: int = 0
    items: int = 0

    def number(self, shape: str) -> int:
        found: int = struct.unpack_from(f"<{shape}", self.data, self.place)[0]
        self.place += struct.calcsize(f"<{shape}")
        return found

    def skip(self, count: int) -> None:
        if count > self.size - self.place:
            raise ValueError(f"{count:,} bytes are to follow at {self.place:,}, of {self.size:,} in all")
        self.place += count

    def name(self) -> str:
        length = self.number("Q")
        start = self.place
        self.skip(length)
        return self.data[start : self.place].decode("utf-8")

    def value(self, kind: int) -> None:
        if kind == STRING:
            self.skip(self.number("Q"))
        elif kind == ARRAY:
            self.array()
        else:
            self.skip(_bytes_of(kind))

    def array(self) -> None:
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
            self.skip(count * _bytes_of(kind))


def _bytes_of(kind: int) -> int:
    if kind not in SCALAR_BYTES:
        raise ValueError(f"no such type of value, {kind}")
    return SCALAR_BYTES[kind]


def _check(header: _Header, blocks: Mapping[int, tuple[int, int]]) -> None:
    if header.data[:4] != b"GGUF":
        raise ValueError(f"it starts with {header.data[:4]!r}, expected b'GGUF'")
    header.place = 4
    version, num_tensors, num_values = header.number("I"), header.number("Q"), header.number("Q")
    if version not in VERSIONS:
        raise ValueError(f"version {version}, expected one of {VERSIONS}")
    alignment = DEFAULT_ALIGNMENT
    names: set[str] = set()
    for _ in range(num_values):
        name = _new_name(header, names)
        kind, start = header.number("I"), header.place
        header.value(kind)
        if name == "general.alignment" and kind == UINT32:
            alignment = struct.unpack_from("<I", header.data, start)[0]
    if not 0 < alignment <= MOST_ALIGNMENT or alignment & (alignment - 1):
        raise ValueError(f"an alignment of {alignment}, expected a power of two")
    names = set()
    ends = [_tensor_end(header, _new_name(header, names), blocks) for _ in range(num_tensors)]
    start = -(-header.place // alignment) * alignment
    if ends and start + max(ends) > header.size:
        raise ValueError(f"its weights end at byte {start + max(ends):,}, the file at {header.size:,}")


def _new_name(header: _Header, names: set[str]) -> str:
    name = header.name()
    if name in names:
        raise ValueError(f"the name {name[:60]!r} is there twice")
    names.add(name)
    return name


def _tensor_end(header: _Header, name: str, blocks: Mapping[int, tuple[int, int]]) -> int:
    """Return where a tensor's bytes end, counted from the first tensor's start."""
    num_dimensions = header.number("I")
    if not 0 < num_dimensions <= MOST_DIMENSIONS:
        raise ValueError(f"{name[:60]!r} has {num_dimensions} dimensions, expected 1 to {MOST_DIMENSIONS}")
    shape = [header.number("Q") for _ in range(num_dimensions)]
    kind, offset = header.number("I"), header.number("Q")
    if kind not in blocks:
        raise ValueError(f"{name[:60]!r} is of no known type, {kind}")
    weights, size = blocks[kind]
    if 0 in shape or shape[0] % weights:
        raise ValueError(f"{name[:60]!r} has the shape {shape}, expected a multiple of {weights} weights in a row")
    count = 1
    for length in shape:
        count *= length
    return offset + count // weights * size
