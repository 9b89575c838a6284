"""Self-verification: hide a number, let the teacher turn question and answer into a statement, ask for the number."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from msgspec import structs

from mathstrap.augment import reference
from mathstrap.augment.interface import Augmentation, Draft, Mode, fill_prompt, finished, refuse_reply, without_label
from mathstrap.augment.languages import ENGLISH, fill_wording, language_of, wording_of
from mathstrap.augment.latex import find_zones
from mathstrap.augment.quantities import count_numbers, describe_numbers
from mathstrap.augment.selection import HiddenNumber, Masks, choose_hidden, no_number
from mathstrap.augment.sentences import find_question, is_format_note, split_sentences
from mathstrap.types import Completion, Problem, Reject


def rewrite(
    parent: Problem, count: int | None, *, mode: Mode = "default", rng_seed: int = 0, masks: Masks = "sound"
) -> list[Draft | Problem | Reject]:
    """Return a draft for each of up to `count` hidden numbers; its id ends in the number's place in the question."""
    hidden = choose_hidden(parent, count, mode=mode, rng_seed=rng_seed, method="self_verification", masks=masks)
    if not hidden:
        return [no_number(parent, "self_verification", mode=mode)]
    make = _draft_default if mode == "default" else _draft_reference
    return [make(parent, number) for number in hidden]


def _draft_default(parent: Problem, number: HiddenNumber) -> Draft:
    """Return a draft that rewrites the whole asking sentence, with the gold answer as it is."""
    masked = number.masked
    sentence = find_question(masked, parent.style)
    assert sentence is not None, f"{parent.id}: a question with a number has a sentence"
    context = f"{masked[: sentence.start]}{masked[sentence.end :]}".strip()
    return Draft(
        id=f"{parent.id}/self_verification.{number.index}",
        method="self_verification",
        mode="default",
        fields={"question": sentence.text, "answer": parent.answer, "context": context},
        answer=number.answer,
        masked=masked,
        question=sentence.text,
        tags={**parent.tags, **number.tags(parent), "split_sentence": sentence.text},
    )


def _draft_reference(parent: Problem, number: HiddenNumber) -> Draft:
    """Return a draft that rewrites the text after the last full stop or comma, with the gold from the extractor."""
    base, tail = reference.split_tail(number.masked)
    answer = reference.rewritten_answer(number.known_answer, parent.style)
    return Draft(
        id=f"{parent.id}/self_verification.{number.index}",
        method="self_verification",
        mode="metamath-2024",
        fields={"question": tail, "answer": answer, "context": base},
        answer=number.answer,
        masked=number.masked,
        question=tail,
        tags={**parent.tags, **number.tags(parent), "split_sentence": tail},
    )


def parse(parent: Problem, draft: Draft, completion: Completion) -> Problem | Reject:
    """Return the backward problem, or why the statement is unusable; metamath-2024 accepts every statement."""
    refused = refuse_reply(draft.id, completion, "rewrite")
    if refused is not None:
        return refused
    variable = str(draft.tags["variable"])
    if draft.mode == "metamath-2024":
        base, _ = reference.split_tail(draft.masked)
        statement = completion.text
        body = f"{base} {statement}"
    else:
        statement = without_label(completion.text)
        fault = _find_fault(parent, draft, statement, variable)
        if fault is not None:
            return Reject(id=draft.id, stage="rewrite", reason=fault[0], detail=fault[1] or statement[:200])
        body = _put_statement(parent, draft, statement)
    wording = ENGLISH if draft.mode == "metamath-2024" else wording_of(language_of(parent.question))
    asked = fill_wording(wording.asks, variable=variable if parent.style == "gsm8k" else f"${variable}$")
    return structs.replace(finished(parent, draft, f"{body} {asked}"), tags={**draft.tags, "statement": statement})


def _put_statement(parent: Problem, draft: Draft, statement: str) -> str:
    """Replace the question by the statement, and drop notes on the form of the old answer."""
    if statement[-1] not in ".!。।":
        statement += "。" if language_of(parent.question) in ("zh", "ja") else "."
    sentence = find_question(draft.masked, parent.style)
    assert sentence is not None, f"{draft.id}: the masked question lost its sentence"
    rest = draft.masked[sentence.end :]
    others = [other.text for other in split_sentences(rest, parent.style) if not is_format_note(other.text)]
    return " ".join([draft.masked[: sentence.start] + statement, *others]).strip()


def _find_fault(parent: Problem, draft: Draft, statement: str, variable: str) -> tuple[str, str] | None:
    """Return the reason code and a detail ("" for the statement itself), or None for a good statement."""
    if not statement:
        return "empty", "nothing is left of the reply without its label"
    if re.search(r"[?？؟]", statement):
        return "not_a_statement", ""
    if len(statement) > 2 * len(draft.question) + 200:
        return "too_long", ""
    if parent.style == "math" and find_zones(statement) is None:
        return "broken_latex", ""
    if not _states(statement, parent.answer):
        return "gold_lost", ""
    numbers = _compare_numbers(parent, draft, statement)
    if numbers is not None:
        return numbers
    before, after = count_variable(draft.question, variable), count_variable(statement, variable)
    if after < min(before, 1):
        return "x_lost", ""
    return ("x_repeated", "") if after > (before + 1 if before else 0) else None


def _compare_numbers(parent: Problem, draft: Draft, statement: str) -> tuple[str, str] | None:
    """Return the fault of a statement that has other numbers than its sentence and the gold answer."""
    gold = count_numbers(parent.answer)
    expected = count_numbers(draft.question) + gold
    added = count_numbers(statement) - expected
    # A gold answer of 25 may be stated as 25% or 0.25 if the question asks for a percentage.
    for value in [value for value in added if 100 * value in gold]:
        del added[value]
    lost = count_numbers(draft.question) - count_numbers(statement)
    hidden = count_numbers(str(draft.answer))
    if added & hidden:
        return "leaks_answer", f"states the hidden number: {statement[:200]}"
    if lost or any(value not in expected for value in added):
        return "numbers_differ", f"lost: {describe_numbers(lost)}; added: {describe_numbers(added)}"
    return None


def _states(statement: str, gold: str) -> bool:
    """Say whether a statement contains the gold answer, as a number or letter for letter."""
    squeezed = re.sub(r"[\s${}]|\\[,!;]|\\left|\\right", "", statement)
    if re.sub(r"[\s${}]|\\[,!;]|\\left|\\right", "", gold) in squeezed:
        return True
    wanted = count_numbers(gold)
    is_plain = re.fullmatch(r"[-$\s\d.,/%]+", gold) is not None
    stated = count_numbers(statement)
    return is_plain and bool(wanted) and all(value in stated or value / 100 in stated for value in wanted)


def count_variable(text: str, variable: str) -> int:
    """Return how often the variable stands by itself in a text; letters inside words do not count."""
    return len(re.findall(rf"(?<![A-Za-z\\]){variable}(?![a-z])", re.sub(r"\\[A-Za-z]+", " ", text)))


SELF_VERIFICATION = Augmentation(name="self_verification", rewrite=rewrite, prompt=fill_prompt, parse=parse)


def augmentation(*, masks: Masks) -> Augmentation:
    """Return the method with its option set."""
    return replace(SELF_VERIFICATION, rewrite=partial(rewrite, masks=masks))
