"""Prompt a model as in its fine-tuning, by its training record; without a record, by its chat template alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError
from mathstrap.evaluate.protocols import PROTOCOLS, Changes, Protocol, choose_protocol, make_changes

OWN = "own"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A model's prompt in `mathstrap train`: metamath-2024 or chat, with the system turn and template arguments."""

    prompt: str
    system: str = ""
    template_args: Mapping[str, Any] = field(default_factory=dict)


def protocol_for(name: str, changes: Changes, model_path: str) -> Protocol:
    """Return the protocol of that name with its changes.

    `own` follows the training record beside the model's folder. An empty name means `own` for a model with such a
    record, because another prompt than the trained one gives another accuracy, and `default` for every other model.
    """
    trained = training_record(Path(model_path)) if model_path else None
    if name not in ("", OWN) or (not name and trained is None):
        return choose_protocol(name or "default", changes)
    plain = PROTOCOLS["default"]
    if trained is not None and trained.prompt == "metamath-2024":
        protocol = replace(plain, name="own (training prompt)", prompt="trained", template="raw")
    elif trained is not None:
        protocol = replace(
            plain, name="own (chat template)", prompt="terse", template="chat", system=trained.system,
            template_args=dict(trained.template_args),
        )  # fmt: skip
    else:
        protocol = replace(plain, name="own (chat template)", prompt="terse", template="chat")
    return make_changes(protocol, changes)


def training_record(model: Path) -> Trained | None:
    """Return how `mathstrap train` prompted this model or adapter folder; None without a training record."""
    for path in (model / "manifest.json", model.parent / "manifest.json"):
        if not path.is_file():
            continue
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read as the record of a training run ({error}).") from None
        recipe = manifest.get("recipe") if isinstance(manifest, dict) else None
        data = recipe.get("data") if isinstance(recipe, dict) else None
        if isinstance(data, dict) and isinstance(data.get("prompt"), str):
            arguments = data.get("template_args")
            return Trained(
                prompt=data["prompt"], system=str(data.get("system") or ""),
                template_args=arguments if isinstance(arguments, dict) else {},
            )  # fmt: skip
    return None
