"""The graders by name, and `grade`, which picks one and prepares its input.

`math` is the default: exact where values are exact, structural, never by code execution. `gsm8k` asks for a number,
`game24` for an expression of given numbers. The others reproduce published rules for comparability.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from msgspec.structs import replace

from mathstrap.errors import InputError, suggest
from mathstrap.patterns import regex
from mathstrap.plugins import is_own, load_own
from mathstrap.types import Outcome
from mathstrap.verify.decide.equal import decide, is_number
from mathstrap.verify.find.extract import (
    NOT_STATED,
    REPEATED,
    extract_answer,
    extract_boxed,
    extract_minerva,
    gold_answer,
    looks_like_completion,
    why_no_answer,
)
from mathstrap.verify.find.reply import only_repeats
from mathstrap.verify.find.sentence import several_letters
from mathstrap.verify.game24 import compare_game24
from mathstrap.verify.record import Extraction, Form, Grade, Mode
from mathstrap.verify.released import (
    compare_released_gsm8k,
    compare_released_math,
    extract_released_gsm8k,
    extract_released_math,
)
from mathstrap.verify.strings import minerva_form, same_hendrycks


@dataclass(frozen=True, kw_only=True)
class Grader:
    """How a bare answer is compared with the gold, compare(gold, got), and how a completion's answer is read."""

    compare: Callable[[str, str], Grade]
    extract: Callable[[str, Mode], Extraction | None] = extract_answer


def compare_math(gold: str, got: str) -> Grade:
    """Compare two bare answers by the tiers: text, number, structure, expression."""
    decision = decide(several_letters(gold) if ")" in gold else gold, several_letters(got) if ")" in got else got)
    return Grade(decision.outcome, decision.tier, decision.reason, got, gold)


def compare_gsm8k(gold: str, got: str) -> Grade:
    """Compare two answers that must be numbers; units, currency and separators are allowed around them."""
    if not is_number(gold):
        return Grade("undecided", "number", "the gold answer is not a number", got, gold)
    if not is_number(got):
        return Grade("wrong", "number", "the answer is not a number", got, gold)
    return compare_math(gold, got)


def compare_hendrycks(gold: str, got: str) -> Grade:
    """Compare two answers as strings after the normalisation released with MATH."""
    return compare_released_math(gold, got)


def compare_minerva(gold: str, got: str) -> Grade:
    """Compare two answers as strings after Minerva's normalisation, then as expressions."""
    left, right = minerva_form(gold), minerva_form(got)
    if left == right or same_hendrycks(left, right):
        return Grade("correct" if got.strip() else "wrong", "text", "compared as normalised strings", got, gold)
    decision = decide(left, right)
    return Grade(decision.outcome, decision.tier, decision.reason, got, gold)


GRADERS: Mapping[str, Grader] = MappingProxyType(
    {
        "math": Grader(extract=extract_answer, compare=compare_math),
        "gsm8k": Grader(extract=extract_answer, compare=compare_gsm8k),
        "metamath-2024-gsm8k": Grader(extract=extract_released_gsm8k, compare=compare_released_gsm8k),
        "metamath-2024-math": Grader(extract=extract_released_math, compare=compare_released_math),
        "hendrycks": Grader(extract=extract_boxed, compare=compare_hendrycks),
        "minerva": Grader(extract=extract_minerva, compare=compare_minerva),
        "game24": Grader(extract=extract_answer, compare=compare_game24),
    }
)


def grader_named(name: str) -> Grader:
    """Return a grader by its name, or one of the user's own by `path/to/file.py:object`.

    Raises InputError with a suggestion for a name that is not known.
    """
    grader = GRADERS.get(name)
    if grader is None and is_own(name):
        return load_own(name, Grader, where="grader")
    if grader is None:
        raise InputError(f'No grader is called "{name}".{suggest(name, sorted(GRADERS))}')
    return grader


def grade(
    gold: str,
    prediction: str,
    *,
    grader: str = "math",
    form: Form = "auto",
    mode: Mode = "strict",
    question: str = "",
) -> Grade:
    """Decide whether `prediction` equals `gold`. Raises nothing for any two strings; unknown graders raise InputError.

    `form` says what the prediction is: a bare answer, a whole completion, or "auto" (the default, here and on the
    command line) to tell the two apart. A completion without a final answer is wrong, with tier "extraction". Mode
    "flexible" may take the last number of a completion. A gold with a `####` line is read from there. With the
    `question` at hand, a reply that only repeats sentences of it states no answer.
    """
    chosen = grader_named(grader)
    gold = gold_answer(gold) if "####" in gold else gold
    if form == "completion" or (form == "auto" and looks_like_completion(prediction)):
        is_ours = chosen.extract is extract_answer
        extraction = (
            extract_answer(prediction, mode, question=question) if is_ours else chosen.extract(prediction, mode)
        )
        if extraction is None:
            reason = why_no_answer(prediction, mode, question=question) if is_ours else NOT_STATED
            if form == "auto" and reason == NOT_STATED:  # a bare answer in many words
                return _unless_copied(chosen.compare(gold, prediction), prediction, question)
            return Grade("wrong", "extraction", reason, "", gold)
        if extraction.extractor == "bare":
            return _unless_copied(chosen.compare(gold, extraction.answer), prediction, question)
        if f"{extraction.answer}!" in prediction[-200:] and extraction.answer[-1:].isdigit():
            return _exclaimed(gold, extraction.answer, chosen)
        prediction, question = extraction.answer, ""  # what is stated, and whether it is copied is for the gold to say
    choice = _CHOICE.fullmatch(gold) if gold[:1] == "(" and not grader.startswith("metamath-2024") else None
    if choice is not None:
        return _compare_choice(choice, prediction, chosen)
    return _unless_copied(chosen.compare(gold, prediction), prediction, question)


def _unless_copied(verdict: Grade, reply: str, question: str) -> Grade:
    """Refuse a formula of the question that equals the gold only when it is worked out."""
    is_worked_out = verdict.outcome == "correct" and verdict.tier in ("expression", "structure")
    if question and is_worked_out and only_repeats(reply, question):
        return replace(verdict, outcome="wrong", tier="extraction", reason=REPEATED)
    return verdict


def _exclaimed(gold: str, answer: str, grader: Grader) -> Grade:
    """Compare the number of "The answer is 5!", whose mark ends a sentence but may be a factorial."""
    verdict = grader.compare(gold, answer)
    if verdict.outcome == "wrong" and grader.compare(gold, f"{answer}!").outcome == "correct":
        return replace(
            verdict, outcome="undecided", tier="none", reason="the mark may be a factorial or end a sentence"
        )
    return verdict


# A gold that is a choice, as the readers of multiple-choice sets write it: its letter, then its text.
_CHOICE = regex(r"\(([A-J])\) (\S.*)", re.DOTALL)
_LABELLED = regex(r"\W{0,2}([A-Ja-j])\s*[).:]\s*\S.*", re.DOTALL)


def _compare_choice(choice: re.Match[str], prediction: str, grader: Grader) -> Grade:
    """Accept the letter of a choice, its text, or both; where both are given the letter decides."""
    letter, text = choice.groups()
    labelled = _LABELLED.fullmatch(prediction)
    if labelled:
        outcome: Outcome = "correct" if labelled[1].upper() == letter else "wrong"
        return Grade(outcome, "text", "the letter of the choice", prediction, choice[0])
    by_letter = re.fullmatch(r"[\W_]*(?:\\text[{(\s]*+)?([A-Ja-j])[\W_]*+", prediction)
    if by_letter and by_letter[1].upper() == letter:
        return Grade("correct", "text", "the letter of the choice", prediction, choice[0])
    return replace(grader.compare(text, prediction), expected=choice[0])
