"""Load seed problems from files, the hub or the package, and check every question and gold before a request is paid.

`presets` finds the columns, `golds` checks golds; knows nothing of models.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from msgspec.structs import replace

from mathstrap.errors import InputError, check_least, check_name, counted, suggest
from mathstrap.files.rows import OnBadRow, Row, Starts, iter_rows, place_of
from mathstrap.hub.rows import hub_rows
from mathstrap.patterns import regex
from mathstrap.problems.choices import choice_named, choices_of, label_of, with_choices
from mathstrap.problems.columns import as_text
from mathstrap.problems.golds import BadGold, Gold, GoldShapes, last_boxed, read_gold, shorten
from mathstrap.problems.presets import (
    PRESETS,
    Layout,
    chat_of,
    has_value,
    json_value,
    layout_of,
    value_at,
)
from mathstrap.problems.questions import join_context, mend_gaps, question_fault, without_markup
from mathstrap.problems.wrappers import bare_question, wrapper_of
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
FORMULA = regex(r"\$[^\s$](?:[^$\n]{0,200}[^\s$])?\$(?!\d)")
TAG_FIELDS = ("level", "type", "subject", "steps", "difficulty", "source")
# Bad rows that a message shows, and rows without a single good one after which reading stops.
SHOWN = 5
HOPELESS = 2_000
# Columns in which a dataset marks its own invalid rows, with the value of a valid row.
VALID = {"problem_is_valid": "yes", "solution_is_valid": "yes", "question_is_valid": "yes"}


@dataclass(frozen=True, kw_only=True)
class SeedsOptions:
    """Where seed problems come from.

    source    a file (.jsonl, .json, .csv, .tsv, .parquet, .xlsx; packed too), a folder, a glob, bundled:gsm8k,
              bundled:math, gsm8k, math, or hf:owner/name
    dataset   the name that ids begin with; empty = made from the source
    style     plain word problems (gsm8k), or LaTeX (math); empty = decided from the rows
    preset    the format, by its name in `problems/presets.py` (verl, aqua, numina, ...); empty = by the columns
    fields    our names (id, question, answer, solution, context, options) to columns of the source, or to paths in
              them: `reward_model.ground_truth`, `answer[0]`, `prompt[-1].content`
    config    of a set on the hub
    split     of a set on the hub
    offset    leave out this many rows at the start
    limit     take this many rows; null = all
    gold      "voted" reads questions without answers: the majority of the teacher's draws labels them
    on_bad    stop, naming the rows that cannot be used, or skip them as Rejects
    """

    source: str = "bundled:gsm8k"
    dataset: str = ""
    style: Literal["", "gsm8k", "math"] = ""
    preset: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    config: str | None = None
    split: str = "train"
    offset: int = 0
    limit: int | None = None
    gold: Literal["given", "voted"] = "given"
    on_bad: Literal["stop", "skip"] = "stop"

    def __post_init__(self) -> None:
        known = ["id", "question", "answer", "solution", "context", "options", *TAG_FIELDS]
        if self.preset:
            check_name("preset: ", "format", self.preset, PRESETS)
        for name in self.fields:
            check_name("fields: ", "field", name, known)
        check_least(self, offset=0)
        check_least(self, ", or null for all", limit=1)


@dataclass(frozen=True, kw_only=True)
class LoadedProblems:
    """Seed problems in source order, and the rows that `on_bad: skip` left out.

    `golds` counts the kinds of golds and their repairs, `mended` the repairs of questions; `preset` is the recognised
    format, empty where the columns have usual names.
    """

    problems: list[Problem]
    rejects: list[Reject]
    source: str
    preset: str = ""
    golds: GoldShapes = field(default_factory=GoldShapes)
    mended: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """Return the lines to print of a source: its format, its golds, the repairs and the bad rows."""
        known = f" as {PRESETS[self.preset].about}" if self.preset else ""
        lines = [
            f"{self.source}: {counted(len(self.problems), 'question')}{known}, {counted(len(self.rejects), 'bad row')}"
        ]
        lines += [f"  {line}" for line in self.golds.lines()]
        if self.mended:
            lines.append(
                "  questions: " + ", ".join(f"{what} ({count:,})" for what, count in self.mended.most_common())
            )
        shown = self.rejects[:SHOWN]
        lines += [f"  bad row {reject.detail}" for reject in shown]
        if len(self.rejects) > len(shown):
            lines.append(f"  ... and {len(self.rejects) - len(shown):,} more")
        return lines


@dataclass(kw_only=True)
class BadRows:
    """The rows of a source that cannot be used, each with its place and its reason."""

    options: SeedsOptions
    dataset: str
    starts: Starts = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def add(self, number: int, reason: str, code: str = "bad_row") -> None:
        """Record one row."""
        where = place_of(self.options.source, number, self.starts)
        detail = f"{where}: {reason}"
        self.rejects.append(Reject(id=f"{self.dataset}-{number:05d}", stage="seeds", reason=code, detail=detail))

    def stop(self, num_rows: int, *, is_all: bool) -> InputError:
        """Return the error that names the first bad rows."""
        details = [reject.detail for reject in self.rejects]
        if len(details) == 1:
            return InputError(f"{details[0]}. Fix the row or set seeds.on_bad=skip.")
        shown = "".join(f"\n  {detail}" for detail in details[:SHOWN])
        more = f"\n  ... and {len(details) - SHOWN:,} more" if len(details) > SHOWN else ""
        read = f"of {counted(num_rows, 'row')}" if is_all else f"of the first {counted(num_rows, 'row')}"
        return InputError(
            f"{self.options.source}: {len(details):,} {read} cannot be used:{shown}{more}\n"
            "Fix the rows or set seeds.on_bad=skip."
        )


def load_problems(options: SeedsOptions, *, progress: Callable[[int], None] | None = None) -> LoadedProblems:
    """Read, shape and check the seeds of one source.

    Raises InputError naming file, line and reason of the bad rows unless `on_bad` is "skip"; always raises where the
    file is missing, empty or not UTF-8. `progress` is called with the rows read so far, every thousand.
    """
    dataset = options.dataset or dataset_name(options)
    bad = BadRows(options=options, dataset=dataset)
    problems: list[Problem] = []
    golds, mended, presets = GoldShapes(), Counter[str](), Counter[str]()
    seen: dict[str, int] = {}
    num_rows = 0
    is_all = True
    for number, row in source_rows(options, bad.add, bad.starts):
        num_rows += 1
        if progress is not None and num_rows % 1000 == 0:
            progress(num_rows)
        if num_rows <= options.offset:
            continue
        if options.limit is not None and num_rows > options.offset + options.limit:
            break
        if not problems and len(bad.rejects) >= HOPELESS:
            is_all = False
            break
        shaped = shape_row(row, options, dataset, number)
        if isinstance(shaped, Unusable):
            bad.add(number, shaped.reason, shaped.code)
            continue
        problem = shaped.problem
        if problem.id in seen and len(bad.starts) > 1 and "id" not in options.fields:
            problem = replace(problem, id=f"{dataset}-{number - 1:05d}")  # every file of several counts from 1
        if problem.id in seen:
            bad.add(number, f'id "{problem.id}" was already used by row {seen[problem.id]}')
            continue
        seen[problem.id] = number
        if options.gold == "given":
            if not gold_passes(problem.answer):
                reason = f'the gold answer "{shorten(problem.answer)}" is not recognised by the grader'
                bad.add(number, reason, "gold_fails_grader")
                continue
            golds.add(problem.answer, shaped.gold_mended)
        mended.update(shaped.mended)
        presets[shaped.preset] += 1
        problems.append(problem)
    num_read = num_rows or len(bad.rejects)
    if not num_read:
        raise InputError(f"{options.source}: no rows. Expected at least one question with its answer.")
    if bad.rejects and options.on_bad == "stop":
        raise bad.stop(num_read, is_all=is_all)
    if not problems:
        if not bad.rejects:
            raise InputError(f"{options.source}: no rows left after offset {options.offset}.")
        raise InputError(
            f"{options.source}: none of {num_read} rows could be used; the first: {bad.rejects[0].detail}."
        )
    if not options.style:
        problems = with_style(problems)
    return LoadedProblems(
        problems=problems, rejects=bad.rejects, source=options.source, golds=golds, mended=mended,
        preset=presets.most_common(1)[0][0],
    )  # fmt: skip


def dataset_name(options: SeedsOptions) -> str:
    """Return a short name for the ids: the source's stem in lower case, `mini-gsm8k` for the bundled sets."""
    source = options.source
    if source.startswith("bundled:"):
        return "mini-" + source.removeprefix("bundled:")
    if source.startswith("hf:"):
        return f"{slug(source.rpartition('/')[2])}-{slug(options.split)}"
    if source in HUB_SETS:
        return f"{source}-{slug(options.split)}"
    path = Path(source.rstrip("/"))
    return slug(path.name if "*" not in path.name else path.parent.name) if not path.suffix else slug(bare_stem(path))


def bare_stem(path: Path) -> str:
    """Return a file's name without its suffix and its compression suffix."""
    packed = path.suffix.lower() in (".gz", ".zst", ".bz2", ".xz")
    return Path(path.stem).stem if packed else path.stem if "*" not in path.stem else path.parent.name


def slug(text: str) -> str:
    """Return a text as part of an id: letters, digits, dot and dash; never empty."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.").lower() or "x"


def source_rows(options: SeedsOptions, bad: OnBadRow, starts: Starts | None = None) -> Iterator[tuple[int, Row]]:
    """Yield (number, row) of any source, numbers from 1 (for CSV and JSONL: the line); `starts` as in `iter_rows`."""
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
        yield from iter_rows(source, bad=bad, starts=starts)


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


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """A row that cannot be a seed, with the reason; `code` is a key of REASONS."""

    reason: str
    code: str = "bad_row"


@dataclass(frozen=True, kw_only=True)
class ShapedRow:
    """A row as a seed problem, and the repairs of its question and gold."""

    problem: Problem
    preset: str = ""
    mended: tuple[str, ...] = ()
    gold_mended: str = ""


def shape_row(row: Row, options: SeedsOptions, dataset: str, number: int) -> ShapedRow | Unusable:
    """Return a row as a seed problem, or the reason why it cannot be one."""
    layout = layout_of(row, preset=options.preset)
    question = read_question(row, options.fields, layout)
    if isinstance(question, Unusable):
        return question
    if fault := question_fault(question, row):
        return Unusable(reason=fault, code="question_unusable" if question.strip() else "bad_row")
    if len(question) > MAX_QUESTION_CHARS:
        return Unusable(
            reason=f"the question has {len(question):,} characters, expected at most {MAX_QUESTION_CHARS:,}"
        )
    tags: dict[str, Any] = {
        name: row[column] for name in TAG_FIELDS if is_tag(row.get(column := options.fields.get(name, name)))
    }
    mended: list[str] = []
    if (text := without_markup(question)) != question:
        mended.append("tags and entities of a web page taken off")
        question = text
    bare = bare_question(question)
    if wrapper := wrapper_of(question, bare):
        tags["prompt_wrapper"] = wrapper
        mended.append("the prompt around it taken off")
    question = bare.strip()
    if (spaced := mend_gaps(question)) != question:
        mended.append("a space or full stop between sentences added")
        question = spaced
    is_lettered = set(layout.lettered).isdisjoint(options.fields.values())  # a column `a` may be the user's question
    lettered = layout.lettered if is_lettered else ()
    choices = choices_of(row, columns_of("options", options.fields, layout), lettered)
    if choices:
        question = with_choices(question, choices)
        tags["choices"] = choices
    gold = Gold(answer="") if options.gold == "voted" else row_gold(row, options.fields, layout, question, choices)
    if isinstance(gold, Unusable):
        return gold
    given_id = "id" in options.fields or "id" in row
    ident = as_text(value_at(row, options.fields.get("id", "id")))
    if "id" in options.fields and ident is None:
        return missing(row, "id", options.fields["id"])
    if options.gold == "voted":
        tags["gold"] = "voted"
    problem = Problem(
        id=safe_id(ident) if given_id and ident else f"{dataset}-{number - 1:05d}", dataset=dataset,
        style=options.style or "gsm8k", question=question, answer=gold.answer, solution=gold.solution, tags=tags,
    )  # fmt: skip
    return ShapedRow(problem=problem, preset=layout.preset, mended=tuple(mended), gold_mended=gold.mended)


def columns_of(part: str, fields: Mapping[str, str], layout: Layout) -> tuple[str, ...]:
    """Return the candidate columns of a part: the one the user named, else those of the layout."""
    return (fields[part],) if part in fields else layout.columns.get(part, ())


def read_question(row: Row, fields: Mapping[str, str], layout: Layout) -> str | Unusable:
    """Return the question of a row unchanged, with its context before it."""
    if layout.chat and "question" not in fields:
        chat = chat_of(row, layout.chat)
        if chat is None:
            return Unusable(reason=f'"{layout.chat}" has no turn that asks')
        if chat.has_picture:
            return Unusable(reason="the question needs a picture (a part of the chat)", code="question_unusable")
        if chat.num_asked > 1:
            reason = f'"{layout.chat}" asks {chat.num_asked} times; expected one question and its answer'
            return Unusable(reason=f"{reason}, or seeds.fields.question={layout.chat}[-1].content")
        return chat.question
    names = columns_of("question", fields, layout)
    name, text = first_text(row, names)
    if text is None:
        return missing(row, "question", name or next(iter(names), "question"))
    if name == "instruction" and isinstance(row.get("input"), str) and row["input"].strip():
        return f"{text.rstrip()}\n{row['input'].strip()}"
    _, context = first_text(row, columns_of("context", fields, layout))
    return join_context(context, text) if context and context.strip() else text


def row_gold(
    row: Row, fields: Mapping[str, str], layout: Layout, question: str, choices: Mapping[str, str]
) -> Gold | Unusable:
    """Return the gold of a row, or the reason why it has none."""
    for name, good in VALID.items():
        said = row.get(name)
        if isinstance(said, str) and said.strip() and said.strip().lower() != good:
            return Unusable(reason=f'its own column "{name}" says "{shorten(said)}"')
    if str(row.get("question_type", row.get("problem_type", ""))).lower() in ("proof", "no_answer_extracted"):
        return Unusable(reason="a proof or a question without a final answer, nothing to grade", code="gold_unusable")
    solution_names = columns_of("solution", fields, layout)
    solution_name, solution = first_text(row, solution_names)
    if "solution" in fields and solution is None:
        return missing(row, "solution", solution_name or fields["solution"])
    if layout.chat and solution is None:
        chat = chat_of(row, layout.chat)
        solution = chat.response if chat else None
    answer_names = tuple(name for name in columns_of("answer", fields, layout) if not is_turns(value_at(row, name)))
    name, answer = first_text(row, answer_names)
    raw = value_at(row, name) if name else None
    raw = json_value(raw) if isinstance(raw, str) and raw[:1] == "[" and "," in raw else raw
    if isinstance(raw, list) and len(raw) > 1 and all(as_text(item) for item in raw) and "answer" not in fields:
        if layout.is_joined and row.get("is_multiple_answer") is not False:
            answer = ", ".join(filter(None, map(as_text, raw)))
        elif answer is None or all(isinstance(item, str) for item in raw):
            return Unusable(reason=several(name, raw), code="gold_unusable")
    if layout.preset == "olympiadbench" and as_text(row.get("error")):
        reason = f"the answer is given with a tolerance ({shorten(str(row['error']))}), which no grader here takes"
        return Unusable(reason=reason, code="gold_unusable")
    if answer is None and name and "answer" not in fields and not (solution or "").strip():
        return missing(row, "answer", name)
    if answer is None and ("answer" in fields or not (solution or "").strip()):
        if layout.columns.get("response") and "answer" not in fields and not name:
            _, solution = first_text(
                row, tuple(part for part in layout.columns["response"] if part not in answer_names)
            )
        if not (solution or "").strip():
            return missing(row, "answer", name or next(iter(answer_names), "answer"))
    options = columns_of("options", fields, layout)
    is_labelled = bool(choices) and label_of(row, options, answer or "") != ""
    if choices and isinstance(raw, str) and not is_labelled and is_ambiguous(raw, choices):
        return Unusable(
            reason=f'the gold answer "{raw}" is one choice by its text and another by its place', code="gold_unusable"
        )
    if choices and raw is not None:
        answer = choice_named(row, options, raw, choices, by_place=layout.by_place) or answer
    if (name and name == solution_name) or (not layout.is_worked and not (answer or "").strip()):
        solution = ""
    is_wrong = layout.is_generated and row.get("is_correct") is False
    gold = read_gold(answer or "", "" if is_wrong else solution or "", question=question, choices=choices)
    if isinstance(gold, BadGold) and layout.is_generated and answer:
        gold = read_gold(answer, "", question=question, choices=choices)
    if isinstance(gold, BadGold):
        return Unusable(reason=gold.reason, code="gold_unusable" if (answer or "").strip() else "bad_row")
    return gold


def several(name: str, values: list[Any]) -> str:
    """Return the message for an answer of several values, of which all or any one may be meant."""
    shown = ", ".join(shorten(str(value), 20) for value in values[:3])
    return (
        f'field "{name}" holds a list of {len(values)} ({shown}), expected one answer; '
        f"name one item: seeds.fields.answer={name}[0]"
    )


def first_text(row: Row, names: tuple[str, ...]) -> tuple[str, str | None]:
    """Return the first column that holds text, and the text; else the first column that exists, and its blank text."""
    there = ""
    for name in names:
        if not has_value(row, name):
            continue
        text = as_text(value_at(row, name))
        if text is not None and text.strip():
            return name, text
        there = there or name
    blank = as_text(value_at(row, there)) if there else None
    return there, blank


def is_turns(value: Any) -> bool:
    """Say whether a cell holds the turns of a chat."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping) and "role" in value[0]


def is_ambiguous(text: str, choices: Mapping[str, str]) -> bool:
    """Say whether a whole number written as text is the text of one choice and the place of another."""
    text = text.strip()
    if not text.isdigit() or int(text) >= len(choices) or text not in choices.values():
        return False
    return list(choices.values())[int(text)] != text


def missing(row: Row, ours: str, name: str) -> Unusable:
    """Return the message for a part that a row lacks or that is not text, with the row's columns."""
    if has_value(row, name):
        value = value_at(row, name)
        kind = "null" if value is None else repr(value) if isinstance(value, (bool, float)) else describe(value)
        hint = ""
        if isinstance(value, list) and value:
            hint = f"; name one item: seeds.fields.{ours}={name}[0]"
        elif isinstance(value, Mapping) and value:
            hint = f"; name one of its keys: seeds.fields.{ours}={name}.{next(iter(value))}"
        return Unusable(reason=f'field "{name}" holds {kind}, expected text{hint}')
    have = ", ".join(sorted(map(str, row))[:12])
    hint = ", or seeds.gold=voted if there is none" if ours == "answer" else ""
    return Unusable(
        reason=f'no field "{name}" for the {ours} (the row has: {have}); set seeds.fields.{ours}=COLUMN{hint}'
    )


def describe(value: Any) -> str:
    """Return the kind of a cell's value, for a message."""
    if isinstance(value, (list, Mapping)):
        kind = "list" if isinstance(value, list) else "object"
        return f"a {kind} of {len(value)}" if kind == "list" else f"an object ({', '.join(map(str, value))})"[:120]
    return "blank text" if isinstance(value, str) else f"a {type(value).__name__}"


def is_tag(value: Any) -> bool:
    """Say whether a column's value can be a tag: a short scalar."""
    return isinstance(value, (int, float, bool)) or (isinstance(value, str) and 0 < len(value) <= 100)


def looks_like_math(problem: Problem) -> bool:
    """Say whether a question or its answer has LaTeX; the dollar signs of "$5 and spent $3" are money."""
    text = f"{problem.question}\n{problem.answer}"
    return "\\" in text or FORMULA.search(text) is not None


def with_style(problems: list[Problem]) -> list[Problem]:
    """Give all problems of a source one style: "math" where a fifth have LaTeX; many questions of MATH have none."""
    style: Style = "math" if sum(map(looks_like_math, problems)) >= 0.2 * len(problems) else "gsm8k"
    return [replace(problem, style=style) for problem in problems]


def safe_id(text: str) -> str:
    """Return an id without the characters that lineage (`/`, `#`), paths or URLs use."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", text.strip()).strip(".-")[:120]
    return cleaned or "x"


@lru_cache(maxsize=4096)
def gold_passes(answer: str) -> bool:
    """Say whether the grader accepts a gold as its own answer; cached, because small numbers recur."""
    from mathstrap.verify import grade

    return grade(answer, answer, form="answer").outcome == "correct"
