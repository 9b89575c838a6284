"""Load the model and the tokenizer for full, LoRA or QLoRA training; the three differ only in `METHODS`."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mathstrap.backends.local.gguf import bundled_model_path
from mathstrap.errors import InputError, first_line, missing_extra
from mathstrap.hub.weights import load_causal_model, load_config_of, load_tokenizer_of
from mathstrap.patterns import regex
from mathstrap.train import attention
from mathstrap.train.lora import with_adapter
from mathstrap.train.options import Method, TrainRecipe
from mathstrap.train.tokens import cache_folder

log = logging.getLogger(__name__)

EMBEDDED = "embedded"
HUB_NAME = regex(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, kw_only=True)
class Way:
    """How one method stores the weights, what it adds to them, and whether they can be sharded."""

    quantization: Callable[[str], Any]
    wrap: Callable[[Any, TrainRecipe], Any]
    can_shard: bool


def nf4(precision: str) -> Any:
    """Return the 4-bit storage of QLoRA: NF4 with double quantisation, multiplied in `precision`."""
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        raise missing_extra("bitsandbytes", "train") from None
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if precision == "bf16" else torch.float32,
    )  # fmt: skip


def as_it_is(model: Any, _: TrainRecipe) -> Any:
    """Return the model with every weight trained."""
    return model


METHODS: dict[Method, Way] = {
    "full": Way(quantization=lambda _: None, wrap=as_it_is, can_shard=True),
    "lora": Way(quantization=lambda _: None, wrap=with_adapter, can_shard=False),
    "qlora": Way(quantization=nf4, wrap=with_adapter, can_shard=False),
}


def has_bf16() -> bool:
    """Say whether the hardware multiplies bf16 natively: a GPU that does, or a CPU with AMX or AVX-512 bf16."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def choose_precision(asked: str, supported: bool) -> Literal["bf16", "fp32"]:
    """Return the precision of the products; raises InputError for bf16 where the hardware would only emulate it."""
    if asked == "bf16" and not supported:
        raise InputError(
            "precision=bf16: no native bf16 here (a CPU needs AMX or AVX-512 bf16, a GPU Ampere or later). "
            "Set precision=fp32 or precision=auto."
        )
    return "bf16" if supported and asked != "fp32" else "fp32"


def resolve_model(name: str) -> str:
    """Return what transformers can load: `embedded` is dequantised once into the cache folder."""
    if name == EMBEDDED:
        return str(dequantise_embedded())
    path = Path(name).expanduser()
    if (path / "adapter_config.json").exists() and not (path / "config.json").exists():
        raise InputError(
            f"model: {name} is an adapter, not a model. Train with artefacts=merged and name the folder model beside "
            "it, or name the model it was trained on."
        )
    if path.exists() and not (path / "config.json").exists():
        kind = "a file" if path.is_file() else "a folder without config.json"
        raise InputError(f"model: {name} is {kind}. Expected a Hugging Face model folder or name.")
    if not path.exists() and not HUB_NAME.fullmatch(name):
        raise InputError(f'model: {name} is neither a folder nor a name on the hub. Expected either, or "embedded".')
    return str(path) if path.exists() else name


def dequantise_embedded() -> Path:
    """Return the folder of the embedded package's model in fp32, written once from its GGUF."""
    import torch

    source = bundled_model_path()
    folder = dequantised_folder()
    if (folder / "config.json").exists():
        return folder
    log.info("dequantising %s into %s", source.name, folder)
    model = load_causal_model(str(source.parent), gguf_file=source.name, dtype=torch.float32)
    # The weights are plain fp32 here, but a model that carries its quantiser refuses to be saved.
    model.hf_quantizer = None
    del model.config.quantization_config
    tokenizer = embedded_tokenizer()
    staged = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    model.save_pretrained(staged)
    tokenizer.save_pretrained(staged)
    with contextlib.suppress(OSError):  # another process wrote the same folder first
        staged.rename(folder)
    shutil.rmtree(staged, ignore_errors=True)
    return folder


def dequantised_folder() -> Path:
    """Return where the embedded package's model lies in fp32 once it was trained on."""
    return cache_folder() / "models" / f"{bundled_model_path().stem}-fp32"


def embedded_tokenizer() -> Any:
    """Return the tokenizer of the embedded package's GGUF."""
    from tokenizers import pre_tokenizers

    source = bundled_model_path()
    tokenizer = load_tokenizer_of(str(source.parent), gguf_file=source.name)
    # The file names its splitting rule ("smollm"); transformers reads every byte-level BPE as GPT-2's.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def describe_model(name: str) -> tuple[Any, Any]:
    """Return a model's configuration and tokenizer; no weights are read, and none are written anywhere."""
    if name == EMBEDDED and not (dequantised_folder() / "config.json").exists():
        source = bundled_model_path()
        with model_errors(name):
            return load_config_of(source.parent, gguf_file=source.name), embedded_tokenizer()
    base = resolve_model(name)
    with model_errors(base):
        return load_config_of(base), load_tokenizer(base)


@contextlib.contextmanager
def model_errors(name: str) -> Iterator[None]:
    """Turn what transformers raises for a model that cannot be loaded into one sentence."""
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError, KeyError) as error:
        reason = first_line(error)
        raise InputError(
            f"model: {name} cannot be loaded ({reason}). Expected a Hugging Face model folder, a name on the hub, "
            'or "embedded".'
        ) from None


def model_positions(name: str) -> int:
    """Return how many positions a model supports, rotary scaling included; 0 where its configuration does not say."""
    with model_errors(name):
        return positions_of(load_config_of(name))


def positions_of(config: Any) -> int:
    """Return how many positions a configuration was made for, 0 where it does not say."""
    config = config.get_text_config()
    positions = getattr(config, "max_position_embeddings", None) or 0
    scaling = getattr(config, "rope_scaling", None) or getattr(config, "rope_parameters", None) or {}
    factor = scaling.get("factor") if isinstance(scaling, dict) else None
    original = scaling.get("original_max_position_embeddings") if isinstance(scaling, dict) else None
    if isinstance(factor, int | float) and isinstance(original, int):
        return max(positions, int(original * factor))
    return int(positions)


def load_tokenizer(path: str) -> Any:
    """Return the model's tokenizer; raises InputError where there is none."""
    with model_errors(path):
        tokenizer = load_tokenizer_of(path)
    if not tokenizer("1", add_special_tokens=False).input_ids:
        # For a folder without tokenizer files transformers returns an empty tokenizer instead of raising.
        raise InputError(
            f"model: {path} has no tokenizer (no tokenizer.json or tokenizer.model). Copy the tokenizer's files of the "
            "model it was made from into the folder."
        )
    return tokenizer


def choose_attention(asked: str, device: str) -> str:
    """Return the attention's name as transformers knows it."""
    import importlib.util

    if asked == "auto":
        asked = "flash_attention_2" if device == "cuda" and importlib.util.find_spec("flash_attn") else "packed"
    return attention.register() if asked == "packed" else asked


def load_model(path: str, recipe: TrainRecipe, *, device: str, precision: str, num_shards: int) -> Any:
    """Return the model ready to train: wrapped for the method, trained weights in fp32, frozen ones in `precision`."""
    import torch

    way = METHODS[recipe.method]
    settings: dict[str, Any] = {}
    if num_shards > 1:
        from transformers.distributed import DistributedConfig

        settings["distributed_config"] = DistributedConfig(
            fsdp_size=num_shards, fsdp_mixed_precision=precision == "bf16"
        )
    frozen = way.wrap is not as_it_is
    half = precision == "bf16" and frozen
    quantization = way.quantization(precision)
    local = device if device == "cpu" else f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    if quantization is not None:
        settings["quantization_config"] = quantization
        settings["device_map"] = {"": local}
    with model_errors(path):
        model = load_with_attention(
            path, recipe.attention, device, dtype=torch.bfloat16 if half else torch.float32, **settings
        )  # fmt: skip
    keep_nf4_as_stored(model)
    model.config.use_cache = False
    model = way.wrap(model, recipe)
    if precision == "bf16" and num_shards <= 1:
        keep_stream_in_bf16(model)
    if quantization is None and num_shards <= 1:
        # The Trainer would move it later, but the packing probe and the activation measurement run before.
        model.to(local)
    return model


def load_with_attention(path: str, asked: str, device: str, **settings: Any) -> Any:
    """Return the model with the attention asked for; "auto" falls back to packed attention where another is refused."""
    chosen = choose_attention(asked, device)
    try:
        return load_causal_model(path, attn_implementation=chosen, **settings)
    except (ValueError, ImportError) as error:
        if "attention" not in str(error).lower() or chosen == attention.NAME:
            raise
        if asked == "auto":
            return load_causal_model(path, attn_implementation=attention.register(), **settings)
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"attention={asked}: this model does not have it ({reason[:200]}). Set attention=auto, which takes what "
            "the model has."
        ) from None


def recompute_layers(model: Any) -> None:
    """Turn on activation checkpointing; call it after the activations were measured."""
    model.enable_input_require_grads()
    model.activation_checkpointing_enable({"use_reentrant": False})


def compile_blocks(model: Any) -> None:
    """Compile each transformer block; call it after the packing probe, whose short rows would be compiled too."""
    for block in blocks_of(model):
        block.compile(dynamic=True)


def keep_nf4_as_stored(model: Any) -> None:
    """Keep bitsandbytes from repacking NF4 weights in a model's first validation.

    It does so on a CPU with AVX-512 bf16, into a form that rounds the scales once more and lets no gradient through:
    after a validation, `train` would go on with half of the gradient missing.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def keep_stream_in_bf16(model: Any) -> None:
    """Keep the activations between the layers in bf16, as sharded mixed precision does.

    Autocast alone multiplies in bf16 but adds and normalises a stream in fp32, which on a CPU costs more time than the
    products. The weights, their gradients and the optimiser stay in fp32.
    """
    import torch

    def to_bf16(_module: Any, _inputs: Any, output: Any) -> Any:
        return output.to(torch.bfloat16)

    model.get_input_embeddings().register_forward_hook(to_bf16)
    for module in model.modules():
        if type(module).__name__.endswith(("RMSNorm", "LayerNorm")):
            module.register_forward_hook(to_bf16)


def blocks_of(model: Any) -> list[Any]:
    """Return the transformer blocks: the largest list of equal modules."""
    import torch

    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return list(max(lists, key=len, default=[]))
