"""Load an object from a file of the user's own, named `path/to/file.py:object`. Loading executes the file.

Only recipes and command lines, which people write, can name such a file; text from a model never does. Does not know
what the object is for.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from mathstrap.errors import InputError, suggest

T = TypeVar("T")


def is_own(name: str) -> bool:
    """Say whether a name means an object of a file, and not an entry of the package."""
    return ".py:" in name


def own_path(name: str) -> Path:
    """Return the file that a name means; relative paths start at the working directory."""
    return Path(name.rpartition(":")[0]).expanduser()


def own_hash(name: str) -> str:
    """Return 12 hexadecimal digits of the file's bytes, as the manifest keeps them."""
    return hashlib.blake2b(own_path(name).read_bytes(), digest_size=6).hexdigest()


def load_own(name: str, kind: type[T], *, where: str) -> T:
    """Return the object; `where` is the recipe key or option that names it. The file is executed once per process.

    Raises InputError if there is no such file or object, if the file fails, or if the object is of another kind.
    """
    module, attribute = run_file(own_path(name).absolute(), where), name.rpartition(":")[2]
    if not hasattr(module, attribute):
        defined = [key for key, value in vars(module).items() if isinstance(value, kind) and not key.startswith("_")]
        raise InputError(f'{where}: {own_path(name)} has no "{attribute}".{suggest(attribute, defined)}')
    loaded = getattr(module, attribute)
    if not isinstance(loaded, kind):
        raise InputError(f"{where}: {name} is a {type(loaded).__name__}, expected a {kind.__name__}.")
    return loaded


@lru_cache(maxsize=64)
def run_file(path: Path, where: str) -> Any:
    """Return the module of a file, executed under a unique name, so that it cannot shadow another module."""
    if not path.is_file():
        raise InputError(f"{where}: there is no file {path}. Expected path/to/file.py:object.")
    name = f"mathstrap_own_{hashlib.blake2b(str(path).encode(), digest_size=6).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, f"{path} ends in .py"
    assert spec.loader is not None, f"{path} ends in .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up their module by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the user's own code may raise anything
        del sys.modules[name]
        raise InputError(f"{where}: {path} cannot be loaded: {type(error).__name__}: {error}.") from error
    return module
