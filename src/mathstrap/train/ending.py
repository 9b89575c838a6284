"""Record the end mark that a model has learnt, in its saved generation config and tokenizer.

Every engine stops at the tokens that `generation_config.json` lists. A base model lists its end of text; trained with a
chat template it ends its turns with another token, and without this no reply of it would end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mathstrap.hub.weights import load_generation_config_of
from mathstrap.train.options import DataOptions


def set_end(model: Any, tokenizer: Any, end: int, data: DataOptions) -> None:
    """Write the end mark into a model's generation config and into the tokenizer.

    Tokens that already ended a reply still do. The tokenizer keeps its own EOS where the chat template uses EOS for
    something other than the end of a turn (Phi-3).
    """
    set_tokenizer_end(tokenizer, end, data)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    base.generation_config = with_end(base.generation_config, end)


def with_end(generation: Any, end: int) -> Any:
    """Return a generation config whose first end token is `end`, and that can be saved."""
    before = generation.eos_token_id
    before = before if isinstance(before, list) else [] if before is None else [before]
    generation.eos_token_id = [end, *(token for token in before if token != end)]
    try:
        generation.validate(strict=True)
    except ValueError:
        # Some models are published with a temperature and without sampling, which cannot be saved again.
        generation.do_sample = True
    try:
        generation.validate(strict=True)
    except ValueError:
        # Others with beam-search settings and one beam. Only the tokens that start and stop a reply are kept.
        ids = ("bos_token_id", "eos_token_id", "pad_token_id")
        return type(generation)(**{name: getattr(generation, name) for name in ids})
    return generation


def set_tokenizer_end(tokenizer: Any, end: int, data: DataOptions) -> None:
    """Make the end mark the tokenizer's EOS, unless its chat template would then write something else."""
    before = tokenizer.eos_token
    mark = tokenizer.convert_ids_to_tokens(end)
    if before == mark:
        return
    rendered = sample_of(tokenizer, data)
    tokenizer.eos_token = mark
    if sample_of(tokenizer, data) != rendered:
        tokenizer.eos_token = before


def sample_of(tokenizer: Any, data: DataOptions) -> str:
    """Return two rendered exchanges, which show whether the template's output changed; "" without a template."""
    if not getattr(tokenizer, "chat_template", None):
        return ""
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}] * 2
    return str(tokenizer.apply_chat_template(turns, tokenize=False, **data.template_args))


def save_adapter_end(base: str, end: int, folder: Path) -> None:
    """Write the generation config beside an adapter: peft saves none, and the base model's lacks the end mark."""
    with_end(load_generation_config_of(base), end).save_pretrained(folder)
