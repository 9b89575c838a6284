"""Probe whether a model has a test set by heart: show it the start of a question and see whether it writes the rest.

A model that has read the questions in training continues them word for word; one that has not cannot. Prompts are raw
text, greedy, without a template: what is asked for is the text that follows, not an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from mathstrap.backends import price_of
from mathstrap.errors import InputError
from mathstrap.evaluate.metrics import mean_score, score
from mathstrap.evaluate.record import model_name, versions
from mathstrap.evaluate.run import EvalOptions, close_backend, load_sets, open_model
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
# How much of a question is shown, in per cent of its words: the shares published probes use.
SHARES = (40, 60, 80)
# A rest this short (in words) can be guessed.
SHORTEST_REST = 4


class Continued(msgspec.Struct, frozen=True, kw_only=True):
    """One question shown in part: the rest, what the model wrote, and how much of the rest it wrote (0 to 1)."""

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
    """One test set: by share shown, how many rests were written word for word, and the mean part of a rest written."""

    benchmark: str
    num_problems: int
    num_unanswered: int
    exact: dict[str, Estimate]
    overlap: dict[str, Estimate]


class MemoryProbe(msgspec.Struct, frozen=True, kw_only=True):
    """Everything metrics.json of a probe holds."""

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
    opened = None if backend is not None else open_model(options)
    asked = backend or opened
    assert asked is not None, "one of the two was opened"
    try:
        with RunDir.open(options.out) as run:
            if run.manifest and run.manifest.get("kind") != KIND:
                raise InputError(f"{run.path}: holds a run that is not a memory probe. Name another --out.")
            model = model_name(asked.model, options.teacher)
            run.update_manifest(
                kind=KIND, model=model, options=public(msgspec.to_builtins(options)), versions=versions()
            )  # fmt: skip
            parts = {f"{problem.id}#{place}": cut(problem, share) for problem in problems
                     for place, share in enumerate(SHARES)}  # fmt: skip
            requests = [request_for(name, part, model) for name, part in parts.items() if part is not None]
            fill(run, requests, asked, options, listener)
            by_id = {problem.id: problem for problem in problems}
            found = [
                continued(by_id[request.id.rpartition("#")[0]], request, parts, completion)
                for request, completion in run.answered(STAGE, requests)
            ]
            found.sort(key=lambda one: (one.id, one.share))
            probe = MemoryProbe(
                kind=KIND, model=model, versions=versions(),
                sets=[summarize(loaded.name, loaded.problems, found, requests) for loaded in sets],
            )  # fmt: skip
            run.write_records("draws", found)
            run.write_json("metrics.json", probe)
            return probe
    finally:
        if opened is not None:
            close_backend(opened)


def cut(problem: Problem, share: int) -> tuple[str, str] | None:
    """Return the first `share` per cent of a question's words and the rest; None where the rest can be guessed."""
    words = problem.question.split(" ")
    place = max(1, round(len(words) * share / 100))
    shown, rest = " ".join(words[:place]), " ".join(words[place:])
    return (shown, rest) if len(rest.split()) >= SHORTEST_REST else None


def request_for(name: str, part: tuple[str, str], model: str) -> Request:
    """Return the request that lets a model go on after what is shown."""
    shown, rest = part
    sampling = Sampling(temperature=0.0, max_tokens=len(rest) // 2 + 16)
    place = int(name.rpartition("#")[2])
    return make_request(id=name, model=model, messages=(Message("raw", shown),), sampling=sampling, draw=place)


def fill(
    run: RunDir, requests: Sequence[Request], backend: Backend, options: EvalOptions, listener: Listener | None
) -> None:  # fmt: skip
    """Ask for every rest that was not asked for yet."""
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
    """Return what became of one shown question."""
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
    name: str, problems: Sequence[Problem], found: Sequence[Continued], requests: Sequence[Request]
) -> SetMemory:  # fmt: skip
    """Return the numbers of one set; questions too short for a share are left out of it."""
    ids = {problem.id for problem in problems}
    rows = [row for row in found if row.id in ids]
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
