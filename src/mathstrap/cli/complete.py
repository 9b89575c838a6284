"""Offer recipes, run directories, test sets and other names to typer's shell completion.

Imports nothing heavy. Files and folders are listed here because typer, unlike click, does not complete paths.
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
    """Let the shell complete parameters of a verb; typer reads the completers from the defaults."""
    parameters = inspect.signature(verb).parameters
    for name, completer in completers.items():
        parameters[name].default.autocompletion = completer


def recipe(incomplete: str) -> list[str]:
    """Return shipped recipes, then recipe files and folders on the way to one."""
    return names(RECIPES)(incomplete) + files(incomplete, (".yaml", ".yml"))


def names(*where: str) -> Completer:
    """Return a completer of names; `where` is the module and its dictionary, list or function of names."""

    def offered(incomplete: str) -> list[str]:
        objects = [getattr(import_module(module), name) for module, _, name in (item.partition(":") for item in where)]
        return starting((name for item in objects for name in (item() if callable(item) else item)), incomplete)

    return offered


def listed(where: str) -> Completer:
    """Return a completer for comma-separated names."""

    def offered(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [f"{before}{comma}{name}" for name in names(where)(last)]

    return offered


def keys(where: str) -> Completer:
    """Return a completer of a recipe's `key=`; `where` is the module and the class of its options."""

    def offered(incomplete: str) -> list[str]:
        from mathstrap.recipe import option_keys

        module, _, name = where.partition(":")
        return starting((f"{key}=" for key in option_keys(getattr(import_module(module), name))), incomplete)

    return offered


def run_dir(incomplete: str) -> list[str]:
    """Return the run directories below the typed path, or below `runs`; else folders."""
    beside, _, _ = incomplete.rpartition("/")
    under = dict.fromkeys([Path(beside or "."), Path(RUNS)])
    candidates = [child for folder in under for child in folders(folder) if (child / "manifest.json").exists()]
    runs = starting(dict.fromkeys(str(child) for child in candidates), incomplete)
    return runs or [f"{child}/" for child in folders(Path(beside or ".")) if str(child).startswith(incomplete)]


def starting(names: Iterable[str], incomplete: str) -> list[str]:
    """Return the names that start with the typed text."""
    return [name for name in names if name.startswith(incomplete)]


def folders(path: Path) -> list[Path]:
    """Return the visible folders in a folder, sorted; empty if it cannot be read."""
    try:
        return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))
    except OSError:
        return []


def files(incomplete: str, endings: tuple[str, ...]) -> list[str]:
    """Return files with one of the endings, and folders, that start with the typed text."""
    folder = Path(incomplete.rpartition("/")[0] or ".")
    try:
        children = sorted(folder.iterdir())
    except OSError:
        return []
    paths = [str(child) + "/" * child.is_dir() for child in children if child.is_dir() or child.suffix in endings]
    return [name for name in paths if name.startswith(incomplete) and not name.startswith(".")]
