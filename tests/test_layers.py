"""The shape of the package: imports point down, the start is light, heavy libraries stay inside functions."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "mathstrap"

# Lowest first; a module may import from its own layer and from those above it in this list.
LAYERS = [
    ["types", "errors", "reach", "weights", "plugins"],
    [
        "verify", "prompts", "augment", "solve", "quirks", "bundled", "curate", "embedding", "export", "stats",
        "render", "arithmetic", "columns", "leaks", "spread",
    ],
    [
        "rows", "problems", "paid", "tables", "rundir", "asking", "backends", "audit", "verify_file", "curate_file",
        "hub", "hub_rows",
    ],
    ["engine", "evaluate", "testsets", "train", "cluster"],
    ["recipe"],
    ["pipeline", "report", "see_extras", "compare_runs"],
    ["study"],
    ["cli", "explore"],
    ["__main__"],
]  # fmt: skip
RANK = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}
HEAVY = {
    "torch", "transformers", "trl", "peft", "accelerate", "vllm", "ray", "sympy", "openvino", "datasets", "xllamacpp",
    "pyarrow", "duckdb", "numpy", "datasette", "matplotlib", "pydantic", "aiohttp", "genai_prices", "rensa", "mpmath",
    "math_verify", "latex2mathml", "markdown_it",
}  # fmt: skip


def module_name(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_parts(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mathstrap"):
        parts = node.module.split(".")
        return [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[1] for alias in node.names if alias.name.startswith("mathstrap.")]
    return []


def test_imports_point_down():
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        name = module_name(path)
        if name == "__init__":
            continue
        assert name in RANK, f"{name} has no place in LAYERS; add it"
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom | ast.Import):
                upward = [part for part in imported_parts(node) if RANK.get(part, 0) > RANK[name]]
                wrong += [f"{path.relative_to(SOURCE)}:{node.lineno} imports {part}" for part in upward]
    assert not wrong, wrong


def test_every_place_in_the_layers_is_taken():
    modules = {module_name(path) for path in SOURCE.rglob("*.py")} | {"bundled"}
    assert set(RANK) <= modules


def test_heavy_libraries_are_imported_inside_the_functions_that_need_them():
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{path.relative_to(SOURCE)}: {name}" for name in names if name.split(".")[0] in HEAVY]
    assert not wrong, wrong


def test_the_command_line_starts_without_heavy_libraries():
    code = "import sys, mathstrap.cli; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_no_module_outgrows_its_page():
    long = {str(path.relative_to(SOURCE)): len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}
    assert not {name: lines for name, lines in long.items() if lines > 350}
