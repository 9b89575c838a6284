"""Read all questions of test sets for comparison, including those whose answers cannot be graded."""

from __future__ import annotations

from collections.abc import Sequence

from mathstrap.errors import InputError
from mathstrap.problems.benchmarks import BENCHMARKS, find_benchmark, open_rows
from mathstrap.problems.columns import find_columns, question_of
from mathstrap.problems.load import SeedsOptions, source_rows

# The usual test sets of models trained on such data; GSM-Hard has GSM8K's questions with other numbers.
DEFAULT = ("gsm8k", "math", "math500", "svamp", "asdiv", "mawps", "gsm-hard")


def load_test_sets(names: Sequence[str] = DEFAULT, *, data: str = "") -> dict[str, list[tuple[str, str]]]:
    """Return (id, question) of each test set: one of BENCHMARKS, `name=path`, a file or `hf:owner/name`.

    Named sets are read from the folder `data`, else from the folder MATHSTRAP_DATA, else from the hub. Raises
    InputError for an unknown name, an unreadable file, or one without questions.
    """
    return {name.partition("=")[0]: load_test_set(name, data=data) for name in names}


def load_test_set(name: str, *, data: str = "") -> list[tuple[str, str]]:
    """Return the (id, question) of one test set; ids count its rows from 0."""
    bare, _, path_given = name.partition("=")
    if bare not in BENCHMARKS and path_given:
        return file_questions(path_given)
    if bare not in BENCHMARKS and (name.startswith("hf:") or "/" in name or "." in name):
        return file_questions(name)
    benchmark = find_benchmark(bare)
    if benchmark.build:
        raise InputError(f'"{bare}" is built from {benchmark.of}. Compare with {benchmark.of} itself.')
    where, rows = open_rows(bare, benchmark, path_given, data)
    questions = []
    for number, row in enumerate(rows):
        shaped = benchmark.shape(row)
        if not isinstance(shaped, str):
            questions.append((str(number), shaped.question))
    if not questions:
        raise InputError(f"{where}: no question found for the test set {bare}.")
    return questions


def file_questions(source: str) -> list[tuple[str, str]]:
    """Return (row number, question) of any file or hub dataset with a column for the question."""
    questions: list[tuple[str, str]] = []
    columns = None
    for number, row in source_rows(SeedsOptions(source=source, split="test"), lambda *_: None):
        columns = columns or find_columns(row, where=source)
        text = question_of(row, columns)
        if text is not None:
            questions.append((str(number), text))
    if not questions:
        raise InputError(f"{source}: no question found. Expected rows with a question column.")
    return questions
