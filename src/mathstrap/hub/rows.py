"""Read the rows of a dataset on the Hugging Face hub, or of its copy in the cache where the hub does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mathstrap.errors import InputError, MissingExtraError, missing_extra
from mathstrap.hub.reach import reaching


def hub_rows(name: str, config: str | None, split: str, *, help_text: str, streaming: bool = True) -> Iterator[Any]:
    """Yield the rows of one configuration and split; `name` may be a local folder too.

    Raises InputError with the reason and `help_text`. Without a network it looks into the cache and fails at once: the
    library alone would try for half a minute.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(f"{missing_extra('datasets', 'hub')}. {help_text}") from None
    silence = ""
    try:
        with reaching(name) as silence:
            rows = datasets.load_dataset(name, config, split=split, streaming=streaming)
        yield from rows
    except (OSError, ValueError) as error:
        reason = silence or (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"hf:{name}: cannot be loaded ({reason}). {help_text}") from None
