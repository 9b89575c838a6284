"""Adapters by name and on experts: they learn, and folded in they compute what they computed in training."""

from __future__ import annotations

import json

import pytest

from families import FAMILIES, save_family
from mathstrap.errors import RecipeError
from mathstrap.train import DataOptions, LoraOptions, TrainRecipe
from mathstrap.train.lora import doubts

ROWS = [{"query": f"What is {n} and {n}?", "response": f"The answer is: {2 * n}"} for n in range(2, 10)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "variant"),
    [("smollm3", "lora"), ("smollm3", "rslora"), ("smollm3", "dora"), ("smollm3", "pissa"), ("qwen3-moe", "lora"),
     ("gpt-oss", "lora"), ("qwen3-moe", "dora"), ("granite-4-hybrid", "lora")],
)  # fmt: skip
def test_an_adapter_learns_and_folds_into_the_published_weights(family, variant, tmp_path, monkeypatch):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from mathstrap.train.sft import train

    torch.set_num_threads(1)
    monkeypatch.setenv("MATHSTRAP_CACHE", str(tmp_path / "cache"))
    save_family(tmp_path / "base", FAMILIES[family], [text for row in ROWS for text in row.values()] * 4)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    report = train(TrainRecipe(
        model=str(tmp_path / "base"), out=str(tmp_path / "out"), method="lora", artefacts=("merged",), global_batch=4,
        data=DataOptions(path=str(tmp_path / "rows.jsonl"), prompt="chat"), max_steps=12, lr=1e-2, micro_tokens=400,
        lora=LoraOptions(r=4, alpha=8, dropout=0.05, variant=variant), precision="fp32",
    ))  # fmt: skip
    assert report is not None
    curve = [json.loads(line)["loss"] for line in (tmp_path / "out" / "curve.jsonl").read_text().splitlines()]
    assert curve[-1] < curve[0] - 0.3
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert bool(manifest["adapter"]["experts"]) == (FAMILIES[family].has_experts and variant == "lora")
    ids = torch.arange(10, 40)[None]
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    with torch.no_grad():
        adapted = PeftModel.from_pretrained(base, report.files["adapter"]).eval()(input_ids=ids).logits
        merged = AutoModelForCausalLM.from_pretrained(report.files["model"])(input_ids=ids).logits
        checkpoint = tmp_path / "out" / "checkpoints" / "checkpoint-12"
        assert checkpoint.is_dir()
    torch.testing.assert_close(merged, adapted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lora": LoraOptions(r=96, alpha=16), "lr": 1e-4}, "0.167"),  # the paper's own
        ({"lora": LoraOptions(), "lr": 2e-5}, "lr=2e-05"),
        ({"lora": LoraOptions(), "lr": 2e-4}, ""),
        ({"method": "full", "lr": 1e-3}, "lr=0.001"),
        ({"method": "full", "lr": 2e-5}, ""),
    ],
)
def test_a_strength_outside_published_practice_is_warned_about(changes, words):
    found = " ".join(doubts(TrainRecipe(**({"method": "lora"} | changes))))
    assert (words in found) if words else not found


def test_pissa_over_four_bit_weights_is_refused():
    with pytest.raises(RecipeError, match="Set method=lora"):
        TrainRecipe(method="qlora", lora=LoraOptions(variant="pissa"))
