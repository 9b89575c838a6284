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
# Which half trains is not published; this shuffle decides it here.
SPLIT_SEED = 24


@dataclass(frozen=True, kw_only=True)
class ArmSizes:
    """How many rows there are: App. D's numbers; a small test has fewer."""

    train: int = 681
    test: int = 681
    ans_aug: int = 6_052
    mixed_ans_aug: int = 4_000
    mixed_swapped: int = 2_052


@dataclass(frozen=True, kw_only=True)
class Puzzle:
    """A test question: four numbers and what they have to make; `original` is the Game of 24 it was swapped from."""

    id: str
    hand: Hand
    target: int
    original: str

    @property
    def question(self) -> str:
        """What the student is asked."""
        return question_of(self.hand, self.target)

    @property
    def gold(self) -> str:
        """The puzzle as the grader reads it."""
        return f"{' '.join(map(str, self.hand))} = {self.target}"


def question_of(hand: Hand, target: int) -> str:
    """Return a puzzle in the student's words."""
    return f"Make {target} of {' '.join(map(str, hand))}"


def split(sizes: ArmSizes) -> tuple[list[Hand], list[Hand]]:
    """Return the puzzles that train and those that test."""
    hands = puzzles()
    random.Random(SPLIT_SEED).shuffle(hands)
    return hands[: sizes.train], hands[len(hands) - sizes.test :]


def puzzle_sets(hands: Sequence[Hand]) -> dict[str, list[Puzzle]]:
    """Return both test sets: the puzzles themselves, and with them their four swaps (Table 7's 3,405)."""
    game24 = [
        Puzzle(id=f"{number}", hand=hand, target=TARGET, original=f"{number}") for number, hand in enumerate(hands)
    ]
    swapped = [
        Puzzle(id=f"{one.id}/{place}", hand=hand, target=target, original=one.id)
        for one in game24
        for place, (hand, target) in enumerate(game_of_n(one.hand), 1)
    ]
    return {"game24": game24, "game_of_n": [*game24, *swapped]}


def solved(hands: Sequence[Hand]) -> dict[Hand, tuple[str, ...]]:
    """Return every written solution of each puzzle."""
    return {hand: written(hand) for hand in hands}


def rows_of(
    arm: Arm, answers: Mapping[Hand, Sequence[str]], sizes: ArmSizes, *, rng_seed: int
) -> list[dict[str, str]]:  # fmt: skip
    """Return an arm's training rows; one seed's arms share what they have in common.

    sft has one written solution a puzzle, ans_aug those and more drawn from all, mixed a part of ans_aug and one
    solution each of swapped puzzles, drawn too.
    """
    rng = random.Random(rng_seed)
    first = [(hand, TARGET, rng.choice(texts)) for hand, texts in answers.items()]
    if arm == "sft":
        return [row_of(*one, one[0]) for one in first]
    rest = [(hand, TARGET, text) for hand, texts in answers.items() for text in texts]
    rest = sorted(set(rest) - set(first))
    rng.shuffle(rest)
    more = [*first, *rest]
    if arm == "ans_aug":
        return [row_of(*one, one[0]) for one in more[: sizes.ans_aug]]
    swaps = [(hand, *swap) for hand in answers for swap in game_of_n(hand)]
    chosen = rng.sample(swaps, min(sizes.mixed_swapped, len(swaps)))
    return [
        *(row_of(*one, one[0]) for one in more[: sizes.mixed_ans_aug]),
        *(row_of(swapped, number, rng.choice(written(swapped, number)), hand) for hand, swapped, number in chosen),
    ]


def row_of(hand: Hand, target: int, text: str, original: Hand) -> dict[str, str]:
    """Return a training row; rows of one original puzzle belong together."""
    return {
        "query": question_of(hand, target), "response": text, "original_question": question_of(original, TARGET),
    }  # fmt: skip
