"""Solving: the request of a draw, and what a reply says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mathstrap.pipeline.solve import cut_run_on, parse_solution, solve_requests
from mathstrap.prompts import choose_prompt, load_prompt
from mathstrap.types import REASONS, Candidate, Completion, FinishReason, Method, Problem, Reject, Sampling, Style


def problem(method: Method = "ans_aug", style: Style = "gsm8k") -> Problem:
    return Problem(id="s/p.1", dataset="s", style=style, question="How many is 3 times 4?", answer="12", method=method)


def reply(text: str, finish_reason: FinishReason = "stop") -> Completion:
    return Completion(request="s/p.1#2", key="k", text=text, finish_reason=finish_reason)


def test_draws_of_a_problem_share_the_key_and_differ_in_id() -> None:
    prompt = load_prompt("solve.fewshot.gsm8k")
    one, two = solve_requests(problem(), [0, 1], prompt=prompt, model="m", sampling=Sampling())
    assert (one.id, two.id, two.draw) == ("s/p.1#0", "s/p.1#1", 1)
    assert one.key == two.key
    assert one.sampling.stop == prompt.stop
    assert "How many is 3 times 4?" in one.messages[-1].content


def test_a_stated_answer_becomes_a_candidate() -> None:
    result = parse_solution(problem(), reply(" 3 * 4 = 12.\nThe answer is: 12\n"))
    assert result == Candidate(id="s/p.1#2", problem="s/p.1", text="3 * 4 = 12.\nThe answer is: 12", answer="12")


@pytest.mark.parametrize(
    ("text", "end", "reason"),
    [
        ("3 * 4 = 12.\nThe answer is: 12", "length", "truncated"),
        ("The answer is: 12", "content_filter", "refused"),
        ("", "stop", "empty"),
        (" \n\t", "stop", "empty"),
        ("I think that it is 12, but I am far from sure about it.", "stop", "no_answer"),
        ("I cannot help with that.", "stop", "no_answer"),
    ],
)
def test_an_unusable_reply_is_a_reject_with_its_reason(text: str, end: FinishReason, reason: str) -> None:
    result = parse_solution(problem(), reply(text, end))
    assert isinstance(result, Reject)
    assert (result.id, result.stage, result.reason) == ("s/p.1#2", "solve", reason)
    assert result.reason in REASONS


RUN_ON = "3 * 4 = 12.\nThe answer is: 12\n\nQuestion: What is 5 times 5?\nAnswer: 5 * 5 = 25.\nThe answer is: 25"


@pytest.mark.parametrize("end", ["stop", "length"])
def test_an_invented_next_question_is_cut_also_where_it_hit_the_limit(end: FinishReason) -> None:
    result = parse_solution(problem(), reply(RUN_ON, end))
    assert isinstance(result, Candidate)
    assert result.answer == "12"
    assert "Question" not in result.text


@pytest.mark.parametrize(
    "text",
    [
        "The question: what is 12? It is 12.",
        "We answer the Question of Ann: 12.",
        "Problem solved, 12 it is.",
    ],
)
def test_the_bare_word_question_cuts_nothing(text: str) -> None:
    assert cut_run_on(text) == text


@pytest.mark.parametrize(
    "mark", ["\nQuestion: x", "\n\n**Question 2:** x", "\nProblem: x", "\nQ: x", "<|im_end|>x", "</s>"]
)
def test_run_on_marks_are_cut(mark: str) -> None:
    assert cut_run_on(f"It is 12.{mark}") == "It is 12."


@pytest.mark.parametrize(
    ("method", "style", "text", "answer"),
    [
        ("ans_aug", "gsm8k", "3 * 4 = 12.\nThe answer is 12.", "12"),
        ("ans_aug", "gsm8k", "so it must be 12 dollars", "12"),  # the last number is good enough for the reference
        ("ans_aug", "math", "The answer is \\frac12", "\\frac{1}{2}"),
        ("rephrase", "math", "The answer is \\frac{3}{4}", "4"),  # MATH_rephrased is read by GSM8K's rules
        ("fobar", "gsm8k", "The value of x is 1,200.", "1200"),
        ("fobar", "math", "The value of X is \\frac{1}{2}", "2"),  # its marker says $X$ and never matches
        ("self_verification", "math", "The value of X is 7", "7"),
    ],
)
def test_the_reference_mode_extracts_like_the_reference(method: Method, style: Style, text: str, answer: str) -> None:
    result = parse_solution(problem(method, style), reply(text), mode="metamath-2024")
    assert isinstance(result, Candidate)
    assert result.answer == answer


def test_the_right_prompt_is_asked_of_a_backward_problem(tmp_path: Path) -> None:
    prompt = choose_prompt("backward", "gsm8k", shape="fewshot")
    asked = next(solve_requests(problem("fobar"), [0], prompt=prompt, model="m", sampling=Sampling()))
    assert "unknown variable x" in asked.messages[0].content
    assert "unknown variable $X$" not in asked.messages[0].content
