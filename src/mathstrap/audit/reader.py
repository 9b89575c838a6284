"""Let a teacher read every answer of a file: one request per answer, one verdict line, the replies stored on disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

import msgspec

from mathstrap.audit.defects import AuditRow
from mathstrap.backends import TeacherOptions, check_taken, open_backend, price_of
from mathstrap.engine.budget import Budget
from mathstrap.engine.limits import Limits
from mathstrap.errors import InputError, counted
from mathstrap.evaluate.record import model_name, versions
from mathstrap.files.rundir import RunDir
from mathstrap.patterns import regex
from mathstrap.prompts import Prompt, load_prompt, render, request
from mathstrap.redact import public
from mathstrap.render.hostile import printable
from mathstrap.types import Completion, Request, Sampling

if TYPE_CHECKING:
    from mathstrap.engine.events import Listener
    from mathstrap.engine.interface import AskReport, Backend

Verdict = Literal["sound", "wrong", "unclear"]
PROMPT = "judge.answer"
KIND = "second reader"
STAGE = "read"
ID = "row-"
# The characters at the end of a reply that are searched for the verdict.
TAIL = 20_000
# The quoted step is one line of the report.
MAX_STEP = 160
# Quotation marks and `>` may not precede it: a line that quotes the answer is not the reader's own verdict.
_LINE = regex(r"[ \t*_#`~-]{0,12}(?:final )?verdict[ *_`]{0,6}[:：][ *_`]{0,6}(?P<said>.*)", re.IGNORECASE)
_WRONG = regex(
    r"wrong step(?:[ ]?(?P<number>#?\d{1,3}))?[ *_`]{0,6}(?:[:：][ *_`]{0,6}(?P<step>.*))?", re.IGNORECASE | re.DOTALL
)
_DENIED = regex(
    r"(?:there (?:is|are|was|were) )?(?:none|no|nothing|n/?a|not applicable|unknown|unclear|sound)"
    r"(?: (?:wrong |incorrect |such )?(?:steps?|errors?|mistakes?)(?: (?:is|are|was|were) (?:wrong|found))?)?",
    re.IGNORECASE,
)
_PLACEHOLDER = regex(r"[<\[({][^<>\[\]\d]{0,80}\bstep\b[^<>\[\]\d]{0,80}[>\])}]", re.IGNORECASE)
_DECORATION = " \t*_`.!,;"


class AnswerReading(msgspec.Struct, frozen=True):
    """The reader's verdict on an answer; `step` is the step it calls wrong, in its own words and printable."""

    verdict: Verdict
    step: str = ""


UNCLEAR = AnswerReading("unclear")


@dataclass(frozen=True, kw_only=True)
class ReaderOptions:
    """The teacher that reads the answers, and the folder of its replies.

    out      the folder of the replies; an audit with the same folder resumes, and no reply is bought twice
    prompt   a packaged prompt, or a file of your own, with the places [[question]] and [[answer]]
    """

    out: str = "runs/reader"
    prompt: str = PROMPT
    teacher: TeacherOptions = field(default_factory=TeacherOptions)
    sampling: Sampling = field(default_factory=lambda: Sampling(temperature=0.0, max_tokens=2048))
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, kw_only=True)
class Readings:
    """The readings by `reading_key`, the reader's model, and the engine's report, None where no request was sent.

    `num_cut_off` counts the replies that ended at sampling.max_tokens, which are unclear.
    """

    by_key: dict[bytes, AnswerReading]
    model: str
    num_cut_off: int = 0
    asked: AskReport | None = None


def reading_key(row: AuditRow) -> bytes:
    """Return a key that two rows share when question and response are the same texts."""
    text = f"{row.query}\0{row.response}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=12).digest()


def reading_request(row: AuditRow, prompt: Prompt, model: str, sampling: Sampling) -> Request:
    """Return the request that shows one answer to the reader; its id is a hash of the row's texts, not its line."""
    return request(
        id=f"{ID}{reading_key(row).hex()}", model=model, sampling=sampling,
        messages=render(prompt, {"question": row.query, "answer": row.response}),
    )  # fmt: skip


def read_answers(
    rows: Callable[[], Iterable[AuditRow]],
    options: ReaderOptions,
    *,
    backend: Backend | None = None,
    listener: Listener | None = None,
) -> Readings:
    """Ask the reader about every row that has an answer and no reading yet, and return all readings.

    Each call of `rows` reads the rows again: two passes, so that memory never holds them. When the budget ends, the
    other rows stay without a reading. `backend` replaces the options' teacher.
    """
    prompt = load_prompt(options.prompt)
    if missing := {"question", "answer"} - {name for turn in prompt.turns for name in turn.fields}:
        raise InputError(f"{options.prompt}: a reader's prompt needs the place [[{min(missing)}]].")
    check_taken(options.teacher, options.sampling, "sampling")
    with RunDir.open(options.out) as run:
        if run.manifest and run.manifest.get("kind") != KIND:
            raise InputError(f"{run.path}: holds another run, not the replies of a reader. Name another folder.")
        opened = None if backend is not None else open_backend(options.teacher)
        teacher = backend or opened
        assert teacher is not None, "one of the two was opened"
        try:
            model = model_name(teacher.model, options.teacher)
            run.update_manifest(
                kind=KIND, model=model, options=public(msgspec.to_builtins(options)),
                prompts={prompt.name: prompt.hash}, versions=versions(),
            )  # fmt: skip
            keys: dict[str, bytes] = {}  # the first pass keeps keys alone: requests hold whole prompts
            num_todo = 0
            for question_request in _requests(rows(), prompt, model, options):
                keys[question_request.id] = bytes.fromhex(question_request.key)
                num_todo += not run.is_done(question_request, STAGE)
            report = None
            if num_todo:
                report = fill(run, _requests(rows(), prompt, model, options), num_todo, teacher, options, listener)
            by_key: dict[bytes, AnswerReading] = {}
            num_cut_off = 0
            for reply in run.replies(STAGE, ((name, key.hex()) for name, key in keys.items())):
                by_key[bytes.fromhex(reply.request.removeprefix(ID))] = read_reply(reply)
                num_cut_off += reply.finish_reason == "length"
            return Readings(by_key=by_key, model=model, num_cut_off=num_cut_off, asked=report)
        finally:
            if opened is not None:
                from mathstrap.engine.ask import run_now

                run_now(opened.close())


def _requests(rows: Iterable[AuditRow], prompt: Prompt, model: str, options: ReaderOptions) -> Iterator[Request]:
    """Yield one request for each distinct answer; equal rows share one reading."""
    seen: set[bytes] = set()
    for row in rows:
        key = reading_key(row)
        if row.response.strip() and key not in seen:
            seen.add(key)
            yield reading_request(row, prompt, model, options.sampling)


def fill(
    run: RunDir, requests: Iterable[Request], num_todo: int, backend: Backend, options: ReaderOptions,
    listener: Listener | None,
) -> AskReport:  # fmt: skip
    """Ask for the `num_todo` readings that are missing."""
    from mathstrap.engine.ask import ask_all
    from mathstrap.engine.budget import Meter

    price = price_of(options.teacher, options.budget, backend.model)
    meter = Meter(options.budget, price=price, spent=run.spent(STAGE), log=run.spending())
    return ask_all(
        run.todo(STAGE, requests), run.sink(STAGE), backend=backend, limits=options.limits, budget=meter,
        events=listener, stage=STAGE, total=num_todo,
    )  # fmt: skip


def why_unread(asked: AskReport | None) -> str:
    """Say why answers have no reading; empty where the engine answered every request."""
    if asked is None:
        return ""
    if asked.stopped == "interrupted":
        return "The reading was interrupted. Run the same command to go on."
    if asked.message:
        return asked.message
    return f"{counted(asked.failed, 'request')} failed. Run the same command to ask again." if asked.failed else ""


def read_reply(reply: Completion) -> AnswerReading:
    """Return the reading that a reply states; a reply that was cut off or refused is unclear."""
    is_whole = reply.finish_reason in ("stop", "unknown")
    return parse_verdict(reply.text) if is_whole else UNCLEAR


def parse_verdict(text: str) -> AnswerReading:
    """Return the verdict of a reply's verdict line; "unclear" for none, an unknown one, or two that differ.

    >>> parse_verdict("**Verdict:** wrong step: 3 + 4 = 8")
    Reading(verdict='wrong', step='3 + 4 = 8')
    """
    lines = text[-TAIL:].replace("\r", "\n").split("\n")
    if len(text) > TAIL:
        lines = lines[1:]  # the rest of a cut line may say the opposite of the whole line
    readings: list[AnswerReading] = []
    for place, line in enumerate(lines):
        match = _LINE.fullmatch(line)
        if match is not None:
            behind = next((rest for rest in lines[place + 1 :] if rest.strip(_DECORATION)), "")
            readings.append(_reading(match["said"].strip(), behind))
    verdicts = {reading.verdict for reading in readings}
    return readings[-1] if len(verdicts) == 1 else UNCLEAR


def _reading(said: str, behind: str) -> AnswerReading:
    """Return the reading of one verdict; a step that does not follow the colon is the line `behind`."""
    word = said.strip(_DECORATION).lower()
    if word == "sound":
        return AnswerReading("sound")
    wrong = _WRONG.fullmatch(said)
    if wrong is None:
        return UNCLEAR
    step = (wrong["step"] or "").strip(" \t*_`") or (wrong["number"] or "")
    if not step and said.rstrip(" *_`").endswith((":", "：")) and _LINE.fullmatch(behind) is None:
        step = behind.strip(" \t*_`>")
    bare = step.strip(_DECORATION)
    if not any(map(str.isalnum, bare)) or _DENIED.fullmatch(bare) or _PLACEHOLDER.fullmatch(bare):
        return UNCLEAR
    shown = printable(" ".join(step.split()))
    return AnswerReading("wrong", shown if len(shown) <= MAX_STEP else shown[: MAX_STEP - 1] + "…")
