"""Define an augmentation: at most three pure functions over one problem or several. Knows none of the methods."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import msgspec

from mathstrap.patterns import regex
from mathstrap.prompts import Prompt, render, request, with_stop
from mathstrap.types import Completion, Message, Method, Problem, Reject, Request, Sampling

Mode = Literal["metamath-2024", "default"]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A rewrite to ask the teacher for: `id` is that of the coming problem, `fields` fill the prompt's placeholders.

    `draw` numbers the drafts of one problem with the same prompt. `masked` is the question with its number hidden,
    `question` the part of it to rewrite; both are empty for a rephrasing. `answer` is the gold of the coming problem,
    empty if the teacher's votes have to give it. A draft of several parents lists their ids in the tag `parents`, its
    own parent first.
    """

    id: str
    method: Method
    mode: Mode
    fields: dict[str, str]
    answer: str
    draw: int = 0
    masked: str = ""
    question: str = ""
    tags: dict[str, Any] = {}


class Rewrite(Protocol):
    """Plan up to `count` derived problems of a parent: finished ones, drafts for the teacher, or a Reject.

    A count of None means one for every number of the question, or one in all for methods that hide no number.
    """

    def __call__(
        self, parent: Problem, count: int | None, *, mode: Mode = "default", rng_seed: int = 0
    ) -> list[Draft | Problem | Reject]:
        """Return them in id order; the same arguments give the same list."""
        ...


class RewriteSeveral(Protocol):
    """Plan derived problems that each have several parents: `parent`, and one or more of `others`.

    `others` are further seeds of the same style and language, in a random order of this parent: another count, or one
    more seed, keeps the order of the earlier ones. Results list all their parents in the tag `parents`, `parent` first.
    """

    def __call__(
        self,
        parent: Problem,
        count: int | None,
        *,
        others: Sequence[Problem] = (),
        mode: Mode = "default",
        rng_seed: int = 0,
    ) -> list[Draft | Problem | Reject]:
        """Return them in id order; the same arguments give the same list."""
        ...


def fill_prompt(parent: Problem, draft: Draft, prompt: Prompt) -> tuple[Message, ...]:  # noqa: ARG001
    """Return the messages that ask the teacher for this draft."""
    return render(prompt, draft.fields)


def no_draft_prompt(parent: Problem, draft: Draft, prompt: Prompt) -> tuple[Message, ...]:
    """Raise AssertionError: this method makes no drafts, so there is never a prompt."""
    raise AssertionError(f"{draft.method} of {parent.id} asks the teacher for no rewrite; found {prompt.name}")


def no_draft_reply(parent: Problem, draft: Draft, completion: Completion) -> Problem | Reject:
    """Raise AssertionError: this method makes no drafts, so there is never a reply."""
    raise AssertionError(f"{draft.method} of {parent.id} asks the teacher for no rewrite; found {completion.request}")


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One way to make problems from a problem, or from several.

    rewrite    plans the derived problems; `prompt` and `parse` are for the drafts among them
    template   the prompt of a method without a packaged one, in the format of a prompt file
    parents    how many parents each derived problem has; with 2 or more, `rewrite` also takes `others`
    """

    name: Method
    rewrite: Rewrite | RewriteSeveral
    prompt: Callable[[Problem, Draft, Prompt], tuple[Message, ...]] = fill_prompt
    parse: Callable[[Problem, Draft, Completion], Problem | Reject] = no_draft_reply
    template: str = ""
    parents: int = 1

    def plan(
        self, parent: Problem, count: int | None, *, others: Sequence[Problem], mode: Mode, rng_seed: int
    ) -> list[Draft | Problem | Reject]:
        """Return the results of `rewrite`, which receives the other seeds only if it takes several parents."""
        if self.parents == 1:
            return self.rewrite(parent, count, mode=mode, rng_seed=rng_seed)
        rewrite = cast(RewriteSeveral, self.rewrite)
        return rewrite(parent, count, others=others, mode=mode, rng_seed=rng_seed)


def same_question(name: Method) -> Augmentation:
    """Return a method that keeps the question as it is: one problem, because more answers to it are more draws."""

    def rewrite(
        parent: Problem,
        count: int | None,  # noqa: ARG001
        *,
        mode: Mode = "default",  # noqa: ARG001
        rng_seed: int = 0,  # noqa: ARG001
    ) -> list[Draft | Problem | Reject]:
        return [msgspec.structs.replace(parent, id=f"{parent.id}/{name}.1", method=name, parent=parent.id)]

    return Augmentation(name=name, rewrite=rewrite, prompt=no_draft_prompt)


def draft_request(
    parent: Problem, draft: Draft, augmentation: Augmentation, *, prompt: Prompt, model: str, sampling: Sampling,
    teacher: str = "",
) -> Request:
    """Return the request for a draft; its id is the draft's, and drafts with the same prompt share their key."""
    messages = augmentation.prompt(parent, draft, prompt)
    return request(
        id=draft.id, model=model, messages=messages, sampling=with_stop(sampling, prompt), draw=draft.draw,
        teacher=teacher,
    )  # fmt: skip


def rng_for(rng_seed: int, problem_id: str, purpose: str) -> random.Random:
    """Return a generator seeded by the run's seed, the problem and the purpose: order and sharding do not matter."""
    # \x1f occurs in no id, so different arguments never give the same text.
    return random.Random(f"{rng_seed}\x1f{problem_id}\x1f{purpose}")


def refuse_reply(record_id: str, completion: Completion, stage: Literal["rewrite", "solve"]) -> Reject | None:
    """Return the Reject of a reply that is cut off, filtered or empty, or None."""
    if completion.finish_reason == "length":
        detail = completion.text or completion.reasoning  # a thought that never ended
        return Reject(id=record_id, stage=stage, reason="truncated", detail=detail[-200:])
    if completion.finish_reason == "prompt_refused":
        return Reject(id=record_id, stage=stage, reason="prompt_refused", detail=completion.ended[:200])
    if completion.finish_reason == "content_filter":
        return Reject(id=record_id, stage=stage, reason="refused", detail=completion.text[:200])
    if not completion.text.strip():
        return Reject(id=record_id, stage=stage, reason="empty")
    return None


def finished(parent: Problem, draft: Draft, question: str) -> Problem:
    """Return the problem of a draft, given its question."""
    return Problem(
        id=draft.id, dataset=parent.dataset, style=parent.style, question=question, answer=draft.answer,
        method=draft.method, parent=parent.id, tags=draft.tags,
    )  # fmt: skip


def tags_of_content(parent: Problem) -> dict[str, Any]:
    """Return the tags that still hold for a question of other content: its origin, not its difficulty."""
    return {name: parent.tags[name] for name in ("type", "subject", "source") if name in parent.tags} | {
        "original_question": parent.question,
        "original_answer": parent.answer,
    }


_RUN_ON = regex(
    r"\n\s*(?:Question|Q|Problem|Original|Answer|A|Statement|Result|Reworded|Say it another way|In other words|"
    r"Rephrase[^\n:]*|The same question[^\n:]*):"
)
_LABEL = regex(
    r"\A(?:Question|Problem|Statement|Result|Answer|Rephrased?(?: (?:question|problem|version))?|"
    r"Reworded(?: (?:question|problem|version))?|Say it another way|In other words|"
    r"The same question in other words|Here is[^\n:]{0,60}):\s*",
    re.IGNORECASE,
)


def without_label(reply: str) -> str:
    """Return a rewrite without a leading label, an invented next example, and quotation marks around it."""
    text = _LABEL.sub("", reply.strip())
    cut = _RUN_ON.search(text)
    text = (text[: cut.start()] if cut else text).strip()
    if len(text) > 1 and (text[0], text[-1]) in (('"', '"'), ("“", "”")) and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    return text
