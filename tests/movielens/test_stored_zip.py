from __future__ import annotations

import io
import struct
import warnings
import zipfile

import pytest

from movielens.stored_zip import stored_members


def zip_of(*members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),  # of a name that is there twice
        zipfile.ZipFile(buffer, "w", compression) as archive,
    ):
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_stored_members_come_back() -> None:
    members = {"b": b"first", "a": b"", "c": bytes(100_000)}
    assert list(stored_members(zip_of(*members.items())).items()) == [*members.items()]


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_packed_members_are_refused_unread(compression: int) -> None:
    bomb = zip_of(("a", bytes(10_000_000)), compression=compression)
    assert len(bomb) < 20_000
    with pytest.raises(ValueError, match="'a' isn't stored as it is"):
        stored_members(bomb)


def test_a_name_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        stored_members(zip_of(("a", b"one"), ("a", b"two")))


def test_members_that_share_bytes_are_refused() -> None:
    # A thousand entries of the directory for the one member.
    single = zip_of(("a", bytes(100_000)))
    end = single.rindex(b"PK\x05\x06")
    directory = single.rindex(b"PK\x01\x02")
    entry = single[directory:end]
    entries = b"".join(entry[:-1] + bytes([65 + number]) for number in range(50))
    # Counts of entries, then the size of the directory and its place.
    trailer = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, 50, 50, len(entries), directory, 0
    )
    with pytest.raises(ValueError, match="members have 5000000 bytes together"):
        stored_members(single[:directory] + entries + trailer)


def test_a_damaged_member_is_refused() -> None:
    data = bytearray(zip_of(("a", b"content")))
    data[data.index(b"content")] ^= 1
    with pytest.raises(ValueError, match="Bad CRC-32"):
        stored_members(bytes(data))


def test_an_encrypted_member_is_refused() -> None:
    data = bytearray(zip_of(("a", b"content")))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    with pytest.raises(ValueError, match="encrypted"):
        stored_members(bytes(data))


def test_any_cut_is_refused() -> None:
    whole = zip_of(("a", b"content"), ("b", b"more"))
    for n_bytes in range(len(whole)):
        with pytest.raises(ValueError, match="no zip file"):
            stored_members(whole[:n_bytes])
