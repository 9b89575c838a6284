"""Killed runs and adapters on the real 135M model: what the tiny ones promise holds there too."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path

import pytest

from mathstrap.recipe import load_recipe
from mathstrap.train import TrainRecipe
from mathstrap.train import checkpoints as kept
from trained_apart import curve_of, run_child

# Minutes on two cores to itself, a quarter of an hour beside other work.
pytestmark = pytest.mark.slow


def recipe_for(data_path: Path, out: Path, method: str, **changes) -> TrainRecipe:
    name = {"full": "sft-tiny", "lora": "lora-tiny", "qlora": "qlora-tiny"}[method]
    recipe = load_recipe(TrainRecipe, name, [
        f"data.path={data_path / 'gsm8k_train.jsonl'}", "data.limit=24", "data.validation=0.0", "global_batch=2",
        "max_steps=4", "save_every=2", f"out={out}",
    ])  # fmt: skip
    return dataclasses.replace(recipe, **changes)


def train_apart(recipe: TrainRecipe) -> None:
    # A process keeps the gigabytes that a QLoRA training on a CPU took: four trainings in one were more than 20.
    done = run_child(recipe, 0)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("method", ["full", "qlora"])
def test_killed_and_resumed_equals_uninterrupted_on_the_real_model(data_path, tmp_path, method):
    whole = recipe_for(data_path, tmp_path / "whole", method, artefacts=())
    train_apart(whole)
    broken = recipe_for(data_path, tmp_path / "broken", method, artefacts=())
    assert run_child(broken, 3).returncode == -signal.SIGKILL
    assert kept.last_checkpoint(Path(broken.out) / "checkpoints").name == "checkpoint-2"
    train_apart(broken)
    assert len(curve_of(whole)) == 4
    assert curve_of(broken) == curve_of(whole)
    file = "model/model.safetensors" if method == "full" else "adapter/adapter_model.safetensors"
    assert (Path(broken.out) / file).read_bytes() == (Path(whole.out) / file).read_bytes()


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_the_merged_model_answers_as_the_adapter_on_its_base_does(data_path, tmp_path, method):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from mathstrap.train.model import dequantise_embedded, keep_nf4_as_stored, nf4

    recipe = recipe_for(data_path, tmp_path / "out", method, artefacts=("merged",), lr=1e-3, max_steps=2)
    train_apart(recipe)
    model, adapter = Path(recipe.out) / "model", Path(recipe.out) / "adapter"
    settings = {"dtype": torch.float32}
    if method == "qlora":
        settings["quantization_config"] = nf4("fp32")
    base = AutoModelForCausalLM.from_pretrained(dequantise_embedded(), **settings)
    keep_nf4_as_stored(base)
    merged = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(model)("Ann has 3 apples and buys 14.", return_tensors="pt")
    with torch.no_grad():
        plain = base(**ids).logits.float()
        adapted = PeftModel.from_pretrained(base, adapter).eval()(**ids).logits.float()
        folded = merged(**ids).logits
    moved = (adapted - plain).abs().max()
    assert moved > 1e-3, "two steps must have moved the logits"
    assert (adapted - folded).abs().max() < 0.05 * moved
