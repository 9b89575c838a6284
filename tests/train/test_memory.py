"""The memory a step is said to take is what it takes on this CPU, for every width, length and way of keeping layers."""

from __future__ import annotations

import contextlib

import pytest

from mathstrap.train.activations import measure_activations
from mathstrap.train.collate import collate
from mathstrap.train.forward import sum_of_losses


def llama(width, *, layers=2, device="cpu"):
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from mathstrap.train import attention

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=500, hidden_size=width, intermediate_size=3 * width, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=4096, use_cache=False,
    )  # fmt: skip
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, attn_implementation=attention.register()).train()


def sample_of(length):
    import numpy as np

    return np.random.default_rng(0).integers(0, 500, length).astype(np.int32), length // 4


def measured_peak(model, batch):
    """Return the most bytes of tensors that a second step holds beside weights and gradients."""
    from torch.profiler import ProfilerActivity, profile

    def step():
        sum_of_losses(model, model, batch).backward()

    step()  # from here on the gradients have their place
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    held = peak = 0
    for event in seen.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


@pytest.mark.slow
@pytest.mark.parametrize("recomputes", [False, True])
@pytest.mark.parametrize(("length", "count"), [(128, 15), (512, 1), (600, 3), (1024, 1), (4096, 1)])
@pytest.mark.parametrize("width", [32, 256])
def test_a_steps_activations_are_estimated_within_twenty_per_cent(width, length, count, recomputes):
    import torch

    from mathstrap.train.hardware import Footprint, estimate_peak
    from mathstrap.train.model import recompute_layers

    torch.set_num_threads(1)
    model, sample = llama(width), sample_of(length)
    held = measure_activations(
        model, sample, "packed", autocast=contextlib.nullcontext(), device="cpu", num_layers=2, recomputes=recomputes
    )
    if recomputes:
        recompute_layers(model)
    peak = measured_peak(model, collate([sample] * count, "packed"))
    memory = Footprint(
        num_parameters=0, num_trained=0, bytes_per_token=held.per_token, bytes_in_passing=held.in_passing,
        bytes_per_token_in_passing=held.per_token_in_passing,
    )  # fmt: skip
    found = estimate_peak(memory, micro_tokens=length * count, num_shards=1, optimizer="adamw")
    assert 0.85 < found / peak < 1.2


@pytest.mark.parametrize("length", [128, 1024, 3000])
def test_a_model_without_weights_says_the_same(length):
    of = {"autocast": contextlib.nullcontext(), "num_layers": 2}
    real, without = (
        measure_activations(llama(32, device=device), sample_of(length), "packed", device=device, **of)
        for device in ("cpu", "meta")
    )
    assert real == without


def test_many_tokens_of_a_long_sample_take_no_more_than_those_of_a_short_one_where_no_scores_are_kept():
    dense, fused = (
        measure_activations(
            llama(32), sample_of(length), "packed", autocast=contextlib.nullcontext(), device="cpu", num_layers=2
        )
        for length in (1024, 2000)
    )
    assert fused.per_token < dense.per_token / 2
    assert dense.in_passing > 0
    assert fused.in_passing == 0
