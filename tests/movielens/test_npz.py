from __future__ import annotations

import contextlib
import io
import zipfile

import numpy as np
import pytest

from movielens import npz

ARRAYS = {
    "empty": np.empty((0, 3), dtype=np.float32),
    "one": np.array(-1.5),
    "columns": np.asfortranarray(np.arange(12, dtype=np.int32).reshape(3, 4)),
    "bytes": np.frombuffer(b"abc", dtype=np.uint8),
    "a.b.c": np.array([np.nan, -0.0, np.inf]),
}


def npz_of_member(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def npy_of(array: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array))
    return buffer.getvalue()


def test_arrays_come_back() -> None:
    found = npz.from_bytes(npz.to_bytes(ARRAYS))
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
        assert found[name].tobytes() == array.tobytes()
        assert found[name].flags.aligned
        assert found[name].flags.f_contiguous == array.flags.f_contiguous


def test_equal_arrays_give_equal_bytes() -> None:
    copies = {name: array.copy(order="K") for name, array in ARRAYS.items()}
    assert npz.to_bytes(ARRAYS) == npz.to_bytes(copies)


def test_compressed_arrays_are_refused() -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, zeros=np.zeros(1_000_000))
    with pytest.raises(ValueError, match=r"'zeros\.npy' isn't stored as it is"):
        npz.from_bytes(buffer.getvalue())


def test_objects_are_neither_written_nor_read() -> None:
    objects = np.array([{}, []], dtype=object)
    with pytest.raises(ValueError, match="allow_pickle"):
        npz.to_bytes({"some": objects})

    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, some=objects)
    with pytest.raises(ValueError, match=r"features\.npz can't be read: some\.npy"):
        npz.from_bytes(buffer.getvalue(), "features.npz")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "can't be read: no zip file"),
        (b"some text", "can't be read"),
        (npy_of([1, 2]), "no zip file"),
        (npz_of_member("readme.txt", b"some text"), "readme.txt is no array"),
        (npz_of_member("text.npy", npy_of("abc")), "text.npy is no array"),
        (npz_of_member("big.npy", npy_of(np.array([1], ">i4"))), "big.npy is no array"),
        (npz_of_member("half.npy", npy_of(np.float16(1))), "type '<f2'"),
        (npz_of_member("time.npy", npy_of(np.array([], "M8[s]"))), "time.npy is no"),
    ],
)
def test_other_files_are_refused(data: bytes, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        npz.from_bytes(data)


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<i8', 'fortran_order': False, 'shape': (2,), ",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
        b"{'descr': '<i8', 'fortran_order': False, 'shape': (9000000000000000000,)}",
        b"{'descr': __import__('os'), 'fortran_order': False, 'shape': (2,), }",
        b"{'descr': '<i8', 'fortran_order': False, 'shape': (1099511627776,), }",
        b"{'descr': '<i8', 'fortran_order': False, 'shape': (2, 2), }",
        b"{'descr': '<i8', 'fortran_order': False, 'shape': (-2,), }",
        b"{'descr': '<i8', 'fortran_order': False, 'shape': (2L,), }",
        b"{'descr': '<i8', 'fortran_order': False, 'shape': (2,), 'x': (2,), }",
        b"{'descr': '|V0', 'fortran_order': False, 'shape': (1099511627776,), }",
        b"{'descr': '|S0', 'fortran_order': False, 'shape': (1099511627776,), }",
        b"{'descr': '<i8'}",
        b"((((((",
        b"",
    ],
)
def test_a_wrong_header_is_refused(header: bytes) -> None:
    padded = header.ljust(117) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded
    with pytest.raises(ValueError, match="can't be read"):
        npz.from_bytes(npz_of_member("some.npy", npy + bytes(16)))


@pytest.mark.parametrize(
    "shape", [b"(1099511627776, 0)", b"(0, 999999999999999999, 999999999999999999)"]
)
def test_an_endless_shape_of_nothing_ends_at_once(shape: bytes) -> None:
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': " + shape + b", }"
    padded = header.ljust(117) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded
    with contextlib.suppress(ValueError):
        found = npz.from_bytes(npz_of_member("some.npy", npy))
        assert found["some"].nbytes == 0


def test_a_header_that_claims_more_than_there_is_is_refused() -> None:
    for version, length in ((b"\x01", b"\xff\xff"), (b"\x02", b"\xff\xff\xff\x7f")):
        npy = b"\x93NUMPY" + version + b"\x00" + length + b" " * 300
        with pytest.raises(ValueError, match="is no array as we write it"):
            npz.from_bytes(npz_of_member("some.npy", npy))


def test_any_cut_is_refused() -> None:
    whole = npz.to_bytes(ARRAYS)
    for n_bytes in range(0, len(whole), 7):
        with pytest.raises(ValueError, match="can't be read"):
            npz.from_bytes(whole[:n_bytes])


def test_damaged_bytes_are_a_value_error_or_arrays() -> None:
    whole = npz.to_bytes(ARRAYS)
    rng = np.random.default_rng(0)
    n_refused = 0
    for _ in range(500):
        damaged = bytearray(whole)
        for position in rng.integers(len(damaged), size=3):
            damaged[position] = rng.integers(256)
        try:
            npz.from_bytes(bytes(damaged))
        except ValueError:
            n_refused += 1
    assert n_refused > 100
