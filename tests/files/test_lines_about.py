"""The lines of one family are found by blocks: the same lines, numbers and places as reading every line finds."""

from __future__ import annotations

import random

import pytest

from mathstrap.files.lines import BLOCK_BYTES, MAX_LINE_BYTES, lines_about, lines_of

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
