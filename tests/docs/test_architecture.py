"""docs/architecture.md names the packages, and about how many lines they have; test_layers compares the layers."""

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
