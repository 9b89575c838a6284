"""Find faults in a question that a teacher wrote: in its form, in its numbers, or an answer that it gives away."""

from __future__ import annotations

import re
from collections.abc import Callable

from mathstrap.augment.interface import Draft, finished, refuse_reply, without_label
from mathstrap.augment.latex import find_zones
from mathstrap.augment.quantities import count_numbers, describe_numbers
from mathstrap.augment.sentences import asks_plainly, asks_something
from mathstrap.patterns import regex
from mathstrap.types import Completion, Problem, Reject

Fault = tuple[str, str]  # a reason code and a detail; "" stands for the reply itself

# Phrases that models put before the question, besides the labels of `without_label`.
_PREAMBLE = regex(
    r"\A[*_#\s]*(?:(?:sure|certainly|of course|okay|here(?:'s| is| are))\b[^\n:]{0,100}"
    r"|retold|(?:the |a |your )?(?:one|new|changed|harder|easier|modified|revised|rewritten|open|combined|joined|final"
    r"|single)[ -](?:word |math )?(?:problem|question|version|story))[*_\s]*:\**\s*",
    re.IGNORECASE,
)
# Remarks that models add after the question, although they were asked for the question only.
_REMARK = regex(
    r"\n[^\S\n]*+(?:[*_#]{1,3}[^\S\n]*+)?(?:Notes?|Explanation|Solution|Answer|Hint|Changes?|Comment|What changed"
    r"|This (?:version|problem|question))\b",
    re.IGNORECASE,
)
_GIVES_AWAY = regex(r"\b(?:the )?(?:final )?answer\s*(?:is|:|=)|####|\\boxed|<<", re.IGNORECASE)
_WORD = regex(r"[^\W\d_]{3,}")


def read_question(
    parent: Problem, draft: Draft, completion: Completion, *, longest: int, find_fault: Callable[[str], Fault | None]
) -> Problem | Reject:
    """Return the problem with the question of a reply, or why the reply is unusable.

    Its form is judged here, and whether the text gives an answer away; `find_fault` makes the checks of one method.
    `longest` is in characters.
    """
    refused = refuse_reply(draft.id, completion, "rewrite")
    if refused is not None:
        return refused
    question = question_in(completion.text)
    fault = find_form_fault(parent, question, longest=longest)
    if fault is None:
        fault = ("leaks_answer", "") if gives_away(question) else find_fault(question)
    if fault is not None:
        return Reject(id=draft.id, stage="rewrite", reason=fault[0], detail=fault[1] or question[:200])
    return finished(parent, draft, question)


def question_in(reply: str) -> str:
    """Return the question of a reply, without a label before it and remarks after it."""
    text = without_label(_PREAMBLE.sub("", reply.strip(), count=2))
    if text.startswith("**") and text.endswith("**") and text.count("**") == 2:
        text = text[2:-2].strip()
    cut = _REMARK.search(text)
    return text[: cut.start()].strip() if cut and cut.start() else text


def find_form_fault(parent: Problem, question: str, *, longest: int) -> Fault | None:
    """Return what is wrong with the form of a question made from a parent; `longest` is in characters."""
    if not question:
        return "empty", "nothing is left of the reply without its label"
    if same_words(question) == same_words(parent.question):
        return "unchanged", ""
    if len(question) > longest:
        return "too_long", ""
    # A small model answers instead of asking. A rewrite may ask as indirectly as its parent does.
    has_asked = asks_plainly(parent.question, parent.style)
    if not (asks_plainly(question, parent.style) if has_asked else asks_something(question)):
        return "not_a_question", ""
    if parent.style == "math" and find_zones(parent.question) is not None and find_zones(question) is None:
        return "broken_latex", ""
    return None


def find_number_fault(expected: str, question: str, gold: str) -> Fault | None:
    """Return the fault in the numbers of a question, which should be those of `expected` and must not be the gold."""
    before, after = count_numbers(expected), count_numbers(question)
    lost, added = before - after, after - before
    if not lost and not added:
        return None
    golds = count_numbers(gold)
    is_number = len(golds) == 1 and not before & golds
    if is_number and added & golds:
        return "leaks_answer", f"added: {describe_numbers(added)}"
    if all(value == 1 for value in [*lost, *added]):  # "a" and "one" come and go in a rewording
        return None
    changes = [f"{name}: {describe_numbers(side)}" for name, side in (("lost", lost), ("added", added)) if side]
    return "numbers_differ", "; ".join(changes)


def gives_away(question: str) -> bool:
    """Say whether a question states an answer or has the marks of a solution."""
    return _GIVES_AWAY.search(question) is not None


def same_words(question: str) -> str:
    """Return the words and numbers of a question, without case and punctuation."""
    return re.sub(r"[\W_]+", " ", question.casefold()).strip()


def shared_words(first: str, second: str) -> float:
    """Return the share of words (three letters and more) that two texts have in common; 1.0 if neither has any."""
    words, others = ({word.casefold() for word in _WORD.findall(text)} for text in (first, second))
    return len(words & others) / len(words | others) if words | others else 1.0
