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
MAX_WORDS = 1 << 23


@dataclass(frozen=True, kw_only=True)
class HashedWords:
    """The words of several texts: `hashes` (words of all texts,) and `ends` (texts,), the end of each text in it.

    `marks` (texts,) is one hash of a text's marks, independent of their order; 0 for a text without marks. `which`
    (words of all texts,) is the place of each word in `said`, a list that later calls share, and make longer.
    """

    hashes: NDArray[np.uint64]
    ends: NDArray[np.int64]
    marks: NDArray[np.uint64]
    which: NDArray[np.uint32]
    said: list[str]

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
        none = np.zeros(0, np.uint64)
        return HashedWords(hashes=none, ends=none.astype(np.int64), marks=none, which=none.astype(np.uint32), said=[])
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
    known, bounds, mark_sums, word_hashes = table.columns()

    known_ends = bounds[which + 1]
    num_words = known_ends - bounds[which]
    word_ends = num_words.cumsum()
    places = (known_ends - word_ends).repeat(num_words) + np.arange(int(word_ends[-1]))
    text_ends = np.array([len(text) + 1 for text in encoded]).cumsum()
    last_chunks = chunk_ends.searchsorted(text_ends)
    marks = mark_sums[which].cumsum()[last_chunks]
    marks[1:] -= marks[:-1].copy()
    words = known[places]
    return HashedWords(
        hashes=word_hashes[words], ends=word_ends[last_chunks], marks=marks, which=words, said=table.words.said
    )


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


class _Words(dict[str, int]):
    """A cache of written words: the place of each in `said`, the words as they are compared, and in their hashes.

    `marks` is the sum of the hashes of a word's marks.
    """

    def __init__(self, *, numbers: bool) -> None:
        self.numbers = numbers
        self.said: list[str] = []
        self.hashes, self.marks = array("Q"), array("Q")

    def __missing__(self, token: str) -> int:
        word = canonical_number(token) if token[-1].isdigit() else token
        said = word if self.numbers or not word[-1].isdigit() else "#"
        self.said.append(said)
        self.hashes.append(word_hash(said))
        self.marks.append(sum(map(word_hash, marks_of(word))) & MASK)
        self[token] = place = len(self)
        return place


class _HashedChunks(dict[bytes, int]):
    """A cache of chunks: the places of their words and the sums of their marks' hashes, as columns by place.

    The same few thousand chunks make up most questions. The cache is emptied when it grows too large.
    """

    def __init__(self, *, numbers: bool) -> None:
        self.is_numbered = numbers
        self.empty()

    def empty(self) -> None:
        """Forget all chunks and words; what was returned before keeps its own."""
        self.clear()
        self.words = _Words(numbers=self.is_numbered)
        self.which, self.ends, self.marks = array("I"), array("q", [0]), array("Q")
        self.copies: tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]] | None = None

    def places(self, chunks: list[bytes]) -> NDArray[np.int64]:
        """Return the place of each chunk; a later call may assign other places."""
        import numpy as np

        if len(self) > MAX_CHUNKS or len(self.which) > MAX_WORDS:
            self.empty()
        return np.fromiter(map(self.__getitem__, chunks), np.int64, len(chunks))

    def __missing__(self, data: bytes) -> int:
        words = self.words
        # The shortcut of `tokens_of`: most chunks are one word between signs that are never part of a word.
        bare = data.strip(SPACES).lstrip(b"$\"'").rstrip(b".,?;:\"'")
        if bare.isalpha() or bare.isdigit():
            place = words[bare.lower().decode()]
            self.which.append(place)
            marks = words.marks[place]
            if len(bare) > 2 and bare.isalpha() and bare.isupper():
                marks += word_hash(bare.decode())
        else:
            chunk = data.decode("utf-8", "surrogatepass").strip()
            places = [words[token] for token in tokens_of(chunk)]
            self.which.extend(places)
            marks = sum([words.marks[place] for place in places])
            if not chunk.islower():
                marks += sum(map(word_hash, CAPITALS.findall(chunk)))
        self.ends.append(len(self.which))
        self.marks.append(marks & MASK)
        self[data] = place = len(self)
        return place

    def columns(self) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]:
        """Return the words of all chunks, their bounds (places + 1,), the sums of the marks and the hashes of words."""
        import numpy as np

        if self.copies is None or len(self.copies[2]) != len(self):
            # Copies, because an array cannot grow while numpy views its memory.
            self.copies = (
                np.array(self.which, np.uint32), np.array(self.ends, np.int64), np.array(self.marks, np.uint64),
                np.array(self.words.hashes, np.uint64),
            )  # fmt: skip
        return self.copies


_WITH_NUMBERS, _WITHOUT_NUMBERS = _HashedChunks(numbers=True), _HashedChunks(numbers=False)
