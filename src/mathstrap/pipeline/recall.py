"""Read a resumed run's questions back instead of deriving them again, where none of their inputs has changed.

A run of a million replies resumes after 4 s of processor time instead of 66 (docs/scale.md): masks, rewrites and
comparisons take a minute. What was derived is used again only where the same sources, options, seeds, prompts, replies
and test sets went into it; else it is derived anew, as it is where one of its files is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.errors import InputError
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.panel import PanelStage
from mathstrap.problems.testsets import load_test_sets
from mathstrap.types import Problem, Reject, Stage, to_json

FILE = "questions.json"
STAGES: tuple[Stage, ...] = ("rewrite", "filter")


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What the questions were made of, the size of the files they were written to, and what `Recalled` says besides."""

    inputs: str
    sizes: dict[str, int]
    planned: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """The questions, what fell out on the way to them, and how many answers each method planned to ask for."""

    problems: list[Problem]
    rejects: list[Reject]
    planned: dict[str, int]


def inputs_of(seeds: Sequence[Problem], prompts: Iterable[str], recipe: RunRecipe, run: RunDir) -> str:
    """Return 32 hexadecimal digits that change with anything the questions depend on; `prompts` are their hashes.

    Empty where a method is of the user's own: what its file reads and imports is not known.
    """
    if recipe.methods.own:
        return ""
    options = [
        recipe.mode, recipe.rng_seed, recipe.methods, recipe.prompts,
        *(asked_of(recipe, stage) for stage in ("rewriting", "judging")),
        recipe.dedup, recipe.decontaminate, recipe.sampling, recipe.vote,
    ]  # fmt: skip
    sets = load_test_sets(recipe.decontaminate.against, data=recipe.decontaminate.data)
    digest = hashlib.blake2b(digest_size=16)
    for part in (*source_states(), msgspec.json.encode([*options, *prompts, sets]), *map(to_json, seeds)):
        digest.update(part)
    for stage in STAGES:
        digest.update(b"%s %d %d" % (stage.encode(), run.num_done(stage), run.paid_bytes(stage)))
    return digest.hexdigest()


def asked_of(recipe: RunRecipe, stage: PanelStage) -> tuple[Any, ...]:
    """Return who is asked in a stage, and how; where the servers are does not matter."""
    panel = recipe.panels[stage]
    return (panel.bounds, *((member.label, member.model, member.sampling) for member in panel))


def source_states() -> Iterator[bytes]:
    """Yield the name, size and time of every file of this package: a changed parser or prompt derives anew."""
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*")):
        if path.suffix in (".py", ".txt"):
            state = path.stat()
            yield b"%s %d %d" % (path.name.encode(), state.st_size, state.st_mtime_ns)


def remember(run: RunDir, inputs: str, planned: Mapping[str, int]) -> None:
    """Note what the questions just written were made of."""
    if inputs:
        run.write_json(FILE, Note(inputs=inputs, sizes=sizes_of(run), planned=dict(planned)))


def note_labels(run: RunDir) -> None:
    """Note the size of the questions once more, after some of them were written with the labels of a vote."""
    note = run.read_json(FILE)
    if note is not None:
        run.write_json(FILE, {**note, "sizes": sizes_of(run)})


def recall(run: RunDir, inputs: str, seeds: Iterable[Problem]) -> Recalled | None:
    """Return what was derived before, or None where it has to be derived anew."""
    known = run.read_value(FILE, Note)
    if not inputs or known is None or (known.inputs, known.sizes) != (inputs, sizes_of(run)):
        return None
    wordings = {seed.question: seed.question for seed in seeds}
    try:
        read = run.read_records("problems", Problem, strict=True)
        problems = [with_shared_text(problem, wordings) for problem in read if problem.parent]
        rejects = [reject for reject in run.read_records("rejects", Reject, strict=True) if reject.stage in STAGES]
    except InputError:
        return None  # a damaged line: all of it is derived anew
    return Recalled(problems=problems, rejects=rejects, planned=known.planned)


def with_shared_text(problem: Problem, wordings: dict[str, str]) -> Problem:
    """Let a question's tags hold its seed's own text instead of a copy: half the memory of a large run."""
    original = problem.tags.get("original_question")
    if original not in wordings:
        return problem
    return msgspec.structs.replace(problem, tags={**problem.tags, "original_question": wordings[original]})


def sizes_of(run: RunDir) -> dict[str, int]:
    """Return the bytes of the files that are read back; -1 for one that is not there."""
    names = ["problems.jsonl", "pairs.jsonl", "contamination.json", "asked-rewrite.jsonl"]
    paths = {name: run.path / name for name in names}
    return {name: path.stat().st_size if path.exists() else -1 for name, path in paths.items()} | {
        "rejects.jsonl": 0 if run.has("rejects") else -1  # later stages add to it
    }
