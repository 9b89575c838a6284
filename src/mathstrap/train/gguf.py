"""Write a Llama-like model as GGUF, the file of llama.cpp and the embedded engine, so that a student can teach."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mathstrap.errors import InputError, missing_extra
from mathstrap.hub.weights import load_config_of, load_tokenizer_of

FAMILIES = ("llama", "mistral")
PLACES = {
    "model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}  # fmt: skip
PARTS = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip
# llama.cpp knows a byte-level tokenizer's splitting rule by a name; the rule itself is not in the file.
DIGITS_THEN_BYTES = "smollm"
BYTES = "gpt-2"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """A tokenizer as GGUF stores it: `scores` for SentencePiece ("llama"), `merges` and `splitter` for byte BPE."""

    kind: Literal["llama", "gpt2"]
    splitter: str
    tokens: list[str]
    types: list[int]
    scores: list[float]
    merges: list[str]


def write_gguf(folder: Path, path: Path, *, kind: Literal["f16", "q8_0", "f32"] = "q8_0") -> Path:
    """Write the model of a Hugging Face folder to one GGUF file; norms stay fp32, other weights become `kind`.

    Raises InputError for a model outside the Llama family, or a tokenizer llama.cpp has no rule for.
    """
    try:
        import gguf
    except ImportError:
        raise missing_extra("gguf", "train") from None
    config = load_config_of(folder)
    check_family(config)
    tokenizer = load_tokenizer_of(folder)
    vocabulary = read_vocabulary(json.loads(tokenizer.backend_tokenizer.to_str()), config.vocab_size)
    temporary = path.with_name(path.name + ".tmp")
    writer = gguf.GGUFWriter(temporary, "llama")
    add_settings(writer, config, folder.parent.name, kind)
    add_tokenizer(writer, tokenizer, vocabulary)
    wanted = {
        "f16": gguf.GGMLQuantizationType.F16, "q8_0": gguf.GGMLQuantizationType.Q8_0,
        "f32": gguf.GGMLQuantizationType.F32,
    }[kind]  # fmt: skip
    for name, weight in weights_of(folder, config):
        # Blocks of Q8_0 are 32 wide.
        fits = wanted if wanted != gguf.GGMLQuantizationType.Q8_0 or weight.shape[-1] % 32 == 0 else None
        exact = gguf.GGMLQuantizationType.F32 if weight.ndim == 1 else fits or gguf.GGMLQuantizationType.F16
        writer.add_tensor(name, gguf.quants.quantize(weight, exact), raw_dtype=exact)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
    temporary.replace(path)
    return path


def check_family(config: Any) -> None:
    """Raise InputError for a model that GGUF's llama architecture cannot represent."""
    rope = getattr(config, "rope_parameters", None) or {}
    if config.model_type not in FAMILIES:
        raise InputError(
            f"artefacts: gguf is written for Llama-like models ({', '.join(FAMILIES)}), this one is "
            f'"{config.model_type}". Convert it with llama.cpp\'s own script.'
        )
    if rope.get("rope_type", "default") != "default":
        raise InputError(
            f'artefacts: gguf does not carry this model\'s rotary scaling "{rope["rope_type"]}". '
            "Convert it with llama.cpp's own script."
        )
    if getattr(config, "attention_bias", False) or getattr(config, "mlp_bias", False):
        raise InputError("artefacts: gguf is written for models without biases. Convert with llama.cpp's own script.")


def add_settings(writer: Any, config: Any, name: str, kind: str) -> None:
    """Write the shape of the model."""
    heads = config.num_attention_heads
    head_width = getattr(config, "head_dim", None) or config.hidden_size // heads
    rope = getattr(config, "rope_parameters", None) or {}
    writer.add_name(name)
    writer.add_file_type({"f32": 0, "f16": 1, "q8_0": 7}[kind])
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_width)
    writer.add_value_length(head_width)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(head_width)
    writer.add_rope_freq_base(float(rope.get("rope_theta") or 10000.0))
    writer.add_vocab_size(config.vocab_size)


def add_tokenizer(writer: Any, tokenizer: Any, vocabulary: Vocabulary) -> None:
    """Write the tokenizer."""
    writer.add_tokenizer_model(vocabulary.kind)
    writer.add_tokenizer_pre(vocabulary.splitter)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    if vocabulary.kind == "llama":
        writer.add_token_scores(vocabulary.scores)
    else:
        writer.add_token_merges(vocabulary.merges)
    opened = tokenizer("a").input_ids[:1]
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    if tokenizer.unk_token_id is not None:
        writer.add_unk_token_id(tokenizer.unk_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(tokenizer.bos_token_id is not None and opened == [tokenizer.bos_token_id])
    if getattr(tokenizer, "chat_template", None):
        writer.add_chat_template(tokenizer.chat_template)


def read_vocabulary(description: dict[str, Any], size: int) -> Vocabulary:
    """Turn a tokenizer.json into GGUF's lists, padded to the model's vocabulary of `size` rows."""
    model = description["model"]
    if model.get("type") != "BPE":
        raise InputError(
            f'artefacts: gguf is written for BPE tokenizers, this one is "{model.get("type")}". '
            "Convert the model with llama.cpp's own script."
        )
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    added = {token["id"]: token for token in description.get("added_tokens", [])}
    by_id = {number: text for text, number in model["vocab"].items()}
    is_pieces = bool(model.get("byte_fallback"))
    ranks = {merge.replace(" ", ""): rank for rank, merge in reversed(list(enumerate(merges)))}
    tokens, types, scores = [], [], []
    for number in range(size):
        text = added[number]["content"] if number in added else by_id.get(number)
        if text is None:
            text, sort = f"[PAD{number}]", UNUSED
        elif number in added:
            sort = CONTROL if added[number]["special"] else USER_DEFINED
            sort = UNKNOWN if text == model.get("unk_token") and is_pieces else sort
        else:
            sort = BYTE if is_pieces and len(text) == 6 and text.startswith("<0x") else NORMAL
        tokens.append(text)
        types.append(sort)
        scores.append(-float(ranks.get(text, len(merges))))
    return Vocabulary(
        kind="llama" if is_pieces else "gpt2", splitter="default" if is_pieces else splitter_of(description),
        tokens=tokens, types=types, scores=scores, merges=merges,
    )  # fmt: skip


def splitter_of(description: dict[str, Any]) -> str:
    """Return llama.cpp's name for the rule by which a byte-level tokenizer splits text before merging."""
    first = description.get("pre_tokenizer") or {}
    steps = first["pretokenizers"] if first.get("type") == "Sequence" else [first]
    kinds = [step.get("type") for step in steps]
    patterns = [str(step.get("pattern", {}).get("Regex", "")) for step in steps if step.get("type") == "Split"]
    if kinds == ["ByteLevel"] and steps[0].get("use_regex", True):
        return BYTES
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits"):
        return DIGITS_THEN_BYTES
    if kinds == ["Split", "ByteLevel"] and "\\p{N}{1,3}" in patterns[0]:
        return "llama-bpe"
    if kinds == ["Split", "ByteLevel"] and "|\\p{N}|" in patterns[0]:
        return "qwen2"
    raise InputError(
        f"artefacts: gguf does not know this tokenizer's way of splitting text ({', '.join(map(str, kinds))}). "
        "Convert the model with llama.cpp's own script."
    )


def weights_of(folder: Path, config: Any) -> Iterator[tuple[str, Any]]:
    """Yield (GGUF name, fp32 array) for the weights of a folder's safetensors, one at a time."""
    import torch
    from safetensors import safe_open

    heads, heads_kv = config.num_attention_heads, config.num_key_value_heads
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - a safetensors handle, not a dict
                weight = tensors.get_tensor(name).to(torch.float32).numpy()
                if name in PLACES:
                    if name == "lm_head.weight" and config.tie_word_embeddings:
                        continue
                    yield PLACES[name], weight
                    continue
                _, _, number, part = name.split(".", 3)
                part = part.removesuffix(".weight")
                if part not in PARTS:
                    raise InputError(f"artefacts: gguf has no place for the weight {name}.")
                if part in {"self_attn.q_proj", "self_attn.k_proj"}:
                    weight = interleave(weight, heads if part == "self_attn.q_proj" else heads_kv)
                yield f"blk.{number}.{PARTS[part]}.weight", weight


def interleave(weight: Any, heads: int) -> Any:
    """Reorder the rows of each head: llama.cpp rotates neighbours, transformers rotates the two halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
