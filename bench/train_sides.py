"""The two sides of bench/train.py: train the reference's way or ours, one micro-batch per turn, and count."""

from __future__ import annotations

import functools
import json
import os
import resource
import tempfile
import time
from typing import Any, Literal

LENGTH = 512
THREADS = 2


def peak_gib() -> float:
    """Return this process's largest resident size so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


class Turns:
    """The worker's side: at each forward pass, report the micro-batch that ended, wait, start the clock of the next.

    A micro-batch lasts from its forward pass to the next one's: with its backward pass, and with the optimiser's step
    where that falls between them.
    """

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe
        self.counts: dict[str, int] | None = None
        self.start, self.cpu = 0.0, 0.0

    def take(self, useful: int, computed: int) -> None:
        """Report the last micro-batch, wait for the next turn, and start on one of so many tokens."""
        if self.counts is not None:
            self.pipe.send({
                "seconds": time.perf_counter() - self.start, "cpu": time.process_time() - self.cpu, **self.counts,
                "peak_gib": peak_gib(),
            })  # fmt: skip
        else:
            self.pipe.send("ready")
        if self.pipe.recv() == "stop":
            os._exit(0)
        self.counts = {"useful": useful, "computed": computed}
        self.start, self.cpu = time.perf_counter(), time.process_time()

    def instrument(self) -> None:
        """Take a turn at every forward pass of a Llama, whoever calls it."""
        import torch
        from transformers import LlamaForCausalLM

        torch.set_num_threads(THREADS)
        inner = LlamaForCausalLM.forward

        @functools.wraps(inner)
        def forward(model: Any, *args: Any, **named: Any) -> Any:
            computed = named["input_ids"].numel()
            borders = named.get("cu_seq_lens_q")
            if borders is not None:
                shared, *ends = borders.tolist()
                self.take(computed + shared * (len(ends) - 1), computed)
            else:
                self.take(int(named["attention_mask"].sum()), computed)
            return inner(model, *args, **named)

        LlamaForCausalLM.forward = forward


def reference(
    pipe: Any, model_path: str, data: str, count: int, batch: int, micro: int, precision: Literal["bf16", "fp32"]
) -> None:
    """Train the reference's way."""
    import torch
    import transformers
    from torch.utils.data import Dataset

    from mathstrap.train.prompt import metamath_prompt

    Turns(pipe).instrument()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_path)
    with open(data) as file:
        rows = [json.loads(line) for line in file][:count]

    class Rows(Dataset):
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, index: int) -> dict[str, str]:
            return rows[index]

    def collate(chosen: list[dict[str, str]]) -> dict[str, Any]:
        ids, labels = [], []
        for row in chosen:
            prompt = metamath_prompt(row["question"])
            whole = tokenizer(
                prompt + row["answer"] + tokenizer.eos_token, truncation=True, max_length=LENGTH
            ).input_ids
            start = len(tokenizer(prompt, truncation=True, max_length=LENGTH).input_ids)
            ids.append(torch.tensor(whole))
            labels.append(torch.tensor([-100] * start + whole[start:]))
        pad = torch.nn.utils.rnn.pad_sequence
        padded = pad(ids, batch_first=True, padding_value=tokenizer.pad_token_id)
        lengths = torch.tensor([len(one) for one in ids])
        return {
            "input_ids": padded, "labels": pad(labels, batch_first=True, padding_value=-100),
            "attention_mask": (torch.arange(padded.shape[1])[None] < lengths[:, None]).long(),
        }  # fmt: skip

    args = transformers.TrainingArguments(
        output_dir=tempfile.mkdtemp(), use_cpu=True, bf16=precision == "bf16", per_device_train_batch_size=micro,
        gradient_accumulation_steps=batch // micro, num_train_epochs=3, learning_rate=2e-5, warmup_steps=0.03,
        lr_scheduler_type="cosine", logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True,
        remove_unused_columns=False,
    )  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    trainer = transformers.Trainer(model=model, args=args, train_dataset=Rows(), data_collator=collate)
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()


def ours(
    pipe: Any, model_path: str, data: str, count: int, batch: int, micro_tokens: int,
    precision: Literal["bf16", "fp32"], compiled: bool,
) -> None:  # fmt: skip
    """Train our way."""
    from mathstrap.train import DataOptions, TrainRecipe
    from mathstrap.train.sft import train

    Turns(pipe).instrument()
    train(TrainRecipe(
        model=model_path, out=tempfile.mkdtemp(), data=DataOptions(path=data, limit=count, max_length=LENGTH),
        global_batch=batch, micro_tokens=micro_tokens, epochs=3, lr=2e-5, precision=precision, compile=compiled,
    ))  # fmt: skip


def matmul_rate(precision: str, *, tokens: int = 1024, width: int = 576, inner: int = 1536) -> float:
    """Return GFLOP/s of a product as the 135M model's blocks make it, on two threads, best of five."""
    import torch

    torch.set_num_threads(THREADS)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = torch.randn(tokens, width).to(kind), torch.randn(inner, width).to(kind)
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(4):
            torch.nn.functional.linear(left, right)
        best = max(best, 4 * 2 * tokens * width * inner / (time.perf_counter() - start) / 1e9)
    return best
