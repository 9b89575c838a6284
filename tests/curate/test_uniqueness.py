"""A second value with as many draws, that fits the question too, shows that the hidden number is not determined."""

from __future__ import annotations

import pytest

from mathstrap.curate.uniqueness import fitting_twin
from mathstrap.pipeline.curate import choose, undetermined
from mathstrap.pipeline.options import CurateOptions
from mathstrap.types import Candidate, Problem, Verdict

ENDS = "\nIf we know the answer to the above question is ${}$, what is the value of unknown variable $X$?"


@pytest.mark.parametrize(
    ("asked", "hidden", "known", "answers", "twin"),
    [
        ("Compute $\\dbinom{8}{X}$.", "6", "28", ["6", "2"], "2"),
        ("Compute $\\dbinom{8}{X}$.", "6", "28", ["6", "6", "2"], None),  # fewer votes
        ("Compute $\\dbinom{8}{X}$.", "6", "28", ["6", "3"], None),  # comes to 56
        ("Compute $\\dbinom{8}{X}$.", "6", "28", ["6", ""], None),
        ("Compute $\\dbinom{8}{X}$.", "6", "28", ["2", "2"], None),  # nobody states the hidden number
        ("Evaluate $X^2 + 1$.", "3", "10", ["3", "-3", "\\text{none}"], "-3"),
        ("What is $|X - 7|$?", "12", "5", ["12", "$2$", "2"], "2"),
        ("Find the value of \\[\\frac{X}{2}.\\]", "4", "2", ["4", "8"], None),
        ("Compute $X^2$ if $X$ is positive.", "3", "9", ["3", "-3"], None),  # the words may rule it out
    ],
)
def test_a_value_that_fits_as_well_is_found(asked, hidden, known, answers, twin):
    problem = Problem(
        id="q/fobar.1", dataset="d", style="math", question=asked + ENDS.format(known), answer=hidden, method="fobar",
        tags={"variable": "X"},
    )  # fmt: skip
    assert fitting_twin(problem, known, answers) == twin


def test_a_run_leaves_out_what_its_draws_show_not_to_be_determined():
    seed = Problem(id="q", dataset="d", style="math", question="Compute $\\dbinom{8}{6}$.", answer="28")
    asked = "Compute $\\dbinom{8}{X}$."
    fobar = Problem(
        id="q/fobar.1", dataset="d", style="math", question=asked + ENDS.format(28), answer="6", method="fobar",
        parent="q", tags={"variable": "X"},
    )  # fmt: skip
    problems = {"q": seed, "q/fobar.1": fobar}
    pairs = [
        (Candidate(id=f"q/fobar.1#{draw}", problem="q/fobar.1", text=said, answer=said),
         Verdict(candidate=f"q/fobar.1#{draw}", outcome="correct" if said == "6" else "wrong", got=said, expected="6",
                 grader="math"))
        for draw, said in enumerate("62")
    ]  # fmt: skip
    twins = undetermined(pairs, problems)
    assert twins == {"q/fobar.1": "2", "q/self_verification.1": "2"}
    chosen = choose(pairs, CurateOptions(), {}, twins=twins)
    assert (chosen.ids, [(one.reason, one.detail) for one in chosen.rejects]) == ({}, [("not_unique", "2 fits too")])
