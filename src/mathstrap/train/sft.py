"""Run a fine-tuning from recipe to model: read, tokenise, load, cut, train or resume, and write what comes out."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import platform
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError, StorageError, missing_extra
from mathstrap.redact import public
from mathstrap.train import checkpoints, finish, hardware
from mathstrap.train.batches import Cut, cut_batch
from mathstrap.train.data import Pairs, load_pairs
from mathstrap.train.model import METHODS, choose_precision, has_bf16, load_model, load_tokenizer, resolve_model
from mathstrap.train.options import TrainRecipe
from mathstrap.train.prompt import render
from mathstrap.train.score import accuracy
from mathstrap.train.tokens import TokenTable, cache_folder, encode_cached, find_ends
from mathstrap.train.trainer import Job, arguments, best_of, build_trainer
from mathstrap.train.watch import Listener, Watch

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
CURVE = "curve.jsonl"
CHECKPOINTS = "checkpoints"
# What may change between a run and its resumption: how fast and how visibly, not what is computed.
FREE_KEYS = {"out", "report_to", "artefacts", "keep_checkpoints", "log_every", "compile", "divergence", "liger"}


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """What a run came to. Losses in nats per response token; `files` by kind: model, adapter, gguf, curve, card."""

    num_steps: int
    num_samples: int
    loss: float
    eval_loss: float | None
    tokens_per_second: float
    chosen_step: int
    files: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a run knows before it loads the model."""

    recipe: TrainRecipe
    setting: hardware.Setting
    precision: str
    is_sharded: bool
    args: Any
    base: str
    tokenizer: Any
    pairs: Pairs
    table: TokenTable
    held_out: TokenTable | None
    folder: Path
    last: Path | None


def train(recipe: TrainRecipe, *, listener: Listener | None = None) -> TrainReport | None:
    """Fine-tune as the recipe says; an interrupted run goes on from its last checkpoint, a finished one only reports.

    Every process of a distributed run calls this; all but the first return None. Raises InputError for what the user
    can fix, StorageError for the disk, DivergedError for a loss that is no number or climbs away.
    """
    ready = prepare(recipe)
    out = Path(recipe.out)
    watch = Watch(path=out / CURVE, divergence=recipe.divergence, listener=listener if ready.setting.is_first else None)
    if ready.last is not None:
        watch.resume(checkpoints.step_of(ready.last), rewrite=ready.setting.is_first)
    elif ready.setting.is_first:
        watch.path.unlink(missing_ok=True)
    if ready.last is None or checkpoints.step_of(ready.last) < num_steps(recipe, len(ready.table)):
        fit(ready, watch)
    if not ready.setting.is_first:
        return None
    steps = [checkpoints.step_of(path) for path in checkpoints.list_checkpoints(ready.folder)]
    chosen = best_of(recipe, watch, ready.folder) or steps[-1]
    with checkpoints.storage_errors(ready.folder):
        files = finish.write_outputs(recipe, out, ready.folder / f"{checkpoints.PREFIX}{chosen}", ready.base, watch)
    return TrainReport(
        num_steps=steps[-1], num_samples=len(ready.table), chosen_step=chosen, files=files,
        loss=watch.points[-1].loss if watch.points else float("nan"),
        eval_loss=watch.validations[-1].eval_loss if watch.validations else None,
        tokens_per_second=watch.points[-1].tokens_per_second if watch.points else 0.0,
    )  # fmt: skip


def prepare(recipe: TrainRecipe) -> Prepared:
    """Check what can be checked and tokenise, before the model is loaded."""
    for package in ("torch", "transformers", "accelerate", "peft"):
        if find_spec(package) is None:
            raise missing_extra(package, "train")
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)
    setting = hardware.find_setting()
    if setting.device == "cpu":
        hardware.hold_memory()
    precision = choose_precision(recipe.precision, has_bf16())
    out = Path(recipe.out)
    folder = out / CHECKPOINTS
    with checkpoints.storage_errors(folder):
        prepare_folder(out)
    is_sharded = choose_sharding(recipe, setting.processes)
    args = arguments(recipe, setting, folder)
    base = resolve_model(recipe.model)
    tokenizer = load_tokenizer(base)
    pairs = load_pairs(recipe.data, rng_seed=recipe.rng_seed)
    with args.main_process_first(desc="tokenising"):
        table = tokenise(pairs.train, tokenizer, recipe)
        held_out = tokenise(pairs.held_out, tokenizer, recipe) if pairs.held_out else None
    if not len(table) or (held_out is not None and not len(held_out)):
        dropped = table.dropped if held_out is None or not len(table) else held_out.dropped
        raise InputError(f"no sample is left of {len(pairs.train)}: dropped {dropped}. Raise data.max_length.")
    last = checkpoints.last_checkpoint(folder)
    if last is not None:
        check_same_run(out, recipe, table, is_sharded=is_sharded)
    return Prepared(
        recipe=recipe, setting=setting, precision=precision, is_sharded=is_sharded, args=args, base=base,
        tokenizer=tokenizer, pairs=pairs, table=table, held_out=held_out, folder=folder, last=last,
    )  # fmt: skip


def fit(ready: Prepared, watch: Watch) -> None:
    """Load the model, cut the batch and train to the last step."""
    import transformers

    recipe, setting, last, out = ready.recipe, ready.setting, ready.last, Path(ready.recipe.out)
    num_shards = setting.processes if ready.is_sharded else 1
    transformers.set_seed(recipe.rng_seed)
    model = load_model(
        str(last) if last is not None and ready.is_sharded else ready.base, recipe, device=setting.device,
        precision=ready.precision, num_shards=num_shards,
    )  # fmt: skip
    found = hardware.footprint(
        model, checkpoint_layers=recipe.checkpoint_layers, precision=ready.precision, device=setting.device
    )
    cut = resumed_cut(out) if last is not None else None
    if cut is None or cut.processes != setting.processes:
        fitting = recipe.micro_tokens or hardware.derive_micro_tokens(
            found, free_bytes=hardware.free_memory(setting), device=setting.device, num_shards=num_shards,
            max_length=recipe.data.max_length,
        )  # fmt: skip
        cut = cut_batch(
            ready.table.lengths.tolist(), global_batch=recipe.global_batch, processes=setting.processes,
            micro_tokens=agreed(ready.args, fitting),
        )  # fmt: skip
    if setting.is_first:
        weights = found.num_parameters if recipe.method == "full" else found.num_trained
        checkpoints.check_room(ready.folder, 4 * weights + 8 * found.num_trained)
        write_manifest(ready, cut, found)
    ready.args.gradient_accumulation_steps = cut.accumulation
    ready.args.per_device_train_batch_size = max(1, round(cut.micro_batch))
    job = Job(
        recipe=recipe, setting=setting, cut=cut, train=ready.table, held_out=ready.held_out, watch=watch,
        folder=ready.folder, precision=ready.precision, is_sharded=ready.is_sharded, score=scorer(ready),
    )  # fmt: skip
    trainer = build_trainer(model, ready.tokenizer, job, ready.args)
    with checkpoints.storage_errors(ready.folder):
        trainer.train(resume_from_checkpoint=str(last) if last is not None else None)


def num_steps(recipe: TrainRecipe, num_samples: int) -> int:
    """Return the optimiser steps of the whole run."""
    return recipe.max_steps or math.ceil(recipe.epochs * math.ceil(num_samples / recipe.global_batch))


def tokenise(pairs: list[Any], tokenizer: Any, recipe: TrainRecipe) -> TokenTable:
    """Return the tokens of pairs, from the cache where they were made before."""
    texts = [render(pair, recipe.data.prompt, tokenizer, recipe.data.system) for pair in pairs]
    ends = find_ends(tokenizer, recipe.data.prompt)
    return encode_cached(texts, tokenizer, ends, recipe.data.max_length, cache_folder())


def scorer(ready: Prepared) -> Any:
    """Return what measures accuracy at a validation, or None where it was not asked for."""
    if ready.recipe.best.metric != "accuracy":
        return None
    if ready.is_sharded:
        raise InputError("best.metric=accuracy answers questions on one process: set shard=off or best.metric=loss.")
    questions = ready.pairs.held_out[: ready.recipe.best.questions]
    return lambda model: accuracy(model, ready.tokenizer, questions, ready.recipe, precision=ready.precision)


def choose_sharding(recipe: TrainRecipe, processes: int) -> bool:
    """Say whether the weights are spread over the processes."""
    can = METHODS[recipe.method].can_shard
    if recipe.shard == "full_shard" and not can:
        raise InputError(f"shard=full_shard: {recipe.method} keeps the frozen weights on each process. Set shard=auto.")
    return processes > 1 and can and recipe.shard != "off"


def agreed(args: Any, micro_tokens: int) -> int:
    """Return the smallest of all processes' numbers, so that all cut alike."""
    if args.world_size == 1:
        return micro_tokens
    import torch

    found = torch.tensor(micro_tokens, device=args.device)
    torch.distributed.all_reduce(found, op=torch.distributed.ReduceOp.MIN)
    return int(found)


def prepare_folder(out: Path) -> None:
    """Create the output folder; raises StorageError where it is no folder."""
    if out.exists() and not out.is_dir():
        raise StorageError(f"{out}: is a file. Name a folder with out=.")
    (out / CHECKPOINTS).mkdir(parents=True, exist_ok=True)


def data_hash(table: TokenTable) -> str:
    """Return a hash of the tokens a run is trained on."""
    digest = hashlib.blake2b(table.ids.tobytes(), digest_size=8)
    digest.update(table.offsets.tobytes() + table.starts.tobytes())
    return digest.hexdigest()


def check_same_run(out: Path, recipe: TrainRecipe, table: TokenTable, *, is_sharded: bool) -> None:
    """Raise InputError where the folder's checkpoints were made by another recipe, from other data, or sharded."""
    manifest = read_manifest(out)
    was_sharded = manifest.get("hardware", {}).get("sharded", False)
    if was_sharded != is_sharded:
        raise InputError(
            f"{out}: its checkpoints are {'sharded' if was_sharded else 'not sharded'}, this run would be other. "
            "Start it with as many processes and the same shard= as before, or name another out=."
        )
    before, after = manifest.get("recipe", {}), json.loads(json.dumps(public(asdict(recipe))))
    changed = [key for key in after if key not in FREE_KEYS and after[key] != before.get(key)]
    if changed:
        found = ", ".join(f"{key}={before.get(key)}" for key in changed)
        raise InputError(
            f"{out}: holds a run with other settings ({found}). Its checkpoints cannot be continued with this recipe. "
            "Name another out=, or delete the folder."
        )
    if manifest.get("data", {}).get("hash") != data_hash(table):
        raise InputError(f"{out}: holds a run on other data. Name another out=, or delete the folder.")


def read_manifest(out: Path) -> dict[str, Any]:
    """Return the manifest of an output folder; empty where there is none."""
    path = out / MANIFEST
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return values


def resumed_cut(out: Path) -> Cut | None:
    """Return the cut of the run that is being resumed: the memory free today must not change its batches."""
    values = read_manifest(out).get("batch")
    names = ("global_batch", "processes", "accumulation", "micro_tokens")
    return Cut(**{name: values[name] for name in names}) if values else None


def write_manifest(ready: Prepared, cut: Cut, found: hardware.Footprint) -> None:
    """Write what the run is: recipe, data, the cut of the batch, precision, versions."""
    import accelerate
    import peft
    import torch
    import transformers

    from mathstrap.version import __version__

    setting, table, held_out, out = ready.setting, ready.table, ready.held_out, Path(ready.recipe.out)
    values = {
        "recipe": public(asdict(ready.recipe)),
        "batch": {**asdict(cut), "micro_batch": cut.micro_batch},
        "data": {
            "hash": data_hash(table), "samples": len(table), "held_out": len(held_out) if held_out else 0,
            "tokens": int(table.lengths.sum()), "response_tokens": int((table.lengths - table.starts).sum()),
            "dropped": table.dropped, "skipped": ready.pairs.skipped, "melted_borders": table.merged,
        },
        "model": {"parameters": found.num_parameters, "trained": found.num_trained},
        "hardware": {
            "device": setting.device, "machine": platform.machine(), "precision": ready.precision,
            "sharded": ready.is_sharded,
            "name": torch.cuda.get_device_name() if setting.device == "cuda" else platform.processor() or "cpu",
        },
        "versions": {
            "mathstrap": __version__, "python": platform.python_version(), "torch": torch.__version__,
            "transformers": transformers.__version__, "peft": peft.__version__, "accelerate": accelerate.__version__,
        },
    }  # fmt: skip
    temporary = out / f"{MANIFEST}.tmp"
    temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    temporary.replace(out / MANIFEST)
