"""AWS's event stream encoding, in which an answer is streamed.

A message is: its length, its headers' length, a checksum of these two, the headers, the
payload, and a checksum of all. Numbers are big-endian.
"""

from __future__ import annotations

import struct
import zlib

MEDIA_TYPE = "application/vnd.amazon.eventstream"
_TEXT = 7
# Two lengths and two checksums.
_FRAME_BYTES = 16


def event(name: str, payload: bytes) -> bytes:
    """A message with an event of bytes.

    Example:
        >>> len(event("PayloadPart", b"1,2"))
        115
    """
    headers = b"".join(
        (
            _header(":event-type", name),
            _header(":content-type", "application/octet-stream"),
            _header(":message-type", "event"),
        )
    )
    length = len(headers) + len(payload) + _FRAME_BYTES
    prelude = struct.pack("!II", length, len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    return struct.pack(
        f"!B{len(name)}sBH{len(value)}s",
        len(name),
        name.encode(),
        _TEXT,
        len(value),
        value.encode(),
    )
