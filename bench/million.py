"""Measure a run of a million replies: making it, coming back to it, and deriving everything from it.

    python bench/million.py make --seeds 21500 --out /tmp/million
    python bench/million.py resume --out /tmp/million        # until the first request reaches the server
    python bench/million.py derive --out /tmp/million        # seconds and memory of every stage

The seeds are synthetic (`million_texts.py`) and go through all four methods, four answers to a question. `make`
plans as a run does and stores a reply to each request, all but the last `--missing` answers. `resume` starts
`mathstrap run` against a loopback server, which answers those. Writes bench/results/scale.json, one entry per command
and number of replies, with the machine, commit and date.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))
RESULTS = HERE / "results" / "scale.json"

RIGHT = 0.75  # the share of answers that agree with the gold
PARTS = 4  # processes that write replies
UNFIT = 0.03  # the share of answers without a final answer, and of rewrites that lose a number


def write_recipe(out: Path, num_seeds: int) -> Path:
    """Write the seeds and the recipe of the run, and return the recipe's path."""
    from million_texts import story

    out.mkdir(parents=True, exist_ok=True)
    with (out / "seeds.jsonl").open("w", encoding="utf-8") as rows:
        for number in range(num_seeds):
            told = story(number)
            steps = "\n".join(told.steps)
            answer = f"{steps}\n#### {told.answer}"
            rows.write(json.dumps({"id": f"seed-{number:07}", "question": told.wordings[0], "answer": answer}) + "\n")
    path = out / "million.yaml"
    path.write_text(
        f"name: run\nout: {out}\nseeds: {{source: {out / 'seeds.jsonl'}, style: gsm8k}}\n"
        "teacher: {backend: openai, model: synthetic, base_url: http://127.0.0.1:1/v1}\n"
        "methods: {ans_aug: {draws: 16}, rephrase: {count: 4, draws: 4}, self_verification: {count: 2, draws: 4}, "
        "fobar: {count: 2, draws: 4}}\n"
        "budget: {usd_per_million_tokens_in: 0.15, usd_per_million_tokens_out: 0.60}\n",
        encoding="utf-8",
    )
    return path


def rewrite_text(planned: Any) -> str:
    """Return what a teacher would make of a rewriting request; a few lose a number."""
    from million_texts import story

    told = story(int(planned.parent.id.rpartition("-")[2]))
    rng = random.Random(planned.draft.id)
    if planned.draft.method == "rephrase":
        text = rng.choice(told.wordings[1:])
        opening = rng.choice(("", "", "Here is the story. ", "Think of this. ", "Read carefully: "))
        return opening + (text if rng.random() > UNFIT else "".join(sign for sign in text if not sign.isdigit()))
    fields = planned.draft.fields
    asked = fields["question"].rstrip("?. ")
    return f"To the question {asked[:1].lower()}{asked[1:]}, the answer is {fields['answer']}."


def answer_text(problem: Any, request: Any) -> str:
    """Return a solution of a problem: mostly right, sometimes wrong, seldom without an answer."""
    from million_texts import solution, story

    from mathstrap.types import root_of

    rng = random.Random(request.id)
    told = story(int(root_of(problem.id).rpartition("-")[2]))
    answer = problem.answer if rng.random() < RIGHT else str(rng.randint(1, 999))
    text = solution(told, answer, rng)
    return text if rng.random() > UNFIT else text.rpartition("\nThe answer is")[0].rpartition("\n")[0]


def completion_of(request: Any, text: str) -> Any:
    """Return the reply as it is stored."""
    from mathstrap.types import Completion

    return Completion(
        request=request.id, key=request.key, text=text, finish_reason="stop", model="synthetic",
        tokens_in=sum(len(message.content) for message in request.messages) // 4, tokens_out=len(text) // 4,
        seconds=1.0,
    )  # fmt: skip


def write_part(recipe_path: Path, stage: str, part: int, parts: int) -> Path:
    """Write one process's share of a stage's replies, a run of seeds or of questions, and return the file."""
    from mathstrap.files.rundir import RunDir
    from mathstrap.pipeline import RunRecipe
    from mathstrap.pipeline.derive import plan_rewrites, plan_solves, rewrite_request
    from mathstrap.pipeline.seeds import load_seeds
    from mathstrap.recipe import load_recipe
    from mathstrap.types import Problem, problem_of, to_json

    recipe = load_recipe(RunRecipe, str(recipe_path), [])
    out = recipe.path.parent / f"{stage}-{part}.part"
    with out.open("wb", buffering=1 << 20) as lines:
        if stage == "rewrite":
            planned = plan_rewrites(share(load_seeds(recipe).problems, part, parts), recipe).rewrites
            for one in planned:
                lines.write(to_json(completion_of(rewrite_request(one, recipe), rewrite_text(one))) + b"\n")
        else:
            derived = [one for one in RunDir.read(recipe.path).read_records("problems", Problem) if one.parent]
            by_id = {one.id: one for one in share(derived, part, parts)}
            for request in plan_solves(by_id.values(), recipe):
                text = answer_text(by_id[problem_of(request.id)], request)
                lines.write(to_json(completion_of(request, text)) + b"\n")
    return out


def share(items: list[Any], part: int, parts: int) -> list[Any]:
    """Return the part-th of so many equal runs of a list."""
    return items[len(items) * part // parts : len(items) * (part + 1) // parts]


def fill(recipe_path: Path, run: Path, stage: str, missing: int = 0) -> int:
    """Write a stage's replies, all but the last `missing`, in several processes, and return how many there are."""
    count = 0
    jobs = [(recipe_path, stage, part, PARTS) for part in range(PARTS)]
    with ProcessPoolExecutor(PARTS) as pool, (run / f"completions-{stage}.jsonl").open("wb") as whole:
        for path in pool.map(write_part, *zip(*jobs, strict=True)):
            lines = path.read_bytes().splitlines(keepends=True)
            kept = lines[: len(lines) - missing] if path.name == f"{stage}-{PARTS - 1}.part" else lines
            whole.writelines(kept)
            count += len(kept)
            path.unlink()
    return count


def make(options: argparse.Namespace) -> None:
    """Make the run directory."""
    from mathstrap.pipeline import RunRecipe, bootstrap
    from mathstrap.recipe import load_recipe

    path = write_recipe(options.out, options.seeds)
    recipe = load_recipe(RunRecipe, str(path), [])
    recipe.path.mkdir(exist_ok=True)
    started = time.perf_counter()
    count = fill(path, recipe.path, "rewrite")
    print(f"{count:,} rewrites, {time.perf_counter() - started:.0f} s", flush=True)
    bootstrap(recipe, only="rewrite")
    count += fill(path, recipe.path, "solve", options.missing)
    print(f"{count:,} replies, {time.perf_counter() - started:.0f} s", flush=True)


def num_replies(out: Path) -> int:
    """Return how many replies the run directory holds."""
    files = (out / "run").glob("completions-*.jsonl")
    return sum(block.count(b"\n") for path in files for block in blocks(path))


def blocks(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, a few megabytes at a time."""
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            yield block


def peak_mib(process_id: int | str) -> int:
    """Return the most memory a process has had."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    return 0


def held_mib() -> int:
    """Return what this process and its workers hold together; a page that several share counts once."""
    workers = Path("/proc/self/task").glob("*/children")
    found = 0
    for process_id in ["self", *(name for path in workers for name in path.read_text().split())]:
        with suppress(OSError):  # it has ended
            lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
            found += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found // 1024


class Watch(threading.Thread):
    """Looks twice a second how much memory this process and its workers hold, and keeps the most."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_mib = 0
        self.is_over = threading.Event()

    def run(self) -> None:
        """Look until told that it is over."""
        while not self.is_over.wait(0.5):
            self.peak_mib = max(self.peak_mib, held_mib())


def processor_seconds_of(process_id: int) -> float:
    """Return what a running process has used."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 1)


def resume(options: argparse.Namespace) -> dict[str, Any]:
    """Start the run's own command and wait for its first request; then let it answer what was missing, and stop."""
    from fake_server import FakeServer, Script

    found: dict[str, Any] = {"replies": num_replies(options.out)}
    with FakeServer(Script()).running() as server:
        command = [sys.executable, "-m", "mathstrap", "run", str(options.out / "million.yaml")]
        command += ["--only", "solve", "--quiet"]
        started = time.perf_counter()
        run = subprocess.Popen([*command, f"teacher.base_url={server.url}"], stdout=subprocess.DEVNULL)
        while not server.calls:
            if run.poll() is not None:
                sys.exit(f"the run ended ({run.returncode}) without asking anything")
            time.sleep(0.02)
        found["seconds_to_first_request"] = round(time.perf_counter() - started, 1)
        found["processor_seconds_to_first_request"] = processor_seconds_of(run.pid)
        found["peak_mib_at_first_request"] = peak_mib(run.pid)
        found["load_average"] = os.getloadavg()[0]
        run.wait()
        found["asked"] = sum(server.charged.values())
    return found


def processor_seconds() -> float:
    """Return what this process and its ended children have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


class Stages:
    """Seconds and peak memory of each stage of a run, in the order they end."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, float]] = {}

    def total(self, what: str) -> float:
        """Return the sum over the stages so far."""
        return sum(stage[what] for stage in self.found.values())

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that is timed under a name; time spent in an inner one that is timed counts there alone."""

        def timed(*arguments: Any) -> Any:
            before, before_processor = self.total("seconds"), self.total("processor_seconds")
            started, processor = time.perf_counter(), processor_seconds()
            result = work(*arguments)
            inner = self.total("seconds") - before
            inner_processor = self.total("processor_seconds") - before_processor
            self.found[name] = {
                "seconds": round(time.perf_counter() - started - inner, 1),
                "processor_seconds": round(processor_seconds() - processor - inner_processor, 1),
                "peak_mib": peak_mib("self"),
            }
            print(f"  {name:<10} {self.found[name]}", flush=True)
            return result

        return timed


def derive(options: argparse.Namespace) -> dict[str, Any]:
    """Run every stage in this process from the replies alone; nothing is asked, because every reply is there."""
    from mathstrap.files.rundir import RunDir
    from mathstrap.parallel import here, in_processes
    from mathstrap.pipeline import RunRecipe, curate, questions
    from mathstrap.pipeline.recall import FILE
    from mathstrap.pipeline.run import STAGES, finish
    from mathstrap.pipeline.seeds import load_seeds
    from mathstrap.pipeline.state import Context, State
    from mathstrap.pipeline.teacher import Teacher
    from mathstrap.recipe import load_recipe

    recipe = load_recipe(RunRecipe, str(options.out / "million.yaml"), [])
    found: dict[str, Any] = {"replies": num_replies(options.out)}
    (options.out / "run" / FILE).unlink(missing_ok=True)
    stages, watch = Stages(), Watch()
    watch.start()
    started, processor = time.perf_counter(), processor_seconds()
    seeds = load_seeds(recipe)
    stages.found["seeds"] = {
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(processor_seconds() - processor, 1),
        "peak_mib": peak_mib("self"),
    }
    with ExitStack() as stack:
        run = stack.enter_context(RunDir.open(recipe.path))
        teacher = stack.enter_context(Teacher(recipe, run, None))
        context = Context(recipe=recipe, run=run, teacher=teacher, map_chunks=in_processes(), map_searches=here)
        # Parts of a stage that the page shows apart.
        questions.filter_questions = stages.timed("filter", questions.filter_questions)
        questions.rewrite = stages.timed("rewrite", questions.rewrite)
        curate.write_exports = stages.timed("export", curate.write_exports)
        state = State(seeds=seeds, rejects=tuple(seeds.rejects))
        for name, run_stage in STAGES:
            state = stages.timed("questions" if name == "filter" else name, run_stage)(state, context)
        summary = stages.timed("finish", finish)(state, context)
    watch.is_over.set()
    assert summary.is_complete, "the run asked for something"
    return found | {
        "seconds": round(time.perf_counter() - started, 1),
        "processor_seconds": round(processor_seconds() - processor, 1),
        "load_average": os.getloadavg()[0],
        "peak_mib": peak_mib("self"),
        "peak_mib_with_workers": watch.peak_mib,
        "seeds": summary.num_seeds,
        "questions": summary.num_problems,
        "samples": summary.num_samples,
        "rejects": {reason: sum(counts.values()) for reason, counts in summary.analysis.rejects.items()},
        "megabytes": {
            path.name: round(path.stat().st_size / 1e6) for path in sorted((options.out / "run").glob("*.*"))
            if path.stat().st_size > 5e5
        },
        "stages": stages.found,
    }  # fmt: skip


def main() -> None:
    """Run the command that the command line names."""
    from engine import save

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["make", "resume", "derive"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=21_500)
    parser.add_argument("--missing", type=int, default=1_000)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.out = options.out.resolve()
    if options.command == "make":
        make(options)
        return
    found = {"resume": resume, "derive": derive}[options.command](options)
    save(f"{options.command}_{options.seeds}_seeds", found, options.results)


if __name__ == "__main__":
    main()
