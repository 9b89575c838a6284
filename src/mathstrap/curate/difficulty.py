"""Keep the questions that a model solves sometimes: their pass rate over the existing draws lies in a window.

A question that every draw solves, or none, gives every draw the same reward, so reinforcement learning gains nothing
from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mathstrap.errors import RecipeError, check_least

Place = Literal["inside", "too_hard", "too_easy", "too_few_draws"]


@dataclass(frozen=True, kw_only=True)
class DifficultyOptions:
    """The window of pass rates.

    min_pass_rate   questions solved less often are dropped
    max_pass_rate   questions solved more often are dropped
    min_draws       questions with fewer graded draws are dropped too: their pass rate is not known
    """

    min_pass_rate: float = 0.2
    max_pass_rate: float = 0.8
    min_draws: int = 2

    def __post_init__(self) -> None:
        if not 0 <= self.min_pass_rate <= self.max_pass_rate <= 1:
            raise RecipeError(
                f"min_pass_rate, max_pass_rate: found {self.min_pass_rate} and {self.max_pass_rate}, "
                "expected 0 <= min <= max <= 1."
            )
        check_least(self, min_draws=1)


def pass_rate(num_correct: int, num_draws: int) -> float | None:
    """Return the share of graded draws that are correct; None without any."""
    return num_correct / num_draws if num_draws else None


def place_in_window(num_correct: int, num_draws: int, options: DifficultyOptions) -> Place:
    """Say where a question lies; `num_draws` counts the decided draws, including those without an answer."""
    rate = pass_rate(num_correct, num_draws)
    if rate is None or num_draws < options.min_draws:
        return "too_few_draws"
    if rate < options.min_pass_rate:
        return "too_hard"
    return "too_easy" if rate > options.max_pass_rate else "inside"
