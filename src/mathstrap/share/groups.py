"""Read questions with their graded draws from a run or from any file of rows, one question in memory at a time.

Knows nothing of training formats.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby, zip_longest
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from mathstrap.curate.difficulty import pass_rate
from mathstrap.errors import InputError
from mathstrap.files.lines import open_file
from mathstrap.files.rows import Row, iter_rows
from mathstrap.files.rundir import RunDir
from mathstrap.problems.columns import Columns, chat_text, find_columns, question_of, response_of, text_of
from mathstrap.share.reward import Missing, assess, golds_of
from mathstrap.types import (
    Candidate,
    Outcome,
    Problem,
    Reject,
    Style,
    Verdict,
    problem_of,
    root_of,
    roots_of,
    type_of,
)

Instruction = Literal["boxed", "answer", "hash", "none"]

# The sentence that asks for the final answer; the reward reads each of these layouts.
INSTRUCTIONS: dict[Instruction, str] = {
    "boxed": "Reason step by step, and put the final answer in \\boxed{}.",
    "answer": "Reason step by step, and end with the line `The answer is: X`.",
    "hash": "Reason step by step, and end with the line `#### X`, where X is the final answer.",
    "none": "",
}
# Further columns of files from other tools, beyond those of problems/columns.py; the likeliest names come first.
MORE_COLUMNS: dict[str, tuple[str, ...]] = {
    "label": ("label", "correct", "is_correct", "score", "reward"),
    "pass_rate": ("pass_rate", "solve_rate", "accuracy"),
    "draws": ("num_draws", "draws", "n"),
    "tokens": ("tokens", "tokens_out", "num_tokens", "completion_tokens"),
    "reasoning": ("reasoning", "reasoning_content", "thinking"),
    "teacher": ("teacher", "model", "generator"),
}
# A line's offset and length share one integer, which takes a third of a tuple's memory; lines may have 256 MiB.
_LENGTH_BITS = 28
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """One reply to a question: its curated text, the answer it states and its verdict.

    `is_true` means that curation checked its equations and all are true; if false, they may not have been checked.
    """

    id: str
    text: str
    answer: str
    outcome: Outcome
    tokens: int | None = None
    reasoning: str = ""
    teacher: str = ""
    is_true: bool = False


class DrawGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A question with its gold and its draws; `num_silent` draws stated no answer, or were cut off.

    `known_rate` and `known_draws` come from the columns of a file that holds no draws. `more_seeds` are the seeds of
    further parents.
    """

    id: str
    question: str
    gold: str
    dataset: str = ""
    style: Style = "gsm8k"
    method: str = "seed"
    seed: str = ""
    original_question: str = ""
    gold_source: str = "given"
    draws: tuple[Draw, ...] = ()
    num_silent: int = 0
    known_rate: float | None = None
    known_draws: int = 0
    more_seeds: tuple[str, ...] = ()

    @property
    def seeds(self) -> tuple[str, ...]:
        """All seeds that the question descends from."""
        return (self.seed, *self.more_seeds)

    @property
    def num_correct(self) -> int:
        """Correct draws."""
        return sum(draw.outcome == "correct" for draw in self.draws)

    @property
    def num_decided(self) -> int:
        """Draws that are correct or wrong; one without an answer is wrong."""
        return self.num_silent + sum(draw.outcome != "undecided" for draw in self.draws)

    @property
    def pass_rate(self) -> float | None:
        """The share of decided draws that are correct; None where there are none."""
        return self.known_rate if self.known_rate is not None else pass_rate(self.num_correct, self.num_decided)

    def columns(self) -> Row:
        """Return the columns that describe the question, the same in every format."""
        teachers = sorted({draw.teacher for draw in self.draws})
        return {
            "id": self.id, "seed": self.seed, "dataset": self.dataset, "type": type_of(self.style, self.method),
            "gold": self.gold, "gold_source": self.gold_source, "pass_rate": self.pass_rate,
            "num_draws": self.known_draws or len(self.draws) + self.num_silent,
            "num_correct": self.num_correct if self.draws or self.known_rate is None
            else round(self.known_rate * self.known_draws),
            "teacher": ", ".join(name for name in teachers if name),
            "pass_rate_by_teacher": [self._rate_of(name) for name in teachers],
        }  # fmt: skip

    def _rate_of(self, teacher: str) -> dict[str, Any]:
        own = [draw for draw in self.draws if draw.teacher == teacher and draw.outcome != "undecided"]
        right = sum(draw.outcome == "correct" for draw in own)
        return {"teacher": teacher, "num_draws": len(own), "num_correct": right}


def ask_in(instruction: Instruction, question: str) -> str:
    """Return the question with the sentence that asks for the layout of the final answer."""
    sentence = INSTRUCTIONS[instruction]
    return f"{question}\n\n{sentence}" if sentence else question


def groups_in(path: Path, fields: Mapping[str, str], *, left_out: Counter[str] | None = None) -> Iterator[DrawGroup]:
    """Yield the questions of a run directory, or of a file of rows; `left_out` counts the rows that cannot be used."""
    if path.is_dir():
        if fields:
            raise InputError(f"{path}: a run's records have their own columns; --field is for files of other tools.")
        return groups_of_run(RunDir.read(path))
    return groups_of_file(path, fields, left_out=Counter() if left_out is None else left_out)


# A run


def groups_of_run(run: RunDir, *, with_checks: bool = False) -> Iterator[DrawGroup]:
    """Yield every question of a run that was answered, in id order, with all its draws; flagged ones are left out.

    `with_checks` fills each draw's `is_true`, which costs a pass over the samples.
    """
    for name in ("problems", "candidates", "verdicts"):
        if not run.has(name):
            raise InputError(f"{run.path}: holds no {name}.jsonl. Run the recipe to its end first.")
    flags = run.flags()
    silent = silent_draws(run)
    replies = reply_rows(run)
    with ProblemFile(run) as file, Replies(run, replies) as known:
        only_silent = sorted(name for name in silent if name in file.places)
        known.true = true_samples(run) if with_checks else frozenset()
        place = 0
        for problem_id, graded in groupby(_graded(run), key=lambda pair: pair[0].problem):
            while place < len(only_silent) and only_silent[place] < problem_id:
                if group := _group(file, only_silent[place], (), silent, flags):
                    yield group
                place += 1
            if place < len(only_silent) and only_silent[place] == problem_id:
                place += 1
            draws = tuple(known.draw(*pair) for pair in graded if pair[0].id not in flags)
            if group := _group(file, problem_id, draws, silent, flags):
                yield group
        for problem_id in only_silent[place:]:
            if group := _group(file, problem_id, (), silent, flags):
                yield group


def _graded(run: RunDir) -> Iterator[tuple[Candidate, Verdict]]:
    """Yield each candidate with its verdict; one whose partner is missing or cannot be read is left out.

    Both files have the same order, so at most as many records wait for a partner as lines are missing.
    """
    candidates: dict[str, Candidate] = {}
    verdicts: dict[str, Verdict] = {}
    last = ""
    rows = zip_longest(run.read_records("candidates", Candidate), run.read_records("verdicts", Verdict))
    for candidate, verdict in rows:
        is_paired = candidate is not None and verdict is not None and candidate.id == verdict.candidate != last
        if candidate and verdict and is_paired and not candidates and not verdicts:  # nearly every line
            last = candidate.id
            yield candidate, verdict
            continue
        if candidate is not None:
            candidates[candidate.id] = candidate
        if verdict is not None:
            verdicts[verdict.candidate] = verdict
        for name in dict.fromkeys(row for row in (candidate and candidate.id, verdict and verdict.candidate) if row):
            if name in candidates and name in verdicts and name != last:  # a doubled line is one draw
                last = name
                yield candidates.pop(name), verdicts.pop(name)
    if candidates or verdicts:
        run.tell(f"{run.path}: {len(candidates) + len(verdicts):,} draws without an answer or a verdict are left out.")


def _group(
    file: ProblemFile, problem_id: str, draws: tuple[Draw, ...], silent: Mapping[str, int], flags: Mapping[str, str]
) -> DrawGroup | None:
    if problem_id in flags or root_of(problem_id) in flags:
        return None
    problem = file.read(problem_id)
    seed_id = root_of(problem_id)
    seed = problem if seed_id == problem_id else file.read(seed_id)
    if problem is None or not problem.answer:
        return None
    more_seeds = roots_of(problem)[1:]
    if any(root in flags for root in more_seeds):
        return None
    seed = seed or problem
    is_voted = "voted" in (problem.tags.get("gold"), seed.tags.get("gold"))
    return DrawGroup(
        id=problem.id, question=problem.question, gold=problem.answer, dataset=seed.dataset, style=problem.style,
        method=problem.method, seed=seed_id, original_question=seed.question,
        gold_source="voted" if is_voted else "given",
        draws=draws, num_silent=silent.get(problem_id, 0), more_seeds=more_seeds,
    )  # fmt: skip


class ProblemFile:
    """A run's problems, read one at a time by id; about 150 bytes of memory a problem."""

    def __init__(self, run: RunDir) -> None:
        path = run.path / "problems.jsonl"
        self.decode = msgspec.json.Decoder(Problem).decode
        self.places: dict[str, int] = {}  # offset << 28 | length
        for problem, line in run.records_with_places("problems", Problem):
            self.places[problem.id] = line.offset << _LENGTH_BITS | len(line.text)
        self.file = open_file(path)

    def __enter__(self) -> ProblemFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def read(self, problem_id: str) -> Problem | None:
        """Return a problem, or None where the run has no problem of that id."""
        place = self.places.get(problem_id)
        if place is None:
            return None
        return self.decode(os.pread(self.file.fileno(), place & _LENGTH_MASK, place >> _LENGTH_BITS))


def silent_draws(run: RunDir) -> Counter[str]:
    """Count, by problem, the draws that gave no candidate: cut off, empty, without an answer."""
    silent: Counter[str] = Counter()
    if run.has("rejects"):
        for reject in run.read_records("rejects", Reject):
            if reject.stage == "solve" and "#" in reject.id:
                silent[problem_of(reject.id)] += 1
    return silent


class _SampleTags(msgspec.Struct):
    id: str
    tags: dict[str, Any] = {}


def true_samples(run: RunDir) -> frozenset[str]:
    """Return the ids of samples whose equations curation found true: those without the tag `bad_arithmetic`."""
    if not run.has("samples") or "mathstrap" not in run.manifest:  # samples of other tools were never checked
        return frozenset()
    checked = run.read_records("samples", _SampleTags)
    return frozenset(sample.id for sample in checked if "bad_arithmetic" not in sample.tags)


def reply_rows(run: RunDir) -> dict[str, int]:
    """Return the index row of each draw's reply; the later one where a changed prompt was asked again."""
    return {name.partition("\0")[0]: row for name, row in run.index("solve").rows.items()}


class _PaidReply(msgspec.Struct):
    """The fields of a Completion that exports need; its text, the longest field, is not decoded."""

    tokens_out: int = 0
    reasoning: str = ""
    model: str = ""


class Replies:
    """The paid replies of a run: tokens, reasoning and model of a draw, read from disk one at a time."""

    def __init__(self, run: RunDir, rows: Mapping[str, int]) -> None:
        path = run.path / "completions-solve.jsonl"
        self.rows = rows
        self.index = run.index("solve")
        self.file: IO[bytes] | None = open_file(path) if rows and path.exists() else None
        self.decode = msgspec.json.Decoder(_PaidReply).decode
        self.teacher = str((run.manifest.get("teacher") or {}).get("model", ""))
        self.true: frozenset[str] = frozenset()

    def __enter__(self) -> Replies:
        return self

    def __exit__(self, *_: object) -> None:
        if self.file is not None:
            self.file.close()

    def draw(self, candidate: Candidate, verdict: Verdict) -> Draw:
        """Return a draw; tokens, reasoning and model stay empty where the run's replies were deleted."""
        reply = None
        row = self.rows.get(candidate.id)
        if self.file is not None and row is not None:
            offset, length = self.index.place(row)
            reply = self.decode(os.pread(self.file.fileno(), length, offset))
        return Draw(
            id=candidate.id, text=candidate.text, answer=candidate.answer, outcome=verdict.outcome,
            tokens=reply.tokens_out if reply and reply.tokens_out else None,
            reasoning=reply.reasoning if reply else "",
            teacher=(reply.model if reply else "") or self.teacher, is_true=candidate.id in self.true,
        )  # fmt: skip


# A file of another tool

# Why a row of a file says nothing of a question; where no row does, it is its columns that were not recognised.
NO_QUESTION = "row has no question"
NO_LABEL = "row has neither a gold answer nor a label"
NO_RESPONSE = "row has neither a gold answer nor a response"
NO_ROW = "row cannot be read"
UNREADABLE_ROWS = frozenset({NO_QUESTION, NO_LABEL, NO_RESPONSE, NO_ROW})


class _FileRow(msgspec.Struct, frozen=True):
    question: str
    gold: str
    original: str
    draw: Draw | None
    rate: float | None
    num_draws: int


def groups_of_file(path: Path, fields: Mapping[str, str], *, left_out: Counter[str]) -> Iterator[DrawGroup]:
    """Yield the questions of a file of rows in order of first appearance, with all rows of each question.

    Rows are graded against their gold; without a gold, the label column decides. The texts wait in a temporary file,
    so memory holds a few bytes for each row.
    """
    with tempfile.TemporaryFile() as spool:
        offsets: dict[bytes, array[int]] = {}
        size = 0
        for row in _file_rows(path, fields, left_out):
            line = msgspec.json.encode(row)
            digest = hashlib.blake2b(" ".join(row.question.split()).encode("utf-8", "replace"), digest_size=12)
            offsets.setdefault(digest.digest(), array("q")).append(size << _LENGTH_BITS | len(line))
            spool.write(line)
            size += len(line)
        spool.flush()
        decode = msgspec.json.Decoder(_FileRow).decode
        for number, places in enumerate(offsets.values()):
            rows = [decode(os.pread(spool.fileno(), p & _LENGTH_MASK, p >> _LENGTH_BITS)) for p in places]
            yield _group_of_rows(rows, f"{path.stem}-{number:06d}", path.stem)


def _group_of_rows(rows: list[_FileRow], group_id: str, dataset: str) -> DrawGroup:
    first = rows[0]
    draws = tuple(
        msgspec.structs.replace(row.draw, id=row.draw.id or f"{group_id}#{place}")
        for place, row in enumerate(rows)
        if row.draw is not None
    )
    style: Style = "math" if "\\" in first.question or "$" in first.gold or "\\" in first.gold else "gsm8k"
    return DrawGroup(
        id=group_id, question=first.question, gold=next((row.gold for row in rows if row.gold), ""), dataset=dataset,
        style=style, seed=group_id, original_question=first.original or first.question, draws=draws,
        known_rate=None if draws else first.rate, known_draws=0 if draws else first.num_draws,
    )  # fmt: skip


def _file_rows(path: Path, fields: Mapping[str, str], left_out: Counter[str]) -> Iterator[_FileRow]:
    columns: Columns | None = None
    more: dict[str, str] = {}

    def bad(number: int, reason: str) -> None:
        del number, reason
        left_out[NO_ROW] += 1

    for _, row in iter_rows(path, bad=bad):
        if columns is None:
            more = _more_columns(row, fields, str(path))
            given = {part: column for part, column in fields.items() if part not in MORE_COLUMNS}
            columns = find_columns(row, given, where=str(path))
            taken = {columns.gold, columns.response, columns.query}
            more = {part: column for part, column in more.items() if column not in taken or part in fields}
        file_row = _file_row(row, columns, more)
        if isinstance(file_row, str):
            left_out[file_row] += 1
        else:
            yield file_row
    if columns is None and not left_out:
        raise InputError(f"{path}: holds no rows.")


def _more_columns(row: Row, fields: Mapping[str, str], where: str) -> dict[str, str]:
    columns = {}
    for part, names in MORE_COLUMNS.items():
        column = fields.get(part) or next((name for name in names if name in row), "")
        if column and column not in row:
            raise InputError(
                f'{where}: no column "{column}" for the {part}. The rows have: {", ".join(map(str, row))}.'
            )
        if column:
            columns[part] = column
    return columns


def _file_row(row: Row, columns: Columns, more: Mapping[str, str]) -> _FileRow | str:
    question = question_of(row, columns)
    if question is None and columns.query and isinstance(row.get(columns.query), list):
        question = chat_text(row, columns.query, ("user", "human"), last=True)
    if not question or not question.strip():
        return NO_QUESTION
    gold = _gold_of(row, columns)
    response = response_of(row, columns)
    if response is None and columns.response and isinstance(row.get(columns.response), list):
        response = chat_text(row, columns.response, ("assistant", "gpt"), last=True)
    draw = None
    if response and response.strip():
        outcome, answer = _outcome_of(row, response, gold, more)
        if outcome is None:
            return NO_LABEL
        draw = Draw(
            id=text_of(row, columns.id) or "", text=response.strip(), answer=answer, outcome=outcome,
            tokens=_int_of(row, more.get("tokens")), reasoning=text_of(row, more.get("reasoning", "")) or "",
            teacher=text_of(row, more.get("teacher", "")) or "",
        )  # fmt: skip
    elif not gold:
        return NO_RESPONSE
    rate = _number_of(row, more.get("pass_rate"))
    return _FileRow(
        question, gold, text_of(row, columns.original) or "", draw, rate if rate is None or 0 <= rate <= 1 else None,
        _int_of(row, more.get("draws")) or 0,
    )  # fmt: skip


def _gold_of(row: Row, columns: Columns) -> str:
    value = row.get(columns.gold) if columns.gold else row.get("reward_model", row.get("solution"))
    golds = golds_of(value)
    return "" if isinstance(golds, Missing) else golds[0]


def _outcome_of(row: Row, response: str, gold: str, more: Mapping[str, str]) -> tuple[Outcome | None, str]:
    if gold:
        scored = assess(response, gold)
        return scored.outcome, scored.got
    label = row.get(more.get("label", ""))
    if isinstance(label, bool | int | float) and label == label:
        return ("correct" if label > 0 else "wrong"), ""
    if isinstance(label, str) and label.lower() in ("correct", "true", "1", "wrong", "false", "0", "incorrect"):
        return ("correct" if label.lower() in ("correct", "true", "1") else "wrong"), ""
    return None, ""


def _number_of(row: Row, column: str | None) -> float | None:
    value = row.get(column) if column else None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value == value else None


def _int_of(row: Row, column: str | None) -> int | None:
    value = _number_of(row, column)
    return int(value) if value is not None and abs(value) < 1e15 else None
