"""Ask an OpenAI-compatible server for embeddings (the paper used text-embedding-ada-002)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mathstrap.errors import InputError

if TYPE_CHECKING:
    from mathstrap.stats.diversity import Embed, Floats


def endpoint_embedder(
    model: str, *, base_url: str = "https://api.openai.com/v1", api_key: str = "", batch_size: int = 256
) -> Embed:
    """Return an embedder that asks an OpenAI-compatible `/embeddings` endpoint (the paper: text-embedding-ada-002)."""
    return lambda texts: _stack(_ask_embeddings(list(texts), model, base_url.rstrip("/"), api_key, batch_size))


def _ask_embeddings(
    texts: list[str], model: str, base_url: str, api_key: str, size: int
) -> Iterator[list[list[float]]]:
    import json
    import urllib.error
    import urllib.request

    if not base_url.startswith(("http://", "https://")):
        raise InputError(f"{base_url}: expected the http(s) address of an OpenAI-compatible server, ending in /v1.")
    for start in range(0, len(texts), size):
        body = json.dumps({"model": model, "input": texts[start : start + size]}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {api_key}"}
        request = urllib.request.Request(f"{base_url}/embeddings", data=body, headers=headers)  # noqa: S310 checked above
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:  # noqa: S310 checked above
                rows = json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            raise InputError(
                f"{base_url}/embeddings: {error.code} {error.reason}. Check the key and the model."
            ) from None
        except (urllib.error.URLError, TimeoutError) as error:
            raise InputError(f"{base_url}/embeddings: no answer ({error}). Check the address.") from None
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(f"{base_url}/embeddings: the reply has no list of embeddings ({error!r}).") from None
        yield [row["embedding"] for row in sorted(rows, key=lambda row: row["index"])]


def _stack(batches: Iterable[list[list[float]]]) -> Floats:
    import numpy as np

    parts = [np.asarray(batch, dtype=np.float32) for batch in batches]
    return np.concatenate(parts) if parts else np.zeros((0, 1), dtype=np.float32)
