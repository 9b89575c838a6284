"""A bootstrapping run: its recipe, its stages, what it would ask, and everything it holds about one seed."""

from __future__ import annotations

from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.run import RunSummary, bootstrap

__all__ = ["RunRecipe", "RunSummary", "bootstrap"]
