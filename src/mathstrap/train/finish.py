"""Write the outputs of a finished run: the chosen model or adapter, the artefacts, the curve and the model card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from mathstrap.files.tables import write_atomically
from mathstrap.hub.weights import load_causal_model, load_merged_adapter, load_tokenizer_of
from mathstrap.train import card, plot
from mathstrap.train.ending import save_adapter_end, with_end
from mathstrap.train.options import TrainRecipe
from mathstrap.train.watch import Watch

MODEL = "model"
ADAPTER = "adapter"
WEIGHTS = "adapter_model.safetensors"
# The weights a PiSSA adapter started from, stored beside the checkpoints.
START = "start.safetensors"
# Files of a checkpoint that only resuming needs.
STATE_FILES = ("optimizer", "scheduler", "scaler", "rng_state", "trainer_state", "training_args")


def write_outputs(recipe: TrainRecipe, out: Path, checkpoint: Path, base: str, watch: Watch) -> dict[str, str]:
    """Write everything and return the files by kind."""
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    end = int(manifest["end"]["id"])
    files: dict[str, Path] = {}
    if recipe.method == "full":
        files["model"] = copy_weights(checkpoint, out / MODEL)
    else:
        files["adapter"] = copy_weights(checkpoint, out / ADAPTER)
        if recipe.lora.variant == "pissa":
            plain_from_pissa(out / ADAPTER, checkpoint.parent / START)
        save_adapter_end(base, end, out / ADAPTER)
        if recipe.artefacts:
            files["model"] = merge_adapter(base, out / ADAPTER, out / MODEL, end, quantised=recipe.method == "qlora")
    if "gguf" in recipe.artefacts:
        from mathstrap.train.gguf import write_gguf

        files["gguf"] = write_gguf(out / MODEL, out / "model.gguf")
    files |= plot.write_curve(watch.points, watch.validations, out)
    text = card.model_card(manifest, watch.points, watch.validations).encode()
    write_atomically(out / "README.md", [text])
    files["card"] = out / "README.md"
    for kind in ("model", "adapter"):
        if kind in files:
            write_atomically(files[kind] / "README.md", [text])
            # safetensors creates files that only their owner can read; a server under another user could not load them.
            for weights in files[kind].glob("*.safetensors"):
                weights.chmod(files["card"].stat().st_mode)
    return {kind: str(path) for kind, path in files.items()}


def copy_weights(checkpoint: Path, target: Path) -> Path:
    """Copy a checkpoint's model files, without the optimiser, into their place in one move."""
    staged = target.with_name(f"{target.name}.tmp")
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(checkpoint, staged, ignore=lambda _, names: [n for n in names if n.startswith(STATE_FILES)])
    shutil.rmtree(target, ignore_errors=True)
    staged.rename(target)
    return target


def plain_from_pissa(adapter: Path, start: Path) -> None:
    """Rewrite a PiSSA adapter as plain LoRA of twice the rank, which applies to the published weights.

    PiSSA takes its start A0 B0 out of the weights, so what it learnt is A B - A0 B0.
    """
    import torch
    from safetensors.torch import load_file, save_file

    learnt, first = load_file(adapter / WEIGHTS), load_file(start)
    both = {}
    for name, weight in learnt.items():
        if ".lora_A." in name:
            both[name] = torch.cat([weight, first[name]], dim=0).contiguous()
        else:
            both[name] = torch.cat([weight, -first[name]], dim=1).contiguous()
    save_file(both, adapter / WEIGHTS, metadata={"format": "pt"})
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    config |= {"r": 2 * config["r"], "lora_alpha": 2 * config["lora_alpha"], "init_lora_weights": True}
    write_atomically(adapter / "adapter_config.json", [json.dumps(config, indent=2).encode() + b"\n"])


def merge_adapter(base: str, adapter: Path, target: Path, end: int, *, quantised: bool) -> Path:
    """Fold an adapter into the weights it was trained on and write a plain model.

    A QLoRA adapter was trained on weights rounded to NF4, so it is folded into the rounded weights.
    """
    import torch

    settings: dict[str, Any] = {"dtype": torch.float32}
    if quantised:
        from mathstrap.train.model import nf4

        # On the CPU: the weights in full precision exceed a GPU that holds them in NF4.
        settings |= {"quantization_config": nf4("fp32"), "device_map": {"": "cpu"}}
    model = load_causal_model(base, **settings)
    if quantised:
        model = model.dequantize().to(torch.float32)
    merged = load_merged_adapter(model, adapter)
    merged.generation_config = with_end(merged.generation_config, end)
    staged = target.with_name(f"{target.name}.tmp")
    shutil.rmtree(staged, ignore_errors=True)
    merged.save_pretrained(staged)
    load_tokenizer_of(adapter).save_pretrained(staged)
    shutil.rmtree(target, ignore_errors=True)
    staged.rename(target)
    return target
