"""A bootstrapping run: its recipe, its stages, what it would ask, and everything it holds about one seed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mathstrap.pipeline.options import RunRecipe
    from mathstrap.pipeline.run import RunSummary, bootstrap

__all__ = ["RunRecipe", "RunSummary", "bootstrap"]

# Imported when they are asked for: commands that only read a run need none of its stages.
_HOMES = {"RunRecipe": "options", "RunSummary": "run", "bootstrap": "run"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
