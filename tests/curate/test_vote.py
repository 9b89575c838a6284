from __future__ import annotations

import pytest

from mathstrap.curate.vote import VoteOptions, vote


@pytest.mark.parametrize(
    ("answers", "want"),
    [
        (["4", "4", "5"], ("4", 0.6667, 2, False, "")),
        ([r"\frac{1}{2}", "0.5", "1/2", "3"], (r"\frac{1}{2}", 0.75, 3, False, "")),  # three spellings of one answer
        (["0.5", "1/2", "1/2"], ("1/2", 1.0, 3, False, "")),  # the commonest spelling is the label
        (["4", "", "", ""], (None, 0.25, 1, False, "low_agreement")),  # silence speaks against
        (["4", "5", "4", "5"], (None, 0.5, 2, True, "tie")),
        (["4"], (None, 1.0, 1, False, "low_agreement")),  # one draw agrees with nobody
        (["", " "], (None, 0.0, 0, False, "no_answer")),
        ([], (None, 0.0, 0, False, "no_answer")),
        (["1" * 100_000] * 3, (None, 0.0, 0, False, "no_answer")),  # not an answer
    ],
)
def test_the_majority_is_the_label(answers: list[str], want: tuple[object, ...]) -> None:
    found = vote(answers)
    assert (found.answer, found.confidence, found.num_votes, found.tie, found.reason) == want
    assert found.num_draws == len(answers)


def test_a_tie_goes_to_the_first_where_the_recipe_says_so() -> None:
    assert vote(["5", "4", "4", "5"], VoteOptions(ties="first")).answer == "5"


def test_the_thresholds_are_the_recipes() -> None:
    answers = ["7"] * 3 + ["8"] * 2 + [""] * 5
    assert vote(answers).answer is None
    assert vote(answers, VoteOptions(min_agreement=0.3)).answer == "7"
    assert vote(answers, VoteOptions(min_agreement=0.3, min_votes=4)).answer is None


def test_another_equality_can_be_used() -> None:
    found = vote(["a", "A", "b"], agree=lambda a, b: "correct" if a.lower() == b.lower() else "wrong")
    assert found.num_votes == 2
