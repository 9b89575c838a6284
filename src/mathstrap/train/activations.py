"""Measure on the model in hand what one token's activations hold until the backward pass has used them.

A formula per family would go out of date; a forward pass of two short samples says it for every layer there is.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from mathstrap.train.collate import Layout, collate
from mathstrap.train.forward import on_device, sum_of_losses

LONGEST = 256
# Gradients on their way and what the allocator loses between tensors.
MARGIN = 1.25


def bytes_per_token(
    model: Any, sample: tuple[Any, int], layout: Layout, *, autocast: AbstractContextManager[Any], device: Any,
    recomputed_layers: int = 0,
) -> int:  # fmt: skip
    """Return the bytes that a token of this sample holds between its forward and its backward pass, with a margin.

    `recomputed_layers` is the number of layers that keep only their input: one layer's activations are live at a time.
    """
    import torch

    ids, start = sample
    cut = max(2, min(len(ids), LONGEST))
    # Long prompts are cut at the front, so that the share of places that reach the vocabulary is the sample's.
    kept_response = max(1, round((len(ids) - start) * cut / len(ids)))
    short = (ids[-cut:], cut - kept_response)
    with torch.random.fork_rng():  # dropout draws; the training's own numbers stay as they were
        bytes_of_one = saved_bytes(model, [short], layout, autocast, device)
        bytes_of_two = saved_bytes(model, [short, short], layout, autocast, device)
    # Weights that are cast to multiply are saved once whatever the samples: the difference leaves them out.
    per_token = max(bytes_of_two - bytes_of_one, 1) / cut
    if recomputed_layers:
        hidden = model.get_input_embeddings().weight.shape[1]
        per_token = per_token / recomputed_layers + 4 * hidden * recomputed_layers
    logits = model.get_input_embeddings().weight.shape[0] * kept_response / cut
    return int(MARGIN * per_token + 6 * logits)


def saved_bytes(model: Any, samples: list[Any], layout: Layout, autocast: Any, device: Any) -> int:
    """Return the bytes of all tensors that a forward pass keeps for its backward pass, the model's weights left out."""
    import torch

    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, tuple[int, Any]] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    batch = on_device(collate(samples, layout if layout != "shared" else "packed"), device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), autocast:
        sum_of_losses(model, model, batch)
    return sum(size for size, _ in kept.values())
