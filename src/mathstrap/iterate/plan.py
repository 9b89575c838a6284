"""Plan a round from the results of the rounds before it: seeds, teacher, rows. Touches the rounds' own files."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec

from mathstrap.files.private import plain_folder
from mathstrap.files.rundir import RunDir
from mathstrap.files.tables import write_atomically
from mathstrap.iterate.options import IterateRecipe
from mathstrap.pipeline.options import RunRecipe
from mathstrap.problems.load import SeedsOptions
from mathstrap.train import TrainRecipe
from mathstrap.types import Problem, Sample, Verdict, is_check, problem_of, root_of, to_json


def round_name(number: int) -> str:
    """Return the name of a round: of its run, its student and its evaluation."""
    return f"round-{number}"


def round_recipe(recipe: IterateRecipe, number: int, student: str) -> RunRecipe:
    """Return the recipe of a round's run; `student` is the model of the round before, empty in the first round."""
    run_recipe = replace(recipe.bootstrap, name=round_name(number), out=str(recipe.path))
    if number == 1:
        return run_recipe
    teacher = replace(recipe.evaluation.teacher, model_path=student)
    seeds = hardest_seeds(recipe, number)
    solving = msgspec.structs.replace(run_recipe.solving, teacher=teacher)
    if recipe.role == "solve":
        return replace(run_recipe, seeds=seeds, solving=solving)
    rewriting = msgspec.structs.replace(run_recipe.rewriting, teacher=None)
    return replace(
        run_recipe, seeds=seeds, teacher=teacher, teachers={}, rewriting=rewriting,
        solving=msgspec.structs.replace(solving, teacher=None),
    )  # fmt: skip


def hardest_seeds(recipe: IterateRecipe, number: int) -> tuple[SeedsOptions, ...]:
    """Write the seeds that the last round solved least often, and return them as sources; unsolved ones come first."""
    before = RunDir.read(recipe.path / round_name(number - 1))
    seeds = [problem for problem in before.read_records("problems", Problem) if problem.method == "seed"]
    rates = pass_rates(before)
    ranked = sorted(seeds, key=lambda seed: (rates.get(seed.id, 0.0), seed.id))
    kept = ranked[: max(1, math.ceil(recipe.hardest * len(ranked)))]
    groups: dict[tuple[str, str, bool], list[Problem]] = {}
    for seed in kept:
        groups.setdefault((seed.dataset, seed.style, seed.tags.get("gold") == "voted"), []).append(seed)
    folder = recipe.path / "seeds" / round_name(number)
    plain_folder(folder)
    sources = []
    for place, ((dataset, style, is_voted), members) in enumerate(sorted(groups.items())):
        path = folder / f"{place}.jsonl"
        rows = ({"id": s.id, "question": s.question, "answer": s.answer, "solution": s.solution} for s in members)
        # A voted gold must not become a given one, so the next round votes again.
        plain = ({key: row[key] for key in ("id", "question")} if is_voted else row for row in rows)
        write_atomically(path, [msgspec.json.encode(row) + b"\n" for row in plain])
        sources.append(
            SeedsOptions(
                source=str(path), dataset=dataset, style="math" if style == "math" else "gsm8k",
                gold="voted" if is_voted else "given",
            )
        )  # fmt: skip
    return tuple(sources)


def pass_rates(run: RunDir) -> dict[str, float]:
    """Return, by seed, the share of right draws over all its questions; draws without an answer are wrong."""
    asked, right = Counter[str](), Counter[str]()
    for request_id in set(run.request_ids("solve")):
        if not is_check(request_id):
            asked[root_of(problem_of(request_id))] += 1
    for verdict in run.read_records("verdicts", Verdict):
        right[root_of(verdict.candidate)] += verdict.outcome == "correct"
    return {seed: right[seed] / count for seed, count in asked.items()}


def write_rows(recipe: IterateRecipe, number: int) -> tuple[Path, int]:
    """Write the distinct samples a round's student is trained on, and return their file and number."""
    rounds = range(1, number + 1) if recipe.samples == "all" else range(number, number + 1)
    path = recipe.path / "rows" / f"{round_name(number)}.jsonl"
    plain_folder(path.parent)
    seen: set[tuple[str, str]] = set()
    lines: list[bytes] = []
    for round_number in rounds:
        for sample in RunDir.read(recipe.path / round_name(round_number)).read_records("samples", Sample):
            if (sample.query, sample.response) not in seen:
                seen.add((sample.query, sample.response))
                tags = {**sample.tags, "round": round_number}
                lines.append(to_json(msgspec.structs.replace(sample, tags=tags)) + b"\n")
    write_atomically(path, lines)
    return path, len(lines)


def training_of(recipe: IterateRecipe, number: int, rows: Path, student: str) -> TrainRecipe:
    """Return how a round's student is trained; `student` is the model of the round before, empty in the first."""
    model = student if student and recipe.start == "student" else recipe.train.model
    return replace(
        recipe.train, model=model, out=str(recipe.path / "students" / round_name(number)),
        data=replace(recipe.train.data, path=str(rows)),
        artefacts=() if recipe.train.method == "full" else ("merged",),
    )  # fmt: skip
