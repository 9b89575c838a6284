"""Lay out the HTML of Python objects in notebook cells, in the report's style. Knows nothing of runs.

A cell shares its page with others, so every CSS rule is scoped to one class; there is no script.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mathstrap.patterns import regex
from mathstrap.render import TimeBudget
from mathstrap.render.pages import TEMPLATES, environment, text_functions

# A notebook stores every output, so its tables and formulas are kept small.
MOST_CELL_CHARS = 1_200
FORMULA_SECONDS = 2.0
_RULE = regex(r"(?P<media>@media[^{]+\{)|(?P<selectors>[^{}]+)\{(?P<body>[^{}]*)\}|(?P<end>\})")


def cell(part: str, **values: Any) -> str:
    """Return a part of `notebook.html` as the HTML of a cell."""
    functions = text_functions(TimeBudget(seconds=FORMULA_SECONDS))
    return environment().get_template("notebook.html").render(part=part, css=scoped_look(), **values, **functions)


def rows_cell(rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str] = (), caption: str) -> str:
    """Return a few rows as a table under a caption; the texts of models and files are escaped, formulas rendered."""
    known = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in columns if name in known] or list(known)
    return cell("rows", rows=[[text_of(row.get(name)) for name in names] for row in rows], names=names, caption=caption)


def text_of(value: Any) -> str:
    """Return a cell of a table as text of bounded length."""
    text = "" if value is None else value if isinstance(value, str) else repr(value)
    return text if len(text) <= MOST_CELL_CHARS else text[: MOST_CELL_CHARS - 1] + "…"


@functools.cache
def scoped_look() -> str:
    """Return the style sheet with every rule scoped to `.mathstrap`."""
    css = re.sub(r"/\*.*?\*/", "", (TEMPLATES / "look.css").read_text(encoding="utf-8"), flags=re.DOTALL)
    written = []
    for rule in _RULE.finditer(css):
        if rule["selectors"] is None:
            written.append(rule[0].strip())
            continue
        selectors = ", ".join(scoped(selector.strip()) for selector in rule["selectors"].split(","))
        written.append(f"{selectors} {{{rule['body']}}}")
    return "\n".join([*written, (TEMPLATES / "notebook.css").read_text(encoding="utf-8")])


def scoped(selector: str) -> str:
    """Return a selector scoped to a cell; selectors of the whole page become the cell itself."""
    return ".mathstrap" if selector in (":root", "html", "body") else f".mathstrap {selector}"
