"""Check `axolotl.yaml` of the folder by Axolotl's own schema, encode its first row by its own strategy; as JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main() -> None:
    os.chdir(sys.argv[1])
    import yaml
    from axolotl.utils.dict import DictDefault
    from axolotl.utils.schemas.config import AxolotlInputConfig
    from transformers import AutoTokenizer

    config = yaml.safe_load(Path("axolotl.yaml").read_text())
    checked = AxolotlInputConfig(**config)
    unknown = sorted(set(config) - set(AxolotlInputConfig.model_fields))
    from axolotl.prompt_strategies import load

    tokenizer = AutoTokenizer.from_pretrained(config["base_model"])
    settings = DictDefault(checked.model_dump(exclude_none=True))
    rows = settings.datasets[0]
    # As its own loader calls it: a type of one's own is a mapping, any other is a name.
    own = None if isinstance(rows.type, str) else rows.type.to_dict()
    strategy = load("user_defined", tokenizer, settings, own) if own else load(rows.type, tokenizer, settings, rows)
    row = json.loads(Path(config["datasets"][0]["path"]).read_text().splitlines()[0])
    encoded = strategy.tokenize_prompt(row)
    labels = [label for label in encoded["labels"] if label != -100]
    print(
        json.dumps(
            {
                "whole": tokenizer.decode(encoded["input_ids"]),
                "learnt": tokenizer.decode(labels),
                "unknown": unknown,
                "steps": checked.max_steps,
                "adapter": checked.adapter,
            }
        )
    )


if __name__ == "__main__":
    main()
