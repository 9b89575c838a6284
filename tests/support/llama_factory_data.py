"""Read `llama-factory.yaml` of the folder with LLaMA-Factory's own parser and loader; print the first row as JSON."""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    os.chdir(sys.argv[1])
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer
    from omegaconf import OmegaConf

    config = OmegaConf.to_container(OmegaConf.load("llama-factory.yaml"))
    model, data, training, tuning, _ = get_train_args(config)
    loaded = load_tokenizer(model)
    tokenizer = loaded["tokenizer"]
    template = get_template_and_fix_tokenizer(tokenizer, data)
    found = get_dataset(template, model, data, training, stage="sft", **loaded)
    row = found["train_dataset"][0]
    labels = [label for label in row["labels"] if label != -100]
    print(
        json.dumps(
            {
                "whole": tokenizer.decode(row["input_ids"]),
                "learnt": tokenizer.decode(labels),
                "rows": len(found["train_dataset"]),
                "held_out": len(found["eval_dataset"]),
                "method": tuning.finetuning_type,
                "steps": training.max_steps,
            }
        )
    )


if __name__ == "__main__":
    main()
