"""Perplexity against a model whose probabilities are known, and against a tiny random Llama counted token by token."""

from __future__ import annotations

import math

import pytest

from mathstrap.errors import InputError
from mathstrap.stats.perplexity import (
    PerplexityOptions,
    PromptAndReply,
    encode,
    load,
    parts_of,
    sequence_nats,
    summarise,
    surprises,
)

torch = pytest.importorskip("torch", reason='needs pip install "mathstrap[train]"')


class Letters:
    """A tokenizer with one token per character: a is 1, b is 2, ..."""

    def __init__(self, bos=None):
        self.bos_token_id = bos

    def __call__(self, text, add_special_tokens):
        assert not add_special_tokens
        return {"input_ids": [ord(letter) % 32 for letter in text]}


class Fixed:
    """A model that gives every next token the same distribution over 4 tokens."""

    def __init__(self, shares):
        self.logits = torch.tensor(shares).log()

    def __call__(self, input_ids, attention_mask):
        return type("Out", (), {"logits": self.logits.expand(*input_ids.shape, 4)})


def options(**more):
    return PerplexityOptions(model="m", template="[[question]]", **more)


def test_known_probabilities_give_the_perplexity_by_hand():
    # p(a) = 1/2, p(b) = 1/4: the reply "ab" has nats ln 2 + ln 4, so its perplexity is sqrt(8)
    model = Fixed([0.125, 0.5, 0.25, 0.125])
    (found,) = surprises([PromptAndReply(prompt="cc", reply="ab")], model, Letters(), options())
    assert found.tokens == 2
    assert found.nats == pytest.approx(math.log(8))
    assert found.perplexity == pytest.approx(math.sqrt(8))


def test_an_unmasked_prompt_counts_all_but_the_first_token():
    model = Fixed([0.125, 0.5, 0.25, 0.125])
    (found,) = surprises([PromptAndReply(prompt="cb", reply="a")], model, Letters(), options(mask_prompt=False))
    assert found.tokens == 2
    assert found.nats == pytest.approx(math.log(4) + math.log(2))


def test_a_beginning_token_lets_the_first_prompt_token_count():
    ids, first, is_cut = encode(PromptAndReply(prompt="cb", reply="a"), Letters(bos=0), options(mask_prompt=False))
    assert (ids, first, is_cut) == ([0, 3, 2, 1], 1, False)


def test_a_long_text_is_cut_at_the_end_and_reported():
    ids, first, is_cut = encode(PromptAndReply(prompt="cb", reply="aaaa"), Letters(), options(max_tokens=4))
    assert (len(ids), first, is_cut) == (4, 2, True)
    (found,) = surprises([PromptAndReply(prompt="ccc", reply="a")], Fixed([0.25] * 4), Letters(), options(max_tokens=2))
    assert found.tokens == 0
    assert math.isnan(found.perplexity)


def tiny_llama():
    transformers = pytest.importorskip("transformers", reason='needs pip install "mathstrap[train]"')
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    return transformers.LlamaForCausalLM(config).eval()


def test_of_ten_megabytes_only_the_beginning_is_tokenised():
    class Counting(Letters):
        most = 0

        def __call__(self, text, **more):
            self.most = max(self.most, len(text))
            return super().__call__(text, **more)

    tokenizer = Counting()
    ids, _, is_cut = encode(PromptAndReply(prompt="c", reply="a" * 10_000_000), tokenizer, options(max_tokens=4))
    assert (len(ids), is_cut, tokenizer.most) == (4, True, 256)


def test_batches_and_padding_do_not_change_the_nats_of_a_llama():
    model = tiny_llama()
    rows = [[1, 5, 9, 3], [2, 7, 7, 7, 8, 1, 4], [3, 30]]
    first = [2, 3, 1]
    together = sequence_nats(model, rows, first, "cpu")
    for row, start, found in zip(rows, first, together, strict=True):
        with torch.inference_mode():
            logs = model(input_ids=torch.tensor([row])).logits[0].log_softmax(-1)
        by_hand = -sum(logs[place - 1, row[place]].item() for place in range(start, len(row)))
        assert found == pytest.approx(by_hand, abs=1e-4)


def test_surprises_come_in_the_order_of_the_texts():
    texts = [PromptAndReply(prompt="abc" * n, reply="ba" * n) for n in (5, 1, 3)]
    found = list(surprises(texts, tiny_llama(), Letters(), options(batch_size=2)))
    assert [surprise.tokens for surprise in found] == [10, 2, 6]


def test_parts_hold_answer_only_text_and_solutions_next_to_the_methods():
    from synthetic_run import make

    made = make(6)
    parts = parts_of(made.samples, made.problems, options(max_rows=5))
    assert list(parts) == ["answer only", "seed solution", "ans_aug", "rephrase", "self_verification", "fobar"]
    assert all(len(texts) == 5 for texts in parts.values())
    assert parts["answer only"][0].reply.startswith("The answer is: ")


def test_the_median_and_the_pooled_perplexity_are_both_given():
    model = Fixed([0.125, 0.5, 0.25, 0.125])
    found = list(
        surprises(
            [PromptAndReply(prompt="c", reply="aaa"), PromptAndReply(prompt="c", reply="b")],
            model,
            Letters(),
            options(),
        )
    )
    part = summarise("p", found)
    assert part.median.value == pytest.approx((2 + 4) / 2)
    assert part.pooled == pytest.approx(math.exp((3 * math.log(2) + math.log(4)) / 4))
    assert part.num_tokens == 4


def test_a_model_that_is_not_there_is_a_sentence(tmp_path):
    pytest.importorskip("transformers", reason='needs pip install "mathstrap[train]"')
    with pytest.raises(InputError, match="cannot be loaded"):
        load(PerplexityOptions(model=str(tmp_path)))


def saved_model(path):
    """Write a tiny random Llama with a byte-level tokenizer where transformers finds both."""
    transformers = pytest.importorskip("transformers", reason='needs pip install "mathstrap[train]"')
    tokenizers = pytest.importorskip("tokenizers", reason='needs pip install "mathstrap[train]"')
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokens = {letter: place for place, letter in enumerate(["<s>", *alphabet])}
    raw = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=tokens, merges=[]))
    raw.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    transformers.PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>").save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(tokens), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    return path


def test_a_run_is_measured_under_a_saved_model_and_the_report_shows_it(tmp_path):
    from typer.testing import CliRunner

    from mathstrap.cli import app
    from mathstrap.files.rundir import RunDir
    from mathstrap.report.page import render_report
    from synthetic_run import synthetic_run

    run, model = synthetic_run(tmp_path / "run", 6), saved_model(tmp_path / "tiny")
    result = CliRunner().invoke(app, ["stats", str(run), "--perplexity", str(model), "--rows", "4"])
    assert result.exit_code == 0, result.output
    saved = RunDir.read(run).read_json("perplexity.json")
    assert [part["part"] for part in saved["parts"]][:3] == ["answer only", "seed solution", "ans_aug"]
    # A random model is about as surprised as a die with one side per token.
    assert all(150 < part["pooled"] < 400 for part in saved["parts"])
    assert "Perplexity" in result.output
    html = render_report(RunDir.read(run))
    assert "Under tiny" in html
    assert "Answer only" in html
