"""Ask a model whether two texts are one problem, and read its verdict. Pure: the caller sends the requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from mathstrap.curate.decontaminate import Match
from mathstrap.patterns import regex
from mathstrap.prompts import Prompt, render, request
from mathstrap.types import Request, Sampling

Judgement = Literal["same", "different", "unclear"]
PROMPT = "judge.contamination"
VERDICT = regex(r"verdict\W{0,12}(same|different)\b", re.IGNORECASE)
GREEDY = Sampling(temperature=0.0, max_tokens=200)


def judge_requests(
    match: Match, question: str, test_question: str, *, prompt: Prompt, model: str, sampling: Sampling = GREEDY,
    teacher: str = "",
) -> tuple[Request, Request]:
    """Return the two requests of one match, one for each order of the problems, because a judge may favour the first.

    Their ids are the problem's id with `~judge`, the test question and the order, which leads each reply to its match.
    """
    stem = f"{match.id}~judge.{match.test_set}.{match.test_id}"
    orders = (("ab", question, test_question), ("ba", test_question, question))
    first, second = (
        request(
            id=f"{stem}.{order}",
            model=model,
            messages=render(prompt, {"question": first_question, "other": other}),
            sampling=sampling,
            teacher=teacher,
        )
        for order, first_question, other in orders
    )
    return first, second


def parse_judgement(text: str) -> Judgement:
    """Return the last verdict a reply states; "unclear" where it states none."""
    verdicts = VERDICT.findall(text[-2_000:])
    return "unclear" if not verdicts else "same" if verdicts[-1].lower() == "same" else "different"


def settle(first: Judgement, second: Judgement) -> Judgement:
    """Return the verdict of both orders together: "same" if either says so, "different" only if both do."""
    if "same" in (first, second):
        return "same"
    return "different" if first == second == "different" else "unclear"


def confirmed(matches: Iterable[Match], verdicts: Mapping[tuple[str, str, str], Judgement]) -> list[Match]:
    """Return the matches that stay: all by words, and neighbours the judge does not call different.

    `verdicts` is keyed by (id, test_set, test_id); a neighbour without a verdict stays.
    """
    return [
        match
        for match in matches
        if match.kind != "embedding" or verdicts.get((match.id, match.test_set, match.test_id)) != "different"
    ]
