"""Turn a question and a response into the exact text a model is trained on. Knows nothing of token ids."""

from __future__ import annotations

import datetime
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mathstrap.errors import InputError, counted
from mathstrap.patterns import regex
from mathstrap.train.calls import CallForm, check_shown, find_form
from mathstrap.train.chat import NO_CALLS, RenderedExchange, Template, Turn, open_template, render_exchange
from mathstrap.train.data import TrainingPair
from mathstrap.train.options import DataOptions

log = logging.getLogger(__name__)

# The Alpaca templates, byte for byte: the released MetaMath models were trained and are prompted with them
# (paper, Prompt 1). There is no space after "### Response:", which is what makes the boundary delicate.
WITHOUT_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request."
    "\n\n### Instruction:\n{instruction}\n\n### Response:"
)
WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
    "\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)


# The opening mark is absent from a reply whose chat template already wrote it in the prompt (DeepSeek-R1, QwQ).
THOUGHT = regex(r"\s*+(?:<think>)?+(?P<thought>(?:(?!<think>).)*?)</think>\s*(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True)
class RenderedSample:
    """The prompt and the response the model learns; the end mark is not text and follows as a token.

    `written` is the row's own part of the response: the template's marks around it may spell special tokens, the
    row's text may not. None stands for the whole response. `is_closed`: the response ends with its own end mark.
    """

    prompt: str
    response: str
    written: str | None = None
    lost_reasoning: bool = False
    is_closed: bool = False


def metamath_prompt(question: str) -> str:
    """Return the training prompt of the reference: a question's first line is the Instruction, the rest the Input."""
    instruction, _, rest = question.partition("\n")
    if rest == "":
        return WITHOUT_INPUT.replace("{instruction}", instruction)
    head, _, tail = WITH_INPUT.partition("{input}")
    return head.replace("{instruction}", instruction) + rest + tail


def render(
    pairs: Sequence[TrainingPair], options: DataOptions, tokenizer: Any, *, day: datetime.date | None = None
) -> list[RenderedSample]:
    """Return the prompt and the response of every pair; the end mark is added as a token, not as text.

    Raises InputError where the model has no chat template and the options ask for it, where its template refuses a
    pair's turns, and for several turns in the paper's prompt.
    """
    if options.prompt == "metamath-2024":
        if lost := sum(bool(pair.system) for pair in pairs):
            lose = "loses its" if lost == 1 else "lose their"
            log.warning("%s %s system turn: only data.prompt=chat has a place for it", counted(lost, "sample"), lose)
        return [metamath_text(pair) for pair in pairs]
    template = open_template(tokenizer, options.template_args, day=day)
    form: CallForm | None = None
    texts = []
    for pair in pairs:
        system = pair.system or options.system
        turns = [{"role": "system", "content": system}] if system else []
        turns += pair.turns
        try:
            if not pair.uses_tools:
                rendered = render_reasoned(template, turns, pair)
            else:
                shown = replace(template, apply=partial(template.apply, tools=pair.tools))
                if pair.has_calls and form is None:
                    form = find_form(shown.apply)
                rendered = render_tool_use(shown, turns, pair, form or CallForm())
        except InputError as error:
            raise InputError(f"{pair.where}: {error}") from None
        called = [json.dumps(call["function"], ensure_ascii=False) for call in pair.calls]
        written = "\0".join(part for part in (pair.reasoning, pair.response, *called) if part)
        texts.append(RenderedSample(
            rendered.prompt, rendered.response, written, rendered.lost_reasoning, rendered.is_closed
        ))  # fmt: skip
    return texts


def render_tool_use(template: Template, turns: list[Turn], pair: TrainingPair, form: CallForm) -> RenderedExchange:
    """Return the exchange of a pair in a template that is given its tools; raises InputError where it lacks them."""
    answer = form.turn({"tool_calls": pair.calls}) if pair.calls else {}
    rendered = render_reasoned(template, [form.turn(turn) for turn in turns], pair, answer)
    check_shown(pair.tools, rendered.prompt)
    return rendered


def render_reasoned(
    template: Template, turns: list[Turn], pair: TrainingPair, calls: Mapping[str, Any] = NO_CALLS
) -> RenderedExchange:  # fmt: skip
    """Return the exchange of a pair whose reasoning is a field of its own, or opens its response in <think> marks.

    Reasoning inside the response, whose opening mark may be missing, moves to the template's place for reasoning;
    where the template has none, the response stays as it is.
    """
    inline = THOUGHT.fullmatch(pair.response) if not pair.reasoning else None
    if inline is not None and (inline["rest"].strip() or calls):
        rendered = render_exchange(template, turns, inline["rest"], inline["thought"].strip("\n"), calls)
        if not rendered.lost_reasoning:
            return rendered
        try:
            return render_exchange(template, turns, pair.response, calls=calls)
        except InputError:
            # The template moves the thought into a block that its prompt already closed (enable_thinking=false).
            return rendered
    return render_exchange(template, turns, pair.response, pair.reasoning, calls)


def metamath_text(pair: TrainingPair) -> RenderedSample:
    """Return a pair in the paper's prompt, which has a place for one question and none for reasoning or tools."""
    if pair.uses_tools:
        raise InputError(
            f"{pair.where}: the row has tools, but data.prompt=metamath-2024 has no place for them. "
            "Set data.prompt=chat."
        )
    if pair.earlier:
        raise InputError(
            f"{pair.where}: {len(pair.earlier) + 1} turns before the answer, but data.prompt=metamath-2024 holds one. "
            "Set data.prompt=chat."
        )
    return RenderedSample(metamath_prompt(pair.question), pair.response, lost_reasoning=bool(pair.reasoning))
