"""Label a question that has no answer: the majority of several draws. Knows answers only, not problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from mathstrap.types import Outcome

MAX_ANSWER_CHARS = 500


@dataclass(frozen=True, kw_only=True)
class VoteOptions:
    """When a majority is a label.

    draws          answers asked for per question (OpenMathInstruct-2 took 32).
    min_agreement  share of all draws that must state the answer; a draw without an answer speaks against it.
    min_votes      draws that must state it, whatever the share.
    ties           "drop": two answers with equally many votes give no label; "first": the one stated first wins.
    """

    draws: int = 32
    min_agreement: float = 0.5
    min_votes: int = 2
    ties: Literal["drop", "first"] = "drop"


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """The label, or None; `confidence` is the leading answer's share of the draws, label or not."""

    answer: str | None
    confidence: float
    num_votes: int
    num_draws: int
    tie: bool = False
    reason: Literal["", "no_answer", "tie", "low_agreement"] = ""


def vote(
    answers: Sequence[str],
    options: VoteOptions | None = None,
    *,
    agree: Callable[[str, str], Outcome] | None = None,
) -> Vote:
    """Return what the draws of one question agree on; an empty string is a draw without an answer.

    Answers count as one if `agree` (default: the answer checker) calls them equal, so 1/2 and 0.5 vote together.
    The label is the group's commonest spelling, the earliest among equals.
    """
    options = options or VoteOptions()
    groups = group_answers(answers, agree or _default_agree)
    if not groups:
        return Vote(answer=None, confidence=0.0, num_votes=0, num_draws=len(answers), reason="no_answer")
    groups.sort(key=lambda group: -len(group))
    leader = groups[0]
    tie = len(groups) > 1 and len(groups[1]) == len(leader)
    confidence = len(leader) / len(answers)
    reason: Literal["", "tie", "low_agreement"] = ""
    if tie and options.ties == "drop":
        reason = "tie"
    elif confidence < options.min_agreement or len(leader) < options.min_votes:
        reason = "low_agreement"
    label = max(dict.fromkeys(leader), key=leader.count)
    return Vote(
        answer=None if reason else label,
        confidence=round(confidence, 4),
        num_votes=len(leader),
        num_draws=len(answers),
        tie=tie,
        reason=reason,
    )


def group_answers(answers: Sequence[str], agree: Callable[[str, str], Outcome]) -> list[list[str]]:
    """Return the answers that are equal to each other, groups in order of first appearance; empty ones are left out."""
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
