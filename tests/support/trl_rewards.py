"""Train two steps with each of TRL's reward and preference trainers on exported files; print what came of it as JSON.

Arguments: the folder of the exports, the folder of a tiny model, the trainers.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

from datasets import load_dataset

from mathstrap.reward import FormatReward, MathReward, async_reward, counts, reward


def settings(kind: type, folder: Path, **more: Any) -> Any:
    """Two steps on the CPU, in the words of a trainer's config; what a version does not know is left out."""
    values = {
        "output_dir": str(folder), "max_steps": 2, "per_device_train_batch_size": 4, "report_to": [], "use_cpu": True,
        "bf16": False, "logging_steps": 1, "save_strategy": "no", "gradient_checkpointing": False, "seed": 1,
    }  # fmt: skip
    known = inspect.signature(kind).parameters
    return kind(**{name: value for name, value in (values | more).items() if name in known})


def main() -> None:
    exports, model, names = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    import trl

    said: dict[str, Any] = {"trl": trl.__version__}
    for name in names:
        out = exports / f"out-{name}"
        if name in ("grpo", "rloo"):
            trainer_type = trl.GRPOTrainer if name == "grpo" else trl.RLOOTrainer
            config_type = trl.GRPOConfig if name == "grpo" else trl.RLOOConfig
            functions = [reward, MathReward(wrong=-1.0), FormatReward("boxed")]
            if "is_async_callable" in vars(trl.trainer.utils):
                functions.append(async_reward)
            logged: dict[str, list[Any]] = {}

            def watched(completions: Any, logged: dict[str, list[Any]] = logged, **kwargs: Any) -> list[float | None]:
                logged.setdefault("columns", sorted(kwargs))
                # A random model is never right: what its golds would earn shows that they arrive readable.
                kwargs["solution"] = list(kwargs["solution"])
                right = [[{"role": "assistant", "content": f"\\boxed{{{gold}}}"}] for gold in kwargs["solution"]]
                return reward(completions=right, **kwargs)

            trainer = trainer_type(
                model=model, reward_funcs=[*functions, watched],
                args=settings(config_type, out, num_generations=4, max_completion_length=12, log_completions=False),
                train_dataset=load_dataset("json", data_files=str(exports / "export-grpo.jsonl"), split="train"),
            )  # fmt: skip
            said[f"{name} columns"] = logged
            said[f"{name} names"] = [str(each) for each in getattr(trainer, "reward_func_names", [])]
        else:
            trainer_type, config_type, file = {
                "dpo": (trl.DPOTrainer, trl.DPOConfig, "dpo"), "kto": (trl.KTOTrainer, trl.KTOConfig, "kto"),
                "reward": (trl.RewardTrainer, trl.RewardConfig, "dpo"),
            }[name]  # fmt: skip
            trainer = trainer_type(
                model=model, args=settings(config_type, out, max_length=256),
                train_dataset=load_dataset("json", data_files=str(exports / f"export-{file}.jsonl"), split="train"),
            )  # fmt: skip
        done = trainer.train()
        said[name] = {"steps": done.global_step, "loss": done.training_loss}
        said[f"{name} log"] = {key: value for row in trainer.state.log_history for key, value in row.items()}
    said["counts"] = counts()
    print(json.dumps(said, default=str))


if __name__ == "__main__":
    main()
