"""Fine-tune a language model on samples: full, LoRA or QLoRA, on one core or many machines.

Built on transformers' Trainer, peft, accelerate and bitsandbytes; the data path, the recipes and the checks are ours.
"""

from mathstrap.train.options import BestOptions, DataOptions, LoraOptions, TrainRecipe

__all__ = ["BestOptions", "DataOptions", "LoraOptions", "TrainRecipe"]
