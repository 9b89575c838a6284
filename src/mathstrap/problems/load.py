r"""Load seed problems from files, the hub or the package. Every gold answer must pass its own grader.

Knows the shapes of the public sets (GSM8K's `####`, MATH's `\boxed`); knows nothing of models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from msgspec.structs import replace

from mathstrap.errors import InputError, suggest
from mathstrap.files.rows import OnBadRow, Row, iter_rows
from mathstrap.hub.rows import hub_rows
from mathstrap.types import Problem, Reject, Style

__all__ = ["LoadedProblems", "SeedsOptions", "iter_rows", "last_boxed", "load_problems"]

# Short names of public sets: hub repository and the configurations that make up the whole set.
HUB_SETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "gsm8k": ("openai/gsm8k", ("main",)),
    "math": (
        "EleutherAI/hendrycks_math",
        (
            "algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory",
            "prealgebra", "precalculus",
        ),
    ),
}  # fmt: skip
BUNDLED = ("gsm8k", "math")
# A question longer than this is a document, not a problem; it would not fit the few-shot prompt.
MAX_QUESTION_CHARS = 20_000
# Inline mathematics: no space inside the dollars, no digit behind the closing one.
FORMULA = re.compile(r"\$[^\s$](?:[^$\n]{0,200}[^\s$])?\$(?!\d)")
TAG_FIELDS = ("level", "type", "subject", "steps", "difficulty", "source")


@dataclass(frozen=True, kw_only=True)
class SeedsOptions:
    """Where seed problems come from.

    source    a path (.jsonl, .csv, .parquet), bundled:gsm8k, bundled:math, gsm8k, math, or hf:owner/name
    dataset   the name that ids begin with; empty = made from the source
    style     plain word problems (gsm8k), or LaTeX (math); empty = decided from the rows
    fields    our names (id, question, answer, solution, context) to the columns of the source
    config    of a set on the hub
    split     of a set on the hub
    offset    leave out so many rows at the start
    limit     take so many rows; null = all
    gold      "voted" reads questions without answers: the majority of the teacher's draws labels them
    on_bad    stop at a row that cannot be used, or skip it as a Reject
    """

    source: str = "bundled:gsm8k"
    dataset: str = ""
    style: Literal["", "gsm8k", "math"] = ""
    fields: dict[str, str] = field(default_factory=dict)
    config: str | None = None
    split: str = "train"
    offset: int = 0
    limit: int | None = None
    gold: Literal["given", "voted"] = "given"
    on_bad: Literal["stop", "skip"] = "stop"


@dataclass(frozen=True, kw_only=True)
class LoadedProblems:
    """Seed problems in source order, and the rows that fell out with `on_bad: skip`."""

    problems: list[Problem]
    rejects: list[Reject]
    source: str


def load_problems(options: SeedsOptions) -> LoadedProblems:
    """Read, shape and check the seeds of one source.

    Raises InputError naming file, line and reason at the first bad row unless `on_bad` is "skip"; always raises
    where the file is missing, empty, not UTF-8, or has duplicate ids.
    """
    check_fields(options)
    dataset = options.dataset or dataset_name(options)
    problems: list[Problem] = []
    rejects: list[Reject] = []
    seen: dict[str, int] = {}

    def bad(number: int, reason: str, code: str = "bad_row") -> None:
        where = f"{options.source}:{number}"
        if options.on_bad == "stop":
            raise InputError(f"{where}: {reason}. Fix the row or set seeds.on_bad=skip.")
        rejects.append(Reject(id=f"{dataset}-{number:05d}", stage="seeds", reason=code, detail=f"{where}: {reason}"))

    num_rows = 0
    for number, row in source_rows(options, bad):
        num_rows += 1
        if num_rows <= options.offset:
            continue
        if options.limit is not None and num_rows > options.offset + options.limit:
            break
        shaped = shape_row(row, options, dataset, number)
        if isinstance(shaped, str):
            bad(number, shaped)
            continue
        if shaped.id in seen:
            bad(number, f'id "{shaped.id}" was already used by row {seen[shaped.id]}')
            continue
        seen[shaped.id] = number
        if options.gold == "given" and not gold_passes(shaped):
            reason = f'the gold answer "{shorten(shaped.answer)}" is not recognised by the grader'
            bad(number, reason, "gold_fails_grader")
            continue
        problems.append(shaped)
    if not num_rows:
        raise InputError(f"{options.source}: no rows. Expected at least one question with its answer.")
    if not problems:
        if not rejects:
            raise InputError(f"{options.source}: no rows left after offset {options.offset}.")
        raise InputError(f"{options.source}: none of {num_rows} rows could be used; the first: {rejects[0].detail}.")
    if not options.style:
        problems = with_style(problems)
    return LoadedProblems(problems=problems, rejects=rejects, source=options.source)


def check_fields(options: SeedsOptions) -> None:
    """Raise InputError for a field map that names something other than our fields, or impossible bounds."""
    known = ["id", "question", "answer", "solution", "context", *TAG_FIELDS]
    for name in options.fields:
        if name not in known:
            raise InputError(f'seeds.fields: no such field "{name}".{suggest(name, known)}')
    if options.offset < 0 or (options.limit is not None and options.limit < 1):
        raise InputError("seeds: offset must be 0 or more and limit 1 or more.")


def dataset_name(options: SeedsOptions) -> str:
    """Return a short name for the ids: the source's stem in lower case, `mini-gsm8k` for the bundled sets."""
    source = options.source
    if source.startswith("bundled:"):
        return "mini-" + source.removeprefix("bundled:")
    if source.startswith("hf:"):
        return f"{slug(source.rpartition('/')[2])}-{slug(options.split)}"
    if source in HUB_SETS:
        return f"{source}-{slug(options.split)}"
    return slug(Path(source).stem)


def slug(text: str) -> str:
    """Return text fit for an id: letters, digits, dot and dash; never empty."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.").lower() or "x"


def source_rows(options: SeedsOptions, bad: OnBadRow) -> Iterator[tuple[int, Row]]:
    """Yield (number, row) of any source, numbers from 1 (for CSV and JSONL: the line)."""
    source = options.source
    if source.startswith("bundled:"):
        name = source.removeprefix("bundled:")
        if name not in BUNDLED:
            raise InputError(f'"{source}": no such bundled set.{suggest(name, list(BUNDLED))}')
        with resources.as_file(resources.files("mathstrap") / "bundled" / f"{name}.jsonl") as path:
            yield from iter_rows(path, bad=bad)
    elif source.startswith("hf:") or (source in HUB_SETS and not Path(source).exists()):
        yield from numbered_hub_rows(options)
    else:
        yield from iter_rows(Path(source), bad=bad)


def numbered_hub_rows(options: SeedsOptions) -> Iterator[tuple[int, Row]]:
    """Yield (number, row) of a dataset on the Hugging Face hub, streamed."""
    name, configs = HUB_SETS.get(options.source, (options.source.removeprefix("hf:"), (options.config,)))
    if options.config is not None:
        configs = (options.config,)
    help_text = (
        "Check the name, seeds.config and seeds.split, or the network; a file is read with seeds.source=FILE.jsonl."
    )
    rows = (hub_rows(name, config, options.split, help_text=help_text) for config in configs)
    yield from enumerate(chain.from_iterable(rows), 1)


def shape_row(row: Mapping[str, Any], options: SeedsOptions, dataset: str, number: int) -> Problem | str:
    """Turn a row into a seed problem, or say what is wrong with it."""
    fields = options.fields
    question = pick(row, fields.get("question"), ("question", "problem", "query", "input", "Question"))
    if isinstance(question, MissingField):
        return question.reason(row, "question")
    context = pick(row, fields.get("context"), ("body", "Body"))
    if isinstance(context, str) and context.strip():
        question = f"{context.strip()} {question}"
    gold = ("", "") if options.gold == "voted" else read_gold(row, fields)
    if isinstance(gold, str):
        return gold
    answer, solution = gold
    question = question.strip()
    if not question:
        return "the question is empty"
    if len(question) > MAX_QUESTION_CHARS:
        return f"the question has {len(question):,} characters, expected at most {MAX_QUESTION_CHARS:,}"
    given_id = pick(row, fields.get("id"), ("id",))
    if isinstance(given_id, MissingField):
        if "id" in fields:
            return given_id.reason(row, "id")
        given_id = f"{dataset}-{number - 1:05d}"
    tags = {name: row[fields.get(name, name)] for name in TAG_FIELDS if is_tag(row.get(fields.get(name, name)))}
    if options.gold == "voted":
        tags["gold"] = "voted"
    return Problem(
        id=safe_id(given_id), dataset=dataset, style=options.style or "gsm8k",
        question=question, answer=answer, solution=solution, tags=tags,
    )  # fmt: skip


def read_gold(row: Mapping[str, Any], fields: Mapping[str, str]) -> tuple[str, str] | str:
    """Return (gold answer, solution) of a row, or say what is wrong with it."""
    solution = pick(row, fields.get("solution"), ("solution", "rationale"))
    if isinstance(solution, MissingField):
        if "solution" in fields:
            return solution.reason(row, "solution")
        solution = ""
    answer = pick(row, fields.get("answer"), ("answer", "target", "Answer", "final_answer"))
    if isinstance(answer, MissingField):
        if "answer" in fields or not solution:
            return answer.reason(row, "answer")
        answer = ""
    if "####" in answer:
        solution, _, answer = answer.rpartition("####")
    if not answer.strip() and solution:
        boxed = last_boxed(solution)
        if boxed is None:
            return 'no answer field, and the solution has neither "####" nor \\boxed{}, so the gold answer is unknown'
        answer = boxed
    if not answer.strip():
        return "the gold answer is empty"
    return answer.strip(), solution.strip()


@dataclass(frozen=True)
class MissingField:
    """A field that a row lacks or holds in the wrong type."""

    name: str
    found: str

    def reason(self, row: Mapping[str, Any], ours: str) -> str:
        """Return the sentence for the user, with the fields the row does have."""
        if self.found:
            return f'field "{self.name}" holds {self.found}, expected text'
        have = ", ".join(sorted(map(str, row))[:12])
        hint = ", or seeds.gold=voted if there is none" if ours == "answer" else ""
        return f'no field "{self.name}" for the {ours} (the row has: {have}); set seeds.fields.{ours}=COLUMN{hint}'


def pick(row: Mapping[str, Any], mapped: str | None, usual: tuple[str, ...]) -> str | MissingField:
    """Return a field as text: the mapped column, else the first usual one present."""
    for name in (mapped,) if mapped else usual:
        if name not in row:
            continue
        value = row[name]
        if isinstance(value, str):
            return value
        if isinstance(value, bool) or value is None or value != value:
            return MissingField(name, "null" if value is None else repr(value))
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        return MissingField(name, f"a {type(value).__name__}")
    return MissingField(mapped or usual[0], "")


def is_tag(value: Any) -> bool:
    """Say whether a column's value is fit for a tag: a short scalar."""
    return isinstance(value, (int, float, bool)) or (isinstance(value, str) and 0 < len(value) <= 100)


def last_boxed(solution: str) -> str | None:
    r"""Return the inside of the last `\boxed{}`, braces balanced; None where there is none."""
    from mathstrap.verify.find.extract import extract_boxed

    found = extract_boxed(solution)
    return found.answer if found else None


def looks_like_math(problem: Problem) -> bool:
    """Say whether a question or its answer carries LaTeX; the dollars of "$5 and spent $3" are money."""
    text = f"{problem.question}\n{problem.answer}"
    return "\\" in text or FORMULA.search(text) is not None


def with_style(problems: list[Problem]) -> list[Problem]:
    """Give all problems of a source one style: math where a fifth of them carry LaTeX, for not every question does."""
    style: Style = "math" if sum(map(looks_like_math, problems)) >= 0.2 * len(problems) else "gsm8k"
    return [replace(problem, style=style) for problem in problems]


def safe_id(text: str) -> str:
    """Return an id without the characters that lineage uses (`/`, `#`) or that a path or URL would."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", text.strip()).strip(".-")[:120]
    return cleaned or "x"


def gold_passes(problem: Problem) -> bool:
    """Say whether the grader accepts the gold answer as an answer to itself."""
    from mathstrap.verify import grade

    return grade(problem.answer, problem.answer).outcome == "correct"


def shorten(text: str, length: int = 60) -> str:
    """Return text cut to a length for a message, with an ellipsis."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
