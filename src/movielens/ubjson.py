"""Reads and writes UBJSON as XGBoost does: typed arrays stay arrays, so that no number
changes on the way.

Only what XGBoost uses: objects with keys of 64-bit length, strings, whole numbers,
    float32, typed and mixed
arrays, all big-endian (its ``src/common/json.cc``; https://ubjson.org for the format).
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_NUMBERS = {
    b"i": ">i1",
    b"U": ">u1",
    b"I": ">i2",
    b"l": ">i4",
    b"L": ">i8",
    b"d": ">f4",
    b"D": ">f8",
}
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_MARKERS = {np.dtype(dtype): marker for marker, dtype in _NUMBERS.items()}


class Encoded(bytes):
    """UBJSON of a value, which `dumps` puts where the value would stand."""


def loads(data: bytes) -> Any:
    """The value that ``data`` holds; raises ValueError where it is cut short or
    something else.
    """
    try:
        return _Reader(data).value()
    except (struct.error, KeyError, IndexError, RecursionError) as error:
        raise ValueError(f"not UBJSON as XGBoost writes it: {error!r}") from error


def dumps(value: Any) -> bytes:
    """The UBJSON of a value as `loads` gives it, numbers outside arrays as int64 or
    float32.
    """
    parts: list[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _write(value: Any, parts: list[bytes]) -> None:
    match value:
        case dict():
            parts.append(b"{")
            for name, member in value.items():
                parts.append(_counted(name.encode()))
                _write(member, parts)
            parts.append(b"}")
        case np.ndarray():
            parts += [
                b"[$",
                _MARKERS[value.dtype],
                b"#",
                _length_of(value),
                value.tobytes(),
            ]
        case Encoded():
            parts.append(value)
        case list():
            parts += [b"[#", _length_of(value)]
            for item in value:
                _write(item, parts)
        case str():
            parts += [b"S", _counted(value.encode())]
        case bool() | None:
            parts.append(
                next(
                    marker
                    for marker, constant in _CONSTANTS.items()
                    if constant is value
                )
            )
        case int():
            parts.append(b"L" + struct.pack(">q", value))
        case float():
            parts.append(b"d" + struct.pack(">f", value))
        case _:
            raise TypeError(f"{type(value).__name__} has no place in UBJSON")


def _length_of(value: Any) -> bytes:
    return b"L" + struct.pack(">q", len(value))


def _counted(text: bytes) -> bytes:
    return _length_of(text) + text


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.place = 0

    def value(self) -> Any:
        marker = self._take(1)
        if marker == b"{":
            return self._object()
        if marker == b"[":
            return self._array()
        if marker == b"S":
            return self._text()
        return (
            _CONSTANTS[marker]
            if marker in _CONSTANTS
            else self._numbers(marker, 1)[0].item()
        )

    def _object(self) -> dict[str, Any]:
        members = {}
        while self.data[self.place : self.place + 1] != b"}":
            name = self._text()
            members[name] = self.value()
        self.place += 1
        return members

    def _array(self) -> Any:
        if self.data[self.place : self.place + 1] == b"$":
            _, marker, _ = self._take(1), self._take(1), self._take(1)
            return self._numbers(marker, self._length())
        if self.data[self.place : self.place + 1] == b"#":
            self.place += 1
            return [self.value() for _ in range(self._length())]
        items = []
        while self.data[self.place : self.place + 1] != b"]":
            items.append(self.value())
        self.place += 1
        return items

    def _text(self) -> str:
        return self._take(self._length()).decode()

    def _length(self) -> int:
        length: int = self._numbers(self._take(1), 1)[0].item()
        return length

    def _numbers(self, marker: bytes, count: int) -> Any:
        dtype = np.dtype(_NUMBERS[marker])
        return np.frombuffer(self._take(count * dtype.itemsize), dtype)

    def _take(self, count: int) -> bytes:
        taken = self.data[self.place : self.place + count]
        if count < 0 or len(taken) != count:
            raise IndexError(f"it ends at byte {len(self.data)}")
        self.place += count
        return taken
