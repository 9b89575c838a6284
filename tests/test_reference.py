"""The reference pages are what the code says now, and every key and option says what it does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import reference  # noqa: E402


@pytest.mark.parametrize("name", ["cli.md", "recipes.md"])
def test_a_reference_page_is_up_to_date(name):
    assert (ROOT / "docs" / "reference" / name).read_text() == reference.pages()[name], "run scripts/reference.py"


def test_every_option_says_what_it_does():
    silent = [line for line in reference.cli_page().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert not silent
