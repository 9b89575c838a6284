"""What a wrong verdict costs: three rounds of self-training on the Game of 24 with a verifier that errs.

In each round the last student answers the training puzzles, the verifier keeps what it takes to be right, and a student
is trained from the base on all that was kept so far. The verifier accepts every right answer and a share of the wrong
ones. Accuracy is measured on the other half of the puzzles by the exact checker, which does not err. The paper has no
such figure.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import msgspec

from mathstrap.files.tables import write_atomically
from mathstrap.reproduce.game24 import TARGET
from mathstrap.reproduce.game24_arms import ArmSizes, Puzzle, puzzle_sets, question_of, row_of, rows_of, solved, split
from mathstrap.reproduce.game24_study import Say, graded, make_base, saved
from mathstrap.reproduce.student import Steps, StudentSize, answer, fit
from mathstrap.stats.estimates import t_quantile
from mathstrap.study.done import digest
from mathstrap.study.plot import COLOURS, MARKERS
from mathstrap.verify.game24 import Hand, check


@dataclass(frozen=True, kw_only=True)
class NoiseSetting:
    """What is fixed before anything is trained; `draws` answers a puzzle are sampled in each round."""

    size: StudentSize = field(default_factory=StudentSize)
    sizes: ArmSizes = field(default_factory=ArmSizes)
    num_calculations: int = 44_800
    base: Steps = field(default_factory=lambda: Steps(steps=350, batch=128))
    student: Steps = field(default_factory=lambda: Steps(steps=60))
    false_accepts: tuple[float, ...] = (0.0, 0.02, 0.1)
    rounds: int = 3
    draws: int = 4
    temperature: float = 1.0
    rng_seeds: tuple[int, ...] = (0, 1, 2)


class RoundResult(msgspec.Struct, frozen=True, kw_only=True):
    """One student: accuracy on held-out puzzles, the kept answers it was trained on, and how many of them are wrong."""

    false_accepts: float
    rng_seed: int
    round: int
    accuracy: float
    num_kept: int
    num_wrong: int


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The first student of a seed: its accuracy and what it answers to the training puzzles."""

    accuracy: float
    replies: list[list[str]]


class NoiseResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON holds."""

    setting: dict[str, Any]
    rounds: list[RoundResult]
    seconds: float


def keep(
    hands: Sequence[Hand], replies: Sequence[Sequence[str]], *, false_accepts: float, rng_seed: str
) -> dict[tuple[Hand, str], bool]:  # fmt: skip
    """Return what the verifier accepts, (puzzle, answer) -> whether it is right; each answer of a puzzle once.

    One draw decides over an answer at every rate, so a higher rate accepts what a lower one does, and more.
    """
    kept: dict[tuple[Hand, str], bool] = {}
    for hand, texts in zip(hands, replies, strict=True):
        for text in dict.fromkeys(text for text in texts if text.strip()):
            is_right = not check(text, hand)
            if is_right or random.Random(f"{rng_seed} {hand} {text}").random() < false_accepts:
                kept[hand, text] = is_right
    return kept


@dataclass(frozen=True, kw_only=True)
class Material:
    """What every student of the experiment has in common."""

    out: Path
    setting: NoiseSetting
    base: Path
    answers: Mapping[Hand, Sequence[str]]
    held_out: Sequence[Puzzle]

    @property
    def hands(self) -> list[Hand]:
        """The puzzles that train."""
        return list(self.answers)


def train_student(material: Material, name: str, rng_seed: int, kept: Mapping[tuple[Hand, str], bool]) -> Path:
    """Train a student from the base on the seeds' own solutions and what was kept; return its folder."""
    rows = rows_of("sft", material.answers, material.setting.sizes, rng_seed=rng_seed)
    rows += [row_of(hand, TARGET, text, hand) for hand, text in kept]
    return fit(material.base, rows, material.out / "students" / name, material.setting.student, rng_seed=rng_seed)


def held_out_accuracy(material: Material, model: Path) -> float:
    """Return the share of held-out puzzles that a student's greedy reply solves, by the exact checker."""
    replies = answer(model, [puzzle.question for puzzle in material.held_out])
    return fmean(reply.is_correct for reply in graded(material.held_out, replies))


def sampled(material: Material, model: Path, rng_seed: int) -> list[list[str]]:
    """Return a student's answers to the training puzzles."""
    setting = material.setting
    return answer(
        model, [question_of(hand, TARGET) for hand in material.hands], draws=setting.draws,
        temperature=setting.temperature, rng_seed=rng_seed,
    )  # fmt: skip


def start(material: Material, rng_seed: int) -> Start:
    """Return how the first student of a seed does and what it answers; all rates begin with it."""
    model = train_student(material, f"start-{rng_seed}", rng_seed, {})
    return Start(accuracy=held_out_accuracy(material, model), replies=sampled(material, model, rng_seed))


def rounds_of(material: Material, rate: float, rng_seed: int, first: Start) -> list[RoundResult]:
    """Return the rounds of one rate and seed, the first student's as round 0."""
    kept: dict[tuple[Hand, str], bool] = {}

    def result(number: int, accuracy: float) -> RoundResult:
        return RoundResult(
            false_accepts=rate, rng_seed=rng_seed, round=number, accuracy=accuracy, num_kept=len(kept),
            num_wrong=sum(not is_right for is_right in kept.values()),
        )  # fmt: skip

    results, replies = [result(0, first.accuracy)], first.replies
    for number in range(1, material.setting.rounds + 1):
        kept |= keep(material.hands, replies, false_accepts=rate, rng_seed=f"{rng_seed} {number}")
        model = train_student(material, f"{rate:g}-{rng_seed}-{number}", rng_seed, kept)
        results.append(result(number, held_out_accuracy(material, model)))
        replies = sampled(material, model, rng_seed) if number < material.setting.rounds else []
    return results


def run_noise(out: Path, setting: NoiseSetting | None = None, *, say: Say = print) -> NoiseResult:
    """Run every seed and rate that has no file yet and write noise.json, noise.md and noise.png; returns the result."""
    setting = setting or NoiseSetting()
    (out / "runs").mkdir(parents=True, exist_ok=True)
    train_hands, test_hands = split(setting.sizes)
    base, _ = make_base(out / "base", setting.size, setting.num_calculations, setting.base)
    material = Material(
        out=out, setting=setting, base=base, answers=solved(train_hands), held_out=puzzle_sets(test_hands)["game24"]
    )
    inputs = digest(asdict(setting), list(material.answers.items()))
    results: list[RoundResult] = []
    seconds = 0.0
    for rng_seed in setting.rng_seeds:
        first, spent = saved(out / "runs" / f"start-{rng_seed}.json", inputs, Start, partial(start, material, rng_seed))
        seconds += spent
        for rate in setting.false_accepts:
            path = out / "runs" / f"{rate:g}-{rng_seed}.json"
            found, spent = saved(path, inputs, list[RoundResult], partial(rounds_of, material, rate, rng_seed, first))
            seconds += spent
            results += found
            say(f"{rate:.0%} false accepts, seed {rng_seed}: {', '.join(f'{one.accuracy:.1%}' for one in found)}")
    result = NoiseResult(setting=asdict(setting), rounds=results, seconds=round(seconds, 1))
    write_atomically(out / "noise.json", [msgspec.json.format(msgspec.json.encode(result)) + b"\n"])
    write_atomically(out / "noise.md", [as_page(result).encode()])
    write_figure(result, out / "noise.png")
    return result


def mean_and_reach(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean over seeds and how far its 95 % interval reaches, by Student's t; 0 for one seed."""
    if len(values) < 2:
        return fmean(values), 0.0
    return fmean(values), t_quantile(0.025, len(values) - 1) * stdev(values) / math.sqrt(len(values))


def by_round(result: NoiseResult, rate: float) -> list[list[RoundResult]]:
    """Return the students of a rate, a list for each round."""
    of_rate = [one for one in result.rounds if one.false_accepts == rate]
    return [[one for one in of_rate if one.round == number] for number in range(max(one.round for one in of_rate) + 1)]


def rates(result: NoiseResult) -> list[float]:
    """Return the rates of false acceptance in the order they were run."""
    return list(dict.fromkeys(one.false_accepts for one in result.rounds))


def as_page(result: NoiseResult) -> str:
    """Return the table as Markdown."""
    lines = [
        "| wrong answers accepted | round | right, % (by seed) | answers kept | of them wrong |",
        "| --- | --- | --- | --- | --- |",
    ]
    for rate in rates(result):
        for number, ones in enumerate(by_round(result, rate)):
            mean, reach = mean_and_reach([one.accuracy for one in ones])
            by_seed = ", ".join(f"{100 * one.accuracy:.1f}" for one in ones)
            kept = sum(one.num_kept for one in ones)
            wrong = f"{sum(one.num_wrong for one in ones) / kept:.0%}" if kept else "–"
            lines.append(
                f"| {rate:.0%} | {number} | {100 * mean:.1f} ± {100 * reach:.1f} ({by_seed}) | "
                f"{kept / len(ones):,.0f} | {wrong} |"
            )
    return "\n".join(lines) + "\n"


def write_figure(result: NoiseResult, path: Path) -> None:
    """Draw accuracy by round, a line for each rate, with intervals over seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for place, rate in enumerate(rates(result)):
        points = [mean_and_reach([one.accuracy for one in ones]) for ones in by_round(result, rate)]
        axes.errorbar(
            [number + 0.05 * (place - 1) for number in range(len(points))], [100 * mean for mean, _ in points],
            yerr=[100 * reach for _, reach in points], color=COLOURS[place], marker=MARKERS[place], capsize=3,
            label=f"{rate:.0%} of wrong answers accepted",
        )  # fmt: skip
    axes.set_xticks(range(result.setting["rounds"] + 1))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("round of self-training")
    axes.set_ylabel("held-out puzzles right, %")
    axes.grid(visible=True, alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})
