"""Read another tool's file of outputs and match it to the questions by id. Mismatches are reported, never guessed.

A row holds an id and a text. The id is a problem's (`gsm8k-00042`), a draw's (`gsm8k-00042#1`) or, as `doc_id`, the
place of the question in its set; a row without an id holds the question itself. Several rows of one problem are its
draws, in the order of the file. The harness logs every reply once per filter; only the rows of the first filter are
read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeGuard, cast, get_args

from mathstrap.errors import InputError
from mathstrap.files.rows import iter_rows
from mathstrap.problems.wrappers import bare_question
from mathstrap.types import Completion, FinishReason, Problem, Reject, Request

ID_FIELDS = ("id", "request", "problem", "problem_id", "doc_id", "unique_id", "idx", "index")
# A number in one of these fields is the question's place in its set, counting from 0 or 1; a `doc_id` counts from 0.
PLACE_FIELDS = ("id", "problem_id", "idx", "index")
# Where a row without an id holds its question, alone or in the prompt around it.
QUESTION_FIELDS = ("question", "query", "input", "prompt", "instruction")
TEXT_FIELDS = (
    "text",
    "output",
    "completion",
    "response",
    "resps",
    "generated_text",
    "prediction",
    "model_prediction",
    "generation",
    "code",
)
# Ids that an error message names.
_SHOWN = 3


@dataclass(kw_only=True)
class Outputs:
    """The contents of a file of outputs: a reply per (problem, draw), and the rows that fit no question."""

    texts: dict[tuple[str, int], Completion] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    model: str = ""
    draws: int = 1


def read_outputs(
    path: Path | str,
    problems: Sequence[Problem],
    *,
    places: Mapping[str, int] | None = None,
    draws: int | None = None,
    on_bad: Literal["stop", "skip"] = "stop",
) -> Outputs:
    """Read a .jsonl, .csv or .parquet file of outputs (also lm-evaluation-harness samples) for these problems.

    `places` maps each problem to its row in the set, for rows with a `doc_id`; None counts the problems in order.
    `draws` None takes the commonest count in the file. Unknown ids, repeated draws and wrong counts raise one error
    that lists them; with on_bad "skip" the matching rows are used, the others become Rejects or stay unanswered.
    """
    path = Path(path)
    known = {problem.id for problem in problems}
    by_place: dict[str, dict[int, str]] = {}
    for problem in problems:
        ids = by_place.setdefault(problem.dataset, {})
        ids[len(ids) if places is None else places[problem.id]] = problem.id
    by_question: dict[str, str] = {}
    for problem in problems:
        key = question_key(problem.question)
        by_question[key] = "" if key in by_question else problem.id  # "" where two problems ask the same
    outputs = Outputs(model=f"{path.name}@{file_hash(path)}")
    extra: list[str] = []
    doubled: list[str] = []
    counts: Counter[str] = Counter()
    first_filter: Any = None
    base = first_place(path, len(problems))

    def reject(number: int, detail: str) -> None:
        outputs.rejects.append(
            Reject(id=f"{path.name}:{number}", stage="solve", reason="bad_row", detail=f"{path}:{number}: {detail}")
        )

    for number, row in iter_rows(path, bad=reject if on_bad == "skip" else None):
        if "filter" in row and "doc_id" in row:
            first_filter = row["filter"] if first_filter is None else first_filter
            if row["filter"] != first_filter:
                continue
        id_and_draw = find_id(row, by_place, known, base) or asked_in(row, by_question)
        texts = find_texts(row)
        if id_and_draw is None or texts is None:
            message = lacking(row, "id", ID_FIELDS) if id_and_draw is None else lacking(row, "text", TEXT_FIELDS)
            if on_bad == "stop":
                raise InputError(f"{path}:{number}: {message}.")
            reject(number, message)
            continue
        ident, draw = id_and_draw
        if ident not in known:
            extra.append(ident)
            reject(number, f'id "{ident}" is not a question of the benchmark')
            continue
        for text in texts:
            place = (ident, counts[ident] if draw is None else draw)
            if place in outputs.texts:
                doubled.append(f"{ident}#{place[1]}")
                reject(number, f"draw {place[1]} of {ident} is there twice")
                continue
            counts[ident] += 1
            outputs.texts[place] = to_completion(place, text, row)
    outputs.draws = draws if draws is not None else (Counter(counts.values()).most_common(1)[0][0] if counts else 1)
    complain(path, outputs, problems, counts, extra, doubled, on_bad)
    return outputs


def complain(
    path: Path, outputs: Outputs, problems: Sequence[Problem], counts: Mapping[str, int], extra: Sequence[str],
    doubled: Sequence[str], on_bad: str,
) -> None:  # fmt: skip
    """Raise InputError listing all mismatches, unless on_bad is "skip"."""
    missing = [problem.id for problem in problems if not counts.get(problem.id)]
    wanted = outputs.draws
    wrong = [
        f"{problem.id} ({counts[problem.id]})"
        for problem in problems
        if counts.get(problem.id, wanted) not in (0, wanted)
    ]
    over = [place for place in outputs.texts if place[1] >= wanted]
    numbered = [f"{problem}#{draw}" for problem, draw in over if counts[problem] <= wanted]
    parts = []
    for label, items in (
        ("questions without an answer", missing),
        ("ids of no question here", list(dict.fromkeys(extra))),
        ("draws given twice", doubled),
        (f"questions with {'more than one answer' if wanted == 1 else f'other than {wanted} answers'}", wrong),
        (f"draws numbered {wanted} or more (the first is 0)", numbered),
    ):
        if items:
            parts.append(f"{label}: {len(items)} ({', '.join(items[:_SHOWN])}{', ...' if len(items) > _SHOWN else ''})")
    if not outputs.texts:
        first = f" The first: {outputs.rejects[0].detail}." if outputs.rejects else ""
        raise InputError(f"{path}: no row answers a question of the benchmark.{first} Ids look like {problems[0].id}.")
    if parts and on_bad == "stop":
        raise InputError(
            f"{path}: {'; '.join(parts)}. Expected {wanted} for each of the {len(problems)} questions. "
            "Fix the file, or pass --on-bad skip to grade what fits and count the rest as unanswered."
        )
    for place in over:
        completion = outputs.texts.pop(place)
        outputs.rejects.append(
            Reject(id=completion.request, stage="solve", reason="bad_row", detail=f"{path}: more than {wanted} answers")
        )


def first_place(path: Path, num_problems: int) -> int:
    """Return the first number of a file with numeric ids: 1 where no id is 0 and one equals the number of questions."""
    row_numbers = [
        whole(next((row[name] for name in PLACE_FIELDS if name in row), None))
        for _, row in iter_rows(path, bad=lambda *_: None)
    ]
    numbers = {int(value) for value in row_numbers if is_count(value)}
    return int(0 not in numbers and num_problems in numbers)


def find_id(
    row: Mapping[str, Any], by_place: Mapping[str, Mapping[int, str]], known: Collection[str] = (), base: int = 0
) -> tuple[str, int | None] | None:
    """Return (problem, draw) of a row; draw None = by the order of the file.

    A `doc_id`, or a numeric `id`, is a place in the set, counted from `base` (a `doc_id` from 0), and needs a single
    benchmark.
    """
    for name in ID_FIELDS:
        value = whole(row.get(name))
        if isinstance(value, str) and name == "doc_id" and is_count(value):
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and name == "doc_id":
            if len(by_place) != 1:
                return None
            ids = next(iter(by_place.values()))
            return ids.get(value, f"doc_id {value}"), None
        if is_count(value) and (isinstance(value, int) or value not in known) and name in PLACE_FIELDS:
            if len(by_place) != 1:
                return None
            return next(iter(by_place.values())).get(int(value) - base, f"{name} {value}"), None
        if isinstance(value, str) and value.strip():
            problem, _, tail = value.strip().rpartition("#")
            if problem and is_count(tail):
                return problem, int(tail)
            draw = row.get("draw")
            return value.strip(), int(draw) if is_count(draw) else None
    return None


def asked_in(row: Mapping[str, Any], by_question: Mapping[str, str]) -> tuple[str, None] | None:
    """Return the problem whose question a row without an id repeats word for word, or None."""
    if not by_question or any(name in row for name in ID_FIELDS):
        return None
    texts = [row[name] for name in QUESTION_FIELDS if isinstance(row.get(name), str)]
    problem = next((found for text in texts if (found := by_question.get(question_key(text)))), None)
    return (problem, None) if problem else None


def question_key(text: str) -> str:
    """Return a question's words, without layout and without the prompt around it."""
    return " ".join(bare_question(text).split())


def whole(value: Any) -> Any:
    """Return a whole number that a spreadsheet wrote with a point (3.0, "3.0") without it; other values unchanged."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value[:-2] if isinstance(value, str) and value.endswith(".0") and is_count(value[:-2]) else value


def is_count(value: Any) -> TypeGuard[int | str]:
    """Say whether a value is a whole number from 0 to 999,999,999, also as text."""
    if isinstance(value, str):
        return value.isascii() and value.isdecimal() and len(value) < 10
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9


def find_texts(row: Mapping[str, Any]) -> list[str] | None:
    """Return the replies of a row: one text, or the lists of lm-evaluation-harness; None where there is none."""
    for name in TEXT_FIELDS:
        value = row.get(name)
        if isinstance(value, str):
            return [value]
        if isinstance(value, list):
            flat = [part for item in value for part in (item if isinstance(item, list) else [item])]
            if all(isinstance(part, str) for part in flat):
                return flat
    return None


def lacking(row: Mapping[str, Any], what: str, names: Sequence[str]) -> str:
    """Return the message for a row whose id or text is absent or unusable."""
    there = next((name for name in names if name in row), None)
    if there is not None:
        hint = "; a place in the set is a doc_id" if what == "id" and isinstance(row[there], int) else ""
        return f'"{there}" holds {row[there]!r:.40}, expected {what} as a string{hint}'
    have = ", ".join(sorted(map(str, row))[:12])
    return f"no {what} field (one of {', '.join(names)}; the row has: {have})"


def to_completion(place: tuple[str, int], text: str, row: Mapping[str, Any]) -> Completion:
    """Return the reply as the engine would have stored it, without its key, which is set when it is stored."""
    finish = row.get("finish_reason")
    finish = finish if finish in get_args(FinishReason) else "unknown"
    tokens = row.get("tokens_out")
    seconds = row.get("seconds")
    return Completion(
        request=f"{place[0]}#{place[1]}",
        key="",
        text=text,
        finish_reason=cast("FinishReason", finish),
        tokens_out=int(tokens) if is_count(tokens) else 0,
        seconds=float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < 1e9 else 0.0,
    )


def store_outputs(outputs: Outputs, requests: Sequence[Request], put: Any) -> int:
    """Pass every output to `put` as the reply to its request, and return their number."""
    import msgspec

    stored = 0
    for request in requests:
        problem, _, draw = request.id.rpartition("#")
        completion = outputs.texts.get((problem, int(draw)))
        if completion is not None:
            put(msgspec.structs.replace(completion, key=request.key, model=outputs.model))
            stored += 1
    return stored


def file_hash(path: Path) -> str:
    """Return ten hexadecimal digits over a file's bytes; raises InputError where it cannot be read."""
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=5).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
