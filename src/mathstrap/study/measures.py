"""Measure the arms' training rows: diversity gain over the seeds' questions, perplexity under the untrained model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError
from mathstrap.files.rundir import RunDir
from mathstrap.stats.diversity import diversity_gain, hash_share
from mathstrap.study.done import digest, file_digest
from mathstrap.study.options import StudyRecipe
from mathstrap.study.plan import StudyPlan
from mathstrap.types import Sample

# Enough for two digits of an arm's gain; the encoder reads some 50 questions a second on two cores.
MOST_QUESTIONS = 1_000


def files_of(plan: StudyPlan) -> list[str]:
    """Return the names of the plan's files of training rows."""
    return list(dict.fromkeys(student.rows_name for student in plan.students))


def kept(study: RunDir, name: str, files: Sequence[str], inputs: str) -> dict[str, float]:
    """Return the saved numbers of these files where the rows are the same."""
    saved = study.read_value(name, dict[str, Any]) or {}
    if saved.get("inputs") != inputs:
        return {}
    return {file: value for file, value in saved.get("values", {}).items() if file in files}


def rows_digest(study: RunDir, files: Sequence[str], *more: object) -> str:
    """Return a hash of the rows of all files and of the measurement's other inputs."""
    return digest([file_digest(study.path / "arms" / f"{name}.jsonl") for name in files], more)


def diversity_gains(study: RunDir, plan: StudyPlan) -> tuple[dict[str, float], str]:
    """Return the gain of the first rng_seed's files over the seed questions, and a reason where there is none."""
    from mathstrap.embedding import embed
    from mathstrap.report.extras import embed_once

    files = files_of(plan)
    inputs = rows_digest(study, files, MOST_QUESTIONS)
    if have := kept(study, "diversity.json", files, inputs):
        return have, ""
    first = plan.students[0].rng_seed
    measured = [name for name in files if name.endswith(f"-{first}")]
    seed_questions = sorted({row.original_question for name in measured for row in rows_of(study, name)})
    values = {}
    try:
        base = embed(seed_questions)
        for name in measured:
            rows = sorted(rows_of(study, name), key=lambda row: hash_share(row.id))[:MOST_QUESTIONS]
            vectors = embed_once([row.query for row in rows], embed)
            values[name] = diversity_gain(vectors, base, clusters=[row.seed for row in rows]).value
    except InputError as error:  # the study's accuracies do not depend on it
        return {}, f"The diversity gain was not measured: {error}"
    study.write_json("diversity.json", {"inputs": inputs, "values": values})
    return values, ""


def perplexities(recipe: StudyRecipe, study: RunDir, plan: StudyPlan) -> dict[str, float]:
    """Return the median perplexity of each file's replies under the untrained model (paper, Fig. 3)."""
    from mathstrap.stats.perplexity import PerplexityOptions, PromptAndReply, load, summarise, surprises
    from mathstrap.train.model import resolve_model

    files = files_of(plan)
    inputs = rows_digest(study, files, recipe.perplexity, recipe.train.model)
    if have := kept(study, "perplexity.json", files, inputs):
        return have
    options = PerplexityOptions(model=resolve_model(recipe.train.model), max_rows=recipe.perplexity)
    model, tokenizer = load(options)
    values = {}
    for name in files:
        rows = sorted(rows_of(study, name), key=lambda row: hash_share(row.id))[: recipe.perplexity]
        texts = [
            PromptAndReply(prompt=options.template.replace("[[question]]", row.query), reply=row.response)
            for row in rows
        ]
        summary = summarise(name, list(surprises(texts, model, tokenizer, options)))
        values[name] = summary.median.value
    study.write_json("perplexity.json", {"inputs": inputs, "values": values})
    return values


def rows_of(study: RunDir, name: str) -> Iterator[Sample]:
    """Yield the training rows of a file."""
    return study.read_records(str(Path("arms") / name), Sample, strict=True)
