"""Measure, on the model in hand, whether samples in one row see each other, and choose how batches are laid out.

A list of model names would go out of date with the next family: recurrent and convolutional layers carry a state across
a border, attention functions drop what they do not know. So two short samples are run before every training.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from mathstrap.errors import InputError
from mathstrap.train import attention
from mathstrap.train.collate import Layout, pack
from mathstrap.train.forward import attention_name, logits_of
from mathstrap.train.options import TrainRecipe

log = logging.getLogger(__name__)

SHORT = 24
# How far two logits may lie apart and be equal but for rounding, as a share of their spread, by bytes a number. SAME is
# for other tokens in a neighbour of the same length: the same products are made, so a sample that does not see its
# neighbour comes out bit for bit (a fresh LFM2 moves by 1e-4). OTHER is for another attention or another row.
SAME = {4: 2e-6, 2: 2e-3}
OTHER = {4: 1e-3, 2: 0.06}
# What a model raises in its forward pass when it cannot do what it is asked; memory that runs out is another matter.
REFUSALS = (ValueError, TypeError, NotImplementedError, RuntimeError, AttributeError, KeyError, AssertionError)


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How the samples of a training are laid out, with which attention, and why not packed where they are not."""

    layout: Layout
    attention: str
    reason: str = ""


def choose_packing(
    model: Any, recipe: TrainRecipe, *, device: str, autocast: AbstractContextManager[Any], longest: int
) -> Packing:  # fmt: skip
    """Return the layout of the batches, and leave the model with its attention: packed where the probe allows it.

    The attention the recipe names is kept; with "auto" every one the model can load is tried, fastest first. Raises
    InputError where the model computes something else than with its own attention, and says which ones it can use.
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
        # Weights that are not numbers prove nothing here; the first step's loss names them.
        base.set_attn_implementation(loaded)
        return Packing(layout="alone", attention=loaded, reason="the model's logits are not finite")
    candidates = [loaded] if recipe.attention != "auto" else list(dict.fromkeys([loaded, "sdpa", "eager"]))
    reasons: dict[str, str] = {}
    exact: list[str] = []
    for name in candidates:
        found = probe.alone(name)
        if isinstance(found, str) or not probe.agree(found, reference):
            reasons[name] = found if isinstance(found, str) else "not what the model's own attention computes"
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
    # One sample a row needs no borders, so the model's own function is the natural one; the first exact one otherwise.
    chosen = own if own in exact else exact[0]
    base.set_attn_implementation(chosen)
    reason = reasons[chosen] if chosen in reasons else next(iter(reasons.values()))
    log.warning("one sample a row instead of packed rows: %s", reason)
    return Packing(layout="alone", attention=chosen, reason=reason)


def shares_opening(name: str, device: str) -> bool:
    """Say whether the opening of all prompts lies in a row once: on a GPU one kernel attends to whole samples."""
    return device == "cpu" and name == attention.NAME


def plain_name(name: str) -> str:
    """Return the recipe's word for an attention."""
    return "packed" if name == attention.NAME else name


def probe_length(base: Any, longest: int) -> int:
    """Return how many tokens the probe's samples have: few, but more than a window that the data will exceed."""
    config = base.config.get_text_config()
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    exceeded = [window + 8 for window in windows if isinstance(window, int) and 0 < window < longest]
    return max([SHORT, *exceeded])


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Two samples of `length` tokens and the logits of the second, under one attention or another."""

    model: Any
    base: Any
    autocast: AbstractContextManager[Any]
    length: int

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
        """Return the logits under an attention, or the sentence with which the model refuses."""
        import torch

        try:
            if name != attention_name(self.base):
                self.base.set_attn_implementation(name)
            return self.logits(samples, share_opening=share_opening)
        except torch.OutOfMemoryError:
            raise
        except REFUSALS as error:
            return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]

    def alone(self, name: str) -> Any:
        """Return the logits of the second sample alone, or why there are none."""
        return self.tried(name, [self.sample(2)])

    def leak(self, name: str, *, share_opening: bool) -> str:
        """Return what is wrong with the second sample behind the first, or "" where nothing is."""
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
        """Say whether an attention computes for one sample what the model's own does."""
        found = self.alone(attention.register() if name == "packed" else name)
        return not isinstance(found, str) and self.agree(found, reference)

    def agree(self, one: Any, other: Any, tolerance: dict[int, float] = OTHER) -> bool:
        """Say whether two logits are equal but for rounding."""
        import torch

        weights = {weight.dtype.itemsize for weight in self.base.parameters() if weight.is_floating_point()}
        with self.autocast:
            casts = torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
            is_half = casts or min(weights, default=4) < 4
        spread = float(other.std().clamp_min(1e-6))
        return bool(((one - other).abs().max() / spread) <= tolerance[2 if is_half else 4])
