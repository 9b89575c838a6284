"""Train by `trl.yaml` of the folder with TRL's own parser and script; print the first row as it is learnt, as JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def main() -> None:
    os.chdir(sys.argv[1])
    import trl
    from trl.scripts import sft

    plain = trl.SFTTrainer.train

    def train(self: Any, *arguments: Any, **options: Any) -> Any:
        row = self.data_collator([self.train_dataset[0]])
        labels = [label for label in row["labels"][0].tolist() if label != -100]
        whole = row["input_ids"][0].tolist()
        decode = self.processing_class.decode
        print(json.dumps({"whole": decode(whole), "learnt": decode(labels), "rows": len(self.train_dataset)}))
        return plain(self, *arguments, **options)

    trl.SFTTrainer.train = train
    sft.main(*sft.make_parser().parse_args_and_config(args=["--config", "trl.yaml"]))


if __name__ == "__main__":
    main()
