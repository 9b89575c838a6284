"""Compare the reasoning of solutions: their equations, whether those are true, and which solutions differ most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mathstrap.curate.formulas import false_formulas
from mathstrap.curate.wording import words
from mathstrap.steps.algebra import false_derivations
from mathstrap.steps.check import early_rounding, false_steps, uses_own_arithmetic
from mathstrap.steps.expression import value_of
from mathstrap.steps.listing import claims_wrong_output, listings
from mathstrap.steps.read import ANNOTATION, Equation, canonical
from mathstrap.steps.read import equations as read_equations

__all__ = [
    "ANNOTATION",
    "Reasoning",
    "edit_distance",
    "false_equations",
    "read_reasoning",
    "select_paths",
]

MAX_TEXT = 50_000


@dataclass(frozen=True, kw_only=True)
class Reasoning:
    """The arithmetic of a solution.

    `path` lists its equations in order in a canonical spelling, the `<<...>>` ones, or all plain ones if there are
    none: two solutions with the same path reason alike, whatever their words (RFT, arXiv 2308.01825). `false` lists the
    false equations as written; an equation that cannot be evaluated is not false. `outputs` lists programs whose output
    differs from the solution's, as "prints 3, claims 2"; `num_calculations` counts the calculations read, in programs
    too. `last_result` is the number that the last `<<...>>` calculation ends in.
    """

    path: tuple[str, ...]
    false: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    num_calculations: int = 0
    last_result: Fraction | None = None


def read_reasoning(text: str, question: str = "") -> Reasoning:
    """Return the arithmetic of a solution, annotated and plain. Never raises, whatever the text."""
    noted, plain = read_equations(text)
    path = tuple("=".join(map(canonical, equation.sides)) for equation in noted or plain)
    programs = listings(text[:MAX_TEXT]) if "```" in text else []
    false = false_steps(noted, plain, question, text)
    false += false_formulas(text)
    derived = false_derivations(text, question)
    if derived and not uses_own_arithmetic(text, question):
        false += derived
    rounded = early_rounding(noted or plain, text) if "." in text else ""
    num_calculations = len(noted) + len(plain) + sum(program.num_calculations for program in programs)
    if rounded:
        false.append(rounded)
    return Reasoning(
        path=path,
        false=tuple(false),
        outputs=tuple(
            f"{program.fault or 'prints ' + short(program.printed)}, claims {short(program.claimed)}"
            for program in programs
            if claims_wrong_output(program)
        ),
        # A calculation without marks behind the last one with marks ends the steps: <<18-3=15>>15, then 15/30 = $0.50.
        last_result=_result(noted[-1]) if noted and "=" not in text[text.rfind(">>") :] else None,
        num_calculations=num_calculations,
    )


def _result(equation: Equation) -> Fraction | None:
    """Return the bare number on the last side of an equation."""
    value = value_of(equation.sides[-1].text)
    return value.exact if value is not None and value.is_bare and isinstance(value.exact, Fraction) else None


def short(text: str) -> str:
    """Return a text in one line of at most 40 characters."""
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:39] + "…"


def false_equations(text: str) -> tuple[str, ...]:
    """Return the false equations of a solution as written, each once; cheaper than `read_reasoning`."""
    noted, plain = read_equations(text)
    return tuple(false_steps(noted, plain, text=text))


def select_paths(candidates: Iterable[tuple[str, str]], limit: int | None = None) -> list[str]:
    """Return the ids of solutions to keep among (id, text) of one problem: one per equation list, most different first.

    The first solution is always kept. Each next one is the farthest in word edits from those chosen, with an equation
    list not yet chosen; ties go to the earlier. A solution without equations has its words as its list.
    """
    ids, texts, lists = [], [], []
    for item_id, text in candidates:
        tokens = words(text[:MAX_TEXT])
        ids.append(item_id)
        texts.append(tokens[:2_000])
        lists.append(read_reasoning(text).path or (" ".join(tokens),))
    open_rows = list(range(len(ids)))
    nearest = [2.0] * len(ids)
    chosen: list[int] = []
    while open_rows and (limit is None or len(chosen) < limit):
        best = max(open_rows, key=lambda row: (nearest[row], -row))
        chosen.append(best)
        open_rows = [row for row in open_rows if lists[row] != lists[best]]
        for row in open_rows:
            longest = max(len(texts[row]), len(texts[best]), 1)
            nearest[row] = min(nearest[row], edit_distance(texts[row], texts[best]) / longest)
    return [ids[row] for row in chosen]


def edit_distance(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the least number of word insertions, deletions and replacements between two texts.

    Bit-parallel (Myers 1999, in Hyyrö's form): one bit per word of `first`, so a step costs a few integer operations.
    """
    if not first or not second:
        return len(first) or len(second)
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    mask, top = (1 << len(first)) - 1, 1 << (len(first) - 1)
    plus, minus, distance = mask, 0, len(first)
    for word in second:
        match = places.get(word, 0)
        diagonal = (((match & plus) + plus) ^ plus) | match | minus
        up = minus | ~(diagonal | plus) & mask
        down = diagonal & plus
        distance += bool(up & top) - bool(down & top)
        up = (up << 1 | 1) & mask
        plus = (down << 1 | ~(diagonal | up)) & mask
        minus = up & diagonal
    return distance
