"""Tokenizers and a random Llama small enough to train in a test; made here, nothing is fetched."""

from __future__ import annotations

import json
import random
from pathlib import Path

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def corpus() -> list[str]:
    rng = random.Random(0)
    names = ["Ann", "Ben", "Cleo", "Dan"]
    things = ["apples", "clips", "marbles", "pages"]
    lines = [
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request.\n\n### Instruction:\n### Input:\n### Response:",
        "### Response:The answer", "### Response:The", "Response:The number",
    ] * 20  # fmt: skip
    for _ in range(300):
        a, b = rng.randint(2, 99), rng.randint(2, 99)
        name, thing = rng.choice(names), rng.choice(things)
        lines.append(f"{name} has {a} {thing} and buys {b} more. How many {thing} does {name} have?")
        lines.append(f"The number of {thing} is {a}+{b}={a + b}.\n#### {a + b}\nThe answer is: {a + b}")
    return lines


def save_bpe(folder: Path) -> None:
    """Byte-level BPE as GPT-2's, with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=512, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(corpus(), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", unk_token="<|endoftext|>"
    )
    fast.chat_template = CHAT
    fast.save_pretrained(folder)


def save_greedy_bpe(folder: Path) -> None:
    """BPE without a splitting rule, so that a merge can cross from the prompt into the response: `:T`."""
    from tokenizers import Tokenizer, decoders, models, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.decoder = decoders.Fuse()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", "<s>", "</s>"])
    tokenizer.train_from_iterator(corpus(), trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)


def save_sentencepiece(folder: Path, *, kind: str = "bpe") -> None:
    """SentencePiece as LLaMA's: BPE with byte fallback, a space before the text, BOS in front."""
    import sentencepiece
    from transformers import LlamaTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus.txt").write_text("\n".join(line.replace("\n", " ") for line in corpus()))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "tokenizer"), vocab_size=480, model_type=kind,
        byte_fallback=True, normalization_rule_name="identity", split_digits=True, remove_extra_whitespaces=False,
        minloglevel=2, hard_vocab_limit=False,
    )  # fmt: skip
    LlamaTokenizerFast.from_pretrained(folder, add_bos_token=True).save_pretrained(folder)


def save_llama(folder: Path, *, seed: int = 0, layers: int = 2, hidden: int = 64, **changes: object) -> Path:
    """A random Llama over the tokenizer in the folder (byte-level BPE where there is none)."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    if not (folder / "tokenizer.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        save_bpe(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(seed)
    values = {
        "vocab_size": len(tokenizer) + 4, "hidden_size": hidden, "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 1024, "tie_word_embeddings": True,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    config = LlamaConfig(**values | changes)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def write_samples(path: Path, count: int = 64, *, seeds: int = 16) -> Path:
    """MetaMathQA's columns, about four samples per seed question, of very different lengths."""
    rng = random.Random(1)
    with open(path, "w") as file:
        for number in range(count):
            a, b = rng.randint(2, 99), rng.randint(2, 99)
            steps = " ".join(f"{a}+{b}={a + b}." for _ in range(rng.randint(1, 6)))
            row = {
                "query": f"Ann has {a} apples and buys {b} more. How many apples does Ann have?",
                "response": f"{steps}\n#### {a + b}\nThe answer is: {a + b}", "type": "GSM_AnsAug",
                "original_question": f"question {number % seeds}",
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")
    return path
