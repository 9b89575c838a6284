"""Mathstrap bootstraps mathematical training data from a user's own questions.

from mathstrap import RunRecipe, bootstrap, load_recipe
summary = bootstrap(load_recipe(RunRecipe, "demo"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mathstrap.version import __version__

if TYPE_CHECKING:
    from mathstrap.pipeline import RunRecipe, RunSummary, bootstrap
    from mathstrap.recipe import load_recipe
    from mathstrap.verify import extract_answer, grade

__all__ = ["RunRecipe", "RunSummary", "__version__", "bootstrap", "extract_answer", "grade", "load_recipe"]

# Where each public name lives; imported at first use, so that `import mathstrap` stays light.
_HOMES = {
    "RunRecipe": "pipeline",
    "RunSummary": "pipeline",
    "bootstrap": "pipeline",
    "extract_answer": "verify",
    "grade": "verify",
    "load_recipe": "recipe",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mathstrap' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"mathstrap.{_HOMES[name]}"), name)
