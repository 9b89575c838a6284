"""The perturbed set: what is changed, what is left alone, and that the new gold is right."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest

from mathstrap.problems.benchmarks import load_benchmark
from mathstrap.problems.perturb import add_sentence, change_names, perturb, resample_numbers
from mathstrap.steps.expression import evaluate, numbers_in, parse_expression
from mathstrap.types import Problem


def word_problem(question: str, solution: str, answer: str) -> Problem:
    return Problem(
        id="gsm8k-00001", dataset="gsm8k", style="gsm8k", question=question, answer=answer, solution=solution
    )  # fmt: skip


PENS = word_problem(
    "Anna buys 17 pens at $4 each and pays with a $90 note. How much change does Anna get?",
    "The pens cost 17*4=<<17*4=68>>68.\nThe change is 90-68=<<90-68=22>>22.",
    "22",
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2+3*4", "14"), ("(2+3)*4", "20"), ("20%*50", "10"), ("3/4", "3/4"), ("-3+5", "2"), ("2(3+4)", "14"),
        ("1,000/4", "250"), ("$5*2", "10"), ("1/0", None), ("2+", None), ("(2", None), ("2**9", None), ("a+1", None),
        ("(" * 200, None),
    ],
)  # fmt: skip
def test_expressions_are_read_by_rule(expression: str, value: str | None) -> None:
    tree = parse_expression(expression)
    found = evaluate(tree, numbers_in(tree)) if tree else None
    assert found == (None if value is None else Fraction(value))


def test_resampled_numbers_come_with_the_answer_they_lead_to() -> None:
    for seed in range(50):
        changed = resample_numbers(PENS, random.Random(seed))
        assert changed is not None
        question, answer = changed
        numbers = [int(word.strip("$")) for word in question.split() if word.strip("$").isdigit()]
        assert int(answer) == numbers[2] - numbers[0] * numbers[1] > 0
        assert question != PENS.question


def test_a_number_that_might_mean_two_things_is_left_alone() -> None:
    # 12 is a number of the question and a dozen: which of the two is meant?
    twice = word_problem("Bo has 12 boxes of a dozen figs. How many?", "12*12=<<12*12=144>>144", "144")
    assert resample_numbers(twice, random.Random(0)) is None
    # "12 - 6" hides "half of 12": with another number the 6 would be wrong.
    hidden = word_problem("Bo loses half of his 13 and 12 figs. Left?", "<<12-6=6>> <<13+6=19>>", "19")
    assert resample_numbers(hidden, random.Random(0)) is None


def test_names_are_swapped_everywhere_and_keep_their_gender() -> None:
    problem = word_problem("Anna meets Tom. Tom gives Anna's brother 2 figs. She laughs. How many?", "", "2")
    changed = change_names(problem, random.Random(0))
    assert changed is not None
    question, answer = changed
    assert answer == "2"
    assert not {"Anna", "Tom"} & set(question.replace("'", " ").replace(".", " ").split())
    assert question.count("'s brother") == 1


def test_a_question_without_known_names_gets_no_name_variant() -> None:
    assert change_names(word_problem("A farm has 2 cows. How many?", "", "2"), random.Random(0)) is None


def test_the_added_sentence_stands_before_the_question_and_repeats_no_number() -> None:
    changed = add_sentence(PENS, random.Random(1))
    assert changed is not None
    question, answer = changed
    assert answer == PENS.answer
    assert question.endswith("How much change does Anna get?")
    assert len(question) > len(PENS.question) + 30


def test_the_set_is_the_same_for_the_same_seed_and_not_for_another() -> None:
    assert perturb([PENS]) == perturb([PENS])
    assert perturb([PENS]) != perturb([PENS], rng_seed=1)


@pytest.mark.slow
def test_all_of_gsm8k_can_be_perturbed(data_path: Path) -> None:
    parents = load_benchmark("gsm8k", data=str(data_path)).problems
    found = perturb(parents)
    kinds = Counter(problem.tags["perturbation"] for problem in found)
    assert kinds["sentence"] > 1250
    assert kinds["names"] > 450
    assert kinds["numbers"] > 500
    golds = {problem.id: problem.answer for problem in parents}
    for problem in found:
        if problem.tags["perturbation"] != "numbers":
            assert problem.answer == golds[problem.parent or ""]
        else:
            assert float(problem.answer) > 0
