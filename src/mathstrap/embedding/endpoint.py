"""Ask an OpenAI-compatible server for embeddings (the paper used text-embedding-ada-002)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

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
    import http.client
    import json
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        """Follow no redirect: the key must go to no other server than the one that was named."""

        def redirect_request(self, *_: Any) -> None:
            return None

    if "@" in base_url:
        raise InputError("the address of the embeddings holds an @. A user and a password in it are not supported.")
    if not base_url.startswith(("http://", "https://")):
        raise InputError(f"{base_url}: expected the http(s) address of an OpenAI-compatible server, ending in /v1.")
    api_key = api_key.strip()
    if not (api_key.isascii() and (api_key.isprintable() or not api_key)):
        raise InputError("OPENAI_API_KEY: the key holds characters that cannot be sent in a header. Set it again.")
    opener = urllib.request.build_opener(Stay)
    for start in range(0, len(texts), size):
        body = json.dumps({"model": model, "input": texts[start : start + size]}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {api_key}"}
        request = urllib.request.Request(f"{base_url}/embeddings", data=body, headers=headers)  # noqa: S310 checked above
        try:
            with opener.open(request, timeout=120) as reply:
                rows = sorted(json.load(reply)["data"], key=lambda row: row["index"])
            yield [row["embedding"] for row in rows]
        except urllib.error.HTTPError as error:
            raise InputError(
                f"{base_url}/embeddings: {error.code}. Check the key and the model."
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise InputError(f"{base_url}/embeddings: no answer ({error}). Check the address.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{base_url}/embeddings: the reply has no list of embeddings ({error!r}).") from None


def _stack(batches: Iterable[list[list[float]]]) -> Floats:
    import numpy as np

    parts = [np.asarray(batch, dtype=np.float32) for batch in batches]
    return np.concatenate(parts) if parts else np.zeros((0, 1), dtype=np.float32)
