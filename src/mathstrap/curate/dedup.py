"""Find duplicate questions: equal after normalisation, or nearly equal by MinHash. Knows only ids and texts."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Literal

import msgspec

from mathstrap.curate.hashed_words import MASK, begins_run, hashed_words, runs_of, word_hash
from mathstrap.curate.wording import formulas, jaccard
from mathstrap.errors import RecipeError, check_least
from mathstrap.parallel import ChunkMap, chunks_of, here

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 4_000
# With four slots a band, two texts that share half their shingles meet in one of 32 bands with probability 0.87, two
# that share 0.7 with probability 0.9998.
SLOTS_PER_BAND = 4
# Each text of a bucket is compared with the bucket's first texts alone, because the first are the ones kept.
MAX_COMPARED = 50


@dataclass(frozen=True, kw_only=True)
class DedupOptions:
    """When two questions are duplicates.

    method         "minhash" finds near-duplicates as well, "exact" only texts that are equal after normalisation.
    threshold      share of common shingles (Jaccard, 0 to 1) from which the later question is dropped.
    floor          pairs below it are not kept; pairs between floor and threshold are, so that the threshold can be
                   changed without another search.
    shingle_words  length of a shingle in words.
    numbers        "differ": two questions with other numbers, formulas, words in capitals or turning words (larger,
                   smaller) are two questions, however alike the rest; "ignore": numbers count for nothing.
    num_perm       hashes of a signature; more find more near-duplicates and cost more.
    rng_seed       decides the hashes.
    max_chars      of a longer text only the beginning is compared.
    """

    method: Literal["minhash", "exact"] = "minhash"
    threshold: float = 0.8
    floor: float = 0.5
    shingle_words: int = 2
    numbers: Literal["differ", "ignore"] = "differ"
    num_perm: int = 128
    rng_seed: int = 1
    max_chars: int = 20_000

    def __post_init__(self) -> None:
        if not 0 < self.floor <= self.threshold <= 1:
            raise RecipeError(
                f"floor, threshold: found {self.floor} and {self.threshold}, expected 0 < floor <= threshold <= 1."
            )
        check_least(self, shingle_words=1)
        if self.num_perm < SLOTS_PER_BAND or self.num_perm % SLOTS_PER_BAND:
            raise RecipeError(f"num_perm: found {self.num_perm}, expected a multiple of {SLOTS_PER_BAND}.")


class DuplicatePair(msgspec.Struct, frozen=True):
    """Two similar questions: `a` came before `b`; `score` is the share of common shingles, 1 for kind "exact"."""

    a: str
    b: str
    score: float
    kind: Literal["exact", "near"]


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """The pairs found among `num_items` questions, in the order of their later member, best first."""

    pairs: list[DuplicatePair] = field(default_factory=list)
    num_items: int = 0
    options: DedupOptions = field(default_factory=DedupOptions)

    def dropped(self, threshold: float | None = None) -> dict[str, str]:
        """Return the id of each question to drop with the id of the kept question it repeats.

        The first of a group in the given order is kept. A question is dropped only if a *kept* one is similar, so a
        chain of small changes does not lose its middle. `threshold` defaults to the options'; one below their floor
        raises ValueError, because such pairs were not searched.
        """
        threshold = self.options.threshold if threshold is None else threshold
        if threshold < self.options.floor:
            raise ValueError(f"threshold {threshold} is below the floor {self.options.floor} of this search.")
        dropped: dict[str, str] = {}
        for pair in self.pairs:
            if pair.b in dropped or pair.score < threshold:
                continue
            if pair.kind == "exact":
                dropped[pair.b] = dropped.get(pair.a, pair.a)
            elif pair.a not in dropped:
                dropped[pair.b] = pair.a
        return dropped


@dataclass(kw_only=True)
class Texts:
    """The distinct questions, in the compact form that comparing them needs."""

    ids: list[str] = field(default_factory=list)
    positions: array[int] = field(default_factory=lambda: array("Q"))
    hashes: list[bytes] = field(default_factory=list)
    groups: array[int] = field(default_factory=lambda: array("Q"))
    exact: list[tuple[int, DuplicatePair]] = field(default_factory=list)


def find_duplicates(
    items: Iterable[tuple[str, str]], options: DedupOptions | None = None, *, map_chunks: ChunkMap = here
) -> Duplicates:
    """Return the pairs of similar questions among `items` of (id, text); reads them once, in order.

    Texts without a word are duplicates only if their characters are equal. Needs about 600 bytes of memory per question
    besides its text.
    """
    options = options or DedupOptions()
    texts = Texts()
    first_of: dict[tuple[int, bytes], int] = {}
    position = -1
    questions = chain.from_iterable(map_chunks(read_texts, options, chunks_of(items, CHUNK)))
    for position, (item_id, hashes, said) in enumerate(questions):
        index = first_of.setdefault(said, len(texts.ids))
        if index < len(texts.ids):
            texts.exact.append((position, DuplicatePair(texts.ids[index], item_id, 1.0, "exact")))
            continue
        texts.ids.append(item_id)
        texts.positions.append(position)
        texts.hashes.append(hashes)
        texts.groups.append(said[0])
    placed_pairs = texts.exact
    if options.method == "minhash":
        placed_pairs = placed_pairs + near_pairs(texts, options, map_chunks)
    placed_pairs.sort(key=lambda placed: (placed[0], placed[1].kind, -placed[1].score))
    return Duplicates(pairs=[pair for _, pair in placed_pairs], num_items=position + 1, options=options)


def read_texts(options: DedupOptions, items: list[tuple[str, str]]) -> list[tuple[str, bytes, tuple[int, bytes]]]:
    """Return (id, hashes of the words, what is compared: a hash of the marks and the hashes or else the text)."""
    texts = [text[: options.max_chars] for _, text in items]
    words = hashed_words(texts, numbers=options.numbers == "differ")
    data = words.hashes.tobytes()
    questions = []
    begin = 0
    for (item_id, _), text, end, mark in zip(
        items, texts, (8 * words.ends).tolist(), words.marks.tolist(), strict=True
    ):
        hashes = data[begin:end]
        begin = end
        group = group_of(text, mark) if options.numbers == "differ" else 0
        questions.append((item_id, hashes, (group, hashes or b"\0" + text.encode("utf-8", "surrogatepass"))))
    return questions


def group_of(text: str, marks: int) -> int:
    """Return one hash of the marks and formulas of a question, which two wordings of one problem must share."""
    shared = formulas(text)
    return (marks + 3 * word_hash("\0".join(shared))) & MASK if shared else marks


def band_hashes(options: DedupOptions, texts: tuple[Sequence[bytes], NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Return one hash per text and band, shape (len(texts), bands); only texts of one group can share a hash.

    `texts` are the hashes of their words and the groups.
    """
    import numpy as np
    from rensa import RMinHash

    words, groups = texts
    hashes, ends = shingle_hashes(words, options.shingle_words)
    offsets = np.concatenate([[0], ends]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, options.num_perm, options.rng_seed)
    slots = np.array(matrix.to_rows(), dtype=np.uint64).reshape(len(words), -1, SLOTS_PER_BAND)
    hashes = groups[:, None] * np.uint64(0x9E3779B97F4A7C15)
    hashes = np.repeat(hashes, slots.shape[1], axis=1)
    for slot in range(SLOTS_PER_BAND):
        hashes = (hashes ^ slots[:, :, slot]) * np.uint64(0xFF51AFD7ED558CCD)
        hashes ^= hashes >> np.uint64(33)
    return hashes


def shingle_hashes(words: Sequence[bytes], size: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the hashes of the shingles of all texts in one array, and the end of each text in it.

    `words` holds the word hashes of each text. A text shorter than a shingle is padded to one shingle; an empty text
    has none.
    """
    import numpy as np

    filled = [text.ljust(8 * size, b"\0") if text else text for text in words]
    ends = np.cumsum([len(text) >> 3 for text in filled], dtype=np.int64)
    runs = runs_of(np.frombuffer(b"".join(filled), np.uint64), size)
    inside = begins_run(ends, size)
    return runs[inside], np.concatenate([[0], np.cumsum(inside)])[ends]


def near_pairs(texts: Texts, options: DedupOptions, map_chunks: ChunkMap = here) -> list[tuple[int, DuplicatePair]]:
    """Return the pairs that meet in a band and whose shingles overlap by at least the floor.

    A question whose numbers no other question shares needs no signature; with numbers="differ" most need none.
    """
    import numpy as np

    groups = np.array(texts.groups, dtype=np.uint64)
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(sizes[group_of] > 1).tolist()
    chunks = (([texts.hashes[row] for row in chunk], groups[chunk]) for chunk in chunks_of(rows, CHUNK))
    bands = list(map_chunks(band_hashes, options, chunks))
    if not bands:
        return []
    codes = candidate_pairs(bands)
    low = np.uint64(0xFFFFFFFF)
    alike = np.unique(np.concatenate([codes >> np.uint64(32), codes & low]))
    sets = shingle_sets([texts.hashes[rows[row]] for row in alike.tolist()], options.shingle_words)
    firsts = np.searchsorted(alike, codes >> np.uint64(32)).tolist()
    seconds = np.searchsorted(alike, codes & low).tolist()
    placed_pairs = []
    for code, a, b in zip(codes.tolist(), firsts, seconds, strict=True):
        score = jaccard(sets(a), sets(b))
        if score >= options.floor:
            first, second = rows[code >> 32], rows[code & 0xFFFFFFFF]
            pair = DuplicatePair(texts.ids[first], texts.ids[second], round(score, 4), "near")
            placed_pairs.append((texts.positions[second], pair))
    return placed_pairs


def candidate_pairs(bands: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Return each pair (first << 32 | second) of rows that share a band's hash, once, sorted by its second row."""
    import numpy as np

    codes = np.zeros(0, dtype=np.uint64)
    for band in range(bands[0].shape[1]):
        hashes = np.concatenate([chunk[:, band] for chunk in bands])
        order = np.argsort(hashes, kind="stable").astype(np.uint64)
        runs = hashes[order]
        starts = np.concatenate([[True], runs[1:] != runs[:-1]])
        run_start = np.maximum.accumulate(np.where(starts, np.arange(len(runs)), 0))
        rank = np.arange(len(runs)) - run_start
        code_parts = [codes]
        for offset in range(min(int(rank.max(initial=0)), MAX_COMPARED)):
            later = np.flatnonzero(rank > offset)
            code_parts.append(order[run_start[later] + offset] << np.uint64(32) | order[later])
        codes = np.unique(np.concatenate(code_parts))
    return codes[np.lexsort((codes, codes & np.uint64(0xFFFFFFFF)))]


def shingle_sets(words: Sequence[bytes], size: int) -> Callable[[int], set[int]]:
    """Return a function from a row to the set of its shingles' hashes that remembers the last few thousand."""
    from functools import lru_cache

    hashes, ends = shingle_hashes(words, size)
    places = [0, *ends.tolist()]
    return lru_cache(maxsize=20_000)(lambda row: set(hashes[places[row] : places[row + 1]].tolist()))
