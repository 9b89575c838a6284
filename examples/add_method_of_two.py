"""A method of your own with two parents: a sentence of another problem stands in the question and does not matter.

mathstrap run demo --dry-run methods.own.visitor.code=examples/add_method_of_two.py:VISITOR
"""

from mathstrap.augment import Augmentation
from mathstrap.types import Problem


def rewrite(parent, count, *, others=(), mode="default", rng_seed=0):
    """Return up to `count` problems; `others` are seeds of the same style, in a random order of this parent's own."""
    story, stop, question = parent.question.rpartition(". ")
    made = []
    for other in others:
        visitor, ends, _ = other.question.partition(". ")
        if not stop or not ends or len(made) == (count or 1):
            continue
        made.append(
            Problem(
                id=f"{parent.id}/visitor.{len(made) + 1}",
                dataset=parent.dataset,
                style=parent.style,
                question=f"{story}. {visitor}. {question}",
                answer=parent.answer,
                method="visitor",
                parent=parent.id,
                # Lineage: all parents, the first one first. A split or a test-set check follows every one of them.
                tags={**parent.tags, "parents": [parent.id, other.id]},
            )
        )
    return made


VISITOR = Augmentation(name="visitor", rewrite=rewrite, parents=2)
