"""Run a fine-tuning from recipe to model: read, tokenise, load, cut, train or resume, and write what comes out."""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
import math
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError, StorageError, counted
from mathstrap.files.private import plain_folder
from mathstrap.files.tables import write_atomically
from mathstrap.redact import public
from mathstrap.train import activations, checkpoints, finish, hardware
from mathstrap.train.batches import Cut, cut_batch
from mathstrap.train.checks import check_here, check_positions, check_samples_left, check_vocabulary
from mathstrap.train.collate import Samples
from mathstrap.train.data import Pairs, load_pairs
from mathstrap.train.ending import set_end
from mathstrap.train.forward import autocast_of
from mathstrap.train.lora import Coverage, doubts
from mathstrap.train.model import (
    blocks_of,
    compile_blocks,
    load_model,
    load_tokenizer,
    model_positions,
    recompute_layers,
    resolve_model,
)
from mathstrap.train.options import TrainRecipe
from mathstrap.train.packing import Packing, choose_packing
from mathstrap.train.prompt import render
from mathstrap.train.score import accuracy
from mathstrap.train.sharded import reshard
from mathstrap.train.tokens import TokenTable, cache_folder, encode_cached, find_ends
from mathstrap.train.watch import Listener, Watch, best_of

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
CURVE = "curve.jsonl"
CHECKPOINTS = "checkpoints"
# Keys that may change when a run resumes: they affect speed and logging, not what is computed.
FREE_KEYS = {"out", "report_to", "artefacts", "keep_checkpoints", "log_every", "compile", "divergence", "liger"}


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """The result of a training. Losses in nats per response token; `files` are by kind: model, adapter, gguf, curve."""

    num_steps: int
    num_samples: int
    loss: float
    eval_loss: float | None
    tokens_per_second: float
    chosen_step: int
    files: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything a run needs before it loads the model."""

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
    end: int
    day: datetime.date
    folder: Path
    last: Path | None


def train(recipe: TrainRecipe, *, listener: Listener | None = None) -> TrainReport | None:
    """Fine-tune as the recipe says; an interrupted run goes on from its last checkpoint, a finished one only reports.

    Every process of a distributed run calls this; all but the first return None. Raises InputError for what the user
    can fix, StorageError for the disk, DivergedError for a loss that is not a number or climbs away.
    """
    ready = prepare(recipe)
    out = Path(recipe.out)
    watch = Watch(path=out / CURVE, divergence=recipe.divergence, listener=listener if ready.setting.is_first else None)
    if ready.last is not None:
        watch.resume(checkpoints.step_of(ready.last), rewrite=ready.setting.is_first)
    elif ready.setting.is_first:
        watch.path.unlink(missing_ok=True)
    if not is_finished(ready, watch):
        fit(ready, watch)
    if not ready.setting.is_first:
        return None
    steps = [checkpoints.step_of(path) for path in checkpoints.list_checkpoints(ready.folder)]
    chosen = best_of(recipe.best, watch, steps) or steps[-1]
    with checkpoints.storage_errors(ready.folder):
        files = finish.write_outputs(recipe, out, ready.folder / f"{checkpoints.PREFIX}{chosen}", ready.base, watch)
    return TrainReport(
        num_steps=steps[-1], num_samples=len(ready.table), chosen_step=chosen, files=files,
        loss=watch.points[-1].loss if watch.points else float("nan"),
        eval_loss=watch.validations[-1].eval_loss if watch.validations else None,
        tokens_per_second=watch.points[-1].tokens_per_second if watch.points else 0.0,
    )  # fmt: skip


def is_finished(ready: Prepared, watch: Watch) -> bool:
    """Say whether the last checkpoint ends the run: it has all steps, or the run stopped early."""
    if ready.last is None:
        return False
    is_complete = checkpoints.step_of(ready.last) >= num_steps(ready.recipe, len(ready.table))
    return is_complete or watch.is_out_of_patience(ready.recipe.best)


def prepare(recipe: TrainRecipe) -> Prepared:
    """Check the recipe and the data and tokenise, before the model is loaded."""
    where = check_here(recipe)
    setting, precision, is_sharded = where.setting, where.precision, where.is_sharded
    if setting.device == "cpu":
        hardware.hold_memory()

    from mathstrap.train.trainer import arguments

    out = Path(recipe.out)
    folder = out / CHECKPOINTS
    with checkpoints.storage_errors(folder):
        prepare_folder(out)
    args = arguments(recipe, setting, folder)
    base = resolve_model(recipe.model)
    tokenizer = load_tokenizer(base)
    pairs = load_pairs(recipe.data, rng_seed=recipe.rng_seed)
    last = checkpoints.last_checkpoint(folder)
    day = first_day(out) if last is not None else datetime.datetime.now(tz=datetime.UTC).date()
    with args.main_process_first(desc="tokenising"):
        table = tokenise(pairs.train, tokenizer, recipe, day=day)
        held_out = tokenise(pairs.held_out, tokenizer, recipe, day=day) if pairs.held_out else None
    check_samples_left(pairs, table, held_out)
    # Too few samples for the batch are found here; what the batch is cut into depends on the model's memory.
    cut_batch(
        table.lengths.tolist(), global_batch=recipe.global_batch, processes=setting.processes,
        micro_tokens=recipe.data.max_length,
    )  # fmt: skip
    if table.lost_reasoning:
        lose = "loses its" if table.lost_reasoning == 1 else "lose their"
        log.warning("%s %s reasoning: the prompt has no place for it", counted(table.lost_reasoning, "sample"), lose)
    check_positions(model_positions(base), table, held_out)
    if last is not None:
        check_same_run(out, recipe, table, is_sharded=is_sharded)
    return Prepared(
        recipe=recipe, setting=setting, precision=precision, is_sharded=is_sharded, args=args, base=base,
        tokenizer=tokenizer, pairs=pairs, table=table, held_out=held_out, end=find_ends(tokenizer, recipe.data).end,
        day=day, folder=folder, last=last,
    )  # fmt: skip


def fit(ready: Prepared, watch: Watch) -> None:
    """Load the model, probe packing, measure memory, cut the batch and train to the last step."""
    import transformers

    from mathstrap.train.trainer import TrainingPlan, build_trainer

    recipe, setting, last, out = ready.recipe, ready.setting, ready.last, Path(ready.recipe.out)
    num_shards = setting.processes if ready.is_sharded else 1
    transformers.set_seed(recipe.rng_seed)
    model = load_model(
        str(last) if last is not None and ready.is_sharded else ready.base, recipe, device=setting.device,
        precision=ready.precision, num_shards=num_shards,
    )  # fmt: skip
    check_vocabulary(model, ready.table, ready.held_out)
    set_end(model, ready.tokenizer, ready.end, recipe.data)
    packing = look_at_packing(ready, model)
    footprint = measure(ready, model, packing)
    if ready.is_sharded:
        reshard(model)
    if recipe.checkpoint_layers:
        recompute_layers(model)
    if recipe.compile:
        compile_blocks(model)
    cut = resumed_cut(out) if last is not None else None
    if cut is None or cut.processes != setting.processes:
        fitting = recipe.micro_tokens or hardware.derive_micro_tokens(
            footprint, free_bytes=hardware.free_memory(setting), device=setting.device, num_shards=num_shards,
            max_length=recipe.data.max_length, optimizer=recipe.optimizer,
        )  # fmt: skip
        cut = cut_batch(
            ready.table.lengths.tolist(), global_batch=recipe.global_batch, processes=setting.processes,
            micro_tokens=agreed(ready.args, fitting),
        )  # fmt: skip
    if setting.is_first:
        weights = footprint.num_parameters if recipe.method == "full" else footprint.num_trained
        checkpoints.check_room(ready.folder, 4 * weights + 8 * footprint.num_trained)
        write_manifest(ready, cut, footprint, packing, getattr(model, "mathstrap_coverage", None))
        if recipe.lora.variant == "pissa" and recipe.method == "lora" and last is None:
            save_start(model, out)
    ready.args.gradient_accumulation_steps = cut.accumulation
    ready.args.per_device_train_batch_size = max(1, round(cut.micro_batch))
    job = TrainingPlan(
        recipe=recipe, setting=setting, cut=cut, train=ready.table, held_out=ready.held_out, watch=watch,
        folder=ready.folder, precision=ready.precision, is_sharded=ready.is_sharded, layout=packing.layout,
        score=scorer(ready),
    )  # fmt: skip
    trainer = build_trainer(model, ready.tokenizer, job, ready.args)
    started = time.monotonic()
    with checkpoints.storage_errors(ready.folder):
        trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    if setting.is_first:
        measured = {
            "peak_memory_bytes": hardware.peak_memory(setting), "train_seconds": time.monotonic() - started,
            "weights_bytes": checkpoints.weights_bytes(ready.folder),
        }  # fmt: skip
        save_manifest(out, {**read_manifest(out), "measured": measured})


def look_at_packing(ready: Prepared, model: Any) -> Packing:
    """Return the layout of this training's batches, the same on all processes."""
    setting, longest = ready.setting, int(ready.table.lengths.max())
    autocast = autocast_of(setting.device, ready.precision, is_sharded=ready.is_sharded)
    packing = choose_packing(model, ready.recipe, device=setting.device, autocast=autocast, longest=longest)
    # All processes must run the same layout, so one that cannot pack decides for all.
    packs = bool(agreed(ready.args, int(packing.layout != "alone")))
    return packing if packs or packing.layout == "alone" else replace(packing, layout="alone", reason="another process")


def measure(ready: Prepared, model: Any, packing: Packing) -> hardware.Footprint:
    """Return the model's footprint; activations are measured on the sample at the 90th percentile of length."""
    import numpy as np

    order = np.argsort(ready.table.lengths)
    sample = Samples(ready.table)[int(order[len(order) * 9 // 10])]
    model.train()
    measured = activations.measure_activations(
        model, sample, packing.layout, num_layers=len(blocks_of(model)), recomputes=ready.recipe.checkpoint_layers,
        device=model.get_input_embeddings().weight.device, target=ready.setting.device,
        autocast=autocast_of(ready.setting.device, ready.precision, is_sharded=ready.is_sharded),
    )  # fmt: skip
    return hardware.footprint(model, measured, precision=ready.precision, device=ready.setting.device)


def save_start(model: Any, out: Path) -> None:
    """Save the adapter a PiSSA training starts from; the update is the difference from it."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    state = {name: weight.detach().cpu().contiguous() for name, weight in get_peft_model_state_dict(model).items()}
    save_file(state, out / CHECKPOINTS / finish.START)


def num_steps(recipe: TrainRecipe, num_samples: int) -> int:
    """Return the optimiser steps of the whole run."""
    return recipe.max_steps or math.ceil(recipe.epochs * math.ceil(num_samples / recipe.global_batch))


def tokenise(
    pairs: list[Any], tokenizer: Any, recipe: TrainRecipe, *, day: datetime.date | None = None, keep: bool = True
) -> TokenTable:  # fmt: skip
    """Return the tokens of pairs, from the cache where an earlier run made them; `keep` writes new ones there."""
    texts = render(pairs, recipe.data, tokenizer, day=day)
    ends = find_ends(tokenizer, recipe.data)
    table = encode_cached(texts, tokenizer, ends, recipe.data.max_length, cache_folder(), keep=keep)
    return replace(table, lost_reasoning=sum(text.lost_reasoning for text in texts))


def first_day(out: Path) -> datetime.date:
    """Return the day a run started; chat templates that write a date must keep writing this one."""
    day = read_manifest(out).get("started")
    return datetime.date.fromisoformat(day) if day else datetime.datetime.now(tz=datetime.UTC).date()


def scorer(ready: Prepared) -> Any:
    """Return the function that measures accuracy at a validation, or None where the recipe does not ask for it."""
    if ready.recipe.best.metric != "accuracy":
        return None
    answers = [pair for pair in ready.pairs.held_out if not pair.calls]  # a call of a tool is not graded
    questions = answers[: ready.recipe.best.questions]
    return lambda model: accuracy(model, ready.tokenizer, questions, ready.recipe, precision=ready.precision)


def agreed(args: Any, micro_tokens: int) -> int:
    """Return the smallest number of all processes, so that every process cuts the batch alike."""
    if args.world_size == 1:
        return micro_tokens
    import torch

    smallest = torch.tensor(micro_tokens, device=args.device)
    torch.distributed.all_reduce(smallest, op=torch.distributed.ReduceOp.MIN)
    return int(smallest)


def prepare_folder(out: Path) -> None:
    """Create the output folder; raises StorageError where it is not a folder."""
    if out.exists() and not out.is_dir():
        raise StorageError(f"{out}: is a file. Name a folder with out=.")
    out.mkdir(parents=True, exist_ok=True)
    plain_folder(out / CHECKPOINTS)


def data_hash(table: TokenTable) -> str:
    """Return a hash of the tokens a run is trained on."""
    digest = hashlib.blake2b(table.ids.tobytes(), digest_size=8)
    digest.update(table.offsets.tobytes() + table.starts.tobytes())
    return digest.hexdigest()


def check_same_run(out: Path, recipe: TrainRecipe, table: TokenTable, *, is_sharded: bool) -> None:
    """Raise InputError where the folder's checkpoints have another recipe, other data or other sharding."""
    manifest = read_manifest(out)
    if "recipe" not in manifest:
        raise InputError(
            f"{out}: has checkpoints but no {MANIFEST}, which says what they were trained on. Restore it, name another "
            "out=, or delete the folder."
        )
    was_sharded = manifest.get("hardware", {}).get("sharded", False)
    if was_sharded != is_sharded:
        raise InputError(
            f"{out}: its checkpoints are {'sharded' if was_sharded else 'not sharded'}, unlike this run's. "
            "Start with the same number of processes and the same shard= as before, or name another out=."
        )
    before, after = manifest.get("recipe", {}), json.loads(json.dumps(public(asdict(recipe))))
    changed = [key for key in after if key not in FREE_KEYS and after[key] != before.get(key)]
    if changed:
        old_settings = ", ".join(f"{key}={before.get(key)}" for key in changed)
        raise InputError(
            f"{out}: holds a run with other settings ({old_settings}). Its checkpoints cannot be continued with this "
            "recipe. Name another out=, or delete the folder."
        )
    if manifest.get("data", {}).get("hash") != data_hash(table):
        raise InputError(f"{out}: holds a run on other data. Name another out=, or delete the folder.")


def read_manifest(out: Path) -> dict[str, Any]:
    """Return the manifest of an output folder; empty where there is none."""
    path = out / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error}). Restore it, or name another out=.") from None
    return values if isinstance(values, dict) else {}


def resumed_cut(out: Path) -> Cut | None:
    """Return the cut of the run that is being resumed; today's free memory must not change its batches."""
    values = read_manifest(out).get("batch")
    names = ("global_batch", "processes", "accumulation", "micro_tokens")
    return Cut(**{name: values[name] for name in names}) if values else None


def write_manifest(
    ready: Prepared, cut: Cut, footprint: hardware.Footprint, packing: Packing, coverage: Coverage | None
) -> None:  # fmt: skip
    """Write the run's manifest: recipe, data, the cut of the batch, layout, trained weights, precision, versions."""
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
            "lost_reasoning": table.lost_reasoning,
        },
        "started": ready.day.isoformat(),
        "model": {"parameters": footprint.num_parameters, "trained": footprint.num_trained},
        "end": {"id": ready.end, "text": ready.tokenizer.convert_ids_to_tokens(ready.end)},
        "packing": asdict(packing), "bytes_per_token": footprint.bytes_per_token,
        "estimated_peak_bytes": hardware.estimate_peak(
            footprint, micro_tokens=cut.most_tokens(int(table.lengths.max())), optimizer=ready.recipe.optimizer,
            num_shards=setting.processes if ready.is_sharded else 1,
        ),
        **({"adapter": asdict(coverage), "doubts": doubts(ready.recipe)} if coverage else {}),
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
    save_manifest(out, values)


def save_manifest(out: Path, values: dict[str, Any]) -> None:
    """Write the manifest in one move."""
    write_atomically(out / MANIFEST, [json.dumps(values, indent=2).encode() + b"\n"])
