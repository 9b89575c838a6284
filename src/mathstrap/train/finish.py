"""Write what a finished run leaves: the chosen model or adapter, the artefacts, the curve and the model card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from mathstrap.hub.weights import load_causal_model, load_merged_adapter, load_tokenizer_of
from mathstrap.train import card, plot
from mathstrap.train.options import TrainRecipe
from mathstrap.train.watch import Watch

MODEL = "model"
ADAPTER = "adapter"
# Of a checkpoint: what resuming needs and nobody else.
STATE_FILES = ("optimizer", "scheduler", "scaler", "rng_state", "trainer_state", "training_args")


def write_outputs(recipe: TrainRecipe, out: Path, checkpoint: Path, base: str, watch: Watch) -> dict[str, str]:
    """Write everything and return the files by kind."""
    files: dict[str, Path] = {}
    if recipe.method == "full":
        files["model"] = copy_weights(checkpoint, out / MODEL)
    else:
        files["adapter"] = copy_weights(checkpoint, out / ADAPTER)
        if recipe.artefacts:
            files["model"] = merge_adapter(base, out / ADAPTER, out / MODEL, quantised=recipe.method == "qlora")
    if "gguf" in recipe.artefacts:
        from mathstrap.train.gguf import write_gguf

        files["gguf"] = write_gguf(out / MODEL, out / "model.gguf")
    files |= plot.write_curve(watch.points, watch.validations, out)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    (out / "README.md").write_text(card.model_card(manifest, watch.points, watch.validations), encoding="utf-8")
    files["card"] = out / "README.md"
    for kind in ("model", "adapter"):
        if kind in files:
            shutil.copyfile(out / "README.md", files[kind] / "README.md")
            # The library writes weights that their owner alone can read.
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


def merge_adapter(base: str, adapter: Path, target: Path, *, quantised: bool) -> Path:
    """Fold an adapter into the weights it was trained on and write a plain model.

    A QLoRA adapter was trained on the weights as NF4 rounds them, so those are what it is folded into.
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
    staged = target.with_name(f"{target.name}.tmp")
    shutil.rmtree(staged, ignore_errors=True)
    merged.save_pretrained(staged)
    load_tokenizer_of(adapter).save_pretrained(staged)
    shutil.rmtree(target, ignore_errors=True)
    staged.rename(target)
    return target
