"""Decide which samples meet in which optimiser step, micro-batch and process. Pure; knows nothing of tensors or models.

A step takes the next `global_batch` samples of a seeded shuffle, exactly as a plain loop would, and only then deals
them into equally full micro-batches. Since a step's loss is one mean over its response tokens, the dealing changes
the speed and nothing else.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from mathstrap.errors import InputError, counted


@dataclass(frozen=True, kw_only=True)
class Cut:
    """How a global batch is cut: `accumulation` micro-batches on each of `processes`, about `micro_tokens` each."""

    global_batch: int
    processes: int
    accumulation: int
    micro_tokens: int

    @property
    def micro_batch(self) -> float:
        """Samples per micro-batch, on average."""
        return self.global_batch / (self.processes * self.accumulation)

    def most_tokens(self, longest: int) -> int:
        """Return the most tokens of a micro-batch, of samples of at most `longest` tokens: a small batch fills none."""
        return min(self.micro_tokens, self.global_batch * longest)


def cut_batch(lengths: Sequence[int], *, global_batch: int, processes: int, micro_tokens: int) -> Cut:
    """Return how to cut a global batch so that a micro-batch rarely exceeds `micro_tokens`.

    Raises InputError where there are fewer samples than processes, or than one global batch.
    """
    if len(lengths) < processes:
        few = counted(len(lengths), "sample")
        raise InputError(f"{few} for {processes} processes: each needs one. Start fewer processes.")
    if global_batch < processes:
        raise InputError(f"global_batch={global_batch}: fewer samples per step than the {processes} processes.")
    if len(lengths) < global_batch:
        raise InputError(
            f"{counted(len(lengths), 'sample')}: fewer than one batch of {global_batch}. "
            f"Add data, or set global_batch={max(processes, len(lengths) // 2)} or lower."
        )
    mean = sum(lengths) / len(lengths)
    deviation = math.sqrt(sum((length - mean) ** 2 for length in lengths) / len(lengths))
    # Two deviations of a batch's sum: the exceptions exceed the budget by a few per cent.
    full = global_batch * mean + 2 * deviation * math.sqrt(global_batch)
    accumulation = math.ceil(full / (processes * max(micro_tokens, 1)))
    return Cut(
        global_batch=global_batch, processes=processes, micro_tokens=micro_tokens,
        accumulation=min(max(accumulation, 1), global_batch // processes),
    )  # fmt: skip


def num_micro_batches(num_samples: int, cut: Cut) -> int:
    """Return the micro-batches of one epoch on one process; the last step may hold fewer samples and micro-batches."""
    whole, rest = divmod(num_samples, cut.global_batch)
    return whole * cut.accumulation + (last_accumulation(rest, cut) if rest else 0)


def last_accumulation(rest: int, cut: Cut) -> int:
    """Return the micro-batches per process of a step with only `rest` samples."""
    return max(1, math.ceil(rest * cut.accumulation / cut.global_batch))


def plan_epoch(lengths: Sequence[int], cut: Cut, *, rng_seed: int, epoch: int, rank: int) -> list[list[int]]:
    """Return one process's micro-batches of an epoch as lists of sample indices.

    Index ~i (negative) stands for sample i without its loss: it fills the place of a process that would have none in
    the last step.
    """
    order = list(range(len(lengths)))
    random.Random(f"{rng_seed} {epoch}").shuffle(order)
    micro_batches: list[list[int]] = []
    for low in range(0, len(order), cut.global_batch):
        step = order[low : low + cut.global_batch]
        parts = cut.accumulation if len(step) == cut.global_batch else last_accumulation(len(step), cut)
        bins = deal(step, lengths, parts * cut.processes)
        micro_batches += [bins[part * cut.processes + rank] or [~step[0]] for part in range(parts)]
    return micro_batches


def deal(samples: Sequence[int], lengths: Sequence[int], num_bins: int) -> list[list[int]]:
    """Return the samples in `num_bins` bins of nearly equal token count: longest first into the emptiest bin."""
    bins: list[list[int]] = [[] for _ in range(num_bins)]
    heap = [(0, index) for index in range(num_bins)]
    for sample in sorted(samples, key=lambda index: (-lengths[index], index)):
        filled, index = heapq.heappop(heap)
        bins[index].append(sample)
        heapq.heappush(heap, (filled + lengths[sample], index))
    return bins
