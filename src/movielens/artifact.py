"""The model directory: what training writes and serving reads.

======================  ==============================================================
``booster.ubj``         the booster of the classes, in XGBoost's UBJSON
``forest.bin``          the same trees in the flat form that the server maps into
                        memory; absent if their shape has none
``regression.ubj``      the booster of the regression, if the model has one
``regression.bin``      its flat form
``features.npz``        the fitted features, as arrays without objects
``self_test.npz``       questions with the answers that training gave
``evaluation.json``     figures of the model
``manifest.json``       the names of the other files with their SHA-256
======================  ==============================================================

Nothing here runs code when it is read: there are no pickles. The manifest is written
last, so a directory without one is unfinished. All bytes are checked against it before
anything that was read is used. Equal models give equal bytes, because no file holds a
time, a path or a host name.

XGBoost is imported only where its own booster is asked for, because the import takes
longer than everything else.
"""

from __future__ import annotations

import json
import logging
import mmap
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from movielens import npz
from movielens.errors import ArtifactError
from movielens.evaluation import Evaluation
from movielens.features import FeatureSpec
from movielens.features.spec_arrays import spec_from_arrays, spec_to_arrays
from movielens.flat_forest import UnknownShapeError, flatten
from movielens.manifest import MANIFEST, FileEntry, Manifest, sha256_of
from movielens.model import Model
from movielens.predictions import Decision
from movielens.self_test import SelfTest

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
_FLAT_FORM_OF = {BOOSTER: FOREST, REGRESSION: REGRESSION_FOREST}


@dataclass(frozen=True, slots=True, eq=False)
class Artifact:
    """An artifact that was read and checked.

    Attributes:
        model_dir: its directory.
        spec: the fitted features.
        decision: how a class is chosen from the predicted distribution.
        self_test: questions with the answers that training gave.
        forest: the flat form of the booster, mapped from its file; None if there is no
            flat form.
        regression_forest: the flat form of the regression; None if there is no flat
            form or no regression.
        n_bytes: the size of all files together.
    """

    model_dir: Path
    spec: FeatureSpec
    decision: Decision
    self_test: SelfTest
    forest: mmap.mmap | None
    regression_forest: mmap.mmap | None
    n_bytes: int

    def booster(self) -> xgboost.Booster:
        """Read XGBoost's own booster.

        Raises:
            ArtifactError: the file is no booster, or not the booster of these features
                and classes.
        """
        n_classes = len(self.spec.scale.class_values)
        return self._read_booster(BOOSTER, n_classes)

    def regression(self) -> xgboost.Booster | None:
        """Read XGBoost's own booster of the regression, if there is one.

        Raises:
            ArtifactError: the file is no regression on these features.
        """
        if not self.self_test.has_regression:
            return None
        return self._read_booster(REGRESSION, n_classes=0)

    def _read_booster(self, name: str, n_classes: int) -> xgboost.Booster:
        import xgboost

        path = self.model_dir / name
        try:
            booster = xgboost.Booster(model_file=bytearray(path.read_bytes()))
        except (OSError, ValueError, xgboost.core.XGBoostError) as error:
            raise ArtifactError(
                f"{path}: {error}; train again with this version"
            ) from error

        settings = json.loads(booster.save_config())
        parameters = settings["learner"]["learner_model_param"]
        found = int(parameters["num_class"]), booster.num_features()
        expected = n_classes, len(self.spec.names)
        if found != expected:
            raise ArtifactError(
                f"{path} has {found[0]} classes and {found[1]} features, "
                f"expected {expected[0]} and {expected[1]}: "
                "copy the whole artifact again"
            )
        return booster


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
    """
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
    try:
        # Without a manifest the directory is unfinished, so it goes first and comes
        # last.
        for name in (MANIFEST, *_OPTIONAL):
            (model_dir / name).unlink(missing_ok=True)
        for name, data in contents.items():
            (model_dir / name).write_bytes(data)
        (model_dir / MANIFEST).write_bytes(to_json(manifest.to_json()))
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


def read(model_dir: Path) -> Artifact:
    """Read the artifact in a directory, without XGBoost.

    The bytes of all files are checked against the manifest. XGBoost's boosters aren't
    parsed before `Artifact.booster` is called.

    Raises:
        ArtifactError: a file is absent, damaged or of a schema that this version
            doesn't read.
    """
    manifest = _read_manifest(model_dir)
    contents = {name: _mapped(model_dir / name) for name in manifest.files}

    # Hashing takes a tenth of a server's start, so it runs while arrays are parsed.
    with ThreadPoolExecutor() as threads:
        checks = [
            threads.submit(_check_bytes, model_dir / name, contents[name], entry)
            for name, entry in manifest.files.items()
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
        forest=contents.get(FOREST),
        regression_forest=contents.get(REGRESSION_FOREST),
        n_bytes=sum(len(data) for data in contents.values()),
    )


def size(model_dir: Path) -> int:
    """The size of an artifact's files in bytes, according to its manifest.

    Raises:
        ArtifactError: the manifest is absent, damaged or of another schema version.
    """
    return _read_manifest(model_dir).n_bytes


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


def _read_manifest(model_dir: Path) -> Manifest:
    manifest = Manifest.read(model_dir)
    names = set(manifest.files)
    if not _REQUIRED <= names <= _REQUIRED | _OPTIONAL:
        raise ArtifactError(
            f"{model_dir / MANIFEST} names {', '.join(sorted(names)) or 'no files'}, "
            f"expected {', '.join(sorted(_REQUIRED))}: copy the whole artifact again"
        )
    return manifest


def _parse_arrays(
    model_dir: Path, contents: Mapping[str, mmap.mmap]
) -> tuple[FeatureSpec, SelfTest]:
    try:
        features = npz.from_bytes(contents[FEATURES], FEATURES)
        answers = npz.from_bytes(contents[SELF_TEST], SELF_TEST)
        return spec_from_arrays(features), SelfTest.from_arrays(answers)
    except (KeyError, ValueError) as error:
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
            f"{model_dir}: the manifest has classes {manifest.class_values}, "
            f"the features {class_values}: copy the whole artifact again"
        )

    feature_names = list(spec.names)
    if feature_names != manifest.feature_names:
        raise ArtifactError(
            f"{model_dir}: the booster wants features {manifest.feature_names}, "
            f"this version makes {feature_names}: train again with this version"
        )

    if self_test.has_regression != (REGRESSION in manifest.files):
        raise ArtifactError(
            f"{model_dir}: the manifest and the self-test disagree on {REGRESSION}: "
            "copy the whole artifact again"
        )


def _mapped(path: Path) -> mmap.mmap:
    """A file mapped into memory; processes that serve the same model share it."""
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        reason = error.strerror or error
        raise ArtifactError(f"can't read {path}: {reason}") from error
    except ValueError as error:
        # An empty file can't be mapped.
        raise ArtifactError(f"can't read {path}: {error}") from error


def _check_bytes(path: Path, data: mmap.mmap, entry: FileEntry) -> None:
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
