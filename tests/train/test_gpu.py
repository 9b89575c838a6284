"""What only an accelerator shows: `pytest -m gpu tests/train/test_gpu.py` on a machine with one."""

from __future__ import annotations

import dataclasses
import itertools
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import tiny_llama
from mathstrap.train import DataOptions, LoraOptions, TrainRecipe, attention
from mathstrap.train.watch import read_curve

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def gpu():
    """Skip where torch sees no GPU."""
    torch = pytest.importorskip("torch", reason="needs the extra train")
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    return torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model whose heads are as wide as real ones, its samples and an empty token cache."""
    path = tmp_path_factory.mktemp("gpu")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATHSTRAP_CACHE", str(path / "cache"))
        tiny_llama.save_llama(path / "model", hidden=256)
        tiny_llama.write_samples(path / "rows.jsonl", 96, seeds=24)
        yield path


def recipe_for(folder: Path, out: Path, **changes) -> TrainRecipe:
    base = TrainRecipe(
        model=str(folder / "model"), out=str(out), data=DataOptions(path=str(folder / "rows.jsonl")),
        global_batch=8, micro_tokens=400, epochs=1, lr=3e-3, lora=LoraOptions(r=4, alpha=8, dropout=0.0),
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def losses_of(out: Path) -> list[float]:
    return [point.loss for point in read_curve(out / "curve.jsonl")[0]]


def loss_and_gradients(torch, model, batches):
    from mathstrap.train.collate import pack
    from mathstrap.train.forward import sum_of_losses

    model.zero_grad()
    total = 0.0
    for batch in batches:
        row = {name: value.to("cuda") if hasattr(value, "to") else value for name, value in pack(batch).items()}
        with torch.autocast("cuda", torch.bfloat16):
            loss = sum_of_losses(model, model, row)
        loss.backward()
        total += float(loss.detach())
    block = model.model.layers[0].self_attn
    return total, [block.q_proj.weight.grad.clone(), block.k_proj.weight.grad.clone(), block.v_proj.weight.grad.clone()]


def test_one_kernel_over_a_row_is_each_sample_alone(gpu, folder, tmp_path):
    from mathstrap.train.model import load_model

    recipe = recipe_for(folder, tmp_path, attention="packed")
    model = load_model(recipe.model, recipe, device="cuda", precision="bf16", num_shards=1).to("cuda")
    rng = np.random.default_rng(0)
    sizes = rng.integers(8, 300, 12)
    samples = [(rng.integers(3, 500, size).astype(np.int32), int(rng.integers(2, size - 2))) for size in sizes]
    kernel, calls = attention.kernel_of_rows(), itertools.count()
    assert kernel is not None, "torch 2.11 and later have it"
    attention.register(find_kernel=lambda: next(calls) >= 0 and kernel)
    loss, gradients = loss_and_gradients(gpu, model, [samples])
    assert next(calls) == 2, "once per layer"
    attention.register(find_kernel=lambda: None)
    for batches in ([samples], [[sample] for sample in samples]):
        expected, wanted = loss_and_gradients(gpu, model, batches)
        assert loss == pytest.approx(expected, rel=1e-3)
        for one, other in zip(gradients, wanted, strict=True):
            assert float((one - other).norm() / other.norm()) < 0.02  # bf16 rounds to 1 in 256


@pytest.mark.parametrize("changes", [{}, {"compile": True}, {"liger": True}, {"checkpoint_layers": True}])
@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_each_method_learns_in_bf16(folder, tmp_path, method, changes):
    from mathstrap.train.sft import train

    if changes.get("liger") and not find_spec("liger_kernel"):
        pytest.skip("needs liger-kernel")
    report = train(recipe_for(folder, tmp_path / "out", method=method, **changes))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["hardware"]["device"], manifest["hardware"]["precision"]) == ("cuda", "bf16")
    losses = losses_of(tmp_path / "out")
    assert report.num_steps == len(losses) == 12
    assert losses[-1] < losses[0] - 0.2
    plain = tmp_path / "plain"
    train(recipe_for(folder, plain, method=method))
    # Kernels and the order of sums differ: the same curve but for rounding.
    assert losses == pytest.approx(losses_of(plain), rel=0.02)


@pytest.mark.parametrize("method", ["full", "qlora"])
def test_interrupted_and_resumed_is_the_uninterrupted_curve(folder, tmp_path, method):
    from mathstrap.train.sft import train

    train(recipe_for(folder, tmp_path / "whole", method=method))
    broken = recipe_for(folder, tmp_path / "broken", method=method, save_every=4)

    def interrupt(point):
        if point.step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(broken, listener=interrupt)
    train(broken)
    assert losses_of(tmp_path / "broken") == pytest.approx(losses_of(tmp_path / "whole"), rel=1e-3)
