"""Train in a process of its own, which may be killed after a step, and read the curve it left."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from mathstrap.train import TrainRecipe
from mathstrap.train.watch import read_curve

CHILD = """
import json, os, signal, sys
import torch
torch.set_num_threads(1)
from mathstrap.recipe import build_recipe
from mathstrap.train import TrainRecipe
from mathstrap.train.sft import train
values, stop = json.loads(sys.argv[1]), int(sys.argv[2])
def watch(point):
    if point.step == stop and not hasattr(point, "eval_loss"):
        os.kill(os.getpid(), signal.SIGKILL)
if len(sys.argv) > 3:
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
train(build_recipe(TrainRecipe, values, "test"), listener=watch)
"""


def curve_of(recipe: TrainRecipe) -> list[tuple[int, float, float]]:
    points, _ = read_curve(Path(recipe.out) / "curve.jsonl")
    return [(point.step, point.loss, point.grad_norm) for point in points]


def run_child(recipe: TrainRecipe, stop: int, *more: str) -> subprocess.CompletedProcess[str]:
    arguments = [json.dumps(dataclasses.asdict(recipe)), str(stop), *more]
    return subprocess.run([sys.executable, "-c", CHILD, *arguments], capture_output=True, text=True, check=False)
