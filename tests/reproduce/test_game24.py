"""The Game of 24: which hands can be solved, and every solution."""

from __future__ import annotations

import pytest

from mathstrap.reproduce.game24 import game_of_n, is_solvable, solutions
from mathstrap.verify.game24 import check


@pytest.mark.parametrize(
    ("hand", "target", "want"),
    [
        ((4, 6, 8, 8), 24, True),
        ((3, 3, 8, 8), 24, True),  # 8 / (3 - 8 / 3): fractions on the way
        ((1, 1, 1, 1), 24, False),
        ((13, 13, 13, 13), 24, False),
        ((1, 5, 5, 5), 24, True),  # 5 * (5 - 1 / 5)
        ((4, 6, 8, 24), 8, True),
    ],
)
def test_a_hand_is_solvable_or_not(hand, target, want):
    assert is_solvable(hand, target) is want
    assert bool(solutions(hand, target)) is want


def test_every_listed_solution_passes_the_checker_and_is_listed_once():
    for hand in ((4, 6, 8, 8), (3, 3, 8, 8), (1, 2, 3, 4)):
        found = solutions(hand)
        assert len(found) == len(set(found))
        assert {check(text, hand) for text in found} == {""}
    assert solutions((3, 3, 8, 8)) == ["8 / (3 - 8 / 3)"]


def test_swapping_a_number_with_the_target_gives_four_solvable_puzzles():
    swapped = game_of_n((3, 3, 8, 8))
    assert swapped == [((3, 8, 8, 24), 3), ((3, 8, 8, 24), 3), ((3, 3, 8, 24), 8), ((3, 3, 8, 24), 8)]
    assert all(is_solvable(hand, number) for hand, number in swapped)
