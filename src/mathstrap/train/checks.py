"""Refuse what a training could not do, before its model is loaded: by its settings, this machine and its samples.

Knows nothing of what a training does.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from mathstrap.errors import InputError, counted, missing_extra
from mathstrap.train import hardware
from mathstrap.train.data import Pairs
from mathstrap.train.model import METHODS, choose_precision, has_bf16
from mathstrap.train.options import TrainRecipe
from mathstrap.train.tokens import TokenTable


@dataclass(frozen=True, kw_only=True)
class Here:
    """What this machine makes of a recipe: the processes, what is multiplied in, whether the weights are spread."""

    setting: hardware.Setting
    precision: str
    is_sharded: bool


def check_here(recipe: TrainRecipe, *, processes: int = 1) -> Here:
    """Return what this machine makes of a recipe; raises InputError for a setting that it cannot follow.

    `processes` are those that are yet to be started here. Whatever the recipe and the machine alone can tell is told
    here, before data or models are read.
    """
    for package in ("torch", "transformers", "accelerate", "peft"):
        if find_spec(package) is None:
            raise missing_extra(package, "train")
    if recipe.liger and find_spec("liger_kernel") is None:
        raise InputError("liger=true: the package is not installed. Run: pip install liger-kernel, or set liger=false.")
    if recipe.attention == "flash_attention_2" and find_spec("flash_attn") is None:
        raise InputError(
            "attention=flash_attention_2: the package is not installed. Run: pip install flash-attn (a GPU), or set "
            "attention=auto."
        )
    needs_bitsandbytes = recipe.method == "qlora" or recipe.optimizer != "adamw"
    if needs_bitsandbytes and find_spec("bitsandbytes") is None:
        raise missing_extra("bitsandbytes", "train")
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)
    setting = hardware.find_setting()
    if processes > 1:
        setting = replace(setting, processes=processes, local_processes=processes)
    precision = choose_precision(recipe.precision, has_bf16())
    if recipe.liger and setting.device == "cpu":
        raise InputError("liger=true: its kernels need a GPU, and none is here. Set liger=false.")
    is_sharded = choose_sharding(recipe, setting.processes)
    if is_sharded and recipe.best.metric == "accuracy":
        raise InputError("best.metric=accuracy answers questions on one process: set shard=off or best.metric=loss.")
    if recipe.global_batch < setting.processes:
        raise InputError(
            f"global_batch={recipe.global_batch}: fewer samples per step than the {setting.processes} processes."
        )
    check_loggers(recipe)
    return Here(setting=setting, precision=precision, is_sharded=is_sharded)


def check_loggers(recipe: TrainRecipe) -> None:
    """Raise InputError for a logger that transformers does not know, or whose package is absent."""
    names = [name for name in recipe.report_to if name not in ("none", "all")]
    if not names:
        return
    from transformers.integrations import get_reporting_integration_callbacks

    try:
        for make in get_reporting_integration_callbacks(names):
            make()  # looks for its package; the Trainer makes its own, once the model is loaded
    except (ValueError, RuntimeError, ImportError) as error:
        raise InputError(f"report_to={', '.join(recipe.report_to)}: {error}") from None


def choose_sharding(recipe: TrainRecipe, processes: int) -> bool:
    """Say whether the weights are spread over the processes."""
    can = METHODS[recipe.method].can_shard
    if recipe.shard == "full_shard" and not can:
        raise InputError(f"shard=full_shard: {recipe.method} keeps the frozen weights on each process. Set shard=auto.")
    return processes > 1 and can and recipe.shard != "off"


def check_samples_left(pairs: Pairs, table: TokenTable, held_out: TokenTable | None) -> None:
    """Raise InputError where no sample, or no held-out one, is left to train on."""
    for given, left in ((pairs.train, table), (pairs.held_out, held_out)):
        if left is None or len(left):
            continue
        why = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in left.dropped.items())
        hint = " Raise data.max_length." if "too_long" in left.dropped else ""
        raise InputError(f"no sample is left of {counted(len(given), 'sample')}: dropped {why}.{hint}")


def check_positions(positions: int, table: TokenTable, held_out: TokenTable | None) -> None:
    """Raise InputError where a sample has more tokens than the model has positions."""
    longest = max(int(part.lengths.max()) for part in (table, held_out) if part is not None)
    if positions and longest > positions:
        raise InputError(
            f"data.max_length: the longest sample has {longest:,} tokens, the model {positions:,} positions. "
            f"Set data.max_length={positions}, or raise max_position_embeddings in the model's config.json."
        )


def check_vocabulary(model: Any, table: TokenTable, held_out: TokenTable | None) -> None:
    """Raise InputError where the tokenizer writes ids that the model has no embedding for."""
    rows = model.get_input_embeddings().weight.shape[0]
    highest = max(int(part.ids.max()) for part in (table, held_out) if part is not None)
    if highest >= rows:
        raise InputError(
            f"model: its tokenizer writes token {highest:,}, but the model has embeddings for {rows:,} tokens. Tokens "
            "were added to the tokenizer alone: use the model's own tokenizer, or save the model after "
            "resize_token_embeddings."
        )
