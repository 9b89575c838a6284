"""Replies are hostile: endless digits, odd letters and unbalanced marks neither crash nor hang the pure middle."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mathstrap.augment import AUGMENTATIONS, Draft
from mathstrap.augment.calculations import read_steps
from mathstrap.augment.latex import find_zones
from mathstrap.augment.masking import find_masks
from mathstrap.augment.quantities import count_numbers
from mathstrap.augment.sentences import find_question
from mathstrap.pipeline.solve import cut_run_on, parse_solution, solve_requests
from mathstrap.prompts import load_prompt
from mathstrap.types import Candidate, Completion, Method, Problem, Reject, Sampling, Style

SIZE = 20_000
PIECES = [
    "9", "1,", ".5", "$", "one hundred and ", "a ", "{", "\\frac", "1+", "(", "\n", "?", " ", "\\", "\\[", "[asy]",
    "\\begin{align}", "\nRephrase", "<<1+1", "2 1/2 ", "5-", "half of ", "x", "_{", "find ", "\\boxed{", "A. ", "=1",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_long_and_endless_texts_take_no_time(piece: str) -> None:
    text = piece * (SIZE // len(piece))
    start = time.perf_counter()
    count_numbers(text)
    find_zones(text)
    read_steps(text)
    find_question(text, "math")
    find_masks(text, "gsm8k")
    find_masks(text, "math")
    cut_run_on(text)
    assert time.perf_counter() - start < 30


@pytest.mark.parametrize(
    "text", ["one ſixth of it", "ſix", "2 thouſand", "doubleſ", "9" * 5000, "1/" + "9" * 5000, "٣ cats"]
)
def test_odd_letters_and_endless_digits_are_no_error(text: str) -> None:
    count_numbers(text)
    find_masks(text, "gsm8k")
    find_masks(text, "math")


SEEDS: dict[Style, Problem] = {
    "gsm8k": Problem(
        id="s", dataset="s", style="gsm8k", question="Ann has 3 of 7 cats. If 2 go, how many?", answer="1"
    ),
    "math": Problem(id="m", dataset="m", style="math", question="If $x=3$, what is $x^2+1$?", answer="10"),
}
replies = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))


@settings(max_examples=300, deadline=None)
@given(
    text=replies, style=st.sampled_from(["gsm8k", "math"]), method=st.sampled_from(["rephrase", "self_verification"])
)
def test_any_reply_is_a_problem_or_a_reject(text: str, style: Style, method: Method) -> None:
    for mode in ("default", "metamath-2024"):
        for draft in AUGMENTATIONS[method].rewrite(SEEDS[style], 2, mode=mode):
            if not isinstance(draft, Draft):
                continue
            completion = Completion(request=draft.id, key="k", text=text, finish_reason="stop")
            result = AUGMENTATIONS[method].parse(SEEDS[style], draft, completion)
            assert isinstance(result, Problem | Reject)
            assert result.id == draft.id
            assert isinstance(result, Reject) or result.question.strip()


@settings(max_examples=200, deadline=None)
@given(text=replies)
def test_any_solution_is_a_candidate_or_a_reject(text: str) -> None:
    problem = SEEDS["math"]
    asked = next(solve_requests(problem, [0], prompt=load_prompt("solve.chat.math"), model="m", sampling=Sampling()))
    completion = Completion(request=asked.id, key=asked.key, text=text, finish_reason="stop")
    for mode in ("default", "metamath-2024"):
        result = parse_solution(problem, completion, mode=mode)
        assert isinstance(result, Candidate | Reject)
        assert result.id == asked.id
