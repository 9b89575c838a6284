from __future__ import annotations

import pytest

from mathstrap.curate.vote import PutBack, VoteOptions, leading_answers, vote
from mathstrap.errors import RecipeError


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


ANSWERS = ["5"] * 4 + ["7", "7", "7.0"] + ["9"]


@pytest.mark.parametrize(
    ("checks", "label", "given_back"),
    [
        ({}, "5", None),
        ({"5": PutBack(given_back=0, asked=4), "7": PutBack(given_back=4, asked=4)}, "7", 1.0),
        ({"5": PutBack(given_back=4, asked=4), "7": PutBack(given_back=4, asked=4)}, "5", 1.0),
        ({"5": PutBack(given_back=0, asked=4), "7": PutBack(given_back=0, asked=4)}, "5", 0.0),  # nothing tells
        ({"5": PutBack(given_back=0, asked=4), "7": PutBack(given_back=1, asked=4)}, "7", 0.25),
    ],
)
def test_checks_and_votes_decide_together(checks: dict[str, PutBack], label: str, given_back: float | None) -> None:
    found = vote(ANSWERS, VoteOptions(min_agreement=0.2), checks=checks)
    assert (found.answer, found.given_back) == (label, given_back)
    assert 0 < found.confidence < 1


def test_an_answer_that_was_not_put_back_does_not_lead_where_others_were() -> None:
    checks = {"5": PutBack(given_back=0, asked=400), "7": PutBack(given_back=0, asked=400)}
    assert leading_answers(ANSWERS, 2) == ["5", "7"]
    assert vote(ANSWERS, VoteOptions(min_agreement=0.0), checks=checks).answer == "5"


def test_a_single_vote_is_not_a_label_however_well_its_check_goes() -> None:
    checks = {"9": PutBack(given_back=4, asked=4), "5": PutBack(given_back=0, asked=4)}
    found = vote(["9", "5", "5", "5"], VoteOptions(min_agreement=0.1), checks=checks)
    assert (found.answer, found.reason, found.num_votes) == (None, "low_agreement", 1)


def test_a_calibration_turns_both_shares_into_a_probability() -> None:
    checks = {"5": PutBack(given_back=3, asked=4), "7": PutBack(given_back=3, asked=4)}
    flat = vote(ANSWERS, VoteOptions(calibration=(0.0, 0.0, 0.0)), checks=checks)
    assert (flat.confidence, flat.tie, flat.answer) == (0.5, True, None)
    by_votes = vote(ANSWERS, VoteOptions(calibration=(1.0, 1.0, 0.0)), checks=checks)
    assert by_votes.confidence == pytest.approx(0.7311, abs=1e-4)  # the log-odds of a half are 0
    extreme = vote(["5"] * 4, VoteOptions(calibration=(0.0, 1e9, 1e9)), checks={"5": PutBack(given_back=9, asked=9)})
    assert extreme.confidence == 1.0


def test_a_check_needs_an_answer_a_number_and_a_draw() -> None:
    for name in ("judge_answers", "judge_numbers", "judge_draws"):
        with pytest.raises(RecipeError, match=f"{name}: found 0, expected 1 or more"):
            VoteOptions(**{name: 0})  # type: ignore[arg-type]
