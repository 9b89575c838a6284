"""Compare our fine-tuning with the reference's way, micro-batch by micro-batch in turn, on the same samples.

The reference's way: transformers.Trainer, samples in random order, tokenised in the collator, padded on the right to
the longest of a micro-batch of 4 (as in the reference's own script), logits for every place. Both train the same fp32
weights and multiply in the same precision: bf16 where the CPU has units for it, else fp32. Each variant is a process of
its own that waits for its turn after every micro-batch, so that what else the machine does meets all alike. One call
measures one optimiser step (of 32 samples) of each variant, after one micro-batch that does not count, and adds it to
the result (what is done so far is kept when it is stopped); ratios are taken within a call, in seconds and in
processor seconds.

    python bench/train.py --data ../shared/data/gsm8k_train.jsonl --fresh
    python bench/train.py --data ../shared/data/gsm8k_train.jsonl              # again, as often as wanted
    python bench/train.py --variants --profile                                 # where a micro-batch's time goes
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from train_sides import LENGTH, THREADS, matmul_rate, ours, reference
from verify_common import machine

RESULTS = Path(__file__).parent / "results" / "train.json"
VARIANTS = ("reference", "ours", "compiled")


def measure(chosen: argparse.Namespace, model_path: str, precision: str) -> Iterator[dict[str, dict[str, float]]]:
    """Yield, after every round, what each variant took so far; the last time for one whole optimiser step."""
    common = (model_path, chosen.data, chosen.samples, chosen.batch)
    started = {
        "reference": (reference, (*common, chosen.reference_micro, precision)),
        "ours": (ours, (*common, chosen.micro_tokens, precision, False)),
        "compiled": (ours, (*common, chosen.micro_tokens, precision, True)),
    }
    context = get_context("spawn")
    pipes: dict[str, Any] = {}
    workers = []
    for name in chosen.variants:
        pipes[name], theirs = context.Pipe()
        function, arguments = started[name]
        workers.append(context.Process(target=function, args=(theirs, *arguments), daemon=True))
        workers[-1].start()
    # Ours cuts a step by tokens; all make about as many micro-batches.
    left = {name: micro_batches_of(name, chosen, model_path) for name in chosen.variants}
    for name in chosen.variants:
        assert pipes[name].recv() == "ready"
    for name in chosen.variants:
        pipes[name].send("go")
        print(name, "warm", pipes[name].recv(), flush=True)
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in chosen.variants}
    while any(left.values()):
        for name in [name for name in chosen.variants if left[name]]:
            pipes[name].send("go")
            taken[name].append(pipes[name].recv())
            left[name] -= 1
            print(f"{name:10} {taken[name][-1]}", flush=True)
        yield {
            name: {key: sum(one[key] for one in parts) for key in ("seconds", "cpu", "useful", "computed")}
            | {"peak_gib": max(one["peak_gib"] for one in parts), "micro_batches": len(parts), "left": left[name]}
            for name, parts in taken.items()
        }
    for worker in workers:
        worker.kill()


def micro_batches_of(name: str, chosen: argparse.Namespace, model_path: str) -> int:
    """Return the micro-batches of one optimiser step: over that many, exactly one step of the optimiser is timed."""
    if name == "reference":
        return int(chosen.batch) // int(chosen.reference_micro)
    from mathstrap.train import DataOptions, TrainRecipe
    from mathstrap.train.batches import cut_batch
    from mathstrap.train.data import load_pairs
    from mathstrap.train.hardware import ENOUGH_TOKENS
    from mathstrap.train.model import load_tokenizer
    from mathstrap.train.sft import tokenise

    recipe = TrainRecipe(data=DataOptions(path=chosen.data, limit=chosen.samples, max_length=LENGTH))
    lengths = tokenise(load_pairs(recipe.data, rng_seed=0).train, load_tokenizer(model_path), recipe).lengths
    tokens = chosen.micro_tokens or ENOUGH_TOKENS["cpu"]
    return cut_batch(lengths.tolist(), global_batch=chosen.batch, processes=1, micro_tokens=tokens).accumulation


GROUPS = {
    "products": ("aten::mm", "aten::addmm", "mkldnn", "aten::bmm", "aten::linear"),
    "attention": ("aten::_scaled_dot_product", "aten::_flash"),
    "casts and copies": ("aten::copy_", "aten::clone", "aten::cat", "aten::index", "aten::fill_", "aten::zero_"),
    "loss": ("SummedLoss", "aten::logsumexp", "aten::scatter", "aten::gather", "aten::exp_", "aten::sub_"),
}


def where_time_goes(model_path: str, data: str, micro_tokens: int, precision: str) -> dict[str, Any]:
    """Return one micro-batch's forward and backward: shares of time by kind of operation, and its products' FLOPs."""
    import time

    import torch
    from torch.profiler import ProfilerActivity, profile
    from torch.utils.flop_counter import FlopCounterMode

    from mathstrap.train import DataOptions, TrainRecipe
    from mathstrap.train.collate import Samples, pack
    from mathstrap.train.data import load_pairs
    from mathstrap.train.forward import sum_of_losses
    from mathstrap.train.hardware import hold_memory
    from mathstrap.train.model import load_model, load_tokenizer
    from mathstrap.train.sft import tokenise

    torch.set_num_threads(THREADS)
    hold_memory()
    recipe = TrainRecipe(model=model_path, data=DataOptions(path=data, limit=64))
    table = tokenise(load_pairs(recipe.data, rng_seed=0).train, load_tokenizer(model_path), recipe)
    model = load_model(model_path, recipe, device="cpu", precision=precision, num_shards=1)
    chosen = [index for index in range(len(table)) if table.offsets[index + 1] <= micro_tokens]
    batch = pack([Samples(table)[index] for index in chosen], share_opening=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = sum_of_losses(model, model, batch)
        loss.backward()

    step()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        step()
    shares: dict[str, float] = {}
    for entry in seen.key_averages():
        group = next((name for name, keys in GROUPS.items() if entry.key.startswith(keys)), "elementwise and the rest")
        shares[group] = shares.get(group, 0.0) + entry.self_cpu_time_total
    whole = sum(shares.values())
    start = time.perf_counter()
    step()
    seconds = time.perf_counter() - start
    with FlopCounterMode(display=False) as counter:
        step()
    flops = counter.get_total_flops()
    rate = matmul_rate(precision)
    return {
        "tokens": batch["tokens"], "row_tokens": batch["input_ids"].numel(), "loss_rows": batch["rows"].numel(),
        "seconds": round(seconds, 2), "tokens_per_second": round(batch["tokens"] / seconds, 1),
        "gflop": round(flops / 1e9), "matmul_gflops": round(rate, 1),
        "share_of_matmul_rate": round(flops / 1e9 / seconds / rate, 3),
        "shares": {name: round(spent / whole, 3) for name, spent in sorted(shares.items(), key=lambda pair: -pair[1])},
    }  # fmt: skip


def summarise(calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the calls say, per variant and against the reference."""
    variants: dict[str, Any] = {}
    for name in VARIANTS:
        taken = [call["steps"][name] for call in calls if name in call["steps"]]
        if not taken:
            continue
        variants[name] = {
            "steps": len(taken),
            "useful_tokens_per_second": round(statistics.median(s["useful"] / s["seconds"] for s in taken), 1),
            "useful_tokens_per_cpu_second": round(statistics.median(s["useful"] / s["cpu"] for s in taken), 1),
            "padding": round(max(0.0, 1 - sum(s["useful"] for s in taken) / sum(s["computed"] for s in taken)), 4),
            "computed_per_useful": round(sum(s["computed"] for s in taken) / sum(s["useful"] for s in taken), 4),
            "peak_gib": round(max(s["peak_gib"] for s in taken), 2),
        }
        for unit in ("seconds", "cpu"):
            ratios = [
                (steps[name]["useful"] / steps[name][unit]) / (steps["reference"]["useful"] / steps["reference"][unit])
                for steps in (call["steps"] for call in calls)
                if name != "reference" and name in steps and "reference" in steps
            ]
            if ratios:
                key = "times_the_reference" + ("_per_cpu_second" if unit == "cpu" else "")
                variants[name][key] = round(statistics.median(ratios), 2)
                variants[name][key + "_range"] = [round(min(ratios), 2), round(max(ratios), 2)]
    return variants


def main() -> None:
    """Run the variants in turn and add to the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/gsm8k_train.jsonl", help="GSM8K rows (question, answer)")
    parser.add_argument("--model", default="embedded", help="a Hugging Face folder of a Llama, or embedded")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=32, help="samples per optimiser step, for all variants")
    parser.add_argument("--reference-micro", type=int, default=4, help="the reference's micro-batch")
    parser.add_argument("--micro-tokens", type=int, default=0, help="ours; 0 = derived")
    parser.add_argument("--precision", choices=["auto", "bf16", "fp32"], default="auto")
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), help="which sides; none: only --profile")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--fresh", action="store_true", help="forget earlier calls")
    parser.add_argument("--profile", action="store_true", help="then say where a micro-batch's time goes")
    chosen = parser.parse_args()

    from mathstrap.train.model import choose_precision, has_bf16, resolve_model

    precision = choose_precision(chosen.precision, has_bf16())
    model_path = resolve_model(chosen.model)
    rate = matmul_rate(precision)
    kept = json.loads(chosen.out.read_text()) if chosen.out.exists() and not chosen.fresh else {"calls": []}
    load = [round(one, 1) for one in os.getloadavg()]
    result: dict[str, Any] = kept
    for steps in measure(chosen, model_path, precision) if chosen.variants else ():
        call = {
            "date": machine()["date"], "commit": machine()["commit"], "load": load,
            "matmul_gflops": [round(rate, 1), round(matmul_rate(precision), 1)], "steps": steps,
        }  # fmt: skip
        calls = [*kept["calls"], call]
        result = {
            "machine": machine(), "command": " ".join(sys.argv),
            "setting": {"batch": chosen.batch, "length": LENGTH, "samples": chosen.samples, "precision": precision,
                        "reference_micro": chosen.reference_micro, "micro_tokens": chosen.micro_tokens},
            "variants": summarise(calls), "calls": calls, "profile": kept.get("profile", {}),
        }  # fmt: skip
        save(result, chosen.out)
    print(json.dumps(result.get("variants"), indent=2))
    if chosen.profile:
        result["profile"] = where_time_goes(model_path, chosen.data, chosen.micro_tokens or 1024, precision)
        save(result, chosen.out)
        print(json.dumps(result["profile"], indent=2))


def save(result: dict[str, Any], path: Path) -> None:
    """Write the result."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
