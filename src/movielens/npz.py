"""Arrays by name as the bytes of an ``.npz`` file, and back from a file that is mapped
into memory.
"""

from __future__ import annotations

import io
import mmap
import struct
import tokenize
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of a member of a zip file: how long its name and what else is known of it are, which
# follow.
_MEMBER = struct.Struct("<26xHH")
# The reader of zip files and NumPy's of headers, which parses Python, have no error in
# common.
_FAULTS = (
    RuntimeError,
    SyntaxError,
    TypeError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
)


def to_bytes(arrays: Mapping[str, Any]) -> bytes:
    """Not compressed, since SageMaker compresses the whole and unpacking takes a third
    of a server's start.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def read(path: Path, data: mmap.mmap) -> dict[str, NDArray[Any]]:
    """The arrays of a file that `to_bytes` made.

    As `numpy.load`, which reads members in small pieces and checks them once more, and
    takes three times as long.

    Args:
        path: of the file.
        data: the file, mapped.

    Raises:
        ValueError: if it isn't such a file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                info.filename.removesuffix(".npy"): _array(data, info)
                for info in archive.infolist()
            }
    except _FAULTS as error:
        raise ValueError(f"{path.name} can't be read: {error}") from error


def _array(data: mmap.mmap, info: zipfile.ZipInfo) -> NDArray[Any]:
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{info.filename} is packed")
    data.seek(info.header_offset)
    data.seek(sum(_MEMBER.unpack(data.read(_MEMBER.size))), io.SEEK_CUR)
    version = np.lib.format.read_magic(data)
    if version != (1, 0):
        raise ValueError(
            f"{info.filename} is of NumPy's format {version}, expected (1, 0)"
        )
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(data)
    if dtype.hasobject:
        raise ValueError(f"{info.filename} has objects, which no file can hold")
    # Copied, since members begin anywhere, and the kernels want numbers aligned.
    return np.ndarray(
        shape, dtype, data, data.tell(), order="F" if is_fortran else "C"
    ).copy(order="K")
