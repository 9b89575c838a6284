"""A method of your own that asks the teacher: tell the question in another setting, with the numbers as they are.

mathstrap run demo --dry-run methods.own.setting.code=examples/add_method_with_teacher.py:SETTING
"""

from mathstrap.augment import Augmentation, Draft, refuse_reply, without_label
from mathstrap.augment.quantities import count_numbers
from mathstrap.types import Problem, Reject

# A prompt file: [[question]] is filled from the draft's fields.
TEMPLATE = """[[user]]
Tell this problem in the setting of [[setting]]. Keep every number and what is asked. Write the new problem only.

[[question]]"""
SETTINGS = ["a harbour", "a school play", "a bakery at night"]


def rewrite(parent, count, *, mode="default", rng_seed=0):
    """Return a draft for each setting; a draft is a rewrite that the teacher still has to do."""
    return [
        Draft(
            id=f"{parent.id}/setting.{index}", method="setting", mode=mode, answer=parent.answer, tags=parent.tags,
            fields={"question": parent.question, "setting": setting},
        )
        for index, setting in enumerate(SETTINGS[: count or 1], start=1)
    ]  # fmt: skip


def parse(parent, draft, completion):
    """Return the problem, or a reject whose reason is a key of mathstrap.types.REASONS."""
    refused = refuse_reply(draft.id, completion, "rewrite")
    if refused is not None:
        return refused
    question = without_label(completion.text)
    if count_numbers(question) != count_numbers(parent.question):
        return Reject(id=draft.id, stage="rewrite", reason="numbers_differ", detail=question[:200])
    return Problem(
        id=draft.id, dataset=parent.dataset, style=parent.style, question=question, answer=draft.answer,
        method="setting", parent=parent.id, tags=draft.tags,
    )  # fmt: skip


SETTING = Augmentation(name="setting", rewrite=rewrite, parse=parse, template=TEMPLATE)
