"""A run directory is a dataset repository: `datasets.load_dataset` reads it and every file of it, columns typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bootstrapping import small_recipe
from mathstrap.pipeline.run import bootstrap
from mathstrap.types import Sample

datasets = pytest.importorskip("datasets", reason="needs the hub extra")
TEXT, NUMBER, WHOLE = "string", "float64", "int64"


@pytest.fixture(scope="module")
def run_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two formats and held-out seeds."""
    folder = tmp_path_factory.mktemp("load")
    exports = {"formats": ["metamathqa", "chat"], "validation_share": 0.3}
    return bootstrap(small_recipe(folder, export=exports)).path


def load(*arguments: str, cache: Path, **options: Any) -> Any:
    return datasets.load_dataset(*arguments, cache_dir=str(cache), **options)


def rows_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_run_directory_loads_as_it_is(run_path: Path, tmp_path: Path) -> None:
    samples = load(str(run_path), cache=tmp_path)["train"]
    assert samples.column_names == list(Sample.__struct_fields__)
    assert {name: feature.dtype for name, feature in samples.features.items()} == dict.fromkeys(
        samples.column_names, TEXT
    ) | {"confidence": NUMBER, "draw": WHOLE}
    whole = rows_of(run_path / "samples.jsonl")
    assert samples["id"][:] == [row["id"] for row in whole]
    assert json.loads(samples[0]["tags"]) == whole[0]["tags"]


def test_every_format_is_a_configuration_with_its_held_out_split(run_path: Path, tmp_path: Path) -> None:
    assert datasets.get_dataset_config_names(str(run_path)) == ["default", "metamathqa", "chat"]
    published = load(str(run_path), "metamathqa", cache=tmp_path)
    assert published["train"].column_names == ["type", "query", "original_question", "response"]
    chat = load(str(run_path), "chat", cache=tmp_path)
    assert list(chat["validation"]) == rows_of(run_path / "export-chat-validation.jsonl")
    assert len(chat["train"]) + len(chat["validation"]) == len(rows_of(run_path / "samples.jsonl"))
    assert [turn["role"] for turn in chat["train"][0]["messages"]] == ["user", "assistant"]


@pytest.mark.parametrize("name", ["samples", "problems", "candidates", "verdicts", "rejects", "export-metamathqa"])
def test_every_derived_file_loads_alone(run_path: Path, tmp_path: Path, name: str) -> None:
    path = run_path / f"{name}.jsonl"
    assert len(load("json", data_files=str(path), cache=tmp_path)["train"]) == len(rows_of(path))


def test_without_held_out_seeds_no_validation_split_is_announced(tmp_path: Path) -> None:
    path = bootstrap(small_recipe(tmp_path, export={"formats": ["alpaca"]})).path
    assert list(load(str(path), "alpaca", cache=tmp_path / "cache")) == ["train"]
    assert "validation" not in (path / "README.md").read_text(encoding="utf-8").partition("---\n\n")[0]
