"""Ask whether the Hugging Face hub answers."""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path

ENDPOINT = "https://huggingface.co"
ANSWER_SECONDS = 10.0
OFFLINE = "HF_HUB_OFFLINE"


def silence_of(name: str | Path) -> str:
    """Return why the hub cannot be asked for something; nothing for a local folder, or where the hub answers.

    Where it is silent, callers look into its cache alone: the libraries by themselves would try for half a minute.
    """
    return "" if Path(name).exists() else hub_silence()


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
