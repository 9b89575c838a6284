"""Ask a model in its own words: the prompt it was fine-tuned with where that is known, else its chat template alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from mathstrap.errors import InputError
from mathstrap.evaluate.protocols import PROTOCOLS, Changes, Protocol, choose_protocol, make_changes

OWN = "own"


def protocol_for(name: str, changes: Changes, model_path: str) -> Protocol:
    """Return the protocol of that name with its changes; `own` is decided by what lies beside the model's folder."""
    if name != OWN:
        return choose_protocol(name, changes)
    trained_with = training_prompt(Path(model_path)) if model_path else None
    plain = PROTOCOLS["default"]
    if trained_with == "metamath-2024":
        protocol = replace(plain, name="own (training prompt)", prompt="trained", template="raw")
    else:
        protocol = replace(plain, name="own (chat template)", prompt="terse", template="chat")
    return make_changes(protocol, changes)


def training_prompt(model: Path) -> str | None:
    """Return which prompt `mathstrap train` used for this model or adapter folder; None where it left no record."""
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
            return str(data["prompt"])
    return None
