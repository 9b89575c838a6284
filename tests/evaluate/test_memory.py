"""The memory probe: near 0 for a model that never saw the questions, near 100 % for one that was overfitted on them."""

from __future__ import annotations

import json

import pytest

import tiny_llama
from mathstrap.backends import TeacherOptions
from mathstrap.errors import InputError
from mathstrap.evaluate import EvalOptions
from mathstrap.evaluate.memory import SHARES, cut, probe_memory
from mathstrap.types import Problem

WORDS = "Ann buys {a} apples and {b} pears on the way to the market and later gives {c} of them away to Ben. How many?"


def question(text: str) -> Problem:
    return Problem(id="t-0", dataset="t", style="gsm8k", question=text, answer="1", method="seed")


@pytest.mark.parametrize(("share", "shown"), [(40, "a b c d"), (60, "a b c d e f"), (80, None)])
def test_a_question_is_cut_at_a_word_and_a_rest_that_can_be_guessed_is_left_out(share, shown):
    part = cut(question("a b c d e f g h i j"), share)
    assert (part and part[0]) == shown
    if part:
        assert " ".join(part) == "a b c d e f g h i j"


@pytest.mark.slow
def test_an_overfitted_model_writes_the_rest_and_a_fresh_one_does_not(tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    tiny_llama.save_llama(tmp_path / "model")
    rows = [WORDS.format(a=a, b=a + 3, c=2 * a) for a in range(2, 8)]
    (tmp_path / "test.jsonl").write_text(
        "".join(json.dumps({"question": row, "answer": "#### 1"}) + "\n" for row in rows)
    )

    def probe(out: str):
        teacher = TeacherOptions(backend="hf", model_path=str(tmp_path / "model"), settings={"device": "cpu"})
        sets = (f"gsm8k={tmp_path / 'test.jsonl'}",)
        options = EvalOptions(benchmarks=sets, teacher=teacher, out=str(tmp_path / out))
        (found,) = probe_memory(options).sets
        assert found.num_unanswered == 0
        return {share: found.exact[str(share)].value for share in SHARES}

    assert probe("before") == dict.fromkeys(SHARES, 0.0)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batch = [torch.tensor([[*tokenizer(row).input_ids, tokenizer.eos_token_id]]) for row in rows]
    for _ in range(160):
        for ids in batch:
            model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(tmp_path / "model")
    assert probe("after")[60] == 1.0, "the numbers have been shown, and what follows is learnt"
    with pytest.raises(InputError, match="leave --outputs out"):
        probe_memory(EvalOptions(outputs="x.jsonl"))
