"""Tell the teacher, in a sentence, why its rewriting cannot be used, if another try may fix it. Pure."""

from __future__ import annotations

from mathstrap.augment.interface import Draft
from mathstrap.patterns import regex
from mathstrap.types import Reject

# Reasons that a second try can fix; not refusals of the server, nor faults of the seed.
_SENTENCES: dict[str, str] = {
    "empty": "It holds no text.",
    "truncated": "It did not come to an end: be brief.",
    "unchanged": "It says the same as before in the same words: other words are wanted.",
    "too_long": "It is far too long: write the text that was asked for and nothing else.",
    "not_a_question": "It is not a question: end with what is asked.",
    "another_subject": "It has nothing to do with the text it was to be made from.",
    "not_a_statement": "It is still a question: write a statement.",
    "broken_latex": "The dollar signs around its formulas do not pair up.",
    "x_lost": "The unknown [[variable]] is missing.",
    "x_repeated": "It mentions the unknown [[variable]] where the question does not.",
    "gold_lost": "It does not state the answer [[answer]].",
    "leaks_answer": "It states a number that has to stay unsaid, or an answer.",
    "needs_choices": "It still speaks of choices.",
}
_LOST, _ADDED = regex(r"lost: ([^;]+)"), regex(r"added: ([^;]+)")
MOST_NUMBERS = 8


def why(reject: Reject, draft: Draft) -> str:
    """Return the sentence for the teacher on what is wrong with a rewriting; "" if another try would not help."""
    if reject.reason == "numbers_differ":
        return numbers_sentence(reject.detail)
    sentence = _SENTENCES.get(reject.reason, "")
    sentence = sentence.replace("[[variable]]", str(draft.tags.get("variable", "")))
    return sentence.replace("[[answer]]", draft.fields.get("answer", draft.answer))


def numbers_sentence(detail: str) -> str:
    """Return sentences on missing and surplus numbers, from the detail of a Reject: `lost: 1/4; added: 7, 9`."""
    sentences = []
    for pattern, singular, plural in (
        (_LOST, "The number {} is missing.", "The numbers {} are missing."),
        (_ADDED, "The number {} is new: leave it out.", "The numbers {} are new: leave them out."),
    ):
        match = pattern.search(detail)
        numbers = [number.strip() for number in match[1].split(",")] if match else []
        numbers = [number for number in numbers if number]
        if numbers:
            listed = ", ".join(numbers[:MOST_NUMBERS])
            sentences.append((singular if len(numbers) == 1 else plural).format(listed))
    return " ".join(sentences)
