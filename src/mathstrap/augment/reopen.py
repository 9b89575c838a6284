"""Reopen: a multiple-choice question becomes an open one, by rule if possible. The gold is the right choice."""

from __future__ import annotations

import re

from mathstrap.augment.checks import Fault, find_number_fault, read_question
from mathstrap.augment.interface import Augmentation, Draft, Mode, fill_prompt, finished
from mathstrap.augment.sentences import find_question, is_command
from mathstrap.patterns import regex
from mathstrap.types import Completion, Problem, Reject

_GOLD = regex(r"\(?([A-J])\)?(?:[\s.:)]+(.+))?", re.DOTALL)
_MARK = regex(r"(?:(?<=[\s,;:?.])[(\[]?|[(\[])([A-J])\s?[).:\]]\s?(?=\S)")
# The question refers to its choices: without them it has several right answers or none.
_NEEDS_CHOICES = regex(
    r"\b(?:which|what)(?: one)? of (?:the following|these|those)"
    r"|\bwhich (?:statement|option|choice|expression|equation|graph|of)\b"
    r"|\b(?:listed|given|shown) (?:below|above)|\b(?:closest|nearest) to\b|\bapproximately which\b",
    re.IGNORECASE,
)
_NO_VALUE = regex(
    r"\b(?:all|none|both|neither|either|any) of\b|\b(?:none|all|cannot|can't|not enough|insufficient)\b"
    r"|\b[A-E] (?:and|or) [A-E]\b|\A[^\d\\=^]{2,}\Z",
    re.IGNORECASE,
)
_CLOSING = regex(
    r"\s*(?:\(?(?:the )?(?:answer )?(?:choices?|options?)(?: are)?\)?|(?:select|choose) (?:one|the)[^\n]*?)[:.]?\s*\Z",
    re.IGNORECASE,
)


def rewrite(
    parent: Problem,
    count: int | None,  # noqa: ARG001
    *,
    mode: Mode = "default",
    rng_seed: int = 0,  # noqa: ARG001
) -> list[Draft | Problem | Reject]:
    """Return the open question, whatever the count: finished if the choices can simply be left out, else a draft."""
    stem, choices = take_choices_off(parent.question)
    if not choices:
        return [_refusal(parent, "no_choices", "the question does not end in a list of choices")]
    letter = _GOLD.fullmatch(parent.answer.strip())
    value = choices.get(letter[1], "") if letter else parent.answer if parent.answer in choices.values() else ""
    if not value:
        return [_refusal(parent, "no_choices", f"the gold {parent.answer} is not among the choices")]
    if _NEEDS_CHOICES.search(stem):
        return [_refusal(parent, "needs_choices", stem)]
    if _NO_VALUE.search(value) or len(value.split()) > 6:
        return [_refusal(parent, "needs_choices", f"the right choice is not a value: {value}")]
    tags = {name: tag for name, tag in parent.tags.items() if name != "choices"}
    tags |= {"original_question": parent.question, "original_answer": parent.answer}
    draft = Draft(
        id=f"{parent.id}/reopen.1", method="reopen", mode=mode, fields={"question": stem}, answer=value, question=stem,
        tags=tags,
    )  # fmt: skip
    sentence = find_question(stem, parent.style)
    is_whole = sentence is not None and (sentence.text.endswith("?") or is_command(sentence.text))
    return [finished(parent, draft, stem)] if is_whole else [draft]


def parse(parent: Problem, draft: Draft, completion: Completion) -> Problem | Reject:
    """Return the question that the teacher completed, with the right choice as gold, or why the reply is unusable."""

    def find_fault(question: str) -> Fault | None:
        if _NEEDS_CHOICES.search(question) or re.search(r"\(A\)|\bA[).:]\s", question):
            return "needs_choices", ""
        return find_number_fault(draft.question, question, draft.answer)

    return read_question(parent, draft, completion, longest=2 * len(draft.question) + 200, find_fault=find_fault)


def take_choices_off(question: str) -> tuple[str, dict[str, str]]:
    """Return a question without its final choices, and these by letter; empty if it does not end in choices."""
    marks = list(_MARK.finditer(question))
    for first in range(len(marks) - 2, -1, -1):
        listed = marks[first:]
        if "".join(mark[1] for mark in listed) != "ABCDEFGHIJ"[: len(listed)]:
            continue
        ends = [*(mark.start() for mark in listed[1:]), len(question)]
        texts = [question[mark.end() : end].strip(" \t\n,;") for mark, end in zip(listed, ends, strict=True)]
        stem = _CLOSING.sub("", question[: listed[0].start()]).strip()
        return (stem, dict(zip("ABCDEFGHIJ", texts, strict=False))) if stem and all(texts) else ("", {})
    return "", {}


def _refusal(parent: Problem, reason: str, detail: str) -> Reject:
    return Reject(id=f"{parent.id}/reopen.1", stage="rewrite", reason=reason, detail=detail[:200])


REOPEN = Augmentation(name="reopen", rewrite=rewrite, prompt=fill_prompt, parse=parse)
