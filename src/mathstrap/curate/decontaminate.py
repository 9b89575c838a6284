"""Find questions that test sets ask too: by runs of words, by numbers and rare words, by vectors of an embedder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Literal

import msgspec

from mathstrap.curate.rewording import Rewordings, gist_of
from mathstrap.curate.wording import words
from mathstrap.parallel import ChunkMap, chunks_of, here
from mathstrap.problems.wrappers import bare_question

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind = Literal["exact", "ngram", "reworded", "embedding"]
# A test question shorter than an n-gram counts where it stands whole in the text; below this many words it is no
# evidence at all ("Compute $\sin 60^\circ$.").
MIN_WORDS = 6
# Cosines above which the 7,473 GSM8K training questions have fewer than one neighbour in a thousand in the test set.
EMBEDDING_THRESHOLDS = {"static": 0.94, "minilm": 0.85}
MAX_SPAN_CHARS = 400
CHUNK = 2_048


@dataclass(frozen=True, kw_only=True)
class DecontaminateOptions:
    """What counts as overlap with a test question.

    ngram_words     length n of the runs of words that are compared (numbers and operators are words).
    min_coverage    share of the test question's words that shared runs must cover (0 to 1); the smallest value
                    above 0 flags a single shared run.
    numbers         "keep" compares numbers as they are; "mask" treats all numbers as one, so that a test question
                    with other numbers is found too.
    rewordings      whether a question with the same numbers and enough of the same rare words is a match as well.
    embedding       "off", or the local embedder whose nearest neighbours are reported as well.
    top_k           neighbours looked at for each question, by the embedder and by the judge.
    embedding_threshold  cosine from which a neighbour is a match (and is put to the judge); empty = one fit for the
                    embedder, -1 = all `top_k`.
    drop            kinds of match for which a question is dropped; the others are only reported.
    max_chars       longer texts are compared by their beginning.
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


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A question that a test set asks too.

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


@dataclass(kw_only=True)
class Index:
    """The word runs of all test questions, their gists, and their vectors where the embedder is on.

    `digests` are the SHA-256 of each set's questions, one a line in their order.
    """

    options: DecontaminateOptions
    sizes: dict[str, int] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    rewordings: Rewordings = field(default_factory=Rewordings)
    names: list[tuple[str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    grams: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    short: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    whole: dict[str, tuple[int, ...]] = field(default_factory=dict)
    vectors: NDArray[np.float32] | None = None

    @classmethod
    def build(
        cls, test_sets: Mapping[str, Iterable[tuple[str, str]]], options: DecontaminateOptions | None = None
    ) -> Index:
        """Index named test sets of (id, question). Raises ValueError for impossible options or an empty test set."""
        options = options or DecontaminateOptions()
        if options.ngram_words < MIN_WORDS or not 0 < options.min_coverage <= 1 or options.top_k < 1:
            raise ValueError(
                f"expected ngram_words >= {MIN_WORDS}, 0 < min_coverage <= 1 and top_k >= 1, found "
                f"{options.ngram_words}, {options.min_coverage} and {options.top_k}."
            )
        index = cls(options=options)
        for name, questions in test_sets.items():
            index.add(name, questions)
        if options.embedding != "off" and index.texts:
            from mathstrap.embedding import EmbedOptions, embed

            index.vectors = embed(index.texts, EmbedOptions(model=options.embedding))
        return index

    def add(self, name: str, questions: Iterable[tuple[str, str]]) -> None:
        """Add the questions of one test set."""
        n = self.options.ngram_words
        before = len(self.names)
        digest = hashlib.sha256()
        read: list[list[str]] = []
        for test_id, text in questions:
            item = len(self.names)
            found = self.words(text)
            digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
            read.append(found)
            self.names.append((name, test_id))
            self.texts.append(text)
            self.lengths.append(len(found))
            joined = " ".join(found)
            if found:
                self.whole[joined] = (*self.whole.get(joined, ()), item)
            if len(found) >= n:
                for start in range(len(found) - n + 1):
                    gram = " ".join(found[start : start + n])
                    self.grams[gram] = (*self.grams.get(gram, ()), (item, start))
            elif len(found) >= MIN_WORDS:
                head = " ".join(found[:MIN_WORDS])
                self.short[head] = (*self.short.get(head, ()), (item, len(found)))
        if len(self.names) == before:
            raise ValueError(f'the test set "{name}" has no questions.')
        self.sizes[name] = len(self.names) - before
        self.digests[name] = digest.hexdigest()
        if self.options.rewordings:
            self.rewordings.add(read)

    def words(self, text: str) -> list[str]:
        """Return the words of a text as this index compares them, without the prompt around a question."""
        found = words(bare_question(text[: self.options.max_chars]))
        return ["#" if token[-1].isdigit() else token for token in found] if self.options.numbers == "mask" else found

    def find(self, item_id: str, text: str) -> list[Match]:
        """Return the test questions whose words `text` covers, best first; the embedder has no part in it."""
        found = self.words(text)
        matches = [
            self.match(item_id, item, "exact", 1.0, " ".join(found)) for item in self.whole.get(" ".join(found), ())
        ]
        exact = {match.test_id + "\0" + match.test_set for match in matches}
        for item, (covered, begin, length) in self.covered(found).items():
            score = covered / self.lengths[item]
            name, test_id = self.names[item]
            if score >= self.options.min_coverage and test_id + "\0" + name not in exact:
                matches.append(self.match(item_id, item, "ngram", score, self.span(item, begin, length)))
        if self.options.rewordings:
            known = {(match.test_set, match.test_id) for match in matches}
            matches += [
                self.match(item_id, item, "reworded", score, "numbers " + self.shared_numbers(found, item))
                for item, score in self.rewordings.find(found)
                if self.names[item] not in known
            ]
        return sorted(matches, key=_order)

    def shared_numbers(self, found: list[str], item: int) -> str:
        """Return the numbers that a question shares with a test question, smallest first."""
        return ", ".join(sorted(gist_of(found).numbers & self.rewordings.gists[item].numbers, key=_size))

    def covered(self, found: list[str]) -> dict[int, tuple[int, int, int]]:
        """Return, for each test question that shares a run, how many of its words are covered, and its longest run.

        The run is given by its first word's place in the test question and its length.
        """
        n = self.options.ngram_words
        places: dict[int, set[int]] = {}
        for start in range(len(found) - n + 1):
            for item, place in self.grams.get(" ".join(found[start : start + n]), ()):
                places.setdefault(item, set()).add(place)
        result: dict[int, tuple[int, int, int]] = {}
        for item, starts in places.items():
            covered, longest = 0, (0, 0)
            begin = end = -1
            for place in sorted(starts):
                if place > end:
                    begin = place
                covered += place + n - max(place, end)
                end = place + n
                longest = max(longest, (end - begin, -begin))
            result[item] = (covered, -longest[1], longest[0])
        if self.short:
            for start in range(len(found) - MIN_WORDS + 1):
                for item, length in self.short.get(" ".join(found[start : start + MIN_WORDS]), ()):
                    part = " ".join(found[start : start + length])
                    if item in self.whole.get(part, ()):
                        result[item] = (length, 0, length)
        return result

    def span(self, item: int, begin: int, length: int) -> str:
        """Return a run of words of a test question."""
        return " ".join(self.words(self.texts[item])[begin : begin + length])

    def match(self, item_id: str, item: int, kind: Kind, score: float, span: str) -> Match:
        """Return the record of one overlap."""
        test_set, test_id = self.names[item]
        span = span if len(span) <= MAX_SPAN_CHARS else span[: MAX_SPAN_CHARS - 1] + "…"
        return Match(id=item_id, test_set=test_set, test_id=test_id, kind=kind, score=round(score, 4), span=span)

    def neighbours(self, items: Iterable[tuple[str, str]]) -> Iterator[Match]:
        """Yield the nearest test questions of each (id, text) by cosine, `top_k` each, best first, threshold or not."""
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
        given = self.options.embedding_threshold
        return EMBEDDING_THRESHOLDS.get(self.options.embedding, 1.0) if given is None else given

    def find_all(self, items: Iterable[tuple[str, str]], *, map_chunks: ChunkMap = here) -> Iterator[Match]:
        """Yield the matches of many (id, text): by words first, then neighbours above the threshold, chunk by chunk.

        A text that comes again within a chunk is looked up once, as the answers of one question do.
        """
        return chain.from_iterable(map_chunks(Index.find_chunk, self, chunks_of(items, CHUNK)))

    def find_chunk(self, chunk: list[tuple[str, str]]) -> list[Match]:
        """Return the matches of a chunk."""
        found: list[Match] = []
        seen: dict[str, list[Match]] = {}
        for item_id, text in chunk:
            if text not in seen:
                seen[text] = self.find(item_id, text)
            same = seen[text]
            found += (match if match.id == item_id else msgspec.structs.replace(match, id=item_id) for match in same)
        if self.vectors is not None:
            found += self.close_neighbours(chunk)
        return found

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


def contaminated(matches: Iterable[Match], options: DecontaminateOptions) -> dict[str, Match]:
    """Return the best match of each question that has to go: of a kind the options drop."""
    worst: dict[str, Match] = {}
    for match in matches:
        if match.kind in options.drop and (match.id not in worst or _is_surer(match, worst[match.id])):
            worst[match.id] = match
    return worst


def _is_surer(match: Match, other: Match) -> bool:
    """Tell whether a match is the stronger evidence: its kind comes first, its score only within a kind."""
    return (-_FIRST.index(match.kind), match.score) > (-_FIRST.index(other.kind), other.score)
