"""Whole runs on a tiny random Llama: the three methods, resuming, stopping, choosing, and what a run leaves behind."""

from __future__ import annotations

import dataclasses
import json
import signal
import warnings
from pathlib import Path

import pytest

import tiny_llama
from mathstrap.errors import InputError, StorageError
from mathstrap.train import BestOptions, DataOptions, LoraOptions, TrainRecipe
from mathstrap.train import checkpoints as kept
from mathstrap.train.batches import Cut
from mathstrap.train.card import base_model
from mathstrap.train.hardware import Setting
from mathstrap.train.model import choose_precision
from mathstrap.train.sft import train
from mathstrap.train.watch import DivergedError, Watch, read_curve
from trained_apart import curve_of, run_child


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, its samples and an empty token cache."""
    path = tmp_path_factory.mktemp("train")
    import torch

    torch.set_num_threads(1)  # the model is too small to share
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATHSTRAP_CACHE", str(path / "cache"))
        tiny_llama.save_llama(path / "model")
        tiny_llama.write_samples(path / "rows.jsonl", 48, seeds=12)
        yield path


def recipe_for(folder: Path, out: str, **changes) -> TrainRecipe:
    base = TrainRecipe(
        model=str(folder / "model"), out=str(folder / out), data=DataOptions(path=str(folder / "rows.jsonl")),
        global_batch=8, micro_tokens=400, epochs=1, lr=3e-3, precision="fp32",
        lora=LoraOptions(r=4, alpha=8, dropout=0.1),
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


@pytest.mark.parametrize(
    ("method", "recompute"),
    [("full", False), ("lora", False), ("qlora", False), pytest.param("qlora", True, marks=pytest.mark.slow)],
)
def test_each_method_learns_and_leaves_a_model_that_loads(folder, method, recompute):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    recipe = recipe_for(
        folder, f"out-{method}-{recompute}", method=method, epochs=3, lr=1e-2, checkpoint_layers=recompute,
        artefacts=() if method == "full" else ("merged",), save_every=18,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)  # at a terminal it would stand before the live line
        report = train(recipe)
    curve = curve_of(recipe)
    assert [step for step, _, _ in curve] == list(range(1, 19))
    assert curve[-1][1] < curve[0][1] - 0.2
    assert report.num_steps == 18
    modes = {path.stat().st_mode for path in Path(report.files["model"]).iterdir()}
    assert len(modes) == 1, "whoever may read the card may read the weights"
    for name in ("curve", "curve_svg", "card"):
        assert Path(report.files[name]).stat().st_size > 500
    assert len(AutoTokenizer.from_pretrained(report.files["model"])) == 512
    loaded = AutoModelForCausalLM.from_pretrained(report.files["model"], dtype=torch.float32)
    counts = json.loads((Path(recipe.out) / "manifest.json").read_text())["model"]
    assert counts["parameters"] == loaded.num_parameters() + (0 if method == "full" else counts["trained"])
    ids = torch.arange(5, 60)[None]
    if method == "full":
        last = Path(recipe.out) / "checkpoints" / "checkpoint-18"
        other = AutoModelForCausalLM.from_pretrained(last, dtype=torch.float32)
    else:
        settings = {"dtype": torch.float32}
        if method == "qlora":
            from mathstrap.train.model import nf4

            settings["quantization_config"] = nf4("fp32")
        base = AutoModelForCausalLM.from_pretrained(folder / "model", **settings)
        other = PeftModel.from_pretrained(base, report.files["adapter"]).eval()
    with torch.no_grad():
        same = torch.allclose(loaded(ids).logits, other(input_ids=ids).logits.float(), rtol=0, atol=1e-2)
    assert same


def test_the_manifest_states_the_cut_of_the_batch_and_the_card_the_data(folder):
    recipe = recipe_for(folder, "out-manifest", max_steps=1)
    train(recipe)
    manifest = json.loads((Path(recipe.out) / "manifest.json").read_text())
    batch = manifest["batch"]
    assert batch["global_batch"] == 8
    assert batch["micro_batch"] * batch["accumulation"] * batch["processes"] == 8
    assert manifest["data"]["samples"] == 48
    card = (Path(recipe.out) / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers")
    assert "48 samples" in card
    assert "Left out: none." in card
    assert "base_model" not in card, "a folder of this machine is no name on the hub"
    assert base_model("embedded") == ["base_model: HuggingFaceTB/SmolLM2-135M-Instruct"]
    assert base_model("meta-llama/Llama-2-7b-hf") == ["base_model: meta-llama/Llama-2-7b-hf"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_curve_and_another_seed_another(folder):
    first, again, other = (
        recipe_for(folder, f"out-seed-{name}", method="lora", rng_seed=seed, max_steps=4)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for recipe in (first, again, other):
        train(recipe)
    assert curve_of(first) == curve_of(again)
    assert curve_of(first) != curve_of(other)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora"])
def test_killed_and_resumed_equals_uninterrupted(folder, method):
    settings = {"method": method, "epochs": 2, "save_every": 4}
    whole = recipe_for(folder, f"out-whole-{method}", **settings)
    train(whole)
    broken = recipe_for(folder, f"out-broken-{method}", **settings)
    # Of six steps an epoch: it goes on in the middle of the second one.
    assert run_child(broken, 10).returncode == -signal.SIGKILL
    checkpoints = Path(broken.out) / "checkpoints"
    assert kept.last_checkpoint(checkpoints).name == "checkpoint-8"
    # What a kill in the middle of writing leaves.
    half = checkpoints / kept.STAGING / "checkpoint-12"
    half.mkdir(parents=True, exist_ok=True)
    (half / "model.safetensors").write_bytes(b"torn")
    train(broken)
    assert curve_of(broken) == curve_of(whole)
    name = "model" if method == "full" else "adapter"
    file = f"{name if method == 'full' else 'adapter_model'}.safetensors"
    assert (Path(broken.out) / name / file).read_bytes() == (Path(whole.out) / name / file).read_bytes()


def test_a_finished_run_only_reports(folder):
    recipe = recipe_for(folder, "out-finished", max_steps=2)
    first = train(recipe)
    before = curve_of(recipe)
    again = train(recipe)
    assert curve_of(recipe) == before
    assert again.num_steps == first.num_steps
    assert again.files == first.files


def test_other_settings_or_data_do_not_continue_a_run(folder, tmp_path):
    recipe = recipe_for(folder, "out-other", max_steps=1)
    train(recipe)
    with pytest.raises(InputError, match=r"lr=0\.003"):
        train(dataclasses.replace(recipe, lr=1e-4))
    rows = folder / "changing.jsonl"
    tiny_llama.write_samples(rows, 16)
    recipe = recipe_for(folder, "out-data", max_steps=1, data=DataOptions(path=str(rows)))
    train(recipe)
    tiny_llama.write_samples(rows, 17)
    with pytest.raises(InputError, match="other data"):
        train(recipe)


def test_a_loss_that_is_no_number_stops_before_the_weights(folder):
    import torch
    from transformers import LlamaForCausalLM

    broken = folder / "broken"
    tiny_llama.save_llama(broken)
    model = LlamaForCausalLM.from_pretrained(broken)
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight[0, 0] = float("nan")
    model.save_pretrained(broken)
    with pytest.raises(DivergedError, match="step 1: the loss is nan"):
        train(recipe_for(folder, "out-nan", model=str(broken)))


def test_a_climbing_loss_stops_and_a_noisy_one_does_not(tmp_path):
    watch = Watch(path=tmp_path / "curve.jsonl", divergence=3.0)
    for step in range(1, 60):
        watch.check(step, 1.0 + 0.8 * (step % 3), 1.0)
    for step in range(60, 63):
        watch.check(step, 9.0, 1.0)
    with pytest.raises(DivergedError, match="diverges"):
        watch.check(63, 90.0, 1.0)
    with pytest.raises(DivergedError, match="gradient's norm is inf"):
        Watch(path=tmp_path / "curve.jsonl", divergence=0).check(1, 1.0, float("inf"))


def test_a_resumed_run_remembers_how_low_its_loss_was(tmp_path):
    settings = {"path": tmp_path / "curve.jsonl", "divergence": 3.0}
    whole = Watch(**settings)
    for step in range(1, 21):
        whole.check(step, 1.0, 1.0)
        whole.point(step=step, num_steps=40, epoch=0.0, loss=1.0, lr=0.0, grad_norm=1.0)
    resumed = Watch(**settings)
    resumed.resume(20, rewrite=False)
    with pytest.raises(DivergedError, match=r"climbed to 10\.9 from 1"):
        resumed.check(21, 100.0, 1.0)


def test_the_gradients_norm_is_watched_where_nothing_is_clipped(folder):
    clipped, free = (recipe_for(folder, f"out-norm-{norm:g}", max_steps=1, max_grad_norm=norm) for norm in (1.0, 0.0))
    for recipe in (clipped, free):
        train(recipe)
    assert curve_of(free) == curve_of(clipped)
    assert curve_of(free)[0][2] > 0


def test_a_model_spread_over_gpus_by_one_process_is_no_run_of_ours(tmp_path):
    import torch

    recipe = TrainRecipe()
    from mathstrap.train import trainer

    job = trainer.TrainingPlan(
        recipe=recipe, setting=Setting(device="cpu", rank=0, processes=1, local_processes=1),
        cut=Cut(global_batch=1, processes=1, accumulation=1, micro_tokens=1), train=None, held_out=None,
        watch=Watch(path=tmp_path / "curve.jsonl", divergence=0), folder=tmp_path, precision="fp32", is_sharded=False,
        layout="packed", score=None,
    )  # fmt: skip
    trainer.check_wrapper(torch.nn.Linear(1, 1), job)
    with pytest.raises(AssertionError, match="one process drives one GPU"):
        trainer.check_wrapper(torch.nn.DataParallel(torch.nn.Linear(1, 1)), job)


def test_no_room_on_disk_is_said_before_the_first_step(tmp_path):
    with pytest.raises(StorageError, match="GB free, but a checkpoint takes"):
        kept.check_room(tmp_path / "not" / "yet", 10**18)


@pytest.mark.slow
def test_a_write_that_fails_is_a_sentence_and_leaves_nothing_half(folder):
    size = (folder / "model" / "model.safetensors").stat().st_size
    recipe = recipe_for(folder, "out-full-disk", save_every=2)
    # A limit on file size: the weights fit, the optimiser's two moments do not.
    ended = run_child(recipe, -1, str(int(1.5 * size)))
    assert ended.returncode == 1
    assert "StorageError" in ended.stderr
    assert "Free some space. No checkpoint was written yet." in ended.stderr
    assert kept.list_checkpoints(Path(recipe.out) / "checkpoints") == []


def test_the_best_checkpoint_by_loss_stays_and_becomes_the_model(folder):
    data = DataOptions(path=str(folder / "rows.jsonl"), validation=0.3)
    recipe = recipe_for(
        folder, "out-best", data=data, best=BestOptions(metric="loss"), epochs=4, lr=0.2, warmup=0.0,
        schedule="constant", keep_checkpoints=1, divergence=0.0,
    )  # fmt: skip
    report = train(recipe)
    _, validations = read_curve(Path(recipe.out) / "curve.jsonl")
    best = min(validations, key=lambda one: one.eval_loss)
    assert report.chosen_step == best.step
    names = [path.name for path in kept.list_checkpoints(Path(recipe.out) / "checkpoints")]
    assert f"checkpoint-{best.step}" in names
    assert len(names) <= 2
    same = [Path(recipe.out) / part / "model.safetensors" for part in ("model", f"checkpoints/checkpoint-{best.step}")]
    assert same[0].read_bytes() == same[1].read_bytes()


def test_the_best_checkpoint_by_accuracy_asks_and_grades(folder):
    data = DataOptions(path=str(folder / "rows.jsonl"), validation=0.3, prompt="chat")
    best = BestOptions(metric="accuracy", questions=4, max_tokens=8)
    report = train(recipe_for(folder, "out-accuracy", data=data, best=best, max_steps=1))
    _, validations = read_curve(folder / "out-accuracy" / "curve.jsonl")
    assert validations[0].accuracy == 0.0
    assert report.chosen_step == 1


def test_held_out_loss_equals_the_loss_of_those_samples(folder):
    data = DataOptions(path=str(folder / "rows.jsonl"), validation=0.3)
    small = recipe_for(folder, "out-eval-a", data=data, max_steps=1, micro_tokens=130)
    large = recipe_for(folder, "out-eval-b", data=data, max_steps=1, micro_tokens=4000)
    assert train(small).eval_loss == pytest.approx(train(large).eval_loss, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": "/nowhere/at/all"}, "/nowhere/at/all is neither a folder nor"),
        ({"model": "no-such-owner/no-such-model"}, "no-such-owner/no-such-model cannot be loaded"),
        ({"model": "rows"}, "is a file"),
        ({"model": "folder"}, "a folder without config.json"),
        ({"method": "lora", "lora": LoraOptions(targets=("q_prj",))}, 'no linear layer "q_prj". Did you mean "q_proj"'),
        ({"method": "lora", "shard": "full_shard"}, "shard=full_shard"),
        ({"report_to": ("wnadb",)}, "report_to=wnadb"),
        ({"global_batch": 64}, "48 samples: fewer than one batch of 64"),
        ({"data": "short"}, "Raise data.max_length"),
    ],
)
def test_what_cannot_work_is_a_sentence(folder, change, sentence):
    change = dict(change)
    places = {"rows": folder / "rows.jsonl", "folder": folder}
    if change.get("model") in places:
        change["model"] = str(places[change["model"]])
    if change.get("data") == "short":
        change["data"] = DataOptions(path=str(folder / "rows.jsonl"), max_length=10)
    with pytest.raises(InputError) as caught:
        train(recipe_for(folder, "out-bad", **change))
    assert sentence in str(caught.value)


def test_out_may_not_be_a_file(folder):
    with pytest.raises(StorageError, match="is a file"):
        train(recipe_for(folder, "rows.jsonl"))


def test_bf16_is_refused_where_it_is_only_emulated():
    assert choose_precision("auto", supported=False) == "fp32"
    assert choose_precision("auto", supported=True) == "bf16"
    assert choose_precision("fp32", supported=True) == "fp32"
    with pytest.raises(InputError, match="Set precision=fp32"):
        choose_precision("bf16", supported=False)


def test_nf4_weights_are_multiplied_in_the_runs_precision():
    """bf16 that a CPU only emulates is ten times as slow as fp32."""
    torch = pytest.importorskip("torch", reason='needs pip install "mathstrap[train]"')
    pytest.importorskip("bitsandbytes", reason='needs pip install "mathstrap[train]"')
    from mathstrap.train.model import nf4

    assert nf4("fp32").bnb_4bit_compute_dtype is torch.float32
    assert nf4("bf16").bnb_4bit_compute_dtype is torch.bfloat16


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_a_validation_leaves_the_training_as_it_is(folder, method):
    data = DataOptions(path=str(folder / "rows.jsonl"), validation=0.3)
    recipes = [
        recipe_for(folder, f"out-validated-{method}-{every}", method=method, data=data, max_steps=3, eval_every=every)
        for every in (1, 3)
    ]
    for recipe in recipes:
        train(recipe)
    assert curve_of(recipes[0]) == curve_of(recipes[1])


def test_a_tokenizer_without_pad_needs_none(folder):
    from transformers import AutoTokenizer

    assert AutoTokenizer.from_pretrained(folder / "model").pad_token is None


def test_recomputed_layers_and_bf16_change_the_curve_only_by_rounding(folder):
    plain = recipe_for(folder, "out-plain", max_steps=3)
    recomputed = recipe_for(folder, "out-recomputed", max_steps=3, checkpoint_layers=True)
    for recipe in (plain, recomputed):
        train(recipe)
    for a, b in zip(curve_of(plain), curve_of(recomputed), strict=True):
        assert a == pytest.approx(b, rel=1e-4)


def test_the_command_line_trains_and_names_what_it_wrote(folder):
    from typer.testing import CliRunner

    from mathstrap.cli import app

    ended = CliRunner().invoke(app, [
        "train", "sft-tiny", f"model={folder / 'model'}", f"out={folder / 'out-cli'}", "global_batch=8", "max_steps=2",
        f"data={{path: {folder / 'rows.jsonl'}}}", "artefacts=[]",
    ])  # fmt: skip
    assert ended.exit_code == 0, ended.output
    assert "2 steps over 48 samples" in ended.output
    assert str(folder / "out-cli" / "model") in ended.output


def test_tensorboard_is_the_trainers_own(folder):
    pytest.importorskip("tensorboard", reason="needs pip install tensorboard")
    recipe = recipe_for(folder, "out-board", max_steps=1, report_to=("tensorboard",))
    train(recipe)
    assert list(Path(recipe.out).rglob("events.out.tfevents.*"))


def test_progress_is_plain_lines_where_there_is_no_terminal(capsys):
    from mathstrap.cli.train import Display, clock
    from mathstrap.train.watch import Point, Validation

    assert [clock(seconds) for seconds in (5.4, 125, 3725)] == ["0:05", "2:05", "1:02:05"]
    with Display() as display:
        for step in (1, 2, 3):
            display.show(Point(
                step=step, num_steps=3, epoch=1.0, loss=1.25, lr=0.0, grad_norm=1.0, tokens=10,
                tokens_per_second=1234.5, seconds_left=61,
            ))  # fmt: skip
        display.show(Validation(step=3, eval_loss=1.5, accuracy=0.25))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "step 1/3  loss 1.2500  1,234 tokens/s  1:01 left"
    assert lines[-1] == "step 3: held-out loss 1.5000, accuracy 0.250"
    assert len(lines) == 3


def test_a_terminal_shows_a_line_before_the_first_step_and_none_of_a_run_that_never_began(monkeypatch, capsys):
    from mathstrap.cli.train import Display
    from mathstrap.train.watch import Point

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    point = Point(
        step=3, num_steps=4, epoch=1.0, loss=1.25, lr=0.0, grad_norm=1.0, tokens=10, tokens_per_second=1234.5,
        seconds_left=61,
    )  # fmt: skip
    for shown in ([], [point]):
        with Display() as display:
            display.progress.refresh()
            assert "loading the model" in capsys.readouterr().err
            for made in shown:
                display.show(made)
        err = capsys.readouterr().err
        assert ("3/4" in err) == ("1,234 tokens/s  1:01 left" in err) == bool(shown)


@pytest.mark.slow
def test_compiled_blocks_and_bf16_follow_the_same_curve(folder):
    plain = recipe_for(folder, "out-fp32", max_steps=3)
    half = recipe_for(folder, "out-bf16", max_steps=3, precision="auto")
    compiled = recipe_for(folder, "out-compiled", max_steps=3, compile=True)
    for recipe in (plain, half, compiled):
        train(recipe)
    for a, b, c in zip(curve_of(plain), curve_of(half), curve_of(compiled), strict=True):
        assert b[1] == pytest.approx(a[1], rel=5e-3)
        assert c[1] == pytest.approx(a[1], rel=1e-4)
