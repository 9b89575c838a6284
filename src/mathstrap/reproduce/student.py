"""A student that fits on one core: a Llama of half a million weights with a token a number, trained by the package.

It has no language: its base has read random calculations and nothing else. Knows nothing of puzzles.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.files.tables import write_atomically
from mathstrap.train import DataOptions, TrainRecipe

END, PAD, UNKNOWN = "<end>", "<pad>", "<unk>"
# Every whole number on the way to a solution of a puzzle is below this.
LARGEST_NUMBER = 340
WORDS = ("Make", "of", "Calculate", "+", "-", "*", "/", "(", ")", "=", ":")
# The question, a colon, the response and the end mark.
CHAT = (
    "{% for message in messages %}{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}" + END + "{% else %} : {% endif %}{% endfor %}"
)
ANSWER_BATCH = 512


@dataclass(frozen=True, kw_only=True)
class Size:
    """The shape of the student: width, layers and heads of a Llama."""

    hidden: int = 128
    layers: int = 2
    heads: int = 4


def write_blank(folder: Path, size: Size, *, rng_seed: int) -> int:
    """Write an untrained student with its tokenizer, as `mathstrap train model=FOLDER` reads it; returns its weights."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = [PAD, END, UNKNOWN, *WORDS, *map(str, range(LARGEST_NUMBER))]
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex("[0-9]+|[A-Za-z]+"), "isolated")]
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, unk_token=UNKNOWN)
    fast.chat_template = CHAT
    fast.save_pretrained(folder)
    torch.manual_seed(rng_seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(words), hidden_size=size.hidden, intermediate_size=3 * size.hidden,
            num_hidden_layers=size.layers, num_attention_heads=size.heads, num_key_value_heads=size.heads,
            max_position_embeddings=128, tie_word_embeddings=True, bos_token_id=None, eos_token_id=1, pad_token_id=0,
        )
    )  # fmt: skip
    model.save_pretrained(folder)
    return int(sum(weights.numel() for weights in model.parameters()))
