"""Certify how far problems overlap test sets, compared with the overlap of their untouched seeds. Renders Markdown."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from mathstrap.curate.decontaminate import DecontaminateOptions, Kind, Match, TestSetIndex
from mathstrap.curate.rewording import LEAST_EVIDENCE
from mathstrap.parallel import ChunkMap, here
from mathstrap.types import root_of

NO_BASELINE = (
    "No untouched seeds were given, so the overlap before augmentation is unknown: name them (--seeds)."
)


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """One test set: how many of its questions seeds and derived problems ask, and how many of these do.

    `sha256` is the hash of its questions, each followed by a line feed, in the order of the set.

    `introduced` counts derived problems that match a question their own seed does not match; `items_introduced` the
    test questions that no seed matches.
    """

    test_set: str
    num_items: int
    sha256: str = ""
    seed_items: int
    seeds: int
    derived_items: int
    derived: int
    introduced: int
    items_introduced: int


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison of derived problems with test sets; `examples` are the strongest matches with their shared words.

    `dropped` counts the derived problems left out, so the published set has `num_derived - dropped`. `sha256` is the
    hash of the derived questions that were compared, each followed by a line feed, in their order.
    """

    num_seeds: int
    num_derived: int
    dropped: int
    options: DecontaminateOptions
    overlaps: tuple[Overlap, ...]
    sha256: str = ""
    seed_examples: tuple[Match, ...] = ()
    derived_examples: tuple[Match, ...] = ()

    def to_markdown(self) -> str:
        """Return the certificate as the section of a data card."""
        return "\n".join(_markdown(self))


def certificate(
    index: TestSetIndex,
    seeds: Iterable[tuple[str, str]],
    derived: Iterable[tuple[str, str]],
    *,
    num_examples: int = 5,
    seed_of: Callable[[str], str] = root_of,
    on_match: Callable[[Match], None] | None = None,
    map_chunks: ChunkMap = here,
) -> Certificate:
    """Compare (id, question) of untouched seeds and of derived problems with all test sets; both are read once.

    `seed_of` returns the id of a derived problem's seed; `on_match` receives every match of a derived problem, so that
    the caller can drop it. Memory grows with the matches' ids, not with the texts.
    """
    tally = _MatchCounts(index, num_examples)
    num_seeds = num_derived = 0
    digest = hashlib.sha256()

    def counted(items: Iterable[tuple[str, str]], of_seeds: bool) -> Iterator[tuple[str, str]]:
        nonlocal num_seeds, num_derived
        for item in items:
            num_seeds += of_seeds
            num_derived += not of_seeds
            if not of_seeds:
                digest.update(item[1].encode("utf-8", "surrogatepass") + b"\n")
            yield item

    for match in index.find_all(counted(seeds, True), map_chunks=map_chunks):
        tally.add_seed(match)
    for match in index.find_all(counted(derived, False), map_chunks=map_chunks):
        tally.add_derived(match, seed_of(match.id))
        if on_match is not None:
            on_match(match)
    return Certificate(
        num_seeds=num_seeds,
        num_derived=num_derived,
        dropped=len(tally.dropped),
        options=index.options,
        overlaps=tuple(tally.overlap(name) for name in index.sizes),
        sha256=digest.hexdigest(),
        seed_examples=tuple(tally.seed_examples),
        derived_examples=tuple(tally.derived_examples),
    )


class _MatchCounts:
    """Sets of ids per test set, filled match by match."""

    def __init__(self, index: TestSetIndex, num_examples: int) -> None:
        self.index = index
        self.num_examples = num_examples
        names = list(index.sizes)
        self.seed_items: dict[str, set[str]] = {name: set() for name in names}
        self.derived_items: dict[str, set[str]] = {name: set() for name in names}
        self.seeds: dict[str, set[str]] = {name: set() for name in names}
        self.derived: dict[str, set[str]] = {name: set() for name in names}
        self.introduced: dict[str, set[str]] = {name: set() for name in names}
        self.known: set[tuple[str, str, str]] = set()
        self.dropped: set[str] = set()
        self.seed_examples: list[Match] = []
        self.derived_examples: list[Match] = []

    def add_seed(self, match: Match) -> None:
        self.seed_items[match.test_set].add(match.test_id)
        self.seeds[match.test_set].add(match.id)
        self.known.add((match.id, match.test_set, match.test_id))
        self.seed_examples = self.best(self.seed_examples, match)

    def add_derived(self, match: Match, seed: str) -> None:
        self.derived_items[match.test_set].add(match.test_id)
        self.derived[match.test_set].add(match.id)
        if (seed, match.test_set, match.test_id) not in self.known:
            self.introduced[match.test_set].add(match.id)
        if match.kind in self.index.options.drop:
            self.dropped.add(match.id)
        self.derived_examples = self.best(self.derived_examples, match)

    def best(self, examples: list[Match], match: Match) -> list[Match]:
        """Return the strongest examples, one for each pair of test question and shared words."""
        if len(examples) == self.num_examples and match.score <= examples[-1].score:
            return examples
        if any((old.test_set, old.test_id) == (match.test_set, match.test_id) for old in examples):
            return examples
        return sorted([*examples, match], key=lambda kept: -kept.score)[: self.num_examples]

    def overlap(self, name: str) -> Overlap:
        return Overlap(
            test_set=name,
            num_items=self.index.sizes[name],
            sha256=self.index.digests[name],
            seed_items=len(self.seed_items[name]),
            seeds=len(self.seeds[name]),
            derived_items=len(self.derived_items[name]),
            derived=len(self.derived[name]),
            introduced=len(self.introduced[name]),
            items_introduced=len(self.derived_items[name] - self.seed_items[name]),
        )


def _percent(part: int, whole: int) -> str:
    return f"{part:,} ({100 * part / whole:.2f} %)" if whole else f"{part:,}"


_HOW: dict[Kind, str] = {
    "exact": "equal texts", "ngram": "shared runs of words", "reworded": "the same numbers in other words",
    "embedding": "near vectors",
}  # fmt: skip


def _markdown(record: Certificate) -> Iterator[str]:
    options = record.options
    yield "## Contamination"
    yield ""
    yield (
        f"{record.num_derived:,} derived problems and their {record.num_seeds:,} untouched seeds were compared with "
        f"every question of the test sets below: equal after normalisation, or runs of {options.ngram_words} words "
        f"that cover at least {options.min_coverage:.0%} of the test question"
        + (" (numbers masked)." if options.numbers == "mask" else ".")
        + (
            f" Rewordings as well: evidence of at least {LEAST_EVIDENCE:g} from shared numbers and rare words."
            if options.rewordings
            else ""
        )
        + (f" Nearest neighbours by the {options.embedding} embedder as well." if options.embedding != "off" else "")
        + f" Dropped for {' and '.join(_HOW[kind] for kind in options.drop) or 'nothing'}: {record.dropped:,}."
    )
    yield ""
    if record.num_seeds:
        yield "The seeds are the baseline: what they share with a test set was not introduced by the augmentation."
    else:
        yield f"**{NO_BASELINE}**"
    yield ""
    yield "| test set | questions | asked by seeds (baseline) | asked by derived | of these, by no seed | derived problems | their seed does not match |"  # noqa: E501
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in record.overlaps:
        seeds, by_no_seed, introduced = "-", "-", "-"
        if record.num_seeds:
            seeds, by_no_seed = _percent(row.seed_items, row.num_items), _percent(row.items_introduced, row.num_items)
            introduced = f"{row.introduced:,}"
        yield (
            f"| {row.test_set} | {row.num_items:,} | {seeds} | {_percent(row.derived_items, row.num_items)} "
            f"| {by_no_seed} | {row.derived:,} | {introduced} |"
        )
    yield ""
    yield f"What was compared, by SHA-256 of the questions (one a line): derived problems `{record.sha256}`;"
    yield "; ".join(f"{row.test_set} `{row.sha256}`" for row in record.overlaps) + "."
    for title, examples in (("seeds", record.seed_examples), ("derived problems", record.derived_examples)):
        if not examples:
            continue
        yield ""
        yield f"Strongest matches of {title}:"
        yield ""
        for match in examples:
            shared = f': "{_quoted(match.span)}"' if match.span else ""
            yield f"- `{match.id}` and {match.test_set} `{match.test_id}`, {match.kind} {match.score:.2f}{shared}"


def _quoted(text: str) -> str:
    text = text if len(text) <= 160 else text[:159] + "…"
    return "".join("\\" + letter if letter in "\\`*_{}[]<>|#$" else letter for letter in text)
