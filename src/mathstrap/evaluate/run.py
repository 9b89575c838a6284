"""Evaluate a model: load the questions, ask for the missing replies, grade, sum up, write.

It uses the engine, run directory and graders of bootstrapping: after a crash the same command resumes and pays once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mathstrap.backends import TeacherOptions, open_backend, price_of
from mathstrap.engine.budget import Budget
from mathstrap.engine.events import Listener
from mathstrap.engine.limits import Limits
from mathstrap.errors import InputError, RecipeError, check_least, check_name
from mathstrap.evaluate.live import EvalProgress, LiveGrading
from mathstrap.evaluate.logs import LOGS
from mathstrap.evaluate.metrics import TieRule
from mathstrap.evaluate.outputs import Outputs, read_outputs, store_outputs
from mathstrap.evaluate.own import protocol_for
from mathstrap.evaluate.protocols import (
    Changes,
    Protocol,
    messages_for,
    sampling_for,
)  # fmt: skip
from mathstrap.evaluate.record import KIND, Evaluation, engine_settings, model_name, provenance, versions
from mathstrap.evaluate.score import ScoredDraw
from mathstrap.evaluate.summary import summarize
from mathstrap.files.rundir import RunDir
from mathstrap.problems.benchmarks import LoadedBenchmark, find_benchmark, load_benchmark, set_name
from mathstrap.prompts import request as make_request
from mathstrap.redact import public
from mathstrap.types import Problem, Reject, Request, root_of
from mathstrap.verify import answers_agree

if TYPE_CHECKING:
    from mathstrap.engine.ask import AskReport
    from mathstrap.engine.interface import Backend

STAGE = "solve"
KEYS_COVER_BODY = "keys_cover_body"


@dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """The test sets, the protocol, the model and the run directory of an evaluation.

    benchmarks   names, `name=path`, or a Benchmark of your own as `path/to/file.py:object`
    out          the run directory
    data         a folder with the published files; empty = the folder MATHSTRAP_DATA, else the hub
    protocol     default, few-shot, metamath-2024 or own; empty = own for a model with a training record beside it,
                 else default
    draws        replies per question; 0 = one, or as many as the file of outputs holds
    offset       leave out this many questions at the start of each set
    ties         how a tied majority vote counts: as the mean of a random tie-break, by the first answer, or as wrong
    rng_seed     decides the numbers of perturbed sets
    on_bad       outputs that do not fit the questions: stop, or skip and count them
    logs         logs for other tools: inspect, lm-eval
    outputs      a file of another tool's replies, instead of a model
    limit        the first questions of each set; with fewer than all, the number is that of a sample
    """

    benchmarks: tuple[str, ...] = ("gsm8k",)
    out: str = "runs/eval"
    data: str = ""
    protocol: str = ""
    changes: Changes = field(default_factory=Changes)
    draws: int = 0
    limit: int | None = None
    offset: int = 0
    ties: TieRule = "share"
    rng_seed: int = 0
    outputs: str = ""
    on_bad: Literal["stop", "skip"] = "stop"
    logs: tuple[str, ...] = ()
    teacher: TeacherOptions = field(default_factory=TeacherOptions)
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        if not self.benchmarks:
            raise RecipeError("benchmarks: found none. For example: --benchmarks gsm8k,math500.")
        check_least(self, draws=0, offset=0)
        check_least(self, ", or null for all", limit=1)
        for name in self.logs:
            check_name("logs: ", "log format", name, LOGS)


@dataclass(frozen=True, kw_only=True)
class EvalResult:
    """The numbers, the graded draws behind them, the run directory, and the engine's report (None for outputs).

    `num_unfit_rows` counts the rows of a file of outputs that fit no question; they are in rejects.jsonl.
    """

    evaluation: Evaluation
    draws: list[ScoredDraw]
    path: Path
    asked: AskReport | None
    num_unfit_rows: int = 0


def evaluate(
    options: EvalOptions,
    *,
    backend: Backend | None = None,
    listener: Listener | None = None,
    progress: Callable[[EvalProgress], None] | None = None,
) -> EvalResult:
    """Evaluate one model under one protocol and write the run directory; `backend` replaces the options' teacher."""
    trained = str(options.teacher.settings.get("adapter") or options.teacher.model_path)
    protocol = protocol_for(options.protocol, options.changes, trained)
    sets = load_sets(options)
    problems = [problem for loaded in sets for problem in loaded.problems]
    outputs = None
    if options.outputs:
        places = {ident: place for loaded in sets for ident, place in loaded.places.items()}
        outputs = read_outputs(
            options.outputs, problems, places=places, draws=options.draws or None, on_bad=options.on_bad
        )
    draws = outputs.draws if outputs else options.draws or 1
    if draws > 1 and protocol.temperature == 0 and outputs is None:
        raise InputError(f"{draws} draws at temperature 0 are {draws} times the same reply. Add --temperature 0.7.")
    opened = None if backend is not None or outputs else open_backend(options.teacher)
    backend = backend or opened
    try:
        with RunDir.open(options.out) as run:
            check_kind(run)
            model = outputs.model if outputs else model_name(backend.model, options.teacher) if backend else ""
            requests = plan(problems, protocol, draws=draws, model=model, body=keyed_body(run, options))
            grading = LiveGrading(
                problems, headline=protocol.headline, total=len(requests), progress=progress, is_asked=outputs is None
            )
            write_plan(run, options, protocol, problems, model)
            if outputs:
                sink = run.sink(STAGE)
                store_outputs(outputs, requests, sink.completion)
                asked = None
            else:
                assert backend is not None, "without a file of outputs a backend was opened"
                asked = fill(run, requests, backend, options, grading, listener)
            return derive(run, sets, requests, protocol, options, grading, asked, outputs, draws, model)
    finally:
        if opened is not None:
            close_backend(opened)


def load_sets(options: EvalOptions) -> list[LoadedBenchmark]:
    """Return the questions of every benchmark; all names are checked before any file is read."""
    for name in options.benchmarks:
        find_benchmark(name.partition("=")[0])
    names = list(dict.fromkeys(options.benchmarks))
    called = [set_name(name.partition("=")[0]) for name in names]
    if repeated := sorted({name for name in called if called.count(name) > 1}):
        raise InputError(f"{', '.join(repeated)}: named with several files. Evaluate each into a directory of its own.")
    return [
        load_benchmark(
            name, data=options.data, limit=options.limit, offset=options.offset, rng_seed=options.rng_seed
        )
        for name in names
    ]  # fmt: skip


def keyed_body(run: RunDir, options: EvalOptions) -> dict[str, Any]:
    """Return the `extra_body` that enters every request key of this run: another reasoning effort is another request.

    Evaluations that an older version began, whose keys omit the body, continue to omit it, so their replies stay valid.
    """
    if KEYS_COVER_BODY not in run.manifest:
        run.update_manifest(**{KEYS_COVER_BODY: not any(run.path.glob("completions-*.jsonl"))})
    return dict(options.teacher.extra_body) if run.manifest[KEYS_COVER_BODY] else {}


def plan(
    problems: Sequence[Problem], protocol: Protocol, *, draws: int, model: str, body: Mapping[str, Any] | None = None
) -> list[Request]:
    """Return every request in random order, the last quarter longest question first.

    Random order makes the accuracy so far an estimate for the whole set; the last quarter ends with short requests, so
    that no long one delays the end. The order is the same in every run; variants of a seed question are neighbours,
    because servers cache their common prefix.
    """
    shuffled = sorted(problems, key=lambda problem: (place_of(root_of(problem.id)), problem.id))
    end = len(shuffled) * 3 // 4
    ordered = shuffled[:end] + sorted(shuffled[end:], key=lambda problem: -len(problem.question))
    asked = [(problem, messages_for(protocol, problem)) for problem in ordered]
    plain = {style: sampling_for(protocol, style) for style in {problem.style for problem in problems}}
    samplings = {
        style: msgspec.structs.replace(sampling, extra_body={**(body or {}), **sampling.extra_body})
        for style, sampling in plain.items()
    }
    return [
        make_request(
            id=f"{problem.id}#{draw}", model=model, messages=messages,
            sampling=samplings[problem.style], draw=draw,
        )
        for problem, messages in asked
        for draw in range(draws)
    ]  # fmt: skip


def place_of(ident: str) -> bytes:
    """Return a sort key for a random order that depends on the id alone."""
    return hashlib.blake2b(ident.encode(), digest_size=8).digest()


def fill(
    run: RunDir, requests: Sequence[Request], backend: Backend, options: EvalOptions, grading: LiveGrading,
    listener: Listener | None,
) -> AskReport:  # fmt: skip
    """Ask for every missing reply; replies are graded in a thread as they arrive."""
    from mathstrap.engine.ask import ask_all
    from mathstrap.engine.budget import Meter

    price = price_of(options.teacher, options.budget, backend.model)
    meter = Meter(options.budget, price=price, spent=run.spent(STAGE), log=run.spending())
    todo = list(run.todo(STAGE, requests))
    stored = [completion for _, completion in run.answered(STAGE, requests)] if todo else []
    with grading.watch(run.sink(STAGE), stored) as sink:
        return ask_all(
            todo, sink, backend=backend, limits=options.limits, budget=meter, events=listener, stage=STAGE,
            total=len(todo),
        )  # fmt: skip


def derive(
    run: RunDir, sets: Sequence[LoadedBenchmark], requests: Sequence[Request], protocol: Protocol, options: EvalOptions,
    grading: LiveGrading, asked: AskReport | None, outputs: Outputs | None, draws: int, model: str,
) -> EvalResult:  # fmt: skip
    """Grade the stored replies, sum up and write everything; a pure function of questions, protocol and replies."""
    graded = [grading.score(request, completion) for request, completion in run.answered(STAGE, requests)]
    graded.sort(key=lambda draw: (draw.problem, draw.draw))
    summaries = []
    for loaded in sets:
        ids = {problem.id for problem in loaded.problems}
        summaries.append(
            summarize(
                loaded.problems, [draw for draw in graded if draw.problem in ids], source=loaded.source,
                headline=protocol.headline, num_draws=draws, ties=options.ties, num_unusable_rows=len(loaded.rejects),
                is_asked=outputs is None,
                agree=lambda a, b: answers_agree(a, b) == "correct",
            )
        )  # fmt: skip
    if options.limit is not None:
        place = f", from number {options.offset:,}" if options.offset else ""
        cut = f"Limited to the first {options.limit:,} questions of the set{place}."
        summaries = [msgspec.structs.replace(summary, notes=[*summary.notes, cut]) for summary in summaries]
    styles = sorted({problem.style for loaded in sets for problem in loaded.problems})
    evaluation = Evaluation(
        kind=KIND,
        model=model,
        backend="outputs" if outputs else options.teacher.backend,
        provenance={
            style: provenance(protocol, style, draws, options.rng_seed, made_elsewhere=outputs is not None)
            for style in styles
        },
        settings={} if outputs else engine_settings(options.teacher),
        versions=versions(),
        summaries=summaries,
    )
    rejects = [reject for loaded in sets for reject in loaded.rejects] + (outputs.rejects if outputs else [])
    write(run, evaluation, graded, rejects, sets, options.logs)
    unfit = len(outputs.rejects) if outputs else 0
    return EvalResult(evaluation=evaluation, draws=graded, path=run.path, asked=asked, num_unfit_rows=unfit)


def write(
    run: RunDir, evaluation: Evaluation, draws: list[ScoredDraw], rejects: list[Reject],
    sets: Sequence[LoadedBenchmark], logs: Sequence[str],
) -> None:  # fmt: skip
    """Write the derived files: draws (JSON lines and Parquet), rejects, metrics, the page and the logs asked for."""
    from mathstrap.evaluate.page import page

    run.write_records("draws", draws, parquet=ScoredDraw)
    run.write_records("rejects", rejects)
    run.write_json("metrics.json", evaluation)
    run.write_text("report.html", page(evaluation, draws))
    for name in logs:
        LOGS[name](run.path, evaluation, draws, sets)


def write_plan(
    run: RunDir, options: EvalOptions, protocol: Protocol, problems: Sequence[Problem], model: str
) -> None:  # fmt: skip
    """Write the options, protocol and questions before anything is asked."""
    import time

    settings = public(msgspec.to_builtins(options))
    started = run.manifest.get("started") or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    run.update_manifest(
        kind=KIND, model=model, protocol=msgspec.to_builtins(protocol), options=settings, versions=versions(),
        started=started,
    )  # fmt: skip
    run.write_records("problems", problems)


def check_kind(run: RunDir) -> None:
    """Raise InputError where the directory holds something other than an evaluation."""
    kind = run.manifest.get("kind")
    if (run.manifest and kind != KIND) or (not run.manifest and run.has("samples")):
        raise InputError(f"{run.path}: holds a run that is not an evaluation. Name another directory with --out.")


def close_backend(backend: Backend) -> None:
    """Close a backend from synchronous code."""
    import asyncio

    asyncio.run(backend.close())
