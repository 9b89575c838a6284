"""Create folders that only their owner can change, and folders that are not symbolic links."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mathstrap.errors import StorageError


def private_folder(path: Path) -> Path:
    """Make a folder that only this user can enter, and return it; raises OSError.

    Raises StorageError if the folder, or a link in its place, belongs to another user, whose files would be read as
    ours.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if {path.lstat().st_uid, path.stat().st_uid} != {os.geteuid()}:
        raise StorageError(f"{path}: belongs to another user, and is not used. Name another one with XDG_CACHE_HOME.")
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)
    return path


def is_own_file(path: Path) -> bool:
    """Say whether a path is a file, not a link to one, that belongs to this user and that nobody else can write."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def plain_folder(path: Path) -> Path:
    """Make a folder inside a run directory and return it; raises StorageError if a symbolic link is in its place."""
    if path.is_symlink():
        raise StorageError(f"{path}: is a symbolic link, and none is followed for writing: remove the link.")
    path.mkdir(parents=True, exist_ok=True)
    return path
