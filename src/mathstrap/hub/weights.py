"""Load models, tokenizers and adapters from foreign folders: weights as safetensors or GGUF, never code or pickles.

The only module that calls `from_pretrained`, which tests/test_security_source.py checks.
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
    """Return a causal language model; raises OSError or ValueError if it has no safetensors, or needs its own code.

    Raises ValueError, too, if a file is damaged, if weights do not have the shapes of config.json, and if weights are
    missing: transformers would continue with random numbers in their place.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    if "gguf_file" not in settings:
        settings["use_safetensors"] = True  # a pickle executes code when it is loaded
    settings["local_files_only"] = bool(offline_reason(name))
    try:
        # trust_remote_code=False here and below: a repository's own code would run with the user's rights.
        model, loading = AutoModelForCausalLM.from_pretrained(
            name, trust_remote_code=False, output_loading_info=True, **settings
        )
    except SafetensorError as error:
        raise ValueError(
            f"a weights file is damaged, cut short or a Git LFS pointer; download it again: {error}"
        ) from None
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):
            raise
        raise ValueError("its weights do not have the shapes in its config.json") from None
    if loading["missing_keys"]:
        missing = sorted(loading["missing_keys"])
        raise ValueError(f"its files lack {len(missing):,} weights, such as {missing[0]}")
    return model


def empty_causal_model(config: Any, *, device: str, attn_implementation: str) -> Any:
    """Return a model with random weights in fp32 as a configuration says; on the device "meta" it holds none at all."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device(device):
        return AutoModelForCausalLM.from_config(
            config, trust_remote_code=False, attn_implementation=attn_implementation, dtype=torch.float32
        )


def load_tokenizer_of(name: str | Path, **settings: Any) -> Any:
    """Return a model's tokenizer; raises OSError or ValueError if there is none, or it needs its own code."""
    from transformers import AutoTokenizer

    settings["local_files_only"] = bool(offline_reason(name))
    return AutoTokenizer.from_pretrained(name, trust_remote_code=False, **settings)


def load_config_of(name: str | Path, **settings: Any) -> Any:
    """Return a model's configuration; raises OSError or ValueError if there is none, or it needs its own code."""
    from transformers import AutoConfig

    settings["local_files_only"] = bool(offline_reason(name))
    return AutoConfig.from_pretrained(name, trust_remote_code=False, **settings)


def load_generation_config_of(name: str | Path) -> Any:
    """Return a model's generation config; without such a file, the one that its configuration implies."""
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(name, local_files_only=bool(offline_reason(name)))
    except OSError:
        return GenerationConfig.from_model_config(load_config_of(name))


def load_merged_adapter(model: Any, folder: str | Path) -> Any:
    """Return the model with the adapter of a folder merged in; raises InputError if it is not safetensors."""
    import peft

    if not (Path(folder) / "adapter_model.safetensors").is_file():
        raise InputError(f"{folder}: holds no adapter_model.safetensors. Other formats can run code when read.")
    with without_peft_warning():
        return peft.PeftModel.from_pretrained(model, str(folder)).merge_and_unload()


@contextlib.contextmanager
def without_peft_warning() -> Iterator[None]:
    """Silence peft's use of an attribute that transformers renamed: the user cannot change it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
        yield
