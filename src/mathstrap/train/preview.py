"""Say what a training would do: its samples, steps, memory and first text, from data, tokenizer and configuration.

No weights are read and nothing is written. Small models are built with random weights to see how their samples can be
packed; larger ones are measured as shapes without numbers.
"""

from __future__ import annotations

import datetime
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError
from mathstrap.hub.weights import empty_causal_model
from mathstrap.train import attention, checkpoints, hardware
from mathstrap.train.activations import Activations, measure_activations
from mathstrap.train.batches import Cut, cut_batch
from mathstrap.train.checks import Here, check_here, check_positions, check_samples_left, check_vocabulary
from mathstrap.train.collate import Samples
from mathstrap.train.data import load_pairs
from mathstrap.train.forward import autocast_of
from mathstrap.train.lora import Coverage, doubts, with_adapter
from mathstrap.train.model import blocks_of, describe_model, model_errors, positions_of
from mathstrap.train.options import TrainRecipe
from mathstrap.train.packing import REFUSALS, Packing, choose_packing
from mathstrap.train.sft import CHECKPOINTS, check_same_run, first_day, num_steps, tokenise
from mathstrap.train.tokens import TokenTable

# A model up to this size is built with random weights in a second or two.
SMALL = 200_000_000
# NF4 with double quantisation: 4 bits, a byte for 64 weights and 4 bytes for 256 of those.
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)


@dataclass(frozen=True, kw_only=True)
class FirstSample:
    """The first sample as the model reads it: what it is asked, and what it learns, the end mark included."""

    prompt: str
    learnt: str


@dataclass(frozen=True)
class Lengths:
    """Tokens of the samples: the median, what nine of ten do not exceed, and the longest."""

    median: int
    most: int
    longest: int


@dataclass(frozen=True, kw_only=True)
class TrainPreview:
    """What a training would do.

    `packing` is None where a model is too large to try it. `fixed_bytes` are those of weights, gradients and optimiser,
    `peak_bytes` those and the activations: None where layers cannot be measured without weights. `resumes_at` is the
    step a run of this folder goes on from.
    """

    where: Here
    table: TokenTable
    held_out: int
    skipped: dict[str, int]
    lengths: Lengths
    num_steps: int
    cut: Cut | None
    packing: Packing | None
    num_parameters: int
    num_trained: int
    coverage: Coverage | None
    doubts: list[str]
    fixed_bytes: int
    peak_bytes: int | None
    free_bytes: int
    first: FirstSample
    resumes_at: int = 0


def preview_training(recipe: TrainRecipe, *, processes: int = 1) -> TrainPreview:
    """Return what `train` would do with a recipe; refuses what it would refuse before it loads the model.

    `processes` are those that would be started on this machine.
    """
    import numpy as np

    where = check_here(recipe, processes=processes)
    out = Path(recipe.out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file. Name a folder with out=.")
    config, tokenizer = describe_model(recipe.model)
    pairs = load_pairs(recipe.data, rng_seed=recipe.rng_seed)
    last = checkpoints.last_checkpoint(out / CHECKPOINTS)
    day = first_day(out) if last is not None else datetime.datetime.now(tz=datetime.UTC).date()
    table = tokenise(pairs.train, tokenizer, recipe, day=day, keep=False)
    held_out = tokenise(pairs.held_out, tokenizer, recipe, day=day, keep=False) if pairs.held_out else None
    check_samples_left(pairs, table, held_out)
    lengths = table.lengths.tolist()
    cut = cut_batch(
        lengths, global_batch=recipe.global_batch, processes=where.setting.processes,
        micro_tokens=recipe.micro_tokens or recipe.data.max_length,
    )  # fmt: skip
    check_positions(positions_of(config), table, held_out)
    if last is not None:
        check_same_run(out, recipe, table, is_sharded=where.is_sharded)
    model = empty_model(config, recipe, where, longest=max(lengths))
    check_vocabulary(model.model, table, held_out)
    footprint = measured(model, recipe, where, table)
    free = hardware.free_memory(where.setting)
    peak, shards = None, where.setting.processes if where.is_sharded else 1
    fixed = hardware.fixed_bytes(footprint or model.weights, num_shards=shards, optimizer=recipe.optimizer)
    if footprint is not None:
        micro_tokens = recipe.micro_tokens or hardware.derive_micro_tokens(
            # Its weights are not loaded, so all of them have still to be put somewhere.
            replace(footprint, bytes_to_move=footprint.weight_bytes // shards), free_bytes=free,
            device=where.setting.device, num_shards=shards, max_length=recipe.data.max_length,
            optimizer=recipe.optimizer,
        )  # fmt: skip
        cut = cut_batch(
            lengths, global_batch=recipe.global_batch, processes=where.setting.processes, micro_tokens=micro_tokens
        )
        peak = hardware.estimate_peak(
            footprint, micro_tokens=cut.most_tokens(max(lengths)), num_shards=shards,
            optimizer=recipe.optimizer,
        )  # fmt: skip
    ids, start = Samples(table)[0]
    text = [tokenizer.decode(part, clean_up_tokenization_spaces=False) for part in (ids[:start], ids[start:])]
    return TrainPreview(
        where=where, table=table, held_out=len(held_out) if held_out else 0, skipped=pairs.skipped,
        lengths=Lengths(*(int(np.quantile(lengths, share, method="lower")) for share in (0.5, 0.9, 1))),
        num_steps=num_steps(recipe, len(table)), cut=cut if footprint is not None else None, packing=model.packing,
        num_parameters=model.weights.num_parameters, num_trained=model.weights.num_trained,
        coverage=getattr(model.model, "mathstrap_coverage", None), doubts=doubts(recipe),
        fixed_bytes=fixed, peak_bytes=peak, free_bytes=free, first=FirstSample(prompt=text[0], learnt=text[1]),
        resumes_at=checkpoints.step_of(last) if last is not None else 0,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class EmptyModel:
    """A model without its weights, wrapped for the method: random ones where it is small, else none."""

    model: Any
    packing: Packing | None
    weights: hardware.Footprint


def empty_model(config: Any, recipe: TrainRecipe, where: Here, *, longest: int) -> EmptyModel:
    """Return the model of a configuration as it would be trained."""
    import torch

    config.use_cache = False
    attend = attention.register() if recipe.attention in ("auto", "packed", "flash_attention_2") else recipe.attention
    with model_errors(recipe.model):
        shapes = with_attention(config, attend, device="meta")
        is_small = sum(weight.numel() for weight in shapes.parameters()) <= SMALL
        model = with_attention(config, attend, device="cpu") if is_small else shapes
    if recipe.method != "full":
        with torch.device("cpu" if is_small else "meta"):
            model = with_adapter(model, recipe, is_preview=True)
    packing = None
    if is_small:
        exact = autocast_of("cpu", "fp32", is_sharded=False)
        packing = choose_packing(model, recipe, device=where.setting.device, autocast=exact, longest=longest)
    sizes = [(weight.numel(), weight.requires_grad) for weight in model.parameters()]
    num_trained = sum(size for size, is_trained in sizes if is_trained)
    num_frozen = sum(size for size, is_trained in sizes if not is_trained)
    in_nf4 = linear_weights(model) if recipe.method == "qlora" else 0
    half = 2 if where.precision == "bf16" else 4
    weights = hardware.Footprint(
        num_parameters=num_trained + num_frozen, num_trained=num_trained, bytes_per_token=0,
        weight_bytes=int(4 * num_trained + NF4_BYTES * in_nf4 + half * (num_frozen - in_nf4)),
        bytes_copied=2 * num_trained if where.precision == "bf16" else 0,
    )  # fmt: skip
    return EmptyModel(model=model, packing=packing, weights=weights)


def with_attention(config: Any, attend: str, *, device: str) -> Any:
    """Return an empty model with an attention, or with the one it has where it does not know that one."""
    try:
        return empty_causal_model(config, device=device, attn_implementation=attend)
    except (ValueError, ImportError) as error:
        if "attention" not in str(error).lower() or attend == "eager":
            raise
        return empty_causal_model(config, device=device, attn_implementation="eager")


def linear_weights(model: Any) -> int:
    """Return how many frozen weights lie in linear layers other than the output layer: QLoRA keeps those in 4 bits."""
    import torch

    output = model.get_output_embeddings()
    return sum(
        module.weight.numel()
        for module in model.modules()
        if isinstance(module, torch.nn.Linear) and module is not output and not module.weight.requires_grad
    )


def measured(empty: EmptyModel, recipe: TrainRecipe, where: Here, table: TokenTable) -> hardware.Footprint | None:
    """Return what decides the memory of the training; None where the layers cannot run without their weights."""
    import numpy as np
    import torch

    model, device = empty.model, where.setting.device
    is_empty = next(model.parameters()).is_meta
    autocast: AbstractContextManager[Any] = autocast_of("cpu", where.precision, is_sharded=is_empty)
    if is_empty and where.precision == "bf16":
        model.to(torch.bfloat16)  # autocast does not know "meta"
    order = np.argsort(table.lengths)
    try:
        activations: Activations = measure_activations(
            model.train(), Samples(table)[int(order[len(order) * 9 // 10])],
            empty.packing.layout if empty.packing else "packed", autocast=autocast,
            device="meta" if is_empty else "cpu", num_layers=len(blocks_of(model)), recomputes=recipe.checkpoint_layers,
            target=device,
        )  # fmt: skip
    except REFUSALS:
        if not is_empty:
            raise
        return None
    return replace(
        empty.weights, bytes_per_token=activations.per_token, bytes_in_passing=activations.in_passing,
        bytes_per_token_in_passing=activations.per_token_in_passing,
    )  # fmt: skip
