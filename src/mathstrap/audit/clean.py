"""Deduplicate or decontaminate a dataset of another tool: write the rows that stay, and the others with a reason.

Streams: memory holds only what the comparison of texts needs. A row without a question is counted and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from mathstrap.curate.certificate import Certificate, certificate
from mathstrap.curate.decontaminate import Match, TestSetIndex
from mathstrap.curate.dedup import DedupOptions, Duplicates, find_duplicates
from mathstrap.errors import InputError
from mathstrap.files.rows import Row
from mathstrap.files.tables import open_whole
from mathstrap.problems.columns import Columns, find_columns, question_of, text_of
from mathstrap.problems.load import SeedsOptions, source_rows

MAX_QUESTION = 1_000_000


@dataclass(kw_only=True)
class SourceRows:
    """The rows of a file or hub dataset, read as often as needed; `bad` collects those without a question."""

    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    columns: Columns | None = None
    num_rows: int = 0
    bad: dict[int, str] = field(default_factory=dict)

    def rows(self, *, known: bool = False) -> Iterator[tuple[int, Row | None, str]]:
        """Yield (line, row, question); an unusable row comes as (line, row or None, "").

        With `known` the questions are not read again and come as ""; the bad rows are those of the last full pass.
        """
        self.num_rows = 0
        if not known:
            self.bad = {}
        unread: list[int] = []

        def bad(line: int, reason: str) -> None:
            self.bad[line] = reason
            unread.append(line)

        for line, row in source_rows(SeedsOptions(source=self.name), bad):
            yield from self.unreadable(unread)
            self.num_rows += 1
            if known:
                yield line, row, ""
                continue
            self.columns = self.columns or find_columns(row, self.fields, where=self.name)
            question = question_of(row, self.columns) or ""
            if not question:
                self.bad[line] = f'no text for the question in "{self.columns.query or self.columns.chat}"'
            elif len(question) > MAX_QUESTION:
                self.bad[line] = f"the question has {len(question):,} characters, expected at most {MAX_QUESTION:,}"
                question = ""
            yield line, row, question
        yield from self.unreadable(unread)

    def unreadable(self, lines: list[int]) -> Iterator[tuple[int, Row | None, str]]:
        """Yield the lines that are not rows."""
        self.num_rows += len(lines)
        for line in lines:
            yield line, None, ""
        lines.clear()

    def questions(self) -> Iterator[tuple[str, str]]:
        """Yield (line as text, question) of every usable row; raises InputError where there is none."""
        has_questions = False
        for line, _, question in self.rows():
            if question:
                has_questions = True
                yield str(line), question
        if not has_questions:
            self.refuse()

    def refuse(self) -> NoReturn:
        """Raise InputError: no row is usable; the message says why the first is not."""
        first = next((f" The first: line {line}: {reason}." for line, reason in self.bad.items()), "")
        raise InputError(f"{self.name}: no row with a question.{first}")


@dataclass(frozen=True, kw_only=True)
class CleanedCounts:
    """The counts of a cleaned file: rows read, without a question, dropped, kept."""

    num_rows: int
    bad_rows: int
    dropped: int
    kept: int


def dedup_file(
    source: SourceRows,
    options: DedupOptions,
    *,
    known: Duplicates | None = None,
    out: Path | None = None,
    dropped_out: Path | None = None,
) -> tuple[Duplicates, CleanedCounts]:
    """Find the questions of a file that repeat earlier ones and write the other rows; `known` replaces the search.

    Ids are line numbers. Raises InputError if `known` comes from another file or other options.
    """
    if known is None:
        known = find_duplicates(source.questions(), options)
    else:
        if _search_options(known.options) != _search_options(options):
            raise InputError("the pairs were searched with other options; only the threshold may differ.")
        num_items = sum(1 for _ in source.questions())
        if num_items != known.num_items:
            raise InputError(
                f"{source.name} has {num_items:,} questions, the pairs are of {known.num_items:,}. Search again."
            )
    reasons = {int(line): f"duplicate: repeats line {kept}" for line, kept in known.dropped(options.threshold).items()}
    return known, sift(source, reasons, out, dropped_out)


def _search_options(options: DedupOptions) -> tuple[Any, ...]:
    return (options.method, options.floor, options.shingle_words, options.numbers, options.num_perm, options.rng_seed)


def decontaminate_file(
    source: SourceRows,
    index: TestSetIndex,
    *,
    seeds: SourceRows | None = None,
    out: Path | None = None,
    dropped_out: Path | None = None,
    matches_out: Path | None = None,
    on_match: Callable[[Match], None] | None = None,
) -> tuple[Certificate, CleanedCounts]:
    """Compare a file's questions with test sets and write the rows that stay.

    The baseline is the questions of `seeds`, else the file's own distinct original questions, else nothing.
    """
    reasons: dict[int, str] = {}
    with ExitStack() as stack:
        matches = open_whole(stack, matches_out)

        def note(match: Match) -> None:
            line = int(match.id.rpartition("/")[2])
            if matches is not None:
                matches.write(msgspec.json.encode(msgspec.structs.replace(match, id=f"line {line}")) + b"\n")
            if match.kind in index.options.drop and line not in reasons:
                reasons[line] = f"contaminated: {match.test_set} {match.test_id}, {match.kind} {match.score:.2f}"
            if on_match is not None:
                on_match(match)

        lines: dict[str, int] = {}
        record = certificate(index, _seed_questions(source, seeds, lines), _derived_questions(source), on_match=note)
        if not record.num_derived:
            source.refuse()
    where = "seeds line" if seeds is not None else "original question of line"
    record = msgspec.structs.replace(
        record,
        seed_examples=tuple(
            msgspec.structs.replace(match, id=f"{where} {lines[match.id]}") for match in record.seed_examples
        ),
        derived_examples=tuple(
            msgspec.structs.replace(match, id=f"line {match.id.rpartition('/')[2]}")
            for match in record.derived_examples
        ),
    )
    return record, sift(source, reasons, out, dropped_out)


@lru_cache(maxsize=20_000)  # a dataset has many questions per seed
def _seed_key(text: str) -> str:
    from hashlib import blake2b

    folded = " ".join(text.lower().split())
    return blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _seed_questions(source: SourceRows, seeds: SourceRows | None, lines: dict[str, int]) -> Iterator[tuple[str, str]]:
    """Yield (key, question) of the baseline's distinct questions, and record their lines in `lines`."""
    for line, row, question in (seeds or source).rows():
        if row is None or not question:
            continue
        text = question
        if seeds is None:
            assert source.columns is not None, "set with the first row"
            text = text_of(row, source.columns.original) or ""
        key = _seed_key(text)
        if text and lines.setdefault(key, line) == line:
            yield key, text


def _derived_questions(source: SourceRows) -> Iterator[tuple[str, str]]:
    """Yield (seed's key / line, question), so that the id's root is its seed."""
    for line, row, question in source.rows():
        if row is not None and question:
            assert source.columns is not None, "set with the first row"
            yield f"{_seed_key(text_of(row, source.columns.original) or question)}/{line}", question


def sift(source: SourceRows, reasons: Mapping[int, str], out: Path | None, dropped_out: Path | None) -> CleanedCounts:
    """Write the rows without a reason to `out` and the others to `dropped_out`, each file whole or not at all."""
    kept = dropped = 0
    with ExitStack() as stack:
        stay, go = open_whole(stack, out), open_whole(stack, dropped_out)
        for line, row, _ in source.rows(known=True):
            reason = reasons.get(line) or (f"bad_row: {source.bad[line]}" if line in source.bad else "")
            kept += not reason
            dropped += bool(reason)
            if stay is not None and not reason:
                stay.write(msgspec.json.encode(row) + b"\n")
            if go is not None and reason:
                go.write(msgspec.json.encode({"line": line, "reasons": [reason], "row": row}) + b"\n")
    return CleanedCounts(num_rows=source.num_rows, bad_rows=len(source.bad), dropped=dropped, kept=kept)
