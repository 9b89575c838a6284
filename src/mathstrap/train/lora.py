"""Choose which weights of a model get an adapter, by the model's structure, and say which are left out.

Names differ between families (`qkv_proj`, `in_proj`, `experts.gate_up_proj`), so "all-linear" reads the modules: every
linear layer of the text decoder and every bank of experts, but not the output layer, routers or vision towers.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mathstrap.errors import InputError, suggest
from mathstrap.hub.weights import without_peft_warning
from mathstrap.train.options import LoraOptions, TrainRecipe

log = logging.getLogger(__name__)

ALL_LINEAR = "all-linear"
ROUTERS = {"gate", "router", "shared_expert_gate"}
# The fused kernels of Mamba mixers multiply with these layers' weights and never call the layers: an adapter would
# train on a CPU and do nothing on a GPU. peft refuses two of them for some families.
MAMBA_WEIGHTS = {"out_proj", "x_proj", "dt_proj"}
# What published practice supports for the scale alpha / r, from QLoRA (Dettmers et al. 2023: 16 / 64) to the first LoRA
# runs (Hu et al. 2021: 32 / 4), and for the learning rate of an adapter (LLaMA-scale runs: 1e-4 to 5e-4).
SCALES = (0.25, 8.0)
RATES = (5e-5, 1e-3)
FULL_RATE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What gets an adapter: module names, expert banks, and by name how many weights are left out and why."""

    modules: tuple[str, ...]
    experts: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)


def with_adapter(model: Any, recipe: TrainRecipe, *, is_preview: bool = False) -> Any:
    """Return the model with a LoRA adapter on the recipe's layers; only the adapter is trained.

    The attribute `mathstrap_coverage` of the result says what is covered. With `is_preview` the model has no weights of
    its own, and nothing is logged. Raises InputError for targets that the model
    does not have, or that peft cannot adapt.
    """
    import peft

    lora = recipe.lora
    coverage = cover(model, lora, is_quantised=recipe.method == "qlora")
    if getattr(model, "is_loaded_in_4bit", False):
        model = peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    moved = moved_by_peft(model, coverage.modules)
    kept = tuple(name for name in coverage.modules if name not in moved)
    parameters = [*suffixes(coverage.experts), *(f"{name}.weight" for name in moved)]
    start: Any = "pissa" if lora.variant == "pissa" else True
    if is_preview:
        start = False  # random: PiSSA would look for singular vectors of weights that are not there
    config = peft.LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, target_modules=shortest(model, kept), bias="none",
        # A bank of experts, or another weight by name, takes no dropout; the linear layers beside it get theirs below.
        lora_dropout=0.0 if parameters else lora.dropout,
        target_parameters=parameters or None, use_rslora=lora.variant == "rslora",
        use_dora=lora.variant == "dora", init_lora_weights=start,
        task_type="CAUSAL_LM",
    )  # fmt: skip
    try:
        with without_peft_warning():
            adapted = peft.get_peft_model(model, config)
    except (ValueError, TypeError) as error:
        raise InputError(f"lora.targets: {', '.join(words(lora.targets))} do not fit this model: {error}") from None
    if parameters and lora.dropout:
        drop_inputs(adapted, lora.dropout)
    adapted.mathstrap_coverage = coverage
    for sentence in doubts(recipe) if not is_preview else ():
        log.warning("%s", sentence)
    return adapted


def words(targets: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the layer names of `targets`, which may be one comma-separated string."""
    return tuple(part.strip() for part in targets.split(",")) if isinstance(targets, str) else targets


def drop_inputs(adapted: Any, rate: float) -> None:
    """Give the adapters of linear layers their dropout where the adapter as a whole was built without one."""
    import torch
    from peft.tuners.lora import LoraLayer
    from peft.tuners.lora.layer import ParamWrapper

    for module in adapted.modules():
        if isinstance(module, LoraLayer) and not isinstance(module, ParamWrapper):
            for name in module.lora_dropout:
                module.lora_dropout[name] = torch.nn.Dropout(rate)


def cover(model: Any, lora: LoraOptions, *, is_quantised: bool = False) -> Coverage:
    """Return the weights of this model that the options' targets select."""
    linear = linear_layers(model)
    decoder = decoder_prefix(model)
    banks = expert_banks(model, decoder)
    chosen, left = {}, Counter[str]()
    named = words(lora.targets)
    others = tuple(name for name in named if name != ALL_LINEAR)
    check_names(others, linear, banks)
    if others != named:
        for name, module in linear.items():
            reason = reason_against(model, name, module, decoder)
            if reason and not ends_in(name, others):
                left[f"{name.rpartition('.')[2]}: {reason}"] += module.weight.numel()
            else:
                chosen[name] = module
        experts, why = banks, why_no_experts(lora)
        if why:
            experts = ()
            for name in banks:
                left[f"{name.rpartition('.')[2]}: {why}"] += model.get_parameter(name).numel()
    else:
        chosen = {name: module for name, module in linear.items() if ends_in(name, named)}
        experts = tuple(name for name in banks if ends_in(name, named))
        for name, module in linear.items():
            if name not in chosen:
                left[f"{name.rpartition('.')[2]}: not among lora.targets"] += module.weight.numel()
        for name in banks:
            if name not in experts:
                left[f"{name.rpartition('.')[2]}: not among lora.targets"] += model.get_parameter(name).numel()
    if is_quantised or why_no_experts(lora):
        for name in moved_by_peft(model, tuple(chosen)):
            left[f"{name.rpartition('.')[2]}: peft takes this name for the experts' in this family"] += (
                chosen.pop(name).weight.numel()
            )
    check_tied(model, chosen)
    if is_quantised and banks:
        left["experts: their weights are kept in bf16, NF4 stores linear layers alone"] += 0
    return Coverage(
        modules=tuple(chosen), experts=experts, left_out={name: f"{count:,} weights" for name, count in left.items()}
    )  # fmt: skip


def linear_layers(model: Any) -> dict[str, Any]:
    """Return every linear layer by name, those of GPT-2's kind and those stored in 4 bits included."""
    import torch
    from transformers.pytorch_utils import Conv1D

    return {
        name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear | Conv1D)
    }  # fmt: skip


def decoder_prefix(model: Any) -> str:
    """Return the name of the text decoder inside the model; "" where it is the model itself."""
    decoder = model.get_decoder()
    return next((name for name, module in model.named_modules() if module is decoder), "")


def expert_banks(model: Any, decoder: str) -> tuple[str, ...]:
    """Return the names of weights that hold all experts of a layer in one tensor (experts, rows, columns)."""
    return tuple(
        f"{name}.{key}"
        for name, module in model.named_modules()
        # Convolutions and the blocks of some recurrent layers have three dimensions too.
        if name.startswith(decoder) and "expert" in f"{name} {type(module).__name__}".lower()
        for key, weight in module.named_parameters(recurse=False)
        if weight.dim() == 3 and min(weight.shape[1:]) > 1
    )


def why_no_experts(lora: LoraOptions) -> str:
    """Return why banks of experts get no adapter under these options, or ""."""
    if lora.variant in ("dora", "pissa"):
        return f"lora.variant={lora.variant} has no form for a bank of experts"
    return ""


def reason_against(model: Any, name: str, module: Any, decoder: str) -> str:
    """Return why a linear layer is left out of "all-linear", or ""."""
    leaf = name.rpartition(".")[2]
    if module is model.get_output_embeddings():
        return "the output layer"
    if decoder and not name.startswith(f"{decoder}."):
        return "outside the text decoder"
    owner = name.rpartition(".")[0]
    if {leaf, owner.rpartition(".")[2]} & ROUTERS or module.weight.shape[0] == 1:
        return "a router"
    parent = model.get_submodule(owner)
    if leaf in MAMBA_WEIGHTS and hasattr(parent, "A_log") and hasattr(parent, "D"):
        return "read by a fused kernel that would bypass the adapter"
    return ""


def ends_in(name: str, named: tuple[str, ...]) -> bool:
    """Say whether a module's name ends in one of the names, as peft reads them."""
    return any(name == ending or name.endswith(f".{ending}") for ending in named)


def check_names(named: tuple[str, ...], linear: dict[str, Any], banks: tuple[str, ...]) -> None:
    """Raise InputError for names that no linear layer of the model has: peft would ignore them silently."""
    leaves = sorted({name.rpartition(".")[2] for name in [*linear, *banks]})
    for target in named:
        if not any(ends_in(name, (target,)) for name in [*linear, *banks]):
            raise InputError(
                f'lora.targets: this model has no linear layer "{target}".{similar(target, leaves)} It has '
                f"{', '.join(leaves)}; all-linear takes those of attention and MLP."
            )


def similar(target: str, leaves: list[str]) -> str:
    """Return a "Did you mean" hint for a misspelt layer name, or ""."""
    hint = suggest(target, [ALL_LINEAR, *leaves])
    return hint if "Did you mean" in hint else ""


def check_tied(model: Any, chosen: dict[str, Any]) -> None:
    """Raise InputError for an adapter on weights that the embeddings and the output layer share."""
    output = model.get_output_embeddings()
    is_tied = output is not None and output.weight is model.get_input_embeddings().weight
    if is_tied and any(module is output for module in chosen.values()):
        raise InputError(
            "lora.targets: the output layer shares its weights with the embeddings, so an adapter folded into it would "
            "change both. Leave the output layer out."
        )


def moved_by_peft(model: Any, modules: tuple[str, ...]) -> tuple[str, ...]:
    """Return the linear layers whose names peft takes for the experts' names of an older transformers.

    In families whose experts used to be separate layers, peft rewrites `gate_proj` to the bank of experts, and the
    dense layers and shared experts of that name would get no adapter. They are targeted by their weights instead.
    """
    import peft
    from peft.utils import transformers_weight_conversion as conversion

    moved = set()
    for leaf in {name.rpartition(".")[2] for name in modules}:
        config = peft.LoraConfig(target_modules=[leaf])
        try:
            conversion.convert_peft_config_for_transformers(config, model, None)
        except ValueError:  # one of two names that were fused
            moved.add(leaf)
        else:
            if leaf not in (config.target_modules or ()):
                moved.add(leaf)
    return tuple(name for name in modules if name.rpartition(".")[2] in moved)


def suffixes(banks: tuple[str, ...]) -> list[str]:
    """Return the last two parts of each bank's name, once each: `experts.gate_up_proj`."""
    return list(dict.fromkeys(".".join(name.split(".")[-2:]) for name in banks))


def shortest(model: Any, chosen: tuple[str, ...]) -> list[str]:
    """Return the last parts of the names where these select exactly the same modules, else the full names.

    Other tools (vLLM, llama.cpp) expect an adapter's targets as last parts.
    """
    leaves = tuple(dict.fromkeys(name.rpartition(".")[2] for name in chosen))
    meant = [name for name, _ in model.named_modules() if ends_in(name, leaves)]
    return list(leaves) if set(meant) == set(chosen) else list(chosen)


def doubts(recipe: TrainRecipe) -> list[str]:
    """Return warnings about an unusual adapter scale or learning rate."""
    lora, sentences = recipe.lora, []
    if recipe.method == "full":
        if recipe.lr > FULL_RATE:
            sentences.append(f"lr={recipe.lr:g}: full fine-tunings are published with {FULL_RATE:g} or less.")
        return sentences
    scale = lora.alpha / (math.sqrt(lora.r) if lora.variant == "rslora" else lora.r)
    if lora.variant != "rslora" and not SCALES[0] <= scale <= SCALES[1]:
        sentences.append(
            f"lora.alpha / lora.r = {scale:.3g}: published adapters lie between {SCALES[0]:g} and {SCALES[1]:g}, most "
            "at 1 or 2 (the MetaMath paper's 16 / 96 = 0.167 stands alone). A smaller scale learns more slowly."
        )
    if not RATES[0] <= recipe.lr <= RATES[1]:
        sentences.append(
            f"lr={recipe.lr:g}: adapters are published with {RATES[0]:g} to {RATES[1]:g}, about ten times the rate of "
            "a full fine-tuning."
        )
    return sentences
