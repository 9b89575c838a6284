"""Every family of today trains, stops, packs, is adapted, saved and asked as its makers meant; on tiny models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from families import FAMILIES, save_family
from mathstrap.train import DataOptions, LoraOptions, TrainRecipe

# Quick ones stand for the kinds: a plain one, windows and caps, sinks and experts, a state that is carried on.
NAMES = [
    pytest.param(name, marks=() if family.is_quick else pytest.mark.slow) for name, family in FAMILIES.items()
]  # fmt: skip
QA = {
    "Tom has 3 apples and buys 4 more. How many?": "3+4=7. The answer is: 7",
    "Ann has 9 pens and loses 2. How many?": "9-2=7. The answer is: 7",
    "Five cats have 4 legs each. How many legs?": "5*4=20. The answer is: 20",
    "A book costs 8 and a pen 2. How much together?": "8+2=10. The answer is: 10",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch

    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("families")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATHSTRAP_CACHE", str(path / "cache"))
        rows = [{"query": question, "response": answer} for question, answer in QA.items()]
        (path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        yield path


def model_of(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.exists():
        save_family(path, FAMILIES[name], [text for pair in QA.items() for text in pair] * 4)
    return path


def texts_and_tokens(path: Path, **options):
    from transformers import AutoTokenizer

    from mathstrap.train.data import TrainingPair
    from mathstrap.train.prompt import render
    from mathstrap.train.tokens import encode, find_ends

    tokenizer = AutoTokenizer.from_pretrained(path)
    data = DataOptions(prompt="chat", **options)
    question, answer = next(iter(QA.items()))
    texts = render([TrainingPair(question=question, response=answer, seed="s", where="w")], data, tokenizer)
    return tokenizer, texts[0], encode(texts, tokenizer, find_ends(tokenizer, data), 512)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_what_the_template_asks_with_then_its_own_assistant_turn_then_the_end_of_the_turn(folder, name):
    family = FAMILIES[name]
    tokenizer, text, table = texts_and_tokens(model_of(folder, name))
    question, answer = next(iter(QA.items()))
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
    )
    assert text.prompt == asked
    assert text.response == family.before + answer + family.behind
    start = int(table.starts[0])
    assert table.ids[:start].tolist() == tokenizer(asked, add_special_tokens=False).input_ids, "the mask is exact"
    assert tokenizer.decode(table.ids[start:-1].tolist()) == text.response
    assert tokenizer.convert_ids_to_tokens(int(table.ids[-1])) == family.turn_end


@pytest.mark.parametrize("name", NAMES)
def test_samples_share_a_row_only_where_they_do_not_see_each_other(folder, name):
    import contextlib

    from mathstrap.train.model import load_model
    from mathstrap.train.packing import choose_packing

    family = FAMILIES[name]
    path, recipe = str(model_of(folder, name)), TrainRecipe()
    model = load_model(path, recipe, device="cpu", precision="fp32", num_shards=1)
    found = choose_packing(model, recipe, device="cpu", autocast=contextlib.nullcontext(), longest=60)
    assert found.layout == family.layout
    assert bool(found.reason) == (family.layout == "alone")


def test_gpt_oss_under_eager_attention_takes_one_sample_a_row_and_sdpa_is_named_as_absent(folder):
    import contextlib

    from mathstrap.errors import InputError
    from mathstrap.train.model import load_model
    from mathstrap.train.packing import choose_packing

    path, recipe = str(model_of(folder, "gpt-oss")), TrainRecipe(attention="eager")
    model = load_model(path, recipe, device="cpu", precision="fp32", num_shards=1)
    assert choose_packing(model, recipe, device="cpu", autocast=contextlib.nullcontext(), longest=60).layout == "alone"
    with pytest.raises(InputError, match="attention=sdpa: this model does not have it"):
        load_model(path, TrainRecipe(attention="sdpa"), device="cpu", precision="fp32", num_shards=1)


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name in ("qwen2.5-base", "lfm2") else pytest.mark.slow) for name in FAMILIES
])  # fmt: skip
def test_a_memorised_answer_ends_by_itself_in_plain_transformers(folder, name):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from mathstrap.train.sft import train

    family = FAMILIES[name]
    recipe = TrainRecipe(
        model=str(model_of(folder, name)), out=str(folder / f"out-{name}"), global_batch=4, micro_tokens=600,
        data=DataOptions(path=str(folder / "rows.jsonl"), prompt="chat", max_length=160), lr=family.lr, warmup=0.1,
        max_steps=60, epochs=60, save_every=60,
    )  # fmt: skip
    report = train(recipe)
    assert report is not None
    assert report.loss < 0.2, report.loss
    manifest = json.loads((folder / f"out-{name}" / "manifest.json").read_text())
    assert manifest["packing"]["layout"] == family.layout
    assert manifest["end"]["text"] == family.turn_end
    tokenizer = AutoTokenizer.from_pretrained(report.files["model"])
    model = AutoModelForCausalLM.from_pretrained(report.files["model"])
    end = tokenizer.convert_tokens_to_ids(family.turn_end)
    ends = model.generation_config.eos_token_id
    assert end in (ends if isinstance(ends, list) else [ends])
    right = 0
    for question, answer in QA.items():
        asked = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        made = model.generate(**asked, do_sample=False, max_new_tokens=60)[0, asked["input_ids"].shape[1] :].tolist()
        right += made[-1] == end and tokenizer.decode(made[:-1]) == family.before + answer + family.behind
    assert right == len(QA)
    found = evaluate_student(folder, report.files["model"])
    assert found.accuracy.value == 1.0
    assert found.truncated.value == 0.0


def evaluate_student(folder: Path, model: str):
    """Return the summary of the memorised questions, asked as `mathstrap eval` asks a student by default."""
    from mathstrap.backends import TeacherOptions
    from mathstrap.evaluate import EvalOptions, evaluate

    rows = [{"question": question, "answer": f"#### {text.split()[-1]}"} for question, text in QA.items()]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    teacher = TeacherOptions(backend="hf", model_path=model, settings={"device": "cpu"})
    out = str(Path(model).parent / "eval")
    result = evaluate(EvalOptions(benchmarks=(f"gsm8k={folder / 'test.jsonl'}",), teacher=teacher, out=out))
    return result.evaluation.summaries[0]


@pytest.mark.parametrize("name", [
    # In DeepSeek's kind peft takes the dense layers' names for the experts'.
    pytest.param(name, marks=() if FAMILIES[name].is_quick or name == "deepseek-v3" else pytest.mark.slow)
    for name in FAMILIES
])  # fmt: skip
def test_an_adapter_covers_attention_mlp_and_experts_and_says_what_it_leaves_out(folder, name):
    from peft.tuners.lora import LoraLayer
    from peft.tuners.lora.layer import ParamWrapper
    from transformers import AutoModelForCausalLM

    from mathstrap.train.lora import cover, with_adapter

    family = FAMILIES[name]
    model = AutoModelForCausalLM.from_pretrained(model_of(folder, name))
    found = cover(model, LoraOptions())
    assert " ".join(sorted({module.rpartition(".")[2] for module in found.modules})) == " ".join(
        sorted(family.adapted.split())
    )
    assert bool(found.experts) == family.has_experts
    assert any("output layer" in reason for reason in found.left_out)
    adapted = with_adapter(model, TrainRecipe(method="lora", lr=2e-4))
    trained = [key for key, weight in adapted.named_parameters() if weight.requires_grad]
    assert trained
    assert all("lora_" in key for key in trained)
    layers = {
        (key.replace(".base_layer", ""), layer.parameter_name if isinstance(layer, ParamWrapper) else "weight")
        for key, layer in adapted.base_model.model.named_modules() if isinstance(layer, LoraLayer)
    }  # fmt: skip
    assert layers == {(key, "weight") for key in found.modules} | {tuple(key.rsplit(".", 1)) for key in found.experts}


def rendered(path: Path, row: dict, **options):
    from transformers import AutoTokenizer

    from mathstrap.train.data import to_pairs
    from mathstrap.train.prompt import render

    return render(to_pairs(row, "rows:1"), DataOptions(prompt="chat", **options), AutoTokenizer.from_pretrained(path))


THOUGHT = {"role": "assistant", "reasoning_content": "one and one", "content": "The answer is: 2"}
ASKED = {"role": "user", "content": "1+1?"}


@pytest.mark.parametrize(
    ("name", "response", "is_lost"),
    [
        ("qwen3", "<think>\none and one\n</think>\n\nThe answer is: 2", False),
        ("gpt-oss", "<|channel|>analysis<|message|>one and one<|end|><|start|>assistant<|channel|>final<|message|>"
         "The answer is: 2", False),
        ("deepseek-r1", "one and one\n</think>\n\nThe answer is: 2", False),
        ("nemotron-h", "one and one\n</think>\n\nThe answer is: 2\n", False),
        ("gemma-3", "The answer is: 2", True),
    ],
)  # fmt: skip
def test_reasoning_goes_where_the_template_puts_it_or_is_counted(folder, name, response, is_lost):
    path = model_of(folder, name)
    (text,) = rendered(path, {"messages": [ASKED, THOUGHT]})
    assert (text.response, text.lost_reasoning) == (response, is_lost)
    inline = {"role": "assistant", "content": "<think>\none and one\n</think>\n\nThe answer is: 2"}
    (text,) = rendered(path, {"messages": [ASKED, inline]})
    assert text.response == (response if not is_lost else inline["content"]), "what the row wrote itself is kept"
    assert not text.lost_reasoning


def test_template_arguments_decide_what_a_sample_is_asked_with(folder):
    path = model_of(folder, "qwen3")
    (text,) = rendered(path, {"query": "1+1?", "response": "2"}, template_args={"enable_thinking": False})
    assert text.prompt.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert text.response == "2"


def test_every_answer_of_a_conversation_is_learnt_once_after_the_turns_before_it(folder):
    parts = [{"type": "text", "text": "And "}, {"type": "text", "text": "3+3?"}]
    turns = [ASKED, THOUGHT, {"role": "user", "content": parts}, {"role": "assistant", "content": "6"}]
    first, second = rendered(model_of(folder, "qwen3"), {"messages": turns})
    assert first.response.endswith("The answer is: 2")
    asked = "The answer is: 2<|im_end|>\n<|im_start|>user\nAnd 3+3?<|im_end|>\n<|im_start|>assistant\n"
    assert second.prompt.endswith(asked)
    assert "one and one" not in second.prompt, "templates take the reasoning out of earlier turns"


def test_a_template_that_refuses_a_system_turn_is_a_sentence(folder):
    from mathstrap.errors import InputError

    with pytest.raises(InputError, match=r"rows:1: the model's chat template refuses the turns system, user"):
        rendered(model_of(folder, "gemma-2"), {"query": "q", "response": "r"}, system="You are a tutor.")


def test_a_system_turn_that_the_template_moves_is_in_the_prompt(folder):
    (text,) = rendered(model_of(folder, "mistral"), {"query": "q", "response": "He has 7."}, system="You are a tutor.")
    assert text.prompt == "<s>[INST] You are a tutor.\n\nq[/INST]"
    assert text.response == " He has 7."


def test_a_date_in_a_template_is_the_day_the_run_began(folder):
    import datetime

    from transformers import AutoTokenizer

    from mathstrap.train.data import to_pairs
    from mathstrap.train.prompt import render

    tokenizer = AutoTokenizer.from_pretrained(model_of(folder, "gpt-oss"))
    pairs = to_pairs({"query": "q", "response": "r"}, "w")
    (text,) = render(pairs, DataOptions(prompt="chat"), tokenizer, day=datetime.date(2026, 1, 31))
    assert "Date: 2026-01-31" in text.prompt


def test_a_response_that_spells_a_mark_which_no_tokenizer_setting_names_is_dropped(folder):
    from transformers import AutoTokenizer

    from mathstrap.train.data import to_pairs
    from mathstrap.train.prompt import render
    from mathstrap.train.tokens import encode, find_ends

    tokenizer, data = AutoTokenizer.from_pretrained(model_of(folder, "gemma-3")), DataOptions(prompt="chat")
    pairs = [to_pairs({"query": "q", "response": text}, "w")[0] for text in ("2<end_of_turn>3", "2")]
    table = encode(render(pairs, data, tokenizer), tokenizer, find_ends(tokenizer, data), 512)
    assert table.dropped == {"special_token": 1}
    assert len(table) == 1
