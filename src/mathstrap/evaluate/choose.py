"""Choose the teacher and the output folder for a model that is named by a file, a folder, or a name at a server."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mathstrap.backends import BACKENDS, teacher_named
from mathstrap.backends.known import SERVERS
from mathstrap.errors import InputError
from mathstrap.evaluate.run import EvalOptions
from mathstrap.recipe import build_recipe, merge

ADAPTER_CONFIG = "adapter_config.json"


def options_for(model: str, benchmarks: str | Sequence[str], settings: Mapping[str, Any]) -> EvalOptions:
    """Return the options of an evaluation from Python arguments; raises RecipeError for unknown settings."""
    names = benchmarks.split(",") if isinstance(benchmarks, str) else list(benchmarks)
    values: dict[str, Any] = {"benchmarks": [name.strip() for name in names if name.strip()]}
    if model:
        values["teacher"] = choose_teacher(model)
    merge(values, settings)
    values["out"] = str(values.get("out") or default_out(values))
    return build_recipe(EvalOptions, values, "evaluate")


def choose_teacher(model: str, backend: str = "", base_url: str = "") -> dict[str, Any]:
    """Return the teacher's options for a model named by a file, a folder, or a name at a server."""
    is_folder, is_weights = Path(model).is_dir() if model else False, model.endswith(".gguf")
    is_at_a_server = model.partition("/")[0] in {*SERVERS, *BACKENDS} or "@http" in model
    if is_at_a_server and not is_folder and not backend and not base_url:
        return teacher_named(model)
    if not backend:
        if base_url:
            backend = "openai"
        elif is_weights or not model or model == "embedded":
            backend = "embedded"
        else:
            backend = "hf" if is_folder else "openai"
    if is_folder and backend in ("hf", "vllm"):
        check_model_folder(Path(model))
    values: dict[str, Any] = {"backend": backend}
    if backend == "hf" and is_folder and (Path(model) / ADAPTER_CONFIG).is_file():
        values |= {"model_path": base_of(Path(model)), "model": Path(model).name, "settings": {"adapter": model}}
    elif backend in ("embedded", "hf", "vllm") and (is_folder or is_weights):
        values["model_path"] = model
    elif model and model != "embedded":
        values["model"] = model
    if base_url:
        values["base_url"] = base_url
    return values


def check_model_folder(folder: Path) -> None:
    """Raise InputError where a folder holds no model; the message names a training's model inside it."""
    if not any((folder / name).is_file() for name in ("config.json", ADAPTER_CONFIG)):
        inside = next((child for child in (folder / "model", folder / "adapter") if child.is_dir()), None)
        hint = f" Did you mean {inside}?" if inside else ""
        raise InputError(f"{folder}: no config.json, so this is not the folder of a model.{hint}")


def base_of(adapter: Path) -> str:
    """Return the model an adapter was trained on, as the adapter records it."""
    import json

    path = adapter / ADAPTER_CONFIG
    try:
        base = json.loads(path.read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: cannot be read ({error}).") from None
    if not isinstance(base, str) or not base:
        raise InputError(
            f"{path}: names no base model. Give it: --backend hf teacher.model_path=BASE "
            f"teacher.settings.adapter={adapter}"
        )
    return base


def default_out(values: dict[str, Any]) -> str:
    """Return the default run directory of an evaluation, named after the model and the protocol."""
    teacher = values.get("teacher")
    part = teacher if isinstance(teacher, dict) else {}
    named = values.get("outputs") or part.get("model_path") or part.get("model") or part.get("backend", "")
    name = Path(str(named)).stem
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", f"{name}-{values.get('protocol') or 'default'}")
    return f"runs/eval-{slug.strip('-.').lower()}"
