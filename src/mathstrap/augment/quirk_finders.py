"""Find the masks and seeds that quirks of the reference code spoil; each finder is one quirk.

A finder yields `(token, becomes)`: the hidden token ("" if the quirk concerns the whole seed) and the reference's
result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from mathstrap.augment import reference
from mathstrap.augment.masking import Mask, find_masks
from mathstrap.augment.quantities import count_numbers
from mathstrap.augment.relevance import judge_mask
from mathstrap.types import Problem, Style

Spoil = tuple[str, str]


@lru_cache(maxsize=64)
def reference_masks(question: str, style: Style) -> tuple[reference.TokenMask, ...]:
    """Return the masks of metamath-2024."""
    return tuple(reference.find_token_masks(question, style))


@lru_cache(maxsize=64)
def our_masks(question: str, style: Style) -> tuple[Mask, ...]:
    """Return the masks of the default mode."""
    return tuple(find_masks(question, style))


def _each(problem: Problem) -> Iterator[tuple[reference.TokenMask, str]]:
    """Yield each mask of the reference with the masked question."""
    for mask in reference_masks(problem.question, problem.style):
        yield mask, reference.hide_token(problem.question, mask)


def _around(text: str, at: int, width: int = 28) -> str:
    """Return the text around a place on one line, for an example."""
    return " ".join(text[max(at - width, 0) : at + width].split())


def _overlapping(problem: Problem, mask: reference.TokenMask) -> list[Mask]:
    """Return our masks that share text with one of the reference's."""
    spans = our_masks(problem.question, problem.style)
    return [span for span in spans if span.start < mask.end and mask.start < span.end]


def find_dollar_lost(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks that remove the currency sign."""
    for mask, masked in _each(problem):
        if "$" in mask.token and "$" not in mask.replacement:
            yield mask.token, _around(masked, mask.start)


def find_odd_dollars(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks that leave a dollar sign without its partner."""
    if problem.question.count("$") % 2:
        return
    for mask, masked in _each(problem):
        if masked.count("$") % 2:
            yield mask.token, _around(masked, mask.start)


def find_leading_dot(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks of `.25` and the like, whose gold loses the dot."""
    for mask, _ in _each(problem):
        if problem.style == "gsm8k" and re.search(r"(?<!\d)\.\d", mask.token):
            yield mask.token, f"gold {reference.mask_answer(mask.token, problem.style, 'fobar')}"


def find_half_as_percent(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks of "half"."""
    for mask, masked in _each(problem):
        if mask.token.casefold() == "half":
            yield mask.token, _around(masked, mask.start)


def find_not_a_quantity(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks of "one of", "fifth grade" and other words that are not quantities."""
    for mask, masked in _each(problem):
        if mask.token in {"one", "fifth"} and not _overlapping(problem, mask):
            yield mask.token, _around(masked, mask.start)


def find_number_in_two(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks of one part of a longer number."""
    for mask, masked in _each(problem):
        for span in _overlapping(problem, mask):
            if span.start < mask.start or (span.end > mask.end and problem.question[mask.end] == " "):
                yield mask.token, _around(masked, mask.start)


def find_missed(problem: Problem) -> Iterator[Spoil]:
    """Yield the numbers that the reference does not hide."""
    masks = reference_masks(problem.question, problem.style)
    for span in our_masks(problem.question, problem.style):
        if not any(span.start < mask.end and mask.start < span.end for mask in masks):
            yield span.text, _around(problem.question, span.start)


def find_no_mask(problem: Problem) -> Iterator[Spoil]:
    """Yield the seed in which the reference finds no number."""
    if not reference_masks(problem.question, problem.style):
        yield "", _around(problem.question, 0, 60)


def find_wrong_mask_gold(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks whose gold differs from the hidden number."""
    for mask, _ in _each(problem):
        spans = _overlapping(problem, mask)
        gold = reference.mask_answer(mask.token, problem.style, "fobar")
        if len(spans) == 1 and not count_numbers(spans[0].answer).keys() & count_numbers(gold).keys():
            yield mask.token, f"gold {gold or 'empty'}"


def find_irrelevant(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks that the answer does not depend on."""
    for mask, masked in _each(problem):
        gold = reference.mask_answer(mask.token, problem.style, "fobar")
        if judge_mask(problem, gold, is_percent="%" in mask.replacement).relevant == "no":
            yield mask.token, _around(masked, mask.start)


def find_comma_split(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks whose question is cut at a comma."""
    for mask, masked in _each(problem):
        base, tail = reference.split_tail(masked)
        if tail and base.endswith(",") and not _is_inside_number(base, masked):
            yield mask.token, f"rewritten: {tail[:60]}"


def find_number_split(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks whose question is cut inside a number."""
    for mask, masked in _each(problem):
        base, tail = reference.split_tail(masked)
        if tail and _is_inside_number(base, masked):
            yield mask.token, f"{base[-12:]} | {tail[:40]}"


def _is_inside_number(base: str, masked: str) -> bool:
    cut = masked.replace(",", ".").rfind(".")
    return len(base) > 1 and masked[cut - 1 : cut].isdigit() and masked[cut + 1 : cut + 2].isdigit()


def find_empty_tail(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks whose question ends in a full stop, so that nothing is left to rewrite."""
    for mask, masked in _each(problem):
        if not reference.split_tail(masked)[1] and re.search(r"[.,]", masked):
            yield mask.token, f"nothing follows: {masked[-40:].strip()}"


def find_no_separator(problem: Problem) -> Iterator[Spoil]:
    """Yield the masks whose question has neither full stop nor comma."""
    for mask, masked in _each(problem):
        if not re.search(r"[.,]", masked):
            yield mask.token, f"the whole question stays: {masked[:40]}"


def find_gold_spoiled(problem: Problem) -> Iterator[Spoil]:
    """Yield the seed whose gold the SV step changes."""
    answer = reference.seed_answer(problem.answer, problem.style)
    if reference.rewritten_answer(answer, problem.style) != answer:
        yield "", f"{answer} becomes {reference.rewritten_answer(answer, problem.style) or 'empty'}"


def find_gold_read_as_number(problem: Problem) -> Iterator[Spoil]:
    """Yield the seed whose gold GSM8K's number rule misreads."""
    answer = reference.seed_answer(problem.answer, problem.style)
    if reference.clean_gsm8k(answer) != answer:
        yield "", f"{answer} is read as {reference.clean_gsm8k(answer) or 'nothing'}"


def find_gold_rounded(problem: Problem) -> Iterator[Spoil]:
    """Yield the seed whose gold is rounded by the scorer."""
    answer = problem.answer.replace(",", "")
    if re.fullmatch(r"-?\d*\.\d*[1-9]\d*", answer):
        yield "", f"{answer} is scored as {round(float(answer))}"


def find_gold_cut_at_comma(problem: Problem) -> Iterator[Spoil]:
    """Yield the seed whose gold the scorer cuts at its second comma."""
    answer = problem.answer.replace(",", "")
    if re.fullmatch(r"-?\d{7,}", answer):
        yield "", f"{int(answer):,} reads as {','.join(f'{int(answer):,}'.split(',')[:2])}"


def find_newline(problem: Problem) -> Iterator[Spoil]:
    """Yield the seed that training splits at its line break."""
    if "\n" in problem.question.strip():
        yield "", f"{problem.question.strip().splitlines()[0][:60]} | ..."
