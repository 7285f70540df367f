"""Arrays come back from a mapped file as they were; what isn't such a file is a
ValueError.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from movielens import npz


def read(path: Path) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        return npz.read(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


ARRAYS = {
    "empty": np.empty((0, 3), dtype=np.float32),
    "one": np.array(-1.5),
    "columns": np.asfortranarray(np.arange(12, dtype=np.int32).reshape(3, 4)),
    "bytes": np.frombuffer(b"abc", dtype=np.uint8),
    "a.b.c": np.array([np.nan, -0.0, np.inf]),
}


def test_arrays_come_back(tmp_path: Path) -> None:
    (tmp_path / "some.npz").write_bytes(npz.to_bytes(ARRAYS))
    found = read(tmp_path / "some.npz")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
        assert found[name].tobytes() == array.tobytes()
        assert found[name].flags.aligned
        assert found[name].flags.f_contiguous == array.flags.f_contiguous


def test_bytes_are_the_same_for_the_same_arrays() -> None:
    assert npz.to_bytes(ARRAYS) == npz.to_bytes(
        {name: array.copy(order="K") for name, array in ARRAYS.items()}
    )


def test_what_was_packed_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "packed.npz", **ARRAYS)
    with pytest.raises(ValueError, match=r"empty.npy is packed"):
        read(tmp_path / "packed.npz")


def test_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "objects.npz", some=np.array([{}, []], dtype=object))
    with pytest.raises(ValueError, match=r"some.npy has objects"):
        read(tmp_path / "objects.npz")


def test_whatever_is_damaged_is_a_value_error_or_an_array(tmp_path: Path) -> None:
    whole, path = npz.to_bytes(ARRAYS), tmp_path / "damaged.npz"
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        damaged = bytearray(
            whole[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.3 else whole
        )
        for place in rng.integers(len(damaged), size=3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            read(path)
        except ValueError:
            refused += 1
    assert refused > 100
