"""Trainers' own code with our rewards and rows. The recipe for each environment stands in docs/how-to/rl-data.md."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mathstrap.cli import app
from synthetic_run import synthetic_run
from tiny_llama import save_llama

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SUPPORT = Path(__file__).parents[1] / "support"
SOURCE = Path(__file__).parents[2] / "src"


def asked_of(variable: str, package: str, script: str, *arguments: object) -> dict[str, Any]:
    """Run a script with the Python that a variable names, and return the JSON of its last line."""
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"needs a Python that has {package}; name it in {variable}, see docs/how-to/rl-data.md")
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}
    done = subprocess.run(
        [python, str(SUPPORT / script), *map(str, arguments)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def exports(tmp_path_factory) -> Path:
    path = synthetic_run(tmp_path_factory.mktemp("runs") / "run", 24)
    words = [word for name in ("grpo", "verl", "dpo", "kto") for word in ("--format", name)]
    assert CliRunner().invoke(app, ["export", str(path), *words]).exit_code == 0
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    pytest.importorskip("torch", reason="mathstrap[train] is not installed")
    return save_llama(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize("trainer", ["grpo", "rloo"])
def test_trl_trains_two_steps_with_our_rewards(exports, tiny, trainer):
    said = asked_of("MATHSTRAP_TRL_PYTHON", "trl", "trl_rewards.py", exports, tiny, trainer)
    assert said[trainer]["steps"] == 2
    log = said[f"{trainer} log"]
    assert log["rewards/watched/mean"] == 1.0  # the golds, as the trainer hands them over
    assert log["rewards/reward/mean"] == 0.0  # a random model is never right
    assert log["rewards/math_reward/mean"] == -1.0
    assert {"solution", "pass_rate", "log_extra"} <= set(said[f"{trainer} columns"]["columns"])
    assert said["counts"]["correct"] > 0


@pytest.mark.parametrize("trainer", ["dpo", "kto", "reward"])
def test_trl_trains_two_steps_on_our_preferences(exports, tiny, trainer):
    said = asked_of("MATHSTRAP_TRL_PYTHON", "trl", "trl_rewards.py", exports, tiny, trainer)
    assert said[trainer]["steps"] == 2
    assert 0 < said[trainer]["loss"] < 2


def test_verls_dataset_and_managers_score_our_rows(exports, tiny):
    said = asked_of("MATHSTRAP_VERL_PYTHON", "verl", "verl_rewards.py", exports, tiny)
    want = [1.0, 1.0, 0.0, 0.0]
    assert {name: said[name] for name in ("naive", "batch", "prime", "dapo")} == dict.fromkeys(
        ("naive", "batch", "prime", "dapo"), want
    )
    assert said["loop"] == {"compute_score": want, "async_compute_score": want}
    assert said["naive columns"] == ["acc", "outcome", "pred", "reason", "score"]
    assert said["rows"] == len((exports / "export-verl.jsonl").read_text().splitlines())


def test_verifiers_loads_our_environment_and_scores_fake_replies(exports):
    said = asked_of("MATHSTRAP_VERIFIERS_PYTHON", "verifiers", "verifiers_rewards.py", exports)
    assert {"legacy", "v1"} & set(said)
    if "legacy" in said:
        assert [each["math_answer"] for each in said["legacy"]["scores"]] == [1.0, 0.0, 0.0]
        assert [each["answer_layout"] for each in said["legacy"]["scores"]] == [1.0, 1.0, 0.0]
    if "v1" in said:
        assert said["v1"]["rows"] == 4
        rewards = [each["rewards"]["math_answer"][0] for each in said["v1"].get("scores", [])]
        assert rewards in ([1.0, 0.0, 0.0], [])
        assert rewards or "legacy" in said
