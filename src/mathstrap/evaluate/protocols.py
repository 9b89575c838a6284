"""The evaluation protocols by name, and the request for one problem. Knows nothing of models or files.

A protocol fixes prompt, template, demonstrations, decoding and headline score. Changing any of them changes the
number, so the changed protocol is renamed and all its settings are written beside every number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from mathstrap.errors import InputError, suggest
from mathstrap.prompts import Prompt, load_prompt, prompt_names, render, with_stop
from mathstrap.types import Message, Problem, Sampling, Style

Template = Literal["chat", "raw"]
ScoreName = Literal["strict", "flexible", "symbolic", "reference"]
# The prompt option names a family `eval.<name>.<style>` or `eval.<name>` of the package, or a file.
PREFIX = "eval."


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a model is asked and scored.

    prompt        a packaged family (`zero`, `boxed`, `bare`, `metamath-2024`) or the path of a prompt file
    template      chat: turns, put into the model's own chat template; raw: one text, continued
    shots         worked demonstrations of our own before the question
    headline      the score that is the protocol's number
    system        a system turn before the prompt's own; not for raw prompts
    template_args  arguments of the model's chat template, such as {enable_thinking: false}
    """

    name: str
    prompt: str
    template: Template = "chat"
    shots: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: Mapping[Style, int]
    headline: ScoreName = "symbolic"
    system: str = ""
    template_args: Mapping[str, Any] = field(default_factory=dict)


PROTOCOLS: dict[str, Protocol] = {
    "default": Protocol(name="default", prompt="zero", max_tokens={"gsm8k": 512, "math": 1024}),
    "few-shot": Protocol(
        name="few-shot", prompt="bare", template="raw", shots=5, max_tokens={"gsm8k": 512, "math": 1024}
    ),
    "metamath-2024": Protocol(
        name="metamath-2024", prompt="metamath-2024", template="raw", max_tokens={"gsm8k": 512, "math": 2048},
        headline="reference",
    ),
}  # fmt: skip
NAMES = (*PROTOCOLS, "own")  # "own" is the prompt of the student's training record


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The changes to a protocol; null changes nothing.

    prompt        a packaged evaluation prompt by name, or a prompt file
    template      chat (the model's own template) or raw (plain continuation)
    shots         demonstrations before the question
    temperature   0 is greedy
    top_p         in (0, 1]
    max_tokens    new tokens of a reply
    system        a system turn
    template_args  arguments of the chat template, for example {enable_thinking: false}
    """

    prompt: str | None = None
    template: Template | None = None
    shots: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    system: str | None = None
    template_args: dict[str, Any] | None = None


def choose_protocol(name: str, changes: Changes | None = None) -> Protocol:
    """Return the protocol of that name with the changes applied."""
    if name not in PROTOCOLS:
        raise InputError(f'no protocol "{name}".{suggest(name, list(NAMES))}')
    return make_changes(PROTOCOLS[name], changes or Changes())


def make_changes(protocol: Protocol, changes: Changes) -> Protocol:
    """Return a protocol with the changes applied; one that differs is renamed `<name>+changed`."""
    changed_values = {key: value for key, value in vars(changes).items() if value is not None}
    if "max_tokens" in changed_values:
        changed_values["max_tokens"] = dict.fromkeys(protocol.max_tokens, changed_values["max_tokens"])
    changed = replace(protocol, **changed_values)
    check_decoding(changed)
    return protocol if changed == protocol else replace(changed, name=f"{protocol.name}+changed")


def check_decoding(protocol: Protocol) -> None:
    """Raise InputError for impossible decoding settings."""
    if protocol.temperature < 0 or not 0 < protocol.top_p <= 1:
        decoding = f"{protocol.temperature}, {protocol.top_p}"
        raise InputError(f"temperature must be 0 or more and top_p in (0, 1], got {decoding}.")
    if min(protocol.max_tokens.values()) < 1 or protocol.shots < 0:
        raise InputError("max_tokens must be at least 1 and shots at least 0.")


def prompt_for(protocol: Protocol, style: Style, question: str = "") -> Prompt:
    """Return the prompt file a protocol uses for a style; a family may have another for questions with line breaks."""
    return find_prompt(protocol.prompt, style, "\n" in question)


@lru_cache(maxsize=64)
def find_prompt(family: str, style: Style, has_lines: bool) -> Prompt:
    """Return a packaged evaluation prompt by its family, or a prompt file by its path."""
    if "/" in family or family.endswith(".txt"):
        return load_prompt(family)
    names = prompt_names()
    families = (f"{family}-input", family) if has_lines else (family,)
    for name in (f"{PREFIX}{each}{ending}" for each in families for ending in (f".{style}", "")):
        if name in names:
            return load_prompt(name)
    known = sorted({name.split(".")[1] for name in names if name.startswith(PREFIX)} - {"shots", "trained-input"})
    hint = suggest(family, known)
    raise InputError(f'no evaluation prompt "{family}".{hint} Or name a .txt file.')


def demonstrations(style: Style, shots: int) -> list[tuple[str, str]]:
    """Return the first `shots` (question, worked answer) pairs of our own for a style."""
    if not shots:
        return []
    turns = load_prompt(f"{PREFIX}shots.{style}").turns
    pairs = [(turns[i].pieces[0], turns[i + 1].pieces[0]) for i in range(0, len(turns) - 1, 2)]
    if shots > len(pairs):
        raise InputError(f"there are {len(pairs)} demonstrations for {style} questions, {shots} were asked for.")
    return pairs[:shots]


def messages_for(protocol: Protocol, problem: Problem) -> tuple[Message, ...]:
    """Return the messages for a problem: prompt, demonstrations, question.

    The last turn of a chat prompt holds the question; demonstrations repeat that turn with their own questions. A raw
    prompt is repeated per demonstration. Where template and prompt differ, turns are joined to one text, or the text
    becomes a user turn.
    """
    prompt = prompt_for(protocol, problem.style, problem.question)
    first, _, rest = problem.question.partition("\n")
    shown = render(prompt, {"question": problem.question, "instruction": first, "input": rest})
    if protocol.system and protocol.template == "chat":
        shown = (Message("system", protocol.system), *(turn for turn in shown if turn.role != "system"))
    pairs = demonstrations(problem.style, protocol.shots)
    plain = prompt_for(protocol, problem.style)
    asked = [render(plain, {"question": question})[-1] for question, _ in pairs]
    if shown[0].role == "raw":
        text = "".join(f"{turn.content} {answer}\n\n" for turn, (_, answer) in zip(asked, pairs, strict=True))
        return (Message("raw" if protocol.template == "raw" else "user", text + shown[0].content),)
    turns = list(shown[:-1])
    for turn, (_, answer) in zip(asked, pairs, strict=True):
        turns += [turn, Message("assistant", answer)]
    turns.append(shown[-1])
    if protocol.template == "raw":
        return (Message("raw", "\n\n".join(turn.content for turn in turns) + "\n\n"),)
    return tuple(turns)


def sampling_for(protocol: Protocol, style: Style) -> Sampling:
    """Return the decoding of a style, with the stop strings of its prompt."""
    plain = Sampling(
        temperature=protocol.temperature, top_p=protocol.top_p, max_tokens=protocol.max_tokens[style],
        extra_body={"chat_template_kwargs": dict(protocol.template_args)} if protocol.template_args else {},
    )  # fmt: skip
    return with_stop(plain, prompt_for(protocol, style))


def prompt_hash(protocol: Protocol, style: Style) -> str:
    """Return a hash of the prompt file, the template and the demonstrations as 12 hexadecimal digits."""
    hashes = dict.fromkeys(prompt_for(protocol, style, question).hash for question in ("", "\n"))
    more = [protocol.system, json.dumps(protocol.template_args, sort_keys=True)]
    more = more if protocol.system or protocol.template_args else []
    shown = [part for pair in demonstrations(style, protocol.shots) for part in pair]
    parts = [*hashes, protocol.template, *more, *shown]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=6).hexdigest()
