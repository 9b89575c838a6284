"""Count the defects of a dataset, and report them as JSON or as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from mathstrap.audit.compare import READER, LabelScores, SecondReading
from mathstrap.audit.defects import DEFECTS
from mathstrap.problems.columns import Columns

MAX_EXAMPLES = 5


class Example(msgspec.Struct, frozen=True):
    """A row with a defect: its line and the detail."""

    line: int
    detail: str


class DefectCount(msgspec.Struct, frozen=True, kw_only=True):
    """One defect: rows that could be judged, rows that have it, whether they are dropped, and the first examples."""

    name: str
    sentence: str
    judged: int
    found: int
    drops: bool
    needs: str = ""
    examples: tuple[Example, ...] = ()


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an audit. `bad_rows` could not be read; `dropped` counts them and the rows with a dropping defect.

    `reader` has a second reader's verdicts, `labels` how well each side finds the answers people labelled wrong.
    """

    source: str
    columns: Columns
    num_rows: int
    bad_rows: int
    kept: int
    dropped: int
    defects: tuple[DefectCount, ...]
    bad_row_examples: tuple[Example, ...] = ()
    by_type: dict[str, dict[str, int]] = {}
    reader: SecondReading | None = None
    labels: LabelScores | None = None

    def found(self) -> dict[str, int]:
        """Return the number of rows with each defect."""
        return {defect.name: defect.found for defect in self.defects}


@dataclass(kw_only=True)
class Tally:
    """The running counts of an audit."""

    drop: frozenset[str]
    num_rows: int = 0
    bad: list[Example] = field(default_factory=list)
    num_bad: int = 0
    dropped: int = 0
    judged: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    by_type: dict[str, Counter[str]] = field(default_factory=dict)

    def add_bad(self, line: int, reason: str) -> None:
        """Count a row that cannot be read."""
        self.num_rows += 1
        self.num_bad += 1
        self.dropped += 1
        if len(self.bad) < MAX_EXAMPLES:
            self.bad.append(Example(line, reason))

    def add(self, line: int, kind: str, findings: Iterable[tuple[str, str]], judged: Iterable[str]) -> list[str]:
        """Count a row's defects and return the names of those that drop it."""
        self.num_rows += 1
        self.judged.update(judged)
        types = self.by_type.setdefault(kind[:80], Counter()) if len(self.by_type) < 200 or kind in self.by_type else {}
        types["rows"] = types.get("rows", 0) + 1
        dropping = []
        for name, detail in findings:
            self.counts[name] += 1
            types[name] = types.get(name, 0) + 1
            kept = self.examples.setdefault(name, [])
            if len(kept) < MAX_EXAMPLES:
                kept.append(Example(line, detail))
            if name in self.drop:
                dropping.append(name)
        self.dropped += bool(dropping)
        return dropping

    def report(self, source: str, columns: Columns, skip: Iterable[str] = ()) -> AuditReport:
        """Return the finished report; detectors in `skip` are left out."""
        defects = tuple(
            DefectCount(
                name=name,
                sentence=defect.sentence,
                judged=self.judged[name],
                found=self.counts[name],
                drops=name in self.drop,
                needs=defect.needs if not self.judged[name] else "",
                examples=tuple(self.examples.get(name, ())),
            )
            for name, defect in DEFECTS.items()
            if name not in set(skip)
        )
        return AuditReport(
            source=source,
            columns=columns,
            num_rows=self.num_rows,
            bad_rows=self.num_bad,
            kept=self.num_rows - self.dropped,
            dropped=self.dropped,
            defects=defects,
            bad_row_examples=tuple(self.bad),
            by_type={kind: dict(sorted(counts.items())) for kind, counts in sorted(self.by_type.items())},
        )


def table(report: AuditReport) -> list[tuple[str, str, str, str, str]]:
    """Return the rows of a table: defect, rows that have it, share of the judged rows, fate, sentence."""
    rows = []
    for defect in report.defects:
        share = f"{100 * defect.found / defect.judged:.2f} %" if defect.judged else "not checked"
        fate = "dropped" if defect.drops else "kept"
        sentence = defect.sentence if defect.judged else f"{defect.sentence}; needs {defect.needs}"
        rows.append((defect.name, f"{defect.found:,}" if defect.judged else "-", share, fate, sentence))
    if report.reader is not None:
        reader = report.reader
        judged = reader.sound + reader.wrong
        share = f"{100 * reader.wrong / judged:.2f} %" if judged else "not checked"
        fate = "dropped" if reader.drops else "kept"
        rows.append((READER, f"{reader.wrong:,}", share, fate, "the reader finds a wrong step"))
    if report.bad_rows:
        rows.append(("bad_row", f"{report.bad_rows:,}", "", "dropped", report.bad_row_examples[0].detail))
    return rows
