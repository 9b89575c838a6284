"""Read the rows of a dataset on the Hugging Face hub, or of its copy in the cache if the hub does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mathstrap.errors import InputError, MissingExtraError, first_line, missing_extra
from mathstrap.hub.offline import offline_reason


def hub_rows(name: str, config: str | None, split: str, *, help_text: str, streaming: bool = True) -> Iterator[Any]:
    """Yield the rows of one configuration and split; `name` may be a local folder too.

    Raises InputError with the reason and `help_text`. Without a network, only the cache is searched: the library would
    retry for half a minute.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(f"{missing_extra('datasets', 'hub')}. {help_text}") from None
    offline = offline_reason(name)
    try:
        # The library has no option to use only the cache, but it loads the folder of a download.
        source = cached_folder(name) if offline else name
        yield from datasets.load_dataset(source, config, split=split, streaming=streaming)
    except (OSError, ValueError) as error:
        reason = offline or first_line(error)
        raise InputError(f"hf:{name}: cannot be loaded ({reason}). {help_text}") from None


def cached_folder(name: str) -> str:
    """Return the folder of a dataset in the hub's cache; raises OSError if it is not there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return str(snapshot_download(name, repo_type="dataset", local_files_only=True))
    except LocalEntryNotFoundError as error:
        raise OSError(f"{name} is not in the cache") from error
