"""Count, per quirk of the reference code, how many of the user's seeds and masks it would have spoiled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mathstrap.augment import quirk_finders as finders
from mathstrap.types import Problem, Style

Unit = Literal["mask", "seed"]


@dataclass(frozen=True)
class Quirk:
    """One quirk of the reference: its unit and styles, and what Mathstrap's default mode does instead."""

    name: str
    unit: Unit
    styles: tuple[Style, ...]
    reference: str
    ours: str
    find: Callable[[Problem], Iterator[finders.Spoil]]


@dataclass(frozen=True, kw_only=True)
class QuirkCount:
    """How often a quirk occurs: `count` of `total` masks or seeds, in `num_seeds` seeds, with the first example."""

    name: str
    unit: Unit
    reference: str
    ours: str
    count: int
    total: int
    num_seeds: int
    example_id: str = ""
    example: str = ""


GSM: tuple[Style, ...] = ("gsm8k",)
LATEX: tuple[Style, ...] = ("math",)
BOTH: tuple[Style, ...] = ("gsm8k", "math")


QUIRKS: tuple[Quirk, ...] = (
    Quirk("dollar_lost", "mask", GSM, "$100. becomes x. without its $", "the $ stays outside the mask",
          finders.find_dollar_lost),
    Quirk("leading_dot", "mask", GSM, "$.25 gets the gold 25", "the gold is 0.25", finders.find_leading_dot),
    Quirk("half_as_percent", "mask", GSM, "half becomes x%, with the gold 50",
          "half becomes x, gold 1/2, before of and as", finders.find_half_as_percent),
    Quirk("not_a_quantity", "mask", GSM, "one of, one another and fifth grade are hidden", "they are left alone",
          finders.find_not_a_quantity),
    Quirk("number_in_two", "mask", BOTH, "a part of a number is hidden: 2 of 2 1/2", "whole numbers only",
          finders.find_number_in_two),
    Quirk("number_missed", "mask", BOTH, "Ten, five., 3-day, $5/hour and most numbers in formulas are not hidden",
          "they are hidden", finders.find_missed),
    Quirk("no_number_found", "seed", BOTH, "the seed has no backward problem",
          "a Reject says so where no number is found", finders.find_no_mask),
    Quirk("wrong_mask_gold", "mask", LATEX, "the gold is the token's last digits: 2^3 gets 3",
          "the gold is the number's value", finders.find_wrong_mask_gold),
    Quirk("odd_dollars", "mask", LATEX, "a mask takes one $ of a pair", "delimiters stay in pairs",
          finders.find_odd_dollars),
    Quirk("irrelevant_mask", "mask", BOTH, "numbers the answer does not depend on are hidden",
          "they are tagged and chosen last", finders.find_irrelevant),
    Quirk("comma_split", "mask", BOTH, "SV rewrites what follows the last comma", "SV rewrites the sentence that asks",
          finders.find_comma_split),
    Quirk("number_split", "mask", BOTH, "SV cuts inside 3.50 or 40,000", "no sentence ends inside a number",
          finders.find_number_split),
    Quirk("empty_tail", "mask", BOTH, "SV has nothing to rewrite after the final full stop",
          "SV rewrites the sentence that asks", finders.find_empty_tail),
    Quirk("no_separator", "mask", BOTH, "SV glues the statement behind the question",
          "the statement replaces the question", finders.find_no_separator),
    Quirk("gold_spoiled", "seed", LATEX, "SV states the gold an extractor for replies leaves",
          "SV states the gold as it is", finders.find_gold_spoiled),
    Quirk("gold_as_number", "seed", LATEX, "GSM8K's number rule reads SV and rephrased MATH answers",
          "one grader reads all", finders.find_gold_read_as_number),
    Quirk("gold_rounded", "seed", GSM, "the scorer rounds: 1.8 equals 2", "numbers are compared exactly",
          finders.find_gold_rounded),
    Quirk("gold_cut", "seed", GSM, "the scorer cuts an answer at its second comma", "any number of separators is read",
          finders.find_gold_cut_at_comma),
    Quirk("newline", "seed", BOTH, "training splits the question at a line break",
          "training and evaluation share one prompt", finders.find_newline),
)  # fmt: skip


def count_quirks(problems: Iterable[Problem], quirks: Sequence[Quirk] = QUIRKS) -> list[QuirkCount]:
    """Return a count for each quirk whose style occurs among the seeds, in the order of QUIRKS.

    Totals are the reference's masks of the seeds of the quirk's styles, or these seeds themselves; for missed numbers,
    the masks of the default mode.
    """
    counts = dict.fromkeys((quirk.name for quirk in quirks), 0)
    seeds = dict.fromkeys(counts, 0)
    totals = dict.fromkeys(counts, 0)
    examples: dict[str, dict[str, str]] = {}
    present: set[Style] = set()
    for problem in problems:
        present.add(problem.style)
        num_masks = len(finders.reference_masks(problem.question, problem.style))
        for quirk in quirks:
            if problem.style not in quirk.styles:
                continue
            if quirk.name == "number_missed":
                totals[quirk.name] += len(finders.our_masks(problem.question, problem.style))
            else:
                totals[quirk.name] += num_masks if quirk.unit == "mask" else 1
            spoiled = list(quirk.find(problem))
            counts[quirk.name] += len(spoiled)
            seeds[quirk.name] += bool(spoiled)
            if spoiled:
                token, becomes = spoiled[0]
                example = f"{token}: {becomes}" if token else becomes
                examples.setdefault(quirk.name, {"example_id": problem.id, "example": example})
    return [
        QuirkCount(
            name=quirk.name, unit=quirk.unit, reference=quirk.reference, ours=quirk.ours, count=counts[quirk.name],
            total=totals[quirk.name], num_seeds=seeds[quirk.name], **examples.get(quirk.name, {}),
        )
        for quirk in quirks
        if present.intersection(quirk.styles)
    ]  # fmt: skip
