r"""Find backward questions for which another number fits as well as the hidden one, from their draws.

A worked solution in algebra does not prove that the number is unique: $\dbinom{8}{x}$ is 28 for 2 and for 6. Where at
least as many draws state another value as state the hidden one, the value is substituted and computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mathstrap.curate.vote import group_answers, label_of
from mathstrap.patterns import regex
from mathstrap.types import Outcome, Problem
from mathstrap.verify import answers_agree, grade

# Longer values would make the formula's exact powers and products too large to compute.
MAX_VALUE_CHARS = 40
# A question that is nothing but one formula to compute: no other condition could exclude a value.
_COMPUTES = regex(
    r"(?:Compute|Evaluate|Calculate|Simplify|Find|Determine|What is)(?: the)?(?: exact)?(?: value of)?:?\s*"
    r"(?:\$\$?(?P<inline>[^$]+)\$\$?|\\\[(?P<shown>[^$]+?)\\\])\s*[.?]?"
)
_VALUE = regex(r"-?\d+(?:\.\d+)?|-?\\[dt]?frac\{\d+\}\{\d+\}|-?\d+/\d+")


def fitting_twin(
    problem: Problem, known: str, answers: Sequence[str], *, agree: Callable[[str, str], Outcome] = answers_agree
) -> str | None:
    """Return another value that fits a backward question; None where no draw states one.

    `known` is the answer of the question whose number is hidden. A draw without an answer is an empty string.
    """
    hidden = sum(bool(said) and agree(problem.answer, said) == "correct" for said in answers)
    if not hidden or len(answers) < 2 * hidden:
        return None
    others = [said for said in answers if said and agree(problem.answer, said) == "wrong"]
    for group in sorted(group_answers(others, agree), key=len, reverse=True):
        value = label_of(group).strip().strip("$")
        if len(group) < hidden:
            return None
        if fits(problem, value, known):
            return value
    return None


def fits(problem: Problem, value: str, known: str) -> bool:
    """Say whether a question that is one formula has the known answer with a value in the variable's place."""
    asked = str(problem.tags.get("split_sentence") or problem.question.rpartition("\n")[0]).strip()
    formula = _COMPUTES.fullmatch(asked)
    variable = str(problem.tags.get("variable", "x"))
    if formula is None or len(value) > MAX_VALUE_CHARS or not _VALUE.fullmatch(value):
        return False
    text = formula["inline"] or formula["shown"]
    place = re.compile(rf"(?<![A-Za-z\\0-9]){re.escape(variable)}(?![A-Za-z0-9])")
    # Parentheses keep a sign or a fraction together; a plain number gets none, since braces would make it a product.
    put = place.sub(lambda _: value if value.isdecimal() else f"({value})", text)
    return put != text and grade(known, put, form="answer").outcome == "correct"
