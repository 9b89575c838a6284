"""Fine-tune a language model on samples: full, LoRA or QLoRA, on one core or many machines.

Built on transformers' Trainer, peft, accelerate and bitsandbytes; the data path, the recipes and the checks are ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mathstrap.called import call_by_name
from mathstrap.train.options import BestOptions, DataOptions, LoraOptions, TrainRecipe

if TYPE_CHECKING:
    from mathstrap.train.sft import TrainReport

__all__ = ["BestOptions", "DataOptions", "LoraOptions", "TrainRecipe", "train"]


def train(
    recipe: str | Path | TrainRecipe = "sft-tiny",
    data: str | Path | Any = None,
    *,
    out: str | Path | None = None,
    **settings: Any,
) -> TrainReport:
    """Fine-tune a model and return what became of it; the same call goes on where an interrupted one stopped.

    recipe     a recipe, its file, or the name of a shipped one such as "sft-tiny" or "qlora-7b-24gb"
    data       a file of samples, or a run, whose samples it takes; without it the recipe's own
    out        the output folder; without it the recipe's own
    settings   keys of the recipe, nested: `model="Qwen/Qwen2.5-0.5B"`, `data={"prompt": "chat"}`

    Raises InputError for what the caller can mend. On several GPUs use the command line: `mathstrap train -p 4`.

    >>> train("sft-tiny", folder / "absent.jsonl", out=folder / "model")
    Traceback (most recent call last):
    mathstrap.errors.InputError: ...absent.jsonl: no such file...
    """
    from mathstrap.recipe import build_recipe, merge, parse_yaml, recipe_text, recipe_values
    from mathstrap.train.sft import train as fine_tune

    if isinstance(recipe, TrainRecipe):
        values, where = recipe_values(recipe), "train"
    else:
        where, text = recipe_text(str(recipe))
        values = parse_yaml(text, where)
    if isinstance(data, dict):
        merge(values, {"data": data})
    elif data is not None:
        path = Path(data) if isinstance(data, str | Path) else Path(data.path) / "samples.jsonl"
        merge(values, {"data": {"path": str(path)}})
    merge(values, {**settings, **({} if out is None else {"out": str(out)})})
    report = fine_tune(build_recipe(TrainRecipe, values, where))
    assert report is not None, "this is the only process"
    return report


call_by_name(__name__)
