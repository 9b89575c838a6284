"""What is wrong with a model folder, a template, a row or a setting is a sentence or is put right, never silent."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil

import pytest

from families import FAMILIES, HEAD, TAIL, save_family
from mathstrap.errors import InputError, RecipeError
from mathstrap.train import DataOptions, LoraOptions, TrainRecipe

QUESTION, ANSWER = "Tom has 3 apples and buys 4 more. How many?", "3+4=7. The answer is: 7"
START = "<|im_start|>{{ m.role }}\n"
ASK = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch

    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("refusals")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATHSTRAP_CACHE", str(path / "cache"))
        rows = [{"query": f"{QUESTION} {number}", "response": ANSWER} for number in range(4)]
        (path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        yield path


def model_of(folder, name="qwen2.5-base", **changes):
    path = folder / f"{name}{len(str(changes))}"
    if not path.exists():
        save_family(path, dataclasses.replace(FAMILIES[name], **changes), [QUESTION, ANSWER] * 8)
    return path


def samples(path, row, **options):
    """Return the rendered samples of a row and their tokens."""
    from transformers import AutoTokenizer

    from mathstrap.train.data import to_pairs
    from mathstrap.train.prompt import render
    from mathstrap.train.tokens import encode, find_ends

    tokenizer, data = AutoTokenizer.from_pretrained(path), DataOptions(**{"prompt": "chat", **options})
    texts = render(to_pairs(row, "rows:1"), data, tokenizer)
    return texts, encode(texts, tokenizer, find_ends(tokenizer, data), 512), tokenizer


@pytest.mark.parametrize("template", [
    HEAD + START + "{% for c in m.content %}{{ c.text }}{% endfor %}<|im_end|>\n" + TAIL + ASK,  # parts alone
    "<|im_start|>{{ messages[0].content }}<|im_end|>",
])  # fmt: skip
def test_a_template_that_leaves_out_the_answer_is_refused(folder, template):
    path = model_of(folder, template=template)
    with pytest.raises(InputError, match="leaves out what the assistant says"):
        samples(path, {"query": QUESTION, "response": ANSWER})


def test_several_templates_without_a_default_are_a_sentence(folder):
    from transformers import AutoTokenizer

    from mathstrap.train.chat import open_template

    tokenizer = AutoTokenizer.from_pretrained(model_of(folder))
    tokenizer.chat_template = {"rag": "x", "tool_use": "x"}
    with pytest.raises(InputError, match=r"several chat templates \(rag, tool_use\) and none is the default"):
        open_template(tokenizer, {})


def test_a_turn_that_closes_with_two_marks_in_a_row_ends_at_eos(folder):
    turn = "<|START|>{{ m.role }}<|TEXT|>{{ m.content }}<|END_TEXT|><|END|>"
    ask = "{% if add_generation_prompt %}<|START|>assistant<|TEXT|>{% endif %}"
    marks = ("<|END|>", "<|START|>", "<|TEXT|>", "<|END_TEXT|>")
    path = model_of(folder, template=HEAD + turn + TAIL + ask, marks=marks, named=())
    (text,), table, tokenizer = samples(path, {"query": QUESTION, "response": ANSWER})
    assert text.response == ANSWER + "<|END_TEXT|>"
    assert tokenizer.convert_ids_to_tokens(int(table.ids[-1])) == "<|END|>"


def test_a_response_that_spells_an_end_mark_which_is_not_special_is_dropped(folder):
    path = model_of(folder, marks=("<|endoftext|>",), named=(), words=("<|im_start|>", "<|im_end|>"))
    _, table, _ = samples(path, {"query": QUESTION, "response": "7<|im_end|>8"})
    assert table.dropped == {"special_token": 1}


@pytest.mark.parametrize(("name", "response", "arguments", "want", "is_lost"), [
    # The prompt has closed the thought, so there is no place for another one.
    ("qwen3", {"reasoning_content": "three and four", "content": ANSWER}, {"enable_thinking": False}, ANSWER, True),
    ("qwen3", f"<think>\nthree and four\n</think>\n\n{ANSWER}", {"enable_thinking": False}, ANSWER, True),
    # The reply continued a prompt that had opened the thought.
    ("qwen3", f"hm\n</think>\n\n{ANSWER}", {}, f"<think>\nhm\n</think>\n\n{ANSWER}", False),
    ("deepseek-r1", f"hm\n</think>\n\n{ANSWER}", {}, f"hm\n</think>\n\n{ANSWER}", False),
    # Where the template moves the system turn, what follows the question decides; the answer repeats the question.
    ("mistral", "7 7", {}, " 7 7", False),
])  # fmt: skip
def test_a_thought_goes_to_its_place_or_is_counted(folder, name, response, arguments, want, is_lost):
    turn = response if isinstance(response, dict) else {"content": response}
    question, system = ("7", "7") if name == "mistral" else (QUESTION, "")
    row = {"messages": [{"role": "user", "content": question}, {"role": "assistant", **turn}]}
    (text,), *_ = samples(model_of(folder, name), row, template_args=arguments, system=system)
    assert (text.response, text.lost_reasoning) == (want, is_lost)


def turns_of(*contents, **last):
    turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(contents)]
    return [*turns[:-1], {**turns[-1], **last}]


@pytest.mark.parametrize(("row", "reason"), [
    ({"query": QUESTION, "response": "<think>\nhm"}, "ends in its thought"),
    ({"query": QUESTION, "response": "<think>\nhm\n</think>\n"}, "ends in its thought"),
    ({"messages": turns_of(QUESTION, ANSWER, weight=0)}, "every turn has weight 0"),
    ({"messages": json.dumps(turns_of(QUESTION, ANSWER))}, "the turns are text"),
    ({"instruction": "q", "output": "a", "history": [["q"]]}, "history is not a list"),
])  # fmt: skip
def test_a_row_with_nothing_to_learn_is_named(row, reason):
    from mathstrap.train.data import to_pairs

    found = to_pairs(row, "rows:1")
    assert isinstance(found, str)
    assert reason in found


@pytest.mark.parametrize(("row", "learnt"), [
    ({"messages": [{**turn, "train": place != 1} for place, turn in enumerate(turns_of("a", "1", "b", "2"))]},
     [("", "b", "2", 2)]),
    ({"instruction": "b", "input": "", "output": "2", "history": [["a", "1"]]}, [("", "a", "1", 0), ("", "b", "2", 2)]),
    ({"instruction": "b", "input": "c", "output": "2", "system": "s"}, [("s", "b\nc", "2", 0)]),
])  # fmt: skip
def test_what_a_row_says_of_turns_is_heeded(row, learnt):
    from mathstrap.train.data import to_pairs

    assert [(pair.system, pair.question, pair.response, len(pair.earlier)) for pair in to_pairs(row, "w")] == learnt


@pytest.mark.parametrize(("arguments", "sentence"), [
    ({"enable_thinkng": False}, 'does not read "enable_thinkng". Did you mean "enable_thinking"?'),
    ({"reasoning_effort": "low"}, 'does not read "reasoning_effort"'),
    ({"enable_thinking": "false"}, "found the text 'false'. Write false without quotes"),
    ({"tokenize": True}, "tokenize is not an argument of the template"),
])  # fmt: skip
def test_an_argument_that_a_template_would_ignore_is_refused(folder, arguments, sentence):
    with pytest.raises((InputError, RecipeError), match=re.escape(sentence)):
        samples(model_of(folder, "qwen3"), {"query": QUESTION, "response": ANSWER}, template_args=arguments)


# Magistral takes a thought as a part of the content; Seed-OSS closes a thought in its prompt that answers are written
# without; MiniMax-M2 opens one in its prompt (structures of the published templates, 2025).
PARTS = (
    "{{ bos_token }}" + HEAD + "{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]{% elif m.content is string %}"
    "{{ m.content }}{{ eos_token }}{% else %}{% for b in m.content %}{% if b.type == 'thinking' %}"
    "[THINK]{{ b.thinking }}[/THINK]{% else %}{{ b.text }}{% endif %}{% endfor %}{{ eos_token }}{% endif %}" + TAIL
)  # fmt: skip
THINK_MARKS = ("</s>", "<s>", "[INST]", "[/INST]", "[THINK]", "[/THINK]")
NO_BUDGET = (
    HEAD + "{{ bos_token }}{{ m.role }}\n{{ m.content }}{{ eos_token }}" + TAIL
    + "{% if add_generation_prompt %}{{ bos_token }}assistant\n<seed:think>none</seed:think>{% endif %}"
)  # fmt: skip
OPENED = (
    HEAD + "{% if m.role == 'assistant' %}]~b]ai\n{{ m.content.split('</think>')[-1].lstrip('\n') }}{% else %}"
    "]~b]{{ m.role }}\n{{ m.content }}{% endif %}[e~[\n" + TAIL
    + "{% if add_generation_prompt %}]~b]ai\n<think>\n{% endif %}"
)  # fmt: skip


@pytest.mark.parametrize(("template", "marks", "reasoning", "want"), [
    (PARTS, THINK_MARKS, "three and four", "[THINK]three and four[/THINK]"),
    (PARTS, THINK_MARKS, "", ""),
    (NO_BUDGET, ("</s>", "<s>"), "", ""),
    (OPENED, ("[e~[", "]~b]"), "", "</think>\n\n"),
    (OPENED, ("[e~[", "]~b]"), "three and four", "three and four\n</think>\n\n"),
])  # fmt: skip
def test_templates_of_today_are_answered_as_their_makers_write_it(folder, template, marks, reasoning, want):
    path = model_of(folder, template=template, marks=marks, named=(), bos=marks[1])
    row = {"query": QUESTION, "response": ANSWER, "reasoning_content": reasoning}
    (text,), table, tokenizer = samples(path, row)
    assert (text.response, text.lost_reasoning) == (want + ANSWER, False)
    assert tokenizer.decode(table.ids).endswith(ANSWER + marks[0])


def test_a_plain_text_opens_with_all_marks_the_tokenizer_adds(folder):
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    from mathstrap.train.tokens import opening_ids

    tokenizer = AutoTokenizer.from_pretrained(model_of(folder))
    ids = [(name, tokenizer.convert_tokens_to_ids(name)) for name in ("<|im_start|>", "<|im_end|>", "<|endoftext|>")]
    assert opening_ids(tokenizer) == ()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> <|im_end|> $A <|endoftext|>", special_tokens=ids
    )
    assert opening_ids(tokenizer) == (ids[0][1], ids[1][1])


def without_weights(path):
    from safetensors.torch import load_file, save_file

    weights = load_file(path / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})


def with_smaller_vocabulary(path):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(path)
    model.resize_token_embeddings(290)
    model.save_pretrained(path)


def without_tokenizer(path):
    for file in [*path.glob("token*"), *path.glob("chat_template*")]:
        file.unlink()


def with_other_shapes(path):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))


def as_adapter(path):
    (path / "config.json").rename(path / "adapter_config.json")


@pytest.mark.parametrize(("damage", "reason"), [
    (without_weights, "its files lack 1 weights, such as model.layers.1.mlp.up_proj.weight"),
    (with_smaller_vocabulary, "the model has embeddings for 290 tokens"),
    (without_tokenizer, "has no tokenizer"),
    (with_other_shapes, "do not have the shapes in its config.json"),
    (as_adapter, "is an adapter, not a model"),
    (lambda path: (path / "model.safetensors").write_text("version https://git-lfs"), "a Git LFS pointer"),
])  # fmt: skip
def test_a_damaged_model_folder_is_a_sentence(folder, tmp_path, damage, reason):
    from mathstrap.train.sft import train

    path = shutil.copytree(model_of(folder), tmp_path / "model")
    damage(path)
    data = DataOptions(path=str(folder / "rows.jsonl"), max_length=160)
    with pytest.raises(InputError, match=reason):
        train(TrainRecipe(model=str(path), out=str(tmp_path / "out"), data=data, global_batch=4, max_steps=1))


@pytest.mark.parametrize(("manifest", "reason"), [("", "is not JSON"), ("{}", "has checkpoints but no manifest.json")])
def test_checkpoints_without_their_manifest_are_a_sentence(folder, tmp_path, manifest, reason):
    from mathstrap.train.sft import train

    (tmp_path / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    (tmp_path / "manifest.json").write_text(manifest)
    data = DataOptions(path=str(folder / "rows.jsonl"), max_length=160)
    with pytest.raises(InputError, match=reason):
        train(TrainRecipe(model=str(model_of(folder)), out=str(tmp_path), data=data, global_batch=4, max_steps=1))


@pytest.mark.parametrize("settings", [
    {"temperature": 0.6, "do_sample": False}, {"num_beams": 1, "early_stopping": True, "length_penalty": 2.0},
])  # fmt: skip
def test_a_published_generation_config_that_is_not_valid_is_saved_with_the_end(tmp_path, settings):
    from transformers import GenerationConfig

    from mathstrap.train.ending import with_end

    saved = with_end(GenerationConfig(eos_token_id=[3, 5], **settings), 7)
    saved.save_pretrained(tmp_path)
    assert GenerationConfig.from_pretrained(tmp_path).eos_token_id == [7, 3, 5]


def test_targets_may_be_one_text_and_a_name_beside_all_linear_is_added(folder):
    from transformers import AutoModelForCausalLM

    from mathstrap.train.lora import cover

    model = AutoModelForCausalLM.from_pretrained(model_of(folder))
    assert len(cover(model, LoraOptions(targets="q_proj, v_proj")).modules) == 4
    found = cover(model, LoraOptions(targets="all-linear,lm_head"))
    assert "lm_head" in found.modules
    assert not found.left_out
    wrongs = {"all_linear": 'Did you mean "all-linear"', "mlp": "It has down_proj", ".*q_proj": "q_proj"}
    for wrong, hint in wrongs.items():
        with pytest.raises(InputError, match=hint):
            cover(model, LoraOptions(targets=wrong))


@pytest.mark.parametrize("given", [{"system": "You are a tutor."}, {"template_args": {"enable_thinking": False}}])
def test_what_the_papers_prompt_has_no_place_for_is_refused(given):
    with pytest.raises(RecipeError, match=r"metamath-2024 has no place for it. Set data.prompt=chat"):
        DataOptions(**given)
