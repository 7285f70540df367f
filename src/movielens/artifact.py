"""The model directory: what training writes and serving reads.

======================  ==============================================================
``booster.ubj``         the booster of the classes, in XGBoost's UBJSON
``forest.bin``          the same trees in the flat form that the server asks; absent
                        if their shape has none
``regression.ubj``      the booster of the regression, if the model has one
``regression.bin``      its flat form
``features.npz``        the fitted features, as arrays without objects
``self_test.npz``       questions with the answers that training gave
``evaluation.json``     figures of the model
``manifest.json``       the names of the files above with their SHA-256
``manifest.sig``        the manifest's signature, if there is a key to sign with
======================  ==============================================================

Nothing here runs code when it is read: there are no pickles. The manifest is written
last, once the other files are on the disk, so a directory without one is unfinished.
Equal models give equal bytes, because no file holds a time, a path or a host name.

Files are read once, into memory of our own, and checked there against the manifest
before anything that was read is used. So a file that changes later changes nothing, and
processes that are forked share the memory.

XGBoost is imported only where its own booster is asked for, because the import takes
longer than everything else.
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from movielens import durable, npz
from movielens.boosters import BoosterFile
from movielens.errors import ArtifactError
from movielens.evaluation import Evaluation
from movielens.features import FeatureSpec
from movielens.features.spec_arrays import spec_from_arrays, spec_to_arrays
from movielens.flat_forest import UnknownShapeError, flatten
from movielens.manifest import MANIFEST, FileEntry, Manifest, sha256_of, shown
from movielens.model import Model
from movielens.predictions import Decision
from movielens.regular_files import read_regular, regular_size
from movielens.self_test import SelfTest
from movielens.signature import SIGNATURE, signature_of, signing_key

if TYPE_CHECKING:
    import xgboost

logger = logging.getLogger(__name__)

BOOSTER = "booster.ubj"
FOREST = "forest.bin"
REGRESSION = "regression.ubj"
REGRESSION_FOREST = "regression.bin"
FEATURES = "features.npz"
SELF_TEST = "self_test.npz"
EVALUATION = "evaluation.json"

_REQUIRED = {BOOSTER, FEATURES, SELF_TEST, EVALUATION}
_OPTIONAL = {FOREST, REGRESSION, REGRESSION_FOREST}
# All names that a model directory may have.
FILES = frozenset(_REQUIRED | _OPTIONAL | {MANIFEST, SIGNATURE})
# What arrays may lead to that aren't those of a model.
_PARSING_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)
_FLAT_FORM_OF = {BOOSTER: FOREST, REGRESSION: REGRESSION_FOREST}


@dataclass(frozen=True, slots=True, eq=False)
class Artifact:
    """An artifact that was read and checked.

    Attributes:
        model_dir: its directory.
        spec: the fitted features.
        decision: how a class is chosen from the predicted distribution.
        self_test: questions with the answers that training gave.
        booster_file: XGBoost's UBJSON of the booster, which is asked for contributions
            and where there is no flat form.
        regression_file: the same of the regression; None if there is no regression.
        forest: the flat form of the booster; None if there is no flat form.
        regression_forest: the flat form of the regression; None if there is no flat
            form or no regression.
        n_bytes: the size of all files together.
        manifest: what the files were checked against.
    """

    model_dir: Path
    spec: FeatureSpec
    decision: Decision
    self_test: SelfTest
    booster_file: bytes
    regression_file: bytes | None
    forest: bytes | None
    regression_forest: bytes | None
    n_bytes: int
    manifest: Manifest

    @property
    def booster_as_read(self) -> BoosterFile:
        """The booster's file, with what it should have."""
        path = str(self.model_dir / BOOSTER)
        n_classes = len(self.spec.scale.class_values)
        n_features = len(self.spec.names)
        return BoosterFile(path, self.booster_file, n_classes, n_features)

    @property
    def regression_as_read(self) -> BoosterFile | None:
        """The regression's file, with what it should have; None without one."""
        if self.regression_file is None:
            return None
        path = str(self.model_dir / REGRESSION)
        n_features = len(self.spec.names)
        return BoosterFile(path, self.regression_file, 0, n_features)

    def booster(self) -> xgboost.Booster:
        """Read XGBoost's own booster.

        Raises:
            ArtifactError: the file is no booster, or not the booster of these features
                and classes.
        """
        return self.booster_as_read.read()

    def regression(self) -> xgboost.Booster | None:
        """Read XGBoost's own booster of the regression, if there is one.

        Raises:
            ArtifactError: the file is no regression on these features.
        """
        file = self.regression_as_read
        return None if file is None else file.read()


def library_versions() -> dict[str, str]:
    """Versions of the libraries that shape the bytes of an artifact, by name."""
    from importlib.metadata import version

    import xgboost

    return {
        "halfstar": version("halfstar"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "xgboost": xgboost.__version__,
    }


def save(model: Model, evaluation: Evaluation, model_dir: Path) -> None:
    """Write the artifact of a model.

    Args:
        model: what to save. Its boosters are XGBoost's own.
        evaluation: what the job measured. Its counts go into the manifest too.
        model_dir: an existing directory. Files of an earlier artifact are replaced.

    Raises:
        ArtifactError: the directory can't be written.
        SigningKeyError: there is a key to sign with, but it can't be used.
    """
    key = signing_key()
    boosters = {BOOSTER: _ubjson(model.booster)}
    if model.regression is not None:
        boosters[REGRESSION] = _ubjson(model.regression)

    forests: dict[str, bytes] = {}
    for name, booster in boosters.items():
        forest = _flat_form(booster)
        if forest is not None:
            forests[_FLAT_FORM_OF[name]] = forest

    self_test = SelfTest.of(
        model.spec, model.booster, model.regression, forests.values()
    )
    contents = {
        **boosters,
        **forests,
        FEATURES: npz.to_bytes(spec_to_arrays(model.spec)),
        SELF_TEST: npz.to_bytes(self_test.to_arrays()),
        EVALUATION: to_json(evaluation.to_json()),
    }
    manifest = Manifest(
        class_values=list(model.class_values),
        decision=model.decision,
        feature_names=list(model.spec.names),
        files={name: FileEntry.of(data) for name, data in contents.items()},
        training=evaluation.data.numbers(),
        versions=library_versions(),
    )
    manifest_file = to_json(manifest.to_json())
    if key is not None:
        contents[SIGNATURE] = signature_of(manifest_file, key)
    try:
        # Without a manifest the directory is unfinished, so it goes first and comes
        # last.
        for name in (MANIFEST, SIGNATURE, *_OPTIONAL):
            (model_dir / name).unlink(missing_ok=True)
        for name, data in contents.items():
            durable.write(model_dir / name, data)
        durable.write_whole(model_dir / MANIFEST, manifest_file)
    except OSError as error:
        reason = error.strerror or error
        raise ArtifactError(
            f"can't write the model to {model_dir}: {reason}"
        ) from error


def load(model_dir: Path) -> Model:
    """Read the artifact in a directory as a model with XGBoost's own boosters.

    Raises:
        ArtifactError: a file is absent, damaged or of a schema that this version
            doesn't read.
    """
    artifact = read(model_dir)
    return Model(
        spec=artifact.spec,
        booster=artifact.booster(),
        decision=artifact.decision,
        regression=artifact.regression(),
    )


def read(model_dir: Path, below: Path | None = None) -> Artifact:
    """Read the artifact in a directory, without XGBoost.

    The bytes of all files are checked against the manifest, and the manifest's
    signature if there is a signing key. XGBoost's boosters aren't parsed before
    `Artifact.booster` is called.

    Args:
        model_dir: the directory.
        below: no file is read that isn't below this directory, whatever links there
            are and whenever they come; None if links may lead anywhere.

    Raises:
        ArtifactError: a file is absent, damaged or of a schema that this version
            doesn't read; or the manifest isn't signed.
        SigningKeyError: there is a signing key, but it can't be used.
    """
    manifest = _read_manifest(model_dir, below)

    def read_file(path: Path, entry: FileEntry) -> bytes:
        return _read_file(path, entry, below)

    # Reading and hashing take a tenth of a server's start, so they run side by side,
    # and hashing while arrays are parsed.
    with ThreadPoolExecutor() as threads:
        paths = [model_dir / name for name in manifest.files]
        entries = manifest.files.values()
        contents = dict(
            zip(manifest.files, threads.map(read_file, paths, entries), strict=True)
        )
        checks = [
            threads.submit(_check_bytes, path, contents[path.name], entry)
            for path, entry in zip(paths, entries, strict=True)
        ]
        try:
            spec, self_test = _parse_arrays(model_dir, contents)
        finally:
            # That a file is damaged says more than an error that comes of it.
            for check in checks:
                check.result()

    _check_agreement(model_dir, manifest, spec, self_test)
    return Artifact(
        model_dir=model_dir,
        spec=spec,
        decision=manifest.decision,
        self_test=self_test,
        booster_file=contents[BOOSTER],
        regression_file=contents.get(REGRESSION),
        forest=contents.get(FOREST),
        regression_forest=contents.get(REGRESSION_FOREST),
        n_bytes=sum(len(data) for data in contents.values()),
        manifest=manifest,
    )


def size(model_dir: Path) -> int:
    """The size in bytes of the files that an artifact's manifest names.

    It is measured. What the manifest says of sizes is checked when the files are read.

    Raises:
        ArtifactError: the manifest is absent, damaged, unsigned or of another schema
            version; or a file isn't there, or is no regular file.
        SigningKeyError: there is a signing key, but it can't be used.
    """
    manifest = _read_manifest(model_dir)
    total = 0
    for name in manifest.files:
        path = model_dir / name
        try:
            total += regular_size(path)
        except OSError as error:
            raise _unreadable(path, error) from error
    return total


def to_json(value: Mapping[str, Any]) -> bytes:
    r"""JSON with sorted keys: the same bytes for the same value.

    Raises:
        ValueError: NaN or an infinity, which JSON doesn't have.

    Example:
        >>> to_json({"b": 1, "a": None})
        b'{\n  "a": null,\n  "b": 1\n}\n'
    """
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
    return text.encode() + b"\n"


def _read_manifest(model_dir: Path, below: Path | None = None) -> Manifest:
    manifest = Manifest.read(model_dir, signing_key(), below)
    names = set(manifest.files)
    if not _REQUIRED <= names <= _REQUIRED | _OPTIONAL:
        raise ArtifactError(
            f"{model_dir / MANIFEST} names the files {shown(sorted(names))}, "
            f"expected {', '.join(sorted(_REQUIRED))}: copy the whole artifact again"
        )
    return manifest


def _parse_arrays(
    model_dir: Path, contents: Mapping[str, bytes]
) -> tuple[FeatureSpec, SelfTest]:
    try:
        features = npz.from_bytes(contents[FEATURES], FEATURES)
        answers = npz.from_bytes(contents[SELF_TEST], SELF_TEST)
        return spec_from_arrays(features), SelfTest.from_arrays(answers)
    except _PARSING_ERRORS as error:
        raise ArtifactError(
            f"{model_dir}: {error}; train again with this version"
        ) from error


def _check_agreement(
    model_dir: Path, manifest: Manifest, spec: FeatureSpec, self_test: SelfTest
) -> None:
    """Raise an ArtifactError if the manifest and the other files disagree."""
    class_values = list(spec.scale.class_values)
    if class_values != manifest.class_values:
        raise ArtifactError(
            f"{model_dir}: the manifest has classes {shown(manifest.class_values)}, "
            f"the features {class_values}: copy the whole artifact again"
        )

    feature_names = list(spec.names)
    if feature_names != manifest.feature_names:
        raise ArtifactError(
            f"{model_dir}: the booster wants features "
            f"{shown(_differing(manifest.feature_names, feature_names))}, this "
            f"version makes {shown(_differing(feature_names, manifest.feature_names))}:"
            " train again with this version"
        )

    if self_test.has_regression != (REGRESSION in manifest.files):
        raise ArtifactError(
            f"{model_dir}: the manifest and the self-test disagree on {REGRESSION}: "
            "copy the whole artifact again"
        )


def _differing(names: list[str], others: list[str]) -> list[str]:
    """The names from the first one on that the others don't have at its place."""
    for place, name in enumerate(names):
        if others[place : place + 1] != [name]:
            return names[place:]
    return []


def _read_file(path: Path, entry: FileEntry, below: Path | None) -> bytes:
    try:
        return read_regular(path, entry.n_bytes, below)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ArtifactError:
    return ArtifactError(f"can't read {path}: {error.strerror or error}")


def _check_bytes(path: Path, data: bytes, entry: FileEntry) -> None:
    if sha256_of(data) != entry.sha256:
        raise ArtifactError(
            f"{path} isn't what training wrote (SHA-256 differs, {len(data)} bytes): "
            "copy it again"
        )


def _ubjson(booster: Any) -> bytes:
    import xgboost

    if not isinstance(booster, xgboost.Booster):
        raise TypeError(f"only XGBoost's own booster can be saved, not {type(booster)}")
    return bytes(booster.save_raw("ubj"))


def _flat_form(booster: bytes) -> bytes | None:
    try:
        return flatten(booster)
    except UnknownShapeError as error:
        logger.warning(
            "no flat form of the trees (%s): the server will predict with XGBoost, "
            "which is slower",
            error,
        )
        return None
