"""The input and output of an engine in this process: a draw, a generation. Knows no engine and no request."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mathstrap.errors import TeacherError
from mathstrap.patterns import regex
from mathstrap.types import Sampling

_OPENED = regex(r"(?:<(?:[a-z]+[:_])?(?:think|thinking|thought|reasoning)>|\[THINK\])\s*\Z")

Precision = Literal["f32", "bf16"]
Weights = Literal["f16", "int8"]


@dataclass(frozen=True, kw_only=True)
class Generation:
    """A finished draw; seconds from its start in the engine to its last token; tokens_out counts the thought too."""

    text: str
    finish_reason: Literal["stop", "length"]
    thought: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """One reply to generate: chat messages, or `raw` text without a template; `seed` decides its random numbers."""

    messages: Sequence[dict[str, str]] = ()
    raw: str | None = None
    sampling: Sampling
    seed: int
    future: Future[Generation] = field(default_factory=Future)

    def settle(self, outcome: Generation | Exception) -> None:
        """Set the result or the error of a future, unless it was cancelled."""
        if not self.future.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Generation):
            self.future.set_result(outcome)
        else:
            self.future.set_exception(outcome)


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Limits of an engine: tokens of one sequence (prompt and reply), sequences at once, threads (0: all), cache.

    Precision and weights are openvino's: numbers in which it multiplies, and numbers in which it keeps the model.
    """

    context_tokens: int
    num_sequences: int
    num_threads: int = 0
    cache_gib: int = 2
    precision: Precision = "f32"
    weights: Weights = "f16"


class Engine(Protocol):
    """A loaded model that generates draws in its own threads."""

    def submit(self, draws: Sequence[GenerationRequest]) -> None:
        """Take the draws of one prompt; each future gets its Generation. A cancelled future stops its draw."""
        ...

    def close(self) -> None:
        """Stop the running draws and release everything."""
        ...


def opened_thought(prompt: str) -> str:
    """Return the mark that opens a thought at the end of a rendered prompt; empty if there is none.

    The model's text then begins inside the thought, without a mark of its own.
    """
    match = _OPENED.search(prompt, max(0, len(prompt) - 64))
    return match.group() if match else ""


def template_options(sampling: Sampling, template: str) -> dict[str, Any]:
    """Return a chat template's variables besides the messages; raises TeacherError for an unsupported effort."""
    effort = sampling.reasoning_effort
    given = dict(sampling.extra_body.get("chat_template_kwargs") or {})
    if not effort or (effort == "none" and "think" not in template):  # this model does not think anyway
        return given
    if "reasoning_effort" in template:
        return {"reasoning_effort": effort, **given}
    if "enable_thinking" in template:
        return {"enable_thinking": effort != "none", **given}
    raise TeacherError(
        f'reasoning_effort is "{effort}", but the chat template of this model uses neither reasoning_effort nor '
        "enable_thinking. Leave reasoning_effort out."
    )


def prompt_tokens(draw: GenerationRequest, tokenizer: Any) -> tuple[list[int], str]:
    """Return a prompt's tokens, and the mark of a thought that the chat template opens; raises TeacherError."""
    if draw.raw is not None:
        return list(tokenizer(draw.raw).input_ids), ""
    # Not every tokenizer of vLLM exposes its chat template.
    more = template_options(draw.sampling, str(getattr(tokenizer, "chat_template", "")))
    text = tokenizer.apply_chat_template(list(draw.messages), tokenize=False, add_generation_prompt=True, **more)
    return list(tokenizer(text, add_special_tokens=False).input_ids), opened_thought(text)


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Return the text up to the first stop string, and whether there was one."""
    places = [place for place in (text.find(word) for word in stop if word) if place >= 0]
    return (text[: min(places)], True) if places else (text, False)
