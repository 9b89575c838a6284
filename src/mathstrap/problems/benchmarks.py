"""The test sets by name: where each is published, its file, and the shape of its rows.

A benchmark is one entry of BENCHMARKS. `load_benchmark` reads one from a file, a folder of files or the hub.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError, check_name
from mathstrap.files.rows import iter_rows
from mathstrap.hub.rows import hub_rows
from mathstrap.plugins import is_own, load_own
from mathstrap.problems import shapes
from mathstrap.problems.golds import shorten
from mathstrap.problems.load import HUB_SETS, gold_passes, slug
from mathstrap.problems.shapes import Shape, Shaped
from mathstrap.types import Problem, Reject, Style

DATA_VARIABLE = "MATHSTRAP_DATA"

@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A test set. `file` is its name in a data folder, `hub` its repository with `configs` and `split`.

    `home` is the source of a set that is not on the hub. A derived set is built from the set `of` by the function
    `build`.
    """

    about: str
    shape: Shape = shapes.word_problem
    style: Style = "gsm8k"
    file: str = ""
    hub: str = ""
    home: str = ""
    configs: tuple[str | None, ...] = (None,)
    split: str = "test"
    of: str = ""
    build: str = ""


BENCHMARKS: dict[str, Benchmark] = {
    "gsm8k": Benchmark(about="GSM8K, test", file="gsm8k_test.jsonl", hub="openai/gsm8k", configs=("main",)),
    "gsm8k-platinum": Benchmark(
        about="GSM8K test, cleaned", file="gsm8k_platinum.jsonl", hub="madrylab/gsm8k-platinum", configs=("main",)
    ),
    "gsm-plus": Benchmark(
        about="GSM8K test in eight perturbations", file="gsm_plus.jsonl", hub="qintongli/GSM-Plus",
        shape=shapes.gsm_plus,
    ),
    "gsm-hard": Benchmark(
        about="GSM8K test with large numbers", file="gsm_hard.jsonl", hub="reasoning-machines/gsm-hard",
        split="train", shape=shapes.input_target,
    ),
    "svamp": Benchmark(about="SVAMP", file="svamp_test.jsonl", hub="ChilleD/SVAMP", shape=shapes.svamp),
    "asdiv": Benchmark(
        about="ASDiv", file="asdiv_test.jsonl", hub="EleutherAI/asdiv", split="validation", shape=shapes.asdiv
    ),
    "mawps": Benchmark(about="MAWPS", file="mawps_test.jsonl", hub="MU-NLPC/Calc-mawps", shape=shapes.input_target),
    "math": Benchmark(
        about="MATH, test", style="math", file="math_test.jsonl", hub=HUB_SETS["math"][0], configs=HUB_SETS["math"][1],
        shape=shapes.competition,
    ),
    "math500": Benchmark(
        about="MATH-500", style="math", file="math500.jsonl", hub="HuggingFaceH4/MATH-500", shape=shapes.competition
    ),
    "aime24": Benchmark(
        about="AIME 2024", style="math", file="aime24.jsonl", hub="HuggingFaceH4/aime_2024", split="train",
        shape=shapes.contest_integer,
    ),
    "aime25": Benchmark(
        about="AIME 2025", style="math", file="aime25.jsonl", hub="math-ai/aime25", shape=shapes.contest_integer
    ),
    "aime": Benchmark(
        about="AIME 2022 to 2024", style="math", file="aime.jsonl", hub="AI-MO/aimo-validation-aime", split="train",
        shape=shapes.contest_integer,
    ),
    "amc": Benchmark(
        about="AMC 12, 2022 and 2023", style="math", file="amc.jsonl", hub="AI-MO/aimo-validation-amc", split="train",
        shape=shapes.contest_integer,
    ),
    "math-perturb-simple": Benchmark(
        about="MATH-Perturb, the same solution path", style="math", file="math_perturb_simple.jsonl",
        home="github.com/Kaffaljidhmah2/MATH-Perturb", shape=shapes.perturbed_pair,
    ),
    "math-perturb-hard": Benchmark(
        about="MATH-Perturb, another solution path", style="math", file="math_perturb_hard.jsonl",
        home="github.com/Kaffaljidhmah2/MATH-Perturb", shape=shapes.perturbed_pair,
    ),
    "olympiadbench": Benchmark(
        about="OlympiadBench, open mathematics in English", style="math", file="olympiadbench.jsonl",
        hub="Hothan/OlympiadBench", configs=("OE_TO_maths_en_COMP",), split="train", shape=shapes.olympiad,
    ),
    "minerva": Benchmark(
        about="Minerva's MIT OpenCourseWare questions", style="math", file="minerva_math.jsonl",
        hub="math-ai/minervamath", shape=shapes.competition,
    ),
    "gpqa-diamond": Benchmark(
        about="GPQA Diamond, four choices by letter", style="math", file="gpqa_diamond.jsonl", hub="Idavidrein/gpqa",
        configs=("gpqa_diamond",), split="train", shape=shapes.choices,
    ),
    "drop-number": Benchmark(
        about="DROP, numeric answers", file="drop.jsonl", hub="ucinlp/drop", split="validation",
        shape=shapes.drop_number,
    ),
    "gsm8k-backward": Benchmark(
        about="GSM8K-Backward as published", file="gsm8k_backward_200.jsonl", hub="meta-math/GSM8K_Backward",
        split="train", shape=shapes.backward,
    ),
    "gsm8k-perturbed": Benchmark(
        about="GSM8K test: numbers resampled, names changed, a sentence added", of="gsm8k", build="perturb"
    ),
}  # fmt: skip
BENCHMARKS |= {
    f"{name}-backward-full": Benchmark(
        about=f"{entry.about}: every number hidden in turn", style=entry.style, of=name, build="backward"
    )
    for name, entry in BENCHMARKS.items()
    if not entry.build and name not in ("gsm8k-backward", "gpqa-diamond")
}


@dataclass(frozen=True, kw_only=True)
class LoadedBenchmark:
    """The problems of a test set in its own order, the rows that could not be used, and the source.

    `places` maps every problem's id to its row in the published set, or to its place in a derived set.
    """

    name: str
    source: str
    problems: list[Problem]
    places: dict[str, int]
    rejects: list[Reject]


def load_benchmark(
    name: str, *, data: str = "", limit: int | None = None, offset: int = 0, rng_seed: int = 0
) -> LoadedBenchmark:
    """Read a test set: `gsm8k`, `gsm8k=path/to/file.jsonl`, or `gsm8k` out of the folder `data`.

    Without `data` the set is read from MATHSTRAP_DATA, else from the hub. `limit` takes the first questions of a
    published set, in its order; of a derived set it limits the questions it is built from. Ids depend on neither
    `limit` nor `offset`.
    """
    name, _, path_given = name.partition("=")
    benchmark = find_benchmark(name)
    name = set_name(name)
    if benchmark.build:
        parent = f"{benchmark.of}={path_given}" if path_given else benchmark.of
        loaded = load_benchmark(parent, data=data, limit=limit, offset=offset)
        problems = builder(benchmark.build)(loaded.problems, rng_seed=rng_seed)
        places = {problem.id: place for place, problem in enumerate(problems)}
        return LoadedBenchmark(
            name=name, source=loaded.source, problems=problems, places=places, rejects=loaded.rejects
        )
    source, rows = open_rows(name, benchmark, path_given, data)
    problems, places, rejects, seen = [], dict[str, int](), [], dict[str, int]()
    number = 0
    for number, row in enumerate(rows):
        if number < offset:
            continue
        if limit is not None and len(problems) >= limit:
            break
        shaped = benchmark.shape(row)
        plain = f"{name}-{number:05d}"
        if isinstance(shaped, str):
            rejects.append(Reject(id=plain, stage="seeds", reason="bad_row", detail=f"{source}: {shaped}"))
            continue
        problem = to_problem(shaped, name, benchmark, plain, seen)
        if not gold_passes(problem.answer):
            detail = f'{source}: "{shorten(problem.answer)}"'
            rejects.append(Reject(id=plain, stage="seeds", reason="gold_fails_grader", detail=detail))
            continue
        problems.append(problem)
        places[problem.id] = number
    if not problems:
        first = f" The first: {rejects[0].detail}." if rejects else ""
        raise InputError(f"{source}: no usable question for benchmark {name} among {number + 1} rows.{first}")
    return LoadedBenchmark(name=name, source=source, problems=problems, places=places, rejects=rejects)


def to_problem(shaped: Shaped, name: str, benchmark: Benchmark, plain: str, seen: dict[str, int]) -> Problem:
    """Return the problem of a row; variants of one question get ids that descend from the same root."""
    ident = plain
    if shaped.seed:
        place = f"{name}-{shaped.seed}/{shaped.variant}"
        seen[place] = seen.get(place, 0) + 1
        ident = f"{place}.{seen[place]}"
    return Problem(
        id=ident, dataset=name, style=benchmark.style, question=shaped.question, answer=shaped.answer,
        solution=shaped.solution, tags={key: value for key, value in shaped.tags.items() if value != ""},
    )  # fmt: skip


def find_benchmark(name: str) -> Benchmark:
    """Return the entry of a name, or one of the user's own; raises InputError with the closest name."""
    if is_own(name):
        return load_own(name, Benchmark, where="--benchmarks")
    check_name("", "benchmark", name, BENCHMARKS, more=" `mathstrap eval --list` shows all.")
    return BENCHMARKS[name]


def set_name(name: str) -> str:
    """Return a test set's name in ids and tables: its own, or that of the user's object."""
    return slug(name.rpartition(":")[2].replace("_", "-")) if is_own(name) else name


def builder(name: str) -> Callable[..., list[Problem]]:
    """Return the function that builds a derived set."""
    from mathstrap.problems.backward import build_backward
    from mathstrap.problems.perturb import perturb

    builders: dict[str, Callable[..., list[Problem]]] = {"backward": build_backward, "perturb": perturb}
    return builders[name]


def open_rows(name: str, benchmark: Benchmark, path_given: str, data: str) -> tuple[str, Iterator[dict[str, Any]]]:
    """Return (source, rows) of a published set: a file named by the user, a file of the data folder, or the hub."""
    folder = data or os.environ.get(DATA_VARIABLE, "")
    if data and not Path(data).is_dir():
        raise InputError(f"{data}: no such folder. --data names the folder with {benchmark.file}.")
    path = Path(path_given) if path_given else Path(folder) / benchmark.file if folder else None
    if path is not None and (path_given or path.exists()):
        return str(path), (row for _, row in iter_rows(path))
    help_text = (
        f"Without a network, put {benchmark.file} in a folder and name it with --data or {DATA_VARIABLE}, or give the "
        f"file: {name}=PATH."
    )
    if not benchmark.hub:
        raise InputError(f"{name}: is not on the hub; it comes from {benchmark.home}. {help_text}")
    rows = (
        hub_rows(benchmark.hub, config, benchmark.split, help_text=help_text, streaming=False)
        for config in benchmark.configs
    )
    return f"hf:{benchmark.hub}", chain.from_iterable(rows)
