"""Collect all claims and write them as text, Markdown or JSON."""

from __future__ import annotations

import os
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError
from mathstrap.files.rows import iter_rows
from mathstrap.problems.benchmarks import DATA_VARIABLE
from mathstrap.problems.testsets import load_test_set
from mathstrap.reproduce import counts, inference
from mathstrap.reproduce.claims import Claim, compare
from mathstrap.reproduce.game24 import TARGET, game_of_n, is_solvable, puzzles, solutions

# Half of the 1,362 puzzles with a solution (App. D).
TRAIN_PUZZLES = 681


def all_claims(
    *, data: str = "", train: str = "", backward: str = "", count_solutions: bool = True
) -> list[Claim]:  # fmt: skip
    """Return every claim that needs no GPU, in the paper's order.

    `data` is a folder with gsm8k_train.jsonl and gsm8k_test.jsonl; `train` and `backward` name single files. A claim
    without its file becomes a row that names the file it needs.
    """
    return [
        *inference.table_1(),
        *_from_file(lambda: counts.masks_of_train(_questions(train or _in(data, "gsm8k_train.jsonl"))), "GSM8K train",
                    "27,723 candidates", "--train gsm8k_train.jsonl (the published training file)"),
        *_from_file(lambda: counts.masks_of_test([text for _, text in load_test_set("gsm8k", data=data)]), "GSM8K test",
                    "5,021 candidates", "--data FOLDER with gsm8k_test.jsonl"),
        *_from_file(lambda: _backward(backward or _in(data, "gsm8k_backward_200.jsonl")), "GSM8K-Backward",
                    "1,270 rows", "--backward GSM8K_Backward.jsonl (the published file)"),
        *game_claims(count_solutions=count_solutions),
        *inference.abstract_against_table_2(),
        *inference.pearson(),
        *inference.intervals(),
        *inference.surviving(),
    ]  # fmt: skip


def game_claims(*, count_solutions: bool = True) -> list[Claim]:
    """Return the claims of App. D; `count_solutions` adds the enumeration of every solution (40 s)."""
    hands = puzzles()
    solvable = sum(is_solvable(swapped, number) for hand in hands for swapped, number in game_of_n(hand))
    claims = [
        compare("App. D", "puzzles: every solvable multiset of 1 to 13", 1_362, len(hands)),
        compare("App. D", "half of them, to train and to test", 681, len(hands) // 2),
        compare("App. D", "Game of n: pairs of 681 puzzles", 2_724, 4 * TRAIN_PUZZLES),
        compare("App. D", "Game of n: tests, the 24 included", 3_405, 5 * TRAIN_PUZZLES),
        compare("App. D", "swapped puzzles that have a solution", "all", "all" if solvable == 4 * len(hands) else
                f"{solvable:,} of {4 * len(hands):,}"),
    ]  # fmt: skip
    if count_solutions:
        num_solutions = sum(len(solutions(hand, TARGET)) for hand in hands)
        claims.append(
            Claim(
                where="App. D", what="answers by enumeration", claimed="6,052", ours=f"{num_solutions:,} in all 1,362",
                state="not derivable",
                why="neither the training half nor the rule by which two solutions count as one is published; here "
                "terms and factors may be in any order",
            )
        )  # fmt: skip
    return claims


def _from_file(make: Callable[[], list[Claim]], where: str, claimed: str, needs: str) -> list[Claim]:
    try:
        return make()
    except (InputError, OSError) as error:  # the other claims need no file
        reason = (str(error).splitlines() or [""])[0]
        return [
            Claim(where=where, what="counts", claimed=claimed, ours="–", state="needs a file", why=f"{needs}. {reason}")
        ]


def _in(data: str, name: str) -> str:
    folder = data or os.environ.get(DATA_VARIABLE, "")
    path = Path(folder) / name
    if not folder or not path.is_file():
        raise InputError(f"{name}: no such file in the data folder ({folder or 'none given'})")
    return str(path)


def _rows(path: str) -> list[Mapping[str, Any]]:
    return [row for _, row in iter_rows(path)]


def _questions(path: str) -> list[str]:
    return [str(row.get("question", "")) for row in _rows(path)]


def _backward(path: str) -> list[Claim]:
    return counts.backward_rows(_rows(path), Path(path).name)


def summary(claims: Sequence[Claim]) -> str:
    """Return one line: the number of claims by state."""
    states = Counter(claim.state for claim in claims)
    return ", ".join(f"{num} {state}" for state, num in states.most_common())


def as_text(claims: Sequence[Claim], width: int = 80) -> str:
    """Return the table for a terminal of `width` columns: two lines per claim, grouped by section."""
    lines: list[str] = []
    place = ""
    for claim in claims:
        if claim.where != place:
            place = claim.where
            lines += ["", place] if lines else [place]
        first = f"  {claim.what}: {claim.claimed}; here {claim.ours}  [{claim.state}]"
        lines += textwrap.wrap(first, width, subsequent_indent="      ")
        if claim.why:
            lines += textwrap.wrap(claim.why, width, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines)


def as_markdown(claims: Sequence[Claim]) -> str:
    """Return the table as Markdown."""
    rows = ["| where | claim | claimed | here | | |", "| --- | --- | --- | --- | --- | --- |"]
    rows += [
        f"| {claim.where} | {claim.what} | {claim.claimed} | {claim.ours} | {claim.state} | {claim.why} |"
        for claim in claims
    ]
    return "\n".join(rows) + "\n"
