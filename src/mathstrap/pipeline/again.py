"""Ask once more for rejected rewritings, with the reason. A request depends on the first reply alone."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from mathstrap.augment.second_chance import why
from mathstrap.pipeline.derive import PlannedRewrite, parse_rewrite, rewrite_request
from mathstrap.pipeline.options import RunRecipe
from mathstrap.prompts import load_prompt, render, request
from mathstrap.types import Completion, Message, Problem, Reject, Request

AGAIN = "~again"  # appended to the id of a draft: its second request
PROMPT = "again"
# The part of the first reply that is shown: a reply that ran on for pages would be paid for once more as input.
MOST_CHARS = 2_000


@dataclass(frozen=True, kw_only=True)
class SecondChance:
    """A rewriting to ask for once more: the start of its first reply, and the reason for its rejection."""

    planned: PlannedRewrite
    reply: str
    reject: Reject
    sentence: str

    @property
    def id(self) -> str:
        """The id of the second request."""
        return self.planned.draft.id + AGAIN


def second_chance(
    planned: PlannedRewrite, completion: Completion, reject: Reject, recipe: RunRecipe
) -> SecondChance | None:
    """Return the second chance of a rejected reply; None where asking again would not help."""
    if not recipe.method(planned.draft.method).second_chance:
        return None
    sentence = why(reject, planned.draft)
    text = completion.text.strip()[:MOST_CHARS]
    return SecondChance(planned=planned, reply=text, reject=reject, sentence=sentence) if sentence else None


def turns_again(reply: str, sentence: str) -> tuple[Message, ...]:
    """Return the turns that follow the first request: the reply, and the reason for its rejection."""
    return render(load_prompt(PROMPT), {"reply": reply or "(nothing)", "why": sentence})


def again_request(chance: SecondChance, recipe: RunRecipe) -> Request:
    """Return the request to the same teacher: the turns of the first one, its reply, and the reason for rejection."""
    first = rewrite_request(chance.planned, recipe)
    turns = turns_again(chance.reply, chance.sentence)
    if first.messages[0].role == "raw":  # a completion prompt has no turns, so the text is continued
        texts = [first.messages[0].content, *(turn.content for turn in turns)]
        messages: tuple[Message, ...] = (Message("raw", "\n\n".join(texts) + "\n\n"),)
    else:
        messages = (*first.messages, *turns)
    # The system text of the sampling is in the first request's messages already.
    sampling = msgspec.structs.replace(first.sampling, system="")
    return request(
        id=chance.id, model=first.model, messages=messages, sampling=sampling, draw=first.draw, teacher=first.teacher
    )


def parse_again(chance: SecondChance, completion: Completion, recipe: RunRecipe) -> Problem | Reject:
    """Return the problem or reject of the second reply; a problem's tag keeps why its first reply was rejected."""
    parsed = parse_rewrite(chance.planned, completion, recipe)
    if isinstance(parsed, Reject):
        return msgspec.structs.replace(parsed, detail=f"asked twice; {parsed.detail}")
    return msgspec.structs.replace(parsed, tags={**parsed.tags, "second_chance": chance.reject.reason})
