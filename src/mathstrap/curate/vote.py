"""Label a question that has no answer: the majority of several draws. Knows answers only, not problems."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from mathstrap.errors import check_least
from mathstrap.types import Outcome

# A longer answer is a solution that was read as an answer, and comparing it with every other one is slow.
MAX_ANSWER_CHARS = 500


@dataclass(frozen=True, kw_only=True)
class VoteOptions:
    """When a majority becomes a label.

    draws          draws per question (OpenMathInstruct-2 took 32).
    min_agreement  share of all draws that must state the answer; a draw without an answer counts against it.
    min_votes      draws that must state the answer, whatever the share.
    ties           "drop": two answers with equally many votes give no label; "first": the one stated first wins.
    judge          "fobar" also puts the leading answers back into the question, hides a number of it, and asks for that
                   number; an answer that recovers the number gains weight, and `min_agreement` applies to the
                   confidence of votes and checks together. "none" counts votes alone
    judge_answers  how many of the leading answers are put back
    judge_numbers  how many numbers of the question are hidden, one at a time
    judge_draws    draws for each answer put back and each number hidden
    calibration    intercept and weights of the log-odds of votes and of numbers given back, which give the confidence;
                   null = the geometric mean of the two shares, which ranks answers and is not a probability
    """

    draws: int = 32
    min_agreement: float = 0.5
    min_votes: int = 2
    ties: Literal["drop", "first"] = "drop"
    judge: Literal["none", "fobar"] = "none"
    judge_answers: int = 3
    judge_numbers: int = 1
    judge_draws: int = 4
    calibration: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        check_least(self, judge_answers=1, judge_numbers=1, judge_draws=1)


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """The result of putting one answer back: of `asked` draws, how many gave the hidden number back."""

    given_back: int
    asked: int

    @property
    def share(self) -> float:
        """The share of draws that gave the number back, with Laplace's rule: few draws pull it towards a half."""
        return (self.given_back + 1) / (self.asked + 2)


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """The label, or None; `confidence` is the leading answer's share of the draws, label or not.

    With checked answers the leader is the answer with the highest confidence of votes and checks together; `given_back`
    is then the share of its checks that gave the hidden number back, None where it was not checked.
    """

    answer: str | None
    confidence: float
    num_votes: int
    num_draws: int
    tie: bool = False
    reason: Literal["", "no_answer", "tie", "low_agreement"] = ""
    given_back: float | None = None


def vote(
    answers: Sequence[str],
    options: VoteOptions | None = None,
    *,
    agree: Callable[[str, str], Outcome] | None = None,
    checks: Mapping[str, PutBack] | None = None,
) -> Vote:
    """Return the vote of one question's draws; an empty string is a draw without an answer.

    Answers are one group if `agree` (default: the answer checker) calls them equal, so 1/2 and 0.5 vote together.
    The label is the group's commonest spelling, the earliest among equals. `checks` has the result of putting the
    leading answers back, by label; without checks, votes decide alone.
    """
    options = options or VoteOptions()
    groups = group_answers(answers, agree or _default_agree)
    if not groups:
        return Vote(answer=None, confidence=0.0, num_votes=0, num_draws=len(answers), reason="no_answer")
    checks = checks or {}
    # With checks, an answer that was not put back had too few votes to be checked, so it cannot lead.
    weights = [
        confidence_of(len(group) / len(answers), checks.get(label_of(group)), options)
        if not checks or label_of(group) in checks
        else 0.0
        for group in groups
    ]
    order = sorted(range(len(groups)), key=lambda place: (-weights[place], -len(groups[place])))
    leader = groups[order[0]]
    tie = len(groups) > 1 and weights[order[1]] == weights[order[0]]
    confidence = weights[order[0]]
    reason: Literal["", "tie", "low_agreement"] = ""
    if tie and options.ties == "drop":
        reason = "tie"
    elif confidence < options.min_agreement or len(leader) < options.min_votes:
        reason = "low_agreement"
    label = label_of(leader)
    check = checks.get(label)
    return Vote(
        answer=None if reason else label,
        confidence=round(confidence, 4),
        num_votes=len(leader),
        num_draws=len(answers),
        tie=tie,
        reason=reason,
        given_back=None if check is None else round(check.given_back / check.asked, 4),
    )


def leading_answers(
    answers: Sequence[str], number: int, *, agree: Callable[[str, str], Outcome] | None = None
) -> list[str]:
    """Return the labels of the `number` answers with the most votes; ties go to the one stated first."""
    groups = sorted(group_answers(answers, agree or _default_agree), key=lambda group: -len(group))
    return [label_of(group) for group in groups[:number]]


def label_of(group: Sequence[str]) -> str:
    """Return the commonest spelling of equal answers, the earliest among equals."""
    return max(dict.fromkeys(group), key=group.count)


def confidence_of(votes: float, check: PutBack | None, options: VoteOptions) -> float:
    """Return the confidence of an answer, in [0, 1], from its share of the votes and the check of putting it back.

    Without a calibration it is the geometric mean of both shares, as forward-backward reasoning weighs them
    (arXiv 2308.07758); without a check it is the share of votes.
    """
    if check is None:
        return votes
    if options.calibration is None:
        return math.sqrt(votes * check.share)
    intercept, by_votes, by_checks = options.calibration
    sum_of = intercept + by_votes * log_odds(votes) + by_checks * log_odds(check.share)
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, sum_of))))


def log_odds(share: float) -> float:
    """Return the log-odds of a share; one of 0 or 1 is taken as 0.01 or 0.99."""
    share = max(0.01, min(0.99, share))
    return math.log(share / (1 - share))


def group_answers(answers: Sequence[str], agree: Callable[[str, str], Outcome]) -> list[list[str]]:
    """Return groups of equal answers in order of first appearance, without empty answers."""
    groups: list[list[str]] = []
    spelled: dict[str, list[str]] = {}
    for answer in answers:
        text = answer.strip()
        if not text or len(text) > MAX_ANSWER_CHARS:
            continue
        group = spelled.get(text)
        if group is None:
            group = next((group for group in groups if agree(group[0], text) == "correct"), None)
        if group is None:
            group = []
            groups.append(group)
        spelled[text] = group
        group.append(text)
    return groups


def _default_agree(first: str, second: str) -> Outcome:
    from mathstrap.verify import answers_agree

    return answers_agree(first, second)
