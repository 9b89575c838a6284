"""Measure on the model in hand what one token's activations hold until the backward pass has used them.

A formula per family would go out of date; forward passes of a few short samples say it for every layer there is. What
they keep has a part that grows with the tokens and one that grows with their square, where an attention keeps all its
scores. Long samples are not run: their memory is computed from the two parts.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from mathstrap.train import attention
from mathstrap.train.collate import Layout, collate
from mathstrap.train.forward import attention_name, on_device, sum_of_losses

# Tokens of the longer of the two samples that are run.
LONGEST = 512
# Where a step's memory peaks, measured on a CPU (tests/train/test_memory.py); on a GPU nothing of this was measured.
# While a layer's gradient is formed, that layer holds more than it kept, as a share of what it kept: gradients on
# their way beside linear layers.
LINEAR_IN_PASSING = 0.2
# Or while an attention's gradient is formed: the gradients of one sample's weights and of its scores, beside the
# weights, while the MLP behind it has freed its share of what the layer kept.
SCORES_IN_PASSING = 2
FREED = 0.75
# What the allocator loses between tensors.
MARGIN = 1.05


@dataclass(frozen=True, kw_only=True)
class Activations:
    """What activations hold at the two moments where a step's memory may peak.

    At the loss, or at a linear layer's gradient, `per_token` bytes a token. At an attention's gradient
    `per_token_in_passing` bytes a token, and `in_passing` bytes for the scores of one sample, whatever the tokens.
    """

    per_token: int
    per_token_in_passing: int
    in_passing: int


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a sample keeps for the backward pass: `linear` bytes a token and `square` bytes a pair of tokens."""

    linear: float
    square: float


def measure_activations(
    model: Any, sample: tuple[Any, int], layout: Layout, *, autocast: AbstractContextManager[Any], device: Any,
    num_layers: int, recomputes: bool = False, target: str = "cpu",
) -> Activations:  # fmt: skip
    """Return what samples as long as this one hold, by forward passes of short ones.

    `num_layers` layers share what is kept; with `recomputes` each of them keeps its input alone, and one layer's
    activations are live at a time. `target` is the device the training will use, where the model is on "meta".
    """
    ids, start = sample
    length, layers = len(ids), max(num_layers, 1)
    measured = kept_bytes(model, sample, layout, autocast, device, target)
    square = measured.square * length
    # A soft cap keeps more than one matrix of scores; two of them are in passing at a time.
    scores = min(square / layers, 4 * heads_of(model) * length)
    vocabulary, hidden = model.get_input_embeddings().weight.shape
    itemsize = 2 if is_half(model, autocast) else 4
    # The loss turns the logits into their own gradient in place, and the output layer frees it before other layers run.
    logits = itemsize * vocabulary * (length - start) / length
    kept, live = measured.linear + square, 0.0
    if recomputes:
        kept, live = itemsize * hidden * layers, kept / layers
    linear = measured.linear / layers
    return Activations(
        per_token=int(MARGIN * (kept + max(logits, live + LINEAR_IN_PASSING * linear))),
        per_token_in_passing=int(MARGIN * (kept + live - FREED * linear)),
        # Samples are attended to one after the other.
        in_passing=int(MARGIN * SCORES_IN_PASSING * scores * length),
    )


def heads_of(model: Any) -> int:
    """Return the attention heads of a layer; 1 where the configuration names none."""
    heads = getattr(model.config.get_text_config(), "num_attention_heads", 1)
    return max(heads) if isinstance(heads, list) else heads or 1


def is_half(model: Any, autocast: AbstractContextManager[Any]) -> bool:
    """Say whether a model's activations take two bytes a number: under autocast, or with all weights so."""
    import torch

    weights = {weight.dtype.itemsize for weight in model.parameters() if weight.is_floating_point()}
    with autocast:
        casts = torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
    return casts or max(weights, default=4) < 4


def kept_bytes(
    model: Any, sample: tuple[Any, int], layout: Layout, autocast: Any, device: Any, target: str = "cpu"
) -> Kept:  # fmt: skip
    """Return what samples as long as this one keep, from the sample, or two cuts of a long one, and from its half."""
    import torch

    # Two equal samples would share their whole prompt.
    laid_out: Layout = "packed" if layout == "shared" else layout

    def kept_by(length: int) -> float:
        short = cut_to(sample, length)
        with torch.random.fork_rng():  # dropout draws; the training's own numbers stay as they were
            bytes_of_one = saved_bytes(model, [short], laid_out, autocast, device)
            bytes_of_two = saved_bytes(model, [short, short], laid_out, autocast, device)
        # Weights that are cast to multiply are saved once whatever the samples: the difference leaves them out.
        return max(bytes_of_two - bytes_of_one, 1)

    tokens = max(4, min(len(sample[0]), LONGEST) // 2 * 2)
    ours = attention_name(model) == attention.NAME
    with attention.as_for(len(sample[0]), target) if ours else contextlib.nullcontext():
        half, whole = kept_by(tokens // 2), kept_by(tokens)
    # whole = linear * tokens + square * tokens^2, and half the same of half the tokens.
    square = max(0.0, (2 * whole - 4 * half) / tokens**2)
    return Kept(linear=whole / tokens - square * tokens, square=square)


def cut_to(sample: tuple[Any, int], length: int) -> tuple[Any, int]:
    """Return a sample of `length` tokens with the same share of places that reach the vocabulary."""
    import numpy as np

    ids, start = sample
    response = min(max(1, round((len(ids) - start) * length / len(ids))), length - 1)
    # A sample shorter than asked is repeated; a long prompt is cut at the front.
    return np.resize(ids[-length:], length), length - response


def saved_bytes(model: Any, samples: list[Any], layout: Layout, autocast: Any, device: Any) -> int:
    """Return the bytes of all tensors that a forward pass keeps for its backward pass, the model's weights left out."""
    import torch

    # The storage's own address: on "meta" no tensor has data.
    weights = {weight.untyped_storage()._cdata for weight in model.parameters()}
    kept: dict[int, tuple[int, Any]] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = (storage.nbytes(), tensor)
        return tensor

    batch = on_device(collate(samples, layout), device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast:
        sum_of_losses(model, model, batch)
    return sum(size for size, _ in kept.values())
