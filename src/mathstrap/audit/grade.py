"""Grade a file of answers: write its rows with `outcome`, `got`, `tier` and `reason`. Streams the file.

Knows nothing of how answers are compared; `verify` does that.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mathstrap.errors import InputError
from mathstrap.files.rows import Row, iter_rows
from mathstrap.files.tables import replacing
from mathstrap.problems.columns import Columns, find_columns, gold_of, question_of
from mathstrap.problems.presets import has_value, value_at
from mathstrap.verify import Form, Grade, Mode, grade, grader_named
from mathstrap.verify.fallback import Fallback

# Rows that a worker takes at a time; a file of any size streams through.
ROWS_PER_CHUNK = 500
COLUMNS = ("outcome", "got", "tier", "reason")
Chunk = list[Row]


class GradePair(NamedTuple):
    """A gold answer, the prediction graded against it, and their question; "" where the file has none."""

    gold: str
    prediction: str
    question: str = ""


@dataclass(frozen=True, kw_only=True)
class VerifyFileOptions:
    """How a file is graded; `gold`, `prediction` and `question` are columns, `workers` counts processes.

    An empty `question` stands for the question's column of a format that is known, if the file has one: a reply that
    only repeats its question holds no answer.
    """

    gold: str = "gold"
    prediction: str = "prediction"
    question: str = ""
    form: Form = "auto"
    grader: str = "math"
    mode: Mode = "strict"
    workers: int = 1
    math_verify: bool = False


@dataclass(kw_only=True)
class VerifySummary:
    """The result of grading a file."""

    rows: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)

    @property
    def accuracy(self) -> float:
        """The share of rows that are correct; 0 for an empty file."""
        return self.outcomes["correct"] / self.rows if self.rows else 0.0


def verify_file(
    path: Path,
    options: VerifyFileOptions,
    *,
    out: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> VerifySummary:
    """Grade every row of a JSONL, CSV or Parquet file, in order, and write the rows with their verdicts to `out`.

    `out` is .jsonl or .parquet, written whole or not at all. `progress` is called with the rows done so far. Raises
    InputError for a missing column, a value that is not text, or an unknown grader.
    """
    grader_named(options.grader)
    if options.workers < 1:
        raise InputError(f"workers is {options.workers}. Expected at least 1.")
    if out is not None and out.suffix.lower() not in (".jsonl", ".parquet"):
        raise InputError(f'{out}: cannot write "{out.suffix}" files. Name a .jsonl or .parquet file.')
    if out is not None and not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such directory. Create it, or name another file for the result.")
    summary = VerifySummary()
    began = time.perf_counter()
    with ExitStack() as stack:
        fallback = stack.enter_context(Fallback()) if options.math_verify else None
        graded = _graded(path, options, fallback, stack)
        rows = _counted(graded, summary, progress)
        if out is None:
            deque(rows, maxlen=0)
        elif out.suffix.lower() == ".parquet":
            _write_parquet(out, rows)
        else:
            with replacing(out) as temporary, temporary.open("wb") as file:
                file.writelines(msgspec.json.encode(row) + b"\n" for row in rows)
    summary.seconds = time.perf_counter() - began
    return summary


def _chunks(path: Path, options: VerifyFileOptions) -> Iterator[tuple[Chunk, list[GradePair]]]:
    rows = iter_rows(path)
    columns: tuple[str, str] | None = None
    known = asked = Columns()
    while numbered := list(islice(rows, ROWS_PER_CHUNK)):
        if columns is None:
            columns = _columns(numbered[0][1], options)
            known = replace(find_columns(numbered[0][1], needs_question=False), gold=columns[0])
            asked = _question_columns(numbered[0][1], columns, options)
        gold, prediction = columns
        has_choices = bool(known.options or known.lettered)
        pairs = [
            GradePair(
                (has_choices and gold_of(row, known)) or _text(path, number, row, gold),
                _text(path, number, row, prediction),
                _text(path, number, row, options.question) if options.question else question_of(row, asked) or "",
            )
            for number, row in numbered
        ]
        yield [row for _, row in numbered], pairs


def _columns(row: Row, options: VerifyFileOptions) -> tuple[str, str]:
    """Return the columns of gold and prediction: those named, else those of a known format.

    A column that the user names and the file lacks is an error, never replaced by another one.
    The `gold` of older samples is "given" or "voted", the origin of the gold and not an answer.
    """
    known = find_columns(row, needs_question=False)
    is_given = has_value(row, options.gold) and row.get(options.gold) not in ("given", "voted")
    gold = options.gold if is_given or options.gold != "gold" else known.gold or options.gold
    if has_value(row, options.prediction) or options.prediction != "prediction":
        return gold, options.prediction
    return gold, known.response or options.prediction


def _question_columns(row: Row, taken: tuple[str, str], options: VerifyFileOptions) -> Columns:
    """Return where a row's question stands, without its choices; nothing where it is what is graded.

    A choice's own text may be the answer, so choices are not part of what a reply must not repeat.
    """
    known = find_columns(row, needs_question=False)
    if options.question or known.query in taken or known.chat in taken:
        return Columns()
    return replace(known, options="", lettered=())


def _text(path: Path, number: int, row: Row, column: str) -> str:
    if not has_value(row, column):
        names = ", ".join(f'"{name}"' for name in row)
        raise InputError(
            f'{path}:{number}: no column "{column}". Found {names}. Name it with --gold, --prediction or --question.'
        )
    value = value_at(row, column)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value)
    raise InputError(f'{path}:{number}: "{column}" holds a {type(value).__name__}, expected text or a number.')


def grade_pairs(pairs: list[GradePair], options: VerifyFileOptions) -> list[Grade]:
    """Grade a chunk; runs in a worker process."""
    return [
        grade(
            pair.gold,
            pair.prediction,
            grader=options.grader,
            form=options.form,
            mode=options.mode,
            question=pair.question,
        )
        for pair in pairs
    ]


def _graded(
    path: Path, options: VerifyFileOptions, fallback: Fallback | None, stack: ExitStack
) -> Iterator[tuple[Row, Grade]]:
    """Yield each row with its verdict in file order; workers stay a few chunks ahead of the consumer."""
    results: Iterable[tuple[Chunk, list[Grade]]]
    if options.workers == 1:
        results = ((rows, grade_pairs(pairs, options)) for rows, pairs in _chunks(path, options))
    else:
        pool = stack.enter_context(ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")))
        results = _in_pool(pool, path, options)
    for rows, verdicts in results:
        for row, verdict in zip(rows, verdicts, strict=True):
            yield row, verdict if fallback is None else fallback.settle(verdict)


def _in_pool(pool: ProcessPoolExecutor, path: Path, options: VerifyFileOptions) -> Iterator[tuple[Chunk, list[Grade]]]:
    waiting: deque[tuple[Chunk, Future[list[Grade]]]] = deque()
    for rows, pairs in _chunks(path, options):
        waiting.append((rows, pool.submit(grade_pairs, pairs, options)))
        if len(waiting) > 2 * options.workers:
            first, future = waiting.popleft()
            yield first, future.result()
    for rows, future in waiting:
        yield rows, future.result()


def _counted(
    graded: Iterator[tuple[Row, Grade]], summary: VerifySummary, progress: Callable[[int], None] | None
) -> Iterator[dict[str, Any]]:
    for row, verdict in graded:
        summary.rows += 1
        summary.outcomes[verdict.outcome] += 1
        summary.tiers[verdict.tier] += 1
        if progress is not None and summary.rows % ROWS_PER_CHUNK == 0:
            progress(summary.rows)
        yield row | {"outcome": verdict.outcome, "got": verdict.got, "tier": verdict.tier, "reason": verdict.reason}


def _write_parquet(out: Path, rows: Iterator[dict[str, Any]]) -> None:
    import pyarrow
    import pyarrow.parquet

    with replacing(out) as temporary, ExitStack() as stack:
        writer: Any = None
        schema: Any = None
        while chunk := list(islice(rows, 20_000)):
            try:
                table = pyarrow.Table.from_pylist(chunk, schema=schema)
            except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError) as error:
                raise InputError(f"{out}: the rows do not fit one table ({error}). Write .jsonl instead.") from None
            if writer is None:
                schema = table.schema
                writer = stack.enter_context(pyarrow.parquet.ParquetWriter(temporary, schema, compression="zstd"))
            writer.write_table(table)
        if writer is None:
            fields = [(name, pyarrow.string()) for name in COLUMNS]
            pyarrow.parquet.write_table(
                pyarrow.table({name: [] for name in COLUMNS}, pyarrow.schema(fields)), temporary
            )
