"""Config and data for other trainers: what is written, and that each trainer's own code reads it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mathstrap.errors import InputError
from mathstrap.train import TrainRecipe
from mathstrap.train.emit import TRAINERS, emit, with_data
from mathstrap.train.options import BestOptions, DataOptions, LoraOptions
from mathstrap.train.prompt import metamath_prompt
from tiny_llama import save_llama, write_samples

HERE = Path(__file__).parents[1] / "support"


def recipe_of(folder: Path, **changes: Any) -> TrainRecipe:
    """A recipe over 64 rows of 16 seeds."""
    data = {"validation": 0.3, "prompt": "chat"} | changes.pop("data", {})
    values = {"model": "some/model", "out": "model", "global_batch": 12, "precision": "fp32"} | changes
    recipe = TrainRecipe(data=DataOptions(**data), **values)
    return with_data(recipe, write_samples(folder / "samples.jsonl"))


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("trainer", sorted(TRAINERS))
@pytest.mark.parametrize("prompt", ["chat", "metamath-2024"])
def test_a_folder_holds_config_and_rows_and_names_no_path_of_this_machine(
    tmp_path: Path, trainer: str, prompt: str
) -> None:
    recipe = recipe_of(tmp_path, data={"prompt": prompt})
    made = emit(trainer, recipe, tmp_path / "out")
    assert {str(path.relative_to(made.folder)) for path in made.folder.rglob("*") if path.is_file()} == set(made.files)
    assert made.num_train + made.num_held_out == 64
    train, held_out = (rows_of(made.folder / "data" / f"{part}.jsonl") for part in ("train", "validation"))
    assert (len(train), len(held_out)) == (made.num_train, made.num_held_out)
    assert made.num_held_out > 0
    text = (made.folder / TRAINERS[trainer].config).read_text()
    assert str(tmp_path) not in text
    config = yaml.safe_load(text)
    assert config["gradient_accumulation_steps"] == 2
    assert config["learning_rate"] == recipe.lr
    if prompt == "metamath-2024":
        first = rows_of(tmp_path / "samples.jsonl")[0]
        assert {"prompt": metamath_prompt(first["query"]), "completion": first["response"]} in train + held_out


def test_the_rate_climbs_for_the_recipes_share_of_the_steps(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, data={"validation": 0.0}, epochs=3.0, warmup=0.1)
    emit("trl", recipe, tmp_path / "out")
    config = yaml.safe_load((tmp_path / "out" / "trl.yaml").read_text())
    assert config["warmup_steps"] == 2  # 64 rows in steps of 12, three times, a tenth of it
    assert "eval_strategy" not in config
    assert not (tmp_path / "out" / "data" / "validation.jsonl").exists()


@pytest.mark.parametrize(
    ("trainer", "adapter", "rank"),
    [
        ("trl", {"use_peft": True, "load_in_4bit": True}, "lora_r"),
        ("axolotl", {"adapter": "qlora", "load_in_4bit": True}, "lora_r"),
        ("llama-factory", {"finetuning_type": "lora", "quantization_bit": 4}, "lora_rank"),
    ],
)
def test_qlora_is_each_trainers_own_words(tmp_path: Path, trainer: str, adapter: dict[str, Any], rank: str) -> None:
    recipe = recipe_of(tmp_path, method="qlora", lora=LoraOptions(r=96, alpha=16))
    emit(trainer, recipe, tmp_path / "out")
    config = yaml.safe_load((tmp_path / "out" / TRAINERS[trainer].config).read_text())
    assert adapter.items() <= config.items()
    assert (config[rank], config["lora_alpha"]) == (96, 16)


def test_what_another_trainer_cannot_do_is_said_in_the_config(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, artefacts=("gguf",), best=BestOptions(metric="loss"))
    emit("axolotl", recipe, tmp_path / "out")
    assert "no place here: best, artefacts." in (tmp_path / "out" / "axolotl.yaml").read_text()


def test_the_embedded_model_is_refused_with_what_to_name_instead(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="for example model=Qwen"):
        emit("trl", recipe_of(tmp_path, model="embedded"), tmp_path / "out")


def test_the_command_line_writes_beside_the_run(tmp_path: Path) -> None:
    write_samples(tmp_path / "samples.jsonl")
    settings = ["model=m", "data.prompt=chat"]
    command = [sys.executable, "-m", "mathstrap", "export", ".", *settings, "--for", "llama-factory"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "Train: cd for-llama-factory && llamafactory-cli train llama-factory.yaml" in done.stdout
    assert (tmp_path / "for-llama-factory" / "data" / "dataset_info.json").exists()
    command[-1] = "trll"
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert 'Did you mean "trl"' in done.stderr


def python_with(package: str, variable: str) -> str:
    """The interpreter that has a trainer, or a skip that says how to name one."""
    if named := os.environ.get(variable, ""):
        return named
    if importlib.util.find_spec(package) is not None:
        return sys.executable
    pytest.skip(f"{package} is not installed here; set {variable} to a Python that has it")


def read_by(trainer: str, python: str, script: str, folder: Path, prompt: str) -> tuple[dict[str, Any], str, str]:
    """Emit two steps of LoRA on a tiny Llama and let the trainer read it; return what it saw, question and answer."""
    model = save_llama(folder / "tiny")
    recipe = recipe_of(
        folder, model=str(model), data={"prompt": prompt}, method="lora", lora=LoraOptions(r=4), max_steps=2,
        global_batch=4,
    )  # fmt: skip
    made = emit(trainer, recipe, folder / "out")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, str(HERE / script), str(made.folder)], capture_output=True, text=True, timeout=1700, check=False,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    seen = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"whole"'))
    row = rows_of(made.folder / "data" / "train.jsonl")[0]
    if prompt == "metamath-2024":
        return seen, row["prompt"], row["completion"]
    turns = row.get("messages") or [*row["prompt"], *row["completion"]]
    return seen, turns[0]["content"], turns[1]["content"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("prompt", ["chat", "metamath-2024"])
def test_trl_trains_two_steps(tmp_path: Path, prompt: str) -> None:
    python = python_with("trl", "MATHSTRAP_TRL_PYTHON")
    seen, asked, answered = read_by("trl", python, "trl_training.py", tmp_path, prompt)
    assert asked in seen["whole"]
    assert asked not in seen["learnt"]
    assert seen["learnt"].rstrip() == f"{answered}<|im_end|>"
    state = json.loads(next((tmp_path / "out" / "model").glob("checkpoint-2/trainer_state.json")).read_text())
    assert state["global_step"] == 2
    assert all(entry["loss"] > 0 for entry in state["log_history"] if "loss" in entry)
    assert (tmp_path / "out" / "model" / "adapter_model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("prompt", "end"), [("chat", "<|im_end|>"), ("metamath-2024", "\n\n<|im_end|>")])
def test_llama_factory_reads_config_and_data(tmp_path: Path, prompt: str, end: str) -> None:
    python = python_with("llamafactory", "MATHSTRAP_LLAMA_FACTORY_PYTHON")
    seen, asked, answered = read_by("llama-factory", python, "llama_factory_data.py", tmp_path, prompt)
    assert asked in seen["whole"]
    assert seen["learnt"].rstrip() == (answered + end).rstrip()
    assert seen["rows"] + seen["held_out"] == 64
    assert (seen["method"], seen["steps"]) == ("lora", 2)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("prompt", ["chat", "metamath-2024"])
def test_axolotl_accepts_config_and_rows(tmp_path: Path, prompt: str) -> None:
    python = python_with("axolotl", "MATHSTRAP_AXOLOTL_PYTHON")
    seen, asked, answered = read_by("axolotl", python, "axolotl_config.py", tmp_path, prompt)
    assert seen["unknown"] == []
    assert (seen["adapter"], seen["steps"]) == ("lora", 2)
    assert asked in seen["whole"]
    assert answered in seen["learnt"]
    assert asked not in seen["learnt"]
