"""What the source may not do: run text, unpickle, load code with weights. One walk over every module."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "mathstrap"
# Modules that run or unpickle what they read.
BARRED_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "pty", "telnetlib"}
BARRED_NAMES = {"eval", "exec", "compile", "__import__", "breakpoint"}
BARRED_CALLS = {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen", "torch.hub.load"}
# The one module that loads a user's own plug-in, and the file that loads weights.
PLUGINS, WEIGHTS = "plugins.py", "hub/weights.py"


@cache
def nodes() -> list[tuple[Path, ast.AST]]:
    """Return every node of every module, with the file it stands in."""
    paths = sorted(SOURCE.rglob("*.py"))
    return [(path, node) for path in paths for node in ast.walk(ast.parse(path.read_text()))]


@cache
def calls() -> list[tuple[str, ast.Call, str]]:
    """Return (module and line, call, dotted name of what is called)."""
    return [
        (f"{path.relative_to(SOURCE)}:{node.lineno}", node, ast.unparse(node.func))
        for path, node in nodes()
        if isinstance(node, ast.Call)
    ]


def keyword(call: ast.Call, name: str) -> str:
    return next((ast.unparse(word.value) for word in call.keywords if word.arg == name), "")


def test_no_text_is_run() -> None:
    found = [where for where, _, name in calls() if name in BARRED_NAMES | BARRED_CALLS and PLUGINS not in where]
    assert not found
    assert not [where for where, call, _ in calls() if keyword(call, "shell") not in ("", "False")]


def test_nothing_that_unpickles_is_imported() -> None:
    found = []
    for path, node in nodes():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [f"{path.name}: {name}" for name in names if name.split(".")[0] in BARRED_MODULES]
    assert not found


def test_checkpoints_are_read_as_weights_only() -> None:
    loads = [(where, call) for where, call, name in calls() if name == "torch.load"]
    assert [where for where, call in loads if keyword(call, "weights_only") != "True"] == []
    assert not [where for where, call, _ in calls() if keyword(call, "allow_pickle") not in ("", "False")]


def test_models_are_loaded_in_one_place_without_their_code() -> None:
    found = {where.partition(":")[0] for where, _, name in calls() if name.endswith("from_pretrained")}
    assert found == {WEIGHTS}
    for where, call, name in calls():
        if name.startswith("Auto") and name.endswith("from_pretrained"):
            assert keyword(call, "trust_remote_code") == "False", where
    assert not [where for where, call, _ in calls() if keyword(call, "trust_remote_code") not in ("", "False")]


def test_a_pickled_checkpoint_and_a_pickled_adapter_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason='needs pip install "mathstrap[train]"')
    pytest.importorskip("peft", reason='needs pip install "mathstrap[train]"')
    import tiny_llama
    from mathstrap.errors import InputError
    from mathstrap.hub.weights import load_causal_model, load_merged_adapter

    folder = tiny_llama.save_llama(tmp_path / "model")
    load_causal_model(str(folder))
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises((OSError, ValueError)):
        load_causal_model(str(folder))
    (tmp_path / "adapter_model.bin").write_bytes(b"\x80\x04N.")
    with pytest.raises(InputError, match=r"adapter_model\.safetensors"):
        load_merged_adapter(None, tmp_path)
