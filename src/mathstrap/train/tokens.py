"""Turn texts into token ids with an exact border between prompt and response, once, and keep them in a cache.

A model is prompted with the tokens of the prompt alone, so every sample starts with exactly those tokens, even where
the tokenizer would merge characters across the border when it tokenises prompt and response as one text.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mathstrap.errors import InputError
from mathstrap.train.chat import open_template, token_texts
from mathstrap.train.options import DataOptions
from mathstrap.train.prompt import RenderedSample

log = logging.getLogger(__name__)

# Raise it when tokenising changes, so that cached tables are rebuilt.
CACHE_VERSION = 2
# A fast tokenizer uses all cores within one call, and a call's ids are Python lists.
CHUNK = 4096
# Texts that tokenizers rarely merge with what follows; the first that leaves the response intact is used.
FENCES = ("\n", "\n\n", "\t", ".", "#")


@dataclass(frozen=True)
class TokenTable:
    """Token ids of many samples, end to end: sample i is ids[offsets[i]:offsets[i+1]], its prompt the first starts[i].

    `kept` maps samples to the texts they came from; `dropped` counts the other texts by reason; `merged` counts the
    samples whose prompt's last token would have merged with the response if both had been tokenised as one text;
    `lost_reasoning` counts those whose prompt has no place for their reasoning.
    """

    ids: Any
    offsets: Any
    starts: Any
    kept: Any
    dropped: dict[str, int]
    merged: int
    lost_reasoning: int = 0

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> Any:
        """Tokens of each sample."""
        return self.offsets[1:] - self.offsets[:-1]


@dataclass(frozen=True, kw_only=True)
class Ends:
    """How a sample opens and closes: the ids the tokenizer adds before a plain text, and the end mark."""

    before: tuple[int, ...]
    end: int


def find_ends(tokenizer: Any, options: DataOptions) -> Ends:
    """Return the tokens around a sample: a chat sample closes with its template's end mark, else with EOS.

    Raises InputError for a tokenizer without an end mark.
    """
    if options.prompt == "chat":
        mark = open_template(tokenizer, options.template_args).closing.mark
        if mark:
            return Ends(before=(), end=int(tokenizer.convert_tokens_to_ids(mark)))
    if tokenizer.eos_token_id is None:
        raise InputError(
            "the tokenizer has no EOS token, so the model could never learn where to stop. "
            'Add one: set "eos_token" in tokenizer_config.json.'
        )
    return Ends(before=() if options.prompt == "chat" else opening_ids(tokenizer), end=tokenizer.eos_token_id)


def opening_ids(tokenizer: Any) -> tuple[int, ...]:
    """Return the ids the tokenizer puts before a plain text: a BOS, two marks (GLM-4), or none."""
    plain = tokenizer("a", add_special_tokens=False).input_ids
    opened = tokenizer("a", add_special_tokens=True).input_ids
    places = [place for place in range(len(opened)) if opened[place : place + len(plain)] == plain]
    return tuple(opened[: places[0]]) if places else ()


def encode(texts: Sequence[RenderedSample], tokenizer: Any, ends: Ends, max_length: int) -> TokenTable:
    """Tokenise all texts; samples over `max_length` tokens, end mark included, are dropped and counted, never cut.

    A text too long even for the vocabulary's longest tokens is dropped before it is tokenised: ten megabytes without
    a space would take minutes.
    """
    import numpy as np

    # The end mark is added because some tokenizers do not mark theirs as special.
    end = str(tokenizer.convert_ids_to_tokens(ends.end))
    specials = [token for token in {*token_texts(tokenizer), end} if len(token) > 2]
    pieces: list[Any] = []
    starts: list[int] = []
    kept: list[int] = []
    dropped = {"too_long": 0, "special_token": 0}
    merged = 0
    most_chars = max_length * max(map(len, tokenizer.get_vocab()))
    fit = [index for index, text in enumerate(texts) if len(text.prompt) + len(text.response) <= most_chars]
    dropped["too_long"] = len(texts) - len(fit)
    for low in range(0, len(fit), CHUNK):
        places = fit[low : low + CHUNK]
        chunk = [texts[index] for index in places]
        prompts = tokenizer([text.prompt for text in chunk], add_special_tokens=False).input_ids
        wholes = tokenizer([text.prompt + text.response for text in chunk], add_special_tokens=False).input_ids
        for index, text, prompt, whole in zip(places, chunk, prompts, wholes, strict=True):
            written = text.response if text.written is None else text.written
            if any(token in written for token in specials):
                dropped["special_token"] += 1
                continue
            response = whole[len(prompt) :]
            if whole[: len(prompt)] != prompt or not response:
                merged += 1
                response = continuation(tokenizer, text.response)
            ids = [*ends.before, *prompt, *response]
            if ids[-1] != ends.end and not text.is_closed:
                ids.append(ends.end)
            if len(ids) > max_length:
                dropped["too_long"] += 1
                continue
            pieces.append(np.array(ids, dtype=np.int32))
            starts.append(len(ends.before) + len(prompt))
            kept.append(index)
    offsets = np.zeros(len(pieces) + 1, dtype=np.int64)
    np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
    return TokenTable(
        np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int32), offsets, np.array(starts, dtype=np.int64),
        np.array(kept, dtype=np.int64), {reason: count for reason, count in dropped.items() if count}, merged,
    )  # fmt: skip


def continuation(tokenizer: Any, response: str) -> list[int]:
    """Return the ids of a response as it follows other text, independent of the prompt's last token.

    SentencePiece opens a text of its own with a space that is not in the response; after a fence it does not.
    """
    for fence in FENCES:
        opening = tokenizer(fence, add_special_tokens=False).input_ids
        both = tokenizer(fence + response, add_special_tokens=False).input_ids
        if both[: len(opening)] == opening and len(both) > len(opening):
            return list(both[len(opening) :])
    return list(tokenizer(response, add_special_tokens=False).input_ids)


def cache_folder() -> Path:
    """Return the folder of cached token tables: MATHSTRAP_CACHE, else the user's cache folder."""
    override = os.environ.get("MATHSTRAP_CACHE")
    return Path(override) if override else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mathstrap"


def encode_cached(
    texts: Sequence[RenderedSample], tokenizer: Any, ends: Ends, max_length: int, folder: Path, *, keep: bool = True
) -> TokenTable:
    """Return `encode`'s table, from the cache where the same texts and tokenizer were encoded before.

    A table that was not there is written unless `keep` is false.
    """
    path = folder / "tokens" / f"{table_key(texts, tokenizer, ends, max_length)}.safetensors"
    if path.exists():
        return read_table(path)
    table = encode(texts, tokenizer, ends, max_length)
    if not keep:
        return table
    try:
        write_table(table, path)
    except OSError as error:
        log.warning("tokens are not cached: %s cannot be written (%s)", path, error.strerror)
    return table


def table_key(texts: Sequence[RenderedSample], tokenizer: Any, ends: Ends, max_length: int) -> str:
    """Return a hash of everything the table depends on."""
    digest = hashlib.blake2b(f"{CACHE_VERSION} {ends} {max_length}".encode(), digest_size=16)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    digest.update((backend.to_str() if backend is not None else repr(sorted(tokenizer.get_vocab().items()))).encode())
    for text in texts:
        written = "" if text.written is None else text.written
        end = "\0closed" if text.is_closed else ""
        whole = f"\0{len(text.prompt)}\0{len(text.response)}\0{text.prompt}{text.response}{written}{end}"
        digest.update(whole.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def write_table(table: TokenTable, path: Path) -> None:
    """Write the table to a temporary file and move it into place."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    counts = {f"dropped.{reason}": str(count) for reason, count in table.dropped.items()}
    arrays = {"ids": table.ids, "offsets": table.offsets, "starts": table.starts, "kept": table.kept}
    try:
        save_file(arrays, temporary, metadata={"merged": str(table.merged), **counts})
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_table(path: Path) -> TokenTable:
    """Read a table back."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as file:
        notes: dict[str, str] = file.metadata()
        ids, offsets, starts, kept = (file.get_tensor(name) for name in ("ids", "offsets", "starts", "kept"))
    counts = {name.removeprefix("dropped."): int(count) for name, count in notes.items() if "." in name}
    return TokenTable(ids, offsets, starts, kept, counts, int(notes["merged"]))
