"""Reads and writes UBJSON as XGBoost does.

Typed arrays stay arrays, so that no number changes on the way. Only what XGBoost uses
is supported: objects with 64-bit lengths, strings, whole numbers, float32, typed arrays
and mixed arrays, all big-endian. See its ``src/common/json.cc``, and
https://ubjson.org for the format.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPE_OF_MARKER: dict[bytes, np.dtype[Any]] = {
    b"i": np.dtype(">i1"),
    b"U": np.dtype(">u1"),
    b"I": np.dtype(">i2"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"d": np.dtype(">f4"),
    b"D": np.dtype(">f8"),
}
_MARKER_OF_DTYPE = {dtype: marker for marker, dtype in _DTYPE_OF_MARKER.items()}
_CONSTANT_OF_MARKER = {b"Z": None, b"T": True, b"F": False}
# Markers of numbers that may say how long something is, and their bytes.
_BYTES_OF_LENGTH = {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8}
# A booster has ten. Python bounds how often a function may call itself.
_MOST_LEVELS = 100


class Encoded(bytes):
    """A value that is UBJSON already, which `dumps` writes as it is."""


def loads(data: bytes) -> Any:
    """The value that ``data`` holds.

    Raises:
        ValueError: it is cut short, goes on behind its end, or isn't UBJSON as XGBoost
            writes it.
    """
    reader = _Reader(data)
    try:
        value = reader.value()
        if reader.position != len(data):
            raise ValueError("something follows")
    except ValueError as error:
        raise ValueError(
            f"not UBJSON as XGBoost writes it, at byte {reader.position}: {error}"
        ) from error
    return value


def dumps(value: Any) -> bytes:
    """The UBJSON of a value.

    Numbers outside arrays become int64 or float32.

    Args:
        value: of the types that `loads` gives; or `Encoded`.

    Raises:
        TypeError: a value of another type.

    Example:
        >>> loads(dumps({"depth": 3, "gates": [True, None]}))
        {'depth': 3, 'gates': [True, None]}
    """
    parts: list[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _write(value: Any, parts: list[bytes]) -> None:
    match value:
        case dict():
            parts.append(b"{")
            for name, member in value.items():
                parts.append(_with_length(name))
                _write(member, parts)
            parts.append(b"}")
        case np.ndarray():
            parts += [b"[$", _MARKER_OF_DTYPE[value.dtype]]
            parts += [b"#", _whole_number(len(value)), value.tobytes()]
        case Encoded():
            parts.append(value)
        case list():
            parts += [b"[#", _whole_number(len(value))]
            for item in value:
                _write(item, parts)
        case str():
            parts += [b"S", _with_length(value)]
        case None:
            parts.append(b"Z")
        case bool():
            parts.append(b"T" if value else b"F")
        case int():
            parts.append(_whole_number(value))
        case float():
            parts.append(b"d" + struct.pack(">f", value))
        case _:
            raise TypeError(f"UBJSON has no {type(value).__name__}")


def _whole_number(number: int) -> bytes:
    return b"L" + struct.pack(">q", number)


def _with_length(text: str) -> bytes:
    data = text.encode()
    return _whole_number(len(data)) + data


class _Reader:
    """Reads one value after the other.

    Attributes:
        data: the UBJSON.
        position: how many bytes of it were read.
        level: in how many objects and arrays the next value is.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.level = 0

    def value(self) -> Any:
        """The next value.

        Raises:
            ValueError: there is none.
        """
        if self.level > _MOST_LEVELS:
            raise ValueError(f"nested more than {_MOST_LEVELS} levels deep")
        self.level += 1
        value = self._value()
        self.level -= 1
        return value

    def _value(self) -> Any:
        marker = self._take(1)
        match marker:
            case b"{":
                return self._object()
            case b"[":
                return self._array()
            case b"S":
                return self._text()
        if marker in _CONSTANT_OF_MARKER:
            return _CONSTANT_OF_MARKER[marker]
        return self._numbers(marker, count=1)[0].item()

    def _object(self) -> dict[str, Any]:
        members = {}
        while not self._skip(b"}"):
            name = self._text()
            members[name] = self.value()
        return members

    def _array(self) -> NDArray[Any] | list[Any]:
        if self._skip(b"$"):
            marker = self._take(1)
            if not self._skip(b"#"):
                raise ValueError("an array of one type without a length")
            return self._numbers(marker, count=self._length())
        if self._skip(b"#"):
            return [self.value() for _ in range(self._length())]

        items = []
        while not self._skip(b"]"):
            items.append(self.value())
        return items

    def _text(self) -> str:
        return self._take(self._length()).decode()

    def _length(self) -> int:
        marker = self._take(1)
        n_bytes = _BYTES_OF_LENGTH.get(marker)
        if n_bytes is None:
            raise ValueError(f"{marker!r} is no length")
        return int.from_bytes(self._take(n_bytes), "big", signed=marker != b"U")

    def _numbers(self, marker: bytes, count: int) -> NDArray[Any]:
        dtype = _DTYPE_OF_MARKER.get(marker)
        if dtype is None:
            raise ValueError(f"{marker!r} is no type")
        return np.frombuffer(self._take(count * dtype.itemsize), dtype)

    def _skip(self, expected: bytes) -> bool:
        """Whether the next byte is the expected one; if so, go on after it."""
        is_next = self.data.startswith(expected, self.position)
        self.position += is_next
        return is_next

    def _take(self, count: int) -> bytes:
        taken = self.data[self.position : self.position + count]
        if count < 0 or len(taken) != count:
            raise ValueError(f"{count} bytes are wanted")
        self.position += count
        return taken
