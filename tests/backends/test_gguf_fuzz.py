"""Whatever the header of a GGUF file claims, it is refused in a sentence or read: no hang, no memory, no traceback."""

from __future__ import annotations

import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bounded import examples
from mathstrap.backends.local.gguf import find_model, read_facts
from mathstrap.errors import InputError

gguf = pytest.importorskip("gguf", reason='needs pip install "mathstrap[local]"')


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    import numpy

    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(128)
    writer.add_array("tokenizer.ggml.tokens", ["a", "b"])
    writer.add_array("tokenizer.ggml.scores", [0.5, 1.5])
    writer.add_tensor("output.weight", numpy.ones((2, 32), dtype=numpy.float32))
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    return path.read_bytes()


def is_refused(content: bytes, path: Path, read: Callable[[Path], object] = read_facts) -> bool:
    """Say whether a file is refused; it must be read or refused at once, and without its size in memory."""
    path.write_bytes(content)
    tracemalloc.start()
    start = time.perf_counter()
    try:
        read(path)
    except InputError as error:
        return str(path) in str(error) and len(str(error)) < 500
    finally:
        seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert seconds < 30
        assert peak < 20 << 20
    return False


LENGTHS = (0, 1, 3, 2**31, 2**32 - 1, 2**60, 2**64 - 1)


def test_a_count_or_size_that_the_file_cannot_hold_is_refused_wherever_it_stands(good: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    assert not is_refused(good, path)
    header = good.index(b"output.weight") + 60
    num_refused = 0
    for place in range(8, header):
        for length in LENGTHS:
            num_refused += is_refused(good[:place] + struct.pack("<Q", length) + good[place + 8 :], path)
    assert num_refused > header * 4


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (struct.pack("<QQ", 0, 2**63), "ends too early"),
        (struct.pack("<QQ", 2**63, 0), "ends too early"),
        (struct.pack("<QQQ", 0, 1, 2**62), "bytes are to follow"),
        (struct.pack("<QQQsIIQ", 0, 1, 1, b"a", 9, 0, 2**62), "lists hold"),
        (struct.pack("<QQQsIIQ", 0, 1, 1, b"a", 9, 0, 2**20), "bytes are to follow"),
        (struct.pack("<QQQsIIQ", 0, 1, 1, b"a", 9, 9, 1), "a list of lists"),
        (struct.pack("<QQQsI", 0, 1, 1, b"a", 77), "no such type"),
        (struct.pack("<QQQsIBQs", 0, 2, 1, b"a", 0, 1, 1, b"a"), "occurs twice"),
        (struct.pack("<QQQsIQQIQ", 1, 0, 1, b"t", 2, 2**40, 2**40, 0, 0), "weights end at byte"),
        (struct.pack("<QQQsIQIQ", 1, 0, 1, b"t", 1, 0, 0, 0), "shape"),
        (struct.pack("<QQQsI", 1, 0, 1, b"t", 9), "9 dimensions"),
    ],
)
def test_a_forged_header_is_refused_before_anything_is_read(tail: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<I", 3) + tail)
    for read in (read_facts, lambda path: find_model(str(path))):
        with pytest.raises(InputError, match=message):
            read(path)


@examples(150)
@given(st.data())
def test_a_changed_or_cut_header_is_refused_or_read(good: bytes, tmp_path_factory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.gguf"
    content = bytearray(good[: data.draw(st.sampled_from([len(good), 0, 3, 24, 100, len(good) - 1]))])
    if content:
        place = st.integers(0, len(content) - 1)
        for where, byte in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=6)):
            content[where] = byte
    is_refused(bytes(content), path)
