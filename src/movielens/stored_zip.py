"""Reads zip files as we write them: each member once and stored as it is.

Nothing is unpacked, so what comes out is never more than what went in.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

# What zipfile raises for a broken file, beside ValueError.
_FAULTS = (
    EOFError,
    LookupError,
    OSError,
    OverflowError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def stored_members(data: bytes) -> dict[str, bytes]:
    """The content of each member by name, in the order of the directory.

    Args:
        data: the zip file. Its checksums are checked.

    Raises:
        ValueError: it is damaged; a member is packed, encrypted or there twice; or
            members share bytes.

    Example:
        >>> buffer = io.BytesIO()
        >>> with zipfile.ZipFile(buffer, "w") as archive:
        ...     archive.writestr("a.txt", "some text")
        >>> stored_members(buffer.getvalue())
        {'a.txt': b'some text'}
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            listed = archive.infolist()
            _check(listed, len(data))
            return {member.filename: archive.read(member) for member in listed}
    except _FAULTS as error:
        raise ValueError(f"no zip file as we write it: {error}") from error


def _check(listed: list[zipfile.ZipInfo], n_bytes: int) -> None:
    names = {member.filename for member in listed}
    if len(names) != len(listed):
        raise ValueError("two members have the same name")

    for member in listed:
        is_stored = member.compress_type == zipfile.ZIP_STORED
        if not is_stored or member.compress_size != member.file_size:
            raise ValueError(f"member {member.filename!r} isn't stored as it is")

    total = sum(member.file_size for member in listed)
    if total > n_bytes:
        raise ValueError(f"members have {total} bytes together, the file {n_bytes}")
