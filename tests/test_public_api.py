"""The public names of docs/public-api.md are there and documented, and the documentation uses no others."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

import mathstrap

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| `(mathstrap[\w.]*)` \| (.+) \|$", re.MULTILINE)
PUBLIC = {
    module: re.findall(r"`(\w+)`", names)
    for module, names in ROW.findall((ROOT / "docs" / "public-api.md").read_text(encoding="utf-8"))
}
IMPORT = re.compile(r"^\s*from (mathstrap[\w.]*) import (\([^)]*\)|[^\n#]+)", re.MULTILINE)


def pages() -> list[Path]:
    examples = (path for path in sorted(ROOT.glob("examples/*")) if path.is_file())
    return [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *examples]


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PUBLIC.items() for name in names])
def test_a_public_name_is_there_and_says_what_it_is(module, name):
    found = getattr(importlib.import_module(module), name)
    if callable(found):
        assert (found.__doc__ or "").strip(), f"{module}.{name} has no docstring"


def test_the_names_at_the_top_are_the_page_s_and_a_misspelt_one_is_an_error():
    assert {*PUBLIC["mathstrap"], "__version__"} == set(mathstrap.__all__)
    with pytest.raises(AttributeError, match="no attribute 'bootstrp'"):
        mathstrap.bootstrp  # noqa: B018


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_documentation_imports_public_names_alone(page):
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        text = text.replace('\\"', '"').replace("\\n", "\n").replace('"from ', "from ")
    for module, names in IMPORT.findall(text):
        for name in re.findall(r"(\w+)(?:\s+as\s+\w+)?", names.replace("\\n", " ")):
            assert name in PUBLIC.get(module, []), f"{page.name}: from {module} import {name} is not in public-api.md"
