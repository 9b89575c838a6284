"""Files are read by blocks: the same lines, numbers and places as reading every line finds."""

from __future__ import annotations

import random

import msgspec
import pytest

from mathstrap.files.lines import BLOCK_BYTES, MAX_LINE_BYTES, lines_about, lines_of, records_in, values_in

RECORDS = [b'{"id":"a"}', b'{"id":"b"}', b'{"id":"a/b#1"}', b'{"id":"' + b"x" * 9000 + b'"}']
DAMAGED = [b"", b"torn a", b'{"id":', b'}{"', b"}", b"\r", b"\x00" * 70]
TOO_LONG = b'{"id":"' + b"b" * (MAX_LINE_BYTES + BLOCK_BYTES) + b'"}'


def files():
    rng = random.Random(0)
    sound = [rng.choice(RECORDS) for _ in range(3000)]
    yield "nothing", b""
    yield "sound", b"".join(line + b"\n" for line in sound)
    yield "torn at the end", b"\n".join(sound)[:-3]
    yield "damaged", b"\n".join(rng.choice(RECORDS * 9 + DAMAGED) for _ in range(3000))
    yield "too long in the middle", b"\n".join([*sound[:9], TOO_LONG, *sound[:9]])
    yield "too long at the end", b"\n".join([*sound[:9], TOO_LONG])


@pytest.mark.parametrize(("name", "content"), [pytest.param(*pair, id=pair[0]) for pair in files()])
def test_blocks_find_the_lines_that_reading_every_line_finds(tmp_path, name, content):
    path = tmp_path / "file.jsonl"
    path.write_bytes(content)
    with path.open("rb") as file:
        expected = [
            line
            for line in lines_of(file)
            if b'"b"' in line.text or not (line.text.startswith(b"{") and line.text.endswith(b"}"))
        ]
        assert list(lines_about(file, 0, b'"b"')) == expected


class Named(msgspec.Struct):
    id: str


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(pytest.param(*pair, id=pair[0]) for pair in files()),
        pytest.param("two on a line", b'{"id":"a"} {"id":"b"}\n\n{"id":\n"c"}\n', id="two on a line"),
        pytest.param("another type", b'{"id":"a"}\n{"id":1}\n{"id":"b"}\n', id="another type"),
    ],
)
def test_blocks_hold_the_values_and_the_damage_that_reading_every_line_finds(tmp_path, name, content):
    path = tmp_path / "file.jsonl"
    path.write_bytes(content)
    decoder = msgspec.json.Decoder(Named)
    damaged, expected_damage = [], []
    expected = [value for value, _ in records_in(path, decoder.decode, expected_damage.append, what="name")]
    found = list(values_in(path, decoder.decode, decoder.decode_lines, damaged.append, what="name"))
    assert (found, damaged) == (expected, expected_damage)
