"""Measure the cost of wrong verdicts: three rounds of self-training with a verifier that accepts some wrong answers.

The task is the Game of n with three numbers, small enough for a student that trains in a second: a network that picks
one of 192 ways to write an expression of three numbers, not a language model. In each round the last student answers
the training puzzles, the verifier keeps the answers it accepts, and a new student learns from the seeds and all kept
answers. The verifier accepts every right answer and a share of the wrong ones. Accuracy is measured on puzzles of other
numbers by the exact checker, which makes no errors. The paper has no such figure.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import combinations_with_replacement, permutations, product
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import msgspec

from mathstrap.files.tables import write_atomically
from mathstrap.reproduce.game24 import LARGEST, is_solvable
from mathstrap.stats.estimates import t_quantile, two_sided_p
from mathstrap.study.plot import COLOURS, MARKERS
from mathstrap.verify.game24 import Hand, check

# A way to write an expression: {0}, {1} and {2} are the numbers in rising order.
WAYS = tuple(
    form.format(*(f"{{{place}}}" for place in places), *signs)
    for places in permutations(range(3))
    for signs in product("+-*/", repeat=2)
    for form in ("( {0} {3} {1} ) {4} {2}", "{0} {3} ( {1} {4} {2} )")
)


@dataclass(frozen=True)
class Puzzle:
    """Three numbers in rising order and their target. Its repr seeds `keep`, so renaming it changes the results."""

    hand: Hand
    target: int


@dataclass(frozen=True, kw_only=True)
class NoiseSetting:
    """The fixed settings of the experiment; `draws` answers per puzzle are sampled in each round."""

    largest_target: int = 50
    seeds: int = 300
    train: int = 2_000
    test: int = 2_000
    false_accepts: tuple[float, ...] = (0.0, 0.02, 0.1)
    rounds: int = 3
    draws: int = 8
    hidden: int = 256
    steps: int = 400
    batch: int = 128
    lr: float = 2e-3
    rng_seeds: tuple[int, ...] = (0, 1, 2)


class RoundResult(msgspec.Struct, frozen=True, kw_only=True):
    """One student: accuracy on held-out puzzles, the kept answers it learnt from, and how many of them are wrong."""

    false_accepts: float
    rng_seed: int
    round: int
    accuracy: float
    num_kept: int
    num_wrong: int


class NoiseResult(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of noise.json."""

    setting: dict[str, Any]
    num_puzzles: int
    rounds: list[RoundResult]
    seconds: float


@cache
def is_right(puzzle: Puzzle, way: int) -> bool:
    """Say whether a way to write an expression solves a puzzle, by the exact checker."""
    return not check(WAYS[way].format(*puzzle.hand), puzzle.hand, puzzle.target)


def deal(setting: NoiseSetting) -> tuple[list[Puzzle], list[Puzzle]]:
    """Return the training puzzles, the seeds first, and the test puzzles; no hand is on both sides."""
    rng = random.Random(0)
    hands = list(combinations_with_replacement(range(1, LARGEST + 1), 3))
    rng.shuffle(hands)
    half = len(hands) // 2
    sides = []
    for side, count in ((hands[:half], setting.train), (hands[half:], setting.test)):
        targets = range(1, setting.largest_target + 1)
        puzzles = [Puzzle(hand, target) for hand in side for target in targets if is_solvable(hand, target)]
        rng.shuffle(puzzles)
        sides.append(puzzles[:count])
    return sides[0], sides[1]


def train_student(
    rows: Sequence[tuple[Puzzle, int]], setting: NoiseSetting, rng_seed: int
) -> Callable[[Sequence[Puzzle]], Any]:  # fmt: skip
    """Train a student from scratch on (puzzle, way) and return it: puzzles to the logits of every way, (P, 192)."""
    import torch

    torch.manual_seed(rng_seed)
    model = torch.nn.Sequential(
        torch.nn.LazyLinear(setting.hidden), torch.nn.GELU(), torch.nn.Linear(setting.hidden, setting.hidden),
        torch.nn.GELU(), torch.nn.Linear(setting.hidden, len(WAYS)),
    )  # fmt: skip
    inputs = torch.tensor([features(puzzle) for puzzle, _ in rows])
    wanted = torch.tensor([way for _, way in rows])
    model(inputs[:1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=setting.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, setting.steps)
    for _ in range(setting.steps):
        chosen = torch.randint(len(rows), (setting.batch,))
        torch.nn.functional.cross_entropy(model(inputs[chosen]), wanted[chosen]).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.eval()

    def student(puzzles: Sequence[Puzzle]) -> Any:
        with torch.inference_mode():
            return model(torch.tensor([features(puzzle) for puzzle in puzzles]))

    return student


def features(puzzle: Puzzle) -> list[float]:
    """Return a puzzle's features: its numbers and target, scaled and as logarithms, and its numbers one-hot."""
    numbers = (*puzzle.hand, puzzle.target)
    one_hot = [float(number == value) for number in puzzle.hand for value in range(1, LARGEST + 1)]
    return [*(number / 10 for number in numbers), *(math.log(number) for number in numbers), *one_hot]


def accuracy_of(student: Callable[[Sequence[Puzzle]], Any], puzzles: Sequence[Puzzle]) -> float:
    """Return the share of puzzles that a student's likeliest way solves."""
    best = student(puzzles).argmax(-1).tolist()
    return fmean(is_right(puzzle, way) for puzzle, way in zip(puzzles, best, strict=True))


def sampled(
    student: Callable[[Sequence[Puzzle]], Any], puzzles: Sequence[Puzzle], draws: int, rng_seed: int
) -> list[list[int]]:  # fmt: skip
    """Return `draws` ways for each puzzle, sampled from a student's distribution."""
    import torch

    torch.manual_seed(rng_seed)
    ways: list[list[int]] = torch.multinomial(student(puzzles).softmax(-1), draws, replacement=True).tolist()
    return ways


def keep(
    puzzles: Sequence[Puzzle], replies: Sequence[Sequence[int]], *, false_accepts: float, rng_seed: str
) -> dict[tuple[Puzzle, int], bool]:  # fmt: skip
    """Return the accepted answers, (puzzle, way) -> whether it is right; each answer of a puzzle once.

    One random number decides an answer at every rate, so a higher rate accepts all that a lower rate accepts.
    """
    kept: dict[tuple[Puzzle, int], bool] = {}
    for puzzle, ways in zip(puzzles, replies, strict=True):
        for way in dict.fromkeys(ways):
            right = is_right(puzzle, way)
            if right or random.Random(f"{rng_seed} {puzzle} {way}").random() < false_accepts:
                kept[puzzle, way] = right
    return kept


def seed_rows(puzzles: Sequence[Puzzle], rng_seed: int) -> list[tuple[Puzzle, int]]:
    """Return one random right way for each puzzle."""
    rng = random.Random(rng_seed)
    return [
        (puzzle, rng.choice([way for way in range(len(WAYS)) if is_right(puzzle, way)])) for puzzle in puzzles
    ]  # fmt: skip


def rounds_of(
    setting: NoiseSetting, train: Sequence[Puzzle], test: Sequence[Puzzle], rate: float, rng_seed: int
) -> list[RoundResult]:  # fmt: skip
    """Return the rounds of one rate and seed; the student of round 0 learns from the seeds alone."""
    own = seed_rows(train[: setting.seeds], rng_seed)
    kept: dict[tuple[Puzzle, int], bool] = {}
    results: list[RoundResult] = []
    for number in range(setting.rounds + 1):
        student = train_student([*own, *kept], setting, rng_seed)
        results.append(
            RoundResult(
                false_accepts=rate, rng_seed=rng_seed, round=number, accuracy=accuracy_of(student, test),
                num_kept=len(kept), num_wrong=sum(not right for right in kept.values()),
            )
        )  # fmt: skip
        replies = sampled(student, train, setting.draws, 1000 * rng_seed + number)
        kept |= keep(train, replies, false_accepts=rate, rng_seed=f"{rng_seed} {number}")
    return results


def run_noise(out: Path, setting: NoiseSetting | None = None, *, say: Callable[[str], None] = print) -> NoiseResult:
    """Run all rates and seeds, about two minutes, and write noise.json, noise.md and noise.png; returns the result."""
    import torch

    torch.set_num_threads(1)
    setting = setting or NoiseSetting()
    out.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    train, test = deal(setting)
    results: list[RoundResult] = []
    for rng_seed in setting.rng_seeds:
        for rate in setting.false_accepts:
            new_rounds = rounds_of(setting, train, test, rate, rng_seed)
            say(f"{rate:.0%} false accepts, seed {rng_seed}: {', '.join(f'{row.accuracy:.1%}' for row in new_rounds)}")
            results += new_rounds
    seconds = round(time.process_time() - started, 1)
    result = NoiseResult(setting=asdict(setting), num_puzzles=len(train), rounds=results, seconds=seconds)
    write_atomically(out / "noise.json", [msgspec.json.format(msgspec.json.encode(result)) + b"\n"])
    write_atomically(out / "noise.md", [as_page(result).encode()])
    write_figure(result, out / "noise.png")
    return result


def mean_and_half_width(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean over seeds and the half-width of its 95 % interval by Student's t; 0 for one seed."""
    if len(values) < 2:
        return fmean(values), 0.0
    return fmean(values), t_quantile(0.025, len(values) - 1) * stdev(values) / math.sqrt(len(values))


def costs(result: NoiseResult) -> list[str]:
    """Return the loss of each rate against the first after the last round: paired by seed, Student's t over seeds."""
    first, *others = rates(result)
    best = [row.accuracy for row in by_round(result, first)[-1]]
    sentences = []
    for rate in others:
        lost = [a - row.accuracy for a, row in zip(best, by_round(result, rate)[-1], strict=True)]
        mean, half_width = mean_and_half_width(lost)
        error = stdev(lost) / math.sqrt(len(lost)) if len(lost) > 1 else 0.0
        p = f", p = {two_sided_p(mean / error, len(lost) - 1):.2g}" if error else ""
        sentences.append(f"- {rate:.0%} against {first:.0%}: {100 * mean:.1f} ± {100 * half_width:.1f} points lost{p}.")
    return sentences


def by_round(result: NoiseResult, rate: float) -> list[list[RoundResult]]:
    """Return the students of a rate, a list for each round."""
    of_rate = [row for row in result.rounds if row.false_accepts == rate]
    return [[row for row in of_rate if row.round == number] for number in range(max(row.round for row in of_rate) + 1)]


def rates(result: NoiseResult) -> list[float]:
    """Return the rates of false acceptance in the order they were run."""
    return list(dict.fromkeys(row.false_accepts for row in result.rounds))


def as_page(result: NoiseResult) -> str:
    """Return the table as Markdown."""
    lines = [
        "| wrong answers accepted | round | right, % (by seed) | answers kept | of them wrong |",
        "| --- | --- | --- | --- | --- |",
    ]
    for rate in rates(result):
        for number, rows in enumerate(by_round(result, rate)):
            mean, half_width = mean_and_half_width([row.accuracy for row in rows])
            by_seed = ", ".join(f"{100 * row.accuracy:.1f}" for row in rows)
            kept = sum(row.num_kept for row in rows)
            wrong = f"{sum(row.num_wrong for row in rows) / kept:.0%}" if kept else "–"
            lines.append(
                f"| {rate:.0%} | {number} | {100 * mean:.1f} ± {100 * half_width:.1f} ({by_seed}) | "
                f"{kept / len(rows):,.0f} | {wrong} |"
            )
    return "\n".join([*lines, "", "After the last round, paired by seed:", "", *costs(result)]) + "\n"


def write_figure(result: NoiseResult, path: Path) -> None:
    """Draw accuracy by round, a line for each rate, with intervals over seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for place, rate in enumerate(rates(result)):
        points = [mean_and_half_width([row.accuracy for row in rows]) for rows in by_round(result, rate)]
        axes.errorbar(
            [number + 0.05 * (place - 1) for number in range(len(points))], [100 * mean for mean, _ in points],
            yerr=[100 * half_width for _, half_width in points], color=COLOURS[place], marker=MARKERS[place], capsize=3,
            label=f"{rate:.0%} of wrong answers accepted",
        )  # fmt: skip
    axes.set_xticks(range(result.setting["rounds"] + 1))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("round of self-training")
    axes.set_ylabel("held-out puzzles right, %")
    axes.grid(visible=True, alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    FigureCanvasAgg(figure).print_png(path, metadata={"Software": None})
