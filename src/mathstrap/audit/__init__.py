"""Audit a dataset of another tool: stream its rows, count every defect, and write the rows worth keeping."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import msgspec

from mathstrap.audit.check import Checked, Facts, Seed, check_all, question_key, read_row, row_key
from mathstrap.audit.compare import CHECKER, READER, Label, ReaderComparison
from mathstrap.audit.defects import DEFECTS, AuditRow, Defect
from mathstrap.audit.reader import AnswerReading, ReaderOptions, Readings, read_answers, reading_key, why_unread
from mathstrap.audit.report import AuditReport, DefectCount, Tally, table
from mathstrap.called import call_by_name
from mathstrap.curate.decontaminate import TestSetIndex
from mathstrap.curate.dedup import DedupOptions, find_duplicates
from mathstrap.errors import InputError, suggest
from mathstrap.files.given import rows_given
from mathstrap.files.rows import Row
from mathstrap.files.tables import open_whole, write_atomically
from mathstrap.problems.columns import find_columns, question_of
from mathstrap.problems.load import SeedsOptions, source_rows

if TYPE_CHECKING:
    from mathstrap.engine.events import Listener
    from mathstrap.engine.interface import Backend

__all__ = [
    "DEFECTS", "AuditOptions", "AuditReport", "Defect", "DefectCount", "ReaderOptions", "Seed", "audit", "seed_map",
    "table",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AuditOptions:
    """How a dataset is audited.

    fields       part (query, response, original, gold, type, chat) to column; the usual names need no mapping.
    drop, keep   defects for which rows are dropped, or kept, against the defect's own default.
    skip         detectors that are not run.
    near         how near-duplicate questions are searched; None does not search, which halves the memory.
    num_workers  processes that run the detectors.
    questions_only  check the questions alone; the file needs no responses.
    reader       a teacher that also reads every answer; its "wrong" drops a row only with `drop=("reader",)`.
    label        `COLUMN=VALUE`: the column of people's labels, and its value for a sound answer.
    """

    fields: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    near: DedupOptions | None = field(default_factory=DedupOptions)
    num_workers: int = 1
    questions_only: bool = False
    reader: ReaderOptions | None = None
    label: str = ""

    def __post_init__(self) -> None:
        known = [*DEFECTS, *([READER] if self.reader is not None else [])]
        for name in (*self.drop, *self.keep, *self.skip):
            if name == READER and self.reader is None:
                raise InputError("audit: only a reader's verdict can drop rows as reader. Name a reader (--reader).")
            if name not in known:
                raise InputError(f'audit: no such defect "{name}".{suggest(name, known)}')
        if self.questions_only and self.reader is not None:
            raise InputError("audit: a reader checks answers, and only questions are audited. Leave out one of them.")

    @property
    def dropping(self) -> frozenset[str]:
        """The defects for which a row is dropped."""
        named = {name for name, defect in DEFECTS.items() if defect.drops}
        return frozenset((named | set(self.drop)) - set(self.keep))


def seed_map(seeds: Iterable[tuple[str, str, str]]) -> dict[bytes, Seed]:
    """Return seeds of (question, answer, solution) by their normalised question, as `audit` looks them up."""
    return {question_key(question): Seed(answer=answer, solution=solution) for question, answer, solution in seeds}


def audit(
    source: object,
    options: AuditOptions | None = None,
    *,
    seeds: Mapping[bytes, Seed] | None = None,
    index: TestSetIndex | None = None,
    clean_path: Path | None = None,
    dropped_path: Path | None = None,
    progress: Callable[[int], None] | None = None,
    backend: Backend | None = None,
    listener: Listener | None = None,
) -> AuditReport:
    """Check every row of a dataset of another tool and return a report of its defects.

    `source` is a file, a folder or `hf:owner/name`, which are streamed; or rows: a list of mappings, a DataFrame, a
    `datasets.Dataset`. `clean_path` receives the rows that stay, unchanged and in order, `dropped_path` the others as
    {line, reasons, row}; both are JSON Lines, written whole or not at all. A row that cannot be read is counted and
    dropped, never fatal. `backend` replaces the reader's teacher, `listener` gets the reader's progress. Raises
    InputError where the file is missing or empty or has no question column.

    >>> report = audit([
    ...     {"query": "What is 2 + 3?", "response": "2 + 3 = 5. The answer is: 5", "answer": "5"},
    ...     {"query": "What is 2 + 4?", "response": "2 + 4 = 7. The answer is: 7", "answer": "6"},
    ... ])
    >>> report.num_rows, report.dropped
    (2, 1)
    """
    options = options or AuditOptions()
    if not isinstance(source, str | Path):
        with _as_file(source) as path:
            report = audit(path, options, seeds=seeds, index=index, clean_path=clean_path, dropped_path=dropped_path,
                           progress=progress, backend=backend, listener=listener)  # fmt: skip
            return msgspec.structs.replace(report, source="rows")
    source = str(source)
    seeds_options = SeedsOptions(source=source)
    sample = _first_row(seeds_options)
    label = Label.parse(options.label) if options.label else None
    if label is not None:
        label.check(sample, source)
    columns = find_columns(sample, options.fields, where=source)
    if not options.questions_only and not columns.response and not columns.chat:
        raise InputError(f"{source}: no column holds the response. Name it: response=COLUMN.")
    skip = frozenset(options.skip)
    if options.questions_only:
        skip |= {name for name, defect in DEFECTS.items() if not defect.of_question}
    near = None
    if options.near is not None and "near_duplicate" not in skip:
        near = _near_twins(seeds_options, Facts(columns=columns), options.near)
    facts = Facts(
        columns=columns, seeds=seeds or {}, index=index, skip=skip, near=near, questions_only=options.questions_only
    )
    readings = None
    if options.reader is not None:
        readings = read_answers(
            lambda: _rows_to_read(seeds_options, facts), options.reader, backend=backend, listener=listener
        )
    tally = Tally(drop=options.dropping)
    others = OtherVerdicts(readings=readings, label=label)
    with ExitStack() as stack:
        clean = open_whole(stack, clean_path)
        dropped = open_whole(stack, dropped_path)
        keep_rows = clean is not None or dropped is not None
        stream = _RowStream(seeds_options, facts, tally, others, keep_rows=keep_rows)
        for checked, row in stream.results(options.num_workers):
            reasons = _reasons(checked, stream, tally)
            if clean is not None and not reasons:
                clean.write(msgspec.json.encode(row) + b"\n")
            if dropped is not None and reasons:
                dropped.write(msgspec.json.encode({"line": checked.line, "reasons": reasons, "row": row}) + b"\n")
            if progress is not None and tally.num_rows % 1000 == 0:
                progress(tally.num_rows)
    report = tally.report(source, columns, skip)
    return msgspec.structs.replace(report, **others.report(tally))


@dataclass(kw_only=True)
class OtherVerdicts:
    """The verdicts on rows besides the detectors': the reader's and people's labels, by line."""

    readings: Readings | None
    label: Label | None
    waiting: dict[int, tuple[AnswerReading | None, bool | None, bool]] = field(default_factory=dict)
    comparison: ReaderComparison = field(default_factory=ReaderComparison)

    def note(self, row: AuditRow, raw: Row) -> None:
        """Remember a row's reading and label until the detectors have judged it."""
        if self.readings is None and self.label is None:
            return
        reading = self.readings.by_key.get(reading_key(row)) if self.readings is not None else None
        label = self.label.is_sound(raw) if self.label is not None else None
        self.waiting[row.line] = (reading, label, bool(row.response.strip()))

    def finding(self, line: int, findings: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Count a row, and return its findings with the reader's."""
        if line not in self.waiting:
            return findings
        reading, label, has_answer = self.waiting.pop(line)
        is_flagged = any(name in CHECKER for name, _ in findings)
        self.comparison.add(reading.verdict if reading else "", is_flagged, label, has_answer=has_answer)
        return [*findings, (READER, reading.step)] if reading and reading.verdict == "wrong" else findings

    def report(self, tally: Tally) -> dict[str, Any]:
        """Return the parts of the report that need a reader or labels."""
        parts: dict[str, Any] = {}
        if self.readings is not None:
            asked = self.readings.asked
            parts["reader"] = self.comparison.second_reading(
                model=self.readings.model, drops=READER in tally.drop,
                num_cut_off=self.readings.num_cut_off, why_unread=why_unread(asked),
                asked=asked.asked if asked else 0, usd=asked.usd if asked else None,
                examples=tuple((example.line, example.detail) for example in tally.examples.get(READER, ())),
            )  # fmt: skip
        if self.label is not None:
            parts["labels"] = self.comparison.label_scores(self.label, has_reader=self.readings is not None)
        return parts


def _rows_to_read(source: SeedsOptions, facts: Facts) -> Iterator[AuditRow]:
    for line, raw in source_rows(source, lambda *_: None):
        row = read_row(line, raw, facts)
        if not isinstance(row, str):
            yield row


@contextmanager
def _as_file(source: object) -> Iterator[str]:
    """Yield the path of a temporary file with the given rows, because an audit reads its rows twice."""
    rows = rows_given(source, where="audit")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write_atomically(path, (msgspec.json.encode(row) + b"\n" for row in rows), is_private=True)
        yield str(path)


class _RowStream:
    """The stream of rows into the detectors, with the raw rows in flight and the keys of all earlier rows."""

    def __init__(
        self, source: SeedsOptions, facts: Facts, tally: Tally, others: OtherVerdicts, *, keep_rows: bool
    ) -> None:  # fmt: skip
        self.source = source
        self.facts = facts
        self.tally = tally
        self.others = others
        self.keep_rows = keep_rows
        self.raw: dict[int, Row] = {}
        self.unreadable: list[tuple[int, str]] = []
        self.rows_seen: dict[bytes, int] = {}
        self.paths_seen: dict[bytes, int] = {}

    def results(self, num_workers: int) -> Iterator[tuple[Checked, Any]]:
        """Yield each row's result with the raw row; unreadable rows are results too."""
        for checked in check_all(self.readable(), self.facts, num_workers=num_workers):
            yield from self.take_unreadable()
            yield checked, self.raw.pop(checked.line, None)
        yield from self.take_unreadable()

    def take_unreadable(self) -> Iterator[tuple[Checked, Any]]:
        """Yield the rows that could not be read since the last call."""
        waiting, self.unreadable = self.unreadable, []
        for line, reason in waiting:
            self.tally.add_bad(line, reason)
            yield Checked(line, reason, (), ()), self.raw.pop(line, None)

    def readable(self) -> Iterator[AuditRow]:
        """Yield the rows the detectors can judge, with the line of an equal earlier row."""
        for line, raw in source_rows(self.source, lambda number, reason: self.unreadable.append((number, reason))):
            if self.keep_rows:
                self.raw[line] = raw
            row = read_row(line, raw, self.facts)
            if isinstance(row, str):
                self.unreadable.append((line, row))
                continue
            first = self.rows_seen.setdefault(row_key(row), line)
            row.twin = first if first != line else 0
            self.others.note(row, raw)
            yield row


def _reasons(checked: Checked, stream: _RowStream, tally: Tally) -> list[str]:
    """Count a result and return why its row is dropped; empty for a row that stays."""
    if not checked.judged and not checked.findings:
        return [f"bad_row: {checked.type}"]
    findings = [(finding.defect, finding.detail) for finding in checked.findings]
    if checked.path_key is not None:
        first = stream.paths_seen.setdefault(checked.path_key, checked.line)
        if first != checked.line and all(name != "duplicate" for name, _ in findings):
            findings.append(("same_path", f"the equations of line {first}"))
    findings = stream.others.finding(checked.line, findings)
    dropping = tally.add(checked.line, checked.type, findings, checked.judged)
    details = dict(findings)
    return [f"{name}: {details[name]}" for name in dropping]


def _first_row(source: SeedsOptions) -> Row:
    """Return the first readable row; raises InputError where there is none."""
    reasons: list[str] = []
    for _, row in source_rows(source, lambda number, reason: reasons.append(f"line {number}: {reason}")):
        return row
    if reasons:
        raise InputError(f"{source.source}: no row could be read; the first: {reasons[0]}.")
    raise InputError(f"{source.source}: no rows. Expected at least one question with its response.")


def _near_twins(source: SeedsOptions, facts: Facts, options: DedupOptions) -> dict[bytes, int]:
    """Return the keys of questions that nearly repeat an earlier question, with that question's first line."""
    first_line: dict[bytes, int] = {}

    def questions() -> Iterator[tuple[str, str]]:
        for line, row in source_rows(source, lambda *_: None):
            text = question_of(row, facts.columns)
            if text is not None and first_line.setdefault(question_key(text), line) == line:
                yield str(line), text

    dropped = find_duplicates(questions(), options).dropped()
    return {key: int(dropped[str(line)]) for key, line in first_line.items() if str(line) in dropped}


call_by_name(__name__)
