"""Read a resumed run's questions back instead of deriving them again, if none of their inputs has changed.

A run of a million replies resumes after 4 s of processor time instead of 66 (docs/scale.md): masks, rewrites and
comparisons take a minute. The inputs are the source files, options, seeds, prompts, replies and test sets. If one of
them changed, or a file of the questions is gone, the questions are derived again.
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
    """The hash of the questions' inputs, the sizes of their files, and the `planned` of `Recalled`."""

    inputs: str
    sizes: dict[str, int]
    planned: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """The questions, the rejects of their stages, and how many answers each method planned to ask for."""

    problems: list[Problem]
    rejects: list[Reject]
    planned: dict[str, int]


def inputs_of(seeds: Sequence[Problem], prompts: Iterable[str], recipe: RunRecipe, run: RunDir) -> str:
    """Return 32 hexadecimal digits that change with anything the questions depend on; `prompts` are their hashes.

    Empty if the recipe has a method of the user's own: the files that its code reads and imports are unknown.
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
    """Return the teachers of a stage and their sampling; the addresses of their servers do not matter."""
    panel = recipe.panels[stage]
    return (panel.bounds, *((member.label, member.model, member.sampling) for member in panel))


def source_states() -> Iterator[bytes]:
    """Yield name, size and time of every file of this package: a changed parser or prompt counts as an input."""
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*")):
        if path.suffix in (".py", ".txt"):
            state = path.stat()
            yield b"%s %d %d" % (path.name.encode(), state.st_size, state.st_mtime_ns)


def remember(run: RunDir, inputs: str, planned: Mapping[str, int]) -> None:
    """Note the inputs of the questions that were just written."""
    if inputs:
        run.write_json(FILE, Note(inputs=inputs, sizes=sizes_of(run), planned=dict(planned)))


def note_labels(run: RunDir) -> None:
    """Note the file sizes again, after questions were rewritten with the labels of a vote."""
    note = run.read_json(FILE)
    if note is not None:
        run.write_json(FILE, {**note, "sizes": sizes_of(run)})


def recall(run: RunDir, inputs: str, seeds: Iterable[Problem]) -> Recalled | None:
    """Return the questions of the last run, or None where they have to be derived again."""
    known = run.read_value(FILE, Note)
    if not inputs or known is None or (known.inputs, known.sizes) != (inputs, sizes_of(run)):
        return None
    wordings = {seed.question: seed.question for seed in seeds}
    try:
        read = run.read_records("problems", Problem, strict=True)
        problems = [with_shared_text(problem, wordings) for problem in read if problem.parent]
        rejects = [reject for reject in run.read_records("rejects", Reject, strict=True) if reject.stage in STAGES]
    except InputError:
        return None  # a damaged line: derive everything again
    return Recalled(problems=problems, rejects=rejects, planned=known.planned)


def with_shared_text(problem: Problem, wordings: dict[str, str]) -> Problem:
    """Share the seed's text with the question's tags instead of a copy: this halves the memory of a large run."""
    original = problem.tags.get("original_question")
    if original not in wordings:
        return problem
    return msgspec.structs.replace(problem, tags={**problem.tags, "original_question": wordings[original]})


def sizes_of(run: RunDir) -> dict[str, int]:
    """Return the bytes of the files that are read back; -1 for one that is not there."""
    names = ["problems.jsonl", "pairs.jsonl", "contamination.json", "asked-rewrite.jsonl"]
    paths = {name: run.path / name for name in names}
    return {name: path.stat().st_size if path.exists() else -1 for name, path in paths.items()} | {
        "rejects.jsonl": 0 if run.has("rejects") else -1  # its size changes: later stages add to it
    }
