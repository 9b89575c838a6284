"""Read the rows of a dataset on the Hugging Face hub, or of its copy in the cache where the hub does not answer."""

from __future__ import annotations

import contextlib
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError, MissingExtraError, missing_extra

ENDPOINT = "https://huggingface.co"
ANSWER_SECONDS = 10.0
OFFLINE = "HF_HUB_OFFLINE"


def hub_rows(name: str, config: str | None, split: str, *, help_text: str, streaming: bool = True) -> Iterator[Any]:
    """Yield the rows of one configuration and split; `name` may be a local folder too.

    Raises InputError with the reason and `help_text`. Without a network it looks into the cache and fails at once: the
    library alone would try for half a minute.
    """
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(f"{missing_extra('datasets', 'hub')}. {help_text}") from None
    missing = "" if Path(name).exists() else hub_silence()
    try:
        with offline() if missing else contextlib.nullcontext():
            rows = datasets.load_dataset(name, config, split=split, streaming=streaming)
        yield from rows
    except (OSError, ValueError) as error:
        reason = missing or (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"hf:{name}: cannot be loaded ({reason}). {help_text}") from None


def hub_silence() -> str:
    """Return why the hub cannot be reached, nothing where it answers (also with an error) or is not to be asked."""
    if os.environ.get(OFFLINE, "0") not in ("", "0"):
        return f"{OFFLINE} is set, and the cache does not hold it"
    address = os.environ.get("HF_ENDPOINT") or ENDPOINT
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=ANSWER_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError:
        return ""
    except OSError as error:
        # A certificate that Python's own store lacks may do for the library, which brings another.
        cause = getattr(error, "reason", error)
        if not isinstance(cause, ssl.SSLError):
            return f"{address} does not answer: {getattr(cause, 'strerror', None) or cause}"
    return ""


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Let the library look into its cache alone, as it does where HF_HUB_OFFLINE was set before it was imported."""
    import datasets.config
    import huggingface_hub.constants

    places: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    for place in places:
        place.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value
