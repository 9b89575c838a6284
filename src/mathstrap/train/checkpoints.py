"""Keep checkpoints whole: one is written aside, moved into place when complete, and only then an older one goes."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from mathstrap.errors import StorageError

STAGING = ".writing"
PREFIX = "checkpoint-"
TORCH_WRITE_ERRORS = ("PytorchStreamWriter", "inline_container", "file write failed")
WRITE_ERRORS = {
    errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO, errno.EPERM,
}  # fmt: skip


def step_of(path: Path) -> int:
    """Return the optimiser step a checkpoint was taken at."""
    return int(path.name.removeprefix(PREFIX))


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the complete checkpoints, oldest first."""
    checkpoints = [path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdigit()]
    return sorted(checkpoints, key=step_of)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint, or None."""
    return next(reversed(list_checkpoints(folder)), None)


def publish(folder: Path, step: int) -> Path:
    """Move the checkpoint of a step from the staging folder into its place; its bytes are durable before its name."""
    import os

    def make_durable(path: Path) -> None:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)

    final = folder / f"{PREFIX}{step}"
    staged = folder / STAGING / final.name
    for path in [*staged.rglob("*"), staged]:
        make_durable(path)
    shutil.rmtree(final, ignore_errors=True)
    staged.rename(final)
    make_durable(folder)
    return final


def weights_bytes(folder: Path) -> int:
    """Return the size of the newest checkpoint's model or adapter; 0 where there is none."""
    last = last_checkpoint(folder)
    return sum(path.stat().st_size for path in last.glob("*.safetensors")) if last else 0


def clear_staging(folder: Path) -> None:
    """Remove the incomplete checkpoint of a run that was killed."""
    shutil.rmtree(folder / STAGING, ignore_errors=True)


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Delete all but the newest `keep` checkpoints and the best one."""
    for path in list_checkpoints(folder)[:-keep]:
        if step_of(path) != best:
            shutil.rmtree(path, ignore_errors=True)


def check_room(folder: Path, needed: int) -> None:
    """Raise StorageError where the disk cannot hold one more checkpoint of `needed` bytes."""
    existing = next(parent for parent in [folder, *folder.parents] if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise StorageError(
            f"{folder}: {free / 1e9:.1f} GB free, but a checkpoint takes about {needed / 1e9:.1f} GB. "
            "Free some space or point out= at another disk."
        )


@contextlib.contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turn a failed write into a StorageError that names the checkpoint that is complete."""
    from safetensors import SafetensorError

    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError) or error.errno not in WRITE_ERRORS:
            raise
        raise failed_write(folder, error.strerror or "write failed") from None
    except SafetensorError as error:
        if "I/O" not in str(error):
            raise
        raise failed_write(folder, "write failed, probably the disk is full") from None
    except RuntimeError as error:
        # torch.save reports a short write as a plain RuntimeError, known only by its text.
        if not any(words in str(error) for words in TORCH_WRITE_ERRORS):
            raise
        raise failed_write(folder, "write failed, probably the disk is full") from None


def failed_write(folder: Path, reason: str) -> StorageError:
    """Return the error for a write that failed; it names the checkpoint that the next run resumes from."""
    last = last_checkpoint(folder)
    kept = f"{last.name} is whole: the same command goes on from it" if last else "no checkpoint was written yet"
    clear_staging(folder)
    return StorageError(f"{folder}: {reason}. Free some space. {kept[:1].upper()}{kept[1:]}.")
