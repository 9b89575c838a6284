"""The Hugging Face Trainer with our batches, loss, checkpoints and watch; loop, optimiser and processes are its own."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError
from mathstrap.train import attention, checkpoints
from mathstrap.train.batches import Cut, plan_epoch
from mathstrap.train.collate import EpochPlan, Samples, pack, train_loader
from mathstrap.train.hardware import Setting
from mathstrap.train.loss import summed_loss
from mathstrap.train.options import TrainRecipe
from mathstrap.train.tokens import TokenTable
from mathstrap.train.watch import Validation, Watch


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything a trainer is built from, beside the model and the tokenizer."""

    recipe: TrainRecipe
    setting: Setting
    cut: Cut
    train: TokenTable
    held_out: TokenTable | None
    watch: Watch
    folder: Path
    precision: str
    is_sharded: bool
    score: Callable[[Any], float] | None


def arguments(recipe: TrainRecipe, setting: Setting, folder: Path) -> Any:
    """Return the Trainer's own arguments; building them joins the other processes."""
    from transformers import TrainingArguments

    made = TrainingArguments(
        output_dir=str(folder), use_cpu=setting.device == "cpu", seed=recipe.rng_seed, data_seed=recipe.rng_seed,
        ddp_backend="gloo" if setting.device == "cpu" and setting.processes > 1 else None,
        ddp_find_unused_parameters=False if setting.processes > 1 else None,
        num_train_epochs=recipe.epochs, max_steps=recipe.max_steps or -1, learning_rate=recipe.lr,
        warmup_steps=recipe.warmup, lr_scheduler_type=recipe.schedule if recipe.schedule != "constant"
        else "constant_with_warmup", weight_decay=recipe.weight_decay, max_grad_norm=recipe.max_grad_norm,
        optim="adamw_torch_fused", tf32=True if setting.device == "cuda" else None,
        logging_strategy="steps", logging_steps=recipe.log_every, logging_first_step=True,
        logging_nan_inf_filter=False, save_strategy="no", eval_strategy="no",
        report_to=list(recipe.report_to) or "none", disable_tqdm=True, remove_unused_columns=False,
        use_liger_kernel=recipe.liger,
    )  # fmt: skip
    # One process drives one GPU: of several visible ones the Trainer would make a DataParallel, which cuts our one row.
    made._n_gpu = min(made.n_gpu, 1)
    return made


def attention_inputs(model: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """Return the borders of the samples in the words of the attention in use; sdpa and eager read the positions."""
    import torch

    name = model.config.get_text_config()._attn_implementation
    if name != attention.NAME and not name.startswith("flash"):
        return {}
    borders = batch["borders"]
    on_device = torch.tensor(borders, dtype=torch.int32, device=batch["input_ids"].device)
    longest = max(high - low for low, high in itertools.pairwise(borders))
    return {
        # Ours reads the numbers in each layer: they stay on the CPU, since a GPU would have to be waited for.
        "cu_seq_lens_q": torch.tensor(borders) if name == attention.NAME else on_device,
        "cu_seq_lens_k": on_device, "max_length_q": longest, "max_length_k": longest,
    }  # fmt: skip


def sum_of_losses(model: Any, plain: Any, batch: dict[str, Any]) -> Any:
    """Return the summed loss of a packed batch in nats; only the rows that carry loss reach the vocabulary.

    `model` is what is called (perhaps wrapped for several processes), `plain` the model inside.
    """
    output = model(
        input_ids=batch["input_ids"], position_ids=batch["position_ids"], logits_to_keep=batch["rows"],
        use_cache=False, **attention_inputs(plain, batch),
    )  # fmt: skip
    return summed_loss()(output.logits[0], batch["targets"])


def build_trainer(model: Any, tokenizer: Any, job: Job, args: Any) -> Any:
    """Return a Trainer for the job."""
    import torch
    from transformers import PrinterCallback, Trainer, TrainerCallback

    recipe, setting, watch = job.recipe, job.setting, job.watch
    lengths = job.train.lengths.tolist()
    plan = EpochPlan(lengths, job.cut, rng_seed=recipe.rng_seed, rank=setting.rank)
    # On a GPU one kernel attends to all samples of a row, each of them whole.
    shares = setting.device == "cpu" and model.config.get_text_config()._attn_implementation == attention.NAME

    class PackedTrainer(Trainer):  # type: ignore[misc, unused-ignore]
        loss_is_scaled_for_ga = True
        step_loss: Any = 0.0
        grad_norm = 0.0
        is_writing = False

        def get_train_dataloader(self) -> Any:
            return train_loader(job.train, plan, share_opening=shares)

        def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> Any:
            counts = [
                sum(batch["targets"].numel() for batch in batch_samples),
                sum(batch["tokens"] for batch in batch_samples),
            ]
            totals = self.accelerator.reduce(torch.tensor(counts, device=device), "sum")
            watch.tokens += int(totals[1])
            return totals[0]

        def compute_loss_context_manager(self) -> Any:
            if job.precision != "bf16" or job.is_sharded:
                return contextlib.nullcontext()
            return torch.autocast(setting.device, torch.bfloat16)

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            assert not return_outputs, "only the loss is computed"
            total = sum_of_losses(model, self.accelerator.unwrap_model(self.model), inputs)
            # Processes average their gradients, so each loss counts once per process.
            loss = total / num_items_in_batch * setting.processes
            self.step_loss = self.step_loss + loss.detach()
            return loss

        def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
            # Called with the norm that clipping found, and without one where nothing is clipped.
            norm = super()._get_grad_norm(model, grad_norm=grad_norm)
            self.grad_norm = float(norm)
            return norm

        def check_step(self) -> None:
            loss = self.accelerator.reduce(self.step_loss, "mean")
            self.step_loss = 0.0
            watch.check(self.state.global_step + 1, float(loss), self.grad_norm)

        def log(self, logs: dict[str, float], *rest: Any, **named: Any) -> None:
            super().log(logs, *rest, **named)
            if "loss" in logs and setting.is_first:
                watch.point(
                    step=self.state.global_step, num_steps=self.state.max_steps, epoch=self.state.epoch or 0.0,
                    loss=logs["loss"], lr=logs["learning_rate"], grad_norm=self.grad_norm,
                )  # fmt: skip

        def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
            assert job.held_out is not None, "validation needs held-out samples"
            self.model.eval()
            sums = torch.zeros(2, dtype=torch.float64, device=self.args.device)
            lengths = job.held_out.lengths.tolist()
            for indices in plan_epoch(lengths, job.cut, rng_seed=0, epoch=0, rank=setting.rank):
                batch = self._prepare_inputs(pack(
                    [Samples(job.held_out)[index] for index in indices], share_opening=shares
                ))  # fmt: skip
                with torch.no_grad(), self.compute_loss_context_manager():
                    plain = self.accelerator.unwrap_model(self.model)
                    sums[0] += sum_of_losses(self.model_wrapped, plain, batch)
                sums[1] += batch["targets"].numel()
            sums = self.accelerator.reduce(sums, "sum")
            metrics = {"eval_loss": float(sums[0] / sums[1])}
            if job.score is not None:
                metrics["eval_accuracy"] = job.score(self.accelerator.unwrap_model(self.model))
            self.model.train()
            if setting.is_first:
                watch.validation(Validation(
                    step=self.state.global_step, eval_loss=metrics["eval_loss"], accuracy=metrics.get("eval_accuracy")
                ))  # fmt: skip
            self.log(metrics)
            handler = self.callback_handler
            self.control: Any = handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

        def _get_output_dir(self, trial: Any) -> str:
            return str(job.folder / checkpoints.STAGING) if self.is_writing else str(super()._get_output_dir(trial))

        def _save_checkpoint(self, model: Any, trial: Any) -> None:
            self.is_writing = True
            with checkpoints.storage_errors(job.folder):
                if setting.is_first:
                    checkpoints.clear_staging(job.folder)
                self.accelerator.wait_for_everyone()
                super()._save_checkpoint(model, trial)
                self.accelerator.wait_for_everyone()
                if setting.is_first:
                    checkpoints.publish(job.folder, self.state.global_step)
                    checkpoints.prune(job.folder, recipe.keep_checkpoints, best_of(recipe, watch, job.folder))
                self.accelerator.wait_for_everyone()
            self.is_writing = False

        def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
            if not job.is_sharded:
                super()._save_optimizer_and_scheduler(output_dir)
                return
            from mathstrap.train.sharded import save_optimizer

            save_optimizer(self.model, self.optimizer, self.lr_scheduler, Path(output_dir), is_first=setting.is_first)

        def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
            if not job.is_sharded or checkpoint is None:
                super()._load_optimizer_and_scheduler(checkpoint)
                return
            from mathstrap.train.sharded import load_optimizer

            load_optimizer(self.model, self.optimizer, self.lr_scheduler, Path(checkpoint), is_first=setting.is_first)

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
            # A sharded model is loaded from the checkpoint to begin with.
            if not job.is_sharded:
                super()._load_from_checkpoint(resume_from_checkpoint, model)

    class Cadence(TrainerCallback):  # type: ignore[misc, unused-ignore]
        saved = -1

        def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
            check_wrapper(trainer.model_wrapped, job)
            watch.start(state.global_step)

        def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
            trainer.check_step()

        def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
            step = state.global_step
            is_due = bool(recipe.save_every) and step % recipe.save_every == 0
            self.mark(step, control, is_due or step >= state.max_steps)

        def on_epoch_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
            is_due = not recipe.save_every and state.global_step != self.saved
            self.mark(state.global_step, control, is_due, ended_epoch=True)

        def mark(self, step: int, control: Any, should_save: bool, *, ended_epoch: bool = False) -> None:
            control.should_save = should_save
            is_due = bool(recipe.eval_every) and step % recipe.eval_every == 0 and not ended_epoch
            at_save = should_save and (not recipe.eval_every or bool(recipe.best.metric))
            control.should_evaluate = job.held_out is not None and (is_due or at_save)
            if should_save:
                self.saved = step

    try:
        trainer = PackedTrainer(model=model, args=args, processing_class=tokenizer, callbacks=[Cadence()])
    except (RuntimeError, ValueError) as error:
        if not recipe.report_to:
            raise
        # The loggers' own checks: a name transformers does not know, or a package that is absent.
        raise InputError(f"report_to={', '.join(recipe.report_to)}: {error}") from None
    trainer.remove_callback(PrinterCallback)
    return trainer


def check_wrapper(model: Any, job: Job) -> None:
    """Assert that the model is spread as asked: on a CPU the Trainer's own `fsdp=` runs as DDP without a word."""
    if job.is_sharded:
        from mathstrap.train.sharded import is_spread

        assert is_spread(model), f"the weights were to be sharded, but the model is a {type(model).__name__}"
    elif job.setting.processes > 1:
        from torch.nn.parallel import DistributedDataParallel

        assert isinstance(model, DistributedDataParallel), f"expected DDP, found a {type(model).__name__}"
    else:
        from torch.nn import DataParallel

        assert not isinstance(model, DataParallel), "one process drives one GPU, but the model is a DataParallel"


def best_of(recipe: TrainRecipe, watch: Watch, folder: Path) -> int | None:
    """Return the step of the best checkpoint there is by the recipe's metric, or None where the last one counts."""
    if not recipe.best.metric:
        return None
    kept = {checkpoints.step_of(path) for path in checkpoints.list_checkpoints(folder)}
    seen = [validation for validation in watch.validations if validation.step in kept]
    if recipe.best.metric == "loss":
        return checkpoints.best_step({one.step: one.eval_loss for one in seen}, lower_is_better=True)
    scores = {one.step: one.accuracy for one in seen if one.accuracy is not None}
    return checkpoints.best_step(scores, lower_is_better=False)
