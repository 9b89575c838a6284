"""Hand the trainer packed micro-batches: samples end to end in one row, with the rows that carry loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mathstrap.train.batches import Cut, num_micro_batches, plan_epoch
from mathstrap.train.tokens import TokenTable


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


def pack(samples: Sequence[tuple[Any, int]]) -> dict[str, Any]:
    """Return one row of samples: input_ids and position_ids (1, tokens), borders (samples + 1), rows and targets.

    `rows` are the places whose next token is learnt and `targets` those tokens; positions restart with every sample.
    """
    import numpy as np
    import torch

    borders = np.cumsum([0, *(len(ids) for ids, _ in samples)], dtype=np.int32)
    ids = np.concatenate([ids for ids, _ in samples]).astype(np.int64)
    positions = np.concatenate([np.arange(len(ids), dtype=np.int64) for ids, _ in samples])
    rows = np.concatenate(
        [np.arange(low + start - 1, low + len(ids) - 1) for low, (ids, start) in zip(borders, samples, strict=False)]
    ).astype(np.int64)
    return {
        "input_ids": torch.from_numpy(ids)[None], "position_ids": torch.from_numpy(positions)[None],
        "borders": borders.tolist(), "rows": torch.from_numpy(rows),
        "targets": torch.from_numpy(ids[rows + 1]),
    }  # fmt: skip


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


def train_loader(table: TokenTable, plan: EpochPlan) -> Any:
    """Return a DataLoader over the plan that passes `set_epoch` on; it draws nothing from the global generator."""
    import torch
    from torch.utils.data import DataLoader

    class PlannedLoader(DataLoader):  # type: ignore[misc, unused-ignore]
        def set_epoch(self, epoch: int) -> None:
            plan.set_epoch(epoch)

    generator = torch.Generator().manual_seed(plan.rng_seed)
    return PlannedLoader(Samples(table), batch_sampler=plan, collate_fn=pack, generator=generator)
