"""Describe a trained model: data, recipe, scores."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mathstrap.errors import counted
from mathstrap.train.watch import Point, Validation

# Where the model of the embedded package comes from.
EMBEDDED_ON_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"
LONG = {"lora", "best", "data"}


def model_card(manifest: Mapping[str, Any], points: Sequence[Point], validations: Sequence[Validation]) -> str:
    """Return the card as Markdown with the header the Hugging Face hub reads."""
    recipe, data, batch = manifest["recipe"], manifest["data"], manifest["batch"]
    method = {"full": "Full fine-tuning", "lora": "LoRA", "qlora": "QLoRA (NF4)"}[recipe["method"]]
    paths = recipe["data"]["path"]
    named = ", ".join(f"`{path}`" for path in ([paths] if isinstance(paths, str) else paths))
    left_out = {**data["dropped"], **data["skipped"]}
    fell = [f"{count:,} {reason.replace('_', ' ')}" for reason, count in left_out.items() if count]
    lines = [
        "---", "library_name: transformers", *base_model(recipe["model"]), "tags: [mathstrap, math]", "---", "",
        f"# {method} of {recipe['model']}", "",
        f"{method} of `{recipe['model']}` ({manifest['model']['trained']:,} of {manifest['model']['parameters']:,} "
        f"weights trained) with mathstrap {manifest['versions']['mathstrap']}.", "",
        "## Data", "",
        f"{counted(data['samples'], 'sample')} from {named}: {data['tokens']:,} tokens, "
        f"{data['response_tokens']:,} of them learnt (the responses and their end mark). "
        f"Held out by seed problem: {data['held_out']:,}. "
        f"Left out: {', '.join(fell) or 'none'}.", "",
        f"Prompt: `{recipe['data']['prompt']}`. Fingerprint of the tokens: `{data['hash']}`.", "",
        "## Recipe", "", "| setting | value |", "| --- | --- |",
    ]  # fmt: skip
    lines += [f"| {key} | {value} |" for key, value in recipe.items() if key not in LONG | {"out", "artefacts"}]
    if recipe["method"] != "full":
        lines += [f"| lora.{key} | {value} |" for key, value in recipe["lora"].items()]
    lines += [
        f"| micro-batch x accumulation x processes | {batch['micro_batch']:g} x {batch['accumulation']} x "
        f"{batch['processes']} |",
        f"| multiplied in | {manifest['hardware']['precision']} on {manifest['hardware']['name']} |", "",
        "## Scores", "",
    ]  # fmt: skip
    if points:
        lines.append(f"Training loss {points[0].loss:.4f} at step {points[0].step}, {points[-1].loss:.4f} at the end.")
    if validations:
        is_scored = any(validation.accuracy is not None for validation in validations)
        lines += ["", "| step | held-out loss |" + " accuracy |" * is_scored, "| --- | --- |" + " --- |" * is_scored]
        for validation in validations:
            accuracy = "" if validation.accuracy is None else f"{validation.accuracy:.3f}"
            lines.append(f"| {validation.step} | {validation.eval_loss:.4f} |" + f" {accuracy} |" * is_scored)
    lines += ["", "Run `mathstrap eval` on this folder for benchmark accuracy.", "", "## Versions", ""]
    lines += [", ".join(f"{name} {version}" for name, version in manifest["versions"].items()), ""]
    return "\n".join(lines)


def base_model(name: str) -> list[str]:
    """Return the header's line on the base model, nothing for a folder: the hub reads it as a name of its own."""
    hub_name = EMBEDDED_ON_HUB if name == "embedded" else name
    is_named = re.fullmatch(r"\w[\w.-]*/[\w.-]+", hub_name) and not Path(hub_name).exists()
    return [f"base_model: {hub_name}"] if is_named else []
