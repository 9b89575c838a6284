"""Tell whether a step was done with the same inputs, by the hash in a record beside its output."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from mathstrap.files.rundir import RunDir


def is_done(study: RunDir, name: str, inputs: str) -> bool:
    """Say whether a step's record has the same inputs."""
    return (study.read_value(name, dict[str, Any]) or {}).get("inputs") == inputs


def digest(*values: Any) -> str:
    """Return a hash of values, independent of the order of their keys, as 16 hexadecimal digits."""
    return hashlib.blake2b(msgspec.json.encode(values, order="sorted"), digest_size=8).hexdigest()


def file_digest(path: Path) -> str:
    """Return a hash of a file as 16 hexadecimal digits, "" where it does not exist."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest() if path.exists() else ""
