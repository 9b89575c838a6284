"""Decide what a run's keys cover, and find what has changed since the run was last started. Sends nothing.

A key is the hash of everything a request asks. Runs of the first version left `teacher.extra_body` out of it: their
replies stay valid as long as that body is the one they were made with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mathstrap.errors import RecipeError
from mathstrap.files.rundir import RunDir
from mathstrap.pipeline.options import RunRecipe
from mathstrap.pipeline.panel import StageOptions, with_body
from mathstrap.recipe import parse_yaml, recipe_values, recipe_yaml
from mathstrap.redact import public

OLDER_BODY = "older_body"  # in the manifest: the body that keys of this run leave out
SHOWN_CHANGES = 6
# The sections of a recipe that replies depend on, besides the questions.
_ASKED = ("mode", "teacher", "teachers", "rewriting", "solving", "prompts")
# Options inside these sections that say how a teacher is reached, not what it is asked.
_NOT_ASKED = ("timeout_seconds", "max_in_flight", "api_key_env", "api_key_command", "threads", "supports_n", "weight")


def start_run(recipe: RunRecipe, run: RunDir) -> tuple[RunRecipe, list[str]]:
    """Write the recipe into its run; return it as its requests are keyed, and the changes since the last start."""
    before = recipe_before(run)
    if OLDER_BODY not in run.manifest:  # before anything is asked: later replies are keyed with their body
        run.update_manifest(**{OLDER_BODY: older_body(run, before)})
    run.write_text("recipe.yaml", recipe_yaml(recipe))
    return keyed_recipe(recipe, run), changes_since(before, recipe)


def older_body(run: RunDir, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that this run's keys leave out; `before` is the recipe it was last started with.

    Decided once, when a version that hashes bodies first opens the run: only the replies present at that time have keys
    without a body. If the manifest was lost since, `spending.jsonl`, which only these versions write, shows that the
    run is not an old one.
    """
    known = run.manifest.get(OLDER_BODY)
    if isinstance(known, dict):
        return known
    is_old = any(run.path.glob("completions-*.jsonl")) and not (run.path / "spending.jsonl").exists()
    body = (before.get("teacher") or {}).get("extra_body") if is_old else None
    return body if isinstance(body, dict) else {}


def recipe_before(run: RunDir) -> dict[str, Any]:
    """Return the recipe that this run was last started with; empty for a new run, or one whose recipe was lost."""
    path = run.path / "recipe.yaml"
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), str(path)) if path.exists() else {}
    except (RecipeError, OSError, UnicodeDecodeError):
        return {}


def keyed_recipe(recipe: RunRecipe, run: RunDir | None) -> RunRecipe:
    """Return the recipe with the teacher's body in its stages, where the keys of this run cover it."""
    body = recipe.teacher.extra_body
    if not body or (run is not None and older_body(run, recipe_before(run)) == public(body)):
        return recipe

    def keyed(options: StageOptions) -> StageOptions:
        return with_body(options, body) if options.teacher is None else options

    judged = replace(recipe.decontaminate, judging=keyed(recipe.decontaminate.judging))
    return replace(recipe, rewriting=keyed(recipe.rewriting), solving=keyed(recipe.solving), decontaminate=judged)


def changes_since(before: Mapping[str, Any], recipe: RunRecipe) -> list[str]:
    """Return the changes to what is asked since the run was last started, each as `key: old -> new`."""
    if not before:
        return []
    now = public(recipe_values(recipe))
    changes: list[str] = []
    for section in _ASKED:
        if section in before:
            changes += _changes(section, before[section], now.get(section))
    return changes


def _changes(key: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        # A key that the older recipe does not have is one that its version did not know.
        names = [name for name in new if name in old and name not in _NOT_ASKED]
        names += [name for name in old if name not in new]
        added = [name for name in new if name not in old] if key.endswith(("extra_body", "files", "teachers")) else []
        return [line for name in (*names, *added) for line in _changes(f"{key}.{name}", old.get(name), new.get(name))]
    return [] if old == new else [f"{key}: {old!r} -> {new!r}"]


def change_sentence(changes: list[str]) -> str:
    """Say that an answered request is asked again, and which changes of the recipe are the reason."""
    shown = "; ".join(change[:120] for change in changes[:SHOWN_CHANGES])
    why = f" ({shown}{'; ...' if len(changes) > SHOWN_CHANGES else ''})" if shown else ""
    return (
        f"What is asked has changed since this run was last started{why}: the requests it touches are asked again, and "
        "paid for again. Their older replies are kept; the older settings find them."
    )
