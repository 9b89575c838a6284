r"""Load prompt files, fill in their placeholders and make requests. Knows nothing of methods, models or replies.

A prompt file is plain text. A line with only `[[system]]`, `[[user]]`, `[[assistant]]` or `[[raw]]` begins a turn;
`[[question]]` and other names in double brackets inside a turn are placeholders, replaced as plain text. Braces belong
to LaTeX, `$` to money and `<<...>>` to worked solutions, so they have no meaning here. An optional `[[stop]]` section
lists stop strings, one per line, with `\n` for a line break. Line breaks at either end of a turn are dropped;
`[[newline]]` and `[[space]]` write one that counts, so that no editor removes it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

from mathstrap.errors import InputError, check_name, suggest
from mathstrap.patterns import regex
from mathstrap.types import Message, Method, Request, Sampling, Style

PromptStage = Literal[
    "solve", "backward", "rephrase", "self_verification", "evolve", "compose", "new_problem", "reopen", "persona",
    "explain",
]  # fmt: skip
Shape = Literal["chat", "fewshot", "completion", "tiny", "metamath-2024"]
Role = Literal["system", "user", "assistant", "raw"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
PROMPT_STAGES: tuple[PromptStage, ...] = get_args(PromptStage)
# The paper's stages have a prompt of every shape, the others one for chat models and one for very small models.
PAPER_STAGES: tuple[PromptStage, ...] = ("solve", "backward", "rephrase", "self_verification")
REWRITE_STAGES: tuple[PromptStage, ...] = (
    "rephrase", "self_verification", "evolve", "compose", "new_problem", "reopen", "persona",
)  # fmt: skip

# The names of languages in prompts. A language with prompts of its own has files like `solve.chat.zh.txt`.
LANGUAGE_NAMES: dict[str, str] = {
    "en": "English", "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "hi": "Hindi", "ar": "Arabic", "de": "German",
    "fr": "French", "es": "Spanish", "ru": "Russian", "it": "Italian", "pt": "Portuguese", "bn": "Bengali",
    "sw": "Swahili", "te": "Telugu", "th": "Thai",
}  # fmt: skip

_SECTION = regex(r"^\[\[(system|user|assistant|raw|stop)\]\][ \t]*$", re.MULTILINE)
_PLACEHOLDER = regex(r"\[\[([a-z_]+)\]\]")
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn of a prompt: literal pieces, and the names of the fields between them."""

    role: Role
    pieces: tuple[str, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A parsed prompt file; `hash` is 12 hexadecimal digits of its whole text and changes with every character."""

    name: str
    text: str
    hash: str
    turns: tuple[Turn, ...] = field(repr=False)
    stop: tuple[str, ...] = ()


def prompt_names() -> list[str]:
    """Return the names of the prompts inside the package, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.txt"))


@lru_cache(maxsize=256)
def load_prompt(name_or_path: str) -> Prompt:
    """Return a packaged prompt by its name, or a prompt file by its path (anything with a `/` or ending in `.txt`).

    Raises InputError when there is no such prompt, or when the file has text before its first section, no turn, or
    mixes a raw turn with chat turns.
    """
    is_path = "/" in name_or_path or "\\" in name_or_path or name_or_path.endswith(".txt")
    path = Path(name_or_path).expanduser() if is_path else _FOLDER / f"{name_or_path}.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}). Save the prompt file as UTF-8.") from error
    except OSError as error:
        if is_path:
            raise InputError(f"{path}: the prompt file cannot be read ({error.strerror}).") from error
        raise InputError(
            f'no packaged prompt "{name_or_path}".{suggest(name_or_path, prompt_names())} '
            "A file of your own is named by a path that ends in .txt."
        ) from error
    return parse_prompt(text, name=name_or_path)


def parse_prompt(text: str, *, name: str) -> Prompt:
    """Read the text of a prompt file; `name` is used in messages and kept in the manifest."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    pieces = _SECTION.split(text)
    if pieces[0].strip():
        first = pieces[0].strip().splitlines()[0]
        raise InputError(
            f"{name}: the text {first[:60]!r} stands before any section. "
            "Open the file with a line [[user]] (or [[system]], or [[raw]] for a completion endpoint)."
        )
    turns: list[Turn] = []
    stop: tuple[str, ...] = ()
    for kind, raw_body in zip(pieces[1::2], pieces[2::2], strict=True):
        body = raw_body.strip("\n")
        if kind == "stop":
            stop = tuple(line.replace("\\n", "\n") for line in body.splitlines() if line)
        else:
            parts = _PLACEHOLDER.split(body.replace("[[newline]]", "\n").replace("[[space]]", " "))
            turns.append(Turn(role=cast(Role, kind), pieces=tuple(parts[0::2]), fields=tuple(parts[1::2])))
    if not turns:
        raise InputError(f"{name}: the prompt has no turn. Add a line [[user]] and the text below it.")
    if len(turns) > 1 and any(turn.role == "raw" for turn in turns):
        raise InputError(f"{name}: a [[raw]] prompt has exactly one turn and no system text; found {len(turns)} turns.")
    digest = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    return Prompt(name=name, text=text, hash=digest, turns=tuple(turns), stop=stop)


def render(prompt: Prompt, fields: Mapping[str, str]) -> tuple[Message, ...]:
    """Return the prompt's messages with every placeholder replaced; placeholders inside a field's value stay as text.

    Raises InputError if a field of the prompt is missing. Other fields are ignored.
    """
    messages = []
    for turn in prompt.turns:
        content = turn.pieces[0]
        for name, piece in zip(turn.fields, turn.pieces[1:], strict=True):
            try:
                content += fields[name] + piece
            except KeyError:
                raise InputError(
                    f"{prompt.name}: the placeholder [[{name}]] has no value here.{suggest(name, list(fields))}"
                ) from None
        messages.append(Message(turn.role, content))
    return tuple(messages)


_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
# Options of a Sampling that enter a key only if they are set; `system` enters it as a message.
LATER_OPTIONS = ("top_k", "min_p", "repetition_penalty", "reasoning_effort", "seed", "extra_body")
LATER_DEFAULTS = {name: getattr(Sampling(), name) for name in LATER_OPTIONS}


def request(
    *, id: str, model: str, messages: tuple[Message, ...], sampling: Sampling, draw: int = 0, teacher: str = ""  # noqa: A002
) -> Request:
    """Return the request; its key is a hash of everything that is asked, so draws of one prompt share it.

    The options of the first version are hashed first, and later ones only if they are set: replies that were paid for
    stay valid as options are added.
    """
    if sampling.system:
        messages = with_system(messages, sampling.system, id)
    plain = {
        "temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens,
        "stop": sampling.stop,
    }  # fmt: skip
    digest = hashlib.blake2b(_encode((model, messages, plain)), digest_size=16)
    digest.update(later_options(sampling))
    return Request(
        id=id, key=digest.hexdigest(), model=model, messages=messages, sampling=sampling, draw=draw, teacher=teacher
    )


@lru_cache(maxsize=1024)
def later_options(sampling: Sampling) -> bytes:
    """Return the options that are set, of those that the first version did not have, as bytes to hash."""
    options = {name: value for name in LATER_OPTIONS if (value := getattr(sampling, name)) != LATER_DEFAULTS[name]}
    return _encode_sorted(options) if options else b""


def with_system(messages: tuple[Message, ...], system: str, request_id: str) -> tuple[Message, ...]:
    """Return the messages with a system text before their own; raises InputError for a prompt without turns."""
    first, *rest = messages
    if first.role == "raw":
        raise InputError(
            f"{request_id}: system is set, but the prompt is plain text without turns. Leave system out, or choose a "
            "chat prompt (prompts.shape: chat)."
        )
    if first.role == "system":
        return (Message("system", f"{system}\n\n{first.content}"), *rest)
    return (Message("system", system), *messages)


@lru_cache(maxsize=1024)
def with_stop(sampling: Sampling, prompt: Prompt) -> Sampling:
    """Return the sampling with the prompt's stop strings added to its own, each once."""
    return msgspec.structs.replace(sampling, stop=tuple(dict.fromkeys(sampling.stop + prompt.stop)))


def prompt_stage(method: Method, *, rewriting: bool) -> PromptStage:
    """Return the kind of prompt for a problem of this method, to rewrite or to solve it.

    Problems with a hidden number are solved with the backward prompts, explanations with prompts of their own, all
    others with the solve prompts.
    """
    if rewriting:
        assert method in REWRITE_STAGES, f"{method} asks the teacher for no rewrite"
        return method
    if method == "explain":
        return "explain"
    return "backward" if method in ("self_verification", "fobar") else "solve"


def choose_prompt(
    stage: PromptStage, style: Style, *, shape: Shape = "chat", files: Mapping[str, str] | None = None,
    language: str = "en",
) -> Prompt:  # fmt: skip
    """Return the prompt of a stage and style: the user's own file if `files` names one, else the packaged one.

    Keys of `files` are a stage (`solve`) or a stage and style (`solve.math`); the longer key wins. Values are paths, or
    names of packaged prompts. Methods beyond the paper's have the shapes `chat` and `tiny`; other shapes fall back to
    `chat`. In a `language` other than English, the packaged prompt is the one of that language, else the English one
    with a sentence that asks for it; the reference's prompts are always English.
    """
    for key in (f"{stage}.{style}", stage):
        if files and key in files:
            return load_prompt(files[key])
    if stage not in PAPER_STAGES and shape != "tiny":
        shape = "chat"
    if language == "en" or shape == "metamath-2024":
        return load_prompt(f"{stage}.{shape}.{style}")
    translated = f"{stage}.{shape}.{language}"
    if (_FOLDER / f"{translated}.txt").exists():
        return load_prompt(translated)
    return prompt_in(f"{stage}.{shape}.{style}", language)


@lru_cache(maxsize=256)
def prompt_in(name: str, language: str) -> Prompt:
    """Return a packaged English prompt with a sentence that asks for another language; a raw prompt stays as it is."""
    prompt = load_prompt(name)
    before, marker, after = prompt.text.rpartition("[[user]]\n")
    if not marker:
        return prompt
    spoken = LANGUAGE_NAMES[language]
    sentence = f"What follows is written in {spoken}: write in {spoken} too, and keep the form that is shown.\n"
    return parse_prompt(f"{before}{marker}{sentence}{after}", name=f"{name}+{language}")


def check_prompt_files(files: Mapping[str, str]) -> None:
    """Load every prompt of `files` (see choose_prompt); raises InputError for an unknown key or a bad file."""
    known = [name for stage in PROMPT_STAGES for name in (stage, f"{stage}.gsm8k", f"{stage}.math")]
    for key, source in files.items():
        check_name("prompts: ", "key", key, known)
        load_prompt(source)
