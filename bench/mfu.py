"""Measure model FLOPs utilisation of a fine-tuning: a random-weight Llama of the 1B class, packed rows, bf16 on a GPU.

The whole `mathstrap train` path runs on random samples of exactly the asked length; the steps after the warm ones are
timed. FLOPs are those of the model's products alone: 6 per weight and token, 4 where the weights are frozen (the
vocabulary's only for the rows that carry loss), and the causal half of attention; nothing recomputed is counted. The
peak is the accelerator's data sheet (--peak-tflops), or on a CPU the rate of a large product measured in the same run.

    python bench/mfu.py                                        # on a GPU: 1B, length 512, 128 samples a step
    python bench/mfu.py --shape 70b --method qlora --steps 3 --batch 16 --warm 1     # random NF4 weights, 35 GB of disk
    python bench/mfu.py --shape tiny --steps 4 --batch 8       # a smoke check on a CPU
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from train_sides import matmul_rate
from verify_common import write_result

RESULTS = Path(__file__).parent / "results" / "mfu.json"
# hidden, inner, layers, heads, key-value heads; 1b is the shape of Llama 3.2 1B.
SHAPES = {
    "1b": (2048, 8192, 16, 32, 8), "7b": (4096, 11008, 32, 32, 32), "70b": (8192, 28672, 80, 64, 8),
    "tiny": (256, 768, 4, 4, 2),
}  # fmt: skip
# Dense bf16, TFLOP/s, from the makers' data sheets.
PEAKS = {"H200": 989.0, "H100 PCIe": 756.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0, "L4": 121.0, "A10": 125.0}


def save_model(shape: str, folder: Path, *, quantised: bool) -> Any:
    """Write a random Llama of a shape with the embedded model's tokenizer, and return its configuration."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from mathstrap.train.model import resolve_model

    tokenizer = AutoTokenizer.from_pretrained(resolve_model("embedded"))
    hidden, inner, layers, heads, heads_kv = SHAPES[shape]
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=heads_kv, max_position_embeddings=4096,
        tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    if quantised:
        save_quantised(config, folder)
        tokenizer.save_pretrained(folder)
        return config
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM(config)
    model.to("cpu", torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return config


def save_quantised(config: Any, folder: Path) -> None:
    """Write random NF4 weights a layer at a time: 70B in bf16 would fit neither the memory nor the disk."""
    import bitsandbytes
    import torch
    from safetensors.torch import save_file
    from transformers import LlamaForCausalLM
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear

    from mathstrap.train.model import nf4

    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    settings = nf4("bf16")
    model = replace_with_bnb_linear(model, modules_to_not_convert=["lm_head"], quantization_config=settings)
    folder.mkdir(parents=True, exist_ok=True)
    places, size = {}, 0
    parts = [("model.embed_tokens.", model.model.embed_tokens), ("model.norm.", model.model.norm)]
    parts += [(f"model.layers.{number}.", layer) for number, layer in enumerate(model.model.layers)]
    for number, (prefix, part) in enumerate(parts):
        for module in part.modules():
            for name, empty in list(module._parameters.items()):
                if empty is None:
                    continue
                values = torch.randn(empty.shape, dtype=torch.bfloat16, device=device) * 0.02
                if isinstance(module, bitsandbytes.nn.Linear4bit):
                    weight = bitsandbytes.nn.Params4bit(
                        values.cpu(), requires_grad=False, quant_type="nf4", compress_statistics=True, module=module
                    )
                    module._parameters[name] = weight.to(device)
                else:
                    module._parameters[name] = torch.nn.Parameter(
                        values if empty.dim() > 1 else torch.ones_like(values), requires_grad=False
                    )
        state = {prefix + key: value.cpu().contiguous() for key, value in part.state_dict().items()}
        file = f"model-{number:05}.safetensors"
        save_file(state, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(state, file)
        size += sum(value.nbytes for value in state.values())
        for module in part.modules():
            module._parameters.clear()  # the next layer needs the room
    index = {"metadata": {"total_size": size}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config.quantization_config = settings
    config.save_pretrained(folder)


def write_rows(path: Path, count: int, length: int, share: float) -> None:
    """Write samples of nearly `length` tokens, the response `share` of them; each of the words is one token."""
    rng = random.Random(0)
    words = ["a", "the", "one", "two", "and", "is", "of", "in"]
    prompt = max(8, int(length * (1 - share)) - 40)  # the template takes about 40
    with open(path, "w") as file:
        for _ in range(count):
            asked, told = (" ".join(rng.choices(words, k=size)) for size in (prompt, int(length * share) - 4))
            file.write(json.dumps({"query": asked, "response": told}) + "\n")


class Enough(Exception):
    """The last step is timed; what would follow is only writing."""


def flops_per_step(config: Any, parameters: int, data: dict[str, Any], batch: int, per_weight: int) -> float:
    """Return the products' FLOPs of an optimiser step, forward and backward; `per_weight` and token, 6 or 4."""
    samples, tokens, learnt = data["samples"], data["tokens"], data["response_tokens"]
    vocabulary = config.vocab_size * config.hidden_size
    length = tokens / samples
    # Scores and their use: 2 x 2 x hidden per pair of places, three passes' worth, the causal half of them.
    attention = 6 * config.num_hidden_layers * config.hidden_size * length
    weights = parameters - vocabulary
    return batch * (length * (per_weight * weights + attention) + learnt / samples * per_weight * vocabulary)


def main() -> None:
    """Train, time, divide, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="1b")
    parser.add_argument("--method", choices=["full", "qlora"], default="full")
    parser.add_argument("--length", type=int, default=512, help="tokens of a sample, at most")
    parser.add_argument("--batch", type=int, default=128, help="samples per optimiser step")
    parser.add_argument("--response", type=float, default=0.6, help="the share of a sample that carries loss")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warm", type=int, default=2, help="steps that are not counted")
    parser.add_argument("--micro-tokens", type=int, default=0, help="tokens of a forward pass; 0 = derived")
    parser.add_argument("--attention", default="auto")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--liger", action="store_true")
    parser.add_argument(
        "--peak-tflops", type=float, default=0.0, help="of the accelerator, dense bf16; 0 = known by name"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    import torch

    from mathstrap.train import DataOptions, TrainRecipe
    from mathstrap.train.options import LoraOptions
    from mathstrap.train.sft import train

    has_gpu = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if has_gpu else "cpu"
    known = next((peak for key, peak in PEAKS.items() if key in name), 0.0)
    if has_gpu and not (chosen.peak_tflops or known):
        parser.error(f"the peak of {name} is not known here: pass --peak-tflops")
    is_quantised = chosen.method == "qlora"
    moments: list[tuple[float, int]] = []

    def listen(point: Any) -> None:
        if has_gpu:
            torch.cuda.synchronize()
        moments.append((time.perf_counter(), point.tokens))
        if len(moments) == chosen.steps:
            raise Enough

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = save_model(chosen.shape, folder / "model", quantised=is_quantised)
        write_rows(folder / "rows.jsonl", chosen.batch * chosen.steps, chosen.length, chosen.response)
        recipe = TrainRecipe(
            model=str(folder / "model"), out=str(folder / "out"), global_batch=chosen.batch, max_steps=chosen.steps,
            data=DataOptions(path=str(folder / "rows.jsonl"), max_length=chosen.length), attention=chosen.attention,
            micro_tokens=chosen.micro_tokens, compile=chosen.compile, liger=chosen.liger, divergence=0.0,
            method=chosen.method, checkpoint_layers=is_quantised,
            lora=LoraOptions(r=96, alpha=16, dropout=0.05),  # the paper's 70B (App. B)
        )  # fmt: skip
        with suppress(Enough):
            train(recipe, listener=listen)
        manifest = json.loads((folder / "out" / "manifest.json").read_text())
    precision = manifest["hardware"]["precision"]
    peak = 1e12 * (chosen.peak_tflops or known) if has_gpu else 1e9 * matmul_rate(precision)
    (start, before), (end, after) = moments[chosen.warm - 1], moments[-1]
    steps = len(moments) - chosen.warm
    per_weight = 4 if is_quantised else 6
    parameters = manifest["model"]["parameters"]
    flops = flops_per_step(config, parameters, manifest["data"], chosen.batch, per_weight) * steps
    write_result(chosen.out, {
        "device": name, "command": " ".join(sys.argv), "precision": precision,
        "peak_tflops": peak / 1e12, "parameters": manifest["model"]["parameters"], "batch": manifest["batch"],
        "counted_steps": steps, "method": chosen.method, "compile": chosen.compile, "liger": chosen.liger,
        "mean_length": round(manifest["data"]["tokens"] / manifest["data"]["samples"], 1),
        "tokens_per_second": round((after - before) / (end - start), 1),
        "peak_memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if has_gpu else None,
        "achieved_tflops": flops / (end - start) / 1e12, "mfu": round(flops / (end - start) / peak, 4),
    })  # fmt: skip


if __name__ == "__main__":
    main()
