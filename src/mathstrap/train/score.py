"""Measure a model in training: the share of held-out questions it answers correctly, greedily, by the usual grader."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from mathstrap.train.data import TrainingPair
from mathstrap.train.options import TrainRecipe
from mathstrap.train.prompt import render
from mathstrap.train.tokens import find_ends

BATCH = 16


def accuracy(
    model: Any, tokenizer: Any, questions: Sequence[TrainingPair], recipe: TrainRecipe, *, precision: str = "fp32"
) -> float:
    """Return the share of questions whose reply grades as correct against the row's answer, else its response's."""
    texts = render(questions, recipe.data, tokenizer)
    ends = find_ends(tokenizer, recipe.data)
    prompts = [
        [*ends.before, *tokenizer(text.prompt, add_special_tokens=False).input_ids] for text in texts
    ]  # fmt: skip
    replies = generate(model, tokenizer, prompts, ends.end, recipe.best.max_tokens, precision)
    right = sum(is_right(pair, reply) for pair, reply in zip(questions, replies, strict=True))
    return right / max(len(questions), 1)


def is_right(pair: TrainingPair, reply: str) -> bool:
    """Say whether a reply's final answer is the pair's."""
    from mathstrap.verify import extract_answer, grade

    gold = pair.gold
    if not gold:
        stated = extract_answer(pair.response)
        if stated is None:
            return False
        gold = stated.answer
    return grade(gold, reply, form="completion", question=pair.question).outcome == "correct"


def generate(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], end: int, max_tokens: int, precision: str
) -> list[str]:
    """Return greedy replies to token prompts, in order; similar lengths share a batch, padded on the left."""
    import torch

    trained_with = model.config.get_text_config()._attn_implementation
    device = next(model.parameters()).device
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    replies = [""] * len(prompts)
    model.set_attn_implementation("sdpa")
    in_bf16 = torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
    try:
        for low in range(0, len(order), BATCH):
            chosen = order[low : low + BATCH]
            longest = len(prompts[chosen[-1]])
            ids = torch.tensor([[end] * (longest - len(prompts[i])) + list(prompts[i]) for i in chosen], device=device)
            blanks = [longest - len(prompts[i]) for i in chosen]
            mask = torch.tensor([[0] * blank + [1] * (longest - blank) for blank in blanks], device=device)
            with torch.no_grad(), in_bf16:
                output = model.generate(
                    input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=max_tokens, use_cache=True,
                    eos_token_id=end, pad_token_id=end,
                )  # fmt: skip
            for index, row in zip(chosen, output[:, longest:].tolist(), strict=True):
                kept = row[: row.index(end)] if end in row else row
                replies[index] = tokenizer.decode(kept, skip_special_tokens=True)
    finally:
        model.set_attn_implementation(trained_with)
    return replies
