"""Turn a question and a response into the exact text a model is trained on. Knows nothing of token ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mathstrap.errors import InputError
from mathstrap.train.data import Pair

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


@dataclass(frozen=True)
class Text:
    """What the model reads and what it learns; the end mark is no text and follows as a token."""

    prompt: str
    response: str


def metamath_prompt(question: str) -> str:
    """Return the training prompt of the reference: a question's first line is the Instruction, the rest the Input."""
    instruction, _, rest = question.partition("\n")
    if rest == "":
        return WITHOUT_INPUT.replace("{instruction}", instruction)
    head, _, tail = WITH_INPUT.partition("{input}")
    return head.replace("{instruction}", instruction) + rest + tail


def render(pair: Pair, kind: Literal["metamath-2024", "chat"], tokenizer: Any, system: str) -> Text:
    """Return the prompt and the response of a pair; the end mark is added as a token, not as text."""
    if kind == "metamath-2024":
        return Text(metamath_prompt(pair.question), pair.response)
    if not getattr(tokenizer, "chat_template", None):
        raise InputError(
            "data.prompt=chat: the tokenizer has no chat template. Set data.prompt=metamath-2024 or use a chat model."
        )
    turns = [{"role": "system", "content": pair.system or system}] if pair.system or system else []
    turns.append({"role": "user", "content": pair.question})
    prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return Text(str(prompt), pair.response)
