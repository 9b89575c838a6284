"""Find out whether the Hugging Face hub can be reached, so that callers can restrict themselves to its cache.

HF_HUB_OFFLINE is the user's switch. If it is not set and there is no network, `datasets` retries for 24 s and then
names neither the address nor the reason; one request here takes only the time of a refused connection.
"""

from __future__ import annotations

import os
from pathlib import Path

ENDPOINT = "https://huggingface.co"
ANSWER_SECONDS = 10.0
OFFLINE = "HF_HUB_OFFLINE"


def offline_reason(name: str | Path) -> str:
    """Return why the hub cannot be reached; empty for a local folder, or if the hub answers."""
    # Imported here, because every command imports this module and few ask the hub.
    import ssl
    import urllib.error
    import urllib.request

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
        # The library has its own store of certificates, so a certificate that Python rejects may be valid there.
        cause = getattr(error, "reason", error)
        if not isinstance(cause, ssl.SSLError):
            return f"{address} does not answer: {getattr(cause, 'strerror', None) or cause}"
    return ""
