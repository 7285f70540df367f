"""Files of a model, of checkpoints, and what else is copied from elsewhere."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from launcher.local.archives import unpack
from launcher.local.errors import FailureReasonError
from movielens import artifact, npz, ubjson
from movielens.channel import Channel
from movielens.errors import ArtifactError, HalfstarError, RequestError
from movielens.features.spec_arrays import spec_from_arrays, spec_to_arrays
from movielens.flat_forest import UnknownShapeError, flatten
from movielens.manifest import MANIFEST, FileEntry, Manifest
from movielens.queries import RatingQueries
from serve.endpoint import answer
from serve.forest import FlatForest
from serve.negotiation import RequestHeaders
from serve.served_model import load
from tests.fuzz import samples
from tests.fuzz.target import Target
from train.checkpoint import Checkpoints, Stage
from train.errors import JobError
from train.hyperparameters import Hyperparameters
from train.warm import ratings_of, read_model

Arrays = dict[str, NDArray[Any]]


# manifest.json


def manifest(data: bytes) -> None:
    """A manifest is read or refused with an ArtifactError.

    What was read has the types that it declares, and is the same when it is written and
    read again.
    """
    folder = samples.folder("manifest")
    (folder / MANIFEST).write_bytes(data)
    try:
        found = Manifest.read(folder)
    except ArtifactError:
        return
    assert all(isinstance(value, int | float) for value in found.class_values)
    assert all(isinstance(name, str) for name in found.feature_names)
    for entry in found.files.values():
        assert isinstance(entry.n_bytes, int)
        assert isinstance(entry.sha256, str)
    assert found.n_bytes >= 0
    (folder / MANIFEST).write_bytes(artifact.to_json(found.to_json()))
    again = Manifest.read(folder)
    assert again.files == found.files
    assert again.class_values == found.class_values


def _manifests() -> Iterator[bytes]:
    written = samples.artifact_files()[MANIFEST]
    yield written
    value = json.loads(written)
    yield json.dumps({**value, "files": {}, "feature_names": []}).encode()
    entry = {"bytes": 2**70, "sha256": "0" * 64}
    yield json.dumps({**value, "files": {"../x": entry}}).encode()
    yield b"[" * 100_000


# Arrays


def npz_file(data: bytes) -> None:
    """Any file is read as arrays by name, or refused with a ValueError."""
    with contextlib.suppress(ValueError):
        for array in npz.from_bytes(data).values():
            assert isinstance(array, np.ndarray)
            assert array.dtype.kind in "biufSU"


def _npz_files() -> Iterator[bytes]:
    numbers = np.arange(3, dtype=np.int32)
    yield npz.to_bytes({"a": numbers})
    yield npz.to_bytes({"a": numbers, "b": np.zeros((2, 2), dtype=np.float32)})
    compressed = io.BytesIO()
    np.savez_compressed(compressed, a=numbers)
    yield compressed.getvalue()


def npz_member(data: bytes) -> None:
    """The same for one array in a file that is sound otherwise."""
    npz_file(_zip_of({"a.npy": data}))


def _npz_members() -> Iterator[bytes]:
    for array in (
        np.arange(3, dtype=np.int64),
        np.zeros((2, 2), dtype=np.float32),
        np.array([b"text"]),
        np.float64(7),
    ):
        buffer = io.BytesIO()
        np.save(buffer, array)
        yield buffer.getvalue()


def _zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


# Booster files


def ubjson_value(data: bytes) -> None:
    """Any bytes are a value, or refused with a ValueError.

    A value is written, and what was written is read as the same value. A float64 may be
    too large to be written.
    """
    try:
        value = ubjson.loads(data)
    except ValueError:
        return
    with contextlib.suppress(OverflowError):
        written = ubjson.dumps(value)
        assert ubjson.dumps(ubjson.loads(written)) == written


def _ubjson_values() -> Iterator[bytes]:
    value = {
        "a": [True, None, 0.5, -3],
        "b": {"c": "é"},
        "d": np.arange(3, dtype=">i4"),
    }
    yield ubjson.dumps(value)
    yield b"[$U#U\x03abc"
    yield b"[iii]"
    yield samples.artifact_files()[artifact.REGRESSION][:3000]


def booster(data: bytes) -> None:
    """A booster is flattened, or refused with a ValueError or an UnknownShapeError.

    The server takes the flat form of any booster that is flattened, or refuses it with
    a ValueError.
    """
    try:
        flat = flatten(data)
    except (ValueError, UnknownShapeError):
        return
    _ask_forest(flat)


def _boosters() -> Iterator[bytes]:
    yield samples.artifact_files()[artifact.REGRESSION]
    value = ubjson.loads(samples.artifact_files()[artifact.REGRESSION])
    model = value["learner"]["gradient_booster"]["model"]
    model["trees"] = model["trees"][:1]
    model["tree_info"] = model["tree_info"][:1]
    yield ubjson.dumps(value)


def flat_forest(data: bytes) -> None:
    """A flat form is refused with a ValueError, or has answers for any row.

    The answers are the same one by one, together, and with trees that are cut.
    """
    _ask_forest(data)


def _ask_forest(flat: bytes) -> None:
    try:
        forest = FlatForest(flat)
        cut = FlatForest(flat, cut_rows=1)
    except ValueError:
        return
    n_features = forest._forest.n_features
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5], dtype=np.float32)
    rows = np.resize(special, (5, n_features)).astype(np.float32)
    with np.errstate(all="ignore"):
        together = forest.inplace_predict(rows, predict_type="margin")
        alone = [
            forest.inplace_predict(rows[row : row + 1], predict_type="margin")[0]
            for row in range(len(rows))
        ]
        forest.inplace_predict(rows)
        of_cut = cut.inplace_predict(rows, predict_type="margin")
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, of_cut)


def _flat_forests() -> Iterator[bytes]:
    files = samples.artifact_files()
    yield files[artifact.REGRESSION_FOREST]
    yield files[artifact.FOREST]


# Fitted features, and whole artifacts


@functools.cache
def _feature_arrays() -> Arrays:
    return spec_to_arrays(samples.model().spec)


@functools.cache
def _self_test_arrays() -> Arrays:
    return npz.from_bytes(samples.artifact_files()[artifact.SELF_TEST])


_EDIT = struct.Struct("<BBHq")
_DTYPES = ["<i4", "<i8", "<f4", "<f8", "<u1", "<u2", ">i4", "S1", "<U1", "V1", "?"]
_NUMBERS = [0, -1, 1, 2**15, 2**31 - 1, -(2**31), 2**62, np.nan, np.inf, -np.inf, 1e30]


def _edited(arrays: Arrays, data: bytes) -> Arrays:
    """Some arrays with the edits that the bytes say: 12 bytes each."""
    edited = dict(arrays)
    names = sorted(arrays)
    whole = len(data) // _EDIT.size * _EDIT.size
    for kind, which, place, number in _EDIT.iter_unpack(data[:whole]):
        name = names[which % len(names)]
        if name in edited:
            _edit(edited, name, kind % 8, place, number)
    return edited


def _edit(arrays: Arrays, name: str, kind: int, place: int, number: int) -> None:
    array = arrays[name]
    match kind:
        case 0:
            arrays[name] = _with_number(array, place, number)
        case 1:
            arrays[name] = _with_number(array, place, _NUMBERS[number % len(_NUMBERS)])
        case 2:
            arrays[name] = np.resize(array, number % 300)
        case 3:
            arrays[name] = np.resize(array, (place % 40, number % 40))
        case 4:
            with contextlib.suppress(ValueError), np.errstate(all="ignore"):
                arrays[name] = array.astype(_DTYPES[number % len(_DTYPES)])
        case 5:
            arrays[name] = np.asfortranarray(array)[::-1]
        case 6:
            del arrays[name]
        case _:
            others = sorted(arrays)
            arrays[name] = arrays[others[place % len(others)]]


def _with_number(array: NDArray[Any], place: int, number: float) -> NDArray[Any]:
    changed = array.copy()
    if changed.size:
        with contextlib.suppress(OverflowError, ValueError, TypeError):
            changed.flat[place % changed.size] = number
    return changed


def _edits() -> Iterator[bytes]:
    yield b""
    for kind in range(8):
        yield _EDIT.pack(kind, 3, 1, 2)
        edits = [_EDIT.pack(kind, which, which, 0) for which in range(0, 90, 9)]
        yield b"".join(edits[:3])
    for which in range(80):
        yield _EDIT.pack(1, which, 0, 4)
        yield _EDIT.pack(2, which, 0, 1)


_QUERIES = RatingQueries(
    np.array([1, 4, -1, 22]), np.array([1, 7, 318, 10**9]), np.full(4, 1e9)
)


def features(data: bytes) -> None:
    """Arrays are fitted features, or refused as `spec_from_arrays` says.

    Features that are made of them are made for any row and any history, and give back
    ratings that a job can go on from.
    """
    arrays = _edited(_feature_arrays(), data)
    with np.errstate(all="ignore"):
        try:
            spec = spec_from_arrays(arrays)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            return
        spec.transform(_QUERIES)
        rated = spec.movies.movie_id[-2:]
        spec.with_user_history(7, rated, np.resize([4.0, 5.0], len(rated)))
    ratings_of(spec)


_QUESTIONS = (
    b'[{"userId": 1, "movieId": 318}, {"userId": -1, "movieId": -1}]',
    b'{"userId": 4, "recommend": 3}',
    b'{"userId": 4, "onboarding": 3}',
    b'{"movieId": 1, "history": [{"movieId": 3, "rating": 4.5, "timestamp": 1}]}',
)


def model_files(data: bytes) -> None:
    """A directory with right hashes is loaded, or refused with an ArtifactError.

    A model that is loaded answers.
    """
    files = dict(samples.artifact_files())
    del files[MANIFEST]
    kind, rest = data[:1], data[1:]
    match kind:
        case b"f":
            arrays = _edited(_feature_arrays(), rest)
            files[artifact.FEATURES] = npz.to_bytes(arrays)
        case b"s":
            arrays = _edited(_self_test_arrays(), rest)
            files[artifact.SELF_TEST] = npz.to_bytes(arrays)
        case b"t":
            files[artifact.FOREST] = rest
        case b"r":
            files[artifact.REGRESSION_FOREST] = rest
        case b"n":
            files[artifact.FEATURES] = rest
        case _:
            files[artifact.SELF_TEST] = rest

    value = json.loads(samples.artifact_files()[MANIFEST])
    for name, content in files.items():
        entry = FileEntry.of(content)
        value["files"][name] = {"bytes": entry.n_bytes, "sha256": entry.sha256}
    files[MANIFEST] = json.dumps(value).encode()

    folder = samples.folder("edited")
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with np.errstate(all="ignore"):
        try:
            served = load(folder)
        except ArtifactError:
            return
        served.is_well()
        for question in _QUESTIONS:
            with contextlib.suppress(RequestError):
                answer(served, RequestHeaders("application/json"), question)


def _model_files() -> Iterator[bytes]:
    files = samples.artifact_files()
    for edits in list(_edits())[::10]:
        yield b"f" + edits
        yield b"s" + edits
    yield b"t" + files[artifact.FOREST]
    yield b"r" + files[artifact.REGRESSION_FOREST]
    yield b"n" + _zip_of({"a.npy": next(_npz_members())})


# Archives


def model_archive(data: bytes) -> None:
    """The ``model.tar.gz`` of a channel is read, or refused with a HalfstarError."""
    folder = samples.folder("channel")
    (folder / "model.tar.gz").write_bytes(data)
    with contextlib.suppress(HalfstarError):
        read_model(Channel("model", folder), Hyperparameters())


def local_archive(data: bytes) -> None:
    """The local stack unpacks an archive, or refuses it with a FailureReasonError."""
    folder = samples.folder("archives")
    archive = folder / "model.tar.gz"
    archive.write_bytes(data)
    with contextlib.suppress(FailureReasonError):
        unpack(archive, samples.folder("unpacked"))


def _archives() -> Iterator[bytes]:
    regular = tarfile.TarInfo("manifest.json")
    link = tarfile.TarInfo("booster.ubj")
    link.type = tarfile.SYMTYPE
    link.linkname = "booster.ubj"
    hard = tarfile.TarInfo("features.npz")
    hard.type = tarfile.LNKTYPE
    hard.linkname = "nowhere"
    outside = tarfile.TarInfo("../outside")
    fifo = tarfile.TarInfo("manifest.json")
    fifo.type = tarfile.FIFOTYPE
    for members in ([regular], [link], [hard], [outside, regular], [fifo]):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for member in members:
                tar.addfile(member)
        # Without the compression, mutations reach the members.
        yield buffer.getvalue().rstrip(b"\0") + bytes(1024)


# Checkpoints


def checkpoint(data: bytes) -> None:
    """A checkpoint is restored, passed over, or refused with a JobError."""
    folder = samples.folder("checkpoints")
    (folder / "checkpoint-3.zip").write_bytes(data)
    checkpoints = Checkpoints(folder)
    with contextlib.suppress(JobError):
        checkpoints.restore()
    for name, stage in checkpoints.stages.items():
        assert isinstance(name, str)
        assert isinstance(stage.booster, bytes)
        assert isinstance(stage.n_rounds, int)
        assert isinstance(stage.complete, bool)
        assert all(isinstance(loss, float) for loss in stage.losses)


def checkpoint_state(data: bytes) -> None:
    """The same for the state in a file that is sound otherwise."""
    checkpoint(_zip_of({"state.json": data, "final.ubj": b"trees"}))


def _checkpoints() -> Iterator[bytes]:
    folder = samples.folder("written")
    stage = Stage(b"trees", 3, complete=False, losses=(0.5, 0.25))
    Checkpoints(folder).save("final", stage)
    yield (folder / "checkpoint-3.zip").read_bytes()


def _states() -> Iterator[bytes]:
    for packed in _checkpoints():
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            yield archive.read("state.json")
    yield b"[" * 100_000


TARGETS = [
    Target(manifest, _manifests, (b'"schema_version"', b'"bytes"', b"null"), weight=3),
    Target(npz_file, _npz_files, (b"PK\x03\x04", b"\x93NUMPY"), weight=2),
    Target(npz_member, _npz_members, (b"'|V0'", b"'<f8'", b"True", b"(2,)"), weight=3),
    Target(ubjson_value, _ubjson_values, (b"[$d#L", b"[#", b"{", b"S"), weight=5),
    Target(booster, _boosters, (b"learner", b"[$d#L"), weight=3, most_bytes=8192),
    Target(flat_forest, _flat_forests, weight=3),
    Target(features, _edits, weight=4, most_bytes=240),
    Target(model_files, _model_files, weight=4),
    Target(model_archive, _archives, (b"ustar\x0000", b"ustar  "), weight=2),
    Target(local_archive, _archives, (b"ustar\x0000", b"ustar  "), weight=1),
    Target(checkpoint, _checkpoints, (b"PK\x01\x02",), weight=1),
    Target(checkpoint_state, _states, (b'"stages"', b'"losses"', b"1e999"), weight=1),
]
