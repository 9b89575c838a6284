"""The Game of 24, end to end (paper, App. D): data by enumeration, students from scratch, an exact grader.

Every student's replies are stored in a file; a student that has its file is not trained again, so a run resumes.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.files.tables import write_atomically
from mathstrap.reproduce.game24_arms import ARMS, Arm, ArmSizes, TestPuzzle, puzzle_sets, rows_of, solved, split
from mathstrap.reproduce.student import Steps, StudentSize, answer, calculations, fit, write_blank
from mathstrap.study.done import digest
from mathstrap.study.result import Accuracy, ArmDifference, accuracy, compare_arms, verdict
from mathstrap.verify import grade

# Accuracy in percent of LLaMA-2-7B after each arm (paper, App. D).
PUBLISHED: dict[str, dict[Arm, float]] = {
    "game24": {"sft": 1.8, "ans_aug": 10.2, "mixed": 12.0},
    "game_of_n": {"sft": 0.8, "ans_aug": 3.0, "mixed": 8.1},
}
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Game24Setting:
    """The fixed settings of the experiment; the defaults were chosen in a pilot (docs/results/game24.md)."""

    size: StudentSize = field(default_factory=StudentSize)
    arms: ArmSizes = field(default_factory=ArmSizes)
    num_calculations: int = 44_800
    base: Steps = field(default_factory=lambda: Steps(steps=350, batch=128))
    student: Steps = field(default_factory=lambda: Steps(steps=200))
    rng_seeds: tuple[int, ...] = (0, 1, 2)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A graded reply: the puzzle, the Game of 24 it comes from, the reply and the verdict."""

    problem: str
    cluster: str
    puzzle: str
    reply: str
    is_correct: bool
    reason: str


class Game24Result(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of game24.json: setting, accuracies and differences by test set, and reasons of wrong replies."""

    setting: dict[str, Any]
    num_weights: int
    rows: dict[str, int]
    published: dict[str, dict[str, float]]
    accuracy: dict[str, dict[str, Accuracy]]
    differences: dict[str, list[ArmDifference]]
    reasons: dict[str, dict[str, int]]
    seconds: dict[str, float]


def graded(puzzles: Sequence[TestPuzzle], replies: Sequence[Sequence[str]]) -> list[Reply]:
    """Grade the first reply to each puzzle with the exact checker."""
    replies_graded = []
    for puzzle, (text, *_) in zip(puzzles, replies, strict=True):
        verdict = grade(puzzle.gold, text, grader="game24", form="answer")
        replies_graded.append(
            Reply(
                problem=puzzle.id, cluster=puzzle.original, puzzle=puzzle.gold, reply=text,
                is_correct=verdict.outcome == "correct", reason=verdict.reason,
            )
        )  # fmt: skip
    return replies_graded


def make_base(folder: Path, size: StudentSize, num_calculations: int, plan: Steps) -> tuple[Path, int]:
    """Return the base model of every student, trained on random calculations unless it exists, and its weight count."""
    import torch

    torch.set_num_threads(1)
    blank, model = folder / "blank", folder / "model"
    done = folder / "base.json"
    inputs = digest(asdict(size), num_calculations, asdict(plan))
    if done.exists():
        record = msgspec.json.decode(done.read_bytes())
        if record["inputs"] == inputs and (model / "config.json").exists():
            return model, int(record["num_weights"])
    num_weights = write_blank(blank, size, rng_seed=0)
    fit(blank, calculations(num_calculations, rng_seed=0), folder, plan, rng_seed=0)
    write_atomically(done, [msgspec.json.encode({"inputs": inputs, "num_weights": num_weights})])
    return model, num_weights


def saved(path: Path, inputs: str, kind: Any, make: Callable[[], Any]) -> tuple[Any, float]:
    """Return a file's value for these inputs, or compute and write it; with its seconds of processor time."""
    if path.exists():
        record = msgspec.json.decode(path.read_bytes())
        if record["inputs"] == inputs:
            return msgspec.convert(record["value"], kind), record["seconds"]
    started = time.process_time()
    value = make()
    seconds = time.process_time() - started
    write_atomically(path, [msgspec.json.encode({"inputs": inputs, "seconds": seconds, "value": value})])
    return value, seconds


def train_and_ask(
    base: Path, rows: Sequence[Mapping[str, str]], folder: Path, plan: Steps, rng_seed: int,
    puzzles: Sequence[TestPuzzle],
) -> list[Reply]:  # fmt: skip
    """Train a student, grade its greedy replies and delete its weights."""
    model = fit(base, rows, folder, plan, rng_seed=rng_seed)
    replies = graded(puzzles, answer(model, [puzzle.question for puzzle in puzzles]))
    shutil.rmtree(folder)
    return replies


def run_game24(out: Path, setting: Game24Setting | None = None, *, say: Say = print) -> Game24Result:
    """Train and ask the remaining students, and write game24.json, game24.md and game24.png; returns the result."""
    setting = setting or Game24Setting()
    (out / "replies").mkdir(parents=True, exist_ok=True)
    train_hands, test_hands = split(setting.arms)
    questions = puzzle_sets(test_hands)["game_of_n"]  # begins with the Games of 24
    answers = solved(train_hands)
    base, num_weights = make_base(out / "base", setting.size, setting.num_calculations, setting.base)
    say(f"base: {num_weights:,} weights, {setting.num_calculations:,} calculations")
    seconds: dict[str, float] = {}
    students: dict[Arm, list[list[Reply]]] = {arm: [] for arm in ARMS}
    num_rows: dict[str, int] = {}
    for rng_seed in setting.rng_seeds:
        for arm in ARMS:
            name = f"{arm}-{rng_seed}"
            rows = rows_of(arm, answers, setting.arms, rng_seed=rng_seed)
            num_rows[arm] = len(rows)
            inputs = digest(asdict(setting.size), setting.num_calculations, asdict(setting.base), rows,
                            asdict(setting.student), [puzzle.gold for puzzle in questions])  # fmt: skip
            replies, spent = saved(
                out / "replies" / f"{name}.json", inputs, list[Reply],
                partial(train_and_ask, base, rows, out / "students" / name, setting.student, rng_seed, questions),
            )  # fmt: skip
            students[arm].append(replies)
            seconds[name] = round(spent, 1)
            right = sum(reply.is_correct for reply in replies)
            say(f"{name}: {right} of {len(questions)} right, {seconds[name]:.0f} s of processor time")
    result = summarise(setting, students, num_weights=num_weights, rows=num_rows, seconds=seconds)
    write_atomically(out / "game24.json", [msgspec.json.format(msgspec.json.encode(result)) + b"\n"])
    write_atomically(out / "game24.md", [as_page(result).encode()])
    write_figure(result, out / "game24.png")
    return result


def summarise(
    setting: Game24Setting, students: Mapping[Arm, Sequence[Sequence[Reply]]], *, num_weights: int,
    rows: Mapping[str, int], seconds: Mapping[str, float],
) -> Game24Result:  # fmt: skip
    """Return accuracies, paired differences and reasons of both test sets."""
    num_games = setting.arms.test
    sets: dict[str, dict[str, list[Sequence[Reply]]]] = {
        "game24": {arm: [replies[:num_games] for replies in of_arm] for arm, of_arm in students.items()},
        "game_of_n": {arm: list(of_arm) for arm, of_arm in students.items()},
    }
    return Game24Result(
        setting=asdict(setting), num_weights=num_weights, rows=dict(rows), seconds=dict(seconds),
        published={name: {str(arm): value for arm, value in of_arm.items()} for name, of_arm in PUBLISHED.items()},
        accuracy={
            name: {arm: measured for arm, replies in of_arm.items() if (measured := accuracy(replies)) is not None}
            for name, of_arm in sets.items()
        },
        differences={name: compare_arms(of_arm) for name, of_arm in sets.items()},
        reasons={
            arm: dict(Counter(reply.reason for replies in of_arm for reply in replies))
            for arm, of_arm in students.items()
        },
    )  # fmt: skip


TITLES = {"game24": "Game of 24", "game_of_n": "Game of n"}


def as_page(result: Game24Result) -> str:
    """Return the table and the comparisons as Markdown."""
    lines = [
        "| test | arm | rows | right, % (95 % interval) | by seed, % | paper, % |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, of_arm in result.accuracy.items():
        for arm, measured in of_arm.items():
            score = measured.score
            by_seed = ", ".join(f"{100 * value:.1f}" for value in measured.by_seed)
            lines.append(
                f"| {TITLES[name]} | {arm} | {result.rows[arm]:,} | {100 * score.value:.1f} "
                f"({100 * score.low:.1f}–{100 * score.high:.1f}) | {by_seed} | {result.published[name][arm]} |"
            )
    for name, differences in result.differences.items():
        lines += ["", f"{TITLES[name]}, three pairs, adjusted by Holm:", ""]
        lines += [f"- {verdict(measured)}" for measured in differences]
    return "\n".join(lines) + "\n"


def write_figure(result: Game24Result, path: Path) -> None:
    """Draw both test sets: a bar with its interval for each arm, and a mark for the paper's number."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    for axes, (name, of_arm) in zip(figure.subplots(1, 2), result.accuracy.items(), strict=True):
        scores = [100 * measured.score.value for measured in of_arm.values()]
        half_widths = [
            [100 * (measured.score.value - measured.score.low) for measured in of_arm.values()],
            [100 * (measured.score.high - measured.score.value) for measured in of_arm.values()],
        ]
        axes.bar(list(of_arm), scores, yerr=half_widths, capsize=3, color="#0072b2", width=0.5, label="here")
        for place, measured in enumerate(of_arm.values()):
            axes.scatter(
                [place] * len(measured.by_seed), [100 * value for value in measured.by_seed], color="#000000", s=8,
                zorder=3,
            )  # fmt: skip
        published = [result.published[name][arm] for arm in of_arm]
        axes.scatter(list(of_arm), published, marker="D", color="#d55e00", zorder=3, label="paper, 7B")
        axes.set_title(TITLES[name], fontsize=10)
        axes.set_ylabel("right, %")
        axes.grid(visible=True, axis="y", alpha=0.25)
        axes.legend(frameon=False, fontsize=8)
    FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})
