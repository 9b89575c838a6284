"""Ask whether the Hugging Face hub answers, and read its cache alone where it does not."""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ENDPOINT = "https://huggingface.co"
ANSWER_SECONDS = 10.0
OFFLINE = "HF_HUB_OFFLINE"


@contextlib.contextmanager
def reaching(name: str | Path) -> Iterator[str]:
    """Load something of the hub, or a local folder, inside; yields why the hub is out of reach, if it is.

    Out of reach, the libraries look into their cache and fail at once: alone they would try for half a minute.
    """
    silence = "" if Path(name).exists() else hub_silence()
    with offline() if silence else contextlib.nullcontext():
        yield silence


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
    """Let the libraries look into their caches alone, as where HF_HUB_OFFLINE was set before they were imported."""
    import huggingface_hub.constants

    places: list[Any] = [huggingface_hub.constants]
    if "datasets.config" in sys.modules:  # it keeps a copy
        places.append(sys.modules["datasets.config"])
    before = [place.HF_HUB_OFFLINE for place in places]
    for place in places:
        place.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = value
