"""Find out what this process runs on and how many tokens fit into one forward pass."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

from mathstrap.errors import InputError
from mathstrap.train.activations import Activations

# Larger micro-batches gain no speed: a CPU's matrix products are saturated (bench/train.py), a GPU's nearly so.
ENOUGH_TOKENS = {"cpu": 1024, "cuda": 16384}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One process of a run: its rank, the number of processes, its device, and the number on its machine."""

    device: Literal["cpu", "cuda"]
    rank: int
    processes: int
    local_processes: int

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0


def find_setting() -> Setting:
    """Return the setting that torchrun or accelerate put into the environment, or a single process.

    Raises InputError where accelerate's configuration asks for sharding that the recipe does not control.
    """
    import torch

    for name, way in (("ACCELERATE_USE_FSDP", "FSDP"), ("ACCELERATE_USE_DEEPSPEED", "DeepSpeed")):
        if os.environ.get(name, "").lower() in ("1", "true"):
            raise InputError(
                f"accelerate's configuration asks for {way}, but the recipe decides how weights are sharded: "
                "shard=full_shard is FSDP2, and DeepSpeed is not supported. Launch with accelerate launch --multi_gpu "
                "or torchrun."
            )
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return Setting(
        device="cuda" if torch.cuda.is_available() else "cpu", rank=int(os.environ.get("RANK", "0")),
        processes=processes, local_processes=int(os.environ.get("LOCAL_WORLD_SIZE", str(processes))),
    )  # fmt: skip


def free_memory(setting: Setting) -> int:
    """Return the bytes free to this process: of its GPU, or its share of the machine's memory."""
    import psutil  # type: ignore[import-untyped, unused-ignore]
    import torch

    if setting.device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    return int(psutil.virtual_memory().available) // setting.local_processes


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """The parts of a model that decide memory: parameters, and the bytes that one token's activations hold.

    `bytes_per_token_in_passing` and `bytes_in_passing` belong to another moment (`activations`). `weight_bytes`
    are those of all weights, `bytes_to_move` of those that are not on their device yet, `bytes_copied` of the bf16
    copies that autocast makes.
    """

    num_parameters: int
    num_trained: int
    bytes_per_token: int
    bytes_per_token_in_passing: int = 0
    bytes_in_passing: int = 0
    weight_bytes: int = 0
    bytes_to_move: int = 0
    bytes_copied: int = 0


def footprint(model: Any, activations: Activations, *, precision: str = "bf16", device: str = "cpu") -> Footprint:
    """Count a model's weights, beside what its activations hold."""
    sizes = [(weight.numel() * weight.element_size(), weight.device.type) for weight in model.parameters()]
    # What is kept in fp32 is cast; NF4 and bf16 weights are not.
    cast = sum(weight.numel() for weight in model.parameters() if weight.is_floating_point() and weight.itemsize == 4)
    return Footprint(
        num_parameters=model.num_parameters(), num_trained=model.num_parameters(only_trainable=True),
        bytes_per_token=activations.per_token, bytes_per_token_in_passing=activations.per_token_in_passing,
        bytes_in_passing=activations.in_passing,
        weight_bytes=sum(size for size, _ in sizes),
        bytes_to_move=sum(size for size, place in sizes if place != device),
        bytes_copied=2 * cast if precision == "bf16" else 0,
    )  # fmt: skip


def state_bytes(memory: Footprint, *, num_shards: int, optimizer: str) -> int:
    """Return what one process holds beside weights and activations: gradients, the optimiser's state, cast weights."""
    # fp32 gradient and two moments per trained weight, of 4 bytes or of 1.
    moments = 8 if optimizer == "adamw" else 2
    return ((4 + moments) * memory.num_trained + memory.bytes_copied) // num_shards


def derive_micro_tokens(
    measured: Footprint, *, free_bytes: int, device: str, num_shards: int, max_length: int, optimizer: str = "adamw"
) -> int:
    """Return the tokens of one forward pass: as many as fit beside gradients and optimiser, up to ENOUGH_TOKENS."""
    fixed = state_bytes(measured, num_shards=num_shards, optimizer=optimizer) + measured.bytes_to_move
    room = int(0.8 * free_bytes - fixed)
    fits = min(
        room // max(measured.bytes_per_token, 1),
        (room - measured.bytes_in_passing) // max(measured.bytes_per_token_in_passing, 1),
    )
    return max(max_length, min(fits, ENOUGH_TOKENS[device]))


def fixed_bytes(memory: Footprint, *, num_shards: int, optimizer: str) -> int:
    """Return the bytes of weights, gradients and optimiser on one process, whatever is trained on."""
    return memory.weight_bytes // num_shards + state_bytes(memory, num_shards=num_shards, optimizer=optimizer)


def estimate_peak(memory: Footprint, *, micro_tokens: int, num_shards: int, optimizer: str) -> int:
    """Return the bytes that one process holds where a step's memory peaks; Python and its libraries come on top."""
    fixed = fixed_bytes(memory, num_shards=num_shards, optimizer=optimizer)
    in_passing = memory.bytes_per_token_in_passing * micro_tokens + memory.bytes_in_passing
    return fixed + max(memory.bytes_per_token * micro_tokens, in_passing)


def peak_memory(setting: Setting) -> int:
    """Return the most bytes this process has held: of its GPU, else of the machine's memory."""
    import resource

    import torch

    if setting.device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def hold_memory() -> None:
    """Let the C library keep freed memory of this process for the next step instead of handing it back (Linux).

    A CPU step frees and asks for the same large tensors over and over; returned pages come back zeroed, one fault each.
    """
    import ctypes
    import sys

    if sys.platform != "linux":
        return
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        trim_threshold, mmap_max = -1, -4
        allocator.mallopt(mmap_max, 0)
        allocator.mallopt(trim_threshold, -1)
