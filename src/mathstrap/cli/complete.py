"""What typer's completion offers after a tab: recipes, run directories, test sets and other names.

Imports nothing heavy. Files and folders are listed here because typer, unlike click, leaves paths to nobody.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

Completer = Callable[[str], list[str]]
RUNS = "runs"
RECIPES = "mathstrap.recipe:recipe_names"


def offer(verb: Callable[..., None], **completers: Completer) -> None:
    """Let the shell complete parameters of a verb; typer reads them off the verb's defaults."""
    parameters = inspect.signature(verb).parameters
    for name, completer in completers.items():
        parameters[name].default.autocompletion = completer


def recipe(incomplete: str) -> list[str]:
    """Return shipped recipes, then recipe files and folders on the way to one."""
    return names(RECIPES)(incomplete) + files(incomplete, (".yaml", ".yml"))


def names(*where: str) -> Completer:
    """Return what offers names; `where` is the module and the dictionary, list or function that has them."""

    def offered(incomplete: str) -> list[str]:
        found = [getattr(import_module(module), name) for module, _, name in (each.partition(":") for each in where)]
        return starting((name for each in found for name in (each() if callable(each) else each)), incomplete)

    return offered


def listed(where: str) -> Completer:
    """Return what offers names in a list with commas: after a comma the next one."""

    def offered(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in names(where)(last)]

    return offered


def keys(where: str) -> Completer:
    """Return what offers the `key=` of a recipe; `where` is the module and the class of its options."""

    def offered(incomplete: str) -> list[str]:
        from mathstrap.recipe import option_keys

        module, _, name = where.partition(":")
        return starting((f"{key}=" for key in option_keys(getattr(import_module(module), name))), incomplete)

    return offered


def run_dir(incomplete: str) -> list[str]:
    """Return the run directories under what was typed, or under `runs`; folders where there is none."""
    beside, _, _ = incomplete.rpartition("/")
    under = dict.fromkeys([Path(beside or "."), Path(RUNS)])
    found = [child for folder in under for child in folders(folder) if (child / "manifest.json").exists()]
    runs = starting(dict.fromkeys(str(child) for child in found), incomplete)
    return runs or [f"{child}/" for child in folders(Path(beside or ".")) if str(child).startswith(incomplete)]


def starting(names: Iterable[str], incomplete: str) -> list[str]:
    """Return the names that start with what was typed."""
    return [name for name in names if name.startswith(incomplete)]


def folders(path: Path) -> list[Path]:
    """Return the visible folders in a folder, sorted; none where it cannot be read."""
    try:
        return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))
    except OSError:
        return []


def files(incomplete: str, endings: tuple[str, ...]) -> list[str]:
    """Return files with one of the endings, and folders, that start with what was typed."""
    folder = Path(incomplete.rpartition("/")[0] or ".")
    try:
        children = sorted(folder.iterdir())
    except OSError:
        return []
    found = [str(child) + "/" * child.is_dir() for child in children if child.is_dir() or child.suffix in endings]
    return [name for name in found if name.startswith(incomplete) and not name.startswith(".")]
