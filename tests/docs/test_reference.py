"""What the documentation shows is made by the code: the reference, the worked examples, the table of costs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import costs  # noqa: E402
import reference  # noqa: E402
import worked  # noqa: E402


@pytest.mark.parametrize("name", ["cli.md", "recipes.md", "reasons.md"])
def test_a_reference_page_is_up_to_date(name):
    assert (ROOT / "docs" / "reference" / name).read_text() == reference.pages()[name], "run scripts/reference.py"


def test_every_option_says_what_it_does():
    silent = [line for line in reference.cli_page().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert not silent


@pytest.mark.parametrize("script", [worked, costs], ids=["worked", "costs"])
def test_the_examples_of_a_page_are_what_a_run_makes(script):
    text = script.PAGE.read_text()
    assert script.made_page(text) == text, f"run scripts/{script.__name__}.py"


def test_a_changed_rule_would_show_in_the_worked_examples():
    text = worked.PAGE.read_text()
    assert worked.made_page(text.replace("gold 25", "gold 26")) == text
