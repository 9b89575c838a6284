"""docs/architecture.md names the packages, their sizes and their layers as they are."""

from __future__ import annotations

import re

import pytest

from docs_blocks import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
SOURCE = ROOT / "src" / "mathstrap"
SIZES = {name: int(lines) for lines, name in re.findall(r"^ +(\d+)  (\S+)/ ", PAGE, re.MULTILINE)}
PACKAGES = sorted(path.name for path in SOURCE.iterdir() if path.is_dir() and any(path.glob("*.py")))


def test_every_package_is_in_the_tree_and_no_other():
    assert sorted(SIZES) == PACKAGES


@pytest.mark.parametrize("name", PACKAGES)
def test_the_lines_of_a_package_are_about_those_of_the_tree(name):
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in (SOURCE / name).rglob("*.py"))
    assert abs(lines - SIZES[name]) <= max(100, 0.15 * lines), f"{name}/ has {lines} lines: mend docs/architecture.md"


def test_the_layers_are_those_that_hold():
    source = (ROOT / "tests" / "test_layers.py").read_text(encoding="utf-8")
    listed = re.search(r"LAYERS = \[(.*?)\n\]", source, re.DOTALL)[1].splitlines()
    held = [re.findall(r'"(\w+)"', line) for line in listed]
    drawn = re.search(r"## Layers.*?```text\n(.*?)```", PAGE, re.DOTALL)[1].replace("▼", "").splitlines()
    layers = [line.split() for line in reversed(drawn) if line.strip()]
    assert layers == [layer for layer in held if layer and layer != ["__main__"]]
