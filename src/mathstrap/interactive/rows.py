"""Curation as functions of rows: the kept and the dropped rows, with reasons. Reads files too, but writes none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mathstrap.augment.renumber import rewrite
from mathstrap.curate.certificate import Certificate, certificate
from mathstrap.curate.decontaminate import DecontaminateOptions, Match, TestSetIndex, contaminated
from mathstrap.curate.dedup import DedupOptions, DuplicatePair, find_duplicates
from mathstrap.errors import InputError, counted
from mathstrap.files.given import rows_given
from mathstrap.files.rows import Row
from mathstrap.interactive.records import Records
from mathstrap.problems.columns import find_columns, question_of
from mathstrap.problems.load import SeedsOptions, source_rows
from mathstrap.problems.testsets import DEFAULT, load_test_sets
from mathstrap.types import Problem, Style


@dataclass(frozen=True, kw_only=True)
class Sifted:
    """The rows that stay, in order, and those that were dropped, each with its reason."""

    kept: Records[Row]
    dropped: Records[Row]

    def __repr__(self) -> str:
        return f"<{counted(len(self.kept), 'row')} kept, {len(self.dropped):,} dropped>"

    def _repr_html_(self) -> str:
        return self.kept._repr_html_() + self.dropped._repr_html_()


@dataclass(frozen=True, kw_only=True, repr=False)
class Deduplicated(Sifted):
    """The kept rows in order, and the dropped rows, each with `repeats`: the place, from 0, of the kept row it repeats.

    `pairs` are all similar pairs, by place, including those below the threshold.
    """

    pairs: list[DuplicatePair]


@dataclass(frozen=True, kw_only=True, repr=False)
class Decontaminated(Sifted):
    """The kept rows in order, the dropped rows, each with `overlaps`, and the certificate, which counts by test set."""

    certificate: Certificate


def dedup(
    rows: object,
    *,
    threshold: float = 0.8,
    numbers: Literal["differ", "ignore"] = "differ",
    method: Literal["minhash", "exact"] = "minhash",
    column: str = "",
) -> Deduplicated:
    """Drop questions that repeat an earlier one: equal after normalisation, or similar by at least `threshold`.

    `rows` may be a list of texts or mappings, a DataFrame, a Dataset or a file. With numbers "differ", questions with
    other numbers are different. `column` names the question column where the usual names do not.

    >>> result = dedup(["How many eggs do 5 boxes hold?", "How many  eggs do 5 boxes hold ?", "How many do 6 hold?"])
    >>> result
    <2 rows kept, 1 dropped>
    >>> result.dropped[0]["repeats"]
    0
    """
    questions = rows_of(rows, "dedup")
    options = DedupOptions(threshold=threshold, floor=min(threshold, 0.5), numbers=numbers, method=method)
    try:
        duplicates = find_duplicates(questions_of(questions, column, "dedup"), options)
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(f"dedup: {error}") from None
    repeats = {int(place): int(first) for place, first in duplicates.dropped().items()}
    return Deduplicated(
        kept=Records((row for place, row in enumerate(questions) if place not in repeats), name="rows kept"),
        dropped=Records(
            ({**questions[place], "repeats": first} for place, first in sorted(repeats.items())), name="rows dropped"
        ),
        pairs=duplicates.pairs,
    )


def decontaminate(
    rows: object,
    *,
    against: object = DEFAULT,
    data: str = "",
    column: str = "",
    options: DecontaminateOptions | None = None,
) -> Decontaminated:
    """Drop questions that test sets ask too, and certify the overlap.

    `against` are names of test sets (read from `data`, from the folder MATHSTRAP_DATA or from the hub), files, or the
    test questions themselves: a list of texts or mappings, a DataFrame, a Dataset.

    >>> test = [{"question": "A train leaves the old station at nine and drives for 3 hours. How far does it get?"}]
    >>> result = decontaminate(["What is 1 + 1?", test[0]["question"]], against=test)
    >>> result
    <1 row kept, 1 dropped>
    >>> result.certificate.overlaps[0].derived_items
    1
    """
    questions = rows_of(rows, "decontaminate")
    names = [against] if isinstance(against, str | Path) else against
    if isinstance(names, Sequence) and names and all(isinstance(name, str) and is_set_name(name) for name in names):
        sets = load_test_sets([str(name) for name in names], data=data)
    else:
        tests = rows_of(against, "decontaminate: against")
        sets = {"given": list(questions_of(tests, "", "decontaminate: against"))}
    try:
        index = TestSetIndex.build(sets, options)
    except ValueError as error:
        raise error if isinstance(error, InputError) else InputError(f"decontaminate: {error}") from None
    matches: list[Match] = []
    derived = questions_of(questions, column, "decontaminate")
    record = certificate(index, (), derived, seed_of=lambda place: place, on_match=matches.append)
    gone = {int(place): match for place, match in contaminated(matches, index.options).items()}
    return Decontaminated(
        kept=Records((row for place, row in enumerate(questions) if place not in gone), name="rows kept"),
        dropped=Records(
            (
                {**questions[place], "overlaps": f"{match.test_set} {match.test_id} ({match.kind} {match.score:.2f})"}
                for place, match in sorted(gone.items())
            ),
            name="rows dropped",
        ),
        certificate=record,
    )


def renumber(
    question: str,
    solution: str,
    answer: str | float,
    *,
    count: int = 1,
    rng_seed: int = 0,
    style: Style = "gsm8k",
    names: bool = False,
    distractor: bool = False,
) -> Records[Problem]:
    r"""Return the question with other numbers, its worked solution and its answer computed again; asks no teacher.

    The solution has GSM8K's marks, `<<3*6=18>>`, or is one equation. `names` changes the people's names too,
    `distractor` adds an irrelevant sentence. Raises InputError with the reason where the solution cannot be computed
    again; returns fewer than `count` where few numbers fit.

    >>> question = "Ida plants 6 rows of 30 tulips. How many tulips does she plant?"
    >>> rows = renumber(question, "6 * 30 = <<6*30=180>>180 tulips\n#### 180", 180, count=2)
    >>> [row.method for row in rows]
    ['renumber', 'renumber']
    >>> rows[0].solution.endswith(rows[0].answer)
    True
    """
    seed = Problem(
        id="question", dataset="question", style=style, question=question, solution=solution, answer=str(answer)
    )
    rewrites = rewrite(seed, count, rng_seed=rng_seed, names=names, distractor=distractor)
    problems = [row for row in rewrites if isinstance(row, Problem)]
    if not problems:
        raise InputError(f"renumber: {'; '.join(getattr(row, 'detail', '') for row in rewrites)}.")
    return Records(problems, name="questions", columns=("question", "answer", "solution"))


def rows_of(source: object, where: str) -> list[Row]:
    """Return the given rows, or those of a file, a folder or a hub dataset; a bad row of a file raises InputError."""
    if not isinstance(source, str | Path):
        return rows_given(source, where=where)

    def bad(number: int, reason: str) -> None:
        raise InputError(f"{source}:{number}: {reason}.")

    return [row for _, row in source_rows(SeedsOptions(source=str(source)), bad)]


def questions_of(rows: Sequence[Row], column: str, where: str) -> Iterable[tuple[str, str]]:
    """Yield (place as text, question) of each row; raises InputError for a row without one."""
    columns = find_columns(rows[0], {"query": column} if column else None, where=where)
    for place, row in enumerate(rows):
        question = question_of(row, columns)
        if not question:
            raise InputError(f'{where}[{place}]: no text for the question in "{columns.query or columns.chat}".')
        yield str(place), question


def is_set_name(name: str) -> bool:
    """Say whether a text names a test set or a file and is not a question."""
    from mathstrap.problems.benchmarks import BENCHMARKS

    bare = name.partition("=")[0]
    return bare in BENCHMARKS or name.startswith("hf:") or Path(name).exists() or " " not in name
