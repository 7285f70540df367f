"""Named arrays as the bytes of an ``.npz`` file, and back."""

from __future__ import annotations

import io
import mmap
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What NumPy and zipfile raise for a broken file, beside ValueError.
_FAULTS = (
    EOFError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
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


def from_bytes(data: bytes | mmap.mmap, name: str = "npz") -> dict[str, NDArray[Any]]:
    """The arrays by name, copied out of the data.

    No pickle is loaded, so that data from anywhere can be read safely.

    Args:
        data: what `to_bytes` or `numpy.savez` made.
        name: of the file, for messages.

    Raises:
        ValueError: anything else.

    Example:
        >>> from_bytes(to_bytes({"years": np.array([1995, 2001])}))
        {'years': array([1995, 2001])}
    """
    try:
        archive = np.load(io.BytesIO(data), allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it is a single array")
        with archive:
            arrays = {key: archive[key] for key in archive}
    except (ValueError, *_FAULTS) as error:
        raise ValueError(f"{name} can't be read: {error}") from error

    for key, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{name} can't be read: {key} is no array")
    return arrays
