"""Say whether a step was done with the same inputs: a record beside its output carries a hash of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.files.rundir import RunDir


def is_done(study: RunDir, name: str, inputs: str) -> bool:
    """Say whether a step's record carries the same inputs."""
    return (study.read_value(name, dict[str, Any]) or {}).get("inputs") == inputs


def digest(*values: Any) -> str:
    """Return 16 hexadecimal digits over values, whatever the order of their keys."""
    return hashlib.blake2b(msgspec.json.encode(values, order="sorted"), digest_size=8).hexdigest()


def file_digest(path: Path) -> str:
    """Return 16 hexadecimal digits over a file, nothing where there is none."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest() if path.exists() else ""
