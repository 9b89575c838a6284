"""Turn the bytes of a reply's body into UTF-8: decompress, up to a limit, and decode. Knows no JSON.

aiohttp's own decompression has no limit, and fails on a wrong header: some gateways announce gzip and send plain text,
others send gzip without announcing it.
"""

from __future__ import annotations

import codecs
import zlib

from mathstrap.errors import TransientError

ACCEPTED = "gzip, deflate"
LARGEST_BODY_BYTES = 64 << 20
_GZIP = b"\x1f\x8b"
_PLAIN = (b"{", b"[", b"<", b":", b"d", b'"')  # JSON, a page, an event stream
_UTF8 = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})


def unpacked(data: bytes, *, encoding: str = "", charset: str = "", most: int = LARGEST_BODY_BYTES) -> bytes:
    """Return a body as UTF-8; raises TransientError if it is truncated, unknown or larger than `most` bytes."""
    encoding = encoding.strip().lower()
    if data.startswith(_GZIP):
        data = _inflated(data, zlib.MAX_WBITS | 16, most)
    elif encoding not in ("", "identity") and not data.lstrip().startswith(_PLAIN):
        if "deflate" not in encoding:
            raise TransientError(
                f'the reply is compressed with "{encoding[:20]}", which this client neither asked for nor knows: look '
                "at the proxy before the server",
                kind="malformed",
            )
        is_zlib = data[:1] == b"\x78"  # the standard's header of two bytes, which some servers omit
        data = _inflated(data, zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS, most)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        charset = "utf-16"
    if charset.lower() in _UTF8:
        return data
    try:
        return data.decode(charset, "replace").encode()
    except (LookupError, UnicodeError):
        return data


def _inflated(data: bytes, bits: int, most: int) -> bytes:
    unpacker = zlib.decompressobj(bits)
    try:
        inflated = unpacker.decompress(data, most)
    except zlib.error as error:
        raise TransientError(f"the reply's compression is broken ({error})", kind="malformed") from None
    if unpacker.unconsumed_tail:
        raise TransientError(f"the reply is longer than {most:,} bytes", kind="malformed")
    if not unpacker.eof:
        raise TransientError("the connection broke: the compressed reply is cut off", kind="connection")
    return inflated
