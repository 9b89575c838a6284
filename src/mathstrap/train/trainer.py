"""The Hugging Face Trainer with our batches, loss, checkpoints and curve; it keeps its loop, optimiser and processes.

Imports torch and transformers, so it is imported inside the function that trains and nowhere else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from mathstrap.errors import InputError
from mathstrap.train import checkpoints
from mathstrap.train.batches import Cut, plan_epoch
from mathstrap.train.collate import EpochPlan, Layout, Samples, collate, train_loader
from mathstrap.train.forward import autocast_of, on_device, sum_of_losses
from mathstrap.train.hardware import Setting
from mathstrap.train.options import TrainRecipe
from mathstrap.train.sharded import is_sharded_model, load_optimizer, save_optimizer
from mathstrap.train.tokens import TokenTable
from mathstrap.train.watch import Validation, Watch, best_of

# What we override although transformers keeps it private, and why no public hook will do. tests/train/test_trainer.py
# fails when a release renames one; pyproject.toml bounds the releases.
PRIVATE_HOOKS = {
    "_get_grad_norm": "the norm must be checked before the optimiser's step; callbacks see it afterwards",
    "_save_optimizer_and_scheduler": "with FSDP the Trainer saves only the first process's shard",
    "_load_optimizer_and_scheduler": "with FSDP the Trainer gives the first process's shard to every process",
    "_load_from_checkpoint": "a sharded model was already loaded from the checkpoint",
}


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """Everything a trainer is built from besides the model and the tokenizer."""

    recipe: TrainRecipe
    setting: Setting
    cut: Cut
    train: TokenTable
    held_out: TokenTable | None
    watch: Watch
    folder: Path
    precision: str
    is_sharded: bool
    layout: Layout
    score: Callable[[Any], float] | None


def arguments(recipe: TrainRecipe, setting: Setting, folder: Path) -> TrainingArguments:
    """Return the Trainer's own arguments; building them joins the other processes.

    The Trainer writes into a staging folder; `Cadence` moves what is complete into its place.
    """
    settings = TrainingArguments(
        output_dir=str(folder / checkpoints.STAGING), use_cpu=setting.device == "cpu", seed=recipe.rng_seed,
        data_seed=recipe.rng_seed,
        ddp_backend="gloo" if setting.device == "cpu" and setting.processes > 1 else None,
        ddp_find_unused_parameters=False if setting.processes > 1 else None,
        num_train_epochs=recipe.epochs, max_steps=recipe.max_steps or -1, learning_rate=recipe.lr,
        warmup_steps=recipe.warmup, lr_scheduler_type=recipe.schedule if recipe.schedule != "constant"
        else "constant_with_warmup", weight_decay=recipe.weight_decay, max_grad_norm=recipe.max_grad_norm,
        optim=OPTIMIZERS[recipe.optimizer], tf32=True if setting.device == "cuda" else None,
        logging_strategy="steps", logging_steps=recipe.log_every, logging_first_step=True,
        logging_nan_inf_filter=False, save_strategy="no", eval_strategy="no",
        report_to=list(recipe.report_to) or "none", disable_tqdm=True, remove_unused_columns=False,
        use_liger_kernel=recipe.liger,
    )  # fmt: skip
    # One process drives one GPU: for several visible GPUs the Trainer would use DataParallel, which splits our one row.
    settings._n_gpu = min(settings.n_gpu, 1)
    return settings


OPTIMIZERS = {"adamw": "adamw_torch_fused", "adamw-8bit": "adamw_bnb_8bit", "adamw-paged-8bit": "paged_adamw_8bit"}


class PackedTrainer(Trainer):  # type: ignore[misc, unused-ignore]
    """A Trainer over packed micro-batches whose step is one mean over its response tokens."""

    # The loss is divided by the step's tokens, so the Trainer must not divide it by the micro-batches once more.
    loss_is_scaled_for_ga = True

    def __init__(self, job: TrainingPlan, **named: Any) -> None:
        self.job = job
        self.plan = EpochPlan(
            job.train.lengths.tolist(), job.cut, rng_seed=job.recipe.rng_seed, rank=job.setting.rank
        )  # fmt: skip
        self.step_loss: Any = 0.0
        self.grad_norm = 0.0
        super().__init__(**named)

    @property
    def plain_model(self) -> Any:
        """The model without the wrapper for several processes."""
        return self.accelerator.unwrap_model(self.model)

    def get_train_dataloader(self) -> Any:
        """Return the loader of the planned micro-batches."""
        return train_loader(self.job.train, self.plan, self.job.layout)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Any], Any]:
        """Return the micro-batches of one step, and the response tokens it holds over all processes."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        counts = [sum(batch["targets"].numel() for batch in batches), sum(batch["tokens"] for batch in batches)]
        totals = self.accelerator.reduce(torch.tensor(counts, device=device), "sum")
        self.job.watch.tokens += int(totals[1])
        return batches, totals[0]

    def compute_loss_context_manager(self) -> contextlib.AbstractContextManager[Any]:
        """Return the precision context of this training's forward passes."""
        return autocast_of(self.job.setting.device, self.job.precision, is_sharded=self.job.is_sharded)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:  # fmt: skip
        """Return a micro-batch's share of its step's mean loss in nats per response token."""
        assert not return_outputs, "only the loss is computed"
        total = sum_of_losses(model, self.plain_model, inputs)
        # DDP and FSDP average gradients over processes; this product makes the average a sum.
        loss = total / num_items_in_batch * self.job.setting.processes
        self.step_loss = self.step_loss + loss.detach()
        return loss

    def check_step(self) -> None:
        """Raise DivergedError before the optimiser's step where the loss or the gradient is not usable."""
        loss = self.accelerator.reduce(self.step_loss, "mean")
        self.step_loss = 0.0
        self.job.watch.check(self.state.global_step + 1, float(loss), self.grad_norm)

    def log(self, logs: dict[str, float], *rest: Any, **named: Any) -> None:
        """Log as the Trainer does, and record a point of the curve."""
        super().log(logs, *rest, **named)
        if "loss" in logs and self.job.setting.is_first:
            self.job.watch.point(
                step=self.state.global_step, num_steps=self.state.max_steps, epoch=self.state.epoch or 0.0,
                loss=logs["loss"], lr=logs["learning_rate"], grad_norm=self.grad_norm,
            )  # fmt: skip

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return the held-out loss, and the accuracy where it was asked for."""
        job = self.job
        assert job.held_out is not None, "validation needs held-out samples"
        self.model.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        lengths = job.held_out.lengths.tolist()
        for indices in plan_epoch(lengths, job.cut, rng_seed=0, epoch=0, rank=job.setting.rank):
            batch = on_device(
                collate([Samples(job.held_out)[index] for index in indices], job.layout), self.args.device
            )  # fmt: skip
            with torch.no_grad(), self.compute_loss_context_manager():
                sums[0] += sum_of_losses(self.model_wrapped, self.plain_model, batch)
            sums[1] += batch["targets"].numel()
        sums = self.accelerator.reduce(sums, "sum")
        metrics = {"eval_loss": float(sums[0] / sums[1])}
        if job.score is not None:
            metrics["eval_accuracy"] = job.score(self.plain_model)
        self.model.train()
        if job.setting.is_first:
            job.watch.validation(Validation(
                step=self.state.global_step, eval_loss=metrics["eval_loss"], accuracy=metrics.get("eval_accuracy")
            ))  # fmt: skip
        self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        # grad_norm comes from clipping; it is None where gradients are not clipped.
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        self.grad_norm = float(norm)
        return norm

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.job.is_sharded:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        is_first = self.job.setting.is_first
        save_optimizer(self.model, self.optimizer, self.lr_scheduler, Path(output_dir), is_first=is_first)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self.job.is_sharded or checkpoint is None:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        is_first = self.job.setting.is_first
        load_optimizer(self.model, self.optimizer, self.lr_scheduler, Path(checkpoint), is_first=is_first)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if not self.job.is_sharded:
            super()._load_from_checkpoint(resume_from_checkpoint, model)


class Cadence(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Decide when a run checks, validates, saves and stops, and move complete checkpoints into place."""

    def __init__(self) -> None:
        self.saved = -1
        # Set after the Trainer exists: the Trainer takes its callbacks in its constructor.
        self.trainer: PackedTrainer | None = None

    @property
    def job(self) -> TrainingPlan:
        """The plan the trainer was built from."""
        return self.running.job

    @property
    def running(self) -> PackedTrainer:
        """The trainer that calls this callback."""
        assert self.trainer is not None, "the callback knows its trainer before the training starts"
        return self.trainer

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Check how the model is wrapped and start the clock."""
        check_wrapper(self.running.model_wrapped, self.job)
        self.job.watch.start(state.global_step)

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        """Stop before a loss or gradient that is not a number reaches the weights."""
        self.running.check_step()

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Decide whether to validate and save after a step."""
        step, every = state.global_step, self.job.recipe.save_every
        self.mark(step, control, (bool(every) and step % every == 0) or step >= state.max_steps)

    def on_epoch_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save at the end of an epoch where save_every is 0."""
        is_due = not self.job.recipe.save_every and state.global_step != self.saved
        self.mark(state.global_step, control, is_due, ended_epoch=True)

    def mark(self, step: int, control: Any, should_save: bool, *, ended_epoch: bool = False) -> None:
        """Set the Trainer's control flags for validation and saving after a step."""
        recipe, job = self.job.recipe, self.job
        is_due = bool(recipe.eval_every) and step % recipe.eval_every == 0 and not ended_epoch
        at_save = should_save and (not recipe.eval_every or bool(recipe.best.metric))
        control.should_evaluate = job.held_out is not None and (is_due or at_save)
        control.should_save = should_save
        if should_save:
            self.saved = step
            self.clear_staging()

    def on_evaluate(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save and end the run early where the best validation lies `best.patience` validations back."""
        if self.job.watch.is_out_of_patience(self.job.recipe.best) and not control.should_training_stop:
            control.should_training_stop = True
            if self.saved != state.global_step:
                control.should_save = True
                self.saved = state.global_step
                self.clear_staging()

    def clear_staging(self) -> None:
        """Remove a killed run's incomplete checkpoint before the Trainer writes there again."""
        if self.job.setting.is_first:
            checkpoints.clear_staging(self.job.folder)
        self.running.accelerator.wait_for_everyone()

    def on_save(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Move the checkpoint that is now complete into its place, and only then delete older ones."""
        job = self.job
        self.running.accelerator.wait_for_everyone()
        if job.setting.is_first:
            checkpoints.publish(job.folder, state.global_step)
            kept = {checkpoints.step_of(path) for path in checkpoints.list_checkpoints(job.folder)}
            checkpoints.prune(job.folder, job.recipe.keep_checkpoints, best_of(job.recipe.best, job.watch, kept))
        self.running.accelerator.wait_for_everyone()


def build_trainer(model: Any, tokenizer: Any, job: TrainingPlan, args: TrainingArguments) -> PackedTrainer:
    """Return a Trainer for the job; raises InputError for a logger that does not exist."""
    cadence = Cadence()
    try:
        trainer = PackedTrainer(job, model=model, args=args, processing_class=tokenizer, callbacks=[cadence])
    except (RuntimeError, ValueError) as error:
        if not job.recipe.report_to:
            raise
        # The loggers check themselves: a name transformers does not know, or a package that is not installed.
        raise InputError(f"report_to={', '.join(job.recipe.report_to)}: {error}") from None
    cadence.trainer = trainer
    trainer.remove_callback(PrinterCallback)
    return trainer


def check_wrapper(model: Any, job: TrainingPlan) -> None:
    """Assert that the model is wrapped as asked: on a CPU the Trainer's own `fsdp=` silently runs as DDP."""
    if job.is_sharded:
        assert is_sharded_model(model), f"the weights were to be sharded, but the model is a {type(model).__name__}"
    elif job.setting.processes > 1:
        from torch.nn.parallel import DistributedDataParallel

        assert isinstance(model, DistributedDataParallel), f"expected DDP, found a {type(model).__name__}"
    else:
        from torch.nn import DataParallel

        assert not isinstance(model, DataParallel), "one process drives one GPU, but the model is a DataParallel"
