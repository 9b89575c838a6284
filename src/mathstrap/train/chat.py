"""Render one exchange with a tokenizer's chat template, and learn from the template where an assistant turn ends.

A model is later prompted with the template's generation prompt, so that is how a sample starts; what follows, the marks
around the response included, is what the template itself writes for an assistant turn. Knows nothing of token ids.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mathstrap.errors import InputError, first_line, suggest
from mathstrap.patterns import regex

OPEN, CLOSE = "<think>", "</think>"
# The names by which templates ask for a turn's reasoning: Qwen's and DeepSeek's, gpt-oss's and Granite's, OpenRouter's.
REASONING = ("reasoning_content", "thinking", "reasoning")
PROBE = "PROBE"
PROBED = ({"role": "user", "content": "Q"}, {"role": "assistant", "content": PROBE})
NOW = regex(r"""strftime_now\(\s*(?P<quote>['"])(?P<form>.*?)(?P=quote)\s*\)""")

# A thought that is opened and closed again at the end of a generation prompt, in <think> or another family's words.
CLOSED_THOUGHT = regex(r"<(?P<word>[\w:]*think)>(?:(?!<(?P=word)>).)*</(?P=word)>\s*\Z", re.DOTALL)

Turn = dict[str, Any]
NO_CALLS: Mapping[str, Any] = {}


@dataclass(frozen=True, kw_only=True)
class Closing:
    """How the template closes an assistant turn: the end mark, "" where it writes none, and the text after it."""

    mark: str
    trailing: str


@dataclass(frozen=True, kw_only=True)
class RenderedExchange:
    """A rendered exchange. `response` stops before the end mark; `lost_reasoning`: the template has no place for it.

    `is_closed`: the response ends with a mark of its own, which ends a turn of tool calls (gpt-oss, Llama 3).
    """

    prompt: str
    response: str
    lost_reasoning: bool = False
    is_closed: bool = False


@dataclass(frozen=True, kw_only=True)
class Template:
    """A tokenizer's chat template with its arguments, such as enable_thinking, and what closes an assistant turn.

    `marks` are the texts of the special tokens.
    """

    apply: Callable[..., str]
    closing: Closing
    marks: tuple[str, ...] = ()


def open_template(tokenizer: Any, arguments: Mapping[str, Any], *, day: datetime.date | None = None) -> Template:
    """Return the tokenizer's template; raises InputError where there is none or it cannot render one exchange.

    Some templates write the date (gpt-oss, Llama 3). A run that is resumed on another day must train on the tokens it
    started with, so `day` says which date they see; None is today.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise InputError(
            "data.prompt=chat: the tokenizer has no chat template. Set data.prompt=metamath-2024 or use a chat model."
        )

    try:
        source = tokenizer.get_chat_template()
    except ValueError:
        names = ", ".join(tokenizer.chat_template)
        raise InputError(
            f"data.prompt=chat: the tokenizer has several chat templates ({names}) and none is the default. "
            "Leave one in chat_template of tokenizer_config.json."
        ) from None
    check_arguments(source, arguments)
    shown = dated(source, day or datetime.datetime.now(tz=datetime.UTC).date())

    def apply(turns: Sequence[Turn], *, ask: bool, tools: Sequence[Turn] = ()) -> str:
        from jinja2 import TemplateError

        offered = {"tools": list(tools)} if tools else {}
        try:
            return str(
                tokenizer.apply_chat_template(
                    list(turns), chat_template=shown, tokenize=False, add_generation_prompt=ask, **arguments, **offered
                )
            )
        except (TemplateError, TypeError, ValueError, KeyError, IndexError) as error:
            reason = first_line(error)
            roles = ", ".join(turn["role"] for turn in turns)
            hint = " Leave data.system empty and take system turns out of the rows." if "system" in roles else ""
            raise InputError(f"the model's chat template refuses the turns {roles}: {reason}.{hint}") from None

    if PROBE not in apply(PROBED, ask=False):
        # A template may read a turn's content as parts of text and images, and write nothing of a plain text.
        raise InputError(
            "data.prompt=chat: the model's chat template leaves out what the assistant says, so there is nothing to "
            "learn. Set data.prompt=metamath-2024, or repair chat_template in the model's folder."
        )
    closing = find_closing(apply, token_texts(tokenizer), eos=str(tokenizer.eos_token or ""))
    if not closing.mark:
        # A few tokenizers keep the mark as an added token that they do not call special.
        added = [str(token.content) for token in getattr(tokenizer, "added_tokens_decoder", {}).values()]
        closing = find_closing(apply, added)
    return Template(apply=apply, closing=closing, marks=tuple(token_texts(tokenizer)))


def check_arguments(source: str, arguments: Mapping[str, Any]) -> None:
    """Raise InputError for an argument that a template does not read, or a text where it expects true or false.

    Jinja ignores a name that it does not know and takes the text "false" for true.
    """
    words = sorted(set(re.findall(r"[A-Za-z_]\w*", source)))
    for name, value in arguments.items():
        if name not in words:
            meant = suggest(name, words)
            raise InputError(
                f'data.template_args: the model\'s chat template does not read "{name}".'
                f"{meant if 'Did you mean' in meant else ''} Take it out, or write the name as in the template."
            )
        if isinstance(value, str) and value.lower() in ("true", "false"):
            right = value.lower()
            raise InputError(f"data.template_args.{name}: found the text {value!r}. Write {right} without quotes.")


def dated(template: str, day: datetime.date) -> str:
    """Return a template with its calls for the date replaced by a day."""
    return NOW.sub(lambda call: json.dumps(day.strftime(call["form"])), template)


def token_texts(tokenizer: Any) -> list[str]:
    """Return the texts of the special tokens, named or not: every added token that is marked special, and eos and bos.

    Many tokenizers name no more than eos and bos and keep the marks of a turn in `added_tokens`.
    """
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    special_added = [str(token.content) for token in added if token.special]
    return list(dict.fromkeys([*special_added, *map(str, tokenizer.all_special_tokens)]))


def find_closing(apply: Callable[..., str], specials: Sequence[str], *, eos: str = "") -> Closing:
    """Return how a template closes an assistant turn: the first special token after the response is the end mark.

    Where that token and others up to `eos` follow without a gap, the turn ends at `eos`: Command R7B closes the
    response with a mark of its own before it closes the turn.
    """
    tail = apply(PROBED, ask=False).rpartition(PROBE)[2]
    marks = [(tail.find(text), -len(text), text) for text in specials if text.strip() and text in tail]
    if not marks:
        return Closing(mark="", trailing=tail)
    place, _, mark = min(marks)
    run = re.match("(?:" + "|".join(map(re.escape, (text for *_, text in sorted(marks)))) + ")+", tail[place:])
    if eos and run and eos in run[0]:
        place, mark = place + run[0].index(eos), eos
    return Closing(mark=mark, trailing=tail[place + len(mark) :])


def render_exchange(
    template: Template, turns: Sequence[Turn], response: str, reasoning: str = "", calls: Mapping[str, Any] = NO_CALLS
) -> RenderedExchange:  # fmt: skip
    """Return the prompt the model will be asked with and what it is to answer, by the template's own rules.

    `turns` end with the question or a tool's result; `calls` are the fields of an answer that calls tools. Raises
    InputError where the template writes an answered exchange in a way that does not continue its generation prompt.
    """
    answer: Turn = {"role": "assistant", "content": response, **calls}
    if reasoning:
        answer |= dict.fromkeys(REASONING, reasoning)
    prompt = template.apply(turns, ask=True)
    rendered = template.apply([*turns, answer], ask=False)
    whole = without_closing(rendered, template.closing)
    is_closed = bool(calls) and whole == rendered and (end := last_mark(rendered, template.marks)) > 0
    if is_closed:
        whole = rendered[:end]
    question = turns[-1]["content"].strip()
    learnt = continuation(prompt, whole, question=question, reasoning=reasoning)
    if reasoning.strip() and (learnt is None or reasoning.strip() not in learnt) and not calls:
        learnt = with_reasoning_as_part(template, turns, response, reasoning) or learnt
    if learnt is None and reasoning:
        # With enable_thinking=false the prompt closes an empty thought: there is no place for the reasoning.
        return replace(render_exchange(template, turns, response, calls=calls), lost_reasoning=True)
    if learnt is None:
        raise InputError(
            "the model's chat template writes an answered question in another way than it asks one, so the two cannot "
            "be joined. Set data.prompt=metamath-2024, or repair chat_template in the model's folder."
        )
    lost = bool(reasoning.strip()) and reasoning.strip() not in learnt
    return RenderedExchange(prompt=prompt, response=learnt, lost_reasoning=lost, is_closed=is_closed)


def last_mark(rendered: str, marks: Sequence[str]) -> int:
    """Return where the special token ends that a rendered conversation closes with, or 0 where it does not."""
    text = rendered.rstrip()
    return len(text) if any(mark.strip() and text.endswith(mark) for mark in marks) else 0


def with_reasoning_as_part(
    template: Template, turns: Sequence[Turn], response: str, reasoning: str
) -> str | None:  # fmt: skip
    """Return what is learnt where a template takes a thought as a part of the turn's content (Magistral), or None."""
    parts = [{"type": "thinking", "thinking": reasoning}, {"type": "text", "text": response}]
    try:
        whole = template.apply([*turns, {"role": "assistant", "content": parts}], ask=False)
    except InputError:
        return None
    prompt, question = template.apply(turns, ask=True), turns[-1]["content"].strip()
    learnt = continuation(prompt, without_closing(whole, template.closing), question=question, reasoning=reasoning)
    # A template that writes the list itself does not know parts.
    is_written = learnt is not None and reasoning.strip() in learnt and "'thinking'" not in learnt
    return learnt if is_written else None


def without_closing(whole: str, closing: Closing) -> str:
    """Return a rendered conversation up to the end of its last response."""
    return whole.removesuffix(closing.mark + closing.trailing)


def continuation(prompt: str, whole: str, *, question: str, reasoning: str) -> str | None:
    """Return what follows the prompt in the whole conversation, or None where the two part ways.

    A response must not stand inside a thought that the generation prompt opened (DeepSeek-R1, QwQ, Nemotron): the
    thought is closed before it, with the reasoning inside that the template leaves out of answered turns.
    """
    for asked, answered in ((prompt, whole), *after_question(prompt, whole, question)):
        head, opening, inside = asked.rpartition(OPEN)
        is_open = bool(opening) and CLOSE not in inside
        if answered.startswith(asked):
            rest = answered[len(asked) :]
        elif is_open and answered.startswith(head):
            rest = answered[len(head) :].removeprefix(OPEN)
        elif (closed := CLOSED_THOUGHT.search(asked)) and answered.startswith(asked[: closed.start()]):
            # The prompt closes a thought that answered turns are written without (Seed-OSS with a budget of 0).
            rest = answered[closed.start() :]
            if rest.startswith(f"<{closed['word']}>"):
                continue
            return rest
        else:
            continue
        if not is_open or (CLOSE in rest and answered.startswith(asked)):
            return rest
        thought = reasoning.strip("\n") + "\n" if reasoning.strip() else ""
        kept = rest.lstrip()
        return thought + (kept if kept.startswith(CLOSE) else f"{CLOSE}\n\n{kept}")
    return None


def after_question(prompt: str, whole: str, question: str) -> Iterator[tuple[str, str]]:
    """Yield what follows the question's last place in the prompt with what follows each of its places in the whole.

    Templates that move the system turn to the last question, as Mistral's, write what stands before it differently once
    the question is answered. The last places come first; the response may repeat a short question.
    """
    if not question or question not in prompt:
        return
    asked = prompt.rpartition(question)[2]
    end = len(whole)
    while (place := whole.rfind(question, 0, end)) >= 0:
        yield asked, whole[place + len(question) :]
        end = place + len(question) - 1
