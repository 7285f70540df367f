"""The model directory: what training leaves and serving finds, readable without running any code of ours or anybody's.

Four files: the booster in XGBoost's UBJSON, the fitted features as npz arrays without objects, the evaluation, and a
manifest that names the other three with their SHA-256. The manifest is written last, so that a directory without one
is unfinished; loading checks every byte against it before anything is parsed. No pickle is read or written. Equal
models give equal
bytes: nothing here holds a clock, a path or a host name.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from movielens.errors import ArtifactError
from movielens.features import FeatureSpec
from movielens.model import Model

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
BOOSTER = "booster.ubj"
FEATURES = "features.npz"
EVALUATION = "evaluation.json"


def library_versions() -> dict[str, str]:
    """Versions of what shapes the bytes of an artifact."""
    return {
        "halfstar": version("halfstar"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "xgboost": xgboost.__version__,
    }


def save(model: Model, evaluation: Mapping[str, Any], training: Mapping[str, int], model_dir: Path) -> None:
    """Write the artifact into ``model_dir``.

    Args:
        model: what to save.
        evaluation: the evaluation as JSON values.
        training: counts of the training data, for the manifest.
        model_dir: an existing directory; files of an earlier artifact in it are replaced.

    Raises:
        ArtifactError: if the directory can't be written.
    """
    contents = {
        BOOSTER: bytes(model.booster.save_raw("ubj")),
        FEATURES: _npz(model.spec),
        EVALUATION: to_json(evaluation),
    }
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "versions": library_versions(),
        "class_values": list(model.class_values),
        "feature_names": list(model.spec.names),
        "training": dict(training),
        "files": {name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in contents.items()},
    }
    try:
        (model_dir / MANIFEST).unlink(missing_ok=True)
        for name, data in {**contents, MANIFEST: to_json(manifest)}.items():
            (model_dir / name).write_bytes(data)
    except OSError as error:
        raise ArtifactError(f"can't write the model to {model_dir}: {error.strerror or error}") from error


def load(model_dir: Path) -> Model:
    """Read the artifact in ``model_dir``.

    Raises:
        ArtifactError: if a file is absent, damaged or of a schema that this version doesn't read.
    """
    manifest = _manifest(model_dir)
    contents = {name: _verified(model_dir / name, entry) for name, entry in manifest["files"].items()}
    try:
        spec = FeatureSpec.from_arrays(_arrays(contents[FEATURES]))
        booster = xgboost.Booster(model_file=bytearray(contents[BOOSTER]))
    except (KeyError, ValueError, zipfile.BadZipFile, xgboost.core.XGBoostError) as error:
        raise ArtifactError(f"{model_dir}: {error}; train again with this version") from error
    n_classes = int(json.loads(booster.save_config())["learner"]["learner_model_param"]["num_class"])
    values = list(spec.scale.class_values)
    if values != manifest["class_values"] or n_classes != len(values):
        raise ArtifactError(
            f"{model_dir}: the booster has {n_classes} classes, the manifest {manifest['class_values']}, the features "
            f"{values}: copy the whole artifact again"
        )
    if list(spec.names) != manifest["feature_names"] or booster.num_features() != len(spec.names):
        raise ArtifactError(
            f"{model_dir}: the booster wants features {manifest['feature_names']}, this version makes "
            f"{list(spec.names)}: train again with this version"
        )
    return Model(spec, booster)


def to_json(value: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys, the same bytes for the same value, and no NaN."""
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def _manifest(model_dir: Path) -> dict[str, Any]:
    path = model_dir / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        found = ", ".join(sorted(p.name for p in model_dir.iterdir())) if model_dir.is_dir() else "no such directory"
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
    files, values, names = (manifest.get(name) for name in ("files", "class_values", "feature_names"))
    if not (isinstance(files, dict) and isinstance(values, list) and isinstance(names, list)):
        raise ArtifactError(f"{path} has no files, class_values or feature_names: copy the whole artifact again")
    if set(files) != {BOOSTER, FEATURES, EVALUATION} or not all(isinstance(entry, dict) for entry in files.values()):
        raise ArtifactError(
            f"{path} names {sorted(files)}, expected {BOOSTER}, {EVALUATION} and {FEATURES}: copy it again"
        )
    return dict(manifest)


def _verified(path: Path, entry: Mapping[str, Any]) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"can't read {path}: {error.strerror or error}") from error
    if _sha256(data) != entry.get("sha256"):
        raise ArtifactError(f"{path} isn't what training wrote (SHA-256 differs, {len(data)} bytes): copy it again")
    return data


def _npz(spec: FeatureSpec) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **spec.to_arrays())
    return buffer.getvalue()


def _arrays(data: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
