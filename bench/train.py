"""Compare our fine-tuning with the reference's way, step by step in turn, on the same samples and the same batch.

The reference's way: transformers.Trainer, samples in random order, tokenised in the collator, padded on the right to
the longest of a micro-batch, logits for every place. Both multiply in bf16 over fp32 weights. Each variant is a process
of its own that waits for its turn after every optimiser step, so that what else the machine does meets all alike; the
ratio is taken within each round.

    python bench/train.py --data ../shared/data/gsm8k_train.jsonl --rounds 6
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

LENGTH = 512
RESULTS = Path(__file__).parent / "results" / "train.json"


def peak_gib() -> float:
    """Return this process's largest resident size so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


class Turn:
    """The worker's side: report the step that ended, wait, start the clock of the next."""

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe
        self.start = time.perf_counter()
        self.cpu = time.process_time()

    def __call__(self, useful: int, computed: int, loss: float) -> None:
        """Send the numbers of the step that ended and wait for the next turn."""
        self.pipe.send({
            "seconds": time.perf_counter() - self.start, "cpu": time.process_time() - self.cpu, "useful": useful,
            "computed": computed, "loss": loss, "peak_gib": peak_gib(),
        })  # fmt: skip
        if self.pipe.recv() == "stop":
            os._exit(0)
        self.start, self.cpu = time.perf_counter(), time.process_time()


def reference(pipe: Any, model_path: str, data: str, count: int, batch: int, micro: int) -> None:
    """Train the reference's way, a step per turn."""
    import torch
    import transformers
    from torch.utils.data import Dataset

    from mathstrap.train.prompt import metamath_prompt

    torch.set_num_threads(2)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_path)
    with open(data) as file:
        rows = [json.loads(line) for line in file][:count]
    turn, seen = Turn(pipe), {"useful": 0, "computed": 0}

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
        seen["useful"] += int(lengths.sum())
        seen["computed"] += padded.numel()
        return {
            "input_ids": padded, "labels": pad(labels, batch_first=True, padding_value=-100),
            "attention_mask": (torch.arange(padded.shape[1])[None] < lengths[:, None]).long(),
        }  # fmt: skip

    class Wait(transformers.TrainerCallback):
        def on_log(self, _args: Any, _state: Any, _control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                counts = dict(seen)
                seen.update(useful=0, computed=0)
                turn(counts["useful"], counts["computed"], float(logs["loss"]))

    args = transformers.TrainingArguments(
        output_dir=tempfile.mkdtemp(), use_cpu=True, bf16=True, per_device_train_batch_size=micro,
        gradient_accumulation_steps=batch // micro, num_train_epochs=3, learning_rate=2e-5, warmup_steps=0.03,
        lr_scheduler_type="cosine", logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True,
        remove_unused_columns=False,
    )  # fmt: skip
    model = transformers.AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    trainer = transformers.Trainer(
        model=model, args=args, train_dataset=Rows(), data_collator=collate, callbacks=[Wait()]
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()


def ours(pipe: Any, model_path: str, data: str, count: int, batch: int, micro_tokens: int, compiled: bool) -> None:
    """Train our way, a step per turn."""
    import torch

    from mathstrap.train import DataOptions, TrainRecipe
    from mathstrap.train.sft import train

    torch.set_num_threads(2)
    turn, seen = Turn(pipe), {"tokens": 0}

    def listen(point: Any) -> None:
        tokens, seen["tokens"] = point.tokens - seen["tokens"], point.tokens
        turn(tokens, tokens, point.loss)

    train(
        TrainRecipe(
            model=model_path, out=tempfile.mkdtemp(), data=DataOptions(path=data, limit=count, max_length=LENGTH),
            global_batch=batch, micro_tokens=micro_tokens, epochs=3, lr=2e-5, precision="bf16", compile=compiled,
        ),
        listener=listen,
    )  # fmt: skip


def matmul_rate() -> float:
    """Return GFLOP/s of a bf16 product of this model's size on two threads, best of five."""
    import torch

    torch.set_num_threads(2)
    left, right = torch.randn(1024, 576).bfloat16(), torch.randn(1536, 576).bfloat16()
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(20):
            torch.nn.functional.linear(left, right)
        best = max(best, 20 * 2 * 1024 * 576 * 1536 / (time.perf_counter() - start) / 1e9)
    return best


GROUPS = {
    "products": ("aten::mm", "aten::addmm", "mkldnn", "aten::bmm", "aten::linear"),
    "attention": ("aten::_scaled_dot_product", "aten::_flash"),
    "casts and copies": ("aten::copy_", "aten::clone", "aten::cat", "aten::index", "aten::fill_", "aten::zero_"),
    "loss": ("SummedLoss", "aten::logsumexp", "aten::scatter", "aten::gather", "aten::exp_", "aten::sub_"),
}


def where_time_goes(model_path: str, data: str, micro_tokens: int) -> dict[str, float]:
    """Return the shares of one micro-batch's forward and backward time by kind of operation."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from mathstrap.train import DataOptions, TrainRecipe
    from mathstrap.train.collate import Samples, pack
    from mathstrap.train.data import load_pairs
    from mathstrap.train.hardware import hold_memory
    from mathstrap.train.model import load_model, load_tokenizer
    from mathstrap.train.sft import tokenise
    from mathstrap.train.trainer import sum_of_losses

    torch.set_num_threads(2)
    hold_memory()
    recipe = TrainRecipe(model=model_path, data=DataOptions(path=data, limit=64), precision="bf16")
    table = tokenise(load_pairs(recipe.data, rng_seed=0).train, load_tokenizer(model_path), recipe)
    model = load_model(model_path, recipe, device="cpu", precision="bf16", num_shards=1)
    chosen = [index for index in range(len(table)) if table.offsets[index + 1] <= micro_tokens]
    batch = pack([Samples(table)[index] for index in chosen])

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            loss = sum_of_losses(model, model, batch)
        loss.backward()
        model.zero_grad()

    step()
    step()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        step()
    shares: dict[str, float] = {}
    for entry in seen.key_averages():
        group = next((name for name, keys in GROUPS.items() if entry.key.startswith(keys)), "elementwise and the rest")
        shares[group] = shares.get(group, 0.0) + entry.self_cpu_time_total
    whole = sum(shares.values())
    return {name: round(spent / whole, 3) for name, spent in sorted(shares.items(), key=lambda pair: -pair[1])}


def main() -> None:
    """Run the variants in turn and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/gsm8k_train.jsonl", help="GSM8K rows (question, answer)")
    parser.add_argument("--model", default="embedded", help="a Hugging Face folder, or embedded")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=32, help="samples per optimiser step, for all variants")
    parser.add_argument("--rounds", type=int, default=6, help="steps per variant that count")
    parser.add_argument("--warm", type=int, default=1, help="steps per variant that do not")
    parser.add_argument("--reference-micro", type=int, default=4, help="the reference's micro-batch")
    parser.add_argument("--micro-tokens", type=int, default=0, help="ours; 0 = derived")
    parser.add_argument("--variants", nargs="+", default=["reference", "ours", "compiled"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--profile", action="store_true", help="only say where a micro-batch's time goes")
    chosen = parser.parse_args()

    from mathstrap.train.model import resolve_model

    model_path = resolve_model(chosen.model)
    if chosen.profile:
        shares = where_time_goes(model_path, chosen.data, chosen.micro_tokens or 1024)
        chosen.out.with_name("train-profile.json").write_text(json.dumps(shares, indent=2) + "\n")
        print(json.dumps(shares, indent=2))
        return
    common = (model_path, chosen.data, chosen.samples, chosen.batch)
    started = {
        "reference": (reference, (*common, chosen.reference_micro)),
        "ours": (ours, (*common, chosen.micro_tokens, False)),
        "compiled": (ours, (*common, chosen.micro_tokens, True)),
    }
    context = get_context("spawn")
    pipes: dict[str, Any] = {}
    workers = []
    steps: dict[str, list[dict[str, float]]] = {name: [] for name in chosen.variants}
    for name in chosen.variants:
        pipes[name], theirs = context.Pipe()
        function, arguments = started[name]
        worker = context.Process(target=function, args=(theirs, *arguments), daemon=True)
        worker.start()
        workers.append(worker)
        for number in range(1 + chosen.warm):  # the first step ends with the start of the process behind it
            if number:
                pipes[name].send("go")
            print(name, "warm", pipes[name].recv(), flush=True)
    rates = []
    for number in range(chosen.rounds):
        rates.append(matmul_rate())
        # Back and forth, so that a drift of the machine's speed favours none.
        for name in chosen.variants[:: 1 if number % 2 == 0 else -1]:
            pipes[name].send("go")
            steps[name].append(pipes[name].recv())
            step = steps[name][-1]
            print(f"{name:10} {step['useful'] / step['seconds']:7.0f} tokens/s  {step}", flush=True)
        result = summarise(steps, rates, chosen)
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(result, indent=2) + "\n")
    for worker in workers:
        worker.kill()
    print(json.dumps(result["variants"], indent=2))


def summarise(steps: dict[str, list[dict[str, float]]], rates: list[float], chosen: Any) -> dict[str, Any]:
    """Return what the steps say, per variant and against the reference."""
    variants = {}
    for name, taken in steps.items():
        speeds = [step["useful"] / step["seconds"] for step in taken]
        variants[name] = {
            "useful_tokens_per_second": round(statistics.median(speeds), 1),
            "useful_tokens_per_cpu_second": round(statistics.median(s["useful"] / s["cpu"] for s in taken), 1),
            "padding": round(1 - sum(s["useful"] for s in taken) / sum(s["computed"] for s in taken), 4),
            "peak_gib": round(max(s["peak_gib"] for s in taken), 2),
        }
        if name != "reference" and "reference" in steps:
            pairs = list(zip(taken, steps["reference"], strict=True))
            wall = [(a["useful"] / a["seconds"]) / (b["useful"] / b["seconds"]) for a, b in pairs]
            cpu = [(a["useful"] / a["cpu"]) / (b["useful"] / b["cpu"]) for a, b in pairs]
            variants[name] |= {
                "times_the_reference": round(statistics.median(wall), 2),
                "range": [round(min(wall), 2), round(max(wall), 2)],
                "times_the_reference_per_cpu_second": round(statistics.median(cpu), 2),
            }
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "date": time.strftime("%Y-%m-%d"), "commit": revision.stdout.strip(), "command": " ".join(sys.argv),
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(),
                    "load": [round(load, 2) for load in os.getloadavg()],
                    "matmul_bf16_gflops": [round(rate) for rate in rates]},
        "setting": {"batch": chosen.batch, "length": LENGTH, "samples": chosen.samples, "rounds": chosen.rounds,
                    "reference_micro": chosen.reference_micro},
        "variants": variants, "steps": steps,
    }  # fmt: skip


if __name__ == "__main__":
    main()
