"""A student that trains on one core: a small Llama with one token per number, trained by `mathstrap.train`.

It knows no language: its base is trained on random calculations alone. Knows nothing of puzzles.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import msgspec

from mathstrap.files.tables import write_atomically
from mathstrap.train import DataOptions, TrainRecipe
from mathstrap.train.sft import train

END, PAD, UNKNOWN = "<end>", "<pad>", "<unk>"
WORDS = ("Make", "of", "Calculate", "with", "+", "-", "*", "/", "(", ")", "=", ":")
# The largest whole number inside a puzzle's solution is 24 * 13 = 312.
LARGEST_NUMBER = 339
# The question, a colon, the response and the end mark: `Make 24 of 3 3 8 8 : 8 / ( 3 - 8 / 3 ) <end>`.
CHAT = (
    "{% for message in messages %}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}" + END + "{% else %} : {% endif %}{% endfor %}"
)
# A solution with its end mark is shorter.
MAX_REPLY_TOKENS = 24
REPLIES_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class StudentSize:
    """The shape of a student: width and layers of a Llama with four heads."""

    hidden: int = 96
    layers: int = 2


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A student's training: optimiser steps of `batch` samples, with a cosine schedule of peak `lr`."""

    steps: int
    batch: int = 64
    lr: float = 3e-3


def write_blank(folder: Path, size: StudentSize, *, rng_seed: int) -> int:
    """Write an untrained student that `mathstrap train model=FOLDER` reads; returns its number of weights."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    words = [PAD, END, UNKNOWN, *WORDS, *map(str, range(LARGEST_NUMBER + 1))]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("[0-9]+|[A-Za-z]+|[^0-9A-Za-z]"), "isolated")]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, unk_token=UNKNOWN, padding_side="left"
    )
    fast.chat_template = CHAT
    fast.save_pretrained(folder)
    torch.manual_seed(rng_seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words), hidden_size=size.hidden, intermediate_size=3 * size.hidden,
            num_hidden_layers=size.layers, num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=128,
            tie_word_embeddings=True, bos_token_id=None, eos_token_id=words.index(END), pad_token_id=words.index(PAD),
        )
    )  # fmt: skip
    model.save_pretrained(folder)
    return sum(weights.numel() for weights in model.parameters())


def calculations(count: int, *, rng_seed: int) -> list[dict[str, str]]:
    """Return training rows of random calculations: the base learns to use each given number once, and the results.

    Two to four numbers, without a target. No row of four has 24 as value or number, so none is a Game of 24 or of n.
    """
    rng = random.Random(rng_seed)
    rows: list[dict[str, str]] = []
    while len(rows) < count:
        num = rng.choice((2, 3, 4, 4))
        numbers = sorted(rng.choices(range(1, 14 if num == 4 else 31), k=num))
        if text := _calculation(numbers, rng):
            query = f"Calculate with {' '.join(map(str, numbers))}"
            rows.append({"query": query, "response": text, "original_question": query})
    return rows


def _calculation(numbers: Sequence[int], rng: random.Random) -> str:
    """Return a random calculation with the numbers, "" where a value is not whole or the row would be a puzzle."""
    parts = [(Fraction(number), str(number)) for number in numbers]
    while len(parts) > 1:
        (a, left), (b, right) = (parts.pop(rng.randrange(len(parts))) for _ in range(2))
        sign = rng.choice("+-*/")
        if sign == "/" and (not b or (a / b).denominator > 1):
            return ""
        value = a + b if sign == "+" else a - b if sign == "-" else a * b if sign == "*" else a / b
        text = f"{left} {sign} {right}"
        parts.append((value, f"( {text} )" if parts else text))
    value, text = parts[0]
    is_puzzle = len(numbers) == 4 and value == 24
    return "" if is_puzzle or abs(value) > LARGEST_NUMBER else f"{text} = {value}"


def fit(base: Path, rows: Sequence[Mapping[str, str]], folder: Path, plan: Steps, *, rng_seed: int) -> Path:
    """Train a student on `rows` from `base` and return the folder of its model."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "rows.jsonl", [msgspec.json.encode(row) + b"\n" for row in rows])
    train(
        TrainRecipe(
            model=str(base), out=str(folder), max_steps=plan.steps, global_batch=plan.batch, lr=plan.lr,
            data=DataOptions(path=str(folder / "rows.jsonl"), prompt="chat", max_length=64), attention="sdpa",
            save_every=plan.steps, keep_checkpoints=1, log_every=50, rng_seed=rng_seed,
        )
    )  # fmt: skip
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return folder / "model"


def answer(
    model_path: Path, questions: Sequence[str], *, draws: int = 1, temperature: float = 0.0, rng_seed: int = 0
) -> list[list[str]]:
    """Return `draws` replies to each question, sampled at a temperature; 0 is greedy."""
    import torch

    from mathstrap.hub.weights import load_causal_model, load_tokenizer_of

    torch.manual_seed(rng_seed)
    tokenizer = load_tokenizer_of(model_path)
    model = load_causal_model(str(model_path)).eval()
    sampling = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
    replies: list[list[str]] = []
    at_once = max(1, REPLIES_AT_ONCE // draws)
    for low in range(0, len(questions), at_once):
        prompts = [f"{question} :" for question in questions[low : low + at_once]]
        asked = tokenizer(prompts, padding=True, return_tensors="pt", return_token_type_ids=False)
        with torch.inference_mode():
            output_ids = model.generate(
                **asked, **sampling, max_new_tokens=MAX_REPLY_TOKENS, num_return_sequences=draws,
                pad_token_id=tokenizer.pad_token_id,
            )  # fmt: skip
        texts = tokenizer.batch_decode(output_ids[:, asked["input_ids"].shape[1] :], skip_special_tokens=True)
        replies += [texts[place : place + draws] for place in range(0, len(texts), draws)]
    return replies
