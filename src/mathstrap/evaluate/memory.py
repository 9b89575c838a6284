"""Probe whether a model has memorised a test set: show it the start of a question and check whether it writes the rest.

A model that was trained on the questions can continue them word for word; another model cannot. Prompts are raw text,
greedy and without a template, because the probe asks for the following text and not for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mathstrap.backends import open_backend, price_of
from mathstrap.errors import InputError
from mathstrap.evaluate.metrics import mean_score, score
from mathstrap.evaluate.record import model_name, versions
from mathstrap.evaluate.run import EvalOptions, close_backend, load_sets
from mathstrap.files.rundir import RunDir
from mathstrap.prompts import request as make_request
from mathstrap.redact import public
from mathstrap.stats.estimates import Estimate
from mathstrap.types import Completion, Message, Problem, Request, Sampling, root_of

if TYPE_CHECKING:
    from mathstrap.engine.events import Listener
    from mathstrap.engine.interface import Backend

KIND = "memory probe"
STAGE = "solve"
# Per cent of a question's words that are shown: the shares that published probes use.
SHARES = (40, 60, 80)
# A shorter rest (in words) could be guessed.
SHORTEST_REST = 4


class Continued(msgspec.Struct, frozen=True, kw_only=True):
    """One question shown in part: the rest, the model's text, and the share of the rest that it wrote (0 to 1)."""

    id: str
    benchmark: str
    cluster: str
    share: int
    shown: str
    rest: str
    text: str
    is_exact: bool
    overlap: float


class SetMemory(msgspec.Struct, frozen=True, kw_only=True):
    """One test set: by share shown, the share of rests written word for word, and the mean part of a rest written."""

    benchmark: str
    num_problems: int
    num_unanswered: int
    exact: dict[str, Estimate]
    overlap: dict[str, Estimate]


class MemoryProbe(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a probe's metrics.json."""

    kind: str
    model: str
    versions: dict[str, str]
    sets: list[SetMemory]


def probe_memory(
    options: EvalOptions, *, backend: Backend | None = None, listener: Listener | None = None
) -> MemoryProbe:  # fmt: skip
    """Probe one model on the options' test sets and write the run directory; the same call again resumes."""
    if options.outputs:
        raise InputError("--probe memory asks a model: leave --outputs out.")
    sets = load_sets(options)
    problems = [problem for loaded in sets for problem in loaded.problems]
    opened = None if backend is not None else open_backend(options.teacher)
    model_backend = backend or opened
    assert model_backend is not None, "one of the two was opened"
    try:
        with RunDir.open(options.out) as run:
            if run.manifest and run.manifest.get("kind") != KIND:
                raise InputError(f"{run.path}: holds a run that is not a memory probe. Name another --out.")
            model = model_name(model_backend.model, options.teacher)
            run.update_manifest(
                kind=KIND, model=model, options=public(msgspec.to_builtins(options)), versions=versions()
            )  # fmt: skip
            parts = {f"{problem.id}#{place}": cut(problem, share) for problem in problems
                     for place, share in enumerate(SHARES)}  # fmt: skip
            requests = [request_for(name, part, model) for name, part in parts.items() if part is not None]
            fill(run, requests, model_backend, options, listener)
            by_id = {problem.id: problem for problem in problems}
            continuations = [
                continued(by_id[request.id.rpartition("#")[0]], request, parts, completion)
                for request, completion in run.answered(STAGE, requests)
            ]
            continuations.sort(key=lambda continuation: (continuation.id, continuation.share))
            probe = MemoryProbe(
                kind=KIND, model=model, versions=versions(),
                sets=[summarize(loaded.name, loaded.problems, continuations, requests) for loaded in sets],
            )  # fmt: skip
            run.write_records("draws", continuations)
            run.write_json("metrics.json", probe)
            return probe
    finally:
        if opened is not None:
            close_backend(opened)


def cut(problem: Problem, share: int) -> tuple[str, str] | None:
    """Return the first `share` per cent of a question's words and the rest; None where the rest is too short."""
    words = problem.question.split(" ")
    place = max(1, round(len(words) * share / 100))
    shown, rest = " ".join(words[:place]), " ".join(words[place:])
    return (shown, rest) if len(rest.split()) >= SHORTEST_REST else None


def request_for(name: str, part: tuple[str, str], model: str) -> Request:
    """Return the request for a continuation of the shown part."""
    shown, rest = part
    sampling = Sampling(temperature=0.0, max_tokens=len(rest) // 2 + 16)
    place = int(name.rpartition("#")[2])
    return make_request(id=name, model=model, messages=(Message("raw", shown),), sampling=sampling, draw=place)


def fill(
    run: RunDir, requests: Sequence[Request], backend: Backend, options: EvalOptions, listener: Listener | None
) -> None:  # fmt: skip
    """Ask for every rest that has no reply yet."""
    from mathstrap.engine.ask import ask_all
    from mathstrap.engine.budget import Meter

    price = price_of(options.teacher, options.budget, backend.model)
    meter = Meter(options.budget, price=price, spent=run.spent(STAGE))
    todo = list(run.todo(STAGE, requests))
    ask_all(
        todo, run.sink(STAGE), backend=backend, limits=options.limits, budget=meter, events=listener, stage=STAGE,
        total=len(todo),
    )  # fmt: skip


def continued(
    problem: Problem, request: Request, parts: Mapping[str, Any], completion: Completion
) -> Continued:  # fmt: skip
    """Compare a model's continuation with the rest of the question."""
    shown, rest = parts[request.id]
    wanted, written = (" ".join(text.split()) for text in (rest, completion.text))
    same = next((place for place, pair in enumerate(zip(wanted, written, strict=False)) if pair[0] != pair[1]), -1)
    same = min(len(wanted), len(written)) if same < 0 else same
    return Continued(
        id=problem.id, benchmark=problem.dataset, cluster=root_of(problem.id), share=SHARES[request.draw], shown=shown,
        rest=rest, text=completion.text[: 2 * len(rest)], is_exact=written.startswith(wanted),
        overlap=same / max(1, len(wanted)),
    )  # fmt: skip


def summarize(
    name: str, problems: Sequence[Problem], continuations: Sequence[Continued], requests: Sequence[Request]
) -> SetMemory:  # fmt: skip
    """Return the numbers of one set; questions too short for a share are left out of it."""
    ids = {problem.id for problem in problems}
    rows = [row for row in continuations if row.id in ids]
    by_share = {share: [row for row in rows if row.share == share] for share in SHARES}
    return SetMemory(
        benchmark=name, num_problems=len(problems),
        num_unanswered=sum(request.id.rpartition("#")[0] in ids for request in requests) - len(rows),
        exact={
            str(share): score([float(row.is_exact) for row in group], [row.cluster for row in group])
            for share, group in by_share.items()
        },
        overlap={
            str(share): mean_score([row.overlap for row in group], [row.cluster for row in group])
            for share, group in by_share.items()
        },
    )  # fmt: skip
