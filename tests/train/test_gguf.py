"""The GGUF of a trained model answers as transformers does, token for token."""

from __future__ import annotations

from pathlib import Path

import pytest

import tiny_llama
from mathstrap.errors import InputError
from mathstrap.train.gguf import read_vocabulary, splitter_of, write_gguf


def greedy_llama_cpp(path: Path, prompt: list[int], count: int) -> list[int]:
    xllamacpp = pytest.importorskip("xllamacpp", reason='needs pip install "mathstrap[local]"')
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.verbosity, params.warmup, params.fit_params = 512, 1, -1, False, False
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib = 0
    server = xllamacpp.Server(params)
    found: list[int] = []
    body = {"prompt": prompt, "n_predict": count, "max_tokens": count, "temperature": 0.0, "return_tokens": True,
            "ignore_eos": True, "n_probs": 1, "logprobs": 1}  # fmt: skip
    reply: list[dict] = []
    server.handle_completions(body, lambda chunk: reply.append(chunk) and False)
    for chunk in reply:
        for choice in chunk.get("choices", []):
            found += [token["id"] for token in (choice.get("logprobs") or {}).get("content", [])]
    return found


def greedy_transformers(folder: Path, prompt: list[int], count: int) -> list[int]:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    made = model.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=count, eos_token_id=None, pad_token_id=0
    )  # fmt: skip
    return made[0, len(prompt) :].tolist()


def assert_nearly_greedy(folder: Path, prompt: list[int], made: list[int]) -> None:
    """Each token llama.cpp chose from the rounded weights is the exact model's first choice, or nearly one."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        scores = model(torch.tensor([prompt + made])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
    missed = scores.max(-1).values - scores.gather(1, torch.tensor(made)[:, None])[:, 0]
    assert missed.max() < 0.3, missed.tolist()
    assert (missed == 0).float().mean() > 0.7, missed.tolist()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gguf")
    tiny_llama.save_llama(folder / "bpe")
    tiny_llama.save_sentencepiece(folder / "pieces")
    tiny_llama.save_llama(folder / "pieces", hidden=32)
    return folder


@pytest.mark.parametrize("name", ["bpe", "pieces"])
def test_the_file_continues_a_prompt_as_transformers_does(models, name, tmp_path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(models / name)
    prompt = tokenizer("Ann has 3 apples and buys 4 more.").input_ids
    path = write_gguf(models / name, tmp_path / "model.gguf", kind="f32")
    assert greedy_llama_cpp(path, prompt, 16) == greedy_transformers(models / name, prompt, 16)


@pytest.mark.parametrize("name", ["bpe", "pieces"])
@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_smaller_kinds_hold_the_same_weights_to_their_precision(models, name, kind, tmp_path):
    import gguf
    import numpy as np

    exact, small = (
        gguf.GGUFReader(write_gguf(models / name, tmp_path / f"{one}.gguf", kind=one)) for one in ("f32", kind)
    )
    for a, b in zip(exact.tensors, small.tensors, strict=True):
        assert a.name == b.name
        wide = gguf.quants.dequantize(b.data, b.tensor_type)
        assert np.abs(wide - a.data).max() <= (1e-3 if kind == "f16" else 1e-2) * np.abs(a.data).max()


def test_the_text_of_a_prompt_becomes_the_same_tokens(models, tmp_path):
    xllamacpp = pytest.importorskip("xllamacpp", reason='needs pip install "mathstrap[local]"')
    from transformers import AutoTokenizer

    assert xllamacpp
    for name in ("bpe", "pieces"):
        tokenizer = AutoTokenizer.from_pretrained(models / name)
        text = "### Response:The number of clips is 12+30=42."
        path = write_gguf(models / name, tmp_path / f"{name}.gguf", kind="f32")
        by_text = greedy_llama_cpp(path, text, 8)
        assert by_text == greedy_transformers(models / name, tokenizer(text).input_ids, 8)


def test_what_gguf_cannot_say_is_a_sentence(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    tiny_llama.save_bpe(tmp_path)
    GPT2LMHeadModel(GPT2Config(vocab_size=512, n_embd=32, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    with pytest.raises(InputError, match='this one is "gpt2"'):
        write_gguf(tmp_path, tmp_path / "x.gguf")
    with pytest.raises(InputError, match="Unigram"):
        read_vocabulary({"model": {"type": "Unigram"}}, 10)
    with pytest.raises(InputError, match="way of splitting text"):
        splitter_of({"pre_tokenizer": {"type": "Whitespace"}})


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([{"type": "ByteLevel", "use_regex": True}], "gpt-2"),
        ([{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "use_regex": True}], "smollm"),
        ([{"type": "Split", "pattern": {"Regex": "(?i:'s)|\\p{N}{1,3}|x"}}, {"type": "ByteLevel"}], "llama-bpe"),
        ([{"type": "Split", "pattern": {"Regex": "(?i:'s)|\\p{N}|x"}}, {"type": "ByteLevel"}], "qwen2"),
    ],
)
def test_the_known_splitting_rules_have_names(steps, name):
    assert splitter_of({"pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}) == name


@pytest.mark.slow
def test_the_embedded_model_goes_there_and_back(tmp_path):
    from transformers import AutoTokenizer

    from mathstrap.train.model import dequantise_embedded

    folder = dequantise_embedded()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    path = write_gguf(folder, tmp_path / "model.gguf", kind="q8_0")
    turns = [{"role": "user", "content": "Ann has 3 apples and buys 14 more. How many apples does Ann have?"}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert_nearly_greedy(folder, prompt, greedy_llama_cpp(path, prompt, 24))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_a_student_of_the_embedded_model_can_teach(data_path, tmp_path, method):
    from transformers import AutoTokenizer

    from mathstrap.recipe import load_recipe
    from mathstrap.train import TrainRecipe
    from mathstrap.train.sft import train

    name = {"full": "sft-tiny", "lora": "lora-tiny", "qlora": "qlora-tiny"}[method]
    report = train(load_recipe(TrainRecipe, name, [
        f"data.path={data_path / 'gsm8k_train.jsonl'}", "data.limit=16", "data.validation=0.2", "global_batch=4",
        "max_steps=2", f"out={tmp_path / 'out'}",
    ]))  # fmt: skip
    assert report is not None
    assert 0.5 < report.loss < 3.0
    model, tokenizer = Path(report.files["model"]), AutoTokenizer.from_pretrained(report.files["model"])
    turns = [{"role": "user", "content": "Ann has 3 apples and buys 14 more. How many apples does Ann have?"}]
    prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert_nearly_greedy(model, prompt, greedy_llama_cpp(Path(report.files["gguf"]), prompt, 16))
