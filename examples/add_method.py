"""A method of your own, by rule: put a sentence that does not matter into the question. The gold stays.

mathstrap run demo --dry-run methods.own.distractor.code=examples/add_method.py:DISTRACTOR
"""

from mathstrap.augment import Augmentation, rng_for
from mathstrap.types import Problem

SENTENCES = [
    "It rained for {number} minutes that morning.",
    "The shop across the road has {number} windows.",
    "A cousin who lives far away is {number} years old.",
]


def rewrite(parent, count, *, mode="default", rng_seed=0):
    """Return up to `count` problems; the same arguments always give the same ones."""
    story, stop, question = parent.question.rpartition(". ")
    if not stop:
        return []
    rng = rng_for(rng_seed, parent.id, "distractor")
    return [
        Problem(
            id=f"{parent.id}/distractor.{index}",
            dataset=parent.dataset,
            style=parent.style,
            question=f"{story}. {sentence.format(number=rng.randint(11, 59))} {question}",
            answer=parent.answer,
            method="distractor",
            parent=parent.id,
            tags=parent.tags,
        )
        for index, sentence in enumerate(rng.sample(SENTENCES, min(count or 1, len(SENTENCES))), start=1)
    ]


DISTRACTOR = Augmentation(name="distractor", rewrite=rewrite)
