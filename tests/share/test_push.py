"""Publishing a run: what goes to the hub, what is refused, and an upload to a hub on the loopback address."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bootstrapping import small_values, write_golds
from fake_hub import serve_hub
from mathstrap.errors import InputError
from mathstrap.redact import Private, find_leak
from mathstrap.share.push import plan_push

TOKEN = "hf_" + "loopbackOnly0123456789abcdefghijkl"
NOTHING = Private(secrets=(), folders=())


def mathstrap(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment = {**kept, "NO_COLOR": "1", "COLUMNS": "120", "HF_HOME": str(cwd / "hf"), **variables}
    command = [sys.executable, "-m", "mathstrap", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=170, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run made as a user makes it: from inside, with relative paths."""
    folder = tmp_path_factory.mktemp("push")
    write_golds(folder / "golds.jsonl")
    values = small_values(folder, out="runs", export={"formats": ["metamathqa", "chat"]}) | {
        "teacher": {"backend": "fake", "settings": {"golds": "golds.jsonl", "accuracy": 0.7}}
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(values))
    done = mathstrap("run", "small.yaml", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def run_path(made: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be spoilt."""
    return Path(shutil.copytree(made / "runs" / "small", tmp_path / "small"))


def test_a_dry_run_lists_exactly_the_files_sizes_and_card_and_needs_no_hub(made: Path) -> None:
    done = mathstrap("push", "runs/small", "ada/maths", "--dry-run", cwd=made, HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    listing, _, card = done.stdout.partition("runs/small/README.md:")
    names = [line.split()[-1] for line in listing.splitlines()[1:-2]]
    assert names == [
        "README.md", "samples.parquet", "recipe.yaml", "manifest.json", "metrics.json", "export-metamathqa.parquet",
        "export-chat.parquet",
    ]  # fmt: skip
    assert "in 7 files" in listing
    assert "private if it is new" in listing
    assert "question and answer pairs bootstrapped by Mathstrap" in card
    assert "Nothing was uploaded." in card
    plan = plan_push(made / "runs" / "small", "ada/maths")
    assert [(file.name, file.size) for file in plan.files] == [
        (name, (made / "runs" / "small" / name).stat().st_size) for name in names
    ]


def test_what_is_paid_for_goes_only_when_asked(run_path: Path) -> None:
    plan = plan_push(run_path, "ada/maths", include=["verdicts.jsonl"], without=["manifest.json"])
    names = {file.name for file in plan.files}
    assert "verdicts.jsonl" in names
    assert "manifest.json" not in names
    assert not any(name.startswith("completions") for name in names)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("recipe.yaml", "source: /data/secret/seeds.jsonl", "a path of a machine (/data/secret/seeds.jsonl)"),
        ("README.md", "made in /home/ada/work/x", "a path of a machine (/home/ada/)"),
        ("recipe.yaml", "base_url: https://ada:pass@example.org/v1", "shaped like a key"),
        ("recipe.yaml", "  Authorization: Bearer abcdefgh12345678", "shaped like a key"),
        ("metrics.json", '"key": "sk-abcdefghijklmnopqrstuvwx"', "shaped like a key"),
    ],
)
def test_a_key_or_a_path_is_refused_by_file_and_line(run_path: Path, name: str, text: str, what: str) -> None:
    path = run_path / name
    path.write_text(path.read_text().rstrip("\n") + f"\n{text}\n")
    line = len(path.read_text().splitlines())
    with pytest.raises(InputError) as caught:
        plan_push(run_path, "ada/maths")
    assert f"{name}:{line}: " in str(caught.value)
    assert what in str(caught.value)
    for key in ("sk-abc", "pass@", "abcdefgh12345678"):
        assert key not in str(caught.value)


def test_a_secret_of_the_environment_is_found_in_a_sample_and_not_repeated(
    run_path: Path, tmp_path: Path
) -> None:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(run_path / "samples.parquet").to_pylist()
    table[2]["response"] += " my-own-secret-0123"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), run_path / "samples.parquet")
    done = mathstrap("push", str(run_path), "a/b", "--dry-run", cwd=tmp_path, MY_API_KEY="my-own-secret-0123")
    assert done.returncode == 1
    assert "samples.parquet:3: the value of a secret environment variable" in done.stderr
    assert "my-own-secret" not in done.stdout + done.stderr


@pytest.mark.parametrize("text", ["the square/root/of 2", "speed is 3 km/h/s", "a:b@c", "1/2/3", "keys: 12 / 4 / 3"])
def test_mathematics_is_no_leak(text: str) -> None:
    assert find_leak(text, NOTHING) == ""


@pytest.mark.parametrize("text", ["base_url: http://localhost:8000/v1/x/y", "hf:owner/name", "<a href='x/y/z'>"])
def test_an_address_is_no_path(text: str) -> None:
    assert find_leak(text, NOTHING, any_path=True) == ""


@pytest.mark.parametrize(
    ("repo", "spoil", "message"),
    [
        ("maths", "", "expected owner/name"),
        ("ada/maths", "samples.jsonl", "holds no samples"),
        ("ada/maths", "README.md", "there is no data card"),
    ],
)
def test_what_cannot_be_published_is_said(run_path: Path, repo: str, spoil: str, message: str) -> None:
    if spoil:
        (run_path / spoil).unlink()
    with pytest.raises(InputError, match=message):
        plan_push(run_path, repo)


def test_a_push_uploads_the_files_in_one_private_commit(made: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="needs the hub extra")
    run_path = made / "runs" / "small"
    with serve_hub(TOKEN) as hub:
        variables = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
        done = mathstrap("push", "runs/small", "ada/maths", cwd=made, **variables)
        assert done.returncode == 0, done.stderr
        assert f"Published: {hub.url}/datasets/ada/maths" in done.stdout
        assert [repo["name"] for repo in hub.created] == ["maths"]
        assert hub.created[0]["type"] == "dataset"
        # Older hub libraries send "private", newer ones "visibility".
        assert hub.created[0].get("private") or hub.created[0].get("visibility") == "private"
        plan = plan_push(run_path, "ada/maths")
        assert hub.files["ada/maths"] == {file.name: (run_path / file.name).read_bytes() for file in plan.files}
        assert hub.messages == [plan.message]
        assert TOKEN not in done.stdout + done.stderr
        hub.refuse = f"You have no right to create this with {TOKEN}"
        refused = mathstrap("push", "runs/small", "ada/other", cwd=made, **variables)
        assert refused.returncode == 1
        assert "ada/other: the hub refused the upload: " in refused.stderr
        assert TOKEN not in refused.stdout + refused.stderr
        assert "Traceback" not in refused.stderr


def test_without_a_token_one_sentence_says_how_to_get_one(made: Path) -> None:
    pytest.importorskip("huggingface_hub", reason="needs the hub extra")
    done = mathstrap("push", "runs/small", "ada/maths", cwd=made)
    assert (done.returncode, "hf auth login" in done.stderr) == (1, True)


def test_what_was_pushed_loads(made: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the hub extra")
    run_path, repo = made / "runs" / "small", tmp_path / "repo"
    repo.mkdir()
    for file in plan_push(run_path, "ada/maths").files:
        shutil.copy(run_path / file.name, repo / file.name)
    loaded = {
        name: datasets.load_dataset(str(repo), name, cache_dir=str(tmp_path / "cache"))["train"].num_rows
        for name in ("default", "metamathqa", "chat")
    }
    assert set(loaded.values()) == {len((run_path / "samples.jsonl").read_text().splitlines())}
