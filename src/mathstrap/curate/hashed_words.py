"""Read many questions at once into arrays: a 64-bit hash for each word, in `wording.read`'s sense of a word.

Equal hashes mean equal words, but for a chance of 2^-64 per pair of words, and comparing whole arrays takes a tenth of
the time of comparing strings. Knows nothing of datasets.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from mathstrap.curate.wording import CAPITALS, marks_of, tokens_of
from mathstrap.steps.expression import canonical_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MASK = (1 << 64) - 1
# The ASCII characters at which `str.split` splits; a text with other spaces is normalised before.
SPACES = b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f "
# Caches stop here: a corpus with ever new tokens must not fill the memory.
MAX_CHUNKS = 200_000
MAX_HASH_BYTES = 1 << 26


@dataclass(frozen=True, kw_only=True)
class HashedWords:
    """The words of several texts: `hashes` (words of all texts,) and `ends` (texts,), the end of each text in it.

    `marks` (texts,) is one hash of a text's marks, independent of their order; 0 for a text without marks.
    """

    hashes: NDArray[np.uint64]
    ends: NDArray[np.int64]
    marks: NDArray[np.uint64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of words of each text, shape (texts,)."""
        import numpy as np

        return np.diff(self.ends, prepend=0)


def hashed_words(texts: Sequence[str], *, numbers: bool = True) -> HashedWords:
    """Read texts; without `numbers` every number is the same word, and `marks` must not be used."""
    import numpy as np
    import pyarrow as pa

    if not texts:
        return HashedWords(hashes=np.zeros(0, np.uint64), ends=np.zeros(0, np.int64), marks=np.zeros(0, np.uint64))
    encoded = [_encoded(text) for text in texts]
    data = b" ".join([*encoded, b""])
    # A chunk includes the space that ends it: the chunks then fill the buffer without gaps, and arrow needs no copy.
    is_space = _space_table()[np.frombuffer(data, np.uint8)]
    chunk_ends = np.flatnonzero(is_space) + 1
    offsets = np.zeros(len(chunk_ends) + 1, np.int64)
    offsets[1:] = chunk_ends
    chunks = pa.Array.from_buffers(
        pa.large_binary(), len(chunk_ends), [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    ).dictionary_encode()
    table = _WITH_NUMBERS if numbers else _WITHOUT_NUMBERS
    which = table.places(chunks.dictionary.to_pylist())[chunks.indices.to_numpy()]
    known, bounds, mark_sums = table.columns()

    known_ends = bounds[which + 1]
    num_words = known_ends - bounds[which]
    word_ends = num_words.cumsum()
    places = (known_ends - word_ends).repeat(num_words) + np.arange(int(word_ends[-1]))
    text_ends = np.array([len(text) + 1 for text in encoded]).cumsum()
    last_chunks = chunk_ends.searchsorted(text_ends)
    marks = mark_sums[which].cumsum()[last_chunks]
    marks[1:] -= marks[:-1].copy()
    return HashedWords(hashes=known[places], ends=word_ends[last_chunks], marks=marks)


def runs_of(hashes: NDArray[np.uint64], size: int) -> NDArray[np.uint64]:
    """Return one hash for every run of `size` words, at its first word; runs past the end are padded with 0."""
    import numpy as np

    filled = np.zeros(len(hashes) + size, dtype=np.uint64)
    filled[: len(hashes)] = hashes
    runs = np.zeros(len(hashes), dtype=np.uint64)
    for ahead in range(size):
        runs ^= filled[ahead : ahead + len(hashes)]
        runs *= np.uint64(0xFF51AFD7ED558CCD)
        runs ^= runs >> np.uint64(29)
    return runs


def begins_run(ends: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """Return for every word whether a run of `size` words that begins at it stays within its text."""
    import numpy as np

    counts = np.diff(ends, prepend=0)
    left = np.repeat(ends, counts) - np.arange(int(ends[-1]) if len(ends) else 0)
    return np.asarray(left >= size)


def word_hash(word: str) -> int:
    """Return 64 bits of a word, the same in every process."""
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _encoded(text: str) -> bytes:
    if text.isascii():
        return text.encode()
    return " ".join(text.split()).encode("utf-8", "surrogatepass")


@cache
def _space_table() -> NDArray[np.bool_]:
    import numpy as np

    table = np.zeros(256, np.bool_)
    table[list(SPACES)] = True
    return table


class _Words(dict[str, tuple[bytes, int]]):
    """A cache from a written word to its hash and the sum of its marks' hashes."""

    def __init__(self, *, numbers: bool) -> None:
        self.numbers = numbers

    def __missing__(self, token: str) -> tuple[bytes, int]:
        word = canonical_number(token) if token[-1].isdigit() else token
        marks = sum(map(word_hash, marks_of(word)))
        said = word if self.numbers or not word[-1].isdigit() else "#"
        entry = word_hash(said).to_bytes(8, "little"), marks
        if len(self) < MAX_CHUNKS:
            self[token] = entry
        return entry


class _HashedChunks(dict[bytes, int]):
    """A cache of chunks: the hashes of their words and the sums of their marks' hashes, as columns by place.

    The same few thousand chunks make up most questions. The cache is emptied when it grows too large.
    """

    def __init__(self, *, numbers: bool) -> None:
        self.words = _Words(numbers=numbers)
        self.hashes, self.ends, self.marks = bytearray(), array("q"), array("Q")
        self.copies: tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint64]] | None = None

    def places(self, chunks: list[bytes]) -> NDArray[np.int64]:
        """Return the place of each chunk; a later call may assign other places."""
        import numpy as np

        if len(self) > MAX_CHUNKS or len(self.hashes) > MAX_HASH_BYTES:
            self.clear()
            self.hashes, self.ends, self.marks, self.copies = bytearray(), array("q"), array("Q"), None
        return np.fromiter(map(self.__getitem__, chunks), np.int64, len(chunks))

    def __missing__(self, data: bytes) -> int:
        chunk = data.decode("utf-8", "surrogatepass").strip()
        entries = [self.words[token] for token in tokens_of(chunk)]
        marks = sum([marks for _, marks in entries])
        if not chunk.islower():
            marks += sum(map(word_hash, CAPITALS.findall(chunk)))
        self.hashes += b"".join([hashes for hashes, _ in entries])
        self.ends.append(len(self.hashes) >> 3)
        self.marks.append(marks & MASK)
        self[data] = place = len(self)
        return place

    def columns(self) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint64]]:
        """Return all hashes, the bounds of each place in them (places + 1,), and the sums of the marks (places,)."""
        import numpy as np

        if self.copies is None or len(self.copies[2]) != len(self):
            # Copies, because an array cannot grow while numpy views its memory.
            self.copies = (
                np.frombuffer(bytes(self.hashes), np.uint64),
                np.array([0, *self.ends], np.int64),
                np.array(self.marks, np.uint64),
            )
        return self.copies


_WITH_NUMBERS, _WITHOUT_NUMBERS = _HashedChunks(numbers=True), _HashedChunks(numbers=False)
