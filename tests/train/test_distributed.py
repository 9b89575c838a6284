"""Two processes over gloo train as one does: the same curve, really wrapped, really resumed."""

from __future__ import annotations

import dataclasses
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import tiny_llama
from mathstrap.train import DataOptions, LoraOptions, TrainRecipe
from mathstrap.train import checkpoints as kept
from mathstrap.train.sft import train
from mathstrap.train.watch import read_curve

pytestmark = pytest.mark.slow

CHILD = """
import json, os, signal, sys
from mathstrap.recipe import build_recipe
from mathstrap.train import TrainRecipe, trainer
from mathstrap.train.sft import train
values, stop = json.loads(sys.argv[1]), int(sys.argv[2])
def watch(point):
    if point.step == stop and not hasattr(point, "eval_loss"):
        os.kill(os.getpid(), signal.SIGKILL)
seen = trainer.check_wrapper
def note(model, job):
    seen(model, job)
    if job.setting.is_first:
        print("wrapped as", type(model).__name__, flush=True)
trainer.check_wrapper = note
train(build_recipe(TrainRecipe, values, "test"), listener=watch)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("distributed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MATHSTRAP_CACHE", str(path / "cache"))
        tiny_llama.save_llama(path / "model")
        tiny_llama.write_samples(path / "rows.jsonl", 45, seeds=12)
        (path / "child.py").write_text(CHILD)
        yield path


def recipe_for(folder: Path, out: str, **changes) -> TrainRecipe:
    base = TrainRecipe(
        model=str(folder / "model"), out=str(folder / out), global_batch=8, micro_tokens=250, epochs=1, lr=3e-3,
        data=DataOptions(path=str(folder / "rows.jsonl"), validation=0.2), precision="fp32", save_every=2,
        lora=LoraOptions(r=4, alpha=8, dropout=0.0),
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def run_on_two(folder: Path, recipe: TrainRecipe, stop: int = -1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
         str(folder / "child.py"), json.dumps(dataclasses.asdict(recipe)), str(stop)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def run_on_two_nodes(recipe: Path) -> list[tuple[int, str, str]]:
    """Start one agent per node, as on two machines, each with one process, and return what each came to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    agents = [
        subprocess.Popen(
            [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1",
             "--rdzv-backend=c10d", f"--rdzv-endpoint={address}", "--rdzv-id=test", "--local-addr=127.0.0.1",
             "-m", "mathstrap", "train", str(recipe)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    outputs = [agent.communicate() for agent in agents]
    return [(agent.returncode, *output) for agent, output in zip(agents, outputs, strict=True)]


def losses(recipe: TrainRecipe) -> list[float]:
    points, validations = read_curve(Path(recipe.out) / "curve.jsonl")
    return [point.loss for point in points] + [one.eval_loss for one in validations]


@pytest.mark.parametrize(
    ("method", "shard", "wrapper"),
    [
        ("full", "off", "DistributedDataParallel"),
        ("full", "full_shard", "FSDPLlamaForCausalLM"),
        ("lora", "auto", "DistributedDataParallel"),
    ],
)
def test_two_processes_follow_the_curve_of_one(folder, method, shard, wrapper):
    alone = recipe_for(folder, f"alone-{method}", method=method)
    train(alone)
    together = recipe_for(folder, f"together-{method}-{shard}", method=method, shard=shard)
    ended = run_on_two(folder, together)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert f"wrapped as {wrapper}" in ended.stdout
    assert losses(together) == pytest.approx(losses(alone), rel=1e-4)
    manifest = json.loads((Path(together.out) / "manifest.json").read_text())
    batch = manifest["batch"]
    assert batch["micro_batch"] * batch["accumulation"] * 2 == 8
    assert manifest["hardware"]["sharded"] == (shard == "full_shard")


@pytest.mark.parametrize("shard", ["off", "full_shard"])
def test_two_killed_processes_resume_exactly(folder, shard):
    whole = recipe_for(folder, f"whole-{shard}", shard=shard, epochs=2)
    assert run_on_two(folder, whole).returncode == 0
    broken = recipe_for(folder, f"broken-{shard}", shard=shard, epochs=2)
    assert run_on_two(folder, broken, stop=5).returncode != 0
    assert kept.last_checkpoint(Path(broken.out) / "checkpoints").name == "checkpoint-4"
    ended = run_on_two(folder, broken)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert losses(broken) == losses(whole)


@pytest.mark.parametrize("shard", ["off", "full_shard"])
def test_two_nodes_follow_the_curve_of_one_process_and_go_on_where_they_stopped(folder, shard):
    alone = recipe_for(folder, f"one-process-{shard}")
    train(alone)
    apart = recipe_for(folder, f"two-nodes-{shard}", shard=shard)
    path = folder / f"two-nodes-{shard}.yaml"
    path.write_text(json.dumps(dataclasses.asdict(apart)))
    for code, out, error in run_on_two_nodes(path):
        assert code == 0, (out + error)[-2000:]
    assert losses(apart) == pytest.approx(losses(alone), rel=1e-4)
    last = kept.last_checkpoint(Path(apart.out) / "checkpoints")
    shutil.rmtree(last)
    shutil.rmtree(Path(apart.out) / "model")
    for code, out, error in run_on_two_nodes(path):
        assert code == 0, (out + error)[-2000:]
    assert kept.last_checkpoint(Path(apart.out) / "checkpoints").name == last.name
    assert losses(apart) == pytest.approx(losses(alone), rel=1e-4)


def test_accelerate_launches_the_same_command(folder):
    recipe = recipe_for(folder, "by-accelerate", max_steps=2)
    path = folder / "by-accelerate.yaml"
    path.write_text(json.dumps(dataclasses.asdict(recipe)))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes=2", "--num_machines=1"]
    ours = ["-m", "mathstrap", "train", str(path)]
    plain = ["--multi_gpu", "--mixed_precision=no", "--dynamo_backend=no"]
    ended = subprocess.run([*command, *plain, *ours], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "2 steps over" in ended.stdout
    assert json.loads((Path(recipe.out) / "manifest.json").read_text())["batch"]["processes"] == 2
    other = subprocess.run([*command, "--use_fsdp", *ours], capture_output=True, text=True, check=False)
    assert other.returncode != 0
    assert "shard=full_shard is FSDP2" in other.stderr


def test_a_sharded_runs_model_loads_and_equals_the_plain_ones(folder):
    import torch
    from safetensors.torch import load_file

    alone = recipe_for(folder, "plain-model")
    train(alone)
    sharded = recipe_for(folder, "sharded-model", shard="full_shard")
    assert run_on_two(folder, sharded).returncode == 0
    first, second = (load_file(Path(recipe.out) / "model" / "model.safetensors") for recipe in (alone, sharded))
    # Gathered weights name the tied head too.
    torch.testing.assert_close(second.pop("lm_head.weight"), second["model.embed_tokens.weight"])
    assert first.keys() == second.keys()
    for name, weight in first.items():
        torch.testing.assert_close(second[name], weight, rtol=1e-3, atol=1e-4)


def test_more_processes_than_samples_is_a_sentence(folder):
    rows = tiny_llama.write_samples(folder / "one.jsonl", 1)
    ended = run_on_two(folder, recipe_for(folder, "too-many", data=DataOptions(path=str(rows)), global_batch=2))
    assert ended.returncode != 0
    assert "1 sample for 2 processes" in ended.stderr


def test_the_command_line_starts_the_processes(folder):
    recipe = folder / "recipe.yaml"
    recipe.write_text(json.dumps(dataclasses.asdict(recipe_for(folder, "by-command", max_steps=2))))
    ended = subprocess.run(
        [sys.executable, "-m", "mathstrap", "train", str(recipe), "--processes", "2"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "2 steps over" in ended.stdout
