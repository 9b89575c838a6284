"""Say why the Hugging Face hub cannot be asked, so that callers look into its cache alone (`local_files_only`).

HF_HUB_OFFLINE is the user's way to say so. Where it is not set and there is no network, `datasets` by itself retries
for 24 s and then names neither the address nor the reason; one request here takes the time of a refused connection.
"""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path

ENDPOINT = "https://huggingface.co"
ANSWER_SECONDS = 10.0
OFFLINE = "HF_HUB_OFFLINE"


def offline_reason(name: str | Path) -> str:
    """Return why the hub cannot be asked for something; empty for a local folder, or where the hub answers."""
    if Path(name).exists():
        return ""
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
