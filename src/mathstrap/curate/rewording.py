"""Find rewordings of test questions: the same numbers, and enough of the same rare words.

A rewording changes the sentences and keeps the numbers, a few nouns and the names. Only both together are evidence:
one in twenty of GSM8K's training questions with four numbers has exactly those of some test question. A number counts
by its rarity among the test questions: 576 is strong evidence, 2 is none.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

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


def numbers_of(words: Sequence[str]) -> dict[str, None]:
    """Return the first distinct numbers of a question, 1 left out, in order."""
    numbers: dict[str, None] = {}
    for word in words:
        number = word if word[-1].isdigit() else NUMBER_WORDS.get(word)
        if number is not None and number != "1" and len(numbers) < MAX_NUMBERS:
            numbers[number] = None
    return numbers


def gist_of(words: Sequence[str]) -> Gist:
    """Return the gist of a question from its words, as `wording.words` gives them."""
    stems = {
        stem(word) for word in set(words) if len(word) > 2 and not word[-1].isdigit() and word not in NUMBER_WORDS
    }
    return Gist(frozenset(numbers_of(words)), frozenset(stems))


@dataclass(kw_only=True)
class Rewordings:
    """The gists of all test questions by their numbers, and how rare each of their words and numbers is.

    `totals` is the information in each question's numbers, shape (questions,); `known` that of each number, `unseen`
    of one that no test question has. `rows` is the information of each common number, by test question.
    """

    gists: list[Gist] = field(default_factory=list)
    by_number: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    num_with: Counter[str] = field(default_factory=Counter)
    weights: dict[str, float] = field(default_factory=dict)
    norms: list[float] = field(default_factory=list)
    places: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    totals: NDArray[np.float64] | None = None
    known: dict[str, float] = field(default_factory=dict)
    unseen: float = 0.0
    rows: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def add(self, questions: Iterable[Sequence[str]]) -> None:
        """Add the words of test questions, in the order of the index, and compute all rarities again."""
        import numpy as np

        for question in questions:
            gist = gist_of(question)
            for number in gist.numbers:
                self.by_number[number].append(len(self.gists))
            self.gists.append(gist)
            self.num_with.update(gist.stems)
        self.weights = {word: self._rarity(num) ** 2 for word, num in self.num_with.items()}
        self.norms = [self._norm(gist) for gist in self.gists]
        self.places = {number: np.array(items, dtype=np.int32) for number, items in self.by_number.items()}
        self.known = {number: self.information(number) for number in (*self.by_number, *_SMALL)}
        self.unseen = self.information("")
        self.rows = {}
        for number, places in self.places.items():
            if len(places) > COMMON:
                self.rows[number] = np.zeros(len(self.gists))
                self.rows[number][places] = self.known[number]
        self.totals = np.array([sum(map(self.known.__getitem__, gist.numbers)) for gist in self.gists])

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

    def _norm(self, gist: Gist) -> float:
        unseen = self._rarity(0) ** 2
        return math.sqrt(sum(self.weights.get(word, unseen) for word in gist.stems)) or 1.0

    def find(self, question: Sequence[str]) -> list[tuple[int, float]]:
        """Return the test questions that a question with these words rewords, each with the closeness of the words."""
        import numpy as np

        numbers = numbers_of(question)
        known = {number: self.known.get(number, self.unseen) for number in numbers}
        total = sum(known.values())
        if self.totals is None or len(known) < 2 or total < LEAST_INFORMATION:
            return []
        shared = np.zeros(len(self.gists))
        for number, information in known.items():
            if number in self.rows:
                shared += self.rows[number]
            elif number in self.places:
                shared[self.places[number]] += information
        # A cheap bound leaves out most test questions: the share is at most shared / total.
        least = max(LEAST_EVIDENCE, total * LEAST_SHARE, (LEAST_EVIDENCE * total**2) ** (1 / 3))
        items = (shared >= least - 1e-9).nonzero()[0]
        shared = shared[items]
        share = shared / (total + self.totals[items] - shared)
        most = shared * share**2  # the evidence if all words agreed
        likely = ((most >= LEAST_EVIDENCE) & (share >= LEAST_SHARE)).nonzero()[0]
        if not len(likely):
            return []
        gist = gist_of(question)
        norm, weight = self._norm(gist), self.weights.__getitem__
        matches = []
        for item, evidence in zip(items[likely].tolist(), most[likely].tolist(), strict=True):
            other = self.gists[item]
            close = sum(map(weight, gist.stems & other.stems)) / (norm * self.norms[item])
            if close < LEAST_CLOSENESS or close * evidence < LEAST_EVIDENCE:
                continue
            if len(gist.numbers & other.numbers) > 1:
                matches.append((item, close))
        return sorted(matches, key=lambda match: (-match[1], match[0]))
