"""Load models, tokenizers and adapters from foreign folders: weights as safetensors or GGUF, never code or pickles.

The only place that calls `from_pretrained`; tests/test_security_source.py holds that.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError
from mathstrap.hub.offline import offline_reason


def load_causal_model(name: str, **settings: Any) -> Any:
    """Return a causal language model; raises OSError or ValueError where it has no safetensors, or asks for code.

    Raises ValueError, too, where a file is damaged, where its weights do not have the shapes of config.json, and where
    weights are missing: transformers would go on with random numbers in their place.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    if "gguf_file" not in settings:
        settings["use_safetensors"] = True
    settings["local_files_only"] = bool(offline_reason(name))
    try:
        model, found = AutoModelForCausalLM.from_pretrained(
            name, trust_remote_code=False, output_loading_info=True, **settings
        )
    except SafetensorError as error:
        raise ValueError(
            f"a weights file is damaged, cut short or a Git LFS pointer; download it again: {error}"
        ) from None
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):
            raise
        raise ValueError("its weights have other shapes than its config.json says") from None
    if found["missing_keys"]:
        missing = sorted(found["missing_keys"])
        raise ValueError(f"its files lack {len(missing):,} weights, such as {missing[0]}")
    return model


def load_tokenizer_of(name: str | Path, **settings: Any) -> Any:
    """Return a model's tokenizer; raises OSError or ValueError where there is none, or it asks for code."""
    from transformers import AutoTokenizer

    settings["local_files_only"] = bool(offline_reason(name))
    return AutoTokenizer.from_pretrained(name, trust_remote_code=False, **settings)


def load_config_of(name: str | Path) -> Any:
    """Return a model's configuration; raises OSError or ValueError where there is none, or it asks for code."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(name, trust_remote_code=False, local_files_only=bool(offline_reason(name)))


def load_generation_config_of(name: str | Path) -> Any:
    """Return how a model generates by its own account; what its configuration implies where it has no such file."""
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(name, local_files_only=bool(offline_reason(name)))
    except OSError:
        return GenerationConfig.from_model_config(load_config_of(name))


def load_merged_adapter(model: Any, folder: str | Path) -> Any:
    """Return the model with the adapter of a folder folded in; raises InputError where it is not safetensors."""
    import peft

    if not (Path(folder) / "adapter_model.safetensors").is_file():
        raise InputError(f"{folder}: holds no adapter_model.safetensors. Other formats can run code when read.")
    with without_peft_warning():
        return peft.PeftModel.from_pretrained(model, str(folder)).merge_and_unload()


@contextlib.contextmanager
def without_peft_warning() -> Iterator[None]:
    """Keep quiet that peft asks models by a name which transformers renames: the user cannot change it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        yield
