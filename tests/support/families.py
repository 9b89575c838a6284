"""Tiny random models of today's text families: their layers, special tokens and the structure of their chat templates.

The templates are short originals with the structure of the published ones; nothing is fetched. Where the structure was
read: ggml-org/llama.cpp models/templates/*.jinja (DeepSeek-R1-Distill, DeepSeek-V3.1, GLM-4.6, LFM2.5, Mistral Small 3.1,
Nemotron Nano v2), the model cards on the Hugging Face hub (Qwen2.5 and Qwen3, Gemma 2 and 3, Llama 3, Phi-3, gpt-oss,
SmolLM3, Granite 4, OLMo 2, Falcon-H1), and transformers' own configuration classes for the layers.
"""

# ruff: noqa: E501 - a template is one line

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEAD = "{% for m in messages %}"
TAIL = "{% endfor %}"
CHATML = (
    HEAD + "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n" + TAIL
    + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)  # fmt: skip
QWEN3 = (
    HEAD + "{% set c = m.content %}{% set r = m.reasoning_content if m.reasoning_content is defined else '' %}"
    "{% if m.role == 'assistant' and '</think>' in c %}{% set r = c.split('</think>')[0].split('<think>')[-1] %}"
    "{% set c = c.split('</think>')[-1] %}{% endif %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and (loop.last or r) %}<think>\n{{ r.strip('\n') }}\n</think>\n\n{{ c.lstrip('\n') }}"
    "{% else %}{{ c }}{% endif %}<|im_end|>\n" + TAIL
    + "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)  # fmt: skip
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    + HEAD + "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n"
    + TAIL + "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)  # fmt: skip
LLAMA3 = (
    "{{ bos_token }}" + HEAD
    + "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{% if m.role == 'system' %}Today: {{ strftime_now('%d %b %Y') }}"
    "\n\n{% endif %}{{ m.content | trim }}<|eot_id|>" + TAIL
    + "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)  # fmt: skip
MISTRAL = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set s = messages[0].content %}{% set ms = messages[1:] %}"
    "{% else %}{% set ms = messages %}{% endif %}{% for m in ms %}{% if m.role == 'user' %}"
    "{% if loop.last and s is defined %}[INST] {{ s }}\n\n{{ m.content }}[/INST]{% else %}[INST] {{ m.content }}[/INST]"
    "{% endif %}{% else %} {{ m.content | trim }}{{ eos_token }}{% endif %}{% endfor %}"
)  # fmt: skip
PHI3 = (
    HEAD + "<|{{ m.role }}|>\n{{ m.content }}<|end|>\n" + TAIL
    + "{% if add_generation_prompt %}<|assistant|>\n{% else %}{{ eos_token }}{% endif %}"
)  # fmt: skip
HARMONY = (
    "<|start|>system<|message|>Date: {{ strftime_now('%Y-%m-%d') }}<|end|>" + HEAD
    + "{% if m.role == 'assistant' %}{% if loop.last %}{% if m.thinking is defined %}<|start|>assistant<|channel|>analysis"
    "<|message|>{{ m.thinking }}<|end|>{% endif %}<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|return|>"
    "{% else %}<|start|>assistant<|channel|>final<|message|>{{ m.content }}<|end|>{% endif %}"
    "{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}" + TAIL
    + "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)  # fmt: skip
DEEPSEEK_R1 = (
    "{{ bos_token }}" + HEAD + "{% if m.role == 'user' %}<|User|>{{ m.content }}{% elif m.role == 'assistant' %}"
    "<|Assistant|>{{ m.content.split('</think>')[-1] }}<|end_of_sentence|>{% endif %}" + TAIL
    + "{% if add_generation_prompt %}<|Assistant|><think>\n{% endif %}"
)  # fmt: skip
NEMOTRON = (
    "<SPECIAL_10>System\n\n" + HEAD + "{% if m.role == 'user' %}<SPECIAL_11>User\n{{ m.content }}\n"
    "{% elif m.role == 'assistant' %}<SPECIAL_11>Assistant\n<think>\n\n{{ m.content }}\n<SPECIAL_12>\n\n{% endif %}" + TAIL
    + "{% if add_generation_prompt %}<SPECIAL_11>Assistant\n<think>\n\n{% endif %}"
)  # fmt: skip
GLM = (
    "[gMASK]<sop>" + HEAD + "{% if m.role == 'assistant' %}<|assistant|>\n<think>{{ m.reasoning_content or '' }}</think>\n"
    "{{ m.content }}{% else %}<|{{ m.role }}|>\n{{ m.content }}{% endif %}" + TAIL
    + "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)  # fmt: skip
GRANITE = (
    HEAD + "<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m.content }}<|end_of_text|>\n" + TAIL
    + "{% if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}"
)  # fmt: skip
OLMO = (
    "{{ bos_token }}" + HEAD + "<|{{ m.role }}|>\n{{ m.content }}{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}\n"
    + TAIL + "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)  # fmt: skip

SIZES = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512,
    "initializer_range": 0.08,
}  # fmt: skip
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
MLA = {
    **EXPERTS, "n_routed_experts": 4, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4,
    "head_dim": 4, "v_head_dim": 8, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1, "n_shared_experts": 1,
    "num_key_value_heads": 4,
}  # fmt: skip
MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_expand": 2}
DELTA = {
    "layer_types": ["linear_attention", "full_attention"], "linear_num_key_heads": 2, "linear_num_value_heads": 4,
    "linear_key_head_dim": 8, "linear_value_head_dim": 8,
}  # fmt: skip
CHATML_MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


@dataclass(frozen=True, kw_only=True)
class Family:
    """A family: model type and settings, marks (eos first), template, and what is right about it.

    `turn_end` is the mark an assistant turn ends with; `before` and `behind` are what the template writes between the
    generation prompt and the response, and behind it; `named` are the marks the tokenizer names, beside eos.
    """

    kind: str
    template: str
    marks: tuple[str, ...]
    turn_end: str
    settings: dict[str, Any] = field(default_factory=dict)
    named: tuple[str, ...] = ()
    bos: str = ""
    words: tuple[str, ...] = ()
    before: str = ""
    behind: str = ""
    layout: str = "shared"
    adapted: str = "down_proj gate_proj k_proj o_proj q_proj up_proj v_proj"
    has_experts: bool = False
    lr: float = 1.5e-2
    is_quick: bool = False


LLAMA_LAYERS = "down_proj gate_proj k_proj o_proj q_proj up_proj v_proj"
ATTENTION = "k_proj o_proj q_proj v_proj"
FAMILIES: dict[str, Family] = {
    "qwen2.5-base": Family(
        kind="qwen2", template=CHATML, marks=CHATML_MARKS, named=("<|im_start|>", "<|im_end|>"), turn_end="<|im_end|>",
        is_quick=True,
    ),
    "qwen3": Family(
        kind="qwen3", template=QWEN3, marks=CHATML_MARKS, turn_end="<|im_end|>", words=("<think>", "</think>"),
        before="<think>\n\n</think>\n\n",
    ),
    "qwen3-moe": Family(
        kind="qwen3_moe", template=QWEN3, marks=CHATML_MARKS, turn_end="<|im_end|>", words=("<think>", "</think>"),
        before="<think>\n\n</think>\n\n", settings={**EXPERTS, "mlp_only_layers": []}, adapted=ATTENTION,
        has_experts=True,
    ),
    "qwen3-next": Family(
        kind="qwen3_next", template=CHATML, marks=CHATML_MARKS, turn_end="<|im_end|>", layout="alone", has_experts=True,
        settings={**EXPERTS, **DELTA, "shared_expert_intermediate_size": 16},
        adapted=f"{LLAMA_LAYERS} in_proj_ba in_proj_qkvz out_proj",
    ),
    "qwen3.5": Family(
        kind="qwen3_5_text", template=CHATML, marks=CHATML_MARKS, turn_end="<|im_end|>", layout="alone", settings=DELTA,
        adapted=f"{LLAMA_LAYERS} in_proj_a in_proj_b in_proj_qkv in_proj_z out_proj",
    ),
    "llama-3": Family(
        kind="llama", template=LLAMA3, bos="<|begin_of_text|>", turn_end="<|eot_id|>",
        marks=("<|end_of_text|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    ),
    "gemma-2": Family(
        kind="gemma2", template=GEMMA, bos="<bos>", marks=("<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        turn_end="<end_of_turn>", settings={"sliding_window": 16, "query_pre_attn_scalar": 8},
    ),
    "gemma-3": Family(
        kind="gemma3_text", template=GEMMA, bos="<bos>", turn_end="<end_of_turn>",
        marks=("<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        settings={"sliding_window": 16, "query_pre_attn_scalar": 8}, is_quick=True,
    ),
    "mistral": Family(
        kind="mistral", template=MISTRAL, bos="<s>", marks=("</s>", "<s>", "[INST]", "[/INST]"), turn_end="</s>",
        before=" ", settings={"sliding_window": 16},
    ),
    "phi-3": Family(
        kind="phi3", template=PHI3, marks=("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>"), turn_end="<|end|>",
        adapted="down_proj gate_up_proj o_proj qkv_proj",
    ),
    "gpt-oss": Family(
        kind="gpt_oss", template=HARMONY, turn_end="<|return|>", before="<|channel|>final<|message|>",
        marks=("<|return|>", "<|start|>", "<|channel|>", "<|message|>", "<|end|>"), adapted=ATTENTION,
        settings={**EXPERTS, "sliding_window": 16}, has_experts=True, is_quick=True,
    ),
    "deepseek-r1": Family(
        kind="llama", template=DEEPSEEK_R1, bos="<|begin_of_sentence|>", turn_end="<|end_of_sentence|>",
        marks=("<|end_of_sentence|>", "<|begin_of_sentence|>"), words=("<|User|>", "<|Assistant|>", "<think>", "</think>"),
        before="</think>\n\n",
    ),
    "deepseek-v2": Family(
        kind="deepseek_v2", template=OLMO, bos="<s>", marks=("</s>", "<s>"), turn_end="</s>", settings=MLA,
        adapted="down_proj gate_proj kv_a_proj_with_mqa kv_b_proj o_proj q_a_proj q_b_proj up_proj", has_experts=True,
    ),
    "deepseek-v3": Family(
        kind="deepseek_v3", template=OLMO, bos="<s>", marks=("</s>", "<s>"), turn_end="</s>", settings=MLA,
        adapted="down_proj gate_proj kv_a_proj_with_mqa kv_b_proj o_proj q_a_proj q_b_proj up_proj", has_experts=True,
    ),
    "lfm2": Family(
        kind="lfm2", template=CHATML, marks=CHATML_MARKS, turn_end="<|im_end|>", layout="alone",
        settings={"layer_types": ["conv", "full_attention"], "block_auto_adjust_ff_dim": False},
        adapted="in_proj k_proj out_proj q_proj v_proj w1 w2 w3", is_quick=True,
    ),
    "granite-4-hybrid": Family(
        kind="granitemoehybrid", template=GRANITE, turn_end="<|end_of_text|>", layout="alone", has_experts=True,
        marks=("<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>"),
        settings={**EXPERTS, **MAMBA, "layer_types": ["mamba", "attention"], "shared_intermediate_size": 32},
        adapted=f"in_proj input_linear output_linear {ATTENTION}",
    ),
    "nemotron-h": Family(
        kind="nemotron_h", template=NEMOTRON, marks=("<SPECIAL_12>", "<SPECIAL_10>", "<SPECIAL_11>"), layout="alone",
        turn_end="<SPECIAL_12>", words=("<think>", "</think>"), before="</think>\n\n", behind="\n",
        settings={
            "layers_block_type": ["mamba", "attention"], "mamba_num_heads": 8, "mamba_head_dim": 8, "ssm_state_size": 8,
            "n_groups": 1, "expand": 2,
        },
        adapted=f"in_proj {ATTENTION}",
    ),
    "falcon-h1": Family(
        kind="falcon_h1", template=CHATML, marks=CHATML_MARKS, turn_end="<|im_end|>", layout="alone",
        settings={**MAMBA, "mamba_d_ssm": 32, "mamba_n_heads": 4}, adapted=f"in_proj {LLAMA_LAYERS}",
    ),
    "glm-4": Family(
        kind="glm4", template=GLM, marks=("<|endoftext|>", "[gMASK]", "<sop>", "<|user|>", "<|assistant|>", "<|system|>"),
        turn_end="<|endoftext|>", words=("<think>", "</think>"), before="\n<think></think>\n",
        adapted="down_proj gate_up_proj k_proj o_proj q_proj v_proj",
    ),
    "olmo-2": Family(kind="olmo2", template=OLMO, bos="<s>", marks=("</s>", "<s>"), turn_end="</s>"),
    "olmoe": Family(
        kind="olmoe", template=OLMO, bos="<s>", marks=("</s>", "<s>"), turn_end="</s>", settings=EXPERTS,
        adapted=ATTENTION, has_experts=True,
    ),
    "smollm3": Family(kind="smollm3", template=CHATML, marks=CHATML_MARKS, turn_end="<|im_end|>"),
}  # fmt: skip


def save_family(folder: Path, family: Family, corpus: list[str], *, seed: int = 0) -> Path:
    """Write a tiny random model of the family with its own tokenizer and template."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in family.marks])
    tokenizer.add_tokens([AddedToken(word, special=False) for word in family.words])
    named = {"eos_token": family.marks[0], **({"bos_token": family.bos} if family.bos else {})}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)
    if family.named:
        fast.add_special_tokens({"additional_special_tokens": list(family.named)})
    fast.chat_template = family.template
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    values = {**SIZES, "vocab_size": len(fast) + 4, "pad_token_id": 0, **family.settings}
    values |= {"eos_token_id": fast.eos_token_id, "bos_token_id": fast.bos_token_id}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family.kind, **values), dtype=torch.float32)
    model.generation_config = GenerationConfig(eos_token_id=fast.eos_token_id, bos_token_id=fast.bos_token_id)
    model.save_pretrained(folder)
    return folder
