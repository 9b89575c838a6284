"""Save and load the optimiser of a model whose weights are sharded over the processes (FSDP).

The Trainer saves the first process's shard and hands it to every process on resume; here the whole state is gathered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

FILE = "optimizer.pt"
SCHEDULE = "scheduler.pt"


def inner(optimizer: Any) -> Any:
    """Return torch's optimiser inside accelerate's wrapper."""
    return getattr(optimizer, "optimizer", optimizer)


def save_optimizer(model: Any, optimizer: Any, schedule: Any, folder: Path, *, is_first: bool) -> None:
    """Gather the optimiser's state on the first process and write it; all processes must call this."""
    import torch
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    state = get_optimizer_state_dict(model, inner(optimizer), options=options)
    if is_first:
        torch.save(state, folder / FILE)
        torch.save(schedule.state_dict(), folder / SCHEDULE)


def load_optimizer(model: Any, optimizer: Any, schedule: Any, folder: Path, *, is_first: bool) -> None:
    """Read the optimiser's state on the first process and deal it out; all processes must call this."""
    import torch
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_optimizer_state_dict

    state = torch.load(folder / FILE, map_location="cpu", weights_only=True) if is_first else {}
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)
    set_optimizer_state_dict(model, inner(optimizer), state, options=options)
    schedule.load_state_dict(torch.load(folder / SCHEDULE, map_location="cpu", weights_only=True))


def reshard(model: Any) -> None:
    """Return every process to its own shards: a forward pass without a backward pass leaves some weights gathered."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def is_sharded_model(model: Any) -> bool:
    """Say whether the weights really are sharded: every one is a DTensor under torch's FSDP."""
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor

    return isinstance(model, FSDPModule) and all(isinstance(weight, DTensor) for weight in model.parameters())
