"""Measure, on the model in hand, whether samples in one row see each other, and choose how batches are laid out.

A list of model names would go out of date with the next family: recurrent and convolutional layers carry state across
a border, and attention functions ignore arguments they do not know. So two short samples are run before every training.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from mathstrap.errors import InputError, first_line
from mathstrap.train import attention
from mathstrap.train.collate import Layout, pack
from mathstrap.train.forward import attention_name, logits_of
from mathstrap.train.options import TrainRecipe

log = logging.getLogger(__name__)

SHORT = 24
# How far logits may differ by rounding alone, in standard deviations of the logits, by bytes per number. SAME compares
# two runs whose neighbour has other tokens but the same length: the products are the same, so a sample that does not
# see its neighbour comes out bit for bit (a fresh LFM2 moves by 1e-4). OTHER compares two attentions or row layouts;
# in half precision, twice as far as one rounding of the embeddings moves the logits may be more (0.2 for 135M on AMX).
SAME = {4: 2e-6, 2: 2e-3}
OTHER = {4: 1e-3, 2: 0.06}
# What a forward pass raises when the model does not support an attention. Running out of memory is not among them.
REFUSALS = (ValueError, TypeError, NotImplementedError, RuntimeError, AttributeError, KeyError, AssertionError)


@dataclass(frozen=True, kw_only=True)
class Packing:
    """The layout of a training's samples, its attention, and the reason where the samples are not packed."""

    layout: Layout
    attention: str
    reason: str = ""


def choose_packing(
    model: Any, recipe: TrainRecipe, *, device: str, autocast: AbstractContextManager[Any], longest: int
) -> Packing:  # fmt: skip
    """Return the layout of the batches, and leave the model with its attention: packed where the probe allows it.

    The attention the recipe names is kept; with "auto" every one the model can load is tried, fastest first. Raises
    InputError where the model's results differ from those of its own attention, and names the ones it can use.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    loaded = attention_name(base)
    probe = Probe(model=model, base=base, autocast=autocast, length=probe_length(base, longest))
    own = next((name for name in ("sdpa", "eager") if not isinstance(probe.alone(name), str)), "eager")
    reference = probe.alone(own)
    if isinstance(reference, str):
        base.set_attn_implementation(loaded)
        raise InputError(f"model: it cannot run a single sample of {probe.length} tokens: {reference}")
    if not bool(reference.isfinite().all()):
        # Logits that are not finite cannot be compared; the first step's loss reports them.
        base.set_attn_implementation(loaded)
        return Packing(layout="alone", attention=loaded, reason="the model's logits are not finite")
    probe = replace(probe, rounding=probe.moved_by_rounding(own, reference))
    candidates = [loaded] if recipe.attention != "auto" else list(dict.fromkeys([loaded, "sdpa", "eager"]))
    reasons: dict[str, str] = {}
    exact: list[str] = []
    for name in candidates:
        logits = probe.alone(name)
        if isinstance(logits, str) or not probe.agree(logits, reference):
            reasons[name] = logits if isinstance(logits, str) else "not what the model's own attention computes"
            continue
        exact.append(name)
        leak = probe.leak(name, share_opening=shares_opening(name, device))
        if not leak:
            base.set_attn_implementation(name)
            return Packing(layout="shared" if shares_opening(name, device) else "packed", attention=name)
        reasons[name] = leak
    if not exact:
        usable = [name for name in ("packed", "sdpa", "eager") if probe.can(name, reference)]
        base.set_attn_implementation(loaded)
        why = "; ".join(f"{plain_name(name)}: {reason}" for name, reason in reasons.items())
        raise InputError(f"attention={recipe.attention}: {why}. This model can use attention={' or '.join(usable)}.")
    # One sample a row needs no borders, so the model's own attention serves; otherwise the first exact one.
    chosen = own if own in exact else exact[0]
    base.set_attn_implementation(chosen)
    reason = reasons[chosen] if chosen in reasons else next(iter(reasons.values()))
    log.warning("one sample a row instead of packed rows: %s", reason)
    return Packing(layout="alone", attention=chosen, reason=reason)


def shares_opening(name: str, device: str) -> bool:
    """Say whether a row stores the prompts' common opening once; on a GPU one kernel needs whole samples."""
    return device == "cpu" and name == attention.NAME


def plain_name(name: str) -> str:
    """Return an attention's name in the recipe."""
    return "packed" if name == attention.NAME else name


def probe_length(base: Any, longest: int) -> int:
    """Return the length of the probe's samples: short, but longer than an attention window that the data exceeds."""
    config = base.config.get_text_config()
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    exceeded = [window + 8 for window in windows if isinstance(window, int) and 0 < window < longest]
    return max([SHORT, *exceeded])


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Two samples of `length` tokens and the logits of the second, under one attention or another.

    `rounding` is how far one rounding of the embeddings moves the logits, in their standard deviations.
    """

    model: Any
    base: Any
    autocast: AbstractContextManager[Any]
    length: int
    rounding: float = 0.0

    def sample(self, seed: int) -> tuple[Any, int]:
        """Return a sample of tokens; all open with the same four, as prompts of one template do."""
        import numpy as np

        vocabulary = self.base.get_input_embeddings().weight.shape[0]
        rng = np.random.default_rng(seed)
        ids = rng.integers(0, min(vocabulary, 1000), self.length).astype(np.int32)
        ids[:4] = np.arange(4) % vocabulary
        return ids, 8

    def logits(self, samples: Sequence[tuple[Any, int]], *, share_opening: bool = False) -> Any:
        """Return the logits of the last sample's learnt places in one row of the samples."""
        import torch

        row = pack(samples, share_opening=share_opening)
        device = self.base.get_input_embeddings().weight.device
        row = {key: value.to(device) if torch.is_tensor(value) else value for key, value in row.items()}
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad(), self.autocast:
                all_logits = logits_of(self.model, self.model, row)
        finally:
            self.model.train(was_training)
        return all_logits[-(self.length - samples[-1][1]) :].float()

    def tried(self, name: str, samples: Sequence[tuple[Any, int]], *, share_opening: bool = False) -> Any:
        """Return the logits under an attention, or the model's error message."""
        import torch

        try:
            if name != attention_name(self.base):
                self.base.set_attn_implementation(name)
            return self.logits(samples, share_opening=share_opening)
        except torch.OutOfMemoryError:  # a RuntimeError too, but it says nothing about the attention
            raise
        except REFUSALS as error:
            return first_line(error)[:300]

    def alone(self, name: str) -> Any:
        """Return the logits of the second sample alone, or the model's error message."""
        return self.tried(name, [self.sample(2)])

    def moved_by_rounding(self, name: str, reference: Any) -> float:
        """Return how far the logits move when every embedding does by a unit of bf16's last place; 0 in float32.

        No two kernels round alike, and a deep model enlarges that. The measure needs no weights in float32 and no
        knowledge of the processor; it is in standard deviations of the `reference`, which `name` computes.
        """
        import torch

        if not self.is_half():
            return 0.0

        def one_step(_: Any, __: Any, embeddings: Any) -> Any:
            random = torch.Generator().manual_seed(0)
            signs = (torch.randint(0, 2, embeddings.shape, generator=random) * 2 - 1).to(embeddings)
            return embeddings * (1 + signs * 2**-8)

        hook = self.base.get_input_embeddings().register_forward_hook(one_step)
        try:
            moved = self.alone(name)
        finally:
            hook.remove()
        return 0.0 if isinstance(moved, str) else _distance(moved, reference)

    def leak(self, name: str, *, share_opening: bool) -> str:
        """Return why the second sample's logits depend on the first sample, or "" where they do not."""
        rows = [
            self.tried(name, [self.sample(before), self.sample(2)], share_opening=share_opening) for before in (0, 1)
        ]
        refused = next((row for row in rows if isinstance(row, str)), "")
        if refused:
            return str(refused)
        for other, tolerance in ((rows[1], SAME), (self.tried(name, [self.sample(2)]), OTHER)):
            if not self.agree(rows[0], other, tolerance):
                moved = float((rows[0] - other).abs().max())
                return f"a sample's logits move by {moved:.2g} with the sample before it in the row"
        return ""

    def can(self, name: str, reference: Any) -> bool:
        """Say whether an attention computes the same logits for one sample as the model's own."""
        logits = self.alone(attention.register() if name == "packed" else name)
        return not isinstance(logits, str) and self.agree(logits, reference)

    def agree(self, logits: Any, other: Any, tolerance: dict[int, float] = OTHER) -> bool:
        """Say whether two sets of logits differ by rounding alone."""
        limit = tolerance[2 if self.is_half() else 4]
        return _distance(logits, other) <= (max(limit, 2 * self.rounding) if tolerance is OTHER else limit)

    def is_half(self) -> bool:
        """Say whether products are taken in half precision."""
        import torch

        weights = {weight.dtype.itemsize for weight in self.base.parameters() if weight.is_floating_point()}
        with self.autocast:
            casts = torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
        return casts or min(weights, default=4) < 4


def _distance(logits: Any, other: Any) -> float:
    """Return the largest difference between two sets of logits, in standard deviations of the second."""
    return float((logits - other).abs().max() / other.std().clamp_min(1e-6))
