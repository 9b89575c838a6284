"""Find questions that test sets ask too: by runs of words, by numbers and rare words, by embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Literal

import msgspec

from mathstrap.curate.hashed_words import HashedWords, begins_run, hashed_words, runs_of
from mathstrap.curate.rewording import Rewordings, gist_of
from mathstrap.curate.wording import words
from mathstrap.errors import RecipeError, check_least
from mathstrap.parallel import ChunkMap, chunks_of, here
from mathstrap.problems.wrappers import bare_question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["exact", "ngram", "reworded", "embedding"]
# A test question shorter than an n-gram matches only as a whole; one of fewer words than this never matches
# ("Compute $\sin 60^\circ$.").
MIN_WORDS = 6
# At these cosines fewer than one in a thousand of GSM8K's 7,473 training questions has a neighbour in its test set.
EMBEDDING_THRESHOLDS = {"static": 0.94, "minilm": 0.85}
# The shared text of a record is shown in a table; the whole question is in its file.
MAX_SPAN_CHARS = 400
CHUNK = 2_048
# So many texts are remembered with their matches, because a training set repeats each question several times.
MAX_FOUND = 250_000
# A table of 4 MB that rules out most hashes of a text before the binary search among the sorted hashes.
KNOWN_BITS = 22


@dataclass(frozen=True, kw_only=True)
class DecontaminateOptions:
    """When a question overlaps a test question.

    ngram_words     length n of the runs of words that are compared (numbers and operators are words).
    min_coverage    share of the test question's words that shared runs must cover (0 to 1); the smallest value
                    above 0 flags a single shared run.
    numbers         "keep" compares numbers as they are; "mask" treats all numbers as one, so that a test question
                    with other numbers is found too.
    rewordings      whether a question with the same numbers and enough of the same rare words is a match too.
    embedding       "off", or the local embedder whose nearest neighbours are reported too.
    top_k           neighbours looked at for each question, by the embedder and by the judge.
    embedding_threshold  cosine from which a neighbour is a match (and goes to the judge); empty = the embedder's own
                    threshold, -1 = all `top_k`.
    drop            kinds of match for which a question is dropped; the others are only reported.
    max_chars       of a longer text only the beginning is compared.
    """

    ngram_words: int = 8
    min_coverage: float = 0.5
    numbers: Literal["keep", "mask"] = "keep"
    rewordings: bool = True
    embedding: Literal["off", "static", "minilm"] = "off"
    embedding_threshold: float | None = None
    top_k: int = 3
    drop: tuple[Kind, ...] = ("exact", "ngram", "reworded")
    max_chars: int = 20_000

    def __post_init__(self) -> None:
        check_least(self, ngram_words=MIN_WORDS, top_k=1)
        if not 0 < self.min_coverage <= 1:
            raise RecipeError(f"min_coverage: found {self.min_coverage}, expected a share above 0, at most 1.")


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A match of a question with a test question.

    `score` is the share of the test question's words that are covered (exact, ngram), the closeness of the words
    (reworded) or a cosine (embedding). `span` is the longest shared run, in lower case and without punctuation; for a
    rewording the shared numbers; empty for an embedding.
    """

    id: str
    test_set: str
    test_id: str
    kind: Kind
    score: float
    span: str = ""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of `size` words of the test questions: a hash, the question and the first word's place for each.

    All of shape (runs,), sorted by hash. `known` marks each value of a hash's upper bits that any run has: most words
    of a text need one look-up, in a table that fits the processor's cache.
    """

    size: int
    hashes: NDArray[np.uint64]
    items: NDArray[np.int64]
    places: NDArray[np.int64]
    known: NDArray[np.bool_]

    @classmethod
    def of(cls, read: HashedWords, size: int, items: NDArray[np.int64], places: NDArray[np.int64]) -> Runs:
        """Return the runs that begin at the words `places`, which count the words of all texts."""
        import numpy as np

        hashes = runs_of(read.hashes, size)[places]
        order = np.argsort(hashes, kind="stable")
        begins = (read.ends - read.counts)[items]
        known = np.zeros(1 << KNOWN_BITS, np.bool_)
        known[hashes >> np.uint64(64 - KNOWN_BITS)] = True
        return cls(
            size=size, hashes=hashes[order], items=items[order], places=(places - begins)[order], known=known
        )  # fmt: skip

    def shared(self, read: HashedWords) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return pairs of a word of `read` where a known run begins and that run's index here; sorted by word."""
        import numpy as np

        hashes = runs_of(read.hashes, self.size)
        likely = self.known[hashes >> np.uint64(64 - KNOWN_BITS)].nonzero()[0]
        likely = likely[likely + self.size <= read.ends[read.ends.searchsorted(likely, side="right")]]
        first = self.hashes.searchsorted(hashes[likely], side="left")
        counts = self.hashes.searchsorted(hashes[likely], side="right") - first
        ends = counts.cumsum()
        total = int(ends[-1]) if len(ends) else 0
        return likely.repeat(counts), (first - (ends - counts)).repeat(counts) + np.arange(total)


@dataclass(kw_only=True)
class TestSetIndex:
    """The word runs of all test questions, their gists, and their vectors where the embedder is on.

    `digests` are the SHA-256 of each set's questions, one a line in their order.
    """

    options: DecontaminateOptions
    sizes: dict[str, int] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    rewordings: Rewordings = field(default_factory=Rewordings)
    names: list[tuple[str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    lengths: Sequence[int] = ()
    grams: Runs | None = None
    short: Runs | None = None
    whole: dict[bytes, tuple[int, ...]] = field(default_factory=dict)
    vectors: NDArray[np.float32] | None = None
    found: dict[bytes, list[Match]] = field(default_factory=dict)

    @classmethod
    def build(
        cls, test_sets: Mapping[str, Iterable[tuple[str, str]]], options: DecontaminateOptions | None = None
    ) -> TestSetIndex:
        """Index named test sets of (id, question). Raises ValueError for an empty test set."""
        options = options or DecontaminateOptions()
        index = cls(options=options)
        for name, questions in test_sets.items():
            index.add(name, questions)
        index.add_runs()
        if options.embedding != "off" and index.texts:
            from mathstrap.embedding import EmbedOptions, embed

            index.vectors = embed(index.texts, EmbedOptions(model=options.embedding))
        return index

    def add(self, name: str, questions: Iterable[tuple[str, str]]) -> None:
        """Add the questions of one test set."""
        before = len(self.names)
        digest = hashlib.sha256()
        read: list[list[str]] = []
        for test_id, text in questions:
            digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
            read.append(self.words(text) if self.options.rewordings else [])
            self.names.append((name, test_id))
            self.texts.append(text)
        if len(self.names) == before:
            raise ValueError(f'the test set "{name}" has no questions.')
        self.sizes[name] = len(self.names) - before
        self.digests[name] = digest.hexdigest()
        if self.options.rewordings:
            self.rewordings.add(read)

    def add_runs(self) -> None:
        """Index the words of all questions added."""
        import numpy as np

        self.rewordings.weigh()
        n = self.options.ngram_words
        read = self.read(self.texts)
        lengths = read.counts
        self.lengths = lengths.tolist()
        begins = (read.ends - read.counts).tolist()
        for item, (begin, end) in enumerate(zip(begins, read.ends.tolist(), strict=True)):
            if begin < end:
                words_of = read.hashes[begin:end].tobytes()
                self.whole[words_of] = (*self.whole.get(words_of, ()), item)
        owners = np.repeat(np.arange(len(self.texts)), lengths)
        places = np.flatnonzero(begins_run(read.ends, n))
        self.grams = Runs.of(read, n, owners[places], places)
        items = np.flatnonzero((lengths >= MIN_WORDS) & (lengths < n))
        self.short = Runs.of(read, MIN_WORDS, items, (read.ends - read.counts)[items]) if len(items) else None

    def read(self, texts: Iterable[str]) -> HashedWords:
        """Return the hashed words of texts as this index compares them, without the prompts around the questions."""
        bare = [bare_question(text[: self.options.max_chars]) for text in texts]
        return hashed_words(bare, numbers=self.options.numbers == "keep")

    def words(self, text: str) -> list[str]:
        """Return the words of a text as this index compares them, without the prompt around the question."""
        tokens = words(bare_question(text[: self.options.max_chars]))
        return ["#" if token[-1].isdigit() else token for token in tokens] if self.options.numbers == "mask" else tokens

    def find(self, item_id: str, text: str) -> list[Match]:
        """Return the test questions whose words `text` covers, best first; the embedder is not used."""
        return self.find_texts([(item_id, text)])[0]

    def shared_numbers(self, question_words: list[str], item: int) -> str:
        """Return the numbers that a question shares with a test question, smallest first."""
        return ", ".join(sorted(gist_of(question_words).numbers & self.rewordings.gists[item].numbers, key=_size))

    def find_texts(self, items: list[tuple[str, str]]) -> list[list[Match]]:
        """Return what `find` does for each (id, text)."""
        read = self.read(text for _, text in items)
        covered = self.covered(read)
        rewordings = self.rewordings.find(read)
        ends, data = read.ends.tolist(), read.hashes.tobytes()
        result: list[list[Match]] = []
        for number, (item_id, text) in enumerate(items):
            begin, end = ends[number - 1] if number else 0, ends[number]
            same = self.whole.get(data[8 * begin : 8 * end], ())
            reworded = self.reworded(item_id, text, rewordings[number]) if number in rewordings else []
            if not same and number not in covered:
                result.append(sorted(reworded, key=_order))
                continue
            said = " ".join(self.words(text)) if same else ""
            matches = [self.match(item_id, item, "exact", 1.0, said) for item in same]
            exact = {match.test_id + "\0" + match.test_set for match in matches}
            for item, (count, place, length) in covered.get(number, {}).items():
                name, test_id = self.names[item]
                if test_id + "\0" + name not in exact:
                    score = count / self.lengths[item]
                    matches.append(self.match(item_id, item, "ngram", score, self.span(item, place, length)))
            known = {(match.test_set, match.test_id) for match in matches}
            matches += [match for match in reworded if (match.test_set, match.test_id) not in known]
            result.append(sorted(matches, key=_order))
        return result

    def reworded(self, item_id: str, text: str, found: list[tuple[int, float]]) -> list[Match]:
        """Return the matches of a text with the test questions that it asks in other words."""
        question_words = self.words(text)
        return [
            self.match(item_id, item, "reworded", score, "numbers " + self.shared_numbers(question_words, item))
            for item, score in found
        ]

    def covered(self, read: HashedWords) -> dict[int, dict[int, tuple[int, int, int]]]:
        """Return (covered words, place of the longest run, its length) by text and test question.

        Contains only questions covered to the options' `min_coverage`. `place` counts words of the test question.
        """
        import numpy as np

        assert self.grams is not None, "built"
        result: dict[int, dict[int, tuple[int, int, int]]] = {}
        n = self.options.ngram_words
        at, runs = self.grams.shared(read)
        if len(at):
            texts = np.searchsorted(read.ends, at, side="right")
            # One 64-bit key of text (20 bits), question (24) and place (20) makes one sort order all three.
            keys = np.unique(texts << 44 | self.grams.items[runs] << 20 | self.grams.places[runs])
            owners, places = keys >> 20, keys & 0xFFFFF
            is_first = np.concatenate([[True], owners[1:] != owners[:-1]])
            steps = np.where(is_first, n, np.minimum(n, np.diff(places, prepend=0)))
            begins = np.flatnonzero(is_first)
            counts = np.add.reduceat(steps, begins)
            items = owners[begins] & 0xFFFFFF
            ends = np.append(begins[1:], len(keys))
            for group in np.flatnonzero(
                counts / np.array([self.lengths[item] for item in items.tolist()]) >= self.options.min_coverage
            ).tolist():
                begin, length = longest_run(places[begins[group] : ends[group]].tolist(), n)
                text, item = int(owners[begins[group]]) >> 24, int(items[group])
                result.setdefault(text, {})[item] = (int(counts[group]), begin, length)
        if self.short is not None:
            self.add_short(read, result)
        return result

    def add_short(self, read: HashedWords, result: dict[int, dict[int, tuple[int, int, int]]]) -> None:
        """Add the test questions shorter than an n-gram that a text contains whole."""
        import numpy as np

        assert self.short is not None, "asked for"
        at, runs = self.short.shared(read)
        texts = np.searchsorted(read.ends, at, side="right").tolist()
        for text, word, item in zip(texts, at.tolist(), self.short.items[runs].tolist(), strict=True):
            length = self.lengths[item]
            part = read.hashes[word : min(word + length, int(read.ends[text]))].tobytes()
            if item in self.whole.get(part, ()):
                result.setdefault(text, {})[item] = (length, 0, length)

    def span(self, item: int, begin: int, length: int) -> str:
        """Return a run of words of a test question."""
        return " ".join(self.words(self.texts[item])[begin : begin + length])

    def match(self, item_id: str, item: int, kind: Kind, score: float, span: str) -> Match:
        """Return the record of one overlap."""
        test_set, test_id = self.names[item]
        span = span if len(span) <= MAX_SPAN_CHARS else span[: MAX_SPAN_CHARS - 1] + "…"
        return Match(id=item_id, test_set=test_set, test_id=test_id, kind=kind, score=round(score, 4), span=span)

    def neighbours(self, items: Iterable[tuple[str, str]]) -> Iterator[Match]:
        """Yield the `top_k` nearest test questions of each (id, text) by cosine, best first, without a threshold."""
        assert self.vectors is not None, "built without an embedder"
        assert self.options.embedding != "off", "built without an embedder"
        from mathstrap.embedding import EmbedOptions, embed, nearest

        for chunk in chunks_of(items, CHUNK):
            texts = [text[: self.options.max_chars] for _, text in chunk]
            vectors = embed(texts, EmbedOptions(model=self.options.embedding))
            indices, scores = nearest(vectors, self.vectors, count=self.options.top_k)
            for (item_id, _), row, cosines in zip(chunk, indices.tolist(), scores.tolist(), strict=True):
                for item, cosine in zip(row, cosines, strict=True):
                    yield self.match(item_id, item, "embedding", cosine, "")

    @property
    def threshold(self) -> float:
        """The cosine from which a neighbour is a match."""
        chosen = self.options.embedding_threshold
        return EMBEDDING_THRESHOLDS.get(self.options.embedding, 1.0) if chosen is None else chosen

    def find_all(self, items: Iterable[tuple[str, str]], *, map_chunks: ChunkMap = here) -> Iterator[Match]:
        """Yield the matches of many (id, text), chunk by chunk: by words first, then neighbours above the threshold.

        A text that recurs is looked up once, unless very many others lie between.
        """
        return chain.from_iterable(map_chunks(TestSetIndex.find_chunk, self, chunks_of(items, CHUNK)))

    def find_chunk(self, chunk: list[tuple[str, str]]) -> list[Match]:
        """Return the matches of a chunk."""
        matches: list[Match] = []
        keys = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for _, text in chunk]
        unseen = {key: item for key, item in zip(keys, chunk, strict=True) if key not in self.found}
        self.found.update(zip(unseen, self.find_texts(list(unseen.values())), strict=True))
        for key, (item_id, _) in zip(keys, chunk, strict=True):
            same = self.found[key]
            matches += (match if match.id == item_id else msgspec.structs.replace(match, id=item_id) for match in same)
        if len(self.found) > MAX_FOUND:
            self.found = dict(islice(self.found.items(), len(self.found) - MAX_FOUND // 2, None))
        if self.vectors is not None:
            matches += self.close_neighbours(chunk)
        return matches

    def close_neighbours(self, chunk: list[tuple[str, str]]) -> Iterator[Match]:
        """Yield the neighbours of a chunk whose cosine reaches the threshold."""
        asked: dict[str, list[str]] = {}
        for item_id, text in chunk:
            asked.setdefault(text, []).append(item_id)
        for match in self.neighbours((ids[0], text) for text, ids in asked.items()):
            if match.score >= self.threshold:
                yield match


_FIRST: tuple[Kind, ...] = ("exact", "ngram", "reworded", "embedding")


def _order(match: Match) -> tuple[int, float, str, str]:
    return _FIRST.index(match.kind), -match.score, match.test_set, match.test_id


def _size(number: str) -> tuple[float, str]:
    return (float(number) if number.replace(".", "", 1).isdecimal() else 0.0, number)


def longest_run(places: list[int], n: int) -> tuple[int, int]:
    """Return the first word and the length of the longest run of words that n-grams at the given places cover."""
    begin = end = -1
    longest = (0, 0)
    for place in places:
        if place > end:
            begin = place
        end = place + n
        longest = max(longest, (end - begin, -begin))
    return -longest[1], longest[0]


def contaminated(matches: Iterable[Match], options: DecontaminateOptions) -> dict[str, Match]:
    """Return the best match of each question to drop: of a kind in the options' `drop`."""
    worst: dict[str, Match] = {}
    for match in matches:
        if match.kind in options.drop and (match.id not in worst or _is_surer(match, worst[match.id])):
            worst[match.id] = match
    return worst


def _is_surer(match: Match, other: Match) -> bool:
    """Say whether a match is stronger evidence: the kind decides, the score only within a kind."""
    return (-_FIRST.index(match.kind), match.score) > (-_FIRST.index(other.kind), other.score)
