"""Fine-tune and evaluate in one flat file: a data set and a model in, an accuracy before and after out.

The package does the same with packing, LoRA, resuming, several cards, a careful grader and intervals; read this first,
use that. Needs torch and transformers:

    python examples/tiny_train.py MODEL runs/demo/export-metamathqa.jsonl TEST.jsonl
"""

from __future__ import annotations

import json
import math
import random
import re
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{query}\n\n### Response:"
)  # MetaMath's; training and evaluation must agree on every character, or the model is asked something it never saw
EPOCHS, BATCH, PEAK_RATE, LONGEST = 3, 8, 2e-5, 512
IGNORED = -100  # what transformers calls a label that does not count


def rows_of(path: str) -> list[dict[str, str]]:
    """Read JSON lines."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def example(row: dict[str, str], tokenizer) -> tuple[list[int], list[int]]:
    """Return the tokens of a row and its labels: the reply alone is learned, its end included."""
    # The two parts are tokenized apart, because that is how the reply will follow the prompt in evaluation.
    prompt = tokenizer(PROMPT.format(query=row["query"]))["input_ids"]
    reply = tokenizer(" " + row["response"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    return (prompt + reply)[:LONGEST], ([IGNORED] * len(prompt) + reply)[:LONGEST]


def batch_of(examples: list[tuple[list[int], list[int]]], pad: int) -> dict[str, torch.Tensor]:
    """Pad examples on the right to tensors (B, T)."""
    longest = max(len(tokens) for tokens, _ in examples)
    fill = [(tokens, labels, longest - len(tokens)) for tokens, labels in examples]
    return {
        "input_ids": torch.tensor([tokens + [pad] * more for tokens, _, more in fill]),
        "attention_mask": torch.tensor([[1] * len(tokens) + [0] * more for tokens, _, more in fill]),
        "labels": torch.tensor([labels + [IGNORED] * more for _, labels, more in fill]),
    }


def train(model, tokenizer, rows: list[dict[str, str]], *, rate: float = PEAK_RATE, epochs: int = EPOCHS) -> float:
    """Fine-tune every weight and return the last epoch's mean loss; the rate warms up, then falls along a cosine."""
    examples = [example(row, tokenizer) for row in rows]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    num_steps = epochs * math.ceil(len(examples) / BATCH)
    warmup = max(1, round(0.03 * num_steps))
    step, order, rng = 0, list(range(len(examples))), random.Random(0)
    model.train()
    for _ in range(epochs):
        rng.shuffle(order)
        losses = []
        for start in range(0, len(order), BATCH):
            share = min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / num_steps)))
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            chosen = [examples[place] for place in order[start : start + BATCH]]
            loss = model(**batch_of(chosen, tokenizer.eos_token_id)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            step += 1
        print(f"step {step} of {num_steps}: loss {sum(losses) / len(losses):.3f}")
    return sum(losses) / len(losses)


def last_number(text: str) -> str:
    """Return the last number of a reply; "" where there is none."""
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)
    return found[-1].replace(",", "") if found else ""


@torch.no_grad()
def accuracy(model, tokenizer, rows: list[dict[str, str]], *, max_tokens: int = 256) -> float:
    """Return the share of questions whose greedy reply ends in the gold's number. Strings: no 0.5 for 1/2 here."""
    model.eval()
    pad = tokenizer.eos_token_id
    correct = 0
    for row in rows:
        tokens = tokenizer(PROMPT.format(query=row["query"]), return_tensors="pt")
        reply = model.generate(**tokens, max_new_tokens=max_tokens, do_sample=False, pad_token_id=pad)
        text = tokenizer.decode(reply[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True)
        correct += last_number(text) == last_number(row["response"]) != ""
    return correct / len(rows)


def main(name: str, train_path: str, test_path: str) -> None:
    """Evaluate, fine-tune, evaluate again."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(name), AutoTokenizer.from_pretrained(name)
    test = rows_of(test_path)
    print(f"before: {accuracy(model, tokenizer, test):.1%} of {len(test)}")
    train(model, tokenizer, rows_of(train_path))
    print(f"after: {accuracy(model, tokenizer, test):.1%} of {len(test)}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
