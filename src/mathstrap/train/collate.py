"""Hand the trainer packed micro-batches: samples end to end in one row, with the rows that carry loss."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mathstrap.train.batches import Cut, num_micro_batches, plan_epoch
from mathstrap.train.tokens import TokenTable

# packed = samples end to end in one row; shared = their common opening lies there once; alone = one sample a row.
Layout = Literal["packed", "shared", "alone"]


@dataclass(frozen=True)
class Samples:
    """Random access to a table's samples for a DataLoader: (ids, prompt tokens); ~i is sample i without its loss."""

    table: TokenTable

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        real = index if index >= 0 else ~index
        low, high = self.table.offsets[real], self.table.offsets[real + 1]
        ids = self.table.ids[low:high]
        return ids, int(self.table.starts[real]) if index >= 0 else len(ids)


def pack(samples: Sequence[tuple[Any, int]], *, share_opening: bool = False) -> dict[str, Any]:
    """Return one row of samples: input_ids and position_ids (1, row tokens), borders (samples + 1), rows and targets.

    `rows` are the positions whose next token is learnt and `targets` those tokens; positions restart with every sample.
    `tokens` counts those of the samples. With `share_opening`, the tokens with which all prompts open (the template's
    first words) lie in the row once and borders[0] is their number: their states do not depend on what follows.
    """
    import numpy as np
    import torch

    shared = common_opening(samples) if share_opening else 0
    own = [(ids[shared:] if number else ids, shared if number else 0) for number, (ids, _) in enumerate(samples)]
    borders = [shared, *itertools.accumulate(len(ids) for ids, _ in own)]
    ids = np.concatenate([ids for ids, _ in own]).astype(np.int64)
    positions = np.concatenate([np.arange(start, start + len(ids), dtype=np.int64) for ids, start in own])
    learnt = [(high, len(ids) - start) for high, (ids, start) in zip(borders[1:], samples, strict=True)]
    rows = np.concatenate([np.arange(high - count - 1, high - 1) for high, count in learnt]).astype(np.int64)
    return {
        "input_ids": torch.from_numpy(ids)[None], "position_ids": torch.from_numpy(positions)[None],
        "borders": borders, "rows": torch.from_numpy(rows), "targets": torch.from_numpy(ids[rows + 1]),
        "tokens": sum(len(ids) for ids, _ in samples),
    }  # fmt: skip


def one_a_row(samples: Sequence[tuple[Any, int]]) -> dict[str, Any]:
    """Return one row per sample, for models whose layers carry state across the samples of a row."""
    import torch

    rows = [pack([sample]) for sample in samples]
    return {
        "alone": rows, "targets": torch.cat([row["targets"] for row in rows]),
        "tokens": sum(row["tokens"] for row in rows),
    }  # fmt: skip


def collate(samples: Sequence[tuple[Any, int]], layout: Layout) -> dict[str, Any]:
    """Return a micro-batch of the samples in a layout."""
    return one_a_row(samples) if layout == "alone" else pack(samples, share_opening=layout == "shared")


def common_opening(samples: Sequence[tuple[Any, int]]) -> int:
    """Return how many tokens all prompts open with alike, never a prompt's last one: it predicts the response."""
    import numpy as np

    if len(samples) < 2:
        return 0
    longest = max(min(start for _, start in samples) - 1, 0)
    first = samples[0][0][:longest]
    alike = np.logical_and.reduce([ids[:longest] == first for ids, _ in samples])
    return int(np.logical_and.accumulate(alike).sum())


class EpochPlan:
    """A DataLoader's batch sampler over `plan_epoch`; the trainer sets the epoch, also to resume in its middle."""

    def __init__(self, lengths: Sequence[int], cut: Cut, *, rng_seed: int, rank: int) -> None:
        self.lengths = [int(length) for length in lengths]
        self.cut = cut
        self.rng_seed = rng_seed
        self.rank = rank
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration follows."""
        self.epoch = epoch

    def __len__(self) -> int:
        return num_micro_batches(len(self.lengths), self.cut)

    def __iter__(self) -> Iterator[list[int]]:
        yield from plan_epoch(self.lengths, self.cut, rng_seed=self.rng_seed, epoch=self.epoch, rank=self.rank)


def train_loader(table: TokenTable, plan: EpochPlan, layout: Layout) -> Any:
    """Return a DataLoader over the plan that passes `set_epoch` on; it draws nothing from the global generator."""
    import torch
    from torch.utils.data import DataLoader

    class PlannedLoader(DataLoader):  # type: ignore[misc, unused-ignore]
        def set_epoch(self, epoch: int) -> None:
            plan.set_epoch(epoch)

    generator = torch.Generator().manual_seed(plan.rng_seed)
    laid_out = functools.partial(collate, layout=layout)
    return PlannedLoader(Samples(table), batch_sampler=plan, collate_fn=laid_out, generator=generator)
