"""How a global batch is cut, dealt and packed, and that packing changes no loss."""

from __future__ import annotations

import random

import pytest

import tiny_llama
from mathstrap.errors import InputError
from mathstrap.train import TrainRecipe, attention
from mathstrap.train.batches import Cut, cut_batch, num_micro_batches, plan_epoch
from mathstrap.train.hardware import Footprint, derive_micro_tokens
from mathstrap.train.model import load_model


def lengths_like_gsm8k(count: int = 1000) -> list[int]:
    rng = random.Random(0)
    return [max(60, min(512, int(rng.lognormvariate(5.3, 0.35)))) for _ in range(count)]


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
def test_the_global_batch_is_what_the_recipe_states_whatever_the_processes(processes):
    lengths = lengths_like_gsm8k()
    cut = cut_batch(lengths, global_batch=128, processes=processes, micro_tokens=1024)
    plans = [plan_epoch(lengths, cut, rng_seed=3, epoch=0, rank=rank) for rank in range(processes)]
    assert {len(plan) for plan in plans} == {num_micro_batches(len(lengths), cut)}
    alone = cut_batch(lengths, global_batch=128, processes=1, micro_tokens=1024)
    single = plan_epoch(lengths, alone, rng_seed=3, epoch=0, rank=0)
    for step in range(1000 // 128):
        low, high = step * cut.accumulation, (step + 1) * cut.accumulation
        together = sorted(i for plan in plans for micro in plan[low:high] for i in micro)
        once = single[step * alone.accumulation : (step + 1) * alone.accumulation]
        assert together == sorted(i for micro in once for i in micro)
        assert len(together) == 128
    seen = sorted(i for plan in plans for micro in plan for i in micro if i >= 0)
    assert seen == list(range(1000))


def test_micro_batches_are_equally_full_and_within_the_budget():
    lengths = lengths_like_gsm8k()
    cut = cut_batch(lengths, global_batch=128, processes=2, micro_tokens=1024)
    fill = [sum(lengths[i] for i in micro) for micro in plan_epoch(lengths, cut, rng_seed=0, epoch=0, rank=0)]
    whole = fill[: (1000 // 128) * cut.accumulation]
    assert max(whole) <= 1.1 * 1024
    assert min(whole) > 0.7 * max(whole)


def test_a_last_step_with_fewer_samples_than_processes_fills_up_without_loss():
    lengths = [10] * 17
    cut = Cut(global_batch=16, processes=4, accumulation=2, micro_tokens=64)
    last = [plan_epoch(lengths, cut, rng_seed=0, epoch=0, rank=rank)[-1] for rank in range(4)]
    assert len([micro for micro in last if micro[0] >= 0]) == 1
    assert all(len(micro) == 1 for micro in last)


def test_epochs_differ_and_seeds_repeat():
    lengths = lengths_like_gsm8k(100)
    cut = cut_batch(lengths, global_batch=10, processes=1, micro_tokens=2048)
    first = plan_epoch(lengths, cut, rng_seed=0, epoch=0, rank=0)
    assert first == plan_epoch(lengths, cut, rng_seed=0, epoch=0, rank=0)
    assert first != plan_epoch(lengths, cut, rng_seed=0, epoch=1, rank=0)
    assert first != plan_epoch(lengths, cut, rng_seed=1, epoch=0, rank=0)


@pytest.mark.parametrize(
    ("count", "batch", "processes", "sentence"),
    [
        (8, 16, 1, "fewer than one batch of 16"),
        (3, 2, 4, "3 samples for 4 processes"),
        (100, 2, 4, "fewer samples per step than the 4 processes"),
    ],
)
def test_too_few_samples_are_a_sentence(count, batch, processes, sentence):
    with pytest.raises(InputError, match=sentence):
        cut_batch([100] * count, global_batch=batch, processes=processes, micro_tokens=1024)


def test_micro_batches_shrink_with_the_memory_and_never_below_one_sample():
    found = Footprint(num_parameters=10**9, num_trained=10**9, bytes_per_token=2 * 10**6)
    plenty, little, none = (
        derive_micro_tokens(found, free_bytes=free * 10**9, device="cuda", num_shards=1, max_length=512)
        for free in (140, 20, 1)
    )
    assert plenty == 16384
    assert 512 < little < 4096
    assert none == 512
    spread = derive_micro_tokens(found, free_bytes=20 * 10**9, device="cuda", num_shards=8, max_length=512)
    assert spread > little


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny_llama.save_llama(tmp_path_factory.mktemp("model"))


def packed_model(llama, name="packed", **settings):
    from mathstrap.train.model import load_model

    recipe = TrainRecipe(model=str(llama), attention=name, **settings)
    return load_model(str(llama), recipe, device="cpu", precision="fp32", num_shards=1)


def some_samples(count=5):
    import numpy as np

    rng = np.random.default_rng(0)
    sizes = rng.integers(8, 60, count)
    return [(rng.integers(3, 500, size).astype(np.int32), int(rng.integers(2, size - 2))) for size in sizes]


def losses_and_gradient(model, batches, **packing):
    from mathstrap.train.collate import pack
    from mathstrap.train.forward import sum_of_losses

    model.zero_grad()
    losses = [sum_of_losses(model, model, pack(batch, **packing)) for batch in batches]
    sum(losses).backward()
    return [float(loss.detach()) for loss in losses], model.model.layers[0].self_attn.q_proj.weight.grad.clone()


@pytest.mark.parametrize("name", ["packed", "packed, long", "sdpa", "eager"])
def test_a_packed_samples_loss_and_gradient_equal_its_own_alone(llama, name):
    import torch

    name, *is_long = name.split(", ")
    model = packed_model(llama, name)
    if is_long:
        attention.register(longest_dense=30)
    samples = some_samples()
    alone, gradient_alone = losses_and_gradient(model, [[sample] for sample in samples])
    (together,), gradient = losses_and_gradient(model, [samples])
    assert together == pytest.approx(sum(alone), rel=1e-6)
    torch.testing.assert_close(gradient, gradient_alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("longest_dense", [0, 40, 1024])
def test_an_opening_all_prompts_share_is_computed_once_and_changes_no_loss_or_gradient(llama, longest_dense):
    import numpy as np
    import torch

    from mathstrap.train.collate import pack

    model = packed_model(llama)  # which registers the attention of a training
    attention.register(longest_dense=longest_dense)
    opening = np.arange(20, 31, dtype=np.int32)
    samples = [(np.concatenate([opening, ids]), start + len(opening)) for ids, start in some_samples()]
    samples.append((samples[0][0], len(samples[0][0])))  # one that only fills a place
    row = pack(samples, share_opening=True)
    assert row["input_ids"].numel() == sum(len(ids) for ids, _ in samples) - 5 * len(opening)
    assert row["tokens"] == sum(len(ids) for ids, _ in samples)
    assert row["targets"].tolist() == pack(samples)["targets"].tolist()
    (plain,), expected = losses_and_gradient(model, [samples])
    (shared,), gradient = losses_and_gradient(model, [samples], share_opening=True)
    assert shared == pytest.approx(plain, rel=1e-6)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("prompts", "shared"),
    [
        ([[5, 6, 7, 8], [5, 6, 9, 9]], 2),
        ([[5, 6, 7], [5, 6, 7]], 2),  # the last token of a prompt predicts the response: it stays the sample's own
        ([[4, 6, 7], [5, 6, 7]], 0),
        ([[5], [5, 6]], 0),
        ([[5, 6, 7]], 0),
    ],
)
def test_the_shared_opening_ends_before_any_prompt_does(prompts, shared):
    import numpy as np

    from mathstrap.train.collate import common_opening

    assert common_opening([(np.array([*prompt, 1, 2]), len(prompt)) for prompt in prompts]) == shared


def test_the_loss_is_what_transformers_computes_for_the_response_alone(llama):
    import torch
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    samples = some_samples(3)
    expected, count = 0.0, 0
    for ids, start in samples:
        labels = torch.tensor([-100] * start + ids[start:].tolist())
        loss = plain(input_ids=torch.tensor(ids.astype("int64"))[None], labels=labels[None]).loss
        expected += float(loss) * (len(ids) - start)
        count += len(ids) - start
    (ours,), _ = losses_and_gradient(packed_model(llama), [samples])
    assert ours == pytest.approx(expected, rel=1e-5)
    assert count > 3


def test_another_sample_in_the_pack_changes_nothing(llama):
    model = packed_model(llama)
    first, second, third = some_samples(3)
    import numpy as np

    other = (np.array(second[0][::-1]), second[1])
    (a,), _ = losses_and_gradient(model, [[first, second, third]])
    (b,), _ = losses_and_gradient(model, [[first, other, third]])
    (c,), _ = losses_and_gradient(model, [[second]])
    (d,), _ = losses_and_gradient(model, [[other]])
    assert a - c == pytest.approx(b - d, rel=1e-5)


def test_the_loss_in_place_equals_cross_entropy_and_its_gradient():
    import torch

    from mathstrap.train.loss import summed_loss

    torch.manual_seed(0)
    logits = torch.randn(300, 97, dtype=torch.float32) * 4
    targets = torch.randint(0, 97, (300,))
    plain = logits.clone().requires_grad_()
    expected = torch.nn.functional.cross_entropy(plain, targets, reduction="sum")
    (expected / 7).backward()
    leaf = logits.clone().requires_grad_()
    ours = summed_loss()(leaf * 1.0, targets)
    (ours / 7).backward()
    assert float(ours) == pytest.approx(float(expected), rel=1e-6)
    torch.testing.assert_close(leaf.grad, plain.grad, rtol=1e-4, atol=1e-6)


def test_a_sample_without_its_loss_adds_nothing(llama):
    model = packed_model(llama)
    (ids, _), *_ = some_samples(1)
    losses, gradient = losses_and_gradient(model, [[(ids, len(ids))]])
    assert losses == [0.0]
    assert float(gradient.abs().max()) == 0.0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_measure_of_activations_is_what_a_row_keeps_for_the_backward_pass_and_little_more(
    tmp_path, precision, method
):
    from mathstrap.train.activations import measure_activations, saved_bytes
    from mathstrap.train.forward import autocast_of

    tiny_llama.save_llama(tmp_path)
    recipe = TrainRecipe(method=method)
    model = load_model(str(tmp_path), recipe, device="cpu", precision=precision, num_shards=1).train()
    samples = [sample for sample in some_samples(12) if len(sample[0]) > 30]
    autocast = autocast_of("cpu", precision, is_sharded=False)
    longest = max(samples, key=lambda sample: len(sample[0]))
    estimate, less = (
        measure_activations(
            model, longest, "packed", autocast=autocast, device="cpu", num_layers=2, recomputes=recomputes
        ).per_token
        for recomputes in (False, True)
    )
    without, row = (saved_bytes(model, part, "packed", autocast, "cpu") for part in (samples[:1], samples))
    kept = (row - without) / sum(len(ids) for ids, _ in samples[1:])
    assert kept > 100
    assert kept < estimate < 2 * kept
    assert less < estimate


@pytest.mark.parametrize("method", ["full", "lora"])
def test_in_half_precision_logits_may_move_as_far_as_rounding_moves_them_but_not_by_a_neighbour(tmp_path, method):
    import dataclasses

    import torch

    from mathstrap.train.forward import autocast_of
    from mathstrap.train.packing import SAME, Probe

    tiny_llama.save_llama(tmp_path)
    moved = {}
    for precision in ("bf16", "fp32"):
        model = load_model(str(tmp_path), TrainRecipe(method=method), device="cpu", precision=precision, num_shards=1)
        base = model.get_base_model() if method == "lora" else model
        autocast = autocast_of("cpu", precision, is_sharded=False)
        probe = Probe(model=model, base=base, autocast=autocast, length=24)
        hooks = list(base.get_input_embeddings()._forward_hooks)
        moved[precision] = probe.moved_by_rounding("sdpa", probe.alone("sdpa"))
        assert list(base.get_input_embeddings()._forward_hooks) == hooks
        logits = torch.linspace(-1.0, 1.0, 100)
        near, far = logits + 0.3 * logits.std(), logits + 0.5 * logits.std()
        assert not probe.agree(near, logits)
        wide = dataclasses.replace(probe, rounding=0.2 if precision == "bf16" else 0.0)
        assert wide.agree(near, logits) == (precision == "bf16")
        assert not wide.agree(far, logits)
        assert not wide.agree(near, logits, SAME)
    assert moved["fp32"] == 0 < moved["bf16"] < 0.5
