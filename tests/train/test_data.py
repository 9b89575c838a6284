"""What becomes a training text, and which of its tokens are learnt."""

from __future__ import annotations

import json
import time

import pytest

import tiny_llama
from mathstrap.errors import InputError, RecipeError
from mathstrap.recipe import load_recipe
from mathstrap.train import BestOptions, DataOptions, TrainRecipe
from mathstrap.train.data import TrainingPair, load_pairs, to_pairs
from mathstrap.train.prompt import RenderedSample, metamath_prompt, render
from mathstrap.train.tokens import Ends, encode, encode_cached, find_ends

QUESTION, ANSWER = "How many?\nSay so.", "Two.\n#### 2"


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """A byte-level BPE, a BPE that merges across the border, and two SentencePiece models."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("tokenizers")
    tiny_llama.save_bpe(folder / "bpe")
    tiny_llama.save_greedy_bpe(folder / "greedy")
    tiny_llama.save_sentencepiece(folder / "pieces")
    return {name: AutoTokenizer.from_pretrained(folder / name) for name in ("bpe", "greedy", "pieces")}


@pytest.mark.parametrize(
    "row",
    [
        {"query": QUESTION, "response": ANSWER, "type": "GSM_AnsAug", "original_question": "o"},
        {"instruction": QUESTION, "input": "", "output": ANSWER},
        {"instruction": "How many?", "input": "Say so.", "output": ANSWER},
        {"messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]},
        {"conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": ANSWER}]},
        {"prompt": QUESTION, "completion": ANSWER},
        {"question": QUESTION, "answer": ANSWER},
        {"problem": QUESTION, "solution": ANSWER, "answer": "2"},
    ],
)
def test_every_known_shape_gives_the_same_question_and_response(row):
    (pair,) = to_pairs(row, "x:1")
    assert (pair.question, pair.response) == (QUESTION, ANSWER)


def test_a_system_turn_is_kept_and_the_bare_answer_is_the_gold():
    turns = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "r"},
    ]
    assert to_pairs({"messages": turns}, "x:1")[0].system == "s"
    assert to_pairs({"query": "q", "response": "so 2", "answer": "2"}, "x:1")[0].gold == "2"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"text": "q"}, "the row has: text"),
        ({"query": "q", "response": " "}, "the response is empty"),
        ({"query": "", "response": "r"}, "the question is empty"),
        ({"query": "q", "response": None}, "the response is not text: found NoneType"),
        ({"messages": [{"role": "user", "content": "q"}]}, "found the turns user"),
        ({"messages": [{"role": "judge", "content": "q"}]}, 'found "judge"'),
        ({"messages": ["q"]}, "a turn is not an object"),
    ],
)
def test_a_bad_row_is_named_with_its_line_or_skipped_and_counted(tmp_path, row, sentence):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"query": "q", "response": "r"}) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(InputError, match=r"rows\.jsonl:2: ") as caught:
        load_pairs(DataOptions(path=str(path)), rng_seed=0)
    assert sentence in str(caught.value)
    pairs = load_pairs(DataOptions(path=str(path), on_bad="skip"), rng_seed=0)
    assert len(pairs.train) == 1
    assert sum(pairs.skipped.values()) == 1


def test_no_path_and_no_usable_row_are_sentences(tmp_path):
    with pytest.raises(InputError, match=r"data\.path"):
        load_pairs(DataOptions(), rng_seed=0)
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(InputError, match=r"no usable row \(empty\)"):
        load_pairs(DataOptions(path=str(tmp_path / "empty.jsonl")), rng_seed=0)
    (tmp_path / "other.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    with pytest.raises(InputError, match=r"no usable row \(2 skipped: no question and response columns\)"):
        load_pairs(DataOptions(path=str(tmp_path / "other.jsonl"), on_bad="skip"), rng_seed=0)


def test_the_split_keeps_all_samples_of_a_seed_together(tmp_path):
    path = tiny_llama.write_samples(tmp_path / "rows.jsonl", 200, seeds=40)
    pairs = load_pairs(DataOptions(path=str(path), validation=0.25), rng_seed=0)
    train, held_out = ({pair.seed for pair in side} for side in (pairs.train, pairs.held_out))
    assert not train & held_out
    assert len(pairs.train) + len(pairs.held_out) == 200
    assert 4 <= len(held_out) <= 16
    again = load_pairs(DataOptions(path=str(path), validation=0.25), rng_seed=0)
    assert again.held_out == pairs.held_out


def test_a_split_that_leaves_nothing_is_a_sentence(tmp_path):
    path = tiny_llama.write_samples(tmp_path / "rows.jsonl", 4, seeds=1)
    with pytest.raises(InputError, match="validation"):
        load_pairs(DataOptions(path=str(path), validation=0.5), rng_seed=0)


def test_the_metamath_prompt_splits_at_the_first_newline_only():
    plain = metamath_prompt("How many {input}?")
    assert plain.endswith("### Instruction:\nHow many {input}?\n\n### Response:")
    assert "### Input" not in plain
    split = metamath_prompt("First {input}.\nIf the answer is 4,\nwhat is x?")
    assert "### Instruction:\nFirst {input}.\n\n### Input:\nIf the answer is 4,\nwhat is x?\n\n### Response:" in split
    assert "further context" in split
    assert "### Input" not in metamath_prompt("ends in a newline\n")


def texts_of(tokenizer, kind="metamath-2024"):
    answers = ["The answer is: 12", " The 3", "\nTwo", "12", "Theo", ": colon", "é 7 ½ 数", "x"]
    pairs = [
        TrainingPair(question="Ann has 3 apples.\nHow many?", response=text, seed="s", where="w") for text in answers
    ]
    return render(pairs, DataOptions(prompt=kind), tokenizer)


@pytest.mark.parametrize("name", ["bpe", "greedy", "pieces"])
def test_a_sample_is_the_prompts_own_tokens_then_the_response_then_the_end(tokenizers, name):
    tokenizer = tokenizers[name]
    texts = texts_of(tokenizer)
    ends = find_ends(tokenizer, DataOptions())
    table = encode(texts, tokenizer, ends, 512)
    assert len(table) == len(texts)
    for index, text in enumerate(texts):
        ids = table.ids[table.offsets[index] : table.offsets[index + 1]].tolist()
        start = int(table.starts[index])
        prompt = tokenizer(text.prompt, add_special_tokens=False).input_ids
        assert ids[:start] == [*ends.before, *prompt]
        assert ids[-1] == tokenizer.eos_token_id
        assert start < len(ids) - 1
        if name != "greedy" or "é" not in text.response:  # the toy BPE has no letter for é
            assert tokenizer.decode(ids[len(ends.before) : -1]) == tokenizer.decode(prompt) + text.response


def test_a_border_that_would_melt_is_found_and_the_response_kept_whole(tokenizers):
    tokenizer = tokenizers["greedy"]
    text = RenderedSample("### Response:", "The answer")
    joined = tokenizer(text.prompt + text.response, add_special_tokens=False)
    assert ":T" in "".join(joined.tokens()), "the toy tokenizer must merge across the border"
    alone = tokenizer(text.prompt, add_special_tokens=False).input_ids
    assert joined.input_ids[: len(alone)] != alone, "measuring the prompt alone would shift the mask"
    table = encode([text], tokenizer, Ends(before=(), end=2), 512)
    assert table.merged == 1
    learnt = table.ids[int(table.starts[0]) :].tolist()
    assert tokenizer.decode(learnt[:-1]) == "The answer"


def test_sentencepiece_gives_the_response_no_space_of_its_own(tokenizers):
    tokenizer = tokenizers["pieces"]
    assert tokenizer("The", add_special_tokens=False).tokens()[0].startswith("▁")
    table = encode([RenderedSample("### Response:", "The answer")], tokenizer, find_ends(tokenizer, DataOptions()), 512)
    first = tokenizer.convert_ids_to_tokens(int(table.ids[int(table.starts[0])]))
    assert not first.startswith("▁")
    assert table.ids[0] == tokenizer.bos_token_id


def test_long_samples_are_dropped_and_counted_never_cut(tokenizers):
    tokenizer = tokenizers["bpe"]
    texts = [
        RenderedSample("q", "short"),
        RenderedSample("q", "long " * 100),
        RenderedSample("q", "ends <|im_end|> early"),
    ]
    ends = find_ends(tokenizer, DataOptions())
    table = encode(texts, tokenizer, ends, 40)
    assert table.kept.tolist() == [0]
    assert table.dropped == {"too_long": 1, "special_token": 1}
    exact = int(encode(texts[:1], tokenizer, ends, 40).lengths[0])
    assert len(encode(texts[:1], tokenizer, ends, exact)) == 1
    assert len(encode(texts[:1], tokenizer, ends, exact - 1)) == 0


def test_ten_megabytes_without_a_space_are_dropped_at_once(tokenizers):
    tokenizer = tokenizers["bpe"]
    texts = [RenderedSample("q", "ha" * 5_000_000), RenderedSample("q", "short"), RenderedSample("q" * 5_000_000, "r")]
    start = time.perf_counter()
    table = encode(texts, tokenizer, find_ends(tokenizer, DataOptions()), 40)
    assert time.perf_counter() - start < 60
    assert table.kept.tolist() == [1]
    assert table.dropped == {"too_long": 2}


def test_the_chat_template_is_the_models_own_and_its_turn_end_is_learnt(tokenizers):
    tokenizer = tokenizers["bpe"]
    text = texts_of(tokenizer, "chat")[0]
    assert text.prompt == "<|im_start|>user\nAnn has 3 apples.\nHow many?<|im_end|>\n<|im_start|>assistant\n"
    table = encode([text], tokenizer, find_ends(tokenizer, DataOptions(prompt="chat")), 512)
    assert tokenizer.decode(table.ids[int(table.starts[0]) :].tolist()) == text.response + "<|im_end|>"
    with pytest.raises(InputError, match="no chat template"):
        texts_of(tokenizers["pieces"], "chat")


def test_a_tokenizer_without_an_end_mark_is_a_sentence(tokenizers):
    import copy

    tokenizer = copy.deepcopy(tokenizers["bpe"])
    tokenizer.eos_token = None
    with pytest.raises(InputError, match="no EOS"):
        find_ends(tokenizer, DataOptions())


def test_tokens_are_read_back_from_the_cache_and_never_for_other_texts(tokenizers, tmp_path):
    tokenizer = tokenizers["bpe"]
    texts = texts_of(tokenizer)
    ends = find_ends(tokenizer, DataOptions())
    first = encode_cached(texts, tokenizer, ends, 60, tmp_path)
    (file,) = (tmp_path / "tokens").iterdir()
    again = encode_cached(texts, tokenizer, ends, 60, tmp_path)
    assert again.ids.tolist() == first.ids.tolist()
    assert (again.dropped, again.merged, again.kept.tolist()) == (first.dropped, first.merged, first.kept.tolist())
    encode_cached(texts[:-1], tokenizer, ends, 60, tmp_path)
    encode_cached(texts, tokenizer, ends, 61, tmp_path)
    encode_cached(texts, tokenizers["greedy"], ends, 60, tmp_path)
    assert len(list((tmp_path / "tokens").iterdir())) == 4
    assert file.exists()


@pytest.mark.parametrize(
    ("name", "lr", "epochs", "batch", "warmup"),
    [
        ("sft-7b", 2e-5, 3, 128, 0.03),
        ("sft-13b", 2e-5, 3, 128, 0.03),
        ("sft-mistral-7b", 5e-6, 3, 128, 0.03),
        ("qlora-70b", 1e-4, 3, 128, 0.0),
    ],
)
def test_the_presets_carry_the_papers_numbers(name, lr, epochs, batch, warmup):
    recipe = load_recipe(TrainRecipe, name)
    assert (recipe.lr, recipe.epochs, recipe.global_batch, recipe.warmup) == (lr, epochs, batch, warmup)
    assert (recipe.schedule, recipe.weight_decay, recipe.data.max_length) == ("cosine", 0.0, 512)
    assert (recipe.precision, recipe.data.prompt) == ("bf16", "metamath-2024")
    if name == "qlora-70b":
        assert (recipe.lora.r, recipe.lora.alpha, recipe.lora.dropout) == (96, 16, 0.05)
        assert recipe.lora.targets == "all-linear"


@pytest.mark.parametrize("name", ["sft-tiny", "lora-tiny", "qlora-tiny"])
def test_the_small_presets_load(name):
    assert load_recipe(TrainRecipe, name, ["data.path=x.jsonl"]).model == "embedded"


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("lr=0", "lr and epochs"),
        ("global_batch=0", "global_batch: found 0"),
        ("warmup=3", "warmup: found 3"),
        ("warmup=1.0", "between 0 and 0.9"),  # the Trainer would read one step
        ("data.promt=chat", 'Did you mean "prompt"'),
        ("method=dora", "method"),
        ("best.metric=loss", "data.validation"),
        ("data.validation=1.0", "between 0 and 0.9"),
    ],
)
def test_a_wrong_setting_is_named(setting, sentence):
    overrides = ["data.validation=0.0", setting] if setting.startswith("best") else [setting]
    with pytest.raises(RecipeError, match=r".") as caught:
        load_recipe(TrainRecipe, "sft-tiny", overrides)
    assert sentence in str(caught.value)


def test_best_by_a_metric_with_held_out_questions_is_fine():
    assert TrainRecipe(data=DataOptions(validation=0.1), best=BestOptions(metric="loss")).best.metric == "loss"
