"""The shape of the package: imports point down and never in a circle, and heavy libraries stay inside functions."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "mathstrap"

# Lowest first; a module may import from its own layer and from those above it in this list.
LAYERS = [
    ["types", "errors", "redact", "version", "parallel", "thought", "called", "numerals", "patterns", "steps"],
    ["plugins", "recipe", "files", "hub", "prompts", "engine", "bundled"],
    ["verify", "augment", "stats", "backends"],
    ["problems", "train", "render", "embedding"],
    ["curate", "evaluate", "explore"],
    ["report", "audit", "share"],
    ["reward"],
    ["pipeline"],
    ["study", "reproduce"],
    ["iterate"],
    ["interactive"],
    ["cli"],
    ["__main__"],
]  # fmt: skip
RANK = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}
HEAVY = {
    "torch", "transformers", "trl", "peft", "accelerate", "vllm", "ray", "sympy", "openvino", "datasets", "xllamacpp",
    "pyarrow", "duckdb", "numpy", "datasette", "matplotlib", "pydantic", "aiohttp", "genai_prices", "rensa", "mpmath",
    "math_verify", "verifiers", "latex2mathml", "markdown_it",
}  # fmt: skip

# Modules that subclass a heavy library's classes; they are imported inside functions alone, which the test below holds.
LAZY = {"mathstrap.train.trainer"}


def top_name(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    parts = ("mathstrap", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(SOURCE.rglob("*.py"))}


@cache
def imports_of(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """Return the imports of a file, those inside functions too. Expressions hold none and are not walked."""
    found: list[ast.Import | ast.ImportFrom] = []
    blocks = [ast.parse(path.read_text(encoding="utf-8")).body]
    while blocks:
        for node in blocks.pop():
            if isinstance(node, ast.Import | ast.ImportFrom):
                found.append(node)
            blocks += [getattr(node, name, []) for name in ("body", "orelse", "finalbody", "handlers", "cases")]
    return found


def top_level(nodes: list[ast.Import | ast.ImportFrom]) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in nodes if node.col_offset == 0]


def imported_modules(path: Path, *, whole: bool) -> dict[str, int]:
    """Return the modules of the package that a file imports, by line; `whole` looks inside functions too.

    Imports for the type checker count: a circle of types is a circle to a reader.
    """
    found: dict[str, int] = {}
    for node in imports_of(path) if whole else top_level(imports_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "mathstrap":
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                found.setdefault(below if below in MODULES else node.module, node.lineno)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "mathstrap":
                    found.setdefault(alias.name, node.lineno)
    return found


def test_imports_point_down():
    wrong = []
    for path in MODULES.values():
        name = top_name(path)
        if name == "__init__":  # the public face names what it re-exports
            continue
        assert name in RANK, f"{name} has no place in LAYERS; add it"
        for other, line in imported_modules(path, whole=True).items():
            part = other.split(".")[1] if "." in other else ""
            if RANK.get(part, 0) > RANK[name]:
                wrong.append(f"{path.relative_to(SOURCE)}:{line} imports {other}")
    assert not wrong, wrong


def test_no_file_imports_itself_by_way_of_others():
    # The face of a package re-exports its parts, so parts that import the face are a circle too.
    graph = {
        module: [other for other in imported_modules(path, whole=True) if other in MODULES and other != module]
        for module, path in MODULES.items()
        if module != "mathstrap"
    }
    done: set[str] = set()
    for start in graph:
        path: list[str] = []
        stack = [(start, iter(graph[start]))]
        path.append(start)
        while stack:
            node, others = stack[-1]
            nxt = next((other for other in others if other not in done), None)
            if nxt is None:
                done.add(node)
                stack.pop()
                path.pop()
            elif nxt in path:
                raise AssertionError(f"a circle of imports: {' -> '.join([*path[path.index(nxt) :], nxt])}")
            elif nxt in graph:
                path.append(nxt)
                stack.append((nxt, iter(graph[nxt])))


def test_every_place_in_the_layers_is_taken():
    assert set(RANK) <= {top_name(path) for path in MODULES.values()} | {"bundled"}


def test_heavy_libraries_are_imported_inside_the_functions_that_need_them():
    wrong = []
    for module, path in MODULES.items():
        if module in LAZY:
            continue
        for node in top_level(imports_of(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{path.relative_to(SOURCE)}: {name}" for name in names if name.split(".")[0] in HEAVY]
    assert not wrong, wrong


def test_modules_with_heavy_imports_are_imported_inside_functions():
    for module, path in MODULES.items():
        at_top = set(imported_modules(path, whole=False))
        assert not at_top & LAZY, f"{module} imports {at_top & LAZY} when it is imported"


def test_the_command_line_starts_without_heavy_libraries():
    code = "import sys, mathstrap.cli; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_the_layers_that_architecture_draws_are_these():
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = page.partition("## Layers")[2].partition("```text\n")[2].partition("```")[0].splitlines()
    layers = [line.split() for line in reversed(drawn) if line.strip() not in ("", "▼")]
    assert layers == LAYERS[:-1]  # __main__ is a line that calls cli
