"""Read an exported file with verl's own dataset and score replies with its own reward managers; print JSON.

Arguments: the folder of the exports, the folder of a tiny model. The reward is found as a user's config names it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from transformers import AutoTokenizer
from verl import DataProto
from verl.trainer.ppo.reward import get_custom_reward_fn
from verl.utils.dataset.rl_dataset import RLHFDataset


def batch_of(rows: list[dict[str, Any]], replies: list[str], tokenizer: Any) -> Any:
    """Return the batch that verl's managers score: prompts and replies as tokens, the row's columns beside them."""
    prompts = torch.zeros((len(rows), 4), dtype=torch.long)
    ids = [tokenizer(reply, add_special_tokens=False)["input_ids"] for reply in replies]
    width = max(map(len, ids))
    responses = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), 4 + width), dtype=torch.long)
    mask[:, :4] = 1
    for place, each in enumerate(ids):
        responses[place, : len(each)] = torch.tensor(each)
        mask[place, 4 : 4 + len(each)] = 1
    columns = {
        name: np.array([row[name] for row in rows], dtype=object)
        for name in ("data_source", "reward_model", "extra_info")
    }
    tensors = {"prompts": prompts, "responses": responses, "attention_mask": mask}
    return DataProto.from_dict(tensors=tensors, non_tensors=columns)


def last_scores(tensor: Any) -> list[float]:
    return [round(float(row.sum()), 3) for row in tensor]


def custom(name: str, **kwargs: Any) -> Any:
    """Return a reward as verl's trainer loads it from a config."""
    function = {"path": "pkg://mathstrap.reward", "name": name, "reward_kwargs": kwargs}
    # "reward.custom_reward_function" today, "custom_reward_function" one version back.
    return get_custom_reward_fn(
        OmegaConf.create({"reward": {"custom_reward_function": function}, "custom_reward_function": function})
    )


def main() -> None:
    exports, model = Path(sys.argv[1]), sys.argv[2]
    import verl

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    settings = {"prompt_key": "prompt", "max_prompt_length": 512, "filter_overlong_prompts": False}
    config = OmegaConf.create(settings | {"cache_dir": str(exports / "cache")})
    dataset = RLHFDataset(str(exports / "export-verl.parquet"), tokenizer, config)
    rows = [dataset[place] for place in range(4)]
    golds = [row["reward_model"]["ground_truth"] for row in rows]
    replies = [f"So \\boxed{{{golds[0]}}}.", f"The answer is: {golds[1]}", "So \\boxed{-987654}.", "I do not know."]
    said: dict[str, Any] = {"verl": verl.__version__, "rows": len(dataset), "sources": str(rows[0]["data_source"])}

    from verl.workers.reward_manager import get_reward_manager_cls

    managers = {
        "naive": custom("compute_score"), "batch": custom("compute_score_batched"),
        "prime": custom("compute_score", detail=False), "dapo": custom("compute_score"),
    }  # fmt: skip
    for name, function in managers.items():
        manager = get_reward_manager_cls(name)(tokenizer=tokenizer, num_examine=0, compute_score=function)
        found = manager(batch_of(rows, replies, tokenizer), return_dict=True)
        said[name] = last_scores(found["reward_tensor"])
        said[f"{name} columns"] = sorted(found.get("reward_extra_info", {}))
    said["loop"] = asyncio.run(loop_scores(rows, replies, tokenizer))
    print(json.dumps(said))


async def loop_scores(rows: list[dict[str, Any]], replies: list[str], tokenizer: Any) -> dict[str, list[float]]:
    """Score by the managers of the reward loop, which replaced the others: sync and async rewards."""
    from verl.experimental.reward_loop.reward_manager import get_reward_manager_cls

    config = OmegaConf.create({"reward": {"num_workers": 1, "reward_kwargs": {}}})
    scores = {}
    for name in ("compute_score", "async_compute_score"):
        manager = get_reward_manager_cls("naive")(config, tokenizer, custom(name))
        batch = batch_of(rows, replies, tokenizer)
        found = [await manager.run_single(batch[place : place + 1]) for place in range(len(batch))]
        scores[name] = [each["reward_score"] for each in found]
        assert all(each["reward_extra_info"]["reason"] for each in found)
    return scores


if __name__ == "__main__":
    main()
