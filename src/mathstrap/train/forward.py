"""Run a batch of samples through a model and return their loss: packed in one row, or one sample a row."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
from typing import Any

from mathstrap.train import attention
from mathstrap.train.loss import summed_loss


def attention_name(model: Any) -> str:
    """Return the name of the attention a model uses, as transformers knows it."""
    return str(model.config.get_text_config()._attn_implementation)


def attention_inputs(model: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """Return the samples' borders as the attention in use expects them; sdpa and eager read the positions instead."""
    import torch

    name = attention_name(model)
    if name != attention.NAME and not name.startswith("flash"):
        return {}
    borders = batch["borders"]
    on_device = torch.tensor(borders, dtype=torch.int32, device=batch["input_ids"].device)
    longest = max(high - low for low, high in itertools.pairwise(borders))
    return {
        # Our attention reads the numbers in each layer: they stay on the CPU, or every layer would wait for the GPU.
        "cu_seq_lens_q": torch.tensor(borders) if name == attention.NAME else on_device,
        "cu_seq_lens_k": on_device, "max_length_q": longest, "max_length_k": longest,
    }  # fmt: skip


@functools.lru_cache(maxsize=8)
def accepted_inputs(forward: Any) -> frozenset[str]:
    """Return the names that a model's class takes in its forward pass."""
    return frozenset(inspect.signature(forward).parameters)


def logits_of(model: Any, plain: Any, batch: dict[str, Any]) -> Any:
    """Return the logits (rows, vocabulary) of the places in `batch["rows"]`; no other place reaches the vocabulary.

    `model` is what is called (perhaps wrapped for several processes), `plain` the model inside.
    """
    import torch

    base = plain.get_base_model() if hasattr(plain, "get_base_model") else plain
    accepted = accepted_inputs(type(base).forward)
    more: dict[str, Any] = attention_inputs(plain, batch)
    if "logits_to_keep" in accepted:
        more["logits_to_keep"] = batch["rows"]
    if "token_type_ids" in accepted:
        # Gemma 3 with a vision tower demands in training which tokens belong to an image: none do.
        more["token_type_ids"] = torch.zeros_like(batch["input_ids"])
    if batch["input_ids"].is_meta:
        # Without a mask transformers would look for borders in the values of the positions, which "meta" has not.
        more["attention_mask"] = torch.zeros((1, 1, 1, 1), device="meta")
    # Not [0]: the gradient of an indexed tensor is a second tensor of its size, and logits are the largest there are.
    logits = model(
        input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False, **more
    ).logits.squeeze(0)  # fmt: skip
    return logits if "logits_to_keep" in accepted else logits[batch["rows"]]


def sum_of_losses(model: Any, plain: Any, batch: dict[str, Any]) -> Any:
    """Return the summed loss of a batch in nats; a batch of `alone` rows runs one sample after the other."""
    rows = batch.get("alone")
    if rows is None:
        return summed_loss()(logits_of(model, plain, batch), batch["targets"])
    return sum(summed_loss()(logits_of(model, plain, row), row["targets"]) for row in rows)


def autocast_of(device: str, precision: str, *, is_sharded: bool) -> contextlib.AbstractContextManager[Any]:
    """Return the context for the forward pass: autocast to bf16 where asked for; FSDP casts by itself."""
    import torch

    if precision != "bf16" or is_sharded:
        return contextlib.nullcontext()
    return torch.autocast(device, torch.bfloat16)  # type: ignore[no-any-return, unused-ignore]


def on_device(batch: Any, device: Any) -> Any:
    """Return a batch with its tensors on the device."""
    import torch

    if isinstance(batch, dict):
        return {key: on_device(value, device) for key, value in batch.items()}
    if isinstance(batch, list):
        return [on_device(value, device) for value in batch]
    return batch.to(device) if torch.is_tensor(batch) else batch
