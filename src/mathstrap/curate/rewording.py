"""Find rewordings of test questions: the same numbers, and enough of the same rare words.

A rewording changes the sentences and keeps the numbers, a few nouns and the names. Only both together are evidence:
one in twenty of GSM8K's training questions with four numbers has exactly those of some test question. A number counts
by its rarity among the test questions: 576 is strong evidence, 2 is none.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from mathstrap.curate.hashed_words import HashedWords
from mathstrap.curate.wording import NUMBER_WORDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Evidence = closeness of the words * information in the shared numbers (nats) * (their share of all numbers)^2. The
# minimum was chosen on GSM-Plus (rewordings to find) and GSM8K's training questions (not to flag): docs/curate.md.
LEAST_EVIDENCE = 2.0
LEAST_CLOSENESS = 0.15
LEAST_SHARE = 0.5
# With less information in its numbers (2 and 3), only a copy of the words could reach the evidence.
LEAST_INFORMATION = 3.0
FEWEST_QUESTIONS = 1000
MOST_OF_SMALL = 2.0
_SMALL = frozenset([*map(str, range(11)), "1/2", "2x", "3x"])
# A text with more distinct numbers is a table; only the first ones are compared.
MAX_NUMBERS = 12
# Adding a whole row of numpy takes as long as adding at this many places.
COMMON = 400
# So many texts at once have their words compared: their table of stems should fit the processor's cache.
BLOCK = 256
_ENDINGS = ("ing", "ies", "ed", "es", "s", "ly")


@dataclass(frozen=True)
class Gist:
    """The distinct numbers of a question, 1 left out, and the stems of its words."""

    numbers: frozenset[str]
    stems: frozenset[str]


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Return a word without its commonest ending; not a word of English, but the same for most forms of one word."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def number_of(word: str) -> str | None:
    """Return the number that a word says; None for 1 and for a word that is not a number."""
    number = word if word[-1].isdigit() else NUMBER_WORDS.get(word)
    return None if number == "1" else number


def stem_of(word: str) -> str | None:
    """Return the stem of a word, None for a number and for a word of one or two letters."""
    return stem(word) if len(word) > 2 and not word[-1].isdigit() and word not in NUMBER_WORDS else None


def gist_of(words: Sequence[str]) -> Gist:
    """Return the gist of a question from its words, as `wording.words` gives them: its first distinct numbers alone."""
    numbers = dict.fromkeys(number for number in map(number_of, words) if number is not None)
    stems = {stem for stem in map(stem_of, set(words)) if stem is not None}
    return Gist(frozenset(islice(numbers, MAX_NUMBERS)), frozenset(stems))


@dataclass(kw_only=True)
class Codes:
    """The code of each number or stem: those of the test questions first, the others as texts bring them."""

    code: Callable[[str], str | None]
    of: dict[str, int] = field(default_factory=dict)
    num_known: int = 0
    said: list[str] = field(default_factory=list)
    by_word: array[int] = field(default_factory=lambda: array("i"))

    def know(self, names: Iterable[str]) -> dict[str, int]:
        """Give the numbers or stems of the test questions codes that stay, in their order, and return them."""
        self.of = {name: place for place, name in enumerate(dict.fromkeys(names))}
        self.num_known = len(self.of)
        self.said, self.by_word = [], array("i")
        return self.of

    def read(self, words: HashedWords) -> NDArray[np.int32]:
        """Return the code of every word; -1 for a word that is none."""
        import numpy as np

        if words.said is not self.said:
            self.of = dict(islice(self.of.items(), self.num_known))
            self.said, self.by_word = words.said, array("i")
        for word in islice(words.said, len(self.by_word), None):
            name = self.code(word)
            self.by_word.append(-1 if name is None else self.of.setdefault(name, len(self.of)))
        return np.array(self.by_word, np.int32)[words.which]


@dataclass(kw_only=True)
class Rewordings:
    """The gists of all test questions by their numbers, and how rare each of their words and numbers is.

    `known` is the information of each number by its code, and last that of a number which no test question has;
    `totals` that of all numbers of each question. `rows` is the information of each common number, by test question.
    The stems of a question stand in `stems` between two `stem_bounds`; `weights` are those of each stem, and last of
    an unseen one, `norms` the length of each question's vector of them.
    """

    gists: list[Gist] = field(default_factory=list)
    by_number: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    num_with: Counter[str] = field(default_factory=Counter)
    number_codes: Codes = field(default_factory=lambda: Codes(code=number_of))
    stem_codes: Codes = field(default_factory=lambda: Codes(code=stem_of))
    places: list[NDArray[np.int32]] = field(default_factory=list)
    rows: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    known: NDArray[np.float64] = field(init=False)
    totals: NDArray[np.float64] = field(init=False)
    weights: NDArray[np.float64] = field(init=False)
    norms: NDArray[np.float64] = field(init=False)
    stems: NDArray[np.int32] = field(init=False)
    stem_bounds: NDArray[np.int64] = field(init=False)

    def add(self, questions: Iterable[Sequence[str]]) -> None:
        """Add the words of test questions, in the order of the index; `weigh` comes after the last."""
        for question in questions:
            gist = gist_of(question)
            for number in gist.numbers:
                self.by_number[number].append(len(self.gists))
            self.gists.append(gist)
            self.num_with.update(gist.stems)

    def weigh(self) -> None:
        """Compute all rarities."""
        import numpy as np

        codes = self.number_codes.know((*self.by_number, *sorted(_SMALL)))
        self.known = np.array([*map(self.information, codes), self.information("")])
        self.totals = np.array([sum(self.known[codes[number]] for number in gist.numbers) for gist in self.gists])
        self.places = [np.array(items, dtype=np.int32) for items in self.by_number.values()]
        for number, places in enumerate(self.places):
            if len(places) > COMMON:
                self.rows[number] = np.zeros(len(self.gists))
                self.rows[number][places] = self.known[number]
        codes = self.stem_codes.know(self.num_with)
        self.weights = np.array([self._rarity(num) ** 2 for num in (*self.num_with.values(), 0)])
        self.stems = np.array([codes[stem] for gist in self.gists for stem in gist.stems], np.int32)
        counts = np.array([len(gist.stems) for gist in self.gists], np.int64)
        self.stem_bounds = np.append(0, counts.cumsum())
        self.norms = _lengths(np.arange(len(counts)).repeat(counts), self.weights[self.stems], len(counts))

    def information(self, number: str) -> float:
        """Return a number's information in nats: log(test questions / test questions that have it).

        Small sets count as FEWEST_QUESTIONS and small numbers are capped: among thirty questions even a 2 looks rare.
        """
        questions = max(len(self.gists), FEWEST_QUESTIONS)
        rarity = math.log((questions + 1) / (len(self.by_number.get(number, ())) + 0.5))
        return min(rarity, MOST_OF_SMALL) if number in _SMALL else rarity

    def _rarity(self, num: int) -> float:
        """Return a word's rarity by the number of test questions that have it; 0 for a word that nearly all have."""
        return max(math.log((len(self.gists) + 1) / (num + 0.5)), 0.0)

    def find(self, read: HashedWords) -> dict[int, list[tuple[int, float]]]:
        """Return the test questions that texts reword, each with the closeness of the words, by the text's place.

        A text that rewords none is left out.
        """
        import numpy as np

        if not self.gists:
            return {}
        owners, numbers = _first_numbers(read, self.number_codes.read(read))
        information = self.known[np.minimum(numbers, self.number_codes.num_known)]
        totals = np.bincount(owners, information, minlength=len(read.ends))
        begins, ends = (owners.searchsorted(np.arange(len(read.ends)), side=side) for side in ("left", "right"))
        stems = self.stem_codes.read(read)
        found: list[_Likely] = []
        result: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for text in ((ends - begins > 1) & (totals >= LEAST_INFORMATION)).nonzero()[0].tolist():
            its = slice(int(begins[text]), int(ends[text]))
            found.append(self._likely(text, numbers[its].tolist(), information[its].tolist(), float(totals[text])))
        found = [likely for likely in found if len(likely.items)]
        for start in range(0, len(found), BLOCK):
            for text, item, close in self._close(found[start : start + BLOCK], read, stems):
                shared = [self.number_codes.of[number] for number in self.gists[item].numbers]
                if len(np.intersect1d(numbers[begins[text] : ends[text]], shared)) > 1:
                    result[text].append((item, close))
        return {text: sorted(matches, key=lambda match: (-match[1], match[0])) for text, matches in result.items()}

    def _likely(self, text: int, numbers: list[int], information: list[float], total: float) -> _Likely:
        """Return the test questions whose numbers allow a match with a text of these numbers."""
        import numpy as np

        shared = np.zeros(len(self.totals))
        for number, weight in zip(numbers, information, strict=True):
            if number in self.rows:
                shared += self.rows[number]
            elif number < len(self.places):
                shared[self.places[number]] += weight
        # A cheap bound leaves out most test questions: the share is at most shared / total.
        least = max(LEAST_EVIDENCE, total * LEAST_SHARE, (LEAST_EVIDENCE * total**2) ** (1 / 3))
        items = (shared >= least - 1e-9).nonzero()[0]
        shared = shared[items]
        share = shared / (total + self.totals[items] - shared)
        most = shared * share**2
        likely = (most >= LEAST_EVIDENCE) & (share >= LEAST_SHARE)
        return _Likely(text, items[likely], most[likely])

    def _close(
        self, block: list[_Likely], read: HashedWords, stems: NDArray[np.int32]
    ) -> Iterator[tuple[int, int, float]]:
        """Yield (text, test question, closeness) where the words are close enough for the evidence."""
        import numpy as np

        num_stems = len(self.stem_codes.of)
        texts = np.array([likely.text for likely in block])
        where, owners = _ranges(read.ends[texts] - read.counts[texts], read.counts[texts])
        keys = owners * num_stems + stems[where]
        keys = np.unique(keys[stems[where] >= 0])
        owners, said = keys // num_stems, keys % num_stems
        num_known = self.stem_codes.num_known
        norms = _lengths(owners, self.weights[np.minimum(said, num_known)], len(block))
        has = np.zeros((len(block), num_known), np.bool_)
        has[owners[said < num_known], said[said < num_known]] = True

        rows = np.arange(len(block)).repeat([len(likely.items) for likely in block])
        items = np.concatenate([likely.items for likely in block])
        begins = self.stem_bounds[items]
        where, owners = _ranges(begins, self.stem_bounds[items + 1] - begins)
        shared = self.stems[where]
        sums = np.bincount(owners, self.weights[shared] * has[rows[owners], shared], minlength=len(items))
        close = sums / (norms[rows] * self.norms[items])
        most = np.concatenate([likely.most for likely in block])
        kept = (close >= LEAST_CLOSENESS) & (close * most >= LEAST_EVIDENCE)
        yield from zip(texts[rows[kept]].tolist(), items[kept].tolist(), close[kept].tolist(), strict=True)


class _Likely(NamedTuple):
    """The test questions that a text may reword, and the evidence of each if all words agreed."""

    text: int
    items: NDArray[np.int64]
    most: NDArray[np.float64]


def _first_numbers(read: HashedWords, numbers: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the first distinct numbers of each text in order, as (texts, codes of numbers)."""
    import numpy as np

    at = (numbers >= 0).nonzero()[0]
    texts = read.ends.searchsorted(at, side="right")
    first = np.sort(np.unique(texts << 32 | numbers[at], return_index=True)[1])
    texts = texts[first]
    kept = np.arange(len(texts)) - texts.searchsorted(texts) < MAX_NUMBERS
    return texts[kept], numbers[at[first[kept]]]


def _ranges(begins: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the members of several ranges of integers, one after the other, and the range each belongs to."""
    import numpy as np

    owners = np.arange(len(counts)).repeat(counts)
    first = np.cumsum(counts, dtype=np.int64) - counts
    return np.arange(len(owners)) + np.repeat(begins - first, counts), owners


def _lengths(owners: NDArray[np.int64], weights: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the lengths of vectors whose squared members are given with their owners; 1 instead of 0."""
    import numpy as np

    lengths = np.sqrt(np.bincount(owners, weights, minlength=count))
    lengths[lengths == 0] = 1.0
    return lengths
