"""The model directory: what training leaves and serving finds, readable without running
any code of ours or anybody's.

The boosters in XGBoost's UBJSON and, where their shape allows, once more in the flat
form that the server maps into memory; the fitted features and the self-test as npz
arrays without objects; the evaluation; and a manifest that names the others with their
SHA-256. The manifest is written last, so that a directory without one is unfinished;
loading checks every byte against it, while the arrays are parsed, before anything is
used. No pickle is read or written. Equal models give equal bytes: nothing here holds a
clock, a path or a host name. XGBoost is imported only where its own booster is asked
for, since that takes longer than all the rest.
"""

from __future__ import annotations

import hashlib
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
from movielens.model import Model
from movielens.predictions import DECISIONS, Decision
from movielens.self_test import SelfTest

if TYPE_CHECKING:
    import xgboost

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 2
MANIFEST = "manifest.json"
BOOSTER = "booster.ubj"
FEATURES = "features.npz"
EVALUATION = "evaluation.json"
SELF_TEST = "self_test.npz"
FOREST = "forest.bin"
REGRESSION = "regression.ubj"
REGRESSION_FOREST = "regression.bin"
_FOREST_OF = {BOOSTER: FOREST, REGRESSION: REGRESSION_FOREST}
_REQUIRED, _OPTIONAL = (
    {BOOSTER, FEATURES, EVALUATION, SELF_TEST},
    {FOREST, REGRESSION, REGRESSION_FOREST},
)


@dataclass(frozen=True, slots=True, eq=False)
class Artifact:
    """An artifact that was read and checked.

    Attributes:
        model_dir: where it lies.
        spec: the fitted features.
        decision: how the class is chosen of the predicted distribution.
        self_test: questions with the answers of training.
        forest: the flat form of the booster, mapped from its file, or None where its
            shape has none.
        regression_forest: likewise of the regression, None where there is no regression
            too.
        n_bytes: of all its files.
    """

    model_dir: Path
    spec: FeatureSpec
    decision: Decision
    self_test: SelfTest
    forest: mmap.mmap | None
    regression_forest: mmap.mmap | None
    n_bytes: int

    def booster(self) -> xgboost.Booster:
        """XGBoost's own booster, which is read now.

        Raises:
            ArtifactError: if it isn't one, or isn't the one of these features.
        """
        return self._trees(BOOSTER, len(self.spec.scale.class_values))

    def regression(self) -> xgboost.Booster | None:
        """XGBoost's own booster of the regression, if there is one; raises as `booster`
        does.
        """
        return self._trees(REGRESSION, 0) if self.self_test.has_regression else None

    def _trees(self, name: str, n_classes: int) -> xgboost.Booster:
        import xgboost

        path = self.model_dir / name
        try:
            booster = xgboost.Booster(model_file=bytearray(path.read_bytes()))
        except (OSError, ValueError, xgboost.core.XGBoostError) as error:
            raise ArtifactError(
                f"{path}: {error}; train again with this version"
            ) from error
        found = int(
            json.loads(booster.save_config())["learner"]["learner_model_param"][
                "num_class"
            ]
        )
        n_features = len(self.spec.names)
        if (found, booster.num_features()) != (n_classes, n_features):
            raise ArtifactError(
                f"{path} has {found} classes and {booster.num_features()} features, expected {n_classes} and "
                f"{n_features}: copy the whole artifact again"
            )
        return booster


def library_versions() -> dict[str, str]:
    """Versions of what shapes the bytes of an artifact."""
    from importlib.metadata import version

    import xgboost

    return {
        "halfstar": version("halfstar"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "xgboost": xgboost.__version__,
    }


def save(
    model: Model,
    evaluation: Evaluation,
    model_dir: Path,
) -> None:
    """Write the artifact into ``model_dir``.

    Args:
        model: what to save.
        evaluation: what the job measured; its counts go into the manifest too.
        model_dir: an existing directory; files of an earlier artifact in it are
            replaced.

    Raises:
        ArtifactError: if the directory can't be written.
    """
    trees = {BOOSTER: _raw(model.booster)} | (
        {} if model.regression is None else {REGRESSION: _raw(model.regression)}
    )
    flat = {
        _FOREST_OF[name]: form
        for name, raw in trees.items()
        if (form := _flat(raw)) is not None
    }
    contents = {
        **trees,
        FEATURES: npz.to_bytes(spec_to_arrays(model.spec)),
        EVALUATION: to_json(evaluation.to_json()),
        SELF_TEST: npz.to_bytes(
            SelfTest.of(
                model.spec, model.booster, model.regression, flat.values()
            ).to_arrays()
        ),
        **flat,
    }
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "versions": library_versions(),
        "class_values": list(model.class_values),
        "decision": model.decision,
        "feature_names": list(model.spec.names),
        "training": evaluation.data.numbers(),
        "files": {
            name: {"bytes": len(data), "sha256": _sha256(data)}
            for name, data in contents.items()
        },
    }
    try:
        for name in (MANIFEST, *_OPTIONAL):
            (model_dir / name).unlink(missing_ok=True)
        for name, data in {**contents, MANIFEST: to_json(manifest)}.items():
            (model_dir / name).write_bytes(data)
    except OSError as error:
        raise ArtifactError(
            f"can't write the model to {model_dir}: {error.strerror or error}"
        ) from error


def load(model_dir: Path) -> Model:
    """The model of the artifact in ``model_dir``, with XGBoost's own booster.

    Raises:
        ArtifactError: if a file is absent, damaged or of a schema that this version
            doesn't read.
    """
    artifact = read(model_dir)
    return Model(
        artifact.spec, artifact.booster(), artifact.decision, artifact.regression()
    )


def read(model_dir: Path) -> Artifact:
    """Read and check the artifact in ``model_dir``, but for the booster, whose bytes
    alone are checked.

    Raises:
        ArtifactError: if a file is absent, damaged or of a schema that this version
            doesn't read.
    """
    manifest = _manifest(model_dir)
    files: dict[str, dict[str, Any]] = manifest["files"]
    contents = {name: _mapped(model_dir / name) for name in files}
    with ThreadPoolExecutor() as threads:  # hashing is a tenth of a server's start
        checks = [
            threads.submit(_check, model_dir / name, contents[name], entry)
            for name, entry in files.items()
        ]
        try:
            spec = spec_from_arrays(
                npz.read(model_dir / FEATURES, contents[FEATURES])
            )
            self_test = SelfTest.from_arrays(
                npz.read(model_dir / SELF_TEST, contents[SELF_TEST])
            )
        except (KeyError, ValueError) as error:
            raise ArtifactError(
                f"{model_dir}: {error}; train again with this version"
            ) from error
        finally:
            for check in checks:
                check.result()  # that a file is damaged says more than what came of it
    values = list(spec.scale.class_values)
    if values != manifest["class_values"]:
        raise ArtifactError(
            f"{model_dir}: the manifest has classes {manifest['class_values']}, the features {values}: copy the whole "
            "artifact again"
        )
    if list(spec.names) != manifest["feature_names"]:
        raise ArtifactError(
            f"{model_dir}: the booster wants features {manifest['feature_names']}, this version makes "
            f"{list(spec.names)}: train again with this version"
        )
    if self_test.has_regression != (REGRESSION in contents):
        raise ArtifactError(
            f"{model_dir}: the manifest and the self-test disagree on {REGRESSION}: copy it again"
        )
    forests = contents.get(FOREST), contents.get(REGRESSION_FOREST)
    return Artifact(
        model_dir,
        spec,
        manifest["decision"],
        self_test,
        *forests,
        sum(map(len, contents.values())),
    )


def size(model_dir: Path) -> int:
    """Bytes of the artifact's files, as its manifest says; raises as `read` does."""
    return sum(
        int(entry.get("bytes", 0)) for entry in _manifest(model_dir)["files"].values()
    )


def to_json(value: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys, the same bytes for the same value, and no NaN."""
    return (
        json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"
    ).encode()


def _manifest(model_dir: Path) -> dict[str, Any]:
    path = model_dir / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        found = (
            ", ".join(sorted(p.name for p in model_dir.iterdir()))
            if model_dir.is_dir()
            else "no such directory"
        )
        raise ArtifactError(
            f"no {MANIFEST} in {model_dir} ({found or 'empty'}): unpack the model.tar.gz of a training job there"
        ) from None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"can't read {path}: {error}") from error
    schema = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if schema != SCHEMA_VERSION:
        raise ArtifactError(
            f"{path} has schema version {schema}, this image reads {SCHEMA_VERSION}: train again with this image"
        )
    files, values, names = (
        manifest.get(name) for name in ("files", "class_values", "feature_names")
    )
    if not (
        isinstance(files, dict) and isinstance(values, list) and isinstance(names, list)
    ):
        raise ArtifactError(
            f"{path} has no files, class_values or feature_names: copy the whole artifact again"
        )
    if manifest.get("decision") not in DECISIONS:
        raise ArtifactError(
            f"{path} has decision {manifest.get('decision')!r}, expected one of {', '.join(DECISIONS)}: copy the whole "
            "artifact again"
        )
    is_whole = _REQUIRED <= set(files) <= _REQUIRED | _OPTIONAL
    if not is_whole or not all(isinstance(entry, dict) for entry in files.values()):
        raise ArtifactError(
            f"{path} names {sorted(files)}, expected {', '.join(sorted(_REQUIRED))}: copy it again"
        )
    return dict(manifest)


def _mapped(path: Path) -> mmap.mmap:
    """The file; processes that serve the same model share its pages."""
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # ValueError: an empty file can't be mapped
        raise ArtifactError(
            f"can't read {path}: {getattr(error, 'strerror', None) or error}"
        ) from error


def _check(path: Path, data: mmap.mmap, entry: Mapping[str, Any]) -> None:
    if _sha256(data) != entry.get("sha256"):
        raise ArtifactError(
            f"{path} isn't what training wrote (SHA-256 differs, {len(data)} bytes): copy it again"
        )


def _raw(booster: Any) -> bytes:
    import xgboost

    if not isinstance(booster, xgboost.Booster):
        raise TypeError(f"only XGBoost's own booster can be saved, not {type(booster)}")
    return bytes(booster.save_raw("ubj"))


def _flat(booster: bytes) -> bytes | None:
    try:
        return flatten(booster)
    except UnknownShapeError as error:
        logger.warning(
            "no flat form of the trees (%s): XGBoost itself will predict", error
        )
        return None


def _sha256(data: bytes | mmap.mmap) -> str:
    return hashlib.sha256(data).hexdigest()
