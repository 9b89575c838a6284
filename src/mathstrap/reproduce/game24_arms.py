"""Training and test rows of the Game of 24 experiment (paper, App. D): three arms from one half of the puzzles."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mathstrap.reproduce.game24 import TARGET, game_of_n, puzzles, written
from mathstrap.verify.game24 import Hand

Arm = Literal["sft", "ans_aug", "mixed"]
ARMS: tuple[Arm, ...] = ("sft", "ans_aug", "mixed")
# The paper does not say which half trains; this shuffle decides it here.
SPLIT_SEED = 24


@dataclass(frozen=True, kw_only=True)
class ArmSizes:
    """The numbers of rows: App. D's by default; tests use fewer."""

    train: int = 681
    test: int = 681
    ans_aug: int = 6_052
    mixed_ans_aug: int = 4_000
    mixed_swapped: int = 2_052


@dataclass(frozen=True, kw_only=True)
class TestPuzzle:
    """A test question: four numbers and their target; `original` is the Game of 24 it was swapped from."""

    id: str
    hand: Hand
    target: int
    original: str

    @property
    def question(self) -> str:
        """The question for the student."""
        return question_of(self.hand, self.target)

    @property
    def gold(self) -> str:
        """The puzzle in the grader's notation."""
        return f"{' '.join(map(str, self.hand))} = {self.target}"


def question_of(hand: Hand, target: int) -> str:
    """Return a puzzle in the student's vocabulary."""
    return f"Make {target} of {' '.join(map(str, hand))}"


def split(sizes: ArmSizes) -> tuple[list[Hand], list[Hand]]:
    """Return the training puzzles and the test puzzles."""
    hands = puzzles()
    random.Random(SPLIT_SEED).shuffle(hands)
    return hands[: sizes.train], hands[len(hands) - sizes.test :]


def puzzle_sets(hands: Sequence[Hand]) -> dict[str, list[TestPuzzle]]:
    """Return both test sets: the puzzles, and the puzzles together with their four swaps (Table 7's 3,405)."""
    game24 = [
        TestPuzzle(id=f"{number}", hand=hand, target=TARGET, original=f"{number}") for number, hand in enumerate(hands)
    ]
    swapped = [
        TestPuzzle(id=f"{puzzle.id}/{place}", hand=hand, target=target, original=puzzle.id)
        for puzzle in game24
        for place, (hand, target) in enumerate(game_of_n(puzzle.hand), 1)
    ]
    return {"game24": game24, "game_of_n": [*game24, *swapped]}


def solved(hands: Sequence[Hand]) -> dict[Hand, tuple[str, ...]]:
    """Return every written solution of each puzzle."""
    return {hand: written(hand) for hand in hands}


def rows_of(
    arm: Arm, answers: Mapping[Hand, Sequence[str]], sizes: ArmSizes, *, rng_seed: int
) -> list[dict[str, str]]:  # fmt: skip
    """Return an arm's training rows; the arms of one rng_seed share rows.

    sft has one written solution per puzzle; ans_aug has those and random others; mixed has a part of ans_aug and one
    random solution of each of some swapped puzzles.
    """
    rng = random.Random(rng_seed)
    first = [(hand, TARGET, rng.choice(texts)) for hand, texts in answers.items()]
    if arm == "sft":
        return [row_of(*solution, solution[0]) for solution in first]
    rest = [(hand, TARGET, text) for hand, texts in answers.items() for text in texts]
    rest = sorted(set(rest) - set(first))
    rng.shuffle(rest)
    more = [*first, *rest]
    if arm == "ans_aug":
        return [row_of(*solution, solution[0]) for solution in more[: sizes.ans_aug]]
    swaps = [(hand, *swap) for hand in answers for swap in game_of_n(hand)]
    chosen = rng.sample(swaps, min(sizes.mixed_swapped, len(swaps)))
    return [
        *(row_of(*solution, solution[0]) for solution in more[: sizes.mixed_ans_aug]),
        *(row_of(swapped, number, rng.choice(written(swapped, number)), hand) for hand, swapped, number in chosen),
    ]


def row_of(hand: Hand, target: int, text: str, original: Hand) -> dict[str, str]:
    """Return a training row; rows of one original puzzle share their original_question."""
    return {
        "query": question_of(hand, target), "response": text, "original_question": question_of(original, TARGET),
    }  # fmt: skip
