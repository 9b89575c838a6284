"""New problem: the teacher writes another problem with the concepts of three seeds. Its draws vote for the gold."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mathstrap.augment.checks import Fault, read_question, shared_words
from mathstrap.augment.interface import Augmentation, Draft, Mode, fill_prompt, tags_of_content
from mathstrap.patterns import regex
from mathstrap.types import Completion, Problem, Reject

NUM_EXAMPLES = 3
# A reply that shares this many of its words with an example is that example with other numbers.
MOST_SHARED = 0.8
# The concepts of word problems, by words that indicate them; MATH problems carry their subject in a tag.
CONCEPTS: dict[str, str] = {
    "percentages": r"%|\bper ?cent",
    "fractions of an amount": r"\b(?:half|third|quarter|fourth|fifth)s?\b|\d/\d",
    "money and change": r"\$|\b(?:cents?|dollars?|price|costs?|pays?|change)\b",
    "rates and speed": r"\b(?:per|an?) (?:hour|minute|day|week)\b|\bspeed|\bmph\b|\bkm/h\b",
    "averages": r"\b(?:average|mean)\b",
    "ratios": r"\bratio\b|\d\s?:\s?\d|\bfor every\b",
    "ages": r"\byears? (?:old|older|younger)\b|\bage\b",
    "lengths and areas": r"\b(?:area|perimeter|square|rectang\w+|length|width|meters?|feet|inches)\b",
    "comparisons (more than, less than, times as many)": r"\b(?:more|less|fewer) than\b|\btimes as\b|\btwice\b",
    "sharing and leftovers": r"\b(?:equally|share|split|each|left|remain\w*)\b",
    "time and schedules": r"\b(?:hours?|minutes?|days?|weeks?|months?)\b",
}
_COMPILED = {name: regex(pattern, re.IGNORECASE) for name, pattern in CONCEPTS.items()}


def rewrite(
    parent: Problem,
    count: int | None,
    *,
    others: Sequence[Problem] = (),
    mode: Mode = "default",
    rng_seed: int = 0,  # noqa: ARG001
) -> list[Draft | Problem | Reject]:
    """Return up to `count` drafts, one for None, each with the parent and two more of the other seeds as examples."""
    drafts: list[Draft | Problem | Reject] = []
    for index in range(1, min(count or 1, len(others) // (NUM_EXAMPLES - 1)) + 1):
        second, third = others[(index - 1) * 2 : index * 2]
        examples = (parent, second, third)
        concepts = " and ".join(concepts_of(examples))
        drafts.append(
            Draft(
                id=f"{parent.id}/new_problem.{index}", method="new_problem", mode=mode, answer="",
                fields={
                    "question": parent.question, "second": second.question, "third": third.question,
                    "concepts": concepts,
                },
                tags=tags_of_content(parent) | {
                    "parents": [example.id for example in examples], "concepts": concepts,
                    "examples": [example.question for example in examples],
                },
            )
        )  # fmt: skip
    missing = f"{NUM_EXAMPLES - 1} other seeds are needed, there are {len(others)}"
    return drafts or [Reject(id=f"{parent.id}/new_problem.1", stage="rewrite", reason="no_partner", detail=missing)]


def parse(parent: Problem, draft: Draft, completion: Completion) -> Problem | Reject:
    """Return the new problem, whose gold is empty until the draws have voted, or why the reply is unusable."""
    examples = [str(example) for example in draft.tags["examples"]]

    def find_fault(question: str) -> Fault | None:
        if any(shared_words(example, question) > MOST_SHARED for example in examples):
            return "unchanged", "it is one of the examples"
        return None

    longest = 2 * max(map(len, examples)) + 300
    return read_question(parent, draft, completion, longest=longest, find_fault=find_fault)


def concepts_of(examples: Sequence[Problem]) -> list[str]:
    """Return the two most common concepts of the examples, or their subjects if the seeds have them."""
    subjects = [str(example.tags[key]) for example in examples for key in ("subject", "type") if key in example.tags]
    if subjects:
        return list(dict.fromkeys(subjects))[:2]
    questions = [example.question for example in examples]
    counts = {name: sum(bool(pattern.search(text)) for text in questions) for name, pattern in _COMPILED.items()}
    named = [name for name in sorted(counts, key=lambda name: -counts[name]) if counts[name]]
    return named[:2] or ["the same kind of reasoning"]


NEW_PROBLEM = Augmentation(
    name="new_problem", rewrite=rewrite, prompt=fill_prompt, parse=parse, parents=NUM_EXAMPLES
)
