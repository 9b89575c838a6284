"""`mathstrap train --dry-run` says what a training would do, refuses what it would refuse, and writes nothing."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.testing import CliRunner

import tiny_llama
from mathstrap.cli import app
from mathstrap.errors import InputError
from mathstrap.train import TrainRecipe
from mathstrap.train.preview import preview_training


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch

    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("preview")
    tiny_llama.save_llama(path / "llama")
    tiny_llama.write_samples(path / "samples.jsonl", 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATHSTRAP_CACHE", str(path / "cache"))
        yield path


def recipe_of(folder, **changes):
    settings = {"model": str(folder / "llama"), "out": str(folder / "out"), "global_batch": 8, "epochs": 2}
    data = {"path": str(folder / "samples.jsonl"), **changes.pop("data", {})}
    from mathstrap.recipe import build_recipe

    return build_recipe(TrainRecipe, {**settings, **changes, "data": data}, "test")


def files_of(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_dry_run_says_what_would_be_trained_and_leaves_nothing(folder):
    before = files_of(folder)
    keys = [f"model={folder / 'llama'}", f"data.path={folder / 'samples.jsonl'}", f"out={folder / 'out'}"]
    keys += ["global_batch=2", "data.max_length=55", "data.validation=0.3"]
    ended = CliRunner().invoke(app, ["train", "lora-tiny", *keys, "--dry-run"])
    assert ended.exit_code == 0, ended.output
    assert files_of(folder) == before
    shown = " ".join(ended.output.split())
    for text in (
        "How many apples does Ann have?<|im_end|>", "and what it learns", "The answer is:", "too long", "held out",
        "of them learnt", "q_proj (2)", "lm_head: the output layer", "samples share rows", "GB at a step's peak",
        "nothing was trained",
    ):  # fmt: skip
        assert text in shown


@pytest.mark.slow
def test_what_is_said_is_what_a_training_then_does(folder):
    from mathstrap.train.sft import train

    recipe = recipe_of(folder, method="lora", out=str(folder / "trained"), data={"validation": 0.2})
    found = preview_training(recipe)
    assert found.first.prompt.endswith("### Response:")
    assert found.first.learnt.endswith("<|im_end|>")
    report = train(recipe)
    manifest = json.loads((folder / "trained" / "manifest.json").read_text())
    assert (found.num_steps, len(found.table), found.held_out) == (
        report.num_steps, report.num_samples, manifest["data"]["held_out"]
    )  # fmt: skip
    assert manifest["model"] == {"parameters": found.num_parameters, "trained": found.num_trained}
    assert manifest["packing"]["layout"] == found.packing.layout
    assert manifest["adapter"]["left_out"] == found.coverage.left_out
    assert manifest["batch"]["accumulation"] == found.cut.accumulation
    assert found.peak_bytes == pytest.approx(manifest["estimated_peak_bytes"], rel=0.05)
    assert preview_training(recipe).resumes_at == report.num_steps
    with pytest.raises(InputError, match="holds a run with other settings"):
        preview_training(recipe_of(folder, method="lora", out=str(folder / "trained")))


@pytest.mark.parametrize("change", [{"method": "qlora"}, {"lora": {"variant": "pissa"}}, {"checkpoint_layers": True}])
def test_a_model_too_large_to_build_is_measured_by_its_shapes(folder, tmp_path, change):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(folder / "llama" / name, tmp_path / name)
    config = json.loads((folder / "llama" / "config.json").read_text())
    config |= {"hidden_size": 4096, "intermediate_size": 28672, "num_hidden_layers": 2, "tie_word_embeddings": False}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = preview_training(recipe_of(folder, model=str(tmp_path), precision="fp32", **{"method": "lora", **change}))
    assert found.num_parameters > 5e8
    assert found.packing is None
    weight_bytes = {"qlora": 0.52, "lora": 4}[change.get("method", "lora")] * (found.num_parameters - found.num_trained)
    assert found.fixed_bytes == pytest.approx(weight_bytes + 16 * found.num_trained, rel=0.05)
    assert found.peak_bytes > found.fixed_bytes


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"precision": "bf16"}, "precision=bf16"),
        ({"attention": "flash_attention_2"}, "attention=flash_attention_2: the package is not installed"),
        ({"report_to": "nope"}, "report_to=nope: nope is not supported"),
        ({"liger": True}, "liger=true"),
    ],
)
def test_a_setting_this_machine_cannot_follow_is_refused_before_data_and_model_are_read(
    folder, monkeypatch, change, sentence
):
    if "precision" in change:
        monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
        monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False)
    from mathstrap.train.sft import train

    recipe = recipe_of(folder, model="absent/model", data={"path": "absent.jsonl"}, **change)
    for work in (preview_training, train):
        with pytest.raises(InputError, match=sentence):
            work(recipe)
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": "absent folder"}, "model: absent folder is neither a folder"),
        ({"data": {"path": "absent.jsonl"}}, "absent.jsonl: no such file"),
        ({"data": {"max_length": 8}}, r"no sample is left of 40 samples: dropped 40 too long. Raise data.max_length"),
        ({"data": {"limit": 1}}, "1 sample: fewer than one batch of 8"),
        ({"data": {"validation": 0.001}}, "of 40 samples none is left for validation"),
        ({"lora": {"targets": "q_prj"}, "method": "lora"}, 'no linear layer "q_prj"'),
        ({"data": {"prompt": "chat", "template_args": {"messages": []}}}, "data.template_args: messages is"),
    ],
)
def test_bad_input_is_a_sentence_and_leaves_nothing(folder, change, sentence):
    with pytest.raises(InputError, match=sentence):
        preview_training(recipe_of(folder, **change))
    assert not (folder / "out").exists()
