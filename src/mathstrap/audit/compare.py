"""Compare the detectors' findings with a second reader's, and both with people's labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mathstrap.audit.defects import DEFECTS
from mathstrap.errors import InputError, suggest
from mathstrap.problems.columns import as_text
from mathstrap.problems.presets import has_value, value_at

READER = "reader"  # drop=("reader",) drops rows for the reader's verdict
# The detectors of false statements in the answer, which is what a reader looks for too.
CHECKER = tuple(name for name, defect in DEFECTS.items() if defect.of_answer)


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One side's score: labelled answers it flags, those it flags rightly; shares from 0 to 1, None of no answers.

    precision      rightly flagged, of all flagged
    recall         rightly flagged, of all that are labelled wrong
    false_alarms   wrongly flagged, of all that are labelled sound
    """

    name: str
    flagged: int
    rightly: int
    precision: float | None
    recall: float | None
    false_alarms: float | None


class LabelScores(msgspec.Struct, frozen=True, kw_only=True):
    """How well each side finds the answers that are labelled wrong; with a reader, among the answers it read."""

    label: str
    num_sound: int
    num_wrong: int
    scores: tuple[Score, ...]


class SecondReading(msgspec.Struct, frozen=True, kw_only=True):
    """The reader's verdicts beside the findings of the detectors in `checker`, over the answers that were read.

    num_rows     rows with an answer; `num_read` of them have a reply, the `unclear` ones included
    num_cut_off  replies that ended at sampling.max_tokens; their answers count as unclear
    why_unread   why rows have no reply, and what to do
    asked        calls that this audit sent; 0 where every reply was stored already
    usd          the cost of those calls, where a price is known
    examples     line and step of the first answers that the reader calls wrong
    """

    model: str
    num_rows: int
    num_read: int
    sound: int
    wrong: int
    unclear: int
    drops: bool
    checker: tuple[str, ...]
    by_checker_alone: int
    by_reader_alone: int
    by_both: int
    num_cut_off: int = 0
    why_unread: str = ""
    asked: int = 0
    usd: float | None = None
    examples: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Label:
    """The column of people's labels, and its value for a sound answer; any other value means wrong."""

    column: str
    sound: str

    @classmethod
    def parse(cls, text: str) -> Label:
        """Return the label that `COLUMN=VALUE` names."""
        column, equals, sound = text.partition("=")
        if not (column.strip() and equals and sound.strip()):
            raise InputError(f'label {text}: expected COLUMN=VALUE, for example "is_correct=true".')
        return cls(column=column.strip(), sound=sound.strip())

    def check(self, row: Mapping[str, Any], where: str) -> None:
        """Raise InputError where a row has no such column."""
        if not has_value(row, self.column):
            raise InputError(f'{where}: no column "{self.column}" for the label.{suggest(self.column, list(row))}')

    def is_sound(self, row: Mapping[str, Any]) -> bool | None:
        """Say whether a row is labelled sound; None without a label."""
        value = value_at(row, self.column)
        text = str(value).lower() if isinstance(value, bool) else as_text(value)
        return None if not text or not text.strip() else text.strip().lower() == self.sound.lower()


@dataclass(kw_only=True)
class ReaderComparison:
    """The rows by the reader's verdict ("" for none), whether the checker flags them, and their label."""

    cells: Counter[tuple[str, bool, bool | None]] = field(default_factory=Counter)
    num_answers: int = 0

    def add(self, verdict: str, is_flagged: bool, label: bool | None, *, has_answer: bool) -> None:
        """Count a row."""
        self.cells[verdict, is_flagged, label] += 1
        self.num_answers += has_answer

    def num(self, picks: Callable[[str, bool, bool | None], bool]) -> int:
        """Return how many rows a condition on verdict, flag and label picks."""
        return sum(count for cell, count in self.cells.items() if picks(*cell))

    def second_reading(
        self, *, model: str, drops: bool, num_cut_off: int, why_unread: str, asked: int, usd: float | None,
        examples: tuple[tuple[int, str], ...],
    ) -> SecondReading:  # fmt: skip
        """Return the counts of both sides' flags."""
        num_read = self.num(lambda verdict, *_: bool(verdict))
        return SecondReading(
            model=model, num_rows=self.num_answers, num_read=num_read,
            sound=self.num(lambda verdict, *_: verdict == "sound"),
            wrong=self.num(lambda verdict, *_: verdict == "wrong"),
            unclear=self.num(lambda verdict, *_: verdict == "unclear"),
            drops=drops, checker=CHECKER, num_cut_off=num_cut_off,
            by_checker_alone=self.num(lambda verdict, flag, _: flag and verdict in ("sound", "unclear")),
            by_reader_alone=self.num(lambda verdict, flag, _: verdict == "wrong" and not flag),
            by_both=self.num(lambda verdict, flag, _: verdict == "wrong" and flag),
            why_unread=why_unread if num_read < self.num_answers else "", asked=asked, usd=usd, examples=examples,
        )  # fmt: skip

    def label_scores(self, label: Label, *, has_reader: bool) -> LabelScores:
        """Return how well each side finds the answers labelled wrong; with a reader, over the rows it read."""
        sides: dict[str, Callable[[str, bool], bool]] = {"checker": lambda _, flag: flag}
        if has_reader:
            sides |= {
                "reader": lambda verdict, _: verdict == "wrong",
                "both": lambda verdict, flag: flag and verdict == "wrong",
                "either": lambda verdict, flag: flag or verdict == "wrong",
            }

        def num(picks: Callable[[str, bool], bool], is_sound: bool) -> int:
            return self.num(
                lambda verdict, flag, given: given is is_sound and (bool(verdict) or not has_reader)
                and picks(verdict, flag)
            )  # fmt: skip

        num_sound, num_wrong = (num(lambda *_: True, is_sound) for is_sound in (True, False))
        scores = []
        for name, picks in sides.items():
            rightly, wrongly = num(picks, False), num(picks, True)
            scores.append(
                Score(
                    name=name, flagged=rightly + wrongly, rightly=rightly, precision=_share(rightly, rightly + wrongly),
                    recall=_share(rightly, num_wrong), false_alarms=_share(wrongly, num_sound),
                )
            )  # fmt: skip
        return LabelScores(
            label=f"{label.column}={label.sound}", num_sound=num_sound, num_wrong=num_wrong, scores=tuple(scores)
        )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
