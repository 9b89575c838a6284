"""Resolve what a run starts from: a recipe by name or path, or questions, which get the recipe that `init` writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mathstrap.backends import teacher_named
from mathstrap.engine.thinkers import THINKER_MAX_TOKENS, THINKER_TIMEOUT_SECONDS, thinks
from mathstrap.files.rows import READERS, suffix_of
from mathstrap.problems.load import HUB_SETS, SeedsOptions, dataset_name
from mathstrap.recipe import merge, parse_yaml, recipe_names, recipe_text


def holds_questions(source: str) -> bool:
    """Say whether a name stands for questions rather than for a recipe."""
    if source in recipe_names():
        return False
    path = Path(source)
    is_table = suffix_of(path) in READERS or path.is_dir() or any(letter in source for letter in "*?[")
    return source.startswith(("hf:", "bundled:")) or source in HUB_SETS or is_table


def values_of(source: str) -> tuple[dict[str, Any], str]:
    """Return the values of a recipe file or a shipped recipe, and its path; raises RecipeError."""
    where, text = recipe_text(source)
    values = parse_yaml(text, where)
    if not values.get("name"):
        values["name"] = Path(where).stem
    return values, where


def starter_values(source: str) -> dict[str, Any]:
    """Return the values of the recipe that `mathstrap init` writes for a source of questions."""
    values = parse_yaml(recipe_text("starter")[1], "starter.yaml")
    values["seeds"] = {"source": source}
    values["name"] = dataset_name(SeedsOptions(source=source))
    return values


def set_teacher(values: dict[str, Any], teacher: str | Mapping[str, Any]) -> None:
    """Set the teacher, in place, with the limits that a model of its kind needs.

    A string is read by `teacher_named`. The embedded model gets the prompts and lengths of the demo.
    """
    chosen = teacher_named(teacher) if isinstance(teacher, str) else dict(teacher)
    is_other = chosen.get("model") != (values.get("teacher") or {}).get("model")
    values["teacher"] = chosen
    stages = [values.setdefault(stage, {}) for stage in ("rewriting", "solving")]
    for stage in stages:  # "none" was chosen for the recipe's own model; another model may refuse it
        if is_other and stage.get("reasoning_effort") == "none":
            del stage["reasoning_effort"]
    if is_other and thinks(str(chosen.get("model") or "")):
        chosen.setdefault("timeout_seconds", THINKER_TIMEOUT_SECONDS)
        for stage in stages:
            stage["max_tokens"] = max(THINKER_MAX_TOKENS, stage.get("max_tokens") or 0)
    if chosen.get("backend") == "embedded" and not chosen.get("model_path"):
        values.setdefault("prompts", {}).setdefault("shape", "tiny")
        merge(values, {"rewriting": {"max_tokens": 60, "temperature": 0.6, "stop": ["\n"]}})
        merge(values, {"solving": {"max_tokens": 80, "temperature": 0.6}})
