"""Named arrays as the bytes of an ``.npz`` file, and back.

Only what `to_bytes` writes is read, so that data from anywhere can be: numbers and
flags of a fixed size, stored as they are. NumPy's own reader takes much more, such as
arrays of nothing whose shape is endless.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from movielens.stored_zip import stored_members

_SUFFIX = ".npy"
_TYPES = {
    np.dtype(code).str
    for code in ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
}
# See https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
_MAGIC = b"\x93NUMPY\x01\x00"
_LENGTH_BYTES = 2
_ALIGNMENT = 64
_MOST_DIMENSIONS = 8
_HEADER = re.compile(
    rb"\{'descr': '([<|][a-z]\d)', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,18}(?:,|, |(?=\))))*)\), \} *\n"
)


def to_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of an ``.npz`` file, the same bytes for the same arrays.

    The arrays aren't compressed: SageMaker compresses the whole model anyway, and
    unpacking would take a third of the time that a server needs to start.

    Raises:
        ValueError: an array of Python objects.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def from_bytes(data: bytes, name: str = "npz") -> dict[str, NDArray[Any]]:
    """The arrays by name, copied out of the data.

    Args:
        data: what `to_bytes` made.
        name: of the file, for messages.

    Raises:
        ValueError: anything else.

    Example:
        >>> from_bytes(to_bytes({"years": np.array([1995, 2001])}))
        {'years': array([1995, 2001])}
    """
    try:
        members = stored_members(data)
        return {
            member.removesuffix(_SUFFIX): _array(member, content)
            for member, content in members.items()
        }
    except ValueError as error:
        raise ValueError(f"{name} can't be read: {error}") from error


def _array(member: str, content: bytes) -> NDArray[Any]:
    """The array of an ``.npy`` file."""
    start = len(_MAGIC) + _LENGTH_BYTES
    header_bytes = int.from_bytes(content[len(_MAGIC) : start], "little")
    end = start + header_bytes
    header = _HEADER.fullmatch(content, start, end)
    is_npy = member.endswith(_SUFFIX) and content.startswith(_MAGIC)
    if not is_npy or header is None or end % _ALIGNMENT or end > len(content):
        raise ValueError(f"{member} is no array as we write it")

    type_name = header[1].decode()
    is_fortran = header[2] == b"True"
    shape = tuple(int(length) for length in header[3].split(b",") if length)
    if type_name not in _TYPES or len(shape) > _MOST_DIMENSIONS:
        raise ValueError(f"{member} has type {type_name!r} and shape {shape}")

    dtype = np.dtype(type_name)
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes != len(content) - end:
        raise ValueError(
            f"{member} has {len(content) - end} bytes, {n_bytes} by its header"
        )
    # A copy that may be written to, as NumPy's reader gives it.
    own = bytearray(content)
    return np.ndarray(shape, dtype, own, end, order="F" if is_fortran else "C")
