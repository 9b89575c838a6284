"""Write the config file and the rows with which another trainer makes the same training run.

The data are read, checked and split exactly as `mathstrap train` does. A trainer is one entry of TRAINERS.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError
from mathstrap.files.private import plain_folder
from mathstrap.files.tables import write_atomically
from mathstrap.train.chat import Turn
from mathstrap.train.data import TrainingPair, load_pairs
from mathstrap.train.lora import ALL_LINEAR, words
from mathstrap.train.options import DataOptions, TrainRecipe
from mathstrap.train.prompt import metamath_text

Row = dict[str, Any]
MAX_MICRO_BATCH = 8
# Options that no other trainer's config has; a recipe that sets one of these gets a comment at the head of the config.
NOT_CARRIED = ("best", "artefacts", "divergence", "attention", "shard", "compile", "micro_tokens", "liger")


@dataclass(frozen=True, kw_only=True)
class ConfigFacts:
    """The recipe, and the values of a config that follow from the recipe and the data."""

    recipe: TrainRecipe
    has_held_out: bool
    micro_batch: int
    accumulation: int
    warmup_steps: int
    is_chat: bool


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """Another trainer: the name of its config, the command that runs it, and how to write its rows and settings."""

    about: str
    config: str
    command: str
    row: Callable[[TrainingPair, DataOptions], Row]
    settings: Callable[[ConfigFacts], Row]
    more_files: Callable[[ConfigFacts], Mapping[str, Row]] = lambda _: {}


@dataclass(frozen=True, kw_only=True)
class Emitted:
    """The folder that was written, its files, and the command that trains."""

    folder: Path
    files: tuple[str, ...]
    num_train: int
    num_held_out: int
    skipped: dict[str, int]
    command: str


def emit(trainer: str, recipe: TrainRecipe, folder: Path) -> Emitted:
    """Write config and data for a trainer into a folder; paths in the config are relative to it.

    Raises InputError where the recipe names no model that another trainer can load, and what reading data raises.
    """
    chosen = TRAINERS[trainer]
    if recipe.model == "embedded":
        raise InputError(
            'model: "embedded" is Mathstrap\'s own. Name a model that every trainer loads, a folder or a name on the '
            "hub, for example model=Qwen/Qwen2.5-0.5B data.prompt=chat."
        )
    pairs = load_pairs(recipe.data, rng_seed=recipe.rng_seed)
    facts = facts_of(recipe, num_train=len(pairs.train), has_held_out=bool(pairs.held_out))
    folder.mkdir(parents=True, exist_ok=True)
    plain_folder(folder / "data")
    files = {"data/train.jsonl": pairs.train} | ({"data/validation.jsonl": pairs.held_out} if pairs.held_out else {})
    (folder / "data" / "validation.jsonl").unlink(missing_ok=True)
    for name, part in files.items():
        write_atomically(folder / name, lines_of(chosen.row(pair, recipe.data) for pair in part))
    more = chosen.more_files(facts)
    for name, value in more.items():
        write_atomically(folder / name, [json.dumps(value, indent=2).encode() + b"\n"])
    write_atomically(folder / chosen.config, [config_text(chosen, facts).encode()])
    return Emitted(
        folder=folder,
        files=(chosen.config, *files, *more),
        num_train=len(pairs.train),
        num_held_out=len(pairs.held_out),
        skipped=pairs.skipped,
        command=f"cd {shlex.quote(str(folder))} && {chosen.command}",
    )


def facts_of(recipe: TrainRecipe, *, num_train: int, has_held_out: bool) -> ConfigFacts:
    """Return the config's facts: how a global batch is cut for one process, and the number of warm-up steps."""
    micro = max(size for size in range(1, MAX_MICRO_BATCH + 1) if recipe.global_batch % size == 0)
    steps = recipe.max_steps or math.ceil(math.ceil(num_train / recipe.global_batch) * recipe.epochs)
    return ConfigFacts(
        recipe=recipe,
        has_held_out=has_held_out,
        micro_batch=micro,
        accumulation=recipe.global_batch // micro,
        warmup_steps=math.ceil(steps * recipe.warmup),
        is_chat=recipe.data.prompt == "chat",
    )


def lines_of(rows: Iterable[Row]) -> Iterable[bytes]:
    """Return rows as JSON lines."""
    return (json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n" for row in rows)


def config_text(trainer: Trainer, facts: ConfigFacts) -> str:
    """Return a config as YAML: what it is, what it leaves out, its settings."""
    import yaml

    recipe, plain = facts.recipe, TrainRecipe()
    left = [name for name in NOT_CARRIED if getattr(recipe, name) != getattr(plain, name)]
    head = [
        f"# {trainer.about}: {trainer.command}",
        f"# {recipe.global_batch} samples a step on one process; on N, divide gradient_accumulation_steps by N.",
        *([f"# Settings of the recipe that have no place here: {', '.join(left)}."] if left else []),
    ]
    body: str = yaml.safe_dump(trainer.settings(facts), sort_keys=False, width=120)
    return "\n".join(head) + "\n" + body


def turns_of(pair: TrainingPair, options: DataOptions) -> list[Turn]:
    """Return the turns before the response."""
    system = pair.system or options.system
    return [*([{"role": "system", "content": system}] if system else []), *pair.turns]


def answer_turn(pair: TrainingPair) -> Turn:
    """Return the turn that is learnt, with its reasoning and its tool calls where the pair has them."""
    reasoning = {"reasoning_content": pair.reasoning} if pair.reasoning else {}
    calls = {"tool_calls": list(pair.calls)} if pair.calls else {}
    return {"role": "assistant", **reasoning, "content": pair.response, **calls}


def tools_column(pair: TrainingPair) -> Row:
    """Return the column of a pair's tools: JSON, because a table of different objects gives each the keys of all."""
    return {"tools": json.dumps(pair.tools, ensure_ascii=False)} if pair.tools else {}


def texts_row(pair: TrainingPair, _: DataOptions) -> Row:
    """Return prompt and completion as the texts the paper trains on."""
    text = metamath_text(pair)
    return {"prompt": text.prompt, "completion": text.response}


def messages_row(pair: TrainingPair, options: DataOptions) -> Row:
    """Return one list of turns, or the two texts of the paper's prompt."""
    if options.prompt != "chat":
        return texts_row(pair, options)
    return {"messages": [*turns_of(pair, options), answer_turn(pair)], **tools_column(pair)}


def llama_factory_row(pair: TrainingPair, options: DataOptions) -> Row:
    """Return one list of turns; raises InputError for tools, whose calls LLaMA-Factory takes as turns of their own."""
    if pair.uses_tools:
        raise InputError(
            f"{pair.where}: the row has tools, which are not written for LLaMA-Factory. Export for trl or axolotl."
        )
    return messages_row(pair, options)


def trl_row(pair: TrainingPair, options: DataOptions) -> Row:
    """Return TRL's prompt and completion, whose loss is on the completion alone; turns for a chat template."""
    if options.prompt != "chat":
        return texts_row(pair, options)
    return {"prompt": turns_of(pair, options), "completion": [answer_turn(pair)], **tools_column(pair)}


def schedule(facts: ConfigFacts) -> Row:
    """Return the settings that every trainer calls by the same name, because each passes them to transformers."""
    recipe = facts.recipe
    return {
        "learning_rate": recipe.lr,
        "weight_decay": recipe.weight_decay,
        "warmup_steps": facts.warmup_steps,
        "max_grad_norm": recipe.max_grad_norm,
        "gradient_accumulation_steps": facts.accumulation,
        "gradient_checkpointing": recipe.checkpoint_layers,
        "logging_steps": recipe.log_every,
        "save_total_limit": recipe.keep_checkpoints,
        "seed": recipe.rng_seed,
    } | ({"max_steps": recipe.max_steps} if recipe.max_steps else {})


def saving(facts: ConfigFacts) -> Row:
    """Return when the Trainer of transformers saves and validates."""
    recipe = facts.recipe
    every = {"save_strategy": "steps", "save_steps": recipe.save_every} if recipe.save_every else {}
    settings: Row = every or {"save_strategy": "epoch"}
    if facts.has_held_out:
        steps = recipe.eval_every or recipe.save_every
        settings |= {"eval_strategy": "steps", "eval_steps": steps} if steps else {"eval_strategy": "epoch"}
    return settings


def trainer_settings(facts: ConfigFacts) -> Row:
    """Return what TRL and LLaMA-Factory take by the names of the Trainer of transformers."""
    recipe = facts.recipe
    return {
        "model_name_or_path": recipe.model,
        "output_dir": recipe.out,
        "num_train_epochs": recipe.epochs,
        "per_device_train_batch_size": facts.micro_batch,
        "per_device_eval_batch_size": facts.micro_batch,
        **schedule(facts),
        "lr_scheduler_type": recipe.schedule,
        "optim": "adamw_torch",
        "bf16": recipe.precision != "fp32",
        **saving(facts),
        "report_to": list(recipe.report_to) or "none",
    }


def lora_settings(recipe: TrainRecipe, *, every_layer: Row) -> Row:
    """Return what TRL and Axolotl call the adapter's settings; `every_layer` is a trainer's word for all-linear."""
    lora = recipe.lora
    targets = every_layer if lora.targets == ALL_LINEAR else {"lora_target_modules": list(words(lora.targets))}
    return {"lora_r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout, **targets}


def trl_settings(facts: ConfigFacts) -> Row:
    """Return the config of `trl sft`."""
    recipe = facts.recipe
    settings: Row = {
        "dataset_name": "data",
        "dataset_train_split": "train",
        **({"dataset_test_split": "validation"} if facts.has_held_out else {}),
        "max_length": recipe.data.max_length,
        "completion_only_loss": True,
        "packing": False,
        **trainer_settings(facts),
    }
    if recipe.method != "full":
        settings |= {"use_peft": True, **lora_settings(recipe, every_layer={"lora_target_modules": ["all-linear"]})}
    if recipe.method == "qlora":
        settings |= {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "use_bnb_nested_quant": True}
    return settings


def axolotl_settings(facts: ConfigFacts) -> Row:
    """Return the config of `axolotl train`."""
    recipe = facts.recipe
    kind: Row | str = "chat_template"
    if not facts.is_chat:
        kind = {
            "system_prompt": "", "field_instruction": "prompt", "field_output": "completion",
            "format": "{instruction}", "no_input_format": "{instruction}",
        }  # fmt: skip
    rows: Row = {"ds_type": "json", "type": kind, **({"field_messages": "messages"} if facts.is_chat else {})}
    held_out = {"path": "data/validation.jsonl", "split": "train", **rows}
    settings: Row = {
        "base_model": recipe.model,
        **({"chat_template": "tokenizer_default"} if facts.is_chat else {}),
        "datasets": [{"path": "data/train.jsonl", **rows}],
        **({"test_datasets": [held_out]} if facts.has_held_out else {}),
        "dataset_prepared_path": "prepared",
        "output_dir": recipe.out,
        "sequence_len": recipe.data.max_length,
        "train_on_inputs": False,
        "sample_packing": False,
        "num_epochs": recipe.epochs,
        "micro_batch_size": facts.micro_batch,
        **schedule(facts),
        "lr_scheduler": recipe.schedule,
        "optimizer": "adamw_torch",
        "bf16": {"bf16": True, "fp32": False, "auto": "auto"}[recipe.precision],
        **({"save_steps": recipe.save_every} if recipe.save_every else {"saves_per_epoch": 1}),
    }
    if facts.has_held_out:
        steps = recipe.eval_every or recipe.save_every
        settings |= {"eval_steps": steps} if steps else {"evals_per_epoch": 1}
    if recipe.method != "full":
        settings |= {"adapter": recipe.method, **lora_settings(recipe, every_layer={"lora_target_linear": True})}
    return settings | ({"load_in_4bit": True} if recipe.method == "qlora" else {})


def llama_factory_settings(facts: ConfigFacts) -> Row:
    """Return the config of `llamafactory-cli train`."""
    recipe = facts.recipe
    settings: Row = {
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full" if recipe.method == "full" else "lora",
        "dataset_dir": "data",
        "dataset": "train",
        **({"eval_dataset": "validation"} if facts.has_held_out else {}),
        # A chat model's template is read off its tokenizer; `fewshot` adds nothing before a text of our own.
        **({} if facts.is_chat else {"template": "fewshot"}),
        "cutoff_len": recipe.data.max_length,
        **trainer_settings(facts),
    }
    if recipe.method != "full":
        lora = recipe.lora
        settings |= {
            "lora_rank": lora.r, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout,
            "lora_target": "all" if lora.targets == ALL_LINEAR else ",".join(words(lora.targets)),
        }  # fmt: skip
    if recipe.method == "qlora":
        settings |= {"quantization_bit": 4, "quantization_method": "bnb", "quantization_type": "nf4"}
    return settings


def llama_factory_info(facts: ConfigFacts) -> dict[str, Row]:
    """Return data/dataset_info.json, by which LLaMA-Factory knows a dataset's columns."""
    if facts.is_chat:
        tags = {
            "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
            "system_tag": "system",
        }  # fmt: skip
        shape: Row = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": tags}
    else:
        shape = {"formatting": "alpaca", "columns": {"prompt": "prompt", "response": "completion"}}
    names = ["train", *(["validation"] if facts.has_held_out else [])]
    return {"data/dataset_info.json": {name: {"file_name": f"{name}.jsonl", **shape} for name in names}}


TRAINERS: dict[str, Trainer] = {
    "trl": Trainer(
        about="TRL", config="trl.yaml", command="trl sft --config trl.yaml", row=trl_row, settings=trl_settings
    ),
    "axolotl": Trainer(
        about="Axolotl", config="axolotl.yaml", command="axolotl train axolotl.yaml", row=messages_row,
        settings=axolotl_settings,
    ),
    "llama-factory": Trainer(
        about="LLaMA-Factory", config="llama-factory.yaml", command="llamafactory-cli train llama-factory.yaml",
        row=llama_factory_row, settings=llama_factory_settings, more_files=llama_factory_info,
    ),
}  # fmt: skip


def with_data(recipe: TrainRecipe, path: Path) -> TrainRecipe:
    """Return the recipe with its rows read from a run directory's samples, or from a file."""
    chosen = path / "samples.jsonl" if path.is_dir() else path
    if not chosen.exists():
        raise InputError(f"{chosen}: no such file. Name a run directory that holds samples, or a file of rows.")
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, path=str(chosen)))
